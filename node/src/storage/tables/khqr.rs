//! Payments by KHQR codes, newest first, under the MD5 of the code: the name by which shops look for them. Codes of one
//! MD5 can be made, so every payment has its code beside it.
//!
//! ```text
//! khqr      | md5 16 | not height u64 | not index u32 | not operation u32 | -> payment, as the ledger draws it
//! ```
//! Height, index and operation stand inverted, so that the newest comes first in RocksDB's order.

use tonle_khqr::Md5;

use super::place_key;

pub(in crate::storage) const KHQR: &str = "khqr";

/// Where a payment stands: height, index of the receipt, operation.
pub type PaymentPlace = (u64, u32, u32);

pub(in crate::storage) fn key(md5: Md5, place: PaymentPlace) -> Vec<u8> {
    let (height, index, operation) = place;
    [md5.as_bytes().as_slice(), &place_key(!height, !index), &(!operation).to_be_bytes()].concat()
}
