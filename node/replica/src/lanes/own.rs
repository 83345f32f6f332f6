//! One's own lane: clients' transactions wait in the pool, are packed into batches, and remembered until executed.
//!
//! Must not know: who acknowledged a batch (it is told what is settled), how a batch is stored or sent.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tonle_crypto::{Digest, PublicKey, Signature, Verified};
use tonle_ledger::{SignedTransaction, TransactionId};

use crate::batch::UnsignedBatch;
use crate::bounds::{
    BATCH_AGE_US, BATCH_CONTENT_BYTES_MAX, BATCH_OPERATIONS_MAX, BATCH_SEAL_BYTES, BATCH_TRANSACTIONS_MAX,
    POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX, RETRY_MS, TICKETS_PER_TRANSACTION_MAX,
};
use crate::{Batch, Refusal, Tip};

/// Batches of one's own that may wait for the signer at once.
const SIGNING_MAX: usize = 4;

#[derive(Debug)]
struct Waiting {
    transaction: Arc<Verified<SignedTransaction>>,
    since_us: u64,
}

/// Transactions in the order to pack.
pub(crate) type Transactions = Vec<Arc<Verified<SignedTransaction>>>;

/// Where a transaction of one's own clients is.
#[derive(Debug)]
enum Place {
    /// In the pool or in a batch that is not durable yet; these submissions wait for that.
    Volatile(Vec<u64>),
    /// In a durable batch.
    Durable,
}

/// What becomes of a submission at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Submission {
    /// It waits for its batch to be durable.
    Waits,
    /// The same transaction is durable already.
    Accepted,
    /// It is turned away.
    Refused(Refusal),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct OwnLane {
    chain: Digest,
    key: PublicKey,
    pool: VecDeque<Waiting>,
    pool_bytes: usize,
    places: BTreeMap<TransactionId, Place>,
    /// Ids by batch, until the batch is executed.
    packed: BTreeMap<u64, Vec<TransactionId>>,
    /// The last batch sealed.
    end: Tip,
    signing: BTreeMap<u64, UnsignedBatch>,
    signing_bytes: usize,
    /// The highest seq that some proposal named.
    proposed: u64,
}

impl OwnLane {
    /// A lane that goes on after `end`.
    pub(crate) fn new(chain: Digest, key: PublicKey, end: Tip) -> Self {
        OwnLane {
            chain,
            key,
            pool: VecDeque::new(),
            pool_bytes: 0,
            places: BTreeMap::new(),
            packed: BTreeMap::new(),
            end,
            signing: BTreeMap::new(),
            signing_bytes: 0,
            proposed: 0,
        }
    }

    /// Whose lane it is.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The lane is over. Gives what was in no stored batch of it, in order, and who waits for what.
    pub(crate) fn dissolve(self) -> (Transactions, BTreeMap<TransactionId, Vec<u64>>) {
        let unsigned = self.signing.into_values().flat_map(UnsignedBatch::into_transactions);
        let waiting = unsigned.chain(self.pool.into_iter().map(|waiting| waiting.transaction)).collect();
        let tickets = self.places.into_iter().filter_map(|(id, place)| match place {
            Place::Volatile(tickets) => Some((id, tickets)),
            Place::Durable => None,
        });
        (waiting, tickets.collect())
    }

    /// Takes over a transaction of an ended lane for which a client may not wait any more. The pool's bound does not
    /// count: a lane's window bounds what it can have held.
    pub(crate) fn adopt(&mut self, now_us: u64, transaction: &Arc<Verified<SignedTransaction>>) {
        if !self.places.contains_key(&transaction.id()) {
            self.admit(now_us, transaction, Vec::new());
        }
    }

    /// The last batch sealed.
    pub(crate) fn end(&self) -> Tip {
        self.end
    }
    /// Transactions and bytes in the pool.
    pub(crate) fn pool(&self) -> (usize, usize) {
        (self.pool.len(), self.pool_bytes)
    }
    /// Bytes that wait for the signer.
    pub(crate) fn signing_bytes(&self) -> usize {
        self.signing_bytes
    }

    /// Can another batch go to the signer?
    pub(crate) fn is_signer_free(&self) -> bool {
        self.signing.len() < SIGNING_MAX
    }

    /// A batch of this lane that was found again: from the log, or from peers after the log was lost.
    pub(crate) fn recovered(&mut self, batch: &Batch) {
        let ids: Vec<TransactionId> = batch.transactions().iter().map(|transaction| transaction.id()).collect();
        for id in &ids {
            self.places.insert(*id, Place::Durable);
        }
        self.packed.insert(batch.seq(), ids);
    }

    /// Goes on after `end`: where the lane stands was learnt from peers, or another branch of it became final.
    pub(crate) fn resume(&mut self, end: Tip) {
        self.end = end;
    }

    /// A client submits.
    pub(crate) fn submit(
        &mut self,
        now_us: u64,
        transaction: &Arc<Verified<SignedTransaction>>,
        ticket: u64,
    ) -> Submission {
        let size = transaction.bytes().len();
        if size > BATCH_CONTENT_BYTES_MAX || transaction.operations().len() > BATCH_OPERATIONS_MAX {
            return Submission::Refused(Refusal::TooLarge);
        }
        let busy = Submission::Refused(Refusal::Backpressure { retry_ms: RETRY_MS });
        match self.places.get_mut(&transaction.id()) {
            Some(Place::Durable) => return Submission::Accepted,
            Some(Place::Volatile(tickets)) if tickets.len() >= TICKETS_PER_TRANSACTION_MAX => return busy,
            Some(Place::Volatile(tickets)) => {
                tickets.push(ticket);
                return Submission::Waits;
            }
            None => {}
        }
        if self.pool.len() >= POOL_TRANSACTIONS_MAX || self.pool_bytes.saturating_add(size) > POOL_BYTES_MAX {
            return busy;
        }
        self.admit(now_us, transaction, vec![ticket]);
        Submission::Waits
    }

    fn admit(&mut self, now_us: u64, transaction: &Arc<Verified<SignedTransaction>>, tickets: Vec<u64>) {
        self.places.insert(transaction.id(), Place::Volatile(tickets));
        self.pool_bytes = self.pool_bytes.saturating_add(transaction.bytes().len());
        self.pool.push_back(Waiting { transaction: Arc::clone(transaction), since_us: now_us });
    }

    /// A proposal names this lane up to `seq`.
    pub(crate) fn named(&mut self, seq: u64) {
        self.proposed = self.proposed.max(seq);
    }

    /// Packs the next batch if one is due: full, old enough, or at once when everything before it is settled
    /// (acknowledged by a quorum, proposed, or final). `settled` is the highest seq that is.
    pub(crate) fn seal(&mut self, now_us: u64, settled: u64) -> Option<&UnsignedBatch> {
        if !self.is_signer_free() {
            return None;
        }
        let oldest = self.pool.front()?.since_us;
        let due = self.pool_bytes >= BATCH_SEAL_BYTES
            || self.end.seq <= settled.max(self.proposed)
            || oldest.saturating_add(BATCH_AGE_US) <= now_us;
        if !due {
            return None;
        }
        let transactions = self.take();
        let ids = transactions.iter().map(|transaction| transaction.id()).collect();
        let batch = UnsignedBatch::pack(self.chain, self.key, self.end, transactions);
        self.end = batch.tip();
        self.packed.insert(self.end.seq, ids);
        self.signing_bytes = self.signing_bytes.saturating_add(batch.size());
        self.signing.insert(self.end.seq, batch);
        self.signing.get(&self.end.seq)
    }

    /// When a batch is due by age, in microseconds.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.pool.front().map(|waiting| waiting.since_us.saturating_add(BATCH_AGE_US))
    }

    /// The signer answered.
    pub(crate) fn signed(&mut self, seq: u64, signature: Signature) -> Option<Batch> {
        let batch = self.signing.remove(&seq)?;
        self.signing_bytes = self.signing_bytes.saturating_sub(batch.size());
        Some(batch.sign(signature))
    }

    /// A batch is durable: the submissions that this answers.
    pub(crate) fn stored(&mut self, seq: u64) -> Vec<u64> {
        let mut tickets = Vec::new();
        for id in self.packed.get(&seq).into_iter().flatten() {
            if let Some(Place::Volatile(waiting)) = self.places.insert(*id, Place::Durable) {
                tickets.extend(waiting);
            }
        }
        tickets
    }

    /// Everything up to `seq` is executed. From here on the ledger knows the ids.
    pub(crate) fn release(&mut self, seq: u64) {
        let kept = self.packed.split_off(&seq.saturating_add(1));
        for id in std::mem::replace(&mut self.packed, kept).into_values().flatten() {
            self.places.remove(&id);
        }
    }

    /// The transactions of the next batch: as many as fit, at least one.
    fn take(&mut self) -> Vec<Arc<Verified<SignedTransaction>>> {
        let (mut taken, mut bytes, mut operations) = (Vec::new(), 0usize, 0usize);
        while let Some(waiting) = self.pool.front() {
            let size = waiting.transaction.bytes().len();
            let fits = bytes.saturating_add(size) <= BATCH_SEAL_BYTES
                && operations.saturating_add(waiting.transaction.operations().len()) <= BATCH_OPERATIONS_MAX
                && taken.len() < BATCH_TRANSACTIONS_MAX;
            if !fits && !taken.is_empty() {
                break;
            }
            bytes = bytes.saturating_add(size);
            operations = operations.saturating_add(waiting.transaction.operations().len());
            self.pool_bytes = self.pool_bytes.saturating_sub(size);
            taken.extend(self.pool.pop_front().map(|waiting| waiting.transaction));
        }
        taken
    }
}
