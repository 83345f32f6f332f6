//! Validators come, leave and take new keys, and nothing stops or is lost.
//!
//! `TONLE_MEMBERSHIPS=N` plays seeds 1 to N in rough weather.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use tonle_simulator::membership;

const ROUNDS: u64 = 40;

#[test]
fn validators_change_in_good_weather_without_more_than_two_timeouts_in_a_row() {
    for seed in 1..=10 {
        let report = membership(seed, true).unwrap_or_else(|violation| panic!("{violation}"));
        let (epochs, changes) = report.epochs;
        assert_eq!(changes, 3, "one comes, one leaves, one takes a new key; {epochs} epochs, height {}", report.height);
        assert!(report.timeouts_in_a_row <= 2, "seed {seed}: {} timeouts in a row", report.timeouts_in_a_row);
        // Whoever serves at the end signs, and nobody else.
        assert_eq!(report.signs.iter().filter(|signs| **signs).count(), 4, "seed {seed}: {:?}", report.signs);
    }
}

#[test]
fn validators_change_while_nodes_crash_and_the_network_parts() {
    let rounds = std::env::var("TONLE_MEMBERSHIPS").map_or(ROUNDS, |value| value.parse().expect("a number"));
    let mut changes = 0;
    for seed in 1..=rounds {
        let report = membership(seed, false).unwrap_or_else(|violation| panic!("{violation}"));
        changes += report.epochs.1;
    }
    assert!(changes >= rounds, "{changes} changes in {rounds} runs");
}
