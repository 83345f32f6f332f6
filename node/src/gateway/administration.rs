//! The bank's desk: a socket of this machine, by which `tonle merchant` issues, lists and revokes tokens while the node
//! runs. Who may open the file may do it: mode 0600, in a folder of mode 0700.
//!
//! One request a connection: a line of JSON, answered by one.
//!
//! Must not know: HTTP.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonle_ledger::AccountId;

use super::Node;
use super::hooks::{Form, Hook, Hooks};
use super::index::Index;
use super::payment::Place;
use super::store::FOLDER;
use super::tokens::{Book, Issue, Listed};

/// The socket's name.
const SOCKET: &str = "administration.sock";
/// Most bytes of a request.
const REQUEST_BYTES_MAX: u64 = 16_384;
/// How long a request may take to come.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// Requests at once; further ones wait to be accepted.
const REQUESTS_MAX: usize = 8;

/// What the bank asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Issue a token.
    New {
        /// Who has it, in the bank's words.
        name: String,
        /// Under which address its owner renews it; empty when he may not.
        email: String,
        /// The accounts that it reaches.
        accounts: Vec<String>,
        /// For how many days.
        days: u32,
    },
    /// List all tokens.
    List,
    /// Add a webhook.
    WebhookNew {
        /// Where it leads.
        url: String,
        /// May it lead into a private network?
        allow_private: bool,
        /// The bearer token of Bakong's callback; none for Tonle's own, signed message.
        bakong_bearer: Option<String>,
        /// Whose payments are told.
        accounts: Vec<String>,
    },
    /// List all webhooks.
    WebhookList,
    /// Remove a webhook.
    WebhookRemove {
        /// Its id.
        id: String,
    },
    /// List what a webhook gave up.
    WebhookDead {
        /// Its id.
        id: String,
    },
    /// Tell everything after a place again.
    WebhookReplay {
        /// The webhook's id.
        id: String,
        /// The place: `height.index.operation`.
        after: String,
    },
    /// Take a token back.
    Revoke {
        /// Its id.
        id: String,
    },
}

/// A token, without what makes it one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Its public id: 16 hexadecimal digits.
    pub id: String,
    /// Who has it.
    pub name: String,
    /// Under which address its owner renews it.
    pub email: String,
    /// The accounts that it reaches.
    pub accounts: Vec<String>,
    /// When it was issued, ms since the Unix epoch.
    pub issued_ms: u64,
    /// First moment at which it is good no more, ms since the Unix epoch.
    pub expires_ms: u64,
    /// When it was taken back.
    pub revoked_ms: Option<u64>,
}

impl From<Listed> for Token {
    fn from(Listed { id, record }: Listed) -> Self {
        Token {
            id,
            name: record.name,
            email: record.email,
            accounts: record.accounts.iter().map(ToString::to_string).collect(),
            issued_ms: record.issued_ms,
            expires_ms: record.expires_ms,
            revoked_ms: record.revoked_ms,
        }
    }
}

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its id: 16 hexadecimal digits.
    pub id: String,
    /// Where it leads.
    pub url: String,
    /// `signed`, or `bakong`.
    pub form: String,
    /// Whose payments are told.
    pub accounts: Vec<String>,
    /// The place up to which all is told, or given up.
    pub told: String,
    /// How often the batch under way was tried.
    pub attempts: u32,
    /// The ed25519 key that its messages are signed with: 64 hexadecimal digits.
    pub key: String,
}

/// A batch that a webhook gave up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The place before it: replay after this to tell it again.
    pub after: String,
    /// The place of its last payment.
    pub end: String,
    /// When it was given up, ms since the Unix epoch.
    pub time_ms: u64,
    /// Why the last attempt failed.
    pub why: String,
}

/// What the desk answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A new token, shown this once.
    Issued {
        /// The token.
        secret: String,
        /// What is kept of it.
        token: Token,
    },
    /// All tokens, oldest first.
    Tokens(Vec<Token>),
    /// Webhooks: the new one, or all.
    Webhooks(Vec<Webhook>),
    /// What a webhook gave up, oldest first.
    Dead(Vec<DeadLetter>),
    /// It is done.
    Done,
    /// It is taken back.
    Revoked(Token),
    /// Why not.
    Refused(String),
}

/// Asks the node whose data folder is `data`.
///
/// # Errors
/// When no node answers there, or refuses.
pub async fn ask(data: &Path, request: &Request) -> Result<Reply> {
    let path = data.join(FOLDER).join(SOCKET);
    let missing = || format!("no node serves merchants from {}: it must run, with merchant.listen set", data.display());
    let mut stream = UnixStream::connect(&path).await.with_context(missing)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).await?;
    match serde_json::from_str(&answer).context("the node gave no answer: see its log")? {
        Reply::Refused(why) => anyhow::bail!(why),
        reply => Ok(reply),
    }
}

/// What the desk works with.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) book: Arc<Book>,
    pub(super) index: Arc<Index>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) node: Node,
}

/// Opens the socket in `folder` and serves it until `shutdown`.
pub(super) fn start(folder: &Path, desk: Desk, shutdown: CancellationToken) -> Result<()> {
    let path: PathBuf = folder.join(SOCKET);
    // The data folder is locked, so whoever left it there is gone.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", path.display()));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot open the socket {} (its path may have 107 bytes at most)", path.display()))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
    tokio::spawn(serve(listener, Arc::new(desk), shutdown));
    Ok(())
}

async fn serve(listener: UnixListener, desk: Arc<Desk>, shutdown: CancellationToken) {
    let free = Arc::new(Semaphore::new(REQUESTS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else { continue };
        let desk = Arc::clone(&desk);
        tokio::spawn(async move {
            if let Err(error) = desk.talk(stream).await {
                tracing::debug!(%error, "a request at the merchants' desk broke off");
            }
            drop(permit);
        });
    }
}

impl Desk {
    async fn talk(&self, stream: UnixStream) -> Result<()> {
        let (reading, mut writing) = stream.into_split();
        let mut line = String::new();
        let mut reading = BufReader::new(reading.take(REQUEST_BYTES_MAX));
        tokio::time::timeout(REQUEST_TIME_MAX, reading.read_line(&mut line)).await??;
        let reply = match serde_json::from_str(&line) {
            Ok(request) => self.handle(request).await,
            Err(error) => Reply::Refused(format!("no request: {error}")),
        };
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        writing.write_all(&answer).await?;
        Ok(())
    }

    async fn handle(&self, request: Request) -> Reply {
        let answer = match request {
            Request::New { name, email, accounts, days } => self.issue(name, email, &accounts, days).await,
            Request::List => Ok(Reply::Tokens(self.book.list().into_iter().map(Token::from).collect())),
            Request::WebhookNew { url, allow_private, bakong_bearer, accounts } => {
                self.add_hook(url, allow_private, bakong_bearer, &accounts).await
            }
            Request::WebhookList => {
                let all = self.hooks.list();
                Ok(Reply::Webhooks(all.into_iter().map(|(id, hook)| self.webhook(id, hook)).collect()))
            }
            Request::WebhookRemove { id } => {
                let hooks = Arc::clone(&self.hooks);
                blocking(move || Ok(hooks.remove(&id).map(|()| Reply::Done)?)).await
            }
            Request::WebhookDead { id } => {
                let hooks = Arc::clone(&self.hooks);
                blocking(move || Ok(Reply::Dead(hooks.dead(&id)?.into_iter().map(dead_letter).collect()))).await
            }
            Request::WebhookReplay { id, after } => {
                let hooks = Arc::clone(&self.hooks);
                let replay = move || {
                    let after = Place::parse(&after).context("a place is like 17.0.0: height, index, operation")?;
                    Ok(hooks.replay(&id, after).map(|()| Reply::Done)?)
                };
                blocking(replay).await
            }
            Request::Revoke { id } => {
                let book = Arc::clone(&self.book);
                blocking(move || Ok(Reply::Revoked(book.revoke(&id, now_ms())?.into()))).await
            }
        };
        answer.unwrap_or_else(|error| Reply::Refused(format!("{error:#}")))
    }

    fn webhook(&self, id: String, hook: Hook) -> Webhook {
        Webhook {
            id,
            url: hook.url,
            form: if hook.form == Form::Signed { "signed" } else { "bakong" }.to_owned(),
            accounts: hook.accounts.iter().map(ToString::to_string).collect(),
            told: hook.told.to_string(),
            attempts: hook.attempts,
            key: self.hooks.public().to_string(),
        }
    }

    async fn add_hook(
        &self,
        url: String,
        allow_private: bool,
        bakong_bearer: Option<String>,
        accounts: &[String],
    ) -> Result<Reply> {
        let reached = self.own_accounts(accounts).await?;
        self.index.enrol(reached.clone()).await?;
        let form = bakong_bearer.map_or(Form::Signed, |bearer| Form::Bakong { bearer });
        let hooks = Arc::clone(&self.hooks);
        // Its task begins here, where tasks can.
        let runtime = tokio::runtime::Handle::current();
        let added = blocking(move || {
            let _within = runtime.enter();
            Ok(hooks.add(url, allow_private, form, reached)?)
        });
        let (id, hook) = added.await?;
        tracing::info!(id, "a webhook is added");
        Ok(Reply::Webhooks(vec![self.webhook(id, hook)]))
    }

    /// The accounts of these names, when they are there and this bank's.
    async fn own_accounts(&self, accounts: &[String]) -> Result<Vec<AccountId>> {
        let mut reached = Vec::new();
        for text in accounts {
            let account = AccountId::new(text).with_context(|| format!("{text:?} is no account"))?;
            let bank = self.node.bank;
            anyhow::ensure!(
                account.participant() == bank,
                "{account} is kept by {}: its own bank issues tokens for it",
                account.participant()
            );
            let database = Arc::clone(&self.node.database);
            let found = blocking(move || Ok(database.view().account(account)?)).await?;
            anyhow::ensure!(found.is_some(), "there is no account {account}");
            reached.push(account);
        }
        Ok(reached)
    }

    async fn issue(&self, name: String, email: String, accounts: &[String], days: u32) -> Result<Reply> {
        let reached = self.own_accounts(accounts).await?;
        let book = Arc::clone(&self.book);
        let enrolled = reached.clone();
        let issue = Issue { name, email, accounts: reached, days };
        // First the index, so that whoever has the token finds the past too.
        self.index.enrol(enrolled).await?;
        blocking(move || {
            let (secret, listed) = book.issue(issue, now_ms())?;
            tracing::info!(id = listed.id, "a merchant's token is issued");
            Ok(Reply::Issued { secret: secret.reveal(), token: listed.into() })
        })
        .await
    }
}

fn dead_letter((after, dead): (Place, super::hooks::Dead)) -> DeadLetter {
    DeadLetter { after: after.to_string(), end: dead.end.to_string(), time_ms: dead.time_ms, why: dead.why }
}

async fn blocking<T: Send + 'static>(run: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(run).await?
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
