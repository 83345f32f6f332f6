//! Snapshots for peers whose disks are empty: the state after each of the last two epochs' last blocks, as RocksDB keeps
//! it for a reader, so that the node runs on meanwhile.
//!
//! Each is held by a thread of its own, which also serves its chunks: a reader of RocksDB cannot leave the thread that
//! began it. A snapshot is served from the execution of its block until that of the second block of its kind after it, or
//! the end of the process; an asker whose snapshot goes away begins again with a newer one.
//!
//! It must not know peers or the network: it answers a callback.

mod history;
mod holder;

use std::collections::VecDeque;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use tonle_consensus::Height;
use tonle_replica::{BlockSource as _, SnapshotFound, SnapshotOffer, SnapshotQuery, boundaries, covering};

use crate::recovery::Chain;
use crate::storage::{Database, Error};
use history::History;
use holder::Asked;

/// Snapshots that are held at once.
const HELD_MAX: usize = 2;
/// Requests that wait for one of them. Beyond, a request goes unanswered and its peer asks somebody else.
const WAITING_MAX: usize = 32;

/// The snapshots of one node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Snapshots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    history: History,
    held: Mutex<VecDeque<Held>>,
}

#[derive(Debug)]
struct Held {
    height: u64,
    // Dropping it ends the thread.
    queue: SyncSender<Asked>,
}

impl Snapshots {
    /// None yet.
    #[must_use]
    pub fn new(database: Arc<Database>, chain: Chain) -> Self {
        Snapshots(Arc::new(Inner { history: History::new(database, chain), held: Mutex::default() }))
    }

    /// Keeps the state as it is in the database right now, after `height`; the caller lets nobody write meanwhile. Lets go
    /// of the oldest beyond two.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn capture(&self, height: u64) -> std::io::Result<()> {
        let (queue, asked) = sync_channel(WAITING_MAX);
        let (begun, ready) = sync_channel(1);
        let database = Arc::clone(self.0.history.database());
        std::thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(move || holder::hold(&database, &begun, &asked))?;
        // An error means that the thread ended at once; then its queue is closed too, and nothing is served.
        let _ = ready.recv();
        let mut held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push_back(Held { height, queue });
        while held.len() > HELD_MAX {
            held.pop_front();
        }
        tracing::info!(height, "keeps the state after an epoch's last block for peers");
        Ok(())
    }

    /// Answers a peer: at once, or later from the snapshot's own thread; not at all when too many wait for it.
    pub fn answer(&self, query: SnapshotQuery, reply: impl FnOnce(SnapshotFound) + Send + 'static) {
        match query {
            SnapshotQuery::Boundaries { from, to } => {
                reply(SnapshotFound::Boundaries(boundaries(from, to, &self.0.history)));
            }
            SnapshotQuery::Offer => reply(SnapshotFound::Offer(self.offer().map(Box::new))),
            SnapshotQuery::State { height, .. } | SnapshotQuery::Bucket { height, .. } => {
                let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(held) = held.iter().find(|held| held.height == height.get()) else {
                    return reply(query.nothing());
                };
                if let Err(TrySendError::Full(_)) = held.queue.try_send(Asked { query, reply: Box::new(reply) }) {
                    tracing::debug!("request for a snapshot dropped: too many wait");
                }
            }
        }
    }

    /// The newest snapshot whose root a final header names.
    fn offer(&self) -> Option<SnapshotOffer> {
        let heights: Vec<u64> = {
            let held = self.0.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.iter().rev().map(|held| held.height).collect()
        };
        heights.into_iter().find_map(|height| self.offer_of(height))
    }

    fn offer_of(&self, height: u64) -> Option<SnapshotOffer> {
        let history = &self.0.history;
        let block = history.final_block(Height::new(height))?.block;
        let (covering, certificate) = covering(Height::new(height), history)?;
        let view = history.database().view();
        let outcome = |height: u64| found(view.outcome(height));
        let (results_before, receipts_root) =
            (outcome(height.checked_sub(1)?)?.results_root, outcome(height)?.receipts_root);
        Some(SnapshotOffer { block, covering, certificate, results_before, receipts_root })
    }
}

/// A read that fails while serving a peer is this disk's trouble, told to the operator; the peer asks another.
fn found<T>(read: Result<Option<T>, Error>) -> Option<T> {
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "cannot serve a snapshot from disk");
        None
    })
}

#[cfg(test)]
#[path = "../snapshots_tests.rs"]
mod tests;
