//! Whether an account exists.
//!
//! Must not know: accounts.

use axum::response::Response;
use tonle_ledger::AccountId;

use super::Gateway;
use super::answer::{Refusal, confirm};
use super::body::{self, AccountOf};

/// Does it exist? The answer has no data: neither whose it is nor what it holds is a shop's to know.
pub(super) async fn check(gateway: &Gateway, body: &[u8]) -> Result<Response, Refusal> {
    let AccountOf { account_id } = body::parse(body, "accountId, a string")?;
    let account = AccountId::new(&account_id).map_err(|_| Refusal::AccountInvalid)?;
    let lookup = gateway.parts().lookup.clone();
    match gateway.parts().reads.run(move || lookup.account(account)).await? {
        Some(_) => Ok(confirm("Account ID exists")),
        None => Err(Refusal::AccountNotFound),
    }
}
