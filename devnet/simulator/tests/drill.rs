//! A crash at every point where something is synced: guard, batch log, database; with the sync made and nobody told, and
//! with the sync lost. The node recovers, roots agree, nothing is signed twice, nothing accepted is lost.
//!
//! `TONLE_DRILL_STEP=N` takes every N-th point; 1 takes all.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use std::sync::Mutex;

use tonle_simulator::{Crash, drill};

/// Every so many points without `TONLE_DRILL_STEP`: coprime to the number of syncs that a block takes.
const STEP: u64 = 7;
const SEED: u64 = 1;

#[test]
fn a_crash_at_any_sync_costs_nothing() {
    let step = std::env::var("TONLE_DRILL_STEP").map_or(STEP, |value| value.parse().expect("a number"));
    let calm = drill(SEED, None).unwrap_or_else(|violation| panic!("{violation}"));
    assert!(calm.height > 200, "only {} blocks", calm.height);
    let syncs = calm.syncs[1];
    assert!(syncs > 2 * calm.height, "only {syncs} syncs");
    let points = (1..=syncs).filter(|sync| sync % step == 1 % step).flat_map(|sync| [(sync, true), (sync, false)]);
    let points = Mutex::new(points);
    let work = || {
        loop {
            let next = points.lock().expect("no panic holds it").next();
            let Some((sync, made)) = next else { return };
            let crash = Crash { node: 1, sync, made };
            let report = drill(SEED, Some(crash)).unwrap_or_else(|violation| panic!("{crash:?}: {violation}"));
            assert_eq!(report.transactions, calm.transactions);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
}
