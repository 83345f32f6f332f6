//! Who waits for what to become final.
//!
//! The execution thread calls [`Finality::executed`] after a block is on disk; calls that wait for a transaction, a
//! proof or the next block wake up.
//!
//! Must not know: gRPC, or how blocks are stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;
use tokio::sync::{oneshot, watch};
use tonle_crypto::{Digest, Domain};
use tonle_ledger::{BlockInput, Executed, Receipt, SignedTransaction, TransactionId};

static SENT: Domain = Domain::new("tonle v1 transaction as sent");

/// Where the ledger is, on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// The latest executed height.
    pub height: u64,
    /// Its block's time, ms since the Unix epoch.
    pub time_ms: u64,
    /// The highest height that a final header names: what is at or below it can be proven.
    pub provable: u64,
}

/// What a waiting call learns.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The transaction's own receipt.
    Final(Arc<Receipt>),
    /// The id had been taken: its receipt stands there.
    Duplicate {
        /// Height of the first receipt.
        height: u64,
        /// Its index.
        index: u32,
    },
}

struct Waiting {
    sent: Digest,
    began: Instant,
    sender: oneshot::Sender<Answer>,
}

/// See the module.
pub struct Finality {
    tip: watch::Sender<Tip>,
    waiting: Mutex<BTreeMap<TransactionId, Vec<Waiting>>>,
    /// Seconds from the beginning of a wait to its receipt.
    latency: Option<Histogram>,
}

impl Finality {
    /// Starts at what the database holds.
    #[must_use]
    pub fn new(tip: Tip) -> Self {
        Finality { tip: watch::Sender::new(tip), waiting: Mutex::new(BTreeMap::new()), latency: None }
    }

    /// Counts in `latency`, in seconds, how long each wait for a receipt of one's own took.
    #[must_use]
    pub fn measured(self, latency: Histogram) -> Self {
        Finality { latency: Some(latency), ..self }
    }

    /// A block is on disk; `provable` is the height that the highest final header names.
    pub fn executed(&self, block: &BlockInput, executed: &Executed, provable: u64) {
        self.tip.send_replace(Tip { height: executed.height, time_ms: executed.timestamp_ms, provable });
        let mut waiting = self.lock();
        if waiting.is_empty() {
            return;
        }
        for (receipt, position) in executed.receipts.iter().zip(&executed.positions) {
            let Some(waiters) = waiting.remove(&receipt.transaction) else { continue };
            let answer = Answer::Final(Arc::new(receipt.clone()));
            if receipt.takes_id() {
                for waiter in waiters {
                    if let Some(latency) = &self.latency {
                        latency.observe(waiter.began.elapsed().as_secs_f64());
                    }
                    let _gone = waiter.sender.send(answer.clone());
                }
                continue;
            }
            // The id stays free, so this receipt is an answer only to those who sent these very bytes: whoever else
            // signs the same body badly must not answer for them.
            let position = position.and_then(|position| usize::try_from(position).ok());
            let transaction = position.and_then(|at| block.transactions.get(at));
            let sent = transaction.map(|transaction| sent_digest(transaction));
            let (these, others): (Vec<_>, Vec<_>) = waiters.into_iter().partition(|waiter| Some(waiter.sent) == sent);
            for waiter in these {
                let _gone = waiter.sender.send(answer.clone());
            }
            if !others.is_empty() {
                waiting.insert(receipt.transaction, others);
            }
        }
        for duplicate in &executed.duplicates {
            for waiter in waiting.remove(&duplicate.transaction).unwrap_or_default() {
                let _gone = waiter.sender.send(Answer::Duplicate { height: duplicate.height, index: duplicate.index });
            }
        }
    }

    /// Waits for a transaction: called before it is queued, so that no answer is missed. Dropping the receiver ends the
    /// wait; [`Finality::forget`] then frees its place.
    pub fn wait(&self, transaction: &SignedTransaction) -> oneshot::Receiver<Answer> {
        let (sender, answer) = oneshot::channel();
        let sent = sent_digest(transaction);
        self.lock().entry(transaction.id()).or_default().push(Waiting { sent, began: Instant::now(), sender });
        answer
    }

    /// A call stopped waiting.
    pub fn forget(&self, id: TransactionId) {
        let mut waiting = self.lock();
        if let Some(waiters) = waiting.get_mut(&id) {
            waiters.retain(|waiter| !waiter.sender.is_closed());
            if waiters.is_empty() {
                waiting.remove(&id);
            }
        }
    }

    /// The tip.
    #[must_use]
    pub fn tip(&self) -> Tip {
        *self.tip.borrow()
    }

    /// The tip and its changes.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TransactionId, Vec<Waiting>>> {
        // Each critical section leaves the map whole, so a panic elsewhere does not make it wrong.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Finality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finality").field("tip", &self.tip()).finish_non_exhaustive()
    }
}

fn sent_digest(transaction: &SignedTransaction) -> Digest {
    SENT.digest(transaction.bytes())
}
