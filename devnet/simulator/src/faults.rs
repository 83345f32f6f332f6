//! What goes wrong, when, and how often it did.
//!
//! Must not know: how a fault is carried out.

use std::collections::BTreeMap;
use std::fmt;

use crate::dice::Dice;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A message vanished.
    Loss,
    /// A message arrived twice.
    Duplication,
    /// A message was overtaken by later ones.
    Reordering,
    /// A link was slow.
    Delay,
    /// A message between two sides of a partition vanished.
    Partition,
    /// A message vanished on a link that carried those of the other direction.
    AsymmetricPartition,
    /// A node crashed; what it had not synced was lost, or was not.
    Crash,
    /// A write under way at a crash was lost.
    UnsyncedLost,
    /// All nodes crashed at once.
    CrashOfAll,
    /// A node restarted.
    Restart,
    /// A node came back without its database and batch log.
    Wipe,
    /// A node came back without its guard, and knew it.
    GuardLost,
    /// A node's disk synced slowly.
    SlowDisk,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Fault; 13] = [
        Fault::Loss,
        Fault::Duplication,
        Fault::Reordering,
        Fault::Delay,
        Fault::Partition,
        Fault::AsymmetricPartition,
        Fault::Crash,
        Fault::UnsyncedLost,
        Fault::CrashOfAll,
        Fault::Restart,
        Fault::Wipe,
        Fault::GuardLost,
        Fault::SlowDisk,
    ];
}

/// How often each kind took effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fired(BTreeMap<Fault, u64>);

impl Fired {
    pub(crate) fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }
    /// Adds another simulation's counts.
    pub fn add(&mut self, other: &Fired) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }
    /// How often this kind took effect.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.0.get(&fault).copied().unwrap_or(0)
    }
    /// The kinds that never took effect.
    #[must_use]
    pub fn missing(&self) -> Vec<Fault> {
        Fault::ALL.into_iter().filter(|fault| self.of(*fault) == 0).collect()
    }
}

impl fmt::Display for Fired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in Fault::ALL.into_iter().enumerate() {
            write!(f, "{}{fault:?} {}", if index == 0 { "" } else { ", " }, self.of(fault))?;
        }
        Ok(())
    }
}

/// What a scheduled fault does.
#[derive(Debug, Clone)]
pub(crate) enum Strike {
    /// Cuts the nodes in `side` off from the others, for a while. `one_way`: only what they send. `silent`: connections
    /// seem to stay.
    Split { side: Vec<usize>, one_way: bool, silent: bool, for_us: u64 },
    /// Slows a node's links.
    Slow { node: usize, for_us: u64 },
    /// Slows a node's disk.
    SlowDisk { node: usize, for_us: u64 },
    /// Crashes a node, which restarts after a while, perhaps without some of its files.
    Crash { node: usize, for_us: u64, wipe: bool, lose_guard: bool },
    /// Crashes all nodes.
    CrashAll { for_us: u64 },
}

/// How unreliable links are in one simulation, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) reordering: u64,
    /// Usual one-way latency, in microseconds.
    pub(crate) latency_us: u64,
}

/// Draws the weather.
pub(crate) fn weather(dice: &mut Dice) -> Weather {
    Weather {
        loss: dice.pick(&[0, 0, 10, 50, 150]).unwrap_or(0),
        duplication: dice.pick(&[0, 20, 100]).unwrap_or(0),
        reordering: dice.pick(&[0, 50, 200]).unwrap_or(0),
        latency_us: dice.pick(&[1_000, 10_000, 40_000, 80_000]).unwrap_or(1_000),
    }
}

/// Draws the faults of a simulation and when they strike, up to `end_us`.
pub(crate) fn schedule(dice: &mut Dice, nodes: usize, end_us: u64) -> Vec<(u64, Strike)> {
    let faulty = (nodes - 1) / 3;
    let (mut damaged, mut strikes) = (0, Vec::new());
    for _ in 0..dice.between(2, 10) {
        let at = dice.between(300_000, end_us);
        let for_us = dice.between(50_000, 3_000_000);
        let node = dice.index(nodes);
        strikes.push((
            at,
            match dice.below(12) {
                0..=3 => {
                    let side = (0..nodes).filter(|_| dice.chance(500)).collect();
                    Strike::Split { side, one_way: dice.chance(400), silent: dice.chance(500), for_us }
                }
                4 => Strike::Slow { node, for_us },
                5 => Strike::SlowDisk { node, for_us },
                6 => Strike::CrashAll { for_us },
                _ => {
                    // At most f validators lose what they vouched for.
                    let harm = if damaged < faulty { dice.below(8) } else { 7 };
                    let (wipe, lose_guard) = (harm == 0 || harm == 1, harm == 2);
                    damaged += usize::from(wipe || lose_guard);
                    Strike::Crash { node, for_us, wipe, lose_guard }
                }
            },
        ));
    }
    strikes
}
