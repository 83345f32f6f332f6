//! The campaign: many seeds, every fault, and proof that the simulator finds what it is for.
//!
//! `TONLE_SEED=N` runs one seed, `TONLE_SEEDS=N` that many from 1 on; 2,000 without either, each 200 virtual seconds and
//! more, on all cores.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tonle_simulator::{Breach, Fired, Kind, Sabotage, simulate};

const SEEDS: u64 = 2_000;
/// A planted defect shows within so many.
const SEEDS_TO_FIND: u64 = 200;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

/// What all seeds did together.
#[derive(Default)]
struct Campaign {
    fired: Fired,
    kinds: std::collections::BTreeSet<Kind>,
    sizes: std::collections::BTreeSet<usize>,
    virtual_us: u64,
    broken: Vec<String>,
}

fn run(seeds: u64) -> Campaign {
    let (next, campaign) = (AtomicU64::new(1), Mutex::new(Campaign::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > seeds {
                return;
            }
            let result = simulate(seed, None);
            let mut campaign = campaign.lock().expect("no panic holds it");
            match result {
                Ok(report) => {
                    campaign.fired.add(&report.fired);
                    campaign.kinds.extend(report.byzantine.iter().map(|(_, kind)| *kind));
                    campaign.sizes.insert(report.nodes);
                    campaign.virtual_us += report.took_us;
                }
                Err(violation) => campaign.broken.push(violation.to_string()),
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    campaign.into_inner().expect("no panic held it")
}

#[test]
fn every_seed_keeps_the_invariants_and_is_live_after_healing() {
    if let Some(seed) = number("TONLE_SEED") {
        simulate(seed, None).unwrap_or_else(|violation| panic!("{violation}"));
        return;
    }
    let seeds = number("TONLE_SEEDS").unwrap_or(SEEDS);
    let campaign = run(seeds);
    let broken = &campaign.broken;
    assert!(broken.is_empty(), "{} of {seeds} seeds:\n{}", broken.len(), broken.join("\n"));
    assert!(campaign.virtual_us >= seeds * 200_000_000, "seeds are shorter than 200 virtual seconds");
    if seeds < SEEDS {
        // Fewer may miss a rare fault; the campaign may not.
        return;
    }
    assert!(campaign.fired.missing().is_empty(), "never fired: {:?}", campaign.fired.missing());
    assert_eq!(campaign.kinds.len(), Kind::ALL.len(), "{:?}", campaign.kinds);
    assert!(campaign.sizes.is_superset(&[4, 5, 7, 8, 10, 31].into()), "{:?}", campaign.sizes);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [1, 2, 3, 5, 8, 10] {
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

/// The first breach that a planted defect leads to.
fn found(sabotage: Sabotage) -> Breach {
    let violation = (1..=SEEDS_TO_FIND).find_map(|seed| simulate(seed, Some(sabotage)).err());
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
