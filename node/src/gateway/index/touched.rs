//! What the execution thread tells the index: which enrolled accounts a final block touched. It never waits; what finds
//! no room is made up for by reading.
//!
//! Must not know: databases.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, PoisonError, RwLock};

use tonle_ledger::{AccountId, HistoryEntry};

use super::follower::Work;

/// The enrolled accounts.
pub(super) type Enrolled = Arc<RwLock<BTreeSet<AccountId>>>;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Touched {
    pub(super) queue: SyncSender<Work>,
    pub(super) enrolled: Enrolled,
    /// Set when the queue was full: the index then reads histories.
    pub(super) missed: Arc<AtomicBool>,
}

impl Touched {
    /// A block is on disk that touched these accounts. Returns at once.
    pub fn block(&self, height: u64, history: &[HistoryEntry]) {
        let mut indexes: Vec<u32> = {
            let enrolled = self.enrolled.read().unwrap_or_else(PoisonError::into_inner);
            let ours = history.iter().filter(|entry| enrolled.contains(&entry.account));
            ours.map(|entry| entry.index).collect()
        };
        indexes.sort_unstable();
        indexes.dedup();
        if let Err(TrySendError::Full(_)) = self.queue.try_send(Work::Block { height, indexes }) {
            self.missed.store(true, Ordering::Release);
        }
    }
}
