//! Where one's own lane stands, asked of peers after the batch log was lost.
//!
//! A peer's word is pursued for a while before its next one is: it may say another every moment, and each would be
//! asked for. One whose words are not borne out is disregarded: it alone cannot keep the lane closed.
//!
//! Must not know: how peers are asked, what the lane packs.

use std::collections::BTreeMap;

use tonle_consensus::ValidatorIndex;

use super::fetch::Fetch;
use crate::Tip;
use crate::bounds::{FETCH_TIMEOUT_US, LANE_RECOVERY_US};

/// A peer is disregarded when the claimed ends of one's own lane that it named were asked for this often in vain.
const RECOVERY_ATTEMPTS: u32 = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    since_us: Option<u64>,
    next_us: Option<u64>,
    words: BTreeMap<ValidatorIndex, Word>,
}

/// What one peer says of the lane's end.
#[derive(Debug)]
struct Word {
    /// The last that it said.
    said: Tip,
    /// What is asked for, and since when.
    claim: Option<(Tip, u64)>,
    /// Claims before this one that were given up.
    given_up: u32,
}

impl Recovery {
    /// A peer says how far it holds the lane.
    pub(super) fn heard(&mut self, from: ValidatorIndex, tip: Tip) {
        self.words.entry(from).or_insert(Word { said: tip, claim: None, given_up: 0 }).said = tip;
    }

    /// Places mean others from here on.
    pub(super) fn forget_places(&mut self) {
        self.words.clear();
    }

    /// What peers claim to hold above `seq`, the last that is here.
    pub(super) fn claims(&self, seq: u64) -> impl Iterator<Item = (ValidatorIndex, Tip)> {
        let claims = self.words.iter().filter_map(|(peer, word)| Some((*peer, word.claim?.0)));
        claims.filter(move |(_, tip)| tip.seq > seq)
    }

    /// Has every other of `count` validators, or after a while a `quorum` with oneself, said how much it holds, and is
    /// all of that here, up to `seq`?
    pub(super) fn is_over(&mut self, now_us: u64, seq: u64, (count, quorum): (usize, usize), fetch: &Fetch) -> bool {
        let since = *self.since_us.get_or_insert(now_us);
        self.next_us = Some(now_us.saturating_add(LANE_RECOVERY_US));
        self.words.values_mut().for_each(|word| word.pursue(now_us, seq));
        self.words.retain(|_, word| word.may_hold(seq, fetch));
        let heard = self.words.len().saturating_add(1);
        let enough = heard >= count || (heard >= quorum && now_us >= since.saturating_add(LANE_RECOVERY_US));
        enough && self.words.values().all(|word| word.said.seq <= seq)
    }

    /// When to look again, whatever happens.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.next_us
    }
}

impl Word {
    /// Turns to the last that was said, once what was said before is here or had its time.
    fn pursue(&mut self, now_us: u64, seq: u64) {
        match self.claim {
            Some((tip, _)) if tip == self.said => return,
            Some((tip, since)) if tip.seq > seq => {
                if now_us < since.saturating_add(FETCH_TIMEOUT_US) {
                    return;
                }
                self.given_up = self.given_up.saturating_add(1);
            }
            Some(_) | None => {}
        }
        self.claim = Some((self.said, now_us));
    }

    /// Is it true as far as one knows?
    fn may_hold(&self, seq: u64, fetch: &Fetch) -> bool {
        let in_vain = |tip: Tip| fetch.attempts(&tip.digest).saturating_add(self.given_up) >= RECOVERY_ATTEMPTS;
        self.claim.is_none_or(|(tip, _)| tip.seq <= seq || !in_vain(tip))
    }
}
