//! R9: what a validator asks of all others when its process starts, and again when it finds that its guard is lost.
//!
//! A peer that is asked first shows all that it holds of one's own signatures, and then answers with its epoch. So an
//! answer is a *greeting*: whatever it could tell of what one forgot has been told. With the guard lost, the epochs in the
//! answers say when one may sign again: two epochs after the highest in a quorum of them.
//!
//! Whatever one signed and forgot, one signed in an epoch e whose anchor was on one's disk: so a quorum had finalized in
//! e - 1, each member with e - 1's anchor on its own disk. Any quorum of answers has an honest one of these in it, who says
//! e - 1 or more. An answer counts on the connection that authenticates who gives it, and to the request that it names.
//!
//! Must not know: what an epoch is for, the guard's file.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use tonle_consensus::{Epoch, ValidatorIndex};

use crate::bounds::{GREET_US, REJOIN_US};
use crate::{Query, Request};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Rejoin {
    /// Who answered; none for one that may not sign itself.
    answers: BTreeMap<ValidatorIndex, Option<Epoch>>,
    /// Who was asked on the connection that there is.
    asked: BTreeMap<ValidatorIndex, Asked>,
    next_id: u64,
    next_us: Option<u64>,
}

/// What one peer was asked.
#[derive(Debug)]
struct Asked {
    /// The requests that an answer may name: all since the last answer, for one may travel longer than one waits.
    ids: RangeInclusive<u64>,
    /// When it is asked again if it is silent.
    again_us: u64,
}

impl Rejoin {
    /// Asks, each in its own time, whoever is to answer: for greetings those who said nothing, for epochs (`lost`)
    /// those too who could not say one.
    pub(crate) fn poll(
        &mut self,
        now_us: u64,
        peers: &BTreeSet<ValidatorIndex>,
        lost: bool,
    ) -> Vec<(ValidatorIndex, Request)> {
        let again_us = now_us.saturating_add(if lost { REJOIN_US } else { GREET_US });
        let answered = |peer: &ValidatorIndex| self.answers.get(peer).is_some_and(|epoch| epoch.is_some() || !lost);
        let is_due = |peer: &ValidatorIndex| self.asked.get(peer).is_none_or(|asked| asked.again_us <= now_us);
        let silent: Vec<ValidatorIndex> = peers.iter().filter(|peer| !answered(peer)).copied().collect();
        let due: Vec<ValidatorIndex> = silent.iter().filter(|peer| is_due(peer)).copied().collect();
        if !due.is_empty() {
            self.next_id = self.next_id.saturating_add(1);
        }
        let id = self.next_id;
        for peer in &due {
            let first = self.asked.get(peer).map_or(id, |asked| *asked.ids.start());
            self.asked.insert(*peer, Asked { ids: first..=id, again_us });
        }
        self.next_us = silent.iter().filter_map(|peer| self.asked.get(peer)).map(|asked| asked.again_us).min();
        due.into_iter().map(|peer| (peer, Request { id, query: Query::Epoch })).collect()
    }

    /// A connection is new: its peer is asked at once, and what was asked on the one before is void. Others are asked
    /// when it is their time: among n validators that start together each would else ask each n times.
    pub(crate) fn connected(&mut self, peer: ValidatorIndex) {
        self.asked.remove(&peer);
    }

    /// The guard is lost as of now: what was answered before says nothing of what was signed since.
    pub(crate) fn forget(&mut self) {
        self.answers.clear();
        self.asked.clear();
    }

    /// A peer's answer. Does it count?
    pub(crate) fn answered(&mut self, from: ValidatorIndex, id: u64, epoch: Option<Epoch>) -> bool {
        let Some(asked) = self.asked.get_mut(&from).filter(|asked| asked.ids.contains(&id)) else { return false };
        asked.ids = asked.ids.end().saturating_add(1)..=*asked.ids.end();
        self.answers.insert(from, epoch);
        true
    }

    /// Has a quorum, with oneself, shown what it holds?
    pub(crate) fn is_greeted(&self, quorum: usize) -> bool {
        self.answers.len().saturating_add(1) >= quorum
    }

    /// The epoch from which on one may sign; `None` before a quorum of others has named theirs.
    pub(crate) fn epoch(&self, quorum: usize) -> Option<Epoch> {
        let epochs: Vec<Epoch> = self.answers.values().copied().flatten().collect();
        let highest = epochs.iter().max()?;
        (epochs.len() >= quorum).then(|| highest.saturating_add(2))
    }

    /// When somebody is to be asked again.
    pub(crate) fn deadline(&self) -> Option<u64> {
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
        let asked = rejoin.poll(0, &all(), true);
        assert_eq!(asked.len(), 6);
        let id = asked[0].1.id;
        assert!(rejoin.answered(lane(1), id, Some(Epoch::new(7))));
        // Once more, with another id, or unasked: none counts. One that names no epoch says nothing of when.
        assert!(!rejoin.answered(lane(1), id, Some(Epoch::new(99))));
        assert!(!rejoin.answered(lane(2), id + 1, Some(Epoch::new(99))));
        assert!(!rejoin.answered(lane(9), id, Some(Epoch::new(99))));
        assert!(rejoin.answered(lane(6), id, None));
        for (peer, epoch) in [(2, 3), (3, 8), (4, 8)] {
            assert!(rejoin.answered(lane(peer), id, Some(Epoch::new(epoch))));
            assert_eq!(rejoin.epoch(5), None);
        }
        assert!(rejoin.answered(lane(5), id, Some(Epoch::new(0))));
        assert_eq!(rejoin.epoch(5), Some(Epoch::new(10)));
    }

    #[test]
    fn a_quorum_with_oneself_greets_and_need_not_be_able_to_sign() {
        let mut rejoin = Rejoin::default();
        let id = rejoin.poll(0, &all(), false)[0].1.id;
        assert!(!rejoin.is_greeted(5));
        for peer in 1..4 {
            rejoin.answered(lane(peer), id, None);
            assert!(!rejoin.is_greeted(5));
        }
        rejoin.answered(lane(4), id, Some(Epoch::new(1)));
        assert!(rejoin.is_greeted(5));
    }

    #[test]
    fn only_who_is_silent_is_asked_again_and_not_too_often() {
        for (lost, after_us) in [(true, REJOIN_US), (false, GREET_US)] {
            let mut rejoin = Rejoin::default();
            let id = rejoin.poll(0, &all(), lost)[0].1.id;
            rejoin.answered(lane(1), id, Some(Epoch::new(1)));
            rejoin.answered(lane(2), id, None);
            assert!(rejoin.poll(after_us - 1, &all(), lost).is_empty());
            let again = rejoin.poll(rejoin.deadline().unwrap(), &all(), lost);
            let peers: Vec<ValidatorIndex> = again.iter().map(|(peer, _)| *peer).collect();
            assert_eq!(peers, (if lost { 2..7 } else { 3..7 }).map(lane).collect::<Vec<_>>());
            assert_ne!(again[0].1.id, id);
        }
    }

    #[test]
    fn an_answer_that_travels_for_longer_than_one_waits_to_ask_again_counts() {
        let mut rejoin = Rejoin::default();
        let id = rejoin.poll(0, &all(), false)[0].1.id;
        assert_eq!(rejoin.poll(GREET_US, &all(), false).len(), 6);
        assert!(rejoin.answered(lane(1), id, Some(Epoch::new(3))));
    }

    #[test]
    fn what_was_answered_before_the_guard_was_lost_does_not_count() {
        let mut rejoin = Rejoin::default();
        let id = rejoin.poll(0, &all(), false)[0].1.id;
        (1..6).for_each(|peer| assert!(rejoin.answered(lane(peer), id, Some(Epoch::new(3)))));
        rejoin.forget();
        assert_eq!(rejoin.epoch(5), None);
        assert!(!rejoin.answered(lane(6), id, Some(Epoch::new(3))), "an answer to what was asked before");
        let asked = rejoin.poll(1, &all(), true);
        assert_eq!(asked.len(), 6);
        assert_ne!(asked[0].1.id, id);
    }
}
