//! Commands that each ask for one operation of the ledger: signed here, final when they return. Each group of them has a
//! file, which says how a command line becomes an operation; signing, sending and showing are the same for all.
//!
//! Must not know: encrypted key files, how a finality receipt is checked.

mod account;
mod alias;
mod bank;
mod exchange;
mod govern;
mod hold;
mod mandate;
mod order;
mod proposal;
mod request;
mod returns;
mod show;
mod supply;
mod words;

use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use tonle_crypto::{Digest, Domain, PublicKey, SecretKey};
use tonle_ledger::{
    AccountId, Amount, Asset, Operation, OperationKind, ParticipantId, Propose, Reference, Sealed, Signer, Text,
    proposable, rule,
};
use tonle_proto::v1::{GetStatusResponse, PrivateDetails};

use crate::amount;
use crate::client::{Client, Target};
use crate::defaults::freezing_key;
use crate::directory::Directory;
use crate::founding::now_ms;
use crate::operator::operator;
use crate::payment::{FINAL_PATIENCE, signed_by};
use crate::privacy::seal_between;
use crate::{keys, span};

pub use account::Command as Account;
pub use alias::{AFTER_HELP as ALIAS_HELP, Command as Alias};
pub use bank::Command as Bank;
pub use exchange::Command as Exchange;
pub use govern::Command as Govern;
pub use hold::Command as Hold;
pub use mandate::Command as Mandate;
pub use order::Command as CourtOrder;
pub use proposal::{AFTER_HELP as PROPOSAL_HELP, Command as Proposal};
pub use request::Command as Request;
pub use returns::Arguments as Return;
pub use supply::{Issue, Redeem};

static ALIAS: Domain = Domain::new("tonle v1 alias");

/// Who signs, whom to ask, how to print.
#[derive(Debug, Clone, clap::Args)]
pub struct Signing {
    /// A key file that signs, may be repeated; without any, the development key in --dir of whoever has to sign
    #[arg(long = "key", value_name = "FILE")]
    pub keys: Vec<PathBuf>,
    /// Propose it, for others to approve; for what is under dual control
    #[arg(long)]
    pub propose: bool,
    /// With --propose: the height at whose start it takes effect; without it, as soon as enough keys have approved
    #[arg(long, value_name = "HEIGHT", requires = "propose")]
    pub effect_height: Option<u64>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Whom to ask
    #[command(flatten)]
    pub target: Target,
}

/// A command that asks for one operation.
pub trait Order {
    /// Who signs, whom to ask, how to print.
    fn signing(&self) -> &Signing;

    /// What it says to the banks concerned alone, and the accounts that pay and are paid; `None`: nothing.
    fn private(&self) -> Option<Private<'_>> {
        None
    }

    /// The operation that it asks for.
    ///
    /// # Errors
    /// When the command line says something that cannot be.
    fn operation(&self, terms: &Terms) -> Result<Operation>;
}

/// What the subcommands of one command have in common: each holds one operation's arguments. One of them may say
/// something that is sealed.
macro_rules! subcommands {
    ($($name:ident),* $(,)? $(; sealing $private:ident)?) => {
        impl $crate::orders::Order for Command {
            fn signing(&self) -> &$crate::orders::Signing {
                match self { $(Command::$name(order) => &order.signing,)* }
            }
            $(fn private(&self) -> Option<$crate::orders::Private<'_>> {
                if let Command::$private(order) = self { order.private() } else { None }
            })?
            fn operation(&self, terms: &$crate::orders::Terms) -> anyhow::Result<tonle_ledger::Operation> {
                match self { $(Command::$name(order) => order.operation(terms),)* }
            }
        }
    };
}
use subcommands;

/// What an order says to the banks of two accounts and to the operator.
#[derive(Debug)]
pub struct Private<'a> {
    from: &'a str,
    to: &'a str,
    details: PrivateDetails,
}

/// What the words of a command line stand for on this chain.
#[derive(Debug)]
pub struct Terms {
    status: GetStatusResponse,
    now_ms: u64,
    /// What [`Order::private`] says, sealed.
    sealed: Option<Sealed>,
}

impl Terms {
    fn account(&self, text: &str) -> Result<AccountId> {
        AccountId::new(text).map_err(|_| anyhow!("{text:?} is no account: write name@participant, such as alice@aba"))
    }

    fn money(&self, text: &str, asset: &str) -> Result<(Asset, Amount)> {
        let known: Vec<&str> = self.status.supply.iter().map(|supply| supply.asset.as_str()).collect();
        let supply = self.status.supply.iter().find(|supply| supply.asset == asset);
        let supply = supply.with_context(|| format!("{asset} is no asset here: {}", known.join(", ")))?;
        Ok((Asset::new(asset)?, Amount::from_minor(amount::parse(text, supply.exponent)?)))
    }

    fn asset(&self, text: &str) -> Result<Asset> {
        Asset::new(text).map_err(|_| anyhow!("{text:?} is no asset: write a code such as KHR"))
    }

    fn participant(&self, text: &str) -> Result<ParticipantId> {
        ParticipantId::new(text).map_err(|_| anyhow!("{text:?} is no participant: write 1 to 30 of a-z 0-9 _ . -"))
    }

    fn digest(&self, text: &str) -> Result<Digest> {
        Digest::from_hex(text).with_context(|| format!("{text:?} is no id: write 64 hexadecimal digits"))
    }

    /// Keys, ascending.
    fn keys(&self, texts: &[String]) -> Result<Vec<PublicKey>> {
        let parse = |text: &String| {
            let bytes: Option<[u8; 32]> = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            let key = bytes.and_then(|bytes| PublicKey::from_bytes(&bytes).ok());
            key.with_context(|| {
                format!("{text:?} is no key: write 64 hexadecimal digits, as tonle key show prints them")
            })
        };
        let mut keys = texts.iter().map(parse).collect::<Result<Vec<_>>>()?;
        keys.sort_unstable();
        Ok(keys)
    }

    fn alias(&self, text: &str) -> Result<Digest> {
        alias_digest(&self.status, text)
    }

    /// What is said to the banks concerned, sealed, where it must be there.
    fn sealed(&self) -> Result<Sealed> {
        self.sealed.clone().context("nothing was sealed")
    }

    fn reference(&self, text: &str) -> Result<Reference> {
        Reference::new(text).map_err(|_| anyhow!("{text:?}: write a reference of 1 to 64 printable ASCII characters"))
    }

    fn optional<const MAX: usize>(&self, text: Option<&String>) -> Result<Option<Text<MAX>>> {
        let parse = |text: &String| {
            Text::new(text).map_err(|_| anyhow!("{text:?}: write 1 to {MAX} printable ASCII characters"))
        };
        text.map(parse).transpose()
    }

    /// The block time that lies this span ahead.
    fn after(&self, text: &str) -> Result<u64> {
        let span = span::parse_days(text)?;
        Ok(self.now_ms.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What stands on the ledger for a number: `derive_key("tonle v1 alias", chain digest ‖ number)`.
///
/// # Errors
/// When the node's answer names no chain.
pub(crate) fn alias_digest(status: &GetStatusResponse, number: &str) -> Result<Digest> {
    let chain: [u8; 32] = status.chain_digest.as_ref().try_into().context("the node names no chain")?;
    Ok(ALIAS.digest_parts(&[&chain, number.as_bytes()]))
}

/// Signs, sends, waits until it is final, and shows what became of it. `keys` are those of [`Signing::keys`].
///
/// # Errors
/// When it cannot be made, is rejected, or is not known to be final in time.
pub async fn run(order: &impl Order, keys: Vec<SecretKey>) -> Result<()> {
    let signing = order.signing();
    let client = Client::open(&signing.target)?;
    let mut terms = Terms { status: client.status().await?, now_ms: now_ms(), sealed: None };
    if let Some(Private { from, to, details }) = order.private() {
        let [from, to] = [terms.account(from)?, terms.account(to)?].map(|account| account.participant());
        terms.sealed = Some(seal_between(&client, &details, from, to).await?);
    }
    let operation = order.operation(&terms)?;
    let operation = if signing.propose { propose(operation, signing, &terms)? } else { operation };
    let keys = if keys.is_empty() { vec![development_key(&operation, &signing.target)?] } else { keys };
    let transaction = signed_by(&terms.status, vec![operation], &keys.iter().collect::<Vec<_>>())?;
    let answer = client.submit_and_wait(&transaction, false, FINAL_PATIENCE).await;
    show::show(&transaction, answer, &terms.status, signing.json)
}

/// The proposal of an operation.
fn propose(operation: Operation, signing: &Signing, terms: &Terms) -> Result<Operation> {
    if proposable(operation.kind()).is_none() {
        bail!("{} is not under dual control: leave --propose out", operation.kind().name().replace('_', " "));
    }
    Ok(Operation::Propose(Box::new(Propose {
        participant: operator(&Directory::new(&signing.target.dir)?)?,
        operation,
        effect_height: signing.effect_height.unwrap_or(0),
        expires_ms: terms.after("29d")?,
    })))
}

/// The development key of the participant whose signature the operation wants.
fn development_key(operation: &Operation, target: &Target) -> Result<SecretKey> {
    let directory = Directory::new(&target.dir)?;
    let [first, second] = operation.accounts();
    let of = |account: Option<AccountId>| account.map(|account| account.participant());
    let participant = match rule(operation.kind()).signer {
        Signer::Debtor | Signer::Keeper => of(first),
        Signer::Creditor => of(second),
        Signer::Issuer | Signer::Operator | Signer::ItselfOrOperator | Signer::Decider | Signer::AnyParticipant => None,
    };
    let participant = participant.map_or_else(|| operator(&directory), Ok)?;
    let owner = match operation.kind() {
        // Whoever may issue may not freeze: the operator has a key for it.
        OperationKind::FreezeAccount => freezing_key(participant.as_str()),
        _ => participant.to_string(),
    };
    keys::load(&directory.participant_key(&owner))
        .with_context(|| format!("no key to sign for {participant}: name one with --key, or the devnet's --dir"))
}
