//! What is wanted and not here, and whom to ask for it: peers in rotation, with a time-out for each, for as long as it is
//! wanted. The owner says again and again what it wants; what it no longer names is forgotten, but not before it may be
//! asked for again: a peer that makes a thing wanted now and then draws no more requests than if it always were.
//!
//! Must not know: what an answer is good for.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::ValidatorIndex;
use tonle_crypto::Digest;

use crate::bounds::{FETCH_ROUND_US, FETCH_TIMEOUT_US, FETCHES_MAX, RESTING_MAX, WANTS_MAX};
use crate::{Query, Request};

/// Something wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    /// What to ask for.
    pub(crate) query: Query,
    /// Whom to ask first.
    pub(crate) hints: Vec<ValidatorIndex>,
    /// How long to wait for it to come by itself, in microseconds.
    pub(crate) patience_us: u64,
}

impl Want {
    /// The digest that identifies it; blocks and batches never share one.
    fn key(&self) -> Option<Digest> {
        match self.query {
            Query::Block { digest } | Query::Batches { digest, .. } => Some(digest),
            Query::FinalBlocks { .. } | Query::Epoch | Query::Snapshot(_) => None,
        }
    }

    /// Another wants the same.
    fn join(&mut self, other: Want) {
        other.hints.into_iter().for_each(|peer| {
            if !self.hints.contains(&peer) {
                self.hints.push(peer);
            }
        });
    }
}

/// How it is asked for.
#[derive(Debug)]
struct Wanted {
    want: Want,
    attempts: u32,
    /// The request under way.
    asked: Option<(u64, ValidatorIndex)>,
    /// When it was asked for last.
    asked_us: u64,
    /// When to ask (again).
    due_us: u64,
}

impl Wanted {
    /// Until when it counts that it was asked for.
    fn paused_until(&self) -> u64 {
        self.due_us.max(self.asked_us.saturating_add(FETCH_TIMEOUT_US))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Fetch {
    wanted: BTreeMap<Digest, Wanted>,
    /// What was asked for a moment ago, and is not wanted.
    resting: BTreeMap<Digest, Wanted>,
    requests: BTreeMap<u64, Digest>,
    connected: BTreeSet<ValidatorIndex>,
    next_id: u64,
}

impl Fetch {
    /// A peer can be asked from here on.
    pub(crate) fn connected(&mut self, peer: ValidatorIndex) {
        self.connected.insert(peer);
    }
    /// A peer cannot be asked any more; what it was asked goes to the next.
    pub(crate) fn disconnected(&mut self, now_us: u64, peer: ValidatorIndex) {
        self.connected.remove(&peer);
        for wanted in self.wanted.values_mut().chain(self.resting.values_mut()) {
            if wanted.asked.is_some_and(|(_, asked)| asked == peer) {
                wanted.asked = None;
                wanted.due_us = now_us;
            }
        }
    }
    /// Peers have other places, or none: nobody is connected until told again, and nothing is asked for.
    pub(crate) fn forget_places(&mut self) {
        *self = Fetch { next_id: self.next_id, ..Fetch::default() };
    }
    /// Who is connected.
    pub(crate) fn peers(&self) -> &BTreeSet<ValidatorIndex> {
        &self.connected
    }
    /// How much is wanted, and how often the most stubborn was asked for.
    pub(crate) fn missing(&self) -> (usize, u32) {
        (self.wanted.len(), self.wanted.values().map(|wanted| wanted.attempts).max().unwrap_or(0))
    }
    /// How often a thing was asked for.
    pub(crate) fn attempts(&self, digest: &Digest) -> u32 {
        self.wanted.get(digest).map_or(0, |wanted| wanted.attempts)
    }

    /// Replaces all that is wanted. What was wanted already, or a moment ago, keeps its place in the rotation.
    pub(crate) fn want(&mut self, now_us: u64, wants: Vec<Want>) {
        if wants.is_empty() && self.wanted.is_empty() && self.resting.is_empty() {
            return;
        }
        let mut before = std::mem::take(&mut self.wanted);
        self.resting.retain(|_, wanted| wanted.paused_until() >= now_us);
        for want in wants.into_iter().take(WANTS_MAX) {
            let Some(key) = want.key() else { continue };
            match self.wanted.entry(key) {
                // Several want it: it is asked for once, first of those that any of them hints at.
                Entry::Occupied(mut twice) => twice.get_mut().want.join(want),
                Entry::Vacant(first) => {
                    first.insert(match before.remove(&key).or_else(|| self.resting.remove(&key)) {
                        Some(known) => Wanted { want, ..known },
                        None => {
                            let due_us = now_us.saturating_add(want.patience_us);
                            Wanted { want, attempts: 0, asked: None, asked_us: 0, due_us }
                        }
                    });
                }
            }
        }
        let left = before.into_iter().filter(|(_, wanted)| wanted.attempts > 0 && wanted.paused_until() >= now_us);
        self.resting.extend(left);
        while self.resting.len() > RESTING_MAX {
            let soonest = self.resting.iter().min_by_key(|(_, wanted)| wanted.paused_until()).map(|(key, _)| *key);
            soonest.and_then(|key| self.resting.remove(&key));
        }
        self.requests.retain(|id, key| {
            let wanted = self.wanted.get(key).or_else(|| self.resting.get(key));
            wanted.is_some_and(|wanted| wanted.asked.is_some_and(|(asked, _)| asked == *id))
        });
    }

    /// The requests that are due.
    pub(crate) fn poll(&mut self, now_us: u64) -> Vec<(ValidatorIndex, Request)> {
        let mut due = Vec::new();
        for (key, wanted) in &mut self.wanted {
            if wanted.due_us > now_us {
                continue;
            }
            if let Some((id, _)) = wanted.asked.take() {
                self.requests.remove(&id);
            }
            if self.requests.len() >= FETCHES_MAX {
                // Asked as soon as an answer, or a time-out, makes room.
                wanted.due_us = now_us.saturating_add(FETCH_TIMEOUT_US);
                continue;
            }
            let hints = wanted.want.hints.iter().filter(|peer| self.connected.contains(peer));
            let others = self.connected.iter().filter(|peer| !wanted.want.hints.contains(peer));
            let candidates: Vec<ValidatorIndex> = hints.chain(others).copied().collect();
            let turn = usize::try_from(wanted.attempts).unwrap_or(usize::MAX).checked_rem(candidates.len());
            let Some(peer) = turn.and_then(|turn| candidates.get(turn)).copied() else {
                wanted.due_us = now_us.saturating_add(FETCH_ROUND_US);
                continue;
            };
            self.next_id = self.next_id.saturating_add(1);
            wanted.attempts = wanted.attempts.saturating_add(1);
            wanted.asked = Some((self.next_id, peer));
            wanted.asked_us = now_us;
            wanted.due_us = now_us.saturating_add(FETCH_TIMEOUT_US);
            self.requests.insert(self.next_id, *key);
            due.push((peer, Request { id: self.next_id, query: wanted.want.query.clone() }));
        }
        due
    }

    /// Is this the answer to a request that was made to this peer? Then what for, and it is the turn of the next peer
    /// if the thing stays wanted: at once, or after a pause when all were asked.
    pub(crate) fn answered(&mut self, now_us: u64, from: ValidatorIndex, id: u64) -> Option<Digest> {
        let key = self.requests.get(&id).copied()?;
        let round = u32::try_from(self.connected.len()).unwrap_or(u32::MAX);
        let wanted = self.wanted.get_mut(&key).or_else(|| self.resting.get_mut(&key))?;
        if wanted.asked != Some((id, from)) {
            return None;
        }
        self.requests.remove(&id);
        wanted.asked = None;
        let pause = if wanted.attempts.checked_rem(round).unwrap_or(0) == 0 { FETCH_ROUND_US } else { 0 };
        wanted.due_us = now_us.saturating_add(pause);
        Some(key)
    }

    /// When [`Fetch::poll`] is due.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.wanted.values().map(|wanted| wanted.due_us).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::lane;

    fn want(number: u8, hints: &[u16]) -> Want {
        let query = Query::Block { digest: Digest::from_bytes([number; 32]) };
        Want { query, hints: hints.iter().map(|index| lane(*index)).collect(), patience_us: 0 }
    }

    #[test]
    fn fetch_rotates_over_all_peers_and_never_stops() {
        let mut fetch = Fetch::default();
        (1..4).for_each(|peer| fetch.connected(lane(peer)));
        let (mut asked, mut now) = (Vec::new(), 0);
        while asked.len() < 7 {
            fetch.want(now, vec![want(1, &[3])]);
            asked.extend(fetch.poll(now).into_iter().map(|(peer, _)| peer.get()));
            now = fetch.deadline().unwrap();
        }
        assert_eq!(asked, [3, 1, 2, 3, 1, 2, 3]);
        assert_eq!(now, 7 * FETCH_TIMEOUT_US);
        fetch.want(now, Vec::new());
        assert_eq!((fetch.deadline(), fetch.missing().0), (None, 0), "what is not wanted any more is forgotten");
    }

    #[test]
    fn empty_answer_goes_to_the_next_peer_at_once_and_a_round_ends_in_a_pause() {
        let mut fetch = Fetch::default();
        (1..3).for_each(|peer| fetch.connected(lane(peer)));
        fetch.want(0, vec![want(1, &[])]);
        let (first, request) = fetch.poll(0).pop().unwrap();
        assert_eq!(fetch.answered(1, lane(2), request.id), None, "only who was asked can answer");
        assert!(fetch.answered(1, first, request.id).is_some());
        assert_eq!(fetch.answered(1, first, request.id), None, "only once");
        let (second, request) = fetch.poll(1).pop().unwrap();
        assert_ne!(first, second);
        fetch.answered(2, second, request.id);
        assert!(fetch.poll(2).is_empty());
        assert_eq!(fetch.poll(2 + FETCH_ROUND_US).len(), 1);
    }

    #[test]
    fn disconnected_peer_is_replaced() {
        let mut fetch = Fetch::default();
        fetch.connected(lane(1));
        fetch.want(0, vec![want(1, &[])]);
        assert_eq!(fetch.poll(0).len(), 1);
        fetch.disconnected(5, lane(1));
        fetch.connected(lane(2));
        assert_eq!(fetch.poll(5)[0].0, lane(2));
    }

    #[test]
    fn what_is_wanted_now_and_then_is_asked_for_as_if_it_always_were() {
        let mut fetch = Fetch::default();
        (1..4).for_each(|peer| fetch.connected(lane(peer)));
        let mut asked = Vec::new();
        for now_us in 0..FETCH_TIMEOUT_US {
            fetch.want(now_us, if now_us % 2 == 0 { vec![want(1, &[3])] } else { Vec::new() });
            asked.extend(fetch.poll(now_us));
        }
        assert_eq!(asked.len(), 1);
        fetch.want(FETCH_TIMEOUT_US, vec![want(1, &[3])]);
        assert_eq!(fetch.poll(FETCH_TIMEOUT_US)[0].0, lane(1), "the rotation goes on");
        fetch.want(FETCH_TIMEOUT_US, Vec::new());
        fetch.want(3 * FETCH_TIMEOUT_US, vec![want(1, &[3])]);
        assert_eq!(fetch.poll(3 * FETCH_TIMEOUT_US)[0].0, lane(3), "after a while it is forgotten");
    }

    #[test]
    fn what_several_want_is_asked_for_once() {
        let mut fetch = Fetch::default();
        (1..5).for_each(|peer| fetch.connected(lane(peer)));
        let mut asked = Vec::new();
        for now_us in [0, 1, 2, FETCH_TIMEOUT_US, 2 * FETCH_TIMEOUT_US] {
            fetch.want(now_us, vec![want(1, &[3]), want(1, &[4, 3])]);
            asked.extend(fetch.poll(now_us).into_iter().map(|(peer, _)| peer.get()));
        }
        assert_eq!(asked, [3, 4, 1], "first those that anybody hints at");
    }

    #[test]
    fn answer_counts_that_comes_while_nobody_wants_it_and_one_in_vain_brings_the_next_peer() {
        let mut fetch = Fetch::default();
        (1..4).for_each(|peer| fetch.connected(lane(peer)));
        fetch.want(0, vec![want(1, &[3])]);
        let (first, request) = fetch.poll(0).pop().unwrap();
        fetch.want(1, Vec::new());
        assert_eq!(fetch.answered(2, first, request.id), want(1, &[]).key());
        fetch.want(3, vec![want(1, &[3])]);
        let (second, request) = fetch.poll(3).pop().unwrap();
        assert_ne!(first, second);
        fetch.want(4, Vec::new());
        fetch.disconnected(5, second);
        fetch.want(6, vec![want(1, &[3])]);
        assert_ne!(fetch.poll(6)[0].0, second, "a peer that is gone is not waited for");
        assert_eq!(fetch.answered(7, second, request.id), None);
    }

    #[test]
    fn what_was_asked_for_and_is_not_wanted_is_remembered_within_a_bound() {
        let mut fetch = Fetch::default();
        fetch.connected(lane(1));
        for number in 0..=u8::MAX {
            // Answered in vain, so that the next can be asked for at once.
            fetch.want(u64::from(number), vec![want(number, &[])]);
            let (peer, request) = fetch.poll(u64::from(number)).pop().unwrap();
            fetch.answered(u64::from(number), peer, request.id);
        }
        assert!(fetch.resting.len() <= RESTING_MAX && fetch.requests.is_empty(), "{}", fetch.resting.len());
        fetch.want(2 * FETCH_TIMEOUT_US, Vec::new());
        assert!(fetch.resting.is_empty());
    }
}
