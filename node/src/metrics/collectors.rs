//! Numbers that are read at each scrape instead of being kept: this process's, and RocksDB's.

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::DatabaseProperty;

/// RocksDB's integer properties that are scraped, the metric each becomes, and what it says.
const DATABASE_PROPERTIES: [(&str, &str, &str); 6] = [
    ("rocksdb.estimate-live-data-size", "tonle_database_live_data_bytes", "Live data in RocksDB, estimated"),
    ("rocksdb.total-sst-files-size", "tonle_database_files_bytes", "Size of RocksDB's files"),
    ("rocksdb.cur-size-all-mem-tables", "tonle_database_memtables_bytes", "Size of RocksDB's memtables"),
    ("rocksdb.block-cache-usage", "tonle_database_block_cache_bytes", "What RocksDB's block cache holds"),
    (
        "rocksdb.estimate-pending-compaction-bytes",
        "tonle_database_pending_compaction_bytes",
        "What RocksDB has yet to compact",
    ),
    ("rocksdb.is-write-stopped", "tonle_database_write_stopped", "1 while RocksDB refuses writes until it compacted"),
];
/// The unit of utime and stime in /proc/PID/stat: USER_HZ is 100 on every Linux architecture that Rust targets.
const TICKS_PER_SECOND: f64 = 100.0;

/// Properties of the database, once there is one. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Database(pub(super) Arc<OnceLock<Box<DatabaseProperty>>>);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Database")
    }
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: u64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
}

impl Collector for Database {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(property) = self.0.get() else { return Ok(()) };
        for (key, name, help) in DATABASE_PROPERTIES {
            if let Some(value) = property(key) {
                gauge(&mut encoder, name, help, value)?;
            }
        }
        Ok(())
    }
}

/// This process, under the names that Prometheus's own clients use.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some(bytes) = resident_bytes() {
            gauge(&mut encoder, "process_resident_memory_bytes", "Resident memory", bytes)?;
        }
        if let Ok(descriptors) = std::fs::read_dir("/proc/self/fd") {
            let count = u64::try_from(descriptors.count()).unwrap_or(u64::MAX);
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", count)?;
        }
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            let help = "User and system CPU time spent";
            counter.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

/// `VmRSS:   12345 kB` in /proc/self/status.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// utime and stime, the 14th and 15th fields of /proc/self/stat; the second, in brackets, may hold spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}
