//! Histories: random sequences of all operations over a whole ledger, block by block, against a plain model of money; and
//! a count of what they met, so that no operation and no reason to refuse one is left out.
//!
//! `TONLE_OPERATIONS` is how many operations to draw, `TONLE_SEED` the first history's seed.

#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stderr, reason = "a test says what it met")]

mod dice;
#[path = "../fixture/mod.rs"]
mod fixture;
mod generator;
mod history;
mod model;
mod tally;
mod world;

use tally::Tally;
use tonle_ledger::{OperationKind, PaymentKind, RejectionCode};
use world::Climate;

/// Operations of all histories, unless said otherwise.
const OPERATIONS: u64 = 100_000;
/// Each operation takes effect at least so often in [`OPERATIONS`].
const LEAST: u64 = 20;

fn stated(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name}: a number")))
}

/// Says how to run a history again when it breaks.
struct Again {
    seed: u64,
    length: u64,
    /// Those that were executed.
    operations: u64,
}

impl Drop for Again {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Again { seed, length, operations } = self;
            eprintln!(
                "history {seed} broke after {operations} operations; run it again: TONLE_SEED={seed} \
                 TONLE_OPERATIONS={length} cargo test --release --package tonle-ledger --test histories"
            );
        }
    }
}

#[test]
fn random_histories_break_nothing_and_meet_every_operation_and_every_rejection() {
    let (operations, first) = (stated("TONLE_OPERATIONS", OPERATIONS), stated("TONLE_SEED", 1));
    let mut tally = Tally::default();
    for seed in first.. {
        if tally.operations >= operations {
            break;
        }
        let begun = tally.operations;
        let length = Climate::of(seed).length();
        let mut again = Again { seed, length, operations: 0 };
        history::run(seed, length.min(operations - begun), &mut tally, &mut again.operations);
    }
    eprintln!("{tally}");
    if operations < OPERATIONS {
        return;
    }
    for kind in OperationKind::ALL {
        assert!(tally.applied(*kind) >= LEAST, "{} took effect {} times", kind.name(), tally.applied(*kind));
    }
    for kind in (1..).map_while(PaymentKind::from_number) {
        assert!(tally.returned.contains_key(&kind.number()), "nothing of a {kind:?} went back");
    }
    assert!(tally.raced > 0, "no code was paid twice in one block");
    for code in RejectionCode::ALL {
        assert!(tally.rejected(*code) > 0, "{} was never given", code.name());
    }
}
