//! What the database of a node that is down takes once everything in it is compacted: for the benchmark, which asks what a
//! transfer costs for good. It must not know what the tables mean.

use std::collections::BTreeMap;

use rocksdb::{BottommostLevelCompaction, CompactOptions};

use super::{Database, Error, database, tables};
use crate::data_directory::DataDirectory;

/// Sizes of a table's live files: keys and values, then values kept apart.
const SIZES: [&str; 2] = ["rocksdb.live-sst-files-size", "rocksdb.live-blob-file-size"];
/// Reads go past the cache; the smallest that RocksDB works well with.
const CACHE_BYTES: usize = 8 << 20;

/// Compacts every table, and answers the bytes of each one's live files. The directory's lock says that no process runs on
/// it. No reference is forgotten: the ledger's horizon is not known here.
///
/// # Errors
/// [`Error`] when the database does not open, or does not tell.
pub fn compacted_bytes(data: &DataDirectory) -> Result<BTreeMap<&'static str, u64>, Error> {
    let opened = Database::open_tables(database::directory(data.path()), CACHE_BYTES)?;
    let mut options = CompactOptions::default();
    options.set_bottommost_level_compaction(BottommostLevelCompaction::ForceOptimized);
    let mut bytes = BTreeMap::new();
    for table in tables::ALL {
        let family = opened.family(table)?;
        opened.rocks.compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
        let mut total = 0u64;
        for size in SIZES {
            let found = opened.rocks.property_int_value_cf(family, size);
            let found = found.map_err(|source| opened.failed("measure a table", source))?;
            total = total.saturating_add(found.ok_or_else(|| opened.damaged(table, "it has no size"))?);
        }
        bytes.insert(table, total);
    }
    Ok(bytes)
}
