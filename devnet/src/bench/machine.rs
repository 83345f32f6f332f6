//! What the machine could do at best, measured in the same run: every result is also shown as a ratio to it.
//!
//! Must not know: networks, scenarios.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use tonle_crypto::{Domain, SecretKey, Signature, Strict, Verifier};

use super::Store;

/// How long each speed is measured.
const SPAN: Duration = Duration::from_millis(400);
/// How long the machine is looked at before anything is measured.
const IDLE_SPAN: Duration = Duration::from_secs(1);
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
    /// Memory, MiB.
    memory_mb: Option<u64>,
    kernel: Option<String>,
    pub(super) noise: Noise,
}

/// What else used the machine.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Noise {
    /// The part of all cores that was busy for a second before anything was measured.
    pub(super) busy_before: f64,
    /// The part of all cores that the hypervisor gave to others while it was measured.
    pub(super) stolen: f64,
    /// Signatures that a core checked in a second after everything, over those before: below 1, the machine was slower
    /// then.
    pub(super) verify_after: f64,
    #[serde(skip)]
    begun: Ticks,
}

/// Ticks of all cores since the machine started, as /proc/stat has them.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let fields = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
        // user, nice, system, idle, iowait, irq, softirq, steal; guests' time stands in user's already.
        let fields: Vec<u64> = fields.take(8).filter_map(|field| field.parse().ok()).collect();
        let at = |place: usize| fields.get(place).copied().unwrap_or(0);
        Ticks { all: fields.iter().sum(), idle: at(3) + at(4), stolen: at(7) }
    }

    /// The part of all ticks since `before` that `count` counts.
    fn part(self, before: Self, count: impl Fn(Self) -> u64) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        // Ticks are far below 2^52.
        (count(self).saturating_sub(count(before)) as f64 / all as f64 * 1_000.0).round() / 1_000.0
    }
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

    /// Measures again what may have changed since.
    pub(super) fn measured_after(&mut self) {
        let (key, message, signature) = signed();
        let public = key.public();
        let after = speed(|| Strict.verify(&public, &message, &signature).is_ok());
        self.noise.verify_after = (after / self.verify_per_second * 1_000.0).round() / 1_000.0;
        self.noise.stolen = Ticks::now().part(self.noise.begun, |ticks| ticks.stolen);
    }

    /// In a row of a table: what it is.
    pub(super) fn name(&self) -> String {
        let memory = self.memory_mb.map_or(String::new(), |mb| format!(", {} GiB", mb.div_ceil(1_024)));
        let kernel = self.kernel.as_ref().map_or(String::new(), |kernel| format!(", Linux {kernel}"));
        format!("{} cores of {}{memory}{kernel}", self.cores, self.cpu)
    }

    /// For people: what else used it.
    pub(super) fn noise_text(&self) -> String {
        let Noise { busy_before, stolen, verify_after, .. } = self.noise;
        format!(
            "before: {:.0} % of the cores busy; during: {:.1} % stolen; after: signatures checked at {:.0} % of the speed before",
            busy_before * 100.0,
            stolen * 100.0,
            verify_after * 100.0
        )
    }

    /// For people: its speeds.
    pub(super) fn speeds(&self) -> String {
        format!(
            "sync of 4 KiB p50 {:.2} ms, p99 {:.2} ms; a core checks {:.0} signatures/s, hashes {:.0} x 200 bytes/s, puts {:.0}/s",
            self.sync_us.p50 / 1_000.0,
            self.sync_us.p99 / 1_000.0,
            self.verify_per_second,
            self.blake3_per_second,
            self.store_puts_per_second
        )
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        format!(
            "machine   {}\n          {}\n          bound for single transfers, 4 validators: {:.0}/s",
            self.name(),
            self.speeds(),
            self.bound_tps(4)
        )
    }
}

fn signed() -> (SecretKey, [u8; MESSAGE_BYTES], Signature) {
    let key = SecretKey::from_seed(&[7; 32]);
    let message = [5u8; MESSAGE_BYTES];
    let signature = key.sign(&message);
    (key, message, signature)
}

/// Measures, for about three seconds. `folder` is on the disk that the networks will use.
pub(super) fn measure(folder: &Path, store: Store) -> Result<Machine> {
    let idle = Ticks::now();
    std::thread::sleep(IDLE_SPAN);
    let begun = Ticks::now();
    let busy_before = begun.part(idle, |ticks| ticks.all.saturating_sub(ticks.idle));
    let (key, message, signature) = signed();
    let public = key.public();
    Ok(Machine {
        cpu: processor(),
        cores: std::thread::available_parallelism()?.get(),
        sync_us: syncs(&folder.join("sync-probe")).context("cannot measure the disk")?,
        verify_per_second: speed(|| Strict.verify(&public, &message, &signature).is_ok()),
        blake3_per_second: speed(|| PROBE.digest(&message).as_bytes()[0] < u8::MAX),
        store_puts_per_second: (store.puts_per_second)(&folder.join("store-probe"))?,
        memory_mb: memory_mb(),
        kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").ok().map(|text| text.trim().to_owned()),
        noise: Noise { busy_before, stolen: 0.0, verify_after: 1.0, begun },
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

fn memory_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.div_ceil(1_024))
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    name.unwrap_or("a processor that does not say its name").to_owned()
}

#[cfg(test)]
mod tests {
    use super::Ticks;

    #[test]
    fn noise_is_a_part_of_the_ticks_between_two_looks() {
        let before = Ticks { all: 1_000, idle: 500, stolen: 10 };
        let after = Ticks { all: 1_400, idle: 800, stolen: 30 };
        assert!((after.part(before, |ticks| ticks.stolen) - 0.05).abs() < 1e-9);
        assert!((after.part(before, |ticks| ticks.all - ticks.idle) - 0.25).abs() < 1e-9);
        let now = Ticks::now();
        assert!(now.all > now.idle && now.idle > 0, "{now:?}");
        assert!(Ticks::now().part(now, |ticks| ticks.all) <= 1.0);
    }
}
