//! `tonle alias`: telephone and merchant numbers that stand for accounts.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{DisplayName, MoveAlias, Operation, RemoveAlias, SetAlias};

use super::{Signing, Terms, subcommands};

/// What `tonle alias --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  tonle alias set dara@wing 012345678 --name 'D*** S***'
  tonle alias move dara@wing dara.2@wing 012345678 --name 'D*** S***'
  tonle alias remove dara@wing 012345678
  tonle alias show 012345678                      whom a payer would pay

Only a digest of the number, salted with the chain's, goes to the ledger. The participant that keeps the account signs.
Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Make a number stand for an account.
    Set(Box<Set>),
    /// Make it stand for another account of the same participant.
    Move(Box<Move>),
    /// End it.
    Remove(Box<Remove>),
}

/// Arguments of `tonle alias set`.
#[derive(Debug, clap::Args)]
pub struct Set {
    /// The account, name@participant
    account: String,
    /// The number
    alias: String,
    /// The masked name that payers are shown, at most 25 characters
    #[arg(long)]
    name: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle alias move`.
#[derive(Debug, clap::Args)]
pub struct Move {
    /// The account that it stands for
    from: String,
    /// The account that it is to stand for
    to: String,
    /// The number
    alias: String,
    /// The masked name that payers are shown
    #[arg(long)]
    name: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle alias remove`.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The account, name@participant
    account: String,
    /// The number
    alias: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Set, Move, Remove);

impl Set {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (account, alias) = (terms.account(&self.account)?, terms.alias(&self.alias)?);
        Ok(Operation::SetAlias(Box::new(SetAlias { account, alias, name: DisplayName::new(&self.name)? })))
    }
}

impl Move {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (from, to) = (terms.account(&self.from)?, terms.account(&self.to)?);
        let (alias, name) = (terms.alias(&self.alias)?, DisplayName::new(&self.name)?);
        Ok(Operation::MoveAlias(Box::new(MoveAlias { from, to, alias, name })))
    }
}

impl Remove {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (account, alias) = (terms.account(&self.account)?, terms.alias(&self.alias)?);
        Ok(Operation::RemoveAlias(RemoveAlias { account, alias }))
    }
}
