//! How often each peer may ask: a bucket of requests that fills again with time. What is beyond it is dropped; an honest
//! peer asks another.
//!
//! Must not know: what is asked.

use std::collections::BTreeMap;

use tonle_consensus::ValidatorIndex;

use crate::bounds::REQUESTS_PER_SECOND;

const SECOND_US: u64 = 1_000_000;

/// One bucket for each peer; peers are validators, so there are at most as many.
#[derive(Debug, Default)]
pub(crate) struct Allowance(BTreeMap<ValidatorIndex, (u64, u64)>);

impl Allowance {
    /// May this peer ask once more?
    pub(crate) fn take(&mut self, now_us: u64, peer: ValidatorIndex) -> bool {
        let (left, since) = self.0.entry(peer).or_insert((REQUESTS_PER_SECOND, now_us));
        let refill =
            now_us.saturating_sub(*since).saturating_mul(REQUESTS_PER_SECOND).checked_div(SECOND_US).unwrap_or(0);
        if refill > 0 {
            *left = left.saturating_add(refill).min(REQUESTS_PER_SECOND);
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
