//! The campaign: many seeds, every fault, and proof that the simulator finds what it is for.
//!
//! `TONLE_SEED=N` runs one seed, `TONLE_SEEDS=N` that many from 1 on; 200 without either.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use tonle_simulator::{Breach, Fired, Sabotage, simulate};

const SEEDS: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn every_seed_keeps_the_invariants_and_is_live_after_healing() {
    if let Some(seed) = number("TONLE_SEED") {
        simulate(seed, None).unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let (mut fired, mut broken) = (Fired::default(), Vec::new());
    let seeds = number("TONLE_SEEDS").unwrap_or(SEEDS);
    for seed in 1..=seeds {
        match simulate(seed, None) {
            Ok(report) => fired.add(&report.fired),
            Err(violation) => broken.push(violation.to_string()),
        }
    }
    assert!(broken.is_empty(), "{} of {seeds} seeds:\n{}", broken.len(), broken.join("\n"));
    // Fewer seeds may miss a rare fault; the campaign may not.
    assert!(seeds < SEEDS || fired.missing().is_empty(), "never fired: {:?}", fired.missing());
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3, 5, 8, 13] {
        let (first, second) = (simulate(seed, None), simulate(seed, None));
        assert_eq!(first, second, "seed {seed}");
        assert!(first.is_ok_and(|report| report.events > 1_000), "seed {seed} did nothing");
    }
}

#[test]
fn different_seeds_give_different_traces() {
    let trace = |seed| simulate(seed, None).map(|report| report.trace);
    assert_ne!(trace(1), trace(2));
}

/// The first breach that a planted defect leads to within the campaign's seeds.
fn found(sabotage: Sabotage) -> Breach {
    let violation = (1..=SEEDS).find_map(|seed| simulate(seed, Some(sabotage)).err());
    *violation.unwrap_or_else(|| panic!("{sabotage:?} went unnoticed")).breach
}

#[test]
fn finds_a_node_that_forgets_what_it_signed() {
    let breach = found(Sabotage::ForgetGuard);
    assert!(matches!(breach, Breach::Contradiction { .. } | Breach::Unguarded { .. }), "{breach}");
}

#[test]
fn finds_a_guard_that_is_not_written() {
    let breach = found(Sabotage::GuardNotWritten);
    assert!(matches!(breach, Breach::Unguarded { .. }), "{breach}");
}

#[test]
fn finds_a_batch_acknowledged_before_it_is_stored() {
    let breach = found(Sabotage::BatchNotSynced);
    assert!(matches!(breach, Breach::NotDurable { .. }), "{breach}");
}
