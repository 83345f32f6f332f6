//! Misbehaviour: what is found here or shown by a peer becomes known once, and is shown to all.
//!
//! Must not know: how it was found, what a proof consists of.

use std::sync::Arc;

use tonle_consensus::{Recipients, ValidatorIndex};

use super::Replica;
use crate::{Effect, Misbehaviour, PeerMessage};

impl Replica {
    /// Proofs that were kept before this start: they are shown to peers, and are not new.
    pub fn remember<'a>(&mut self, proofs: impl IntoIterator<Item = &'a Arc<Misbehaviour>>) {
        proofs.into_iter().for_each(|proof| self.exposure.remember(proof));
    }

    /// The proofs known, in the order learnt.
    #[must_use]
    pub fn misbehaviour(&self) -> &[Arc<Misbehaviour>] {
        self.exposure.proofs()
    }

    /// A peer shows a proof that verifies. Of somebody who is no validator here it is nobody's business: the peer may
    /// know an older set, so it is not at fault, and need not show it again.
    pub(super) fn accuse(
        &mut self,
        now_us: u64,
        from: ValidatorIndex,
        proof: &Arc<Misbehaviour>,
        out: &mut Vec<Effect>,
    ) {
        if !self.allowance.take(now_us, from) {
            return;
        }
        if proof.concerns(&self.identity.context.set) {
            self.exposure.learn(proof);
        }
        let offence = proof.offence().id();
        self.exposure.confirmed(from, &offence);
        out.push(Effect::Send { to: Recipients::One(from), message: PeerMessage::MisbehaviourKnown { offence } });
    }

    /// Ends a turn: what it found is learnt, and each new offence is told once.
    pub(super) fn expose(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        out.retain(|effect| {
            if let Effect::Misbehaviour(proof) = effect {
                self.exposure.learn(proof);
                return false;
            }
            true
        });
        self.exposure.tell(out);
        self.exposure.show(now_us, out);
    }
}
