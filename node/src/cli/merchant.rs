//! `tonle merchant`: the tokens of the bank's merchants, on the host of its node.
//!
//! Must not know: how tokens are kept.

use std::path::PathBuf;

use anyhow::{Result, bail};
use tonle_node::gateway::administration::{DeadLetter, Reply, Request, Token, Webhook, ask};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle merchant token new --account coffee@aba --name \"Coffee House\" --email till@coffee.example --data data
  tonle merchant token list --data .devnet/nodes/aba/data
  tonle merchant token revoke 0123456789abcdef --data data

The node must run, with merchant.listen set. Who may write to its data folder may issue tokens. A token is shown once:
the node keeps its digest only.";

/// Subcommands of `tonle merchant`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Issue, list and revoke tokens.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Tell a shop's server of payments as they become final.
    #[command(subcommand)]
    Webhook(WebhookCommand),
}

/// Where the node keeps its data, and how the answer is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Node {
    /// The data folder of the running node: its node.data_dir.
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Subcommands of `tonle merchant token`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum TokenCommand {
    /// Issue a token, and print it: this once.
    #[command(after_help = AFTER_HELP)]
    New {
        /// An account of this bank that the token reaches; up to 16.
        #[arg(long = "account", value_name = "ACCOUNT", required = true)]
        accounts: Vec<String>,
        /// Who has it, in the bank's words.
        #[arg(long)]
        name: String,
        /// Under which address its owner renews it by /v1/renew_token; without one he cannot.
        #[arg(long, default_value = "")]
        email: String,
        /// For how many days it is good.
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        node: Node,
    },
    /// List tokens, oldest first.
    #[command(after_help = AFTER_HELP)]
    List {
        #[command(flatten)]
        node: Node,
    },
    /// Take a token back, at once.
    #[command(after_help = AFTER_HELP)]
    Revoke {
        /// The token's id, as listed.
        id: String,
        #[command(flatten)]
        node: Node,
    },
}

const WEBHOOK_HELP: &str = "\
Examples:
  tonle merchant webhook new --account coffee@aba --url https://coffee.example/paid --data data
  tonle merchant webhook list --data data
  tonle merchant webhook dead 0123456789abcdef --data data
  tonle merchant webhook replay 0123456789abcdef --after 17.0.0 --data data

A message is sent until it is taken (any status of 2xx), with growing pauses; after 16 attempts, some four hours, it is
given up and listed by `dead`. docs/merchants.md says what is sent and how to check its signature.";

/// Subcommands of `tonle merchant webhook`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = WEBHOOK_HELP)]
pub(crate) enum WebhookCommand {
    /// Tell an address of payments from now on.
    #[command(after_help = WEBHOOK_HELP)]
    New {
        /// An account of this bank whose payments are told; up to 16.
        #[arg(long = "account", value_name = "ACCOUNT", required = true)]
        accounts: Vec<String>,
        /// Where messages are POSTed.
        #[arg(long)]
        url: String,
        /// Send the callback of Bakong's members with this bearer token, in place of Tonle's own signed message.
        #[arg(long, value_name = "TOKEN")]
        bakong_bearer: Option<String>,
        /// Let it lead into a private network, and without TLS.
        #[arg(long)]
        allow_private: bool,
        #[command(flatten)]
        node: Node,
    },
    /// List webhooks, and how far each has come.
    #[command(after_help = WEBHOOK_HELP)]
    List {
        #[command(flatten)]
        node: Node,
    },
    /// Remove a webhook.
    #[command(after_help = WEBHOOK_HELP)]
    Remove {
        /// The webhook's id, as listed.
        id: String,
        #[command(flatten)]
        node: Node,
    },
    /// List what was given up.
    #[command(after_help = WEBHOOK_HELP)]
    Dead {
        /// The webhook's id, as listed.
        id: String,
        #[command(flatten)]
        node: Node,
    },
    /// Tell everything after a place again.
    #[command(after_help = WEBHOOK_HELP)]
    Replay {
        /// The webhook's id, as listed.
        id: String,
        /// The place: height.index.operation, such as 17.0.0.
        #[arg(long)]
        after: String,
        #[command(flatten)]
        node: Node,
    },
}

impl TokenCommand {
    fn request(&self) -> (Request, &Node) {
        match self {
            TokenCommand::New { accounts, name, email, days, node } => {
                let (name, email, accounts) = (name.clone(), email.clone(), accounts.clone());
                (Request::New { name, email, accounts, days: *days }, node)
            }
            TokenCommand::List { node } => (Request::List, node),
            TokenCommand::Revoke { id, node } => (Request::Revoke { id: id.clone() }, node),
        }
    }
}

impl WebhookCommand {
    fn request(&self) -> (Request, &Node) {
        match self {
            WebhookCommand::New { accounts, url, bakong_bearer, allow_private, node } => {
                let request = Request::WebhookNew {
                    url: url.clone(),
                    allow_private: *allow_private,
                    bakong_bearer: bakong_bearer.clone(),
                    accounts: accounts.clone(),
                };
                (request, node)
            }
            WebhookCommand::List { node } => (Request::WebhookList, node),
            WebhookCommand::Remove { id, node } => (Request::WebhookRemove { id: id.clone() }, node),
            WebhookCommand::Dead { id, node } => (Request::WebhookDead { id: id.clone() }, node),
            WebhookCommand::Replay { id, after, node } => {
                (Request::WebhookReplay { id: id.clone(), after: after.clone() }, node)
            }
        }
    }
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> Result<()> {
    let (request, node) = match command {
        Command::Token(command) => command.request(),
        Command::Webhook(command) => command.request(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(ask(&node.data, &request))? {
        reply @ Reply::Issued { .. } if node.json => print_json(&reply),
        Reply::Issued { secret, token } => {
            print(&secret)?;
            print(&line(&token))
        }
        Reply::Tokens(tokens) => {
            tokens.iter().try_for_each(|token| if node.json { print_json(token) } else { print(&line(token)) })
        }
        Reply::Revoked(token) if node.json => print_json(&token),
        Reply::Revoked(token) => print(&line(&token)),
        Reply::Webhooks(hooks) => hooks.iter().try_for_each(|hook| {
            let Webhook { id, url, form, accounts, told, attempts, key } = hook;
            let accounts = accounts.join(",");
            if node.json {
                print_json(hook)
            } else {
                print(&format!("{id}  {form}  {accounts}  {url}  told up to {told}, tried {attempts} times  key {key}"))
            }
        }),
        Reply::Dead(letters) => letters.iter().try_for_each(|letter| {
            let DeadLetter { after, end, time_ms, why } = letter;
            if node.json {
                print_json(letter)
            } else {
                print(&format!("after {after} to {end}  given up {time_ms} (ms)  {why}"))
            }
        }),
        Reply::Done => Ok(()),
        Reply::Refused(why) => bail!(why),
    }
}

fn line(token: &Token) -> String {
    let state = match token.revoked_ms {
        Some(revoked_ms) => format!("revoked {revoked_ms}"),
        None => format!("good until {} (ms)", token.expires_ms),
    };
    let email = if token.email.is_empty() { "no address" } else { &token.email };
    format!("{}  {}  {}  {}  {}", token.id, token.accounts.join(","), token.name, email, state)
}
