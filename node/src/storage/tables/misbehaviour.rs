//! Proofs of misbehaviour.
//!
//! ```text
//! misbehaviour  | offence id 32 | -> | first seen u64, ms since the Unix epoch | proof |
//! ```
//! The offence's id is derived from the proof, so the key is checked against the value. No block writes here: a proof
//! is kept when this node learns it, at whatever height that is.

use tonle_crypto::{Canonical, Digest};
use tonle_replica::Misbehaviour;

use crate::storage::KeptMisbehaviour;

pub(in crate::storage) const MISBEHAVIOUR: &str = "misbehaviour";

pub(in crate::storage) fn value(kept: &KeptMisbehaviour) -> Vec<u8> {
    [&kept.first_seen_ms.to_be_bytes()[..], &kept.proof.encode()].concat()
}

pub(in crate::storage) fn parse(key: &[u8], value: &[u8]) -> Option<KeptMisbehaviour> {
    let (first_seen_ms, proof) = value.split_first_chunk::<8>()?;
    let proof = Misbehaviour::decode(proof).ok()?;
    let id = <[u8; 32]>::try_from(key).ok().map(Digest::from_bytes)?;
    let first_seen_ms = u64::from_be_bytes(*first_seen_ms);
    (proof.offence().id() == id).then_some(KeptMisbehaviour { first_seen_ms, proof })
}
