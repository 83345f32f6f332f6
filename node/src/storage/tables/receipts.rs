//! Receipts, and where the transaction of each stands.
//!
//! ```text
//! receipts  | height u64 | index u32 | -> | batch digest 32 | position u32 | receipt |
//! ```
//! `position` counts transactions within the batch. A block's own receipt, which no transaction left, has batch zero.

use tonle_crypto::Digest;

pub(in crate::storage) const RECEIPTS: &str = "receipts";

/// Where a block's own receipt says that it stands.
pub(in crate::storage) const OF_THE_BLOCK: (Digest, u32) = (Digest::ZERO, 0);

pub(in crate::storage) struct StoredReceipt<'a> {
    pub(in crate::storage) batch: Digest,
    pub(in crate::storage) position: u32,
    pub(in crate::storage) receipt: &'a [u8],
}

pub(in crate::storage) fn value(batch: &Digest, position: u32, receipt: &[u8]) -> Vec<u8> {
    [batch.as_bytes().as_slice(), &position.to_be_bytes(), receipt].concat()
}

pub(in crate::storage) fn parse(value: &[u8]) -> Option<StoredReceipt<'_>> {
    let (batch, rest) = value.split_first_chunk::<32>()?;
    let (position, receipt) = rest.split_first_chunk::<4>()?;
    Some(StoredReceipt { batch: Digest::from_bytes(*batch), position: u32::from_be_bytes(*position), receipt })
}
