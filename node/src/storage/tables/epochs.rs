//! Validator sets by the first epoch that they serve in. An epoch without a row has the set of the last one before it.
//!
//! ```text
//! epochs    | epoch u64 | -> | u32 n | n × validator: u32 length, name | key 32 | network key 32 |
//! ```
//! The value is what the set's digest is over, in the order of the validators' indexes. Epoch 0 has always a row.

use tonle_consensus::{VALIDATORS_MAX, Validator};
use tonle_crypto::{Reader, Writer};

pub(in crate::storage) const EPOCHS: &str = "epochs";

pub(in crate::storage) fn key(epoch: u64) -> [u8; 8] {
    epoch.to_be_bytes()
}

pub(in crate::storage) fn parse_key(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

pub(in crate::storage) fn value(validators: &[Validator]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.list(validators);
    writer.finish()
}

pub(in crate::storage) fn parse(value: &[u8]) -> Option<Vec<Validator>> {
    let mut reader = Reader::new(value);
    let validators = reader.list("validators", VALIDATORS_MAX).ok()?;
    reader.finish().ok()?;
    Some(validators)
}
