//! Finality over a wide area, in virtual time: the same on every machine. One-way delays of 75 ms, and of 150 ms, the
//! longest that validators are meant for; steady load.
//!
//! `TONLE_WAN=N` takes N validators for the largest size; 31 without it.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use tonle_simulator::Traffic;
use tonle_simulator::wan::{Figures, Wan, measure, percentile};

const DELAY_US: u64 = 75_000;
const DELAY_MAX_US: u64 = 150_000;

fn figures(nodes: usize, delay_us: u64, dead: usize, for_us: u64) -> Figures {
    let wan = Wan { nodes, delay_us, dead, for_us };
    measure(1, wan).unwrap_or_else(|violation| panic!("{violation}"))
}

/// Half of the blocks are final within 3.5 one-way delays of their proposal, and half of the transactions within 5.5 of
/// their submission.
fn is_fast(nodes: usize, delay_us: u64, for_us: u64) {
    let figures = figures(nodes, delay_us, 0, for_us);
    let seconds = usize::try_from(for_us / 1_000_000).expect("small");
    assert!(figures.from_submission.len() > 15 * seconds, "{} transactions", figures.from_submission.len());
    // One every two delays, less a quarter.
    let blocks = seconds * 375_000 / usize::try_from(delay_us).expect("small");
    assert!(figures.from_proposal.len() > blocks * nodes, "{} blocks at nodes", figures.from_proposal.len());
    let (proposal, submission) = (percentile(&figures.from_proposal, 500), percentile(&figures.from_submission, 500));
    // Nothing is faster than light: a proposal, a notarization, a finalization.
    assert!((3 * delay_us..=delay_us * 7 / 2).contains(&proposal), "n = {nodes}: {proposal} us from proposal");
    assert!((4 * delay_us..=delay_us * 11 / 2).contains(&submission), "n = {nodes}: {submission} us from submission");
    let (messages, bytes) = figures.cost(&Traffic::ALL);
    assert!(messages > 2.0 && bytes > 100.0, "n = {nodes}: {messages} messages, {bytes} bytes for each block");
}

#[test]
fn four_validators_are_final_in_time() {
    is_fast(4, DELAY_US, 20_000_000);
}

/// A round trip is longer than the time after which a validator that starts asks again to be greeted.
#[test]
fn four_validators_as_far_apart_as_they_may_be_begin_and_are_final_in_time() {
    is_fast(4, DELAY_MAX_US, 20_000_000);
}

#[test]
fn ten_validators_are_final_in_time() {
    is_fast(10, DELAY_US, 20_000_000);
}

#[test]
fn many_validators_are_final_in_time() {
    let nodes = std::env::var("TONLE_WAN").map_or(31, |value| value.parse().expect("a number"));
    is_fast(nodes, DELAY_US, 3_000_000);
}

#[test]
fn with_three_of_ten_dead_the_slowest_hundredth_waits_two_seconds_at_most_after_one_rotation() {
    let figures = figures(10, DELAY_US, 3, 30_000_000);
    assert!(figures.from_submission.len() > 450, "{} transactions", figures.from_submission.len());
    let slowest = percentile(&figures.from_submission, 990);
    assert!(slowest <= 2_000_000, "{slowest} us from submission");
}

#[test]
fn percentiles_are_nearest_ranks() {
    let values: Vec<u64> = (1..=200).collect();
    assert_eq!([500, 990, 1_000, 1].map(|permille| percentile(&values, permille)), [100, 198, 200, 1]);
    assert_eq!(percentile(&[], 500), 0);
}
