//! A payment as Bakong's clients read it: T, and T+ with more of it.
//!
//! Must not know: how it was found.

use serde::Serialize;
use serde_json::value::RawValue;

use super::lookup::Lookup;
use super::number::number;
use super::payment::Payment;

/// T.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Statement {
    hash: String,
    from_account_id: String,
    to_account_id: String,
    currency: String,
    amount: Box<RawValue>,
    description: String,
    created_date_ms: u64,
    acknowledged_date_ms: Option<u64>,
    #[serde(flatten)]
    more: Option<More>,
}

/// What T+ adds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct More {
    tracking_status: &'static str,
    receiver_bank: String,
    receiver_bank_account: Option<String>,
    instruction_ref: Option<String>,
    external_ref: Option<String>,
}

impl Statement {
    /// T; `None` when the asset is not the chain's.
    pub(super) fn short(lookup: &Lookup, payment: &Payment) -> Option<Self> {
        let Payment { hash, instructed, created_ms, acknowledged_ms, .. } = payment;
        let asset = instructed.asset.as_str();
        let bill = instructed.code.as_ref().and_then(|code| code.bill.clone());
        Some(Statement {
            hash: hash.to_string(),
            from_account_id: instructed.from.to_string(),
            to_account_id: instructed.to.to_string(),
            currency: asset.to_owned(),
            amount: number(instructed.amount.minor(), lookup.exponent(asset)?)?,
            description: bill.unwrap_or_else(|| instructed.description.clone()),
            created_date_ms: *created_ms,
            acknowledged_date_ms: *acknowledged_ms,
            more: None,
        })
    }

    /// T+.
    pub(super) fn long(lookup: &Lookup, payment: &Payment) -> Option<Self> {
        let instructed = &payment.instructed;
        let text = |reference: Option<&tonle_ledger::Reference>| reference.map(|text| text.as_str().to_owned());
        let more = More {
            tracking_status: payment.tracking.name(),
            receiver_bank: instructed.to.participant().to_string(),
            // Of a transfer to a bank's own books, whose account it is there is encrypted for the bank.
            receiver_bank_account: (!instructed.is_bank_transfer).then(|| instructed.to.to_string()),
            instruction_ref: text(instructed.instruction_ref.as_ref()),
            external_ref: text(instructed.external_ref.as_ref()),
        };
        Statement::short(lookup, payment).map(|short| Statement { more: Some(more), ..short })
    }
}
