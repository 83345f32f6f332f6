//! `tonle bank`: payments to accounts that a bank keeps in its own books.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{Operation, Progress, SendToBank, TrackTransfer};

use super::{Private, Signing, Terms, subcommands};
use crate::privacy::Details;

const AFTER_HELP: &str = "\
Examples:
  tonle bank send alice@aba settlement@wing 4000 KHR --id t-1 --beneficiary 0011223344    held until wing answers
  tonle bank received alice@aba settlement@wing --of t-1         wing has it, and has not decided
  tonle bank acknowledge alice@aba settlement@wing --of t-1      its customer has the money
  tonle bank refuse alice@aba settlement@wing --of t-1 --reason AC04

What the bank does not answer goes back by itself when the time is over. Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Pay to a bank, for an account in its own books; signed for by the account that pays.
    Send(Box<Send>),
    /// The bank has it, and has not decided; signed for by the bank.
    Received(Box<Received>),
    /// The bank's customer has the money; signed for by the bank.
    Acknowledge(Box<Acknowledge>),
    /// The money goes back; signed for by the bank.
    Refuse(Box<Refuse>),
}

/// Arguments of `tonle bank send`.
#[derive(Debug, clap::Args)]
pub struct Send {
    /// The account that pays, name@participant
    from: String,
    /// The bank's account on the ledger
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// A reference that names the transfer, unique for the payer for 7 days
    #[arg(long)]
    id: String,
    /// The account in the bank's books, encrypted for the two banks and the operator
    #[arg(long)]
    beneficiary: String,
    /// What else is encrypted
    #[command(flatten)]
    details: Details,
    /// A purpose code, such as SALA
    #[arg(long)]
    purpose: Option<String>,
    /// How long the bank has to answer; at most 90d
    #[arg(long = "for", value_name = "SPAN", default_value = "1d")]
    during: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle bank received`.
#[derive(Debug, clap::Args)]
pub struct Received {
    /// The account that pays
    from: String,
    /// The bank's account
    to: String,
    /// The reference that names the transfer
    #[arg(long)]
    of: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle bank acknowledge`.
#[derive(Debug, clap::Args)]
pub struct Acknowledge {
    /// The account that pays
    from: String,
    /// The bank's account
    to: String,
    /// The reference that names the transfer
    #[arg(long)]
    of: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle bank refuse`.
#[derive(Debug, clap::Args)]
pub struct Refuse {
    /// The account that pays
    from: String,
    /// The bank's account
    to: String,
    /// The reference that names the transfer
    #[arg(long)]
    of: String,
    /// Why, such as AC04
    #[arg(long)]
    reason: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Send, Received, Acknowledge, Refuse; sealing Send);

impl Send {
    fn private(&self) -> Option<Private<'_>> {
        let details = self.details.message(Some(&self.beneficiary))?;
        Some(Private { from: &self.from, to: &self.to, details })
    }
}

impl Send {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::SendToBank(Box::new(SendToBank {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            instruction_ref: terms.reference(&self.id)?,
            expires_ms: terms.after(&self.during)?,
            purpose: terms.optional(self.purpose.as_ref())?,
            external_ref: None,
            sealed: terms.sealed()?,
        })))
    }
}

fn track(terms: &Terms, parties: [&str; 3], progress: Progress, reason: Option<&String>) -> Result<Operation> {
    let [from, to, transfer] = parties;
    Ok(Operation::TrackTransfer(Box::new(TrackTransfer {
        from: terms.account(from)?,
        to: terms.account(to)?,
        transfer_ref: terms.reference(transfer)?,
        progress,
        reason: terms.optional(reason)?,
    })))
}

impl Received {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        track(terms, [&self.from, &self.to, &self.of], Progress::Received, None)
    }
}

impl Acknowledge {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        track(terms, [&self.from, &self.to, &self.of], Progress::Acknowledged, None)
    }
}

impl Refuse {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        track(terms, [&self.from, &self.to, &self.of], Progress::Refused, self.reason.as_ref())
    }
}
