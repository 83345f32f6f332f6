//! Scenario g: a chain that grows by millions of transfers, in parts, and what each part took: rate, memory, disk; how long
//! a validator takes to start before and after; what a transfer leaves on the disk for good.
//!
//! Must not know: how a load is sent.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use super::Store;
use super::measure::{Sample, sample_of};
use super::network::Network;
use super::restart::{self, Restart};
use crate::amount::separated;
use crate::latency::LatencyMs;
use crate::load::{Demand, Pace};
use crate::screen::table;

/// Transactions without an answer: enough to keep the validators busy, few enough not to be refused.
const IN_FLIGHT: u32 = 32;
/// Of a block of a file, as the file system counts.
const BLOCK_BYTES: u64 = 512;

/// How far a chain is to grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) transfers: u64,
    /// Transfers in a transaction.
    pub(super) batch: usize,
    pub(super) parts: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Growth {
    pub(super) accounts: usize,
    /// Final transfers.
    pub(super) transfers: u64,
    pub(super) batch: usize,
    /// How long it took to found the network and open the accounts.
    pub(super) opened_s: f64,
    pub(super) parts: Vec<Part>,
    /// A validator that was killed, before the transfers and after them.
    pub(super) restart: Restarts,
    pub(super) disk: Disk,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Restarts {
    pub(super) begin: Restart,
    pub(super) end: Restart,
}

/// One part of the transfers.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Part {
    /// Final transfers so far.
    pub(super) transfers: u64,
    pub(super) tps: f64,
    /// From sending to the final receipt, with as many transactions under way as kept the validators busy.
    pub(super) latency_ms: LatencyMs,
    pub(super) failed: u64,
    /// Of each validator, after the part; its files as they lie, with logs and before compaction.
    pub(super) rss_mb: Vec<u64>,
    pub(super) disk_mb: Vec<u64>,
    pub(super) nodes_cpu_us: f64,
    pub(super) load_cpu_us: f64,
}

/// One validator's database, compacted: what all transfers left, indexes included.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Disk {
    /// Bytes before the transfers and after them.
    pub(super) begin: u64,
    pub(super) end: u64,
    pub(super) bytes_per_transfer: f64,
    /// The part of each table in it.
    pub(super) tables: BTreeMap<String, f64>,
}

/// Lets a network grow. `founded` is when it was begun.
///
/// # Errors
/// When the network fails, or what it did is wrong.
pub(super) async fn grow(
    network: &Network,
    extent: Extent,
    store: Store,
    founded: Instant,
    bar: &ProgressBar,
) -> Result<Growth> {
    let opened_s = (founded.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    let name = network.names().pop().context("a validator")?;
    bar.set_message(format!("g: {name} is killed and started"));
    let (begin, before) = restarted_and_compacted(network, &name, store).await?;
    let mut parts: Vec<Part> = Vec::new();
    for number in 0..extent.parts {
        bar.set_message(format!("g: part {} of {}", number + 1, extent.parts));
        let transfers = extent.transfers / extent.parts;
        let pace = Pace::Flood { transfers };
        let demand = Demand { pace, batch: extent.batch, in_flight: IN_FLIGHT, accounts: network.accounts };
        let sample = sample_of(network, &demand).await?;
        let so_far = parts.last().map_or(0, |part| part.transfers);
        parts.push(part(network, so_far, sample));
    }
    bar.set_message(format!("g: {name} is killed and started"));
    let (end, after) = restarted_and_compacted(network, &name, store).await?;
    let transfers = parts.last().map_or(0, |part| part.transfers);
    Ok(Growth {
        accounts: network.accounts.count,
        transfers,
        batch: extent.batch,
        opened_s,
        parts,
        restart: Restarts { begin, end },
        disk: Disk::between(&before, &after, transfers),
    })
}

fn part(network: &Network, so_far: u64, sample: Sample) -> Part {
    let folders = network.names().into_iter().map(|name| network.directory.data(&name));
    Part {
        transfers: so_far + sample.finalized,
        tps: sample.tps,
        latency_ms: sample.latency_ms,
        failed: sample.failed,
        rss_mb: sample.rss_mb,
        disk_mb: folders.map(|folder| folder_bytes(&folder).div_ceil(1 << 20)).collect(),
        nodes_cpu_us: sample.nodes_cpu_us,
        load_cpu_us: sample.load_cpu_us,
    }
}

/// Kills a validator and starts it as it is; then once more, its database compacted meanwhile.
async fn restarted_and_compacted(
    network: &Network,
    name: &str,
    store: Store,
) -> Result<(Restart, BTreeMap<String, u64>)> {
    restart::kill(network, name).await?;
    let took = restart::start(network, name).await?;
    restart::kill(network, name).await?;
    let data = network.directory.data(name);
    // Not as a task of its own, which would go on after Ctrl-C in a folder that is taken away.
    let tables = tokio::task::block_in_place(|| (store.compacted)(&data))?;
    restart::start(network, name).await?;
    Ok((took, tables))
}

impl Disk {
    fn between(before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, transfers: u64) -> Self {
        // Bytes and transfers are far below 2^52.
        let each =
            |before: u64, after: u64| ((after as f64 - before as f64) / transfers.max(1) as f64 * 10.0).round() / 10.0;
        let (begin, end) = (before.values().sum(), after.values().sum());
        let of = |table: &String| before.get(table).copied().unwrap_or(0);
        let tables = after.iter().map(|(table, bytes)| (table.clone(), each(of(table), *bytes))).collect();
        Disk { begin, end, bytes_per_transfer: each(begin, end), tables }
    }
}

/// What the files below a folder take. Files that go meanwhile do not count.
fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.blocks().saturating_mul(BLOCK_BYTES),
        Err(_) => 0,
    });
    bytes.sum()
}

impl Growth {
    /// Of the columns; memory and disk are the largest validator's.
    pub(super) const HEADINGS: [&str; 8] =
        ["transfers", "final/s", "p50 ms", "p99 ms", "CPU us: nodes", "load", "MiB", "disk MiB"];

    /// For people.
    pub(super) fn text(&self) -> String {
        [&[table(&Self::HEADINGS, &self.rows())], self.lines().as_slice()].concat().join("\n")
    }

    /// What the table does not say, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let restart = |when: &str, restart: &Restart| {
            format!(
                "Start-up {when} the transfers: serves after {:.1} s, caught up after {:.1} s, signs after {:.1} s.",
                restart.serves_s, restart.caught_up_s, restart.signs_s
            )
        };
        let seen = self.disk.tables.iter().filter(|(_, bytes)| bytes.abs() >= 0.1);
        let tables: Vec<String> = seen.map(|(table, bytes)| format!("{table} {bytes}")).collect();
        let accounts = separated(self.accounts.try_into().unwrap_or(u64::MAX));
        vec![
            format!("{accounts} accounts, open {} s after the network was founded.", self.opened_s),
            restart("before", &self.restart.begin),
            restart("after", &self.restart.end),
            format!("Disk: {} bytes a transfer, compacted ({}).", self.disk.bytes_per_transfer, tables.join(", ")),
        ]
    }

    /// A row for each part, under [`Growth::HEADINGS`].
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
        let most = |values: &[u64]| values.iter().max().map_or("-".to_owned(), u64::to_string);
        let row = |part: &Part| {
            vec![
                separated(part.transfers),
                format!("{:.0}", part.tps),
                ms(part.latency_ms.p50),
                ms(part.latency_ms.p99),
                format!("{:.1}", part.nodes_cpu_us),
                format!("{:.1}", part.load_cpu_us),
                most(&part.rss_mb),
                most(&part.disk_mb),
            ]
        };
        self.parts.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Disk, folder_bytes};

    #[test]
    fn a_transfer_costs_what_all_of_them_added() {
        let tables = |state: u64, receipts: u64| {
            BTreeMap::from([("state".to_owned(), state), ("receipts".to_owned(), receipts)])
        };
        let disk = Disk::between(&tables(1_000, 0), &tables(900, 4_100), 10);
        assert!((disk.bytes_per_transfer - 400.0).abs() < 1e-9);
        assert!((disk.tables["state"] + 10.0).abs() < 1e-9, "what was rewritten may shrink");
        assert!((disk.tables["receipts"] - 410.0).abs() < 1e-9);
        assert_eq!((disk.begin, disk.end), (1_000, 5_000));
    }

    #[test]
    fn a_folder_is_all_that_is_below_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        std::fs::write(folder.path().join("below/file"), vec![1u8; 1 << 16]).unwrap();
        std::fs::write(folder.path().join("file"), vec![1u8; 1 << 16]).unwrap();
        assert!(folder_bytes(folder.path()) >= 1 << 17);
        assert_eq!(folder_bytes(&folder.path().join("gone")), 0);
    }
}
