//! The database itself: opening, checking what is there, founding what is not, and the shared handles to read by.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rocksdb::{Cache, ColumnFamily, DB, WriteBatch, WriteOptions};
use tonle_consensus::{Block, Checkpoint, Height};
use tonle_crypto::{Canonical, Digest, Strict};
use tonle_ledger::{AccountId, AccountProof, Audit, Change, Executor, Genesis, Judge, Point, ProofSource, audit};
use tonle_replica::{CertifiedBlock, MisbehaviourJudge, validators};

use super::forgetting::{Forgetting, HeldReferences};
use super::tables::{self, Outcome, Tip, blocks, epochs, metadata, outcomes, state};
use super::{Error, View, options, write};

/// The open database. Shared between threads; one of them writes.
pub struct Database {
    pub(super) rocks: DB,
    pub(super) path: PathBuf,
    pub(super) forgetting: Arc<Forgetting>,
    // Written together with the state, under its lock: whoever reads both sees the same height.
    proofs: RwLock<ProofSource>,
}

/// What opening gives.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub database: Arc<Database>,
    /// The ledger at the database's last block, its state's root and supply checked.
    pub executor: Executor,
    /// Was it founded just now?
    pub created: bool,
}

impl Database {
    /// Is there a database under `data`? Ask before the guard file is opened, and open that first: whoever finds a
    /// database without a guard then knows that the guard is lost.
    #[must_use]
    pub fn exists(data: &Path) -> bool {
        directory(data).join("CURRENT").exists()
    }

    /// Opens the database under `data`, or founds it from `genesis`. `genesis_block` makes the block of height 0 from
    /// the roots after genesis. `cache_bytes` bounds the block cache.
    ///
    /// # Errors
    /// [`Error`], among them [`Error::SchemaVersion`], [`Error::GenesisMismatch`] and [`Error::Ledger`] for a state
    /// that does not hash to its recorded root or does not add up.
    pub fn open(
        data: &Path,
        genesis: &Genesis,
        cache_bytes: usize,
        genesis_block: impl FnOnce(Checkpoint) -> Block,
    ) -> Result<Opened, Error> {
        let path = directory(data);
        let created = !Self::exists(data);
        let database = Self::open_tables(path, cache_bytes)?;
        let chain = genesis.digest();
        let founded = database.check_owner(chain)?;
        let executor = if founded { database.load(genesis)? } else { database.found(genesis, chain, genesis_block)? };
        database.check_point(executor.point())?;
        *database.proofs.write().unwrap_or_else(PoisonError::into_inner) = executor.proofs();
        Ok(Opened { database: Arc::new(database), executor, created })
    }

    /// Opens the tables in `path`, whatever is in them.
    pub(super) fn open_tables(path: PathBuf, cache_bytes: usize) -> Result<Self, Error> {
        let forgetting = Arc::<Forgetting>::default();
        let cache = Cache::new_lru_cache(cache_bytes);
        let families = options::tables(&tables::ALL, &cache, forgetting.allowed());
        let rocks = DB::open_cf_descriptors(&options::database(), &path, families)
            .map_err(|source| Error::database(&path, "open the database", source))?;
        Ok(Database { rocks, path, forgetting, proofs: RwLock::default() })
    }

    /// Keeps instruction references that the ledger lets go of from now on, for as long as the value lives: for who goes
    /// on reading a [`View`] of this moment. Compaction does not heed views.
    #[must_use]
    pub fn hold_references(&self) -> HeldReferences {
        self.forgetting.hold()
    }

    /// The database's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A consistent snapshot to read from. Keep it short: what it sees cannot be compacted away.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Proves an account as of the state after `height`; `None` when that is not among the last executed heights.
    ///
    /// # Errors
    /// [`Error`] when the account cannot be read.
    pub fn prove_account(&self, height: u64, account: AccountId) -> Result<Option<AccountProof>, Error> {
        let (source, view) = {
            let source = self.proofs.read().unwrap_or_else(PoisonError::into_inner);
            (source.clone(), self.view())
        };
        let current = view.state_value(&tonle_ledger::StateKey::Account(account))?;
        Ok(source.prove_account(height, account, current.as_deref()))
    }

    /// Scans the whole state of one snapshot and compares the supply of each asset with the sum of all balances and
    /// holds. Takes seconds for millions of accounts; execution goes on meanwhile.
    ///
    /// # Errors
    /// [`Error::Ledger`] when they differ.
    pub fn audit(&self) -> Result<Audit, Error> {
        self.view().scan(|values| audit(values))
    }

    /// A RocksDB property, for metrics; `None` when there is no such.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<u64> {
        let sum = |total: Option<u64>, table| {
            let value = self.rocks.property_int_value_cf(self.rocks.cf_handle(table)?, name).ok().flatten()?;
            Some(total.unwrap_or(0).saturating_add(value))
        };
        // What belongs to the whole database is the same in every table.
        if name.contains("block-cache") || name.contains("num-snapshots") {
            return self.rocks.property_int_value(name).ok().flatten();
        }
        tables::ALL.into_iter().fold(None, |total, table| sum(total, table).or(total))
    }

    pub(super) fn family(&self, table: &'static str) -> Result<&ColumnFamily, Error> {
        self.rocks.cf_handle(table).ok_or_else(|| self.damaged(table, "the table is missing"))
    }

    pub(super) fn damaged(&self, table: &'static str, what: &'static str) -> Error {
        Error::Damaged { path: self.path.clone(), table, what }
    }

    pub(super) fn failed(&self, action: &'static str, source: rocksdb::Error) -> Error {
        Error::database(&self.path, action, source)
    }

    pub(super) fn ledger(&self, source: tonle_ledger::Fatal) -> Error {
        Error::Ledger { path: self.path.clone(), source }
    }

    /// Writes and syncs `batch`, and shows `proofs` with it.
    pub(super) fn commit(&self, batch: WriteBatch, proofs: ProofSource) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        let mut shown = self.proofs.write().unwrap_or_else(PoisonError::into_inner);
        self.rocks.write_opt(batch, &options).map_err(|source| self.failed("write a block", source))?;
        *shown = proofs;
        Ok(())
    }

    /// False when there is nothing yet.
    fn check_owner(&self, chain: Digest) -> Result<bool, Error> {
        let view = self.view();
        let Some(version) = view.metadata(metadata::SCHEMA)? else { return Ok(false) };
        let version = <[u8; 4]>::try_from(version.as_slice())
            .map_err(|_| self.damaged(metadata::METADATA, "the schema version does not decode"))?;
        let found = u32::from_be_bytes(version);
        if found != tables::SCHEMA_VERSION {
            let expected = tables::SCHEMA_VERSION;
            return Err(Error::SchemaVersion { path: self.path.clone(), found, expected });
        }
        let found = view.metadata(metadata::GENESIS)?.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        let found = found.map(Digest::from_bytes);
        match found {
            Some(found) if found == chain => Ok(true),
            Some(found) => Err(Error::GenesisMismatch { path: self.path.clone(), found, expected: chain }),
            None => Err(self.damaged(metadata::METADATA, "the chain digest does not decode")),
        }
    }

    pub(super) fn load(&self, genesis: &Genesis) -> Result<Executor, Error> {
        self.view().scan(|values| Executor::open(genesis, values, judge()))
    }

    fn found(
        &self,
        genesis: &Genesis,
        chain: Digest,
        genesis_block: impl FnOnce(Checkpoint) -> Block,
    ) -> Result<Executor, Error> {
        let (executor, changes) = Executor::create(genesis, judge()).map_err(|source| self.ledger(source))?;
        let point = executor.point();
        let outcome = Outcome {
            state_root: point.state_root,
            receipts_root: Digest::ZERO,
            results_root: point.results_root,
            time_ms: point.time_ms,
            receipts: 0,
            operations: 0,
            applied: 0,
            supply: executor.supply().into_iter().collect(),
            batches: Vec::new(),
        };
        let block = genesis_block(outcome.checkpoint(0));
        let mut batch = WriteBatch::default();
        self.put_changes(&mut batch, &changes)?;
        batch.put_cf(self.family(outcomes::OUTCOMES)?, blocks::key(0), outcome.encode());
        batch.put_cf(self.family(blocks::DIGESTS)?, blocks::digest_key(&block.digest()), blocks::key(0));
        let value = blocks::value(&CertifiedBlock { block, certificate: None });
        batch.put_cf(self.family(blocks::BLOCKS)?, blocks::key(0), value);
        let about = self.family(metadata::METADATA)?;
        batch.put_cf(about, metadata::SCHEMA, tables::SCHEMA_VERSION.to_be_bytes());
        batch.put_cf(about, metadata::GENESIS, chain.as_bytes());
        let first = epochs::value(&validators(&genesis.validators));
        batch.put_cf(self.family(epochs::EPOCHS)?, epochs::key(0), first);
        batch.put_cf(about, metadata::TIP, Tip { height: 0, certificate: None }.encode());
        self.commit(batch, executor.proofs())?;
        Ok(executor)
    }

    pub(super) fn put_changes(&self, batch: &mut WriteBatch, changes: &[Change]) -> Result<(), Error> {
        write::put_changes(batch, self.family(state::STATE)?, &self.forgetting, changes);
        Ok(())
    }

    /// Tip, outcome and state were written together, so they agree.
    fn check_point(&self, point: &Point) -> Result<(), Error> {
        let view = self.view();
        let tip = view.tip()?;
        let outcome = view.outcome(tip.height)?;
        let block = view.block(tip.height)?;
        let agree = outcome.is_some_and(|outcome| {
            let checkpoint = outcome.checkpoint(point.height);
            checkpoint.state_root == point.state_root && checkpoint.results_root == point.results_root
        });
        let in_place = block.is_some_and(|block| block.block.height() == Height::new(point.height));
        if agree && in_place && tip.height == point.height {
            Ok(())
        } else {
            Err(self.damaged(metadata::METADATA, "the tip, its block and the state are not of one height"))
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Who says what a report of misbehaviour proves.
fn judge() -> Arc<dyn Judge> {
    Arc::new(MisbehaviourJudge(Strict))
}

pub(super) fn directory(data: &Path) -> PathBuf {
    data.join("db")
}
