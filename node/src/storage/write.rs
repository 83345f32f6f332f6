//! Writing: executed blocks gathered into one atomic, synced write. Usually that is one block; when several wait,
//! such as
//! during catch-up, they share a write and its sync. Readers see all of it or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rocksdb::{ColumnFamily, WriteBatch};
use tonle_consensus::{QuorumCertificate, Validator, ValidatorSet};
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::{Change, Executed, ProofSource, StateKey, TransactionId};
use tonle_replica::{Batch, CertifiedBlock, FinalBlock};

use super::forgetting::Forgetting;
use super::tables::transactions;
use super::tables::{
    Outcome, Tip, batches, blocks, epochs, history, khqr, metadata, outcomes, place_key, receipts, state,
};
use super::{Database, Error};

/// Applies the ledger's changes to a write.
pub(super) fn put_changes(batch: &mut WriteBatch, family: &ColumnFamily, forgetting: &Forgetting, changes: &[Change]) {
    for change in changes {
        match change {
            Change::Put(key, value) => batch.put_cf(family, key.to_bytes(), value),
            Change::Delete(key) => batch.delete_cf(family, key.to_bytes()),
            Change::DropIds { hour } => {
                let (from, to) = Change::id_range(*hour);
                batch.delete_range_cf(family, from, to);
            }
            Change::DropCodes { hour } => {
                let (from, to) = Change::code_range(*hour);
                batch.delete_range_cf(family, from, to);
            }
            Change::ForgetReferences { before_ms } => {
                forgetting.let_go(*before_ms);
            }
        }
    }
}

/// A block with what executing it gave.
#[derive(Debug, Clone, Copy)]
pub struct WrittenBlock<'a> {
    /// The block and its data.
    pub block: &'a FinalBlock,
    /// What executing it gave.
    pub executed: &'a Executed,
}

/// Blocks that are executed and not written yet. Owned by the execution thread, the only one that writes.
pub struct PendingWrites {
    database: Arc<Database>,
    batch: WriteBatch,
    next_height: u64,
    // Changes of the pending blocks that no block asked about yet. Mostly none ever does: a block is written alone.
    recent: Vec<Arc<Vec<Change>>>,
    // What the pending blocks changed, over what the database holds.
    values: BTreeMap<StateKey, Option<Vec<u8>>>,
    dropped_hours: BTreeSet<u64>,
    dropped_codes: BTreeSet<u64>,
    located: BTreeSet<TransactionId>,
    // The last row of the epochs, written or pending.
    last_set: (u64, Vec<Validator>),
}

impl std::fmt::Debug for PendingWrites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PendingWrites").field("next_height", &self.next_height).finish_non_exhaustive()
    }
}

impl PendingWrites {
    /// Nothing pending above the database's tip.
    ///
    /// # Errors
    /// [`Error`] when the tip cannot be read.
    pub fn new(database: Arc<Database>) -> Result<Self, Error> {
        let view = database.view();
        let next_height = view.tip()?.height.saturating_add(1);
        let last_set = view.set_of(u64::MAX)?;
        drop(view);
        Ok(PendingWrites {
            database,
            batch: WriteBatch::default(),
            next_height,
            recent: Vec::new(),
            values: BTreeMap::new(),
            dropped_hours: BTreeSet::new(),
            dropped_codes: BTreeSet::new(),
            located: BTreeSet::new(),
            last_set,
        })
    }

    /// The height that comes next.
    #[must_use]
    pub fn next_height(&self) -> u64 {
        self.next_height
    }

    /// Bytes pending.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.batch.size_in_bytes()
    }

    /// Reads the values under `keys` (sorted) as of the last pending block, in one go.
    pub(crate) fn load(&mut self, keys: &[StateKey]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        for changes in std::mem::take(&mut self.recent) {
            self.remember(&changes);
        }
        let mut values = Vec::with_capacity(keys.len());
        let mut asked = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            let pending = self.values.get(key);
            if pending.is_none() && !self.is_dropped(key) {
                asked.push((place, key.to_bytes()));
            }
            values.push(pending.cloned().flatten());
        }
        let family = self.database.family(state::STATE)?;
        let found = self.database.rocks.batched_multi_get_cf(family, asked.iter().map(|(_, bytes)| bytes), true);
        for ((place, _), value) in asked.iter().zip(found) {
            let value = value.map_err(|source| self.database.failed("read the state", source))?;
            if let (Some(value), Some(slot)) = (value, values.get_mut(*place)) {
                *slot = Some(value.to_vec());
            }
        }
        Ok(values)
    }

    fn is_dropped(&self, key: &StateKey) -> bool {
        match key {
            StateKey::Transaction { hour, .. } => self.dropped_hours.contains(hour),
            StateKey::Code { hour, .. } => self.dropped_codes.contains(hour),
            StateKey::Point
            | StateKey::Participant(_)
            | StateKey::Asset(_)
            | StateKey::IdBucket(_)
            | StateKey::ReferenceBucket(_)
            | StateKey::Account(_)
            | StateKey::Validators
            | StateKey::Offence(_)
            | StateKey::Timed(_)
            | StateKey::Parameters
            | StateKey::Alias(_)
            | StateKey::Proposal(_)
            | StateKey::Protocol
            | StateKey::CodeBucket(_)
            | StateKey::Reference(_) => false,
        }
    }

    /// Adds an executed block.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] when it is not the next, and what reading says.
    pub fn add(&mut self, written: WrittenBlock<'_>) -> Result<(), Error> {
        let WrittenBlock { block, executed } = written;
        let height = block.block.height().get();
        if height != self.next_height || executed.height != height {
            return Err(Error::OutOfOrder {
                path: self.database.path.clone(),
                found: height,
                expected: self.next_height,
            });
        }
        self.put_block(block, executed)?;
        self.put_receipts(block, executed)?;
        self.database.put_changes(&mut self.batch, &executed.changes)?;
        self.recent.push(Arc::clone(&executed.changes));
        self.next_height = height.saturating_add(1);
        Ok(())
    }

    /// Records who validates from `set`'s epoch on; call it after [`PendingWrites::add`] of the block that ends the
    /// epoch
    /// before, so that one atomic write holds both. A set that stays as it was leaves no row. Says whether it wrote
    /// one.
    ///
    /// # Errors
    /// [`Error::EpochOutOfOrder`] when the last row is of this epoch or a later one and names others.
    pub fn begin_epoch(&mut self, set: &ValidatorSet) -> Result<bool, Error> {
        let members: Vec<Validator> = set.iter().map(|(_, validator)| validator.clone()).collect();
        let epoch = set.epoch().get();
        if self.last_set.1 == members {
            return Ok(false);
        }
        if epoch <= self.last_set.0 {
            let (path, expected) = (self.database.path.clone(), self.last_set.0.saturating_add(1));
            return Err(Error::EpochOutOfOrder { path, found: epoch, expected });
        }
        let family = self.database.family(epochs::EPOCHS)?;
        self.batch.put_cf(family, epochs::key(epoch), epochs::value(&members));
        self.last_set = (epoch, members);
        Ok(true)
    }

    fn put_block(&mut self, block: &FinalBlock, executed: &Executed) -> Result<(), Error> {
        let database = Arc::clone(&self.database);
        let key = blocks::key(executed.height);
        let outcome = outcome(block, executed);
        let certified = CertifiedBlock { block: block.block.clone(), certificate: block.certificate.clone() };
        self.batch.put_cf(database.family(blocks::BLOCKS)?, key, blocks::value(&certified));
        self.batch.put_cf(database.family(blocks::DIGESTS)?, blocks::digest_key(&block.block.digest()), key);
        self.batch.put_cf(database.family(outcomes::OUTCOMES)?, key, outcome.encode());
        let family = database.family(batches::BATCHES)?;
        for batch in &block.batches {
            self.batch.put_cf(family, batch.digest().as_bytes(), batch.raw().bytes());
        }
        let certificate: Option<QuorumCertificate> = Some(block.tip_certificate.clone());
        let tip = Tip { height: executed.height, certificate };
        self.batch.put_cf(database.family(metadata::METADATA)?, metadata::TIP, tip.encode());
        Ok(())
    }

    fn put_receipts(&mut self, block: &FinalBlock, executed: &Executed) -> Result<(), Error> {
        let database = Arc::clone(&self.database);
        let family = database.family(receipts::RECEIPTS)?;
        let places = places(&block.batches);
        for ((receipt, bytes), position) in executed.receipts.iter().zip(&executed.encoded).zip(&executed.positions) {
            let place = match position {
                None => Some(&receipts::OF_THE_BLOCK),
                Some(position) => usize::try_from(*position).ok().and_then(|position| places.get(position)),
            };
            let (batch, position) =
                place.ok_or_else(|| database.damaged(receipts::RECEIPTS, "a receipt of no batch"))?;
            let key = place_key(receipt.height, receipt.index);
            self.batch.put_cf(family, key, receipts::value(batch, *position, bytes));
            self.put_location(receipt.transaction, receipt.takes_id(), &key)?;
        }
        let family = database.family(history::HISTORY)?;
        for entry in &executed.history {
            self.batch.put_cf(family, history::key(&entry.account, entry.height, entry.index), []);
        }
        let family = database.family(khqr::KHQR)?;
        for payment in &executed.khqr {
            self.batch.put_cf(family, khqr::key(payment.md5(), payment.location.place()), payment.encode());
        }
        Ok(())
    }

    /// A receipt that takes no id must not hide one that is there.
    fn put_location(&mut self, transaction: TransactionId, takes_id: bool, place: &[u8]) -> Result<(), Error> {
        let family = self.database.family(transactions::TRANSACTIONS)?;
        let is_known = || {
            let stored = self.database.rocks.get_pinned_cf(family, transaction.as_bytes());
            stored.map(|value| value.is_some()).map_err(|source| self.database.failed("read", source))
        };
        if takes_id || !(self.located.contains(&transaction) || is_known()?) {
            self.batch.put_cf(family, transaction.as_bytes(), place);
            self.located.insert(transaction);
        }
        Ok(())
    }

    fn remember(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(key, value) => drop(self.values.insert(*key, Some(value.clone()))),
                Change::Delete(key) => drop(self.values.insert(*key, None)),
                Change::DropIds { hour } => {
                    self.dropped_hours.insert(*hour);
                    self.values.retain(|key, _| !matches!(key, StateKey::Transaction { hour: of, .. } if of == hour));
                }
                Change::DropCodes { hour } => {
                    self.dropped_codes.insert(*hour);
                    self.values.retain(|key, _| !matches!(key, StateKey::Code { hour: of, .. } if of == hour));
                }
                Change::ForgetReferences { .. } => {}
            }
        }
    }

    /// Writes and syncs all that is pending; `proofs` are the ledger's after the last of it. What it covers may be told
    /// once this returns.
    ///
    /// # Errors
    /// [`Error::Database`]; the process must then stop.
    pub fn commit(&mut self, proofs: ProofSource) -> Result<(), Error> {
        let batch = std::mem::take(&mut self.batch);
        self.database.commit(batch, proofs)?;
        self.recent.clear();
        self.values.clear();
        self.dropped_hours.clear();
        self.dropped_codes.clear();
        self.located.clear();
        Ok(())
    }
}

fn outcome(block: &FinalBlock, executed: &Executed) -> Outcome {
    Outcome {
        state_root: executed.state_root,
        receipts_root: executed.receipts_root,
        results_root: executed.results_root,
        time_ms: executed.timestamp_ms,
        receipts: u32::try_from(executed.receipts.len()).unwrap_or(u32::MAX),
        operations: executed.operations,
        applied: executed.applied,
        supply: executed.supply.iter().map(|(asset, supply)| (*asset, *supply)).collect(),
        batches: block.batches.iter().map(|batch| batch.digest()).collect(),
    }
}

/// For each transaction of a block, in order: its batch, and its place in that.
fn places(batches: &[Arc<Batch>]) -> Vec<(Digest, u32)> {
    let each = |batch: &Arc<Batch>| {
        let (digest, count) = (batch.digest(), u32::try_from(batch.transactions().len()).unwrap_or(u32::MAX));
        (0..count).map(move |position| (digest, position))
    };
    batches.iter().flat_map(each).collect()
}
