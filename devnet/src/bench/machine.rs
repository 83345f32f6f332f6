//! What the machine could do at best, measured in the same run: every result is also shown as a ratio to it.
//!
//! Must not know: networks, scenarios.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tonle_crypto::{Domain, SecretKey, Strict, Verifier};

use super::StoreSpeed;

/// How long each speed is measured.
const SPAN: Duration = Duration::from_millis(400);
/// Syncs measured.
const SYNCS: usize = 200;
/// Bytes of a write before each.
const SYNCED_BYTES: usize = 4_096;
/// Bytes of a transaction of one transfer, about.
const MESSAGE_BYTES: usize = 200;

static PROBE: Domain = Domain::new("tonle v1 benchmark probe");

/// The machine; speeds are per second of one core.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Machine {
    /// The processor's name.
    cpu: String,
    /// Cores that may be used.
    pub(super) cores: usize,
    /// One write of 4 KiB and its fdatasync, in microseconds: the median and the 99th percentile.
    sync_us: Percentiles,
    /// Ed25519 signatures checked by the rule of the chain.
    pub(super) verify_per_second: f64,
    /// Digests of 200 bytes.
    blake3_per_second: f64,
    /// Puts that the store takes.
    store_puts_per_second: f64,
}

#[derive(Debug, Clone, Serialize)]
struct Percentiles {
    p50: f64,
    p99: f64,
}

impl Machine {
    /// Transactions a second of one transfer each that `validators` on this machine could check the signatures of, if
    /// they did nothing else: each checks each.
    pub(super) fn bound_tps(&self, validators: usize) -> f64 {
        self.cores as f64 * self.verify_per_second / validators.max(1) as f64
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        format!(
            "machine   {} x {}\n          sync of 4 KiB p50 {:.2} ms, p99 {:.2} ms; a core checks {:.0} signatures/s, hashes \
             {:.0} x 200 bytes/s, puts {:.0}/s\n          bound for single transfers, 4 validators: {:.0}/s",
            self.cores,
            self.cpu,
            self.sync_us.p50 / 1_000.0,
            self.sync_us.p99 / 1_000.0,
            self.verify_per_second,
            self.blake3_per_second,
            self.store_puts_per_second,
            self.bound_tps(4)
        )
    }
}

/// Measures, for about two seconds. `folder` is on the disk that the networks will use.
pub(super) fn measure(folder: &Path, store: StoreSpeed) -> Result<Machine> {
    let key = SecretKey::from_seed(&[7; 32]);
    let public = key.public();
    let message = [5u8; MESSAGE_BYTES];
    let signature = key.sign(&message);
    Ok(Machine {
        cpu: processor(),
        cores: std::thread::available_parallelism()?.get(),
        sync_us: syncs(&folder.join("sync-probe")).context("cannot measure the disk")?,
        verify_per_second: speed(|| Strict.verify(&public, &message, &signature).is_ok()),
        blake3_per_second: speed(|| PROBE.digest(&message).as_bytes()[0] < u8::MAX),
        store_puts_per_second: store(&folder.join("store-probe"))?,
    })
}

/// How often in a second.
fn speed(mut work: impl FnMut() -> bool) -> f64 {
    let start = Instant::now();
    let (mut count, mut kept) = (0u32, 0u32);
    while start.elapsed() < SPAN {
        for _ in 0..16 {
            // What is not used would not be computed.
            kept += u32::from(std::hint::black_box(work()));
            count += 1;
        }
    }
    std::hint::black_box(kept);
    f64::from(count) / start.elapsed().as_secs_f64()
}

fn syncs(path: &Path) -> Result<Percentiles> {
    let mut file = File::create(path)?;
    let page = [1u8; SYNCED_BYTES];
    let mut times = Vec::with_capacity(SYNCS);
    for number in 0..SYNCS {
        // Over the same megabyte again: as a log whose segments are there already.
        file.seek(SeekFrom::Start(u64::try_from(number % 256 * SYNCED_BYTES)?))?;
        let start = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
        (time.copied().unwrap_or_default().as_secs_f64() * 10_000_000.0).round() / 10.0
    };
    Ok(Percentiles { p50: at(50), p99: at(99) })
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    name.unwrap_or("a processor that does not say its name").to_owned()
}
