//! `tonle mandate`: letting an account collect.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{Collect as Collecting, GrantMandate, Operation, Period, RevokeMandate};

use super::{Signing, Terms, subcommands};

const AFTER_HELP: &str = "\
Examples:
  tonle mandate grant alice@aba gym@wing 80000 KHR --each month --id gym --for 90d    at most 80,000 riel in 30 days
  tonle mandate collect alice@aba gym@wing 60000 KHR --under gym                      the gym collects
  tonle mandate revoke alice@aba gym@wing --under gym

Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Let an account collect; signed for by the account that will pay.
    Grant(Box<Grant>),
    /// Collect; signed for by the account that is paid.
    Collect(Box<Collect>),
    /// Take a mandate back; signed for by the account that granted it.
    Revoke(Box<Revoke>),
}

/// Over what a cap counts.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Each {
    Day,
    Week,
    Month,
}

/// Arguments of `tonle mandate grant`.
#[derive(Debug, clap::Args)]
pub struct Grant {
    /// The account that will pay, name@participant
    from: String,
    /// The account that may collect
    to: String,
    /// Most in one period, such as 80000
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// The period: 24 hours, 7 days or 30 days, from now on
    #[arg(long, value_enum)]
    each: Each,
    /// A reference that names the mandate, unique for the payer for 7 days
    #[arg(long)]
    id: String,
    /// How long; at most 90d
    #[arg(long = "for", value_name = "SPAN", default_value = "90d")]
    during: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle mandate collect`.
#[derive(Debug, clap::Args)]
pub struct Collect {
    /// The account that pays, name@participant
    from: String,
    /// The account that collects
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// The reference that names the mandate
    #[arg(long)]
    under: String,
    /// A reference of your own, unique per account for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle mandate revoke`.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The account that granted it
    from: String,
    /// The account that might collect
    to: String,
    /// The reference that names the mandate
    #[arg(long)]
    under: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Grant, Collect, Revoke);

impl Grant {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, cap) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::GrantMandate(Box::new(GrantMandate {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            cap,
            period: match self.each {
                Each::Day => Period::Day,
                Each::Week => Period::Week,
                Each::Month => Period::Month,
            },
            instruction_ref: terms.reference(&self.id)?,
            expires_ms: terms.after(&self.during)?,
        })))
    }
}

impl Collect {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::Collect(Box::new(Collecting {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            mandate_ref: terms.reference(&self.under)?,
            instruction_ref: terms.optional(self.id.as_ref())?,
        })))
    }
}

impl Revoke {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::RevokeMandate(Box::new(RevokeMandate {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            mandate_ref: terms.reference(&self.under)?,
        })))
    }
}
