//! `tonle hold`: money that is kept for a payee.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{CaptureHold, Operation, PlaceHold, ReleaseHold};

use super::{Signing, Terms, subcommands};

const AFTER_HELP: &str = "\
Examples:
  tonle hold place alice@aba hotel@wing 400000 KHR --id room-12 --for 2d    keep it, for two days at most
  tonle hold capture alice@aba hotel@wing 250000 KHR --of room-12 --last    the payee takes a part; the rest goes back
  tonle hold release alice@aba hotel@wing --of room-12                      the payee gives it all back

What nobody captured goes back by itself when the time is over. Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Keep money on an account for another; signed for by the account that pays.
    Place(Box<Place>),
    /// Take held money; signed for by the payee.
    Capture(Box<Capture>),
    /// Give held money back; signed for by the payee.
    Release(Box<Release>),
}

/// Arguments of `tonle hold place`.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// The account that pays, name@participant
    from: String,
    /// The account that is paid
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// A reference that names the hold, unique for the payer for 7 days
    #[arg(long)]
    id: String,
    /// How long at most, such as 30m, 2h or 7d; at most 90d
    #[arg(long = "for", value_name = "SPAN", default_value = "1d")]
    during: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle hold capture`.
#[derive(Debug, clap::Args)]
pub struct Capture {
    /// The account that pays, name@participant
    from: String,
    /// The account that is paid
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// The reference that names the hold
    #[arg(long)]
    of: String,
    /// Whether what is left goes back to the payer
    #[arg(long)]
    last: bool,
    /// A reference of your own, unique per account for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle hold release`.
#[derive(Debug, clap::Args)]
pub struct Release {
    /// The account that pays, name@participant
    from: String,
    /// The account that is paid
    to: String,
    /// The reference that names the hold
    #[arg(long)]
    of: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Place, Capture, Release);

impl Place {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::PlaceHold(Box::new(PlaceHold {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            instruction_ref: terms.reference(&self.id)?,
            expires_ms: terms.after(&self.during)?,
        })))
    }
}

impl Capture {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::CaptureHold(Box::new(CaptureHold {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            hold_ref: terms.reference(&self.of)?,
            instruction_ref: terms.optional(self.id.as_ref())?,
            last: self.last,
        })))
    }
}

impl Release {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::ReleaseHold(Box::new(ReleaseHold {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            hold_ref: terms.reference(&self.of)?,
        })))
    }
}
