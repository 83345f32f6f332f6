//! `tonle order`: what a court or the law orders.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{AccountStatus, FreezeAccount, Operation, Seize};

use super::words::Status as May;
use super::{Signing, Terms, subcommands};

const AFTER_HELP: &str = "\
Examples:
  tonle order freeze dara@wing --under court-7                            nothing leaves, nothing enters
  tonle order freeze dara@wing --under court-7 --status debits-frozen
  tonle order lift dara@wing --under court-7
  tonle order seize dara@wing reserve@nbc 4000 KHR --under court-7        under dual control: see tonle proposal --help

The operator signs; an account's keeper cannot lift an order. Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Put an order on an account that freezes it.
    Freeze(Box<Freeze>),
    /// Lift an order.
    Lift(Box<Lift>),
    /// Move money of an account, frozen or not, to another.
    Seize(Box<SeizeMoney>),
}

/// Arguments of `tonle order freeze`.
#[derive(Debug, clap::Args)]
pub struct Freeze {
    /// The account, name@participant
    account: String,
    /// The reference of the order
    #[arg(long, value_name = "REFERENCE")]
    under: String,
    /// What it forbids
    #[arg(long, value_enum, default_value_t = May::Frozen)]
    status: May,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle order lift`.
#[derive(Debug, clap::Args)]
pub struct Lift {
    /// The account, name@participant
    account: String,
    /// The reference of the order
    #[arg(long, value_name = "REFERENCE")]
    under: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle order seize`.
#[derive(Debug, clap::Args)]
pub struct SeizeMoney {
    /// The account that the money leaves
    from: String,
    /// The account that it enters
    to: String,
    /// How much
    amount: String,
    /// The asset
    asset: String,
    /// The reference of the order
    #[arg(long, value_name = "REFERENCE")]
    under: String,
    /// A reference of the operator, unique for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Freeze, Lift, Seize);

fn order(terms: &Terms, account: &str, status: AccountStatus, under: &str) -> Result<Operation> {
    let (account, order_ref) = (terms.account(account)?, terms.reference(under)?);
    Ok(Operation::FreezeAccount(FreezeAccount { account, status, order_ref }))
}

impl Freeze {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        order(terms, &self.account, self.status.into(), &self.under)
    }
}

impl Lift {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        order(terms, &self.account, AccountStatus::Active, &self.under)
    }
}

impl SeizeMoney {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::Seize(Box::new(Seize {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            order_ref: terms.reference(&self.under)?,
            instruction_ref: terms.optional(self.id.as_ref())?,
        })))
    }
}
