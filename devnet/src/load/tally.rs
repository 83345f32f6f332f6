//! What became of the transfers, counted as they are answered. All counts are transfers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tonle_proto::v1::{Outcome, Receipt, operation_result};

use crate::client::FinalRejection;
use crate::latency::Latencies;

/// Counts at one moment.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// Sent, and answered or given up.
    pub(super) submitted: u64,
    /// Applied: the receipt says so.
    pub(super) finalized: u64,
    /// Final, and not applied.
    pub(super) rejected: u64,
    /// Not known to be final.
    pub(super) failed: u64,
    /// Why transfers were rejected or failed.
    pub(super) reasons: BTreeMap<String, u64>,
    /// The highest block that a receipt named.
    pub(super) highest_block: u64,
    /// When the first was meant to be sent, and when the last was answered.
    pub(super) first: Option<Instant>,
    pub(super) last: Option<Instant>,
    /// When the first was answered, and what was final then.
    first_answer: Option<(Instant, u64)>,
    /// When the last one was applied, and the longest time between two that were.
    last_applied: Option<Instant>,
    pub(super) longest_gap: Duration,
    /// Answers that said: too much to do, try later. In transfers, each as often as it was turned away.
    pub(super) turned_away: u64,
    /// Of the finalized transfers.
    pub(super) latencies: Latencies,
}

/// See the module.
pub(super) struct Tally(Mutex<Counts>);

impl Tally {
    pub(super) fn new() -> Self {
        let counts = Counts {
            submitted: 0,
            finalized: 0,
            rejected: 0,
            failed: 0,
            reasons: BTreeMap::new(),
            highest_block: 0,
            first: None,
            last: None,
            first_answer: None,
            last_applied: None,
            longest_gap: Duration::ZERO,
            turned_away: 0,
            latencies: Latencies::new(),
        };
        Tally(Mutex::new(counts))
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counting does not panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sending begins.
    pub(super) fn begin(&self, at: Instant) {
        self.lock().first = Some(at);
    }

    /// A transaction of `transfers` transfers, meant to be sent at `intended`, has its final receipt.
    pub(super) fn answered(&self, receipt: &Receipt, transfers: u64, intended: Instant, now: Instant) {
        let mut rejected: Vec<String> = Vec::new();
        match receipt.outcome() {
            Outcome::Applied => {}
            Outcome::Partial => rejected.extend(receipt.results.iter().filter_map(|result| match &result.result {
                Some(
                    operation_result::Result::Applied(_)
                    | operation_result::Result::Ended(_)
                    | operation_result::Result::Decided(_)
                    | operation_result::Result::Pending(_)
                    | operation_result::Result::Lapsed(_),
                ) => None,
                Some(operation_result::Result::Rejected(rejection)) => Some(rejection.code.clone()),
                Some(operation_result::Result::Repeated(_)) => Some("REPEATED".to_owned()),
                None => Some("NO_RESULT".to_owned()),
            })),
            Outcome::Rejected | Outcome::Repeated | Outcome::Unspecified => {
                rejected.extend((0..transfers).map(|_| "NOT_APPLIED".to_owned()));
            }
        }
        let count = u64::try_from(rejected.len()).unwrap_or(u64::MAX).min(transfers);
        let applied = transfers - count;
        let mut counts = self.lock();
        counts.submitted += transfers;
        counts.finalized += applied;
        counts.rejected += count;
        counts.highest_block = counts.highest_block.max(receipt.height);
        counts.last = Some(now);
        counts.first_answer.get_or_insert((now, applied));
        if applied > 0 {
            let last = counts.last_applied.map_or(now, |last| last.max(now));
            let gap = counts.last_applied.map_or(Duration::ZERO, |before| last.saturating_duration_since(before));
            counts.longest_gap = counts.longest_gap.max(gap);
            counts.last_applied = Some(last);
        }
        for code in rejected {
            *counts.reasons.entry(code).or_default() += 1;
        }
        counts.latencies.record(now.saturating_duration_since(intended), applied);
    }

    /// A transaction is final and was rejected as a whole.
    pub(super) fn rejected(&self, rejection: FinalRejection, transfers: u64) {
        let mut counts = self.lock();
        counts.submitted += transfers;
        counts.rejected += transfers;
        counts.highest_block = counts.highest_block.max(rejection.height);
        *counts.reasons.entry(rejection.code).or_default() += transfers;
    }

    /// A transaction was given up: it may be final or not.
    pub(super) fn failed(&self, reason: String, transfers: u64, now: Instant) {
        let mut counts = self.lock();
        counts.submitted += transfers;
        counts.failed += transfers;
        counts.last = Some(now);
        *counts.reasons.entry(reason).or_default() += transfers;
    }

    /// A node was too busy to take a transaction. It is sent again.
    pub(super) fn turned_away(&self, transfers: u64) {
        self.lock().turned_away += transfers;
    }

    /// The counts at this moment.
    pub(super) fn counts(&self) -> Counts {
        self.lock().clone()
    }

    /// The highest block that a receipt named; 0 for none.
    pub(super) fn highest_block(&self) -> u64 {
        self.lock().highest_block
    }
}

impl Counts {
    /// Finalized transfers a second, from the first intended sending to the last answer.
    pub(super) fn rate(&self) -> f64 {
        let (Some(first), Some(last)) = (self.first, self.last) else { return 0.0 };
        let seconds = last.saturating_duration_since(first).as_secs_f64();
        // Counts of transfers are far below 2^52.
        if seconds > 0.0 { self.finalized as f64 / seconds } else { 0.0 }
    }

    /// Finalized transfers a second between the first answer and the last one: what was sent at a fixed rate comes back at
    /// that rate, however long each took, unless the network fell behind. With one answer, as [`Counts::rate`].
    pub(super) fn steady_rate(&self) -> f64 {
        let (Some((first, applied)), Some(last)) = (self.first_answer, self.last) else { return self.rate() };
        let seconds = last.saturating_duration_since(first).as_secs_f64();
        if seconds > 0.0 { self.finalized.saturating_sub(applied) as f64 / seconds } else { self.rate() }
    }
}

#[cfg(test)]
mod tests {
    use super::{FinalRejection, Tally};
    use std::time::{Duration, Instant};
    use tonle_proto::v1::{Applied, OperationResult, Outcome, Receipt, Rejection, operation_result};

    fn receipt(outcome: Outcome, results: &[Option<&str>]) -> Receipt {
        let rejection = |code: &str| Rejection { number: 1, code: code.to_owned(), operation: None };
        let result = |result: &Option<&str>| OperationResult {
            result: Some(match result {
                None => operation_result::Result::Applied(Applied { balances_after: vec![] }),
                Some(code) => operation_result::Result::Rejected(rejection(code)),
            }),
        };
        Receipt {
            height: 7,
            outcome: outcome.into(),
            results: results.iter().map(result).collect(),
            ..Receipt::default()
        }
    }

    #[test]
    fn every_transfer_is_counted_once() {
        let tally = Tally::new();
        let start = Instant::now();
        tally.begin(start);
        let at = |ms| start + Duration::from_millis(ms);
        tally.answered(&receipt(Outcome::Applied, &[None, None]), 2, start, at(10));
        tally.answered(&receipt(Outcome::Partial, &[None, Some("INSUFFICIENT_FUNDS"), None]), 3, start, at(20));
        tally.rejected(FinalRejection { code: "EXPIRED".to_owned(), height: 9 }, 4);
        tally.answered(&receipt(Outcome::Repeated, &[]), 1, start, at(30));
        tally.failed("Unavailable".to_owned(), 5, at(40));
        let counts = tally.counts();
        assert_eq!((counts.submitted, counts.finalized, counts.rejected, counts.failed), (15, 4, 6, 5));
        assert_eq!(counts.submitted, counts.finalized + counts.rejected + counts.failed);
        let reasons: Vec<(&str, u64)> =
            counts.reasons.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(reasons, [("EXPIRED", 4), ("INSUFFICIENT_FUNDS", 1), ("NOT_APPLIED", 1), ("Unavailable", 5)]);
        assert_eq!(counts.highest_block, 9);
        assert!((counts.rate() - 100.0).abs() < 0.1);
    }

    #[test]
    fn a_rate_that_is_kept_up_with_is_reached_however_late_the_answers_are() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let answered = |late: &dyn Fn(u64) -> u64| {
            let tally = Tally::new();
            tally.begin(start);
            for number in 0..=100 {
                let sent = number * 10;
                tally.answered(&receipt(Outcome::Applied, &[None]), 1, at(sent), at(sent + late(number)));
            }
            tally.counts()
        };
        assert!((answered(&|_| 600).steady_rate() - 100.0).abs() < 0.1);
        assert!(answered(&|_| 600).rate() < 65.0);
        // Each answer is later than the one before: the network falls behind.
        assert!((answered(&|number| number * 10).steady_rate() - 50.0).abs() < 0.1);
        let tally = Tally::new();
        tally.begin(start);
        tally.answered(&receipt(Outcome::Applied, &[None]), 1, start, at(10));
        assert!((tally.counts().steady_rate() - 100.0).abs() < 0.1);
    }

    #[test]
    fn the_longest_gap_lies_between_two_that_were_applied() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let tally = Tally::new();
        tally.begin(start);
        tally.answered(&receipt(Outcome::Applied, &[None]), 1, start, at(900));
        assert_eq!(tally.counts().longest_gap, Duration::ZERO, "the wait for the first is its latency");
        tally.answered(&receipt(Outcome::Applied, &[None]), 1, start, at(1_000));
        // What was not applied does not end a gap; nor does an answer that was counted late.
        tally.answered(&receipt(Outcome::Repeated, &[]), 1, start, at(1_200));
        tally.answered(&receipt(Outcome::Applied, &[None]), 1, start, at(950));
        tally.answered(&receipt(Outcome::Applied, &[None]), 1, start, at(1_300));
        tally.answered(&receipt(Outcome::Applied, &[None]), 1, start, at(1_350));
        tally.turned_away(3);
        let counts = tally.counts();
        assert_eq!((counts.longest_gap, counts.turned_away, counts.submitted), (Duration::from_millis(300), 3, 6));
    }

    #[test]
    fn latency_counts_from_the_intended_moment_and_only_what_was_applied() {
        let tally = Tally::new();
        let start = Instant::now();
        assert_eq!(tally.counts().latencies.at(0.5), None);
        for (intended_ms, answered_ms) in [(0, 100), (50, 100), (90, 100)] {
            let at = |ms| start + Duration::from_millis(ms);
            tally.answered(&receipt(Outcome::Applied, &[None]), 1, at(intended_ms), at(answered_ms));
        }
        tally.answered(&receipt(Outcome::Repeated, &[]), 1, start, start + Duration::from_secs(9));
        let counts = tally.counts();
        assert!((counts.latencies.at(0.5).unwrap() - 50.0).abs() < 0.5);
        assert!((counts.latencies.at(1.0).unwrap() - 100.0).abs() < 0.5);
    }
}
