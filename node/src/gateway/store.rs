//! The gateway's own database: a second RocksDB in the data folder, apart from the one that blocks are committed to.
//!
//! ```text
//! <data_dir>/merchants/
//!   about     "schema" -> | version u32 |
//!             "chain"  -> | chain digest 32 |
//!             "height" -> | height u64 |                      every enrolled account is indexed up to there
//!   accounts  | account | -> nothing                          enrolled: payments of the account are indexed
//!   tokens    | digest of the token 32 | -> | record |        drawn in tokens/record.rs
//!   payments  drawn in index/entry.rs
//!   links     | id 16 | -> | record |                         drawn in links/record.rs
//!   hooks     drawn in hooks/book.rs
//!   administration.sock                                       where the node's host issues tokens
//! ```
//! `accounts`, `payments` and "height" follow from final blocks. Integers are big-endian.
//!
//! Must not know: what the values mean, or HTTP.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBRecoveryMode, Direction,
    IteratorMode, LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};
use tonle_crypto::Digest;

/// The folder below the data folder.
pub(super) const FOLDER: &str = "merchants";
/// The version of all layouts of this database together.
const SCHEMA_VERSION: u32 = 1;
/// The block cache, in bytes; all memory of this database stays below this and two write buffers for each table.
const CACHE_BYTES: usize = 8 << 20;
/// One memtable, in bytes.
const WRITE_BUFFER_BYTES: usize = 2 << 20;
/// The log is kept to about this size.
const LOG_BYTES: u64 = 16 << 20;

/// A column family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    About,
    Accounts,
    Tokens,
    Payments,
    Links,
    Hooks,
}

impl Table {
    const ALL: [Table; 6] = [Table::About, Table::Accounts, Table::Tokens, Table::Payments, Table::Links, Table::Hooks];

    const fn name(self) -> &'static str {
        match self {
            Table::About => "about",
            Table::Accounts => "accounts",
            Table::Tokens => "tokens",
            Table::Payments => "payments",
            Table::Links => "links",
            Table::Hooks => "hooks",
        }
    }
}

/// Why the gateway's database does not serve.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// RocksDB failed.
    #[error("cannot {action} the merchants' database {path}")]
    Rocks {
        /// The database.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What RocksDB said.
        #[source]
        source: rocksdb::Error,
    },
    /// The folder cannot be made.
    #[error("cannot make the folder {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A value does not decode.
    #[error("the merchants' database {path} is damaged: {what}; tokens are in it, so restore it from a backup")]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The node's own database could not be read.
    #[error("the node's database could not be read")]
    Node(#[source] Box<crate::storage::Error>),
    /// It was written by another version of the program.
    #[error("{path} has layout {found}, and this program writes {SCHEMA_VERSION}: run the version that wrote it")]
    Schema {
        /// The database.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
    /// It belongs to another chain.
    #[error("{path} belongs to the chain {found}: its tokens are good for accounts of that one; move it away")]
    OtherChain {
        /// The database.
        path: PathBuf,
        /// The chain found.
        found: Digest,
    },
}

impl From<crate::storage::Error> for StoreError {
    fn from(error: crate::storage::Error) -> Self {
        StoreError::Node(Box::new(error))
    }
}

/// Writes that happen together or not at all.
#[derive(Default)]
pub(super) struct Changes(Vec<(Table, Vec<u8>, Option<Vec<u8>>)>);

impl Changes {
    pub(super) fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> &mut Self {
        self.0.push((table, key.into(), Some(value.into())));
        self
    }

    pub(super) fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) -> &mut Self {
        self.0.push((table, key.into(), None));
        self
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The open database. Shared between threads.
pub(super) struct Store {
    rocks: DB,
    path: PathBuf,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database under `data`, or makes it for `chain`.
    pub(super) fn open(data: &Path, chain: Digest) -> Result<Self, StoreError> {
        let path = data.join(FOLDER);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|source| StoreError::Folder { path: path.clone(), source })?;
        let cache = Cache::new_lru_cache(CACHE_BYTES);
        let tables = Table::ALL.map(|table| ColumnFamilyDescriptor::new(table.name(), table_options(&cache)));
        let rocks = DB::open_cf_descriptors(&options(), &path, tables).map_err(|source| StoreError::Rocks {
            path: path.clone(),
            action: "open",
            source,
        })?;
        let store = Store { rocks, path };
        store.check_owner(chain)?;
        Ok(store)
    }

    fn check_owner(&self, chain: Digest) -> Result<(), StoreError> {
        let Some(schema) = self.get(Table::About, b"schema")? else {
            let mut changes = Changes::default();
            changes.put(Table::About, *b"schema", SCHEMA_VERSION.to_be_bytes());
            changes.put(Table::About, *b"chain", *chain.as_bytes());
            return self.write_synced(changes);
        };
        let found = <[u8; 4]>::try_from(schema.as_slice()).map(u32::from_be_bytes);
        let found = found.map_err(|_| self.damaged("its version does not decode"))?;
        if found != SCHEMA_VERSION {
            return Err(StoreError::Schema { path: self.path.clone(), found });
        }
        let found = self.get(Table::About, b"chain")?.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok());
        match found.map(Digest::from_bytes) {
            Some(found) if found == chain => Ok(()),
            Some(found) => Err(StoreError::OtherChain { path: self.path.clone(), found }),
            None => Err(self.damaged("its chain does not decode")),
        }
    }

    pub(super) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.rocks.get_cf(self.family(table)?, key).map_err(|source| self.failed("read", source))
    }

    /// Shows the entries whose key begins with `prefix`, ascending from `from`, until `visit` says `false`.
    pub(super) fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let family = self.family(table)?;
        let mode = IteratorMode::From(from, Direction::Forward);
        for entry in self.rocks.iterator_cf_opt(family, ReadOptions::default(), mode) {
            let (key, value) = entry.map_err(|source| self.failed("read", source))?;
            if !key.starts_with(prefix) || !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    /// Writes; what a crash may lose of it follows from blocks again.
    pub(super) fn write(&self, changes: Changes) -> Result<(), StoreError> {
        self.apply(changes, false)
    }

    /// Writes and syncs.
    pub(super) fn write_synced(&self, changes: Changes) -> Result<(), StoreError> {
        self.apply(changes, true)
    }

    fn apply(&self, changes: Changes, synced: bool) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (table, key, value) in changes.0 {
            let family = self.family(table)?;
            match value {
                Some(value) => batch.put_cf(family, key, value),
                None => batch.delete_cf(family, key),
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(synced);
        self.rocks.write_opt(batch, &options).map_err(|source| self.failed("write to", source))
    }

    pub(super) fn damaged(&self, what: &'static str) -> StoreError {
        StoreError::Damaged { path: self.path.clone(), what }
    }

    fn failed(&self, action: &'static str, source: rocksdb::Error) -> StoreError {
        StoreError::Rocks { path: self.path.clone(), action, source }
    }

    fn family(&self, table: Table) -> Result<&ColumnFamily, StoreError> {
        self.rocks.cf_handle(table.name()).ok_or_else(|| self.damaged("a table is missing"))
    }
}

fn options() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_open_files(64);
    options.set_max_background_jobs(1);
    options.set_max_total_wal_size(LOG_BYTES);
    // As for blocks: only the unsynced end of the log may be torn.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(2);
    options.set_max_log_file_size(1 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn table_options(cache: &Cache) -> Options {
    let mut format = BlockBasedOptions::default();
    format.set_block_cache(cache);
    format.set_cache_index_and_filter_blocks(true);
    format.set_format_version(6);
    let mut options = Options::default();
    options.set_block_based_table_factory(&format);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    options.set_compression_type(DBCompressionType::Lz4);
    options
}

#[cfg(test)]
mod tests {
    use super::{Changes, Store, StoreError, Table};
    use tonle_crypto::Digest;

    #[test]
    fn a_store_of_another_chain_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let store = Store::open(folder.path(), ours).unwrap();
        let mut changes = Changes::default();
        changes.put(Table::Accounts, *b"shop@aba", *b"");
        store.write_synced(changes).unwrap();
        drop(store);
        assert!(
            matches!(Store::open(folder.path(), theirs), Err(StoreError::OtherChain { found, .. }) if found == ours)
        );
        let store = Store::open(folder.path(), ours).unwrap();
        assert_eq!(store.get(Table::Accounts, b"shop@aba").unwrap(), Some(Vec::new()));
    }
}
