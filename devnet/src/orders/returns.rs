//! `tonle return`: giving back a payment or a part of it.
//!
//! Must not know: how it is signed and sent.

use anyhow::{Result, bail};
use tonle_ledger::{Operation, PaymentKind, Return, khqr_id};

use super::{Order, Signing, Terms};

const AFTER_HELP: &str = "\
Examples:
  tonle return shop@wing alice@aba 1500 KHR --of inv-1 --was 4000      of a transfer under the reference inv-1
  tonle return shop@wing alice@aba 4000 KHR --of pay-7 --was 4000 --request bill-7
  tonle return gym@wing alice@aba 60000 KHR --of c-3 --was 60000 --mandate gym
  tonle return shop@wing alice@aba 4000 KHR --of pay-8 --was 4000 --code 00020101021229...

A payment of the last 7 days that had a reference goes back, in one part or several, and never more than it was. It is
described as it was made. Exit status: 0 final; 1 rejected.";

/// Arguments of `tonle return`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Arguments {
    /// The account that was paid, name@participant
    from: String,
    /// The account that paid
    to: String,
    /// How much goes back
    amount: String,
    /// The asset
    asset: String,
    /// The reference of the payment
    #[arg(long)]
    of: String,
    /// The amount of the payment
    #[arg(long, value_name = "AMOUNT")]
    was: String,
    /// The purpose of the transfer, when it had one
    #[arg(long)]
    purpose: Option<String>,
    /// The external reference of the transfer or the payment by code, when it had one
    #[arg(long)]
    external: Option<String>,
    /// The request that the payment accepted
    #[arg(long, value_name = "REFERENCE", conflicts_with = "mandate")]
    request: Option<String>,
    /// The mandate that the payment was collected under
    #[arg(long, value_name = "REFERENCE", conflicts_with = "code")]
    mandate: Option<String>,
    /// The KHQR code that the payment was made by
    #[arg(long, value_name = "PAYLOAD", conflicts_with = "request")]
    code: Option<String>,
    /// Why, such as AC04
    #[arg(long)]
    reason: Option<String>,
    /// A reference of the return itself
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

impl Order for Arguments {
    fn signing(&self) -> &Signing {
        &self.signing
    }

    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        let khqr = self.code.as_ref().map(|payload| khqr_id(payload).to_string());
        let (original_kind, agreement) = match (&self.request, &self.mandate, &khqr) {
            (None, None, None) => (PaymentKind::Transfer, None),
            (Some(request), None, None) => (PaymentKind::Request, Some(request)),
            (None, Some(mandate), None) => (PaymentKind::Collection, Some(mandate)),
            (None, None, Some(khqr)) => (PaymentKind::Khqr, Some(khqr)),
            _ => bail!("a payment was on request, under a mandate or by a code, not several of them"),
        };
        Ok(Operation::Return(Box::new(Return {
            from: terms.account(&self.from)?,
            to: terms.account(&self.to)?,
            asset,
            amount,
            instruction_ref: terms.optional(self.id.as_ref())?,
            reason: terms.optional(self.reason.as_ref())?,
            original_kind,
            original_ref: terms.reference(&self.of)?,
            original_amount: terms.money(&self.was, &self.asset)?.1,
            original_purpose: terms.optional(self.purpose.as_ref())?,
            original_external_ref: terms.optional(self.external.as_ref())?,
            original_agreement_ref: terms.optional(agreement)?,
        })))
    }
}
