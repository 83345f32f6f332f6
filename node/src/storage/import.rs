//! Founding a database from a snapshot instead of genesis. It is built beside the database's place and moved there when it
//! is whole, so that a crash in the middle leaves nothing behind but a folder that the next start removes.
//!
//! It must not know where the pieces come from: they are verified before they get here, and the whole once more at the end.

use std::path::{Path, PathBuf};

use rocksdb::{WriteBatch, WriteOptions};
use tonle_consensus::{Block, Boundary, Checkpoint, QuorumCertificate};
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::{Change, Genesis, Point, StateKey};
use tonle_replica::{CertifiedBlock, validators};

use super::snapshot::encode_boundaries;
use super::tables::{self, Outcome, Tip, blocks, epochs, metadata, outcomes};
use super::{Database, Error, database};
use crate::segment;

/// A database under construction.
pub struct Import {
    data: PathBuf,
    database: Database,
}

/// What the database begins with besides the state: all of it verified.
#[derive(Debug, Clone, Copy)]
pub struct Begun<'a> {
    /// The last block of an epoch.
    pub block: &'a Block,
    /// Its certificate of finality.
    pub certificate: &'a QuorumCertificate,
    /// Roots after it.
    pub checkpoint: Checkpoint,
    /// Root of its receipts.
    pub receipts_root: Digest,
    /// The boundaries from genesis to it, ascending; it is the last one.
    pub boundaries: &'a [Boundary],
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("data", &self.data).finish_non_exhaustive()
    }
}

fn partial(data: &Path) -> PathBuf {
    data.join("db.partial")
}

impl Import {
    /// Removes what an import that did not end left under `data`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn clear(data: &Path) -> Result<(), Error> {
        let path = partial(data);
        match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, "remove", source)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Begins a database under `data`, where there is none.
    ///
    /// # Errors
    /// [`Error`].
    pub fn begin(data: &Path, cache_bytes: usize) -> Result<Self, Error> {
        Self::clear(data)?;
        let database = Database::open_tables(partial(data), cache_bytes)?;
        Ok(Import { data: data.to_path_buf(), database })
    }

    /// Adds values of the state, in any order. Twice the same does no harm.
    ///
    /// # Errors
    /// [`Error`].
    pub fn put(&self, values: Vec<(StateKey, Vec<u8>)>) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        let changes: Vec<Change> = values.into_iter().map(|(key, value)| Change::Put(key, value)).collect();
        self.database.put_changes(&mut batch, &changes)?;
        // Not synced: nothing of it counts before the last write, which syncs the log as a whole.
        self.database.rocks.write(batch).map_err(|source| self.database.failed("write a chunk of state", source))
    }

    /// Checks the whole state against the roots begun with, and puts the database in its place.
    ///
    /// # Errors
    /// [`Error::Ledger`] for a state that does not hash to the root or does not add up; then nothing was put in place.
    pub fn finish(self, genesis: &Genesis, begun: Begun<'_>) -> Result<(), Error> {
        let Import { data, database } = self;
        let chain = genesis.digest();
        let (header, checkpoint) = (begun.block.header(), begun.checkpoint);
        let point = Point {
            chain,
            height: header.height().get(),
            time_ms: header.timestamp().get(),
            state_root: checkpoint.state_root,
            results_root: checkpoint.results_root,
        };
        let mut batch = WriteBatch::default();
        database.put_changes(&mut batch, &[Change::Put(StateKey::Point, point.encode())])?;
        database.rocks.write(batch).map_err(|source| database.failed("write the point", source))?;
        let supply = database.load(genesis)?.supply().into_iter().collect();
        let outcome = Outcome {
            state_root: checkpoint.state_root,
            receipts_root: begun.receipts_root,
            results_root: checkpoint.results_root,
            time_ms: point.time_ms,
            receipts: 0,
            operations: 0,
            applied: 0,
            supply,
            batches: Vec::new(),
        };
        let key = blocks::key(point.height);
        let entry = CertifiedBlock { block: begun.block.clone(), certificate: Some(begun.certificate.clone()) };
        let tip = Tip { height: point.height, certificate: Some(begun.certificate.clone()) };
        let mut batch = WriteBatch::default();
        batch.put_cf(database.family(outcomes::OUTCOMES)?, key, outcome.encode());
        batch.put_cf(database.family(blocks::DIGESTS)?, blocks::digest_key(&begun.block.digest()), key);
        batch.put_cf(database.family(blocks::BLOCKS)?, key, blocks::value(&entry));
        put_sets(&database, &mut batch, genesis, begun.boundaries)?;
        let about = database.family(metadata::METADATA)?;
        batch.put_cf(about, metadata::SCHEMA, tables::SCHEMA_VERSION.to_be_bytes());
        batch.put_cf(about, metadata::GENESIS, chain.as_bytes());
        batch.put_cf(about, metadata::BEGUN, encode_boundaries(begun.boundaries));
        batch.put_cf(about, metadata::TIP, tip.encode());
        let mut options = WriteOptions::default();
        options.set_sync(true);
        database.rocks.write_opt(batch, &options).map_err(|source| database.failed("write the snapshot", source))?;
        // Closed before it is moved: it knows its files by name.
        let from = database.path.clone();
        drop(database);
        let to = database::directory(&data);
        std::fs::rename(&from, &to).map_err(|source| Error::io(&to, "put the database in its place", source))?;
        segment::sync_directory(&data)
    }
}

/// The validators of genesis, and those of each epoch that began with others.
fn put_sets(
    database: &Database,
    batch: &mut WriteBatch,
    genesis: &Genesis,
    boundaries: &[Boundary],
) -> Result<(), Error> {
    let family = database.family(epochs::EPOCHS)?;
    let mut before = validators(&genesis.validators);
    batch.put_cf(family, epochs::key(0), epochs::value(&before));
    for boundary in boundaries.iter().filter(|_| genesis.epoch_length > 0) {
        if boundary.validators != before {
            before.clone_from(&boundary.validators);
            let epoch = boundary.header.height().get() / genesis.epoch_length;
            batch.put_cf(family, epochs::key(epoch), epochs::value(&before));
        }
    }
    Ok(())
}
