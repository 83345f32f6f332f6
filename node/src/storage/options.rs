//! RocksDB's settings, with the reason for each. Memory is bounded: block cache + write buffers + 256 open files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::compaction_filter::Decision;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, DBRecoveryMode, LogLevel, Options};

use super::tables::{batches, blocks, receipts, state, transactions};

/// All memtables together; beyond it the largest is flushed.
const WRITE_BUFFERS_BYTES: usize = 32 << 20;
/// One memtable.
const WRITE_BUFFER_BYTES: usize = 8 << 20;
/// The log is kept to about this size, so that a restart reads little.
const LOG_BYTES: u64 = 128 << 20;
/// Batches from this size on lie in blob files.
const BLOB_BYTES: u64 = 4 << 10;

pub(super) fn database() -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_max_open_files(256);
    options.set_max_background_jobs(2);
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(LOG_BYTES);
    // Every write is synced before it counts, so only the unsynced end of the log may be torn. RocksDB's default would
    // also open with a corrupt middle, and silently forget all synced blocks after it.
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    // RocksDB's own text log.
    options.set_log_level(LogLevel::Warn);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(4 << 20);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

/// One descriptor for each table. References taken before `forget_before_ms` may go.
pub(super) fn tables(
    names: &[&'static str],
    cache: &Cache,
    forget_before_ms: &Arc<AtomicU64>,
) -> Vec<ColumnFamilyDescriptor> {
    names.iter().map(|name| ColumnFamilyDescriptor::new(*name, table(name, cache, forget_before_ms))).collect()
}

fn table(name: &str, cache: &Cache, forget_before_ms: &Arc<AtomicU64>) -> Options {
    let mut format = BlockBasedOptions::default();
    format.set_block_cache(cache);
    // Index and filter blocks count as cache, so that they are bounded too.
    format.set_cache_index_and_filter_blocks(true);
    format.set_pin_l0_filter_and_index_blocks_in_cache(true);
    format.set_format_version(6);
    if [state::STATE, transactions::TRANSACTIONS, blocks::DIGESTS, batches::BATCHES].contains(&name) {
        // Looked up by keys that are mostly not there, such as new transaction ids.
        format.set_bloom_filter(10.0, false);
    }
    let mut options = Options::default();
    options.set_block_based_table_factory(&format);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_max_write_buffer_number(2);
    if [state::STATE, transactions::TRANSACTIONS].contains(&name) {
        // A memtable is a skip list: a key that is not there costs as much as one that is, unless a filter says so.
        options.set_memtable_whole_key_filtering(true);
        options.set_memtable_prefix_bloom_ratio(0.05);
    }
    options.set_level_compaction_dynamic_level_bytes(true);
    options.set_compression_type(DBCompressionType::Lz4);
    if [receipts::RECEIPTS, blocks::BLOCKS].contains(&name) {
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
    }
    if name == batches::BATCHES {
        options.set_enable_blob_files(true);
        options.set_min_blob_size(BLOB_BYTES);
        options.set_blob_compression_type(DBCompressionType::Lz4);
        options.set_enable_blob_gc(true);
    }
    if name == state::STATE {
        let before = Arc::clone(forget_before_ms);
        options.set_compaction_filter("forget references", move |_, key, value| {
            if state::is_forgotten(key, value, before.load(Ordering::Relaxed)) {
                Decision::Remove
            } else {
                Decision::Keep
            }
        });
    }
    options
}
