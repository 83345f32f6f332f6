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
    /// A crash left part of a record: cut at some byte, or with a sector that was never written.
    TornTail,
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
    /// A message took far longer than most.
    HeavyTail,
    /// A partition came and went again and again.
    Flapping,
    /// A sync failed, and the process stopped.
    FailedSync,
    /// A disk was full, and the process stopped until there was room.
    DiskFull,
    /// A wall clock jumped.
    ClockJump,
    /// A bit of the guard or of the batch log flipped.
    BitFlip,
    /// A node came back with nothing at all.
    DiskLost,
    /// A node came back with an old copy of its files.
    BackupRestored,
    /// A node whose guard was lost was told from when on it may sign again.
    Rejoined,
    /// A Byzantine leader proposed two blocks in a view.
    Equivocation,
    /// A Byzantine validator voted for all that it heard of.
    DoubleVote,
    /// A Byzantine validator kept a message back.
    Withholding,
    /// A Byzantine validator kept a message from some.
    Selection,
    /// A Byzantine validator sent a certificate that does not hold.
    Forgery,
    /// A Byzantine validator sent old messages again.
    Flood,
    /// A Byzantine validator announced or answered what is not so.
    SyncLie,
    /// A Byzantine validator made two batches for one place.
    LaneEquivocation,
    /// A Byzantine validator restarted without what it had signed and stored.
    Amnesia,
    /// A Byzantine validator started for a second time.
    Twins,
    /// A node refused a message that does not hold.
    Refused,
    /// A node showed proof that a Byzantine validator contradicted itself.
    Exposed,
}

impl Fault {
    /// All kinds.
    pub const ALL: [Fault; 35] = [
        Fault::Loss,
        Fault::Duplication,
        Fault::Reordering,
        Fault::Delay,
        Fault::Partition,
        Fault::AsymmetricPartition,
        Fault::Crash,
        Fault::UnsyncedLost,
        Fault::TornTail,
        Fault::CrashOfAll,
        Fault::Restart,
        Fault::Wipe,
        Fault::GuardLost,
        Fault::SlowDisk,
        Fault::HeavyTail,
        Fault::Flapping,
        Fault::FailedSync,
        Fault::DiskFull,
        Fault::ClockJump,
        Fault::BitFlip,
        Fault::DiskLost,
        Fault::BackupRestored,
        Fault::Rejoined,
        Fault::Equivocation,
        Fault::DoubleVote,
        Fault::Withholding,
        Fault::Selection,
        Fault::Forgery,
        Fault::Flood,
        Fault::SyncLie,
        Fault::LaneEquivocation,
        Fault::Amnesia,
        Fault::Twins,
        Fault::Refused,
        Fault::Exposed,
    ];
}

/// How often each kind took effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fired(BTreeMap<Fault, u64>);

impl Fired {
    pub(crate) fn count(&mut self, fault: Fault) {
        self.times(fault, 1);
    }
    pub(crate) fn times(&mut self, fault: Fault, times: u64) {
        *self.0.entry(fault).or_default() += times;
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
    /// Cuts them off and joins them again, so many times.
    Flap { side: Vec<usize>, period_us: u64, times: u64 },
    /// Slows a node's links.
    Slow { node: usize, for_us: u64 },
    /// Slows a node's disk.
    SlowDisk { node: usize, for_us: u64 },
    /// Fails a node's next sync.
    FailSync { node: usize },
    /// Fills a node's disk.
    FillDisk { node: usize, for_us: u64 },
    /// Sets a node's wall clock so far ahead, or behind.
    TurnClock { node: usize, ahead_ms: i64 },
    /// Copies a node's files.
    Backup { node: usize },
    /// Crashes a node, which restarts after a while, perhaps without some of its files.
    Crash { node: usize, for_us: u64, damage: Damage },
    /// Crashes all nodes.
    CrashAll { for_us: u64 },
}

/// What a node loses while it is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// Nothing that was synced.
    None,
    /// Database and batch log; the guard is kept.
    Wipe,
    /// The guard.
    LoseGuard,
    /// A bit of the guard.
    FlipGuard,
    /// A bit of the batch log.
    FlipLog,
    /// Everything.
    LoseDisk,
    /// What was written since the last backup.
    Restore,
    /// What was written to the guard since the last backup, and the node does not know.
    AgeGuard,
}

/// How unreliable links are in one simulation, in thousandths.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) loss: u64,
    pub(crate) duplication: u64,
    pub(crate) reordering: u64,
    pub(crate) heavy_tail: u64,
    /// Usual one-way latency, in microseconds.
    pub(crate) latency_us: u64,
    /// A message takes up to so much longer, in microseconds.
    pub(crate) spread_us: u64,
}

impl Weather {
    /// Nothing goes wrong.
    pub(crate) const GOOD: Weather =
        Weather { loss: 0, duplication: 0, reordering: 0, heavy_tail: 0, latency_us: 2_000, spread_us: 500 };
}

/// Draws the weather: fair more often than foul.
pub(crate) fn weather(dice: &mut Dice) -> Weather {
    let loss = dice.pick(&[0, 0, 0, 10, 50, 150, 300]).unwrap_or(0);
    let duplication = dice.pick(&[0, 0, 20, 100, 500]).unwrap_or(0);
    let reordering = dice.pick(&[0, 50, 200]).unwrap_or(0);
    let heavy_tail = dice.pick(&[0, 0, 5, 30]).unwrap_or(0);
    let latency_us = dice.pick(&[1_000, 10_000, 40_000, 80_000]).unwrap_or(1_000);
    Weather { loss, duplication, reordering, heavy_tail, latency_us, spread_us: latency_us / 4 }
}

/// Draws the faults of a simulation and when they strike, up to `end_us`. At most `faulty` nodes lose files, and at most
/// f have a clock that is wrong.
pub(crate) fn schedule(dice: &mut Dice, nodes: usize, faulty: usize, end_us: u64) -> Vec<(u64, Strike)> {
    let (mut damaged, mut strikes) = (0, Vec::new());
    let wrong_clocks = (nodes - 1) / 3;
    for _ in 0..dice.between(2, 4 + end_us / 4_000_000) {
        let at = dice.between(300_000, end_us);
        let for_us = dice.between(50_000, 3_000_000);
        let node = dice.index(nodes);
        let side = |dice: &mut Dice| (0..nodes).filter(|_| dice.chance(500)).collect::<Vec<_>>();
        let strike = match dice.below(16) {
            0..=2 => {
                let side = side(dice);
                Strike::Split { side, one_way: dice.chance(400), silent: dice.chance(500), for_us }
            }
            3 => {
                let side = side(dice);
                Strike::Flap { side, period_us: dice.between(50_000, 800_000), times: dice.between(3, 10) }
            }
            4 => Strike::Slow { node, for_us },
            5 => Strike::SlowDisk { node, for_us },
            6 => Strike::FailSync { node },
            7 => Strike::FillDisk { node, for_us },
            8 => {
                let node = dice.index(wrong_clocks);
                Strike::TurnClock { node, ahead_ms: dice.pick(&[-60_000, -500, 0, 300, 5_000, 3_600_000]).unwrap_or(0) }
            }
            9 => Strike::CrashAll { for_us },
            _ => {
                let harm = if damaged < faulty { dice.below(12) } else { u64::MAX };
                let damage = match harm {
                    0 => Damage::Wipe,
                    1 => Damage::LoseGuard,
                    2 => Damage::FlipGuard,
                    3 => Damage::FlipLog,
                    4 => Damage::LoseDisk,
                    5 => Damage::Restore,
                    _ => Damage::None,
                };
                damaged += usize::from(damage != Damage::None);
                if damage == Damage::Restore {
                    strikes.push((dice.below(at), Strike::Backup { node }));
                }
                Strike::Crash { node, for_us, damage }
            }
        };
        strikes.push((at, strike));
    }
    strikes
}
