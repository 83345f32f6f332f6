//! What the ledger asks about a report of misbehaviour, answered from the proof alone.
//!
//! Must not know: who validates, who reports, what stands in the state.

use std::fmt;

use tonle_crypto::{Canonical, Digest, Verifier};
use tonle_ledger::{Claim, Judge, PROOF_BYTES_MAX};

use crate::{MISBEHAVIOUR_BYTES_MAX, Misbehaviour};

const _: () = assert!(MISBEHAVIOUR_BYTES_MAX <= PROOF_BYTES_MAX, "a transaction can carry every proof");

/// Reads a report's proof as a [`Misbehaviour`], and checks its signatures by `V`.
#[derive(Debug, Clone, Copy, Default)]
pub struct MisbehaviourJudge<V>(pub V);

impl<V: Verifier + fmt::Debug + Send + Sync> Judge for MisbehaviourJudge<V> {
    fn claim(&self, proof: &[u8]) -> Option<Claim> {
        let offence = Misbehaviour::decode(proof).ok()?.offence();
        Some(Claim {
            id: offence.id(),
            accused: offence.accused,
            kind: offence.kind.code(),
            epoch: offence.epoch.get(),
            place: offence.place,
        })
    }

    fn holds(&self, chain: &Digest, proof: &[u8]) -> bool {
        Misbehaviour::decode(proof).is_ok_and(|proof| proof.verify(*chain, &self.0).is_ok())
    }
}
