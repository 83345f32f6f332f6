//! Runs in which one node comes back with a loss, and nothing else happens.
//!
//! Must not know: how it finds its way back.

use crate::faults::{Damage, Strike};
use crate::violation::{Run, Violation};
use crate::world::{Happening, Report, World, play};

/// What a node comes back with after a crash, in a run without any other fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Everything but the guard, and it knows that.
    Guard,
    /// Nothing.
    Disk,
    /// Its files of a while ago, and it knows that.
    Backup,
    /// The guard of a while ago, and it does not know that; its peers do.
    OldGuard,
}

/// Runs four validators through many short epochs in good weather; one crashes and comes back with a loss.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn rejoin(seed: u64, loss: Loss) -> Result<Report, Violation> {
    let world = World::calm(seed, None, 10).map(|(mut world, end_us)| {
        let damage = match loss {
            Loss::Guard => Damage::LoseGuard,
            Loss::Disk => Damage::LoseDisk,
            Loss::Backup => Damage::Restore,
            Loss::OldGuard => Damage::AgeGuard,
        };
        let node = world.dice.index(4);
        let copied = world.dice.between(300_000, 2_000_000);
        let lost = copied + world.dice.between(1, 1_500_000);
        let for_us = world.dice.between(1_000, 500_000);
        world.at(copied, Happening::Strike(Strike::Backup { node }));
        world.at(lost, Happening::Strike(Strike::Crash { node, for_us, damage }));
        (world, end_us)
    });
    play((seed, Run::Rejoin(seed, loss)), world).0
}
