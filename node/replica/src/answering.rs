//! How often each peer may ask: a bucket of requests that fills again with time. What is beyond it is dropped; an honest
//! peer asks another.
//!
//! Must not know: what is asked.

use std::collections::BTreeMap;

use tonle_consensus::ValidatorIndex;

const SECOND_US: u64 = 1_000_000;

/// One bucket for each peer; peers are validators, so there are at most as many.
#[derive(Debug)]
pub(crate) struct Allowance {
    per_second: u64,
    /// What is left to each peer, and since when it fills again.
    left: BTreeMap<ValidatorIndex, (u64, u64)>,
}

impl Allowance {
    /// So many a second for each peer, and as many at once.
    pub(crate) fn new(per_second: u64) -> Self {
        Allowance { per_second, left: BTreeMap::new() }
    }

    /// Every peer is given all of it again.
    pub(crate) fn forget_places(&mut self) {
        self.left.clear();
    }

    /// May this peer ask once more?
    pub(crate) fn take(&mut self, now_us: u64, peer: ValidatorIndex) -> bool {
        let most = self.per_second;
        let (left, since) = self.left.entry(peer).or_insert((most, now_us));
        let refill = now_us.saturating_sub(*since).saturating_mul(most).checked_div(SECOND_US).unwrap_or(0);
        if refill > 0 {
            *left = left.saturating_add(refill).min(most);
            *since = now_us;
        }
        match left.checked_sub(1) {
            Some(rest) => {
                *left = rest;
                true
            }
            None => false,
        }
    }
}
