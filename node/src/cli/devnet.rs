//! `tonle devnet`: networks of validators on this machine. The devnet library does the work.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rocksdb::{DB, WriteBatch};
use tonle_devnet::bench::Store;
pub(crate) use tonle_devnet::commands::Command;
use tonle_node::data_directory::DataDirectory;
use tonle_node::storage::compacted_bytes;

/// Puts in one write: about a block's.
const PUTS: u32 = 1_000;
const SCATTER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
const VALUE: [u8; 100] = [7; 100];
/// How long the store is measured.
const SPAN: Duration = Duration::from_millis(500);

/// Runs a subcommand.
pub(crate) fn run(command: Command) -> Result<()> {
    tonle_devnet::commands::run(command, Store { puts_per_second, compacted })
}

/// Puts under random keys that RocksDB takes in a second of one core, with its write-ahead log and without a sync.
fn puts_per_second(folder: &Path) -> Result<f64> {
    let database = DB::open_default(folder)?;
    let start = Instant::now();
    let mut count = 0u32;
    while start.elapsed() < SPAN {
        let mut batch = WriteBatch::default();
        for number in count..count + PUTS {
            // Odd, so that no key comes twice; large, so that they come in no order.
            let key = u128::from(number).wrapping_mul(SCATTER).to_be_bytes();
            batch.put(key, VALUE);
        }
        database.write(batch)?;
        count += PUTS;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// The bytes of each table of a node that is down, once compacted.
fn compacted(data: &Path) -> Result<BTreeMap<String, u64>> {
    let bytes = compacted_bytes(&DataDirectory::open(data)?)?;
    Ok(bytes.into_iter().map(|(table, bytes)| (table.to_owned(), bytes)).collect())
}
