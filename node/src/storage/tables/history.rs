//! The receipts that concern an account, newest first.
//!
//! ```text
//! history   | n u8 | account n | not height u64 | not index u32 | -> nothing
//! ```
//! Heights and indexes stand inverted, so that the newest comes first in RocksDB's order.

use tonle_ledger::AccountId;

use super::{place_key, place_of};

pub(in crate::storage) const HISTORY: &str = "history";

pub(in crate::storage) fn prefix(account: &AccountId) -> Vec<u8> {
    let name = account.as_bytes();
    // A name has at most 32 bytes.
    let mut key = vec![u8::try_from(name.len()).unwrap_or(u8::MAX)];
    key.extend_from_slice(name);
    key
}

pub(in crate::storage) fn key(account: &AccountId, height: u64, index: u32) -> Vec<u8> {
    let mut key = prefix(account);
    key.extend_from_slice(&place_key(!height, !index));
    key
}

pub(in crate::storage) fn parse(key: &[u8]) -> Option<(u64, u32)> {
    place_of(key).map(|(height, index)| (!height, !index))
}
