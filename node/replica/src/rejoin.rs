//! R9: the way back for a validator whose guard was lost. It asks all others for their epoch; from two epochs after the
//! highest in a quorum of answers on, it may sign again.
//!
//! Whatever it signed and forgot, it signed in an epoch e whose anchor was on its disk: so a quorum had finalized in e - 1,
//! each member with e - 1's anchor on its own disk. Any quorum of answers has an honest one of these in it, who says e - 1
//! or more. An answer counts on the connection that authenticates who gives it, and to the request that it names.
//!
//! Must not know: what an epoch is for, the guard's file.

use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::{Epoch, ValidatorIndex};

use crate::bounds::REJOIN_US;
use crate::{Query, Request};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Rejoin {
    answers: BTreeMap<ValidatorIndex, Epoch>,
    /// The requests that are not answered.
    asked: BTreeMap<ValidatorIndex, u64>,
    next_id: u64,
    next_us: u64,
}

impl Rejoin {
    /// Asks whoever has not answered, from time to time.
    pub(crate) fn poll(&mut self, now_us: u64, peers: &BTreeSet<ValidatorIndex>) -> Vec<(ValidatorIndex, Request)> {
        if now_us < self.next_us {
            return Vec::new();
        }
        self.next_us = now_us.saturating_add(REJOIN_US);
        self.next_id = self.next_id.saturating_add(1);
        let id = self.next_id;
        let silent: Vec<ValidatorIndex> =
            peers.iter().filter(|peer| !self.answers.contains_key(peer)).copied().collect();
        self.asked = silent.iter().map(|peer| (*peer, id)).collect();
        silent.into_iter().map(|peer| (peer, Request { id, query: Query::Epoch })).collect()
    }

    /// A peer's answer, which is none when it may not sign itself. Gives the epoch from which on one may sign.
    pub(crate) fn answered(
        &mut self,
        from: ValidatorIndex,
        id: u64,
        epoch: Option<Epoch>,
        quorum: usize,
    ) -> Option<Epoch> {
        self.asked.get(&from).filter(|asked| **asked == id)?;
        self.asked.remove(&from);
        self.answers.insert(from, epoch?);
        let highest = self.answers.values().max()?;
        (self.answers.len() >= quorum).then(|| highest.saturating_add(2))
    }

    /// When to ask again.
    pub(crate) fn deadline(&self) -> u64 {
        self.next_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lane;

    fn all() -> BTreeSet<ValidatorIndex> {
        (1..7).map(lane).collect()
    }

    #[test]
    fn a_quorum_of_answers_to_ones_own_requests_says_from_when_on_one_may_sign() {
        let mut rejoin = Rejoin::default();
        let asked = rejoin.poll(0, &all());
        assert_eq!(asked.len(), 6);
        let id = asked[0].1.id;
        assert_eq!(rejoin.answered(lane(1), id, Some(Epoch::new(7)), 5), None);
        // Once more, with another id, nothing, or unasked: none counts.
        assert_eq!(rejoin.answered(lane(1), id, Some(Epoch::new(99)), 5), None);
        assert_eq!(rejoin.answered(lane(2), id + 1, Some(Epoch::new(99)), 5), None);
        assert_eq!(rejoin.answered(lane(6), id, None, 5), None);
        assert_eq!(rejoin.answered(lane(9), id, Some(Epoch::new(99)), 5), None);
        for (peer, epoch) in [(2, 3), (3, 8), (4, 8)] {
            assert_eq!(rejoin.answered(lane(peer), id, Some(Epoch::new(epoch)), 5), None);
        }
        assert_eq!(rejoin.answered(lane(5), id, Some(Epoch::new(0)), 5), Some(Epoch::new(10)));
    }

    #[test]
    fn only_who_is_silent_is_asked_again_and_not_too_often() {
        let mut rejoin = Rejoin::default();
        let id = rejoin.poll(0, &all())[0].1.id;
        rejoin.answered(lane(1), id, Some(Epoch::new(1)), 5);
        assert!(rejoin.poll(REJOIN_US - 1, &all()).is_empty());
        let again = rejoin.poll(rejoin.deadline(), &all());
        assert_eq!(again.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(), (2..7).map(lane).collect::<Vec<_>>());
        assert_ne!(again[0].1.id, id);
    }
}
