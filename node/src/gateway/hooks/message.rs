//! What is sent: the body, and the headers by which a shop's server knows who sends and what it had before.
//!
//! ```text
//! Tonle-Delivery:  id, 32 hexadecimal digits; Idempotency-Key: the same
//! Tonle-Timestamp: ms since the Unix epoch, when this attempt was made
//! Tonle-Signature: ed25519, 128 hexadecimal digits, of
//!                  "tonle/v1/webhook\0" ‖ timestamp ‖ "." ‖ id ‖ "." ‖ body           (texts as in the headers)
//! ```
//!
//! Must not know: where it is sent.

use serde::Serialize;
use tonle_crypto::{Domain, SecretKey};

use super::record::{Form, Hook};
use crate::gateway::lookup::Lookup;
use crate::gateway::payment::{Payment, Place};
use crate::gateway::statement::Statement;

static DELIVERY: Domain = Domain::new("tonle v1 webhook delivery");
const SIGNED_PREFIX: &[u8] = b"tonle/v1/webhook\0";

/// Tonle's own body.
#[derive(Serialize)]
struct Signed<'a> {
    id: &'a str,
    payments: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    /// The payment's place on the ledger: the same however often it is told.
    id: String,
    md5: Option<String>,
    #[serde(flatten)]
    statement: Statement,
}

/// The body of Bakong's callback to its members.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Callback<'a> {
    request_id: &'a str,
    transactions: Vec<Transaction>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
    qr_code: Option<String>,
    status: &'static str,
    #[serde(flatten)]
    statement: Statement,
}

/// What is sent.
pub(super) struct Message {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// What a batch is known by: made of the webhook's id and the places of its first and last payment.
pub(super) fn delivery_id(hook: [u8; 8], first: Place, last: Place) -> String {
    let digest = DELIVERY.digest(format!("{} {first} {last}", hex::encode(hook)).as_bytes());
    let mut text = digest.to_string();
    text.truncate(32);
    text
}

impl Message {
    /// The message about `payments`, made at `now_ms`. `None` when an asset is not the chain's.
    pub(super) fn new(
        id: &str,
        hook: &Hook,
        payments: &[Payment],
        lookup: &Lookup,
        key: &SecretKey,
        now_ms: u64,
    ) -> Option<Self> {
        let body = match &hook.form {
            Form::Signed => {
                let told = |payment: &Payment| {
                    let md5 = payment.instructed.code.as_ref().map(|code| code.md5.to_string());
                    let statement = Statement::long(lookup, payment)?;
                    Some(Told { id: payment.place.to_string(), md5, statement })
                };
                serde_json::to_vec(&Signed { id, payments: payments.iter().map(told).collect::<Option<_>>()? })
            }
            Form::Bakong { .. } => {
                let told = |payment: &Payment| {
                    let qr_code = payment.instructed.code.as_ref().map(|code| code.payload.clone());
                    let statement = Statement::long(lookup, payment)?;
                    Some(Transaction { qr_code, status: "SUCCESS", statement })
                };
                let transactions = payments.iter().map(told).collect::<Option<_>>()?;
                serde_json::to_vec(&Callback { request_id: id, transactions })
            }
        };
        let (body, timestamp) = (body.ok()?, now_ms.to_string());
        let signed = [SIGNED_PREFIX, timestamp.as_bytes(), b".", id.as_bytes(), b".", body.as_slice()].concat();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", "tonle".to_owned()),
            ("idempotency-key", id.to_owned()),
            ("tonle-delivery", id.to_owned()),
            ("tonle-timestamp", timestamp),
            ("tonle-signature", hex::encode(key.sign(&signed).as_bytes())),
        ];
        if let Form::Bakong { bearer } = &hook.form {
            headers.push(("authorization", format!("Bearer {bearer}")));
        }
        Some(Message { headers, body })
    }
}
