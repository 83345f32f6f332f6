//! `tonle account`: opening, changing and closing accounts.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{CloseAccount, OpenAccount, Operation, SetAccountKeys, SetAccountStatus, SetTier};

use super::words::{Kind, Status as May, Tier as KnownAs};
use super::{Signing, Terms, subcommands};

const AFTER_HELP: &str = "\
Examples:
  tonle account open dara@wing --tier full
  tonle account open till@wing --kind merchant --account-key 3b6a27bc...29da --threshold 1
  tonle account status dara@wing debits-frozen
  tonle account tier dara@wing partial
  tonle account close dara@wing

The participant that keeps the account signs; an account's own keys are changed by themselves. Exit status: 0 final;
1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Open an account.
    Open(Box<Open>),
    /// Close an account that has no money.
    Close(Box<Close>),
    /// Replace an account's own keys; without any, its participant's keys sign for it.
    Keys(Box<Keys>),
    /// Say what may leave and enter an account.
    Status(Box<Status>),
    /// Say how well its keeper knows whose it is; limits go by it.
    Tier(Box<Tier>),
}

/// Arguments of `tonle account open`.
#[derive(Debug, clap::Args)]
pub struct Open {
    /// The account, name@participant
    account: String,
    /// What it is for
    #[arg(long, value_enum, default_value_t = Kind::Wallet)]
    kind: Kind,
    /// How well its keeper knows whose it is; without it, what is usual for the kind
    #[arg(long, value_enum)]
    tier: Option<KnownAs>,
    /// A key of its own, 64 hexadecimal digits; may be repeated
    #[arg(long = "account-key", value_name = "KEY")]
    keys: Vec<String>,
    /// How many of its keys must sign; 0 without keys
    #[arg(long, default_value_t = 0)]
    threshold: u8,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle account close`.
#[derive(Debug, clap::Args)]
pub struct Close {
    /// The account, name@participant
    account: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle account keys`.
#[derive(Debug, clap::Args)]
pub struct Keys {
    /// The account, name@participant
    account: String,
    /// A new key, 64 hexadecimal digits; may be repeated
    #[arg(long = "account-key", value_name = "KEY")]
    keys: Vec<String>,
    /// How many of them must sign; 0 without keys
    #[arg(long, default_value_t = 0)]
    threshold: u8,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle account status`.
#[derive(Debug, clap::Args)]
pub struct Status {
    /// The account, name@participant
    account: String,
    /// What may leave and enter it
    #[arg(value_enum)]
    status: May,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle account tier`.
#[derive(Debug, clap::Args)]
pub struct Tier {
    /// The account, name@participant
    account: String,
    /// The tier
    #[arg(value_enum)]
    tier: KnownAs,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Open, Close, Keys, Status, Tier);

impl Open {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::OpenAccount(OpenAccount {
            account: terms.account(&self.account)?,
            kind: self.kind.into(),
            keys: terms.keys(&self.keys)?,
            threshold: self.threshold,
            tier: self.tier.map(Into::into),
        }))
    }
}

impl Close {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::CloseAccount(CloseAccount { account: terms.account(&self.account)? }))
    }
}

impl Keys {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (account, keys) = (terms.account(&self.account)?, terms.keys(&self.keys)?);
        Ok(Operation::SetAccountKeys(SetAccountKeys { account, keys, threshold: self.threshold }))
    }
}

impl Status {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (account, status) = (terms.account(&self.account)?, self.status.into());
        Ok(Operation::SetAccountStatus(SetAccountStatus { account, status }))
    }
}

impl Tier {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::SetTier(SetTier { account: terms.account(&self.account)?, tier: self.tier.into() }))
    }
}
