//! Looks for a violation with all kinds of runs in turn, and stops at the first: what planted bugs are found by.
//!
//! Must not know: what is planted.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tonle_simulator::{Crash, Kind, Loss, Run};

/// Drills crash a node at one of so many of its first syncs, all of them in turn.
const SYNCS: u64 = 600;
/// Coprime to `SYNCS`: drills that follow each other crash at moments far from each other.
const STRIDE: u64 = 131;

/// The runs of a seed: what it draws; the same with one Byzantine validator of each kind in turn; then one loss, one
/// crash, and one change of validators in otherwise better weather.
fn runs(seed: u64) -> impl Iterator<Item = Run> {
    let turn = usize::try_from(seed).unwrap_or(0);
    let loss = Loss::ALL[turn % Loss::ALL.len()];
    let kind = Kind::ALL[turn % Kind::ALL.len()];
    let node = turn % 4;
    let crash = Crash { node, sync: 1 + (seed * STRIDE) % SYNCS, made: seed.is_multiple_of(2) };
    let (crash, change) = (Run::Drill(seed, Some(crash)), Run::Membership(seed, false));
    [Run::Seed(seed), Run::Byzantine(seed, kind), Run::Rejoin(seed, loss), crash, change].into_iter()
}

/// From the first seed on, until one shows a violation or the time is over; says after how many.
pub(crate) fn hunt(time: Duration) -> ExitCode {
    let began = Instant::now();
    for seed in 1.. {
        for run in runs(seed) {
            if began.elapsed() > time {
                return ExitCode::FAILURE;
            }
            if let Err(violation) = run.again() {
                let seconds = began.elapsed().as_secs_f64();
                eprintln!("{violation}");
                println!("seed {seed}, {seconds:.1} s: {} (`{run}`)", violation.breach.name());
                return ExitCode::SUCCESS;
            }
        }
    }
    ExitCode::FAILURE
}
