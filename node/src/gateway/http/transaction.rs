//! The calls that look for payments.
//!
//! Must not know: how they are found.

use axum::response::Response;
use serde::Serialize;
use tonle_khqr::Md5;
use tonle_ledger::{AccountId, TransactionId};

use super::answer::{Refusal, answer};
use super::body::{self, By, ByExternal, ByHash, ByInstruction, ByMd5, ByShortHash};
use super::{Caller, Gateway};
use crate::gateway::lookup::{Found, Lookup};
use crate::gateway::number::minor;
use crate::gateway::payment::Payment;
use crate::gateway::statement::Statement;
use crate::gateway::store::StoreError;

const FOUND: &str = "Getting transaction successfully.";

/// An entry of a list's answer.
#[derive(Debug, Serialize)]
struct Entry {
    #[serde(flatten)]
    asked: Asked,
    status: &'static str,
    data: Option<Statement>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Asked {
    Md5(String),
    Hash(String),
}

impl Gateway {
    /// Looks something up, as of the latest final block.
    async fn find<T: Send + 'static>(
        &self,
        caller: &Caller,
        find: impl FnOnce(&Lookup, &[AccountId]) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        self.caught_up().await;
        let (lookup, record) = (self.parts().lookup.clone(), caller.record.clone());
        Ok(self.parts().reads.run(move || find(&lookup, &record.accounts)).await?)
    }
}

/// One payment.
pub(super) async fn one(gateway: &Gateway, caller: &Caller, by: By, body: &[u8]) -> Result<Response, Refusal> {
    let lookup = &gateway.parts().lookup;
    let found = match by {
        By::Md5 => {
            let ByMd5 { md5 } = body::parse(body, "md5, 32 hexadecimal digits")?;
            let md5 = Md5::from_hex(&md5).ok_or(Refusal::Field("md5, 32 hexadecimal digits"))?;
            gateway.find(caller, move |lookup, scope| lookup.by_md5(scope, &md5)).await?
        }
        By::Hash => {
            let ByHash { hash } = body::parse(body, "hash, 64 hexadecimal digits")?;
            let hash = full_hash(&hash).ok_or(Refusal::Field("hash, 64 hexadecimal digits"))?;
            gateway.find(caller, move |lookup, scope| lookup.by_hash(scope, &hash)).await?
        }
        By::ShortHash => short_hash(gateway, caller, body).await?,
        By::Instruction => {
            let ByInstruction { instruction_ref } = body::parse(body, "instructionRef, a string")?;
            gateway.find(caller, move |lookup, scope| lookup.by_instruction(scope, &instruction_ref)).await?
        }
        By::External => {
            let ByExternal { external_ref } = body::parse(body, "externalRef, a string")?;
            gateway.find(caller, move |lookup, scope| lookup.by_external(scope, &external_ref)).await?
        }
    };
    let payment = match found {
        Found::Payment(payment) => payment,
        Found::Failed => return Err(Refusal::Failed),
        Found::Nothing => return Err(Refusal::NotFound),
    };
    let statement = match by {
        By::Md5 if is_static(&payment) => return Err(Refusal::StaticCode),
        By::Md5 => Statement::short(lookup, &payment),
        By::Hash | By::ShortHash | By::Instruction | By::External => Statement::long(lookup, &payment),
    };
    Ok(answer(FOUND, statement.ok_or(Refusal::Unavailable)?))
}

async fn short_hash(gateway: &Gateway, caller: &Caller, body: &[u8]) -> Result<Found, Refusal> {
    let expected = "hash (8 hexadecimal digits), amount (a number), currency (such as KHR)";
    let asked: ByShortHash<'_> = body::parse(body, expected)?;
    let mut hash = [0; 4];
    hex::decode_to_slice(&asked.hash, &mut hash).map_err(|_| Refusal::Field(expected))?;
    // What is no asset's amount was never paid.
    let exponent = gateway.parts().lookup.exponent(&asked.currency).ok_or(Refusal::NotFound)?;
    let Some(minor) = minor(asked.amount, exponent) else {
        let is_number = asked.amount.get().starts_with(|first: char| first.is_ascii_digit() || first == '"');
        return if is_number { Ok(Found::Nothing) } else { Err(Refusal::Field(expected)) };
    };
    let currency = asked.currency;
    gateway.find(caller, move |lookup, scope| lookup.by_short_hash(scope, hash, &currency, minor)).await
}

/// Payments by MD5, in the order asked.
pub(super) async fn md5_list(gateway: &Gateway, caller: &Caller, body: &[u8]) -> Result<Response, Refusal> {
    let list = body::list(body)?;
    let entries = gateway.find(caller, move |lookup, scope| {
        let entry = |text: String| {
            let found = Md5::from_hex(&text).map(|md5| lookup.by_md5(scope, &md5)).transpose()?;
            let (status, data) = match found {
                Some(Found::Payment(payment)) if is_static(&payment) => ("STATIC_QR", None),
                Some(Found::Payment(payment)) => ("SUCCESS", Statement::short(lookup, &payment)),
                Some(Found::Failed | Found::Nothing) | None => ("NOT_FOUND", None),
            };
            Ok(Entry { asked: Asked::Md5(text), status, data })
        };
        list.into_iter().map(entry).collect::<Result<Vec<Entry>, StoreError>>()
    });
    Ok(answer(FOUND, entries.await?))
}

/// Payments by hash, in the order asked.
pub(super) async fn hash_list(gateway: &Gateway, caller: &Caller, body: &[u8]) -> Result<Response, Refusal> {
    let list = body::list(body)?;
    let entries = gateway.find(caller, move |lookup, scope| {
        let entry = |text: String| {
            let found = full_hash(&text).map(|hash| lookup.by_hash(scope, &hash)).transpose()?;
            let (status, data) = match found {
                Some(Found::Payment(payment)) => ("SUCCESS", Statement::long(lookup, &payment)),
                Some(Found::Failed) => ("FAILED", None),
                Some(Found::Nothing) | None => ("NOT_FOUND", None),
            };
            Ok(Entry { asked: Asked::Hash(text), status, data })
        };
        list.into_iter().map(entry).collect::<Result<Vec<Entry>, StoreError>>()
    });
    Ok(answer(FOUND, entries.await?))
}

/// A hash of 64 hexadecimal digits of either case.
fn full_hash(text: &str) -> Option<TransactionId> {
    TransactionId::from_hex(&text.to_ascii_lowercase())
}

fn is_static(payment: &Payment) -> bool {
    payment.instructed.code.as_ref().is_some_and(|code| code.is_static)
}
