//! A validator that lost its guard comes back: it signs nothing twice, and signs again two epochs later (R9).
//!
//! `TONLE_REJOINS=N` plays that many rounds of each kind of loss.

#![allow(clippy::result_large_err, reason = "a violation is made once, at the end of a failed run")]

use tonle_simulator::{Fault, Loss, rejoin};

const ROUNDS: u64 = 30;
/// A leader comes back with an old guard in a view that it has proposed in: it must not propose before it is greeted.
const EAGER: u64 = 133;

fn play(loss: Loss) {
    let rounds = std::env::var("TONLE_REJOINS").map_or(ROUNDS, |value| value.parse().expect("a number"));
    let mut rejoined = 0;
    for seed in (1..=rounds).chain([EAGER]) {
        let report = rejoin(seed, loss).unwrap_or_else(|violation| panic!("{loss:?}: {violation}"));
        assert!(report.signs.iter().all(|signs| *signs), "{loss:?} {seed}: {:?}", report.signs);
        rejoined += report.fired.of(Fault::Rejoined);
    }
    // An old guard may happen to be the last one; a lost one never is.
    assert!(
        rejoined == rounds + 1 || (loss == Loss::OldGuard && rejoined > rounds / 3),
        "{loss:?}: {rejoined} of {rounds}"
    );
}

#[test]
fn who_lost_the_guard_signs_again_two_epochs_later() {
    play(Loss::Guard);
}

#[test]
fn who_lost_the_disk_catches_up_and_signs_again_two_epochs_later() {
    play(Loss::Disk);
}

#[test]
fn who_came_back_from_a_backup_signs_again_two_epochs_later() {
    play(Loss::Backup);
}

#[test]
fn who_has_an_old_guard_is_told_by_its_peers() {
    play(Loss::OldGuard);
}
