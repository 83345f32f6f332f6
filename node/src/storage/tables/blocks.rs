//! Final blocks by height, and heights by header digest.
//!
//! ```text
//! blocks    | height u64 |           -> | block: header, payload | 0, or 1 and its own finality certificate |
//! digests   | header digest 32 |     -> | height u64 |
//! ```
//! A block without a certificate of its own is final by the next block above it that has one.

use tonle_crypto::{Canonical, Digest};
use tonle_replica::CertifiedBlock;

pub(in crate::storage) const BLOCKS: &str = "blocks";
pub(in crate::storage) const DIGESTS: &str = "digests";

pub(in crate::storage) fn key(height: u64) -> [u8; 8] {
    height.to_be_bytes()
}

pub(in crate::storage) fn value(block: &CertifiedBlock) -> Vec<u8> {
    block.encode()
}

pub(in crate::storage) fn parse(value: &[u8]) -> Option<CertifiedBlock> {
    CertifiedBlock::decode(value).ok()
}

pub(in crate::storage) fn digest_key(digest: &Digest) -> [u8; 32] {
    *digest.as_bytes()
}

pub(in crate::storage) fn parse_height(value: &[u8]) -> Option<u64> {
    value.try_into().ok().map(u64::from_be_bytes)
}
