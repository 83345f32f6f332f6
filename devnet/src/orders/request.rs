//! `tonle request`: asking to be paid.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{AcceptRequest, CancelRequest, DeclineRequest, Operation, RequestToPay};

use super::{Private, Signing, Terms, subcommands};
use crate::privacy::Details;

const AFTER_HELP: &str = "\
Examples:
  tonle request new alice@aba shop@wing 4000 KHR --id bill-7 --for 7d     the shop asks Alice
  tonle request new alice@aba shop@wing 4000 KHR --id b-8 --note \"2 kg rice\"
  tonle request accept alice@aba shop@wing 4000 KHR --of bill-7           Alice pays
  tonle request decline alice@aba shop@wing --of bill-7                   or does not
  tonle request cancel alice@aba shop@wing --of bill-7                    the shop asks no longer

Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Ask to be paid; signed for by the payee.
    New(Box<New>),
    /// Pay what was asked for; signed for by the payer.
    Accept(Box<Accept>),
    /// Refuse to pay; signed for by the payer.
    Decline(Box<Decline>),
    /// Ask no longer; signed for by the payee.
    Cancel(Box<Cancel>),
}

/// Arguments of `tonle request new`.
#[derive(Debug, clap::Args)]
pub struct New {
    /// The account that is asked, name@participant
    from: String,
    /// The account that asks
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// A reference that names the request, unique for the payee for 7 days
    #[arg(long)]
    id: String,
    /// A purpose code
    #[arg(long)]
    purpose: Option<String>,
    /// A reference of your own, such as an invoice number
    #[arg(long)]
    external: Option<String>,
    /// What is encrypted
    #[command(flatten)]
    details: Details,
    /// How long it can be accepted; at most 90d
    #[arg(long = "for", value_name = "SPAN", default_value = "1d")]
    during: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle request accept`.
#[derive(Debug, clap::Args)]
pub struct Accept {
    /// The account that pays, name@participant
    from: String,
    /// The account that asked
    to: String,
    /// How much, such as 4000 or 1,250.50
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// The reference that names the request
    #[arg(long)]
    of: String,
    /// A reference of your own, unique per account for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle request decline`.
#[derive(Debug, clap::Args)]
pub struct Decline {
    /// The account that was asked
    from: String,
    /// The account that asked
    to: String,
    /// The reference that names the request
    #[arg(long)]
    of: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle request cancel`.
#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// The account that was asked
    from: String,
    /// The account that asked
    to: String,
    /// The reference that names the request
    #[arg(long)]
    of: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(New, Accept, Decline, Cancel; sealing New);

impl New {
    fn private(&self) -> Option<Private<'_>> {
        Some(Private { from: &self.from, to: &self.to, details: self.details.message(None)? })
    }
}

impl New {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::RequestToPay(Box::new(RequestToPay {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            instruction_ref: terms.reference(&self.id)?,
            expires_ms: terms.after(&self.during)?,
            purpose: terms.optional(self.purpose.as_ref())?,
            external_ref: terms.optional(self.external.as_ref())?,
            sealed: terms.sealed.clone(),
        })))
    }
}

impl Accept {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        Ok(Operation::AcceptRequest(Box::new(AcceptRequest {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            request_ref: terms.reference(&self.of)?,
            instruction_ref: terms.optional(self.id.as_ref())?,
        })))
    }
}

impl Decline {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::DeclineRequest(Box::new(DeclineRequest {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            request_ref: terms.reference(&self.of)?,
        })))
    }
}

impl Cancel {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::CancelRequest(Box::new(CancelRequest {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            request_ref: terms.reference(&self.of)?,
        })))
    }
}
