//! Liveness once the faults have ended: a new block within a few views of the first honest leader's, and at the end
//! everything submitted is final everywhere.
//!
//! Must not know: which faults there were.

use tonle_consensus::{Epoch, View};

use crate::invariants::Breach;
use crate::world::World;

/// From the end of the faults until every link is made anew and has carried something, in microseconds.
const SETTLING_US: u64 = 1_000_000;
/// A new block is final at most so many views after the first that an honest validator leads.
const VIEWS_MAX: u64 = 5;

/// Is a new block due?
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Pace {
    /// The faults have not ended.
    #[default]
    Unknown,
    /// One above this height is, before anybody is in a later view of this epoch.
    Due { height: u64, epoch: Epoch, view: View },
    /// It came.
    Met,
}

impl World {
    /// Holds the network to its pace.
    pub(crate) fn check_pace(&mut self) -> Result<(), Breach> {
        let Some(healed_at) = self.healed_at else { return Ok(()) };
        match self.pace {
            Pace::Unknown if self.now_us >= healed_at + SETTLING_US => {
                self.pace = self.due().unwrap_or(Pace::Met);
                Ok(())
            }
            Pace::Due { height, .. } if self.invariants.highest() > height => {
                self.pace = Pace::Met;
                Ok(())
            }
            Pace::Due { epoch, view, height } => {
                let Some((now_epoch, now_view)) = self.furthest() else { return Ok(()) };
                let late = now_epoch == epoch && now_view > view;
                if late { Err(Breach::Slow { height, view: now_view.get(), due: view.get() }) } else { Ok(()) }
            }
            Pace::Unknown | Pace::Met => Ok(()),
        }
    }

    /// The latest epoch and view that an honest node is in.
    pub(crate) fn furthest(&self) -> Option<(Epoch, View)> {
        let statuses = self.nodes.iter().enumerate().filter(|(at, _)| self.is_honest(*at));
        let running = statuses.filter_map(|(_, node)| node.running.as_ref());
        running.map(|running| running.replica.status().consensus).map(|status| (status.epoch, status.view)).max()
    }

    fn due(&self) -> Option<Pace> {
        let (epoch, view) = self.furthest()?;
        let set = self.rosters.set(epoch.get())?;
        let signs = |view: &View| {
            let leader = self.rosters.owner(epoch.get(), set.leader(*view)).unwrap_or(usize::MAX);
            let running = self.nodes.get(leader).and_then(|node| node.running.as_ref());
            self.is_honest(leader) && running.is_some_and(|running| running.replica.status().consensus.signs)
        };
        // Each leads once in as many views as there are validators.
        let turns = u64::try_from(self.nodes.len()).ok()?;
        let first = (1..=turns).map(|turn| view.saturating_add(turn)).find(signs)?;
        let due = first.saturating_add(VIEWS_MAX);
        Some(Pace::Due { height: self.invariants.highest(), epoch, view: due })
    }
}
