//! The thread that owns the batch log's files, its bounded queue, and group commit. It must not know the event loop: it
//! tells a callback.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tonle_consensus::ValidatorSet;
use tonle_crypto::{Digest, PublicKey};
use tonle_replica::{Batch, RawBatch, bounds};

use super::store::{BatchLogReader, RecoveredBatches, Store};
use crate::storage::Error;

/// A segment is closed once it is longer than this.
const SEGMENT_BYTES: u64 = 32 << 20;
/// One fdatasync covers at most about this many bytes: more would let the first batch wait for the last.
const GROUP_BYTES: usize = 8 << 20;

/// What the log tells its owner.
#[derive(Debug)]
pub enum BatchLogEvent {
    /// These batches are durable, in the order they were handed over: lane, number, digest.
    Stored(Vec<(PublicKey, u64, Digest)>),
    /// The disk failed. The thread has ended; the process must stop.
    Failed(Error),
}

/// The batch was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full. It holds twice what the lanes' windows admit, so the disk stands still; a batch that is not
    /// stored is not acknowledged, and may be handed over again.
    #[error("the batch log's queue is full")]
    Full,
    /// The thread has ended; [`BatchLogEvent::Failed`] said why.
    #[error("the batch log has ended")]
    Ended,
}

/// How far each lane is final and executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Released(pub Vec<(PublicKey, u64)>);

enum Command {
    Store(Arc<RawBatch>),
    Release(Released),
}

/// Hands batches to the log's thread; dropping it ends the thread after what is queued.
#[derive(Debug)]
pub struct BatchLog {
    // Taken on drop, which ends the thread.
    queue: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
    reader: BatchLogReader,
}

impl BatchLog {
    /// Opens the log under `data` and starts its thread. `expected` says that this node has run before (its database is
    /// not empty), `me` is its own lane's key, `released` how far the database has come. `tell` runs on the log's
    /// thread and must not block for long.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a synced record does not check, and what the system says.
    pub fn open(
        data: &Path,
        expected: bool,
        me: Option<PublicKey>,
        set: &ValidatorSet,
        released: Released,
        tell: impl FnMut(BatchLogEvent) + Send + 'static,
    ) -> Result<(Self, RecoveredBatches), Error> {
        let released: HashMap<PublicKey, u64> = released.0.into_iter().collect();
        let (store, recovered) = Store::open(data, expected, me, released, SEGMENT_BYTES)?;
        let window = usize::try_from(bounds::LANE_WINDOW_BATCHES).unwrap_or(usize::MAX);
        let (queue, commands) = sync_channel(window.saturating_mul(2 * set.len()));
        let reader = store.reader();
        let thread = std::thread::Builder::new()
            .name("batch-log".to_owned())
            .spawn(move || run(store, commands, tell))
            .map_err(|source| Error::io(data, "start the batch log's thread for", source))?;
        Ok((BatchLog { queue: Some(queue), thread: Some(thread), reader }, recovered))
    }

    /// Hands a batch over, and returns at once; [`BatchLogEvent::Stored`] follows.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn store(&self, batch: &Batch) -> Result<(), Refused> {
        self.send(Command::Store(Arc::clone(batch.raw())))
    }

    /// Every batch up to `released` is final and executed, and may go.
    ///
    /// # Errors
    /// [`Refused`]. A later call covers a refused one.
    pub fn release(&self, released: Released) -> Result<(), Refused> {
        self.send(Command::Release(released))
    }

    /// Reads live batches, from any thread.
    #[must_use]
    pub fn reader(&self) -> BatchLogReader {
        self.reader.clone()
    }

    fn send(&self, command: Command) -> Result<(), Refused> {
        let queue = self.queue.as_ref().ok_or(Refused::Ended)?;
        queue.try_send(command).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Ended,
        })
    }
}

impl Drop for BatchLog {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

fn run(mut store: Store, commands: Receiver<Command>, mut tell: impl FnMut(BatchLogEvent)) {
    while let Ok(first) = commands.recv() {
        match turn(&mut store, first, &commands) {
            Ok(stored) if stored.is_empty() => {}
            Ok(stored) => tell(BatchLogEvent::Stored(stored)),
            Err(error) => {
                // Whoever hears of it finds the queue closed.
                drop(commands);
                tell(BatchLogEvent::Failed(error));
                return;
            }
        }
    }
}

/// Takes what waits, up to [`GROUP_BYTES`], and makes it durable with one sync.
fn turn(
    store: &mut Store,
    first: Command,
    commands: &Receiver<Command>,
) -> Result<Vec<(PublicKey, u64, Digest)>, Error> {
    let mut batches = Vec::new();
    let mut stored = Vec::new();
    let mut released = Vec::new();
    let mut bytes = 0usize;
    let mut next = Some(first);
    while let Some(command) = next {
        match command {
            Command::Store(batch) => {
                bytes += batch.bytes().len();
                stored.push((*batch.lane(), batch.seq(), batch.digest()));
                batches.push(batch);
            }
            Command::Release(Released(up_to)) => released.extend(up_to),
        }
        next = if bytes < GROUP_BYTES { commands.try_recv().ok() } else { None };
    }
    if !batches.is_empty() {
        store.store(&batches)?;
    }
    if !released.is_empty() {
        store.release(&released)?;
    }
    Ok(stored)
}
