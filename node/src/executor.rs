//! The execution thread: final blocks in, receipts and state out, durable before anyone is told. Off the voting path.
//! It must not know clients, peers or the event loop: it tells a callback.
//!
//! ```text
//! queue -> prefetch touched keys (one multi-get) -> ledger executes -> ... next, while one waits -> one synced write -> tell
//! ```
//! Blocks that wait in the queue when one is executed share its write and its sync, so catch-up does not pay a sync for
//! each block, and a lone block waits for nothing.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use tonle_consensus::{Checkpoint, Height, ValidatorSet};
use tonle_ledger::{BlockInput, Executed, Executor};
use tonle_replica::{FinalBlock, bounds, validators};

use crate::storage::{Database, Error, PendingWrites, WrittenBlock};

/// Blocks that share one write, at most.
const GROUP_BLOCKS: usize = 16;
/// Bytes of one write after which no further block joins it.
const GROUP_BYTES: usize = 8 << 20;

/// What the execution thread tells.
#[derive(Debug)]
pub enum ExecutionEvent {
    /// A block is executed and durable. In height order, each once.
    Executed(Box<ExecutedBlock>),
    /// Disk or ledger failed. The thread has ended; the process must stop.
    Failed(Error),
}

/// A block that is executed and durable.
#[derive(Debug)]
pub struct ExecutedBlock {
    /// The block.
    pub block: FinalBlock,
    /// What the ledger was given.
    pub input: BlockInput,
    /// What it made of it.
    pub executed: Executed,
    /// Roots after it: what a later header may name.
    pub checkpoint: Checkpoint,
    /// The height whose roots this block's header names: what is at or below it can be proven.
    pub provable: u64,
}

impl ExecutedBlock {
    /// Is it its epoch's last?
    #[must_use]
    pub fn ends_epoch(&self) -> bool {
        self.block.block.header().fields().next_set.is_some()
    }
}

/// The block was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue is full: more was handed over than the replica keeps under way.
    #[error("the execution queue is full")]
    Full,
    /// The thread has ended; [`ExecutionEvent::Failed`] said why.
    #[error("execution has ended")]
    Ended,
}

/// Hands blocks to the execution thread; dropping it ends the thread after what is queued.
#[derive(Debug)]
pub struct Execution {
    // Taken on drop, which ends the thread.
    queue: Option<SyncSender<FinalBlock>>,
    thread: Option<JoinHandle<()>>,
}

impl Execution {
    /// Starts the thread. `tell` runs on it and must not block for long.
    ///
    /// # Errors
    /// [`Error`] when the database's tip cannot be read or the thread not be started.
    pub fn start(
        database: Arc<Database>,
        ledger: Executor,
        tell: impl FnMut(ExecutionEvent) + Send + 'static,
    ) -> Result<Self, Error> {
        let path = database.path().to_path_buf();
        let pending = PendingWrites::new(Arc::clone(&database))?;
        let (queue, blocks) = sync_channel(2 * bounds::EXECUTING_MAX);
        let worker = Worker { database, ledger, pending };
        let thread = std::thread::Builder::new()
            .name("execution".to_owned())
            .spawn(move || worker.run(blocks, tell))
            .map_err(|source| Error::io(&path, "start the execution thread for", source))?;
        Ok(Execution { queue: Some(queue), thread: Some(thread) })
    }

    /// Hands the next final block over, and returns at once; [`ExecutionEvent::Executed`] follows.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn execute(&self, block: FinalBlock) -> Result<(), Refused> {
        let queue = self.queue.as_ref().ok_or(Refused::Ended)?;
        queue.try_send(block).map_err(|error| match error {
            TrySendError::Full(_) => Refused::Full,
            TrySendError::Disconnected(_) => Refused::Ended,
        })
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic in the thread has been reported by the panic hook.
            drop(thread.join());
        }
    }
}

struct Worker {
    database: Arc<Database>,
    ledger: Executor,
    pending: PendingWrites,
}

impl Worker {
    fn run(mut self, blocks: Receiver<FinalBlock>, mut tell: impl FnMut(ExecutionEvent)) {
        while let Ok(first) = blocks.recv() {
            match self.group(first, &blocks) {
                Ok(done) => done.into_iter().for_each(|block| tell(ExecutionEvent::Executed(Box::new(block)))),
                Err(error) => {
                    tracing::error!(%error, "execution stops");
                    // Whoever hears of it finds the queue closed.
                    drop(blocks);
                    tell(ExecutionEvent::Failed(error));
                    return;
                }
            }
        }
    }

    /// Executes `first` and what waits behind it, and makes all of it durable with one write.
    fn group(&mut self, first: FinalBlock, blocks: &Receiver<FinalBlock>) -> Result<Vec<ExecutedBlock>, Error> {
        let mut done = vec![self.execute(first)?];
        while done.len() < GROUP_BLOCKS && self.pending.bytes() < GROUP_BYTES && !ends_epoch(&done) {
            let Ok(next) = blocks.try_recv() else { break };
            done.push(self.execute(next)?);
        }
        self.pending.commit(self.ledger.proofs())?;
        Ok(done)
    }

    /// The validators that an epoch's last block commits, as the ledger lists them. Should they differ, the replica halts.
    fn next_set(&self, block: &FinalBlock) -> Option<ValidatorSet> {
        let header = block.block.header();
        let digest = header.next_set()?;
        let epoch = block.certificate.as_ref().unwrap_or(&block.tip_certificate).epoch.next()?;
        let version = self.ledger.validators().at(header.checkpoint().height.get())?;
        ValidatorSet::new(epoch, validators(&version.members)).ok().filter(|set| set.digest() == digest)
    }

    fn execute(&mut self, block: FinalBlock) -> Result<ExecutedBlock, Error> {
        let header = block.block.header();
        let input = BlockInput {
            height: header.height().get(),
            timestamp_ms: header.timestamp().get(),
            transactions: block.transactions().cloned().collect(),
        };
        let plan = self.ledger.plan(&input);
        let values = self.pending.load(plan.keys())?;
        let executed = self
            .ledger
            .execute(&plan, values)
            .map_err(|source| Error::Ledger { path: self.database.path().to_path_buf(), source })?;
        self.pending.add(WrittenBlock { block: &block, executed: &executed })?;
        if let Some(set) = self.next_set(&block) {
            self.pending.begin_epoch(&set)?;
        }
        let checkpoint = Checkpoint {
            height: Height::new(executed.height),
            state_root: executed.state_root,
            results_root: executed.results_root,
        };
        let provable = header.checkpoint().height.get();
        Ok(ExecutedBlock { block, input, executed, checkpoint, provable })
    }
}

/// A write ends with an epoch, so that the state of that height can be kept for peers before the next block changes it.
fn ends_epoch(done: &[ExecutedBlock]) -> bool {
    done.last().is_some_and(ExecutedBlock::ends_epoch)
}

#[cfg(test)]
#[path = "executor_tests.rs"]
mod tests;
