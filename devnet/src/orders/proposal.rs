//! `tonle proposal`: what one key proposed and others decide.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{Approve as Approving, Operation, Withdraw as Withdrawing};

use super::{Signing, Terms, subcommands};

/// What `tonle proposal --help` ends with.
pub const AFTER_HELP: &str = "\
Examples:
  tonle issue reserve@nbc 1,000,000 KHR --propose --key nbc-1.key     prints the id of the proposal
  tonle proposal list                                                 what waits
  tonle proposal approve 5a2f...91 --key nbc-2.key                    takes effect when enough keys have approved
  tonle proposal withdraw 5a2f...91 --key nbc-1.key

A key counts once: whoever proposes cannot be the one who approves. Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Approve a proposal.
    Approve(Box<Approve>),
    /// Withdraw a proposal.
    Withdraw(Box<Withdraw>),
}

/// Arguments of `tonle proposal approve`.
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// Its id: 64 hexadecimal digits
    proposal: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle proposal withdraw`.
#[derive(Debug, clap::Args)]
pub struct Withdraw {
    /// Its id: 64 hexadecimal digits
    proposal: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Approve, Withdraw);

impl Approve {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::Approve(Approving { proposal: terms.digest(&self.proposal)? }))
    }
}

impl Withdraw {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::Withdraw(Withdrawing { proposal: terms.digest(&self.proposal)? }))
    }
}
