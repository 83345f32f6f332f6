//! Offences that are known here, and which peers have been shown them, so that after a while every honest node holds
//! what one of them holds.
//!
//! Proofs stand in the order in which they were learnt. To each connected peer they go in that order, a window at a
//! time; the peer confirms each, and what it does not confirm is shown again. So a new proof goes at once to all who
//! have confirmed those before it, a peer that connects is shown everything, a lost message is made good, and nothing
//! is sent once all have confirmed. A peer that confirms nothing gets a window a second, and that is the most that it
//! can have.
//!
//! Must not know: signatures (what comes in is verified), validator sets, what is done about an offence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tonle_consensus::{Recipients, ValidatorIndex};
use tonle_crypto::{Digest, PublicKey};

use crate::bounds::{OFFENCES_MAX, OFFENCES_PER_VALIDATOR_MAX, SHOW_AGAIN_US, SHOWING_MAX};
use crate::{Effect, Misbehaviour, PeerMessage};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Exposure {
    proofs: Vec<Arc<Misbehaviour>>,
    /// The identities of those offences.
    known: BTreeMap<Digest, usize>,
    accused: BTreeMap<PublicKey, usize>,
    peers: BTreeMap<ValidatorIndex, Showing>,
    /// Learnt, and not told to the shell.
    untold: Vec<Arc<Misbehaviour>>,
}

/// How far one peer has been shown.
#[derive(Debug, Default)]
struct Showing {
    /// All before this one are confirmed.
    confirmed: usize,
    /// Those above that are confirmed too; all within the window.
    scattered: BTreeSet<usize>,
    /// All before this one were sent at least once.
    sent: usize,
    /// When what is not confirmed goes again.
    again_us: u64,
}

impl Showing {
    fn confirm(&mut self, at: usize) {
        // What was never sent may be confirmed as well: the peer has just shown it itself.
        if at >= self.confirmed && at < self.confirmed.saturating_add(SHOWING_MAX) {
            self.scattered.insert(at);
        }
        while self.scattered.remove(&self.confirmed) {
            self.confirmed = self.confirmed.saturating_add(1);
        }
        self.sent = self.sent.max(self.confirmed);
    }
}

impl Exposure {
    /// What was kept before this start: it is not new.
    pub(crate) fn remember(&mut self, proof: &Arc<Misbehaviour>) {
        self.learn(proof);
        self.untold.clear();
    }

    /// A proof that verifies, of a validator. Says whether its offence is new here and is kept.
    pub(crate) fn learn(&mut self, proof: &Arc<Misbehaviour>) -> bool {
        let offence = proof.offence();
        let by_it = self.accused.get(&offence.accused).copied().unwrap_or(0);
        let full = self.proofs.len() >= OFFENCES_MAX || by_it >= OFFENCES_PER_VALIDATOR_MAX;
        if full || self.known.contains_key(&offence.id()) {
            return false;
        }
        self.known.insert(offence.id(), self.proofs.len());
        self.accused.insert(offence.accused, by_it.saturating_add(1));
        self.proofs.push(Arc::clone(proof));
        self.untold.push(Arc::clone(proof));
        true
    }

    /// Each new offence, once.
    pub(crate) fn tell(&mut self, out: &mut Vec<Effect>) {
        out.extend(self.untold.drain(..).map(Effect::Misbehaviour));
    }

    /// What is known, in the order learnt.
    pub(crate) fn proofs(&self) -> &[Arc<Misbehaviour>] {
        &self.proofs
    }

    /// A connection is new or renewed: whoever it is may have forgotten everything.
    pub(crate) fn connected(&mut self, peer: ValidatorIndex) {
        self.peers.insert(peer, Showing::default());
    }
    /// A peer is gone.
    pub(crate) fn disconnected(&mut self, peer: ValidatorIndex) {
        self.peers.remove(&peer);
    }

    /// The places of peers mean others from here on: connections are told of again.
    pub(crate) fn forget_places(&mut self) {
        self.peers.clear();
    }

    /// A peer holds this offence, or has no room for it.
    pub(crate) fn confirmed(&mut self, peer: ValidatorIndex, offence: &Digest) {
        if let (Some(at), Some(showing)) = (self.known.get(offence), self.peers.get_mut(&peer)) {
            showing.confirm(*at);
        }
    }

    /// Shows each peer what it has not confirmed and is due.
    pub(crate) fn show(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        for (peer, showing) in &mut self.peers {
            if showing.sent > showing.confirmed && now_us >= showing.again_us {
                showing.sent = showing.confirmed;
            }
            let end = showing.confirmed.saturating_add(SHOWING_MAX).min(self.proofs.len());
            let due = self.proofs.iter().enumerate().take(end).skip(showing.sent);
            let before = out.len();
            for (_, proof) in due.filter(|(at, _)| !showing.scattered.contains(at)) {
                let message = PeerMessage::Misbehaviour(Arc::clone(proof));
                out.push(Effect::Send { to: Recipients::One(*peer), message });
            }
            if out.len() > before {
                showing.again_us = now_us.saturating_add(SHOW_AGAIN_US);
            }
            showing.sent = showing.sent.max(end);
        }
    }

    /// When something is to be shown again.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let waits = self.peers.values().filter(|showing| showing.sent > showing.confirmed);
        waits.map(|showing| showing.again_us).min()
    }
}

#[cfg(test)]
mod tests {
    use tonle_consensus::{Contradiction, Epoch, Signed, Statement, View};
    use tonle_crypto::Signature;

    use super::*;
    use crate::testing::{chain, key, lane, set};

    /// What validator `who` did in a view. Its signatures are nobody's business here.
    fn offence(who: u16, view: u64) -> Arc<Misbehaviour> {
        let vote = |byte| Signed {
            statement: Statement::Notarize { view: View::new(view), block: Digest::from_bytes([byte; 32]) },
            signature: Signature::from_bytes([0; 64]),
        };
        let place = (Epoch::ZERO, set().digest());
        let contradiction = Contradiction::new(key(who).public(), place, vote(1), vote(2)).unwrap();
        Arc::new(Misbehaviour::Consensus(contradiction))
    }

    /// Who is shown what, by offence.
    fn shown(exposure: &mut Exposure, now_us: u64) -> Vec<(ValidatorIndex, Digest)> {
        let mut out = Vec::new();
        exposure.show(now_us, &mut out);
        let one = |effect| match effect {
            Effect::Send { to: Recipients::One(to), message: PeerMessage::Misbehaviour(proof) } => {
                (to, proof.offence().id())
            }
            other => panic!("{other:?}"),
        };
        out.into_iter().map(one).collect()
    }

    #[test]
    fn a_new_offence_goes_once_to_all_and_again_to_who_does_not_confirm() {
        let mut exposure = Exposure::default();
        [1, 2].into_iter().for_each(|peer| exposure.connected(lane(peer)));
        let id = offence(3, 9).offence().id();
        assert!(exposure.learn(&offence(3, 9)));
        assert!(!exposure.learn(&offence(3, 9)), "it is known");
        assert_eq!(shown(&mut exposure, 0), [(lane(1), id), (lane(2), id)]);
        assert_eq!(shown(&mut exposure, SHOW_AGAIN_US - 1), []);
        exposure.confirmed(lane(1), &id);
        exposure.confirmed(lane(2), &chain());
        assert_eq!(exposure.deadline(), Some(SHOW_AGAIN_US));
        assert_eq!(shown(&mut exposure, SHOW_AGAIN_US), [(lane(2), id)]);
        exposure.confirmed(lane(2), &id);
        assert_eq!(exposure.deadline(), None);
        assert_eq!(shown(&mut exposure, 10 * SHOW_AGAIN_US), []);
    }

    #[test]
    fn who_connects_is_shown_everything_a_window_at_a_time() {
        let mut exposure = Exposure::default();
        let count = 2 * SHOWING_MAX + 3;
        let all: Vec<_> = (0..count).map(|view| offence(1, u64::try_from(view).unwrap() + 1)).collect();
        assert!(all.iter().all(|proof| exposure.learn(proof)));
        exposure.connected(lane(2));
        let mut seen = Vec::new();
        loop {
            let window = shown(&mut exposure, 0);
            assert!(window.len() <= SHOWING_MAX);
            if window.is_empty() {
                break;
            }
            // Confirmed in another order than sent.
            window.iter().rev().for_each(|(peer, id)| exposure.confirmed(*peer, id));
            seen.extend(window.into_iter().map(|(_, id)| id));
        }
        assert_eq!(seen, all.iter().map(|proof| proof.offence().id()).collect::<Vec<_>>());
        // Once more after a new connection, and to nobody after the last one ended.
        exposure.connected(lane(2));
        assert_eq!(shown(&mut exposure, 0).len(), SHOWING_MAX);
        exposure.disconnected(lane(2));
        assert_eq!((shown(&mut exposure, SHOW_AGAIN_US), exposure.deadline()), (vec![], None));
    }

    #[test]
    fn who_confirms_nothing_gets_one_window_for_each_time_out() {
        let mut exposure = Exposure::default();
        exposure.connected(lane(2));
        (1..50).for_each(|view| assert!(exposure.learn(&offence(1, view))));
        let sent: usize = (0..10 * SHOW_AGAIN_US).step_by(1_000).map(|now| shown(&mut exposure, now).len()).sum();
        assert_eq!(sent, 10 * SHOWING_MAX);
    }

    #[test]
    fn one_validators_offences_leave_room_for_the_others() {
        let mut exposure = Exposure::default();
        let most = u64::try_from(OFFENCES_PER_VALIDATOR_MAX).unwrap();
        (1..=most).for_each(|view| assert!(exposure.learn(&offence(1, view))));
        assert!(!exposure.learn(&offence(1, most + 1)));
        assert!(exposure.learn(&offence(2, 1)));
        assert_eq!(exposure.proofs().len(), OFFENCES_PER_VALIDATOR_MAX + 1);
    }

    #[test]
    fn each_offence_is_told_once_and_none_that_was_kept() {
        let mut exposure = Exposure::default();
        exposure.remember(&offence(1, 1));
        exposure.learn(&offence(1, 1));
        exposure.learn(&offence(1, 2));
        let mut out = Vec::new();
        exposure.tell(&mut out);
        exposure.learn(&offence(1, 2));
        exposure.tell(&mut out);
        let told: Vec<u64> = out
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Misbehaviour(proof) => Some(proof.offence().place),
                _ => None,
            })
            .collect();
        assert_eq!(told, [2]);
    }

    #[test]
    fn what_a_peer_shows_first_is_not_shown_back() {
        let mut exposure = Exposure::default();
        exposure.connected(lane(2));
        assert!(exposure.learn(&offence(1, 1)));
        exposure.confirmed(lane(2), &offence(1, 1).offence().id());
        assert_eq!(shown(&mut exposure, 0), []);
    }
}
