//! When to give up on a view, when to propose without data, and whom not to wait for.
//!
//! Nothing here can hurt safety: the pacemaker only says when to ask the safety rules for a Timeout.
//!
//! Must not know: votes, blocks, certificates' contents.

use std::collections::VecDeque;

use crate::{Config, ValidatorIndex, ValidatorSet, View};

/// Measured times to a quorum certificate that are kept.
const SAMPLES_MAX: usize = 128;
/// Back-off steps counted; 1.5^16 is above every cap.
const BACK_OFF_MAX: u32 = 16;

/// How the last view ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By a QC or FC.
    Quorum,
    /// By a TC; `leader_signed` tells whether the view's leader is among its signers.
    Timeout {
        /// Was the leader alive?
        leader_signed: bool,
    },
}

/// What there is to order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    /// Data that is not final.
    pub(crate) data: bool,
    /// A checkpoint that no notarized header names.
    pub(crate) checkpoint: bool,
}

/// What is known of one validator as a leader.
#[derive(Debug, Clone, Copy, Default)]
struct Record {
    /// Turns in a row that ended in a TC with nothing heard since.
    missed: u32,
    /// Among the at most f leaders that are timed out at entry.
    skipped: bool,
}

/// Timers and leaders.
#[derive(Debug, Clone)]
pub(crate) struct Pacemaker {
    config: Config,
    set: ValidatorSet,
    view: View,
    entered_us: u64,
    /// From when the view timer runs: from demand, or from when a heartbeat is due.
    clock_from_us: u64,
    wanted: Wanted,
    /// When this view's proposal came.
    proposed_us: Option<u64>,
    /// TCs in a row, without those of skipped leaders.
    failures: u32,
    /// Views in a row that ended in a timeout certificate, skipped ones too, and the most of them in this epoch.
    in_a_row: u64,
    most_in_a_row: u64,
    /// Was this view's leader skipped?
    skipping: bool,
    /// From when the next skipped leader, whichever it is, gets a full turn.
    probe_at_us: u64,
    samples_us: VecDeque<u64>,
    base_us: u64,
    leaders: Vec<Record>,
}

impl Pacemaker {
    pub(crate) fn new(config: Config, set: ValidatorSet) -> Self {
        let base_us = micros(config.base_timeout_initial_ms);
        let leaders = vec![Record::default(); set.len()];
        Pacemaker {
            config,
            set,
            view: View::ZERO,
            entered_us: 0,
            clock_from_us: 0,
            wanted: Wanted::default(),
            proposed_us: None,
            failures: 0,
            in_a_row: 0,
            most_in_a_row: 0,
            skipping: false,
            probe_at_us: 0,
            samples_us: VecDeque::with_capacity(SAMPLES_MAX),
            base_us,
            leaders,
        }
    }

    /// The first view after a start.
    pub(crate) fn start(&mut self, now_us: u64, view: View) {
        self.view = view;
        self.entered_us = now_us;
        self.skipping = false;
        self.proposed_us = None;
        self.clock_from_us = if self.wanted() { now_us } else { self.heartbeat_us() };
    }

    /// A view began because the one before `ended`.
    pub(crate) fn enter(&mut self, now_us: u64, view: View, ended: Ended) {
        let leader = view.previous().map(|ended_view| self.set.leader(ended_view));
        match ended {
            Ended::Quorum => {
                self.failures = 0;
                self.in_a_row = 0;
                if self.view.next() == Some(view)
                    && let Some(proposed_us) = self.proposed_us
                {
                    self.sample(now_us.saturating_sub(proposed_us));
                }
            }
            Ended::Timeout { leader_signed } => {
                self.in_a_row = self.in_a_row.saturating_add(1);
                self.most_in_a_row = self.most_in_a_row.max(self.in_a_row);
                if !self.skipping {
                    self.failures = self.failures.saturating_add(1).min(BACK_OFF_MAX);
                }
                if let Some(record) = leader.and_then(|leader| self.leaders.get_mut(leader.index()))
                    && !leader_signed
                {
                    record.missed = record.missed.saturating_add(1);
                }
            }
        }
        self.start(now_us, view);
        self.skipping = self.skips(now_us);
    }

    /// This view's proposal is here. The time to QC counts from it: a leader's wait for data, which is itself a part
    /// of the base timeout, would feed back into it.
    pub(crate) fn proposal_seen(&mut self, now_us: u64) {
        self.proposed_us.get_or_insert(now_us);
    }

    /// Is this view's leader timed out at entry?
    pub(crate) fn is_skipping(&self) -> bool {
        self.skipping
    }

    fn skips(&mut self, now_us: u64) -> bool {
        let skipped = self.leaders.iter().filter(|record| record.skipped).count();
        let (faults, after) = (self.set.faults(), self.config.skip_after);
        let next_probe_us = now_us.saturating_add(micros(self.config.probe_interval_ms));
        let Some(record) = self.leaders.get_mut(self.set.leader(self.view).index()) else { return false };
        if record.missed < after {
            return false;
        }
        if !record.skipped {
            // At most f at a time: more silent leaders than that are a partition, not dead banks.
            record.skipped = skipped < faults;
            if skipped == 0 {
                self.probe_at_us = next_probe_us;
            }
            return record.skipped;
        }
        let probed = now_us >= self.probe_at_us;
        if probed {
            self.probe_at_us = next_probe_us;
        }
        !probed
    }

    /// A message or a fresh signature of `validator` was seen: it is taken back at once.
    pub(crate) fn heard(&mut self, validator: ValidatorIndex) {
        if let Some(record) = self.leaders.get_mut(validator.index()) {
            record.missed = 0;
            record.skipped = false;
        }
    }

    /// Leaders timed out at entry.
    pub(crate) fn skipped(&self) -> Vec<ValidatorIndex> {
        let skipped = self.set.indices().zip(&self.leaders).filter(|(_, record)| record.skipped);
        skipped.map(|(index, _)| index).collect()
    }

    /// What there is to order has changed: the view timer starts, or waits for the heartbeat again.
    pub(crate) fn set_wanted(&mut self, now_us: u64, wanted: Wanted) {
        if self.wanted == wanted {
            return;
        }
        self.wanted = wanted;
        self.clock_from_us =
            if self.wanted() { self.clock_from_us.min(now_us.max(self.entered_us)) } else { self.heartbeat_us() };
    }

    /// Is there anything to order?
    pub(crate) fn wanted(&self) -> bool {
        self.wanted.data || self.wanted.checkpoint
    }

    /// When the leader stops waiting for data and proposes an empty block.
    pub(crate) fn empty_at_us(&self) -> u64 {
        if self.wanted.data {
            self.clock_from_us.saturating_add(self.base_us.checked_div(3).unwrap_or(0))
        } else if self.wanted.checkpoint {
            // One trailing block at once, so that the last transfer of a burst is provable without waiting.
            self.entered_us
        } else {
            self.clock_from_us
        }
    }

    /// When the view is given up.
    pub(crate) fn gives_up_at_us(&self) -> u64 {
        self.clock_from_us.saturating_add(self.timeout_us())
    }

    /// When the entry certificate goes to those of whom nothing of this view was heard: R1.
    pub(crate) fn relay_at_us(&self) -> u64 {
        self.entered_us.saturating_add(self.relay_pause_us())
    }

    /// Half of the base timeout, which is one and a half times what a QC takes: by then a Finalize of everybody who
    /// saw the last QC has come.
    pub(crate) fn relay_pause_us(&self) -> u64 {
        self.base_us.checked_div(2).unwrap_or(0)
    }

    /// The base timeout: 3 times the 99th percentile of the time to QC, within its bounds.
    pub(crate) fn base_us(&self) -> u64 {
        self.base_us
    }

    /// The most views in a row that ended in a timeout certificate.
    pub(crate) fn most_timeouts_in_a_row(&self) -> u64 {
        self.most_in_a_row
    }

    /// The base timeout, times 1.5 for each TC in a row, capped.
    pub(crate) fn timeout_us(&self) -> u64 {
        let cap = micros(self.config.timeout_cap_ms);
        let mut timeout = self.base_us;
        for _ in 0..self.failures {
            timeout = timeout.saturating_mul(3).checked_div(2).unwrap_or(cap);
        }
        timeout.min(cap.max(self.base_us))
    }

    fn heartbeat_us(&self) -> u64 {
        self.entered_us.saturating_add(micros(self.config.idle_interval_ms))
    }

    fn sample(&mut self, time_us: u64) {
        if self.samples_us.len() >= SAMPLES_MAX {
            self.samples_us.pop_front();
        }
        self.samples_us.push_back(time_us);
        let mut sorted: Vec<u64> = self.samples_us.iter().copied().collect();
        sorted.sort_unstable();
        let rank = sorted.len().saturating_mul(99).div_ceil(100).saturating_sub(1);
        let p99 = sorted.get(rank).copied().unwrap_or(0);
        let (min, max) = (micros(self.config.base_timeout_min_ms), micros(self.config.base_timeout_max_ms));
        self.base_us = p99.saturating_mul(3).min(max).max(min);
    }
}

fn micros(ms: u64) -> u64 {
    ms.saturating_mul(1_000)
}

#[cfg(test)]
mod tests {
    use tonle_crypto::SecretKey;

    use super::*;
    use crate::{Epoch, Validator};

    const TURN_US: u64 = 100_000;

    fn pacemaker(validators: u8) -> Pacemaker {
        let validator = |number: u8| Validator {
            name: number.to_string(),
            key: SecretKey::from_seed(&[number; 32]).public(),
            network_key: SecretKey::from_seed(&[number | 128; 32]).public(),
        };
        let set = ValidatorSet::new(Epoch::ZERO, (0..validators).map(validator).collect()).unwrap();
        Pacemaker::new(Config::default(), set)
    }

    /// Goes through views until `until_us`: those of the dead end in a TC without them, the others by a QC. Gives, in
    /// order, when each full turn of a dead leader began. Every view takes the same time.
    fn full_turns(pacemaker: &mut Pacemaker, dead: &[ValidatorIndex], until_us: u64) -> Vec<u64> {
        let (mut now_us, mut view, mut found) = (0, View::new(1), Vec::new());
        pacemaker.start(now_us, view);
        while now_us < until_us {
            let leads = pacemaker.set.leader(view);
            let ended = if dead.contains(&leads) {
                if !pacemaker.is_skipping() {
                    found.push(now_us);
                }
                Ended::Timeout { leader_signed: false }
            } else {
                pacemaker.heard(leads);
                Ended::Quorum
            };
            now_us += TURN_US;
            view = view.next().unwrap();
            pacemaker.enter(now_us, view, ended);
        }
        found
    }

    #[test]
    fn a_dead_leader_costs_one_turn_and_then_all_of_them_together_one_each_probe_interval() {
        let mut pacemaker = pacemaker(10);
        let dead: Vec<ValidatorIndex> = [1, 4, 7].map(ValidatorIndex::new).into();
        let turns = full_turns(&mut pacemaker, &dead, 120_000_000);
        let (first, later) = turns.split_at(3);
        assert!(first.iter().all(|at| *at < 10 * TURN_US), "in the first rotation: {turns:?}");
        assert_eq!(pacemaker.skipped(), dead);
        // 120 s hold four intervals of 30 s, which began when the first of the three was skipped.
        assert_eq!(later.len(), 3, "{turns:?}");
        assert!(later.windows(2).all(|pair| pair[1] - pair[0] >= 30_000_000), "{turns:?}");
    }

    #[test]
    fn no_more_than_f_leaders_are_skipped_and_whoever_is_heard_is_taken_back() {
        let mut pacemaker = pacemaker(7);
        let dead: Vec<ValidatorIndex> = [0, 1, 2].map(ValidatorIndex::new).into();
        full_turns(&mut pacemaker, &dead, 10_000_000);
        let skipped = pacemaker.skipped();
        assert_eq!(skipped.len(), 2);
        pacemaker.heard(skipped[0]);
        assert_eq!(pacemaker.skipped(), skipped[1..]);
    }
}
