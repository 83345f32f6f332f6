//! How a node ends: at once, and what it was writing is on its disk whole, in part or not at all.
//!
//! Must not know: why it ends.

use tonle_crypto::Canonical;
use tonle_replica::RawBatch;

use crate::faults::Fault;
use crate::invariants::Invariants;
use crate::node::persist;
use crate::tape::{self, Found, Tape};
use crate::timeline::Deed;
use crate::world::World;

impl World {
    /// Ends a node at once. A write under way is lost, or made it without anybody having been told.
    pub(crate) fn crash(&mut self, at: usize) {
        let Some(running) = self.nodes[at].running.take() else { return };
        self.fired.count(Fault::Crash);
        self.note(Some(at), || Deed::Dies);
        if let Some((record, blocks)) = running.persisting {
            let left = self.left(Tape::of_guard(&record, &blocks)).and_then(|payload| tape::guard_of(&payload).ok());
            if let Some((Some(record), blocks)) = left
                && Invariants::guarded(at, self.nodes[at].disk.guard.as_ref(), &record).is_ok()
            {
                persist(&mut self.nodes[at].disk, record, blocks);
            }
        }
        for batch in running.storing {
            // A log is written in order: nothing after the first that is lost survives.
            let left = self.left(Tape::of_batch(batch.raw())).and_then(|payload| RawBatch::decode(&payload).ok());
            if left.is_none_or(|raw| raw.digest() != batch.digest()) {
                break;
            }
            self.nodes[at].disk.log.push(batch);
        }
        for other in 0..self.nodes.len() {
            self.disconnect(at, other);
        }
    }

    /// What a crash in the middle of a write leaves to the next start.
    fn left(&mut self, tape: Tape) -> Option<Vec<u8>> {
        let torn = tape.tear(&mut self.dice);
        if let Found::Whole(payload) = torn.read() {
            return Some(payload);
        }
        self.fired.count(if torn.length() == 0 { Fault::UnsyncedLost } else { Fault::TornTail });
        None
    }
}
