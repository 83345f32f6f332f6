//! Carries out the faults that strike nodes and links, and ends them all.
//!
//! Must not know: which faults a seed draws.

use crate::faults::{Damage, Fault, Strike};
use crate::invariants::Breach;
use crate::tape::{Found, Tape};
use crate::timeline::Deed;
use crate::world::{Happening, World};

/// Connections are made anew this long after the last fault ended, in microseconds.
pub(crate) const RECONNECT_US: u64 = 10_000;

impl World {
    /// Carries out a fault, unless all faults have ended.
    pub(crate) fn strike(&mut self, strike: Strike) {
        if self.healed_at.is_some() {
            return;
        }
        let now = self.now_us;
        self.note(None, || Deed::Strike(format!("{strike:?}")));
        match strike {
            Strike::Split { side, one_way, silent, for_us } => self.split(&side, one_way, silent, for_us),
            Strike::Flap { side, period_us, times } => {
                self.fired.count(Fault::Flapping);
                for turn in 0..times {
                    let split =
                        Strike::Split { side: side.clone(), one_way: false, silent: turn % 2 == 0, for_us: period_us };
                    self.after(2 * turn * period_us, Happening::Strike(split));
                }
            }
            Strike::Slow { node, for_us } => self.network.slow(node, now + for_us),
            Strike::SlowDisk { node, for_us } => self.nodes[node].slow_disk_until = now + for_us,
            Strike::FailSync { node } => self.nodes[node].sync_fails = true,
            Strike::FillDisk { node, for_us } => {
                self.nodes[node].sync_fails = true;
                self.nodes[node].disk_full_until = now + for_us;
            }
            Strike::TurnClock { node, ahead_ms } => {
                self.fired.count(Fault::ClockJump);
                self.nodes[node].clock_ms = ahead_ms;
            }
            Strike::Backup { node } => {
                let disk = self.nodes[node].disk.clone();
                self.nodes[node].backup = Some(Box::new(disk));
            }
            Strike::CrashAll { for_us } => {
                self.fired.count(Fault::CrashOfAll);
                for node in 0..self.nodes.len() {
                    self.crash(node);
                    let delay = for_us + self.dice.below(500_000);
                    self.after(delay, Happening::Restart { node });
                }
            }
            Strike::Crash { node, for_us, damage } => {
                self.crash(node);
                self.damage(node, damage);
                self.after(for_us, Happening::Restart { node });
            }
        }
    }

    fn split(&mut self, side: &[usize], one_way: bool, silent: bool, for_us: u64) {
        let now = self.now_us;
        let others: Vec<usize> = (0..self.nodes.len()).filter(|node| !side.contains(node)).collect();
        for (one, other) in side.iter().flat_map(|one| others.iter().map(move |other| (*one, *other))) {
            self.network.cut(one, other, now + for_us);
            if !one_way {
                self.network.cut(other, one, now + for_us);
            }
            if !silent {
                self.disconnect(one, other);
                self.disconnect(other, one);
            }
            self.after(for_us + 1, Happening::Connect { one, other });
        }
    }

    /// What a node that is down loses of its files.
    fn damage(&mut self, at: usize, damage: Damage) {
        let chain = &self.chain;
        let node = &mut self.nodes[at];
        let fault = match damage {
            Damage::None => return,
            Damage::Wipe => {
                node.disk.wipe(chain);
                Fault::Wipe
            }
            Damage::LoseGuard => {
                node.disk.lose_guard();
                Fault::GuardLost
            }
            // A flipped bit does not check: the operator moves the guard away, and it counts as lost. One that went
            // unnoticed would be taken for a torn end, and the guard would go back.
            Damage::FlipGuard => {
                let Some(record) = &node.disk.guard else { return };
                match Tape::of_guard(record, &[]).flip(&mut self.dice).read() {
                    Found::Corrupt => node.disk.lose_guard(),
                    Found::Whole(_) | Found::Torn => node.disk.guard = None,
                }
                Fault::BitFlip
            }
            // Likewise the batch log.
            Damage::FlipLog => {
                let Some(batch) = node.disk.log.last() else { return };
                match Tape::of_batch(batch.raw()).flip(&mut self.dice).read() {
                    Found::Corrupt => node.disk.lose_log(),
                    Found::Whole(_) | Found::Torn => drop(node.disk.log.pop()),
                }
                Fault::BitFlip
            }
            Damage::LoseDisk => {
                node.disk.wipe(chain);
                node.disk.lose_guard();
                Fault::DiskLost
            }
            // A backup has no guard, and what restores it says so.
            Damage::Restore => {
                let Some(backup) = node.backup.take() else { return };
                node.disk = *backup;
                node.disk.lose_guard();
                Fault::BackupRestored
            }
            Damage::AgeGuard => {
                let Some(backup) = node.backup.take() else { return };
                node.disk.guard = backup.guard;
                node.guard_aged = true;
                Fault::BackupRestored
            }
        };
        node.damaged = true;
        self.fired.count(fault);
    }

    /// The faults end: links carry everything, clocks are right, and whoever is down comes back.
    pub(crate) fn heal(&mut self) -> Result<(), Breach> {
        self.healed_at = Some(self.now_us);
        self.note_proven();
        self.note(None, || Deed::Heals);
        self.network.heal();
        for node in 0..self.nodes.len() {
            let machine = &mut self.nodes[node];
            machine.slow_disk_until = 0;
            machine.disk_full_until = 0;
            machine.sync_fails = false;
            machine.clock_ms = machine.clock_ms.clamp(0, 150);
            if machine.running.is_none() {
                self.fired.count(Fault::Restart);
                self.boot(node)?;
            }
        }
        for one in 0..self.nodes.len() {
            for other in 0..one {
                self.after(RECONNECT_US, Happening::Connect { one, other });
            }
        }
        Ok(())
    }
}
