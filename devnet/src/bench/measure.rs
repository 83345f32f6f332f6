//! One measurement: a rate of transfers on a running network for a while, several times, and what it took.
//!
//! Must not know: which scenario it belongs to.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;

use super::network::Network;
use crate::latency::LatencyMs;
use crate::load::{self, Demand, Pace};
use crate::process::cpu_time;

/// Below this, in milliseconds, the 99th percentile must stay for a rate to hold.
const P99_MAX_MS: f64 = 1_000.0;
/// The part of the asked rate that must be reached for it to hold.
const REACHED: f64 = 0.95;
/// Most transactions without an answer.
const IN_FLIGHT: u32 = 8_192;

/// One run at a rate.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) finalized: u64,
    pub(super) tps: f64,
    pub(super) latency_ms: LatencyMs,
    pub(super) failed: u64,
    /// The longest time between two final receipts.
    pub(super) gap_ms: f64,
    /// Transfers that a node was too busy to take, each as often as that happened.
    pub(super) turned_away: u64,
    pub(super) rss_mb: Vec<u64>,
    /// Processor time of all validators together, and of the load, in microseconds for each final transfer.
    pub(super) nodes_cpu_us: f64,
    pub(super) load_cpu_us: f64,
}

/// A rate, measured several times: medians, and the least and the most of each.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Point {
    /// What was special about it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    pub(super) validators: usize,
    /// Transfers a second that were asked for, and in one transaction.
    pub(super) rate: u32,
    pub(super) batch: usize,
    pub(super) runs: usize,
    /// Did the network carry the rate in every run?
    pub(super) held: bool,
    /// Final transfers a second.
    pub(super) tps: f64,
    /// What checking signatures alone would allow on this machine, and the part of it that was reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bound_tps: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
    /// From the moment when it was meant to be sent to its final receipt.
    pub(super) latency_ms: LatencyMs,
    pub(super) spread: Spread,
    /// Transfers not known to be final.
    pub(super) failed: u64,
    /// The longest time between two final receipts, of all runs.
    pub(super) gap_ms: f64,
    /// Answers that said RESOURCE_EXHAUSTED, in transfers.
    pub(super) turned_away: u64,
    pub(super) rss_mb: Vec<u64>,
    /// Processor time for each final transfer, in microseconds: all validators together, and the load.
    pub(super) nodes_cpu_us: f64,
    pub(super) load_cpu_us: f64,
}

/// A rate that a search tried, once: the shape of latency over the rate.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Tried {
    pub(super) validators: usize,
    pub(super) rate: u32,
    pub(super) batch: usize,
    pub(super) held: bool,
    pub(super) tps: f64,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
}

impl Tried {
    pub(super) fn of(validators: usize, (rate, batch): (u32, usize), sample: &Sample) -> Self {
        let LatencyMs { p50: p50_ms, p99: p99_ms, .. } = sample.latency_ms;
        Tried { validators, rate, batch, held: sample.held(rate), tps: sample.tps, p50_ms, p99_ms }
    }
}

/// The least and the most of the runs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Spread {
    pub(super) tps: [f64; 2],
    pub(super) p50_ms: [f64; 2],
    pub(super) p99_ms: [f64; 2],
}

impl Sample {
    /// Did the network carry the rate?
    pub(super) fn held(&self, rate: u32) -> bool {
        self.failed == 0
            && self.tps >= f64::from(rate) * REACHED
            && self.latency_ms.p99.is_some_and(|p99| p99 < P99_MAX_MS)
    }
}

/// Sends `rate` transfers a second in transactions of `batch` for `span`.
///
/// # Errors
/// As [`sample_of`].
pub(super) async fn sample(network: &Network, rate: u32, batch: usize, span: Duration) -> Result<Sample> {
    sample_of(network, &at_rate(network, rate, batch, span)).await
}

/// `rate` transfers a second in transactions of `batch` for `span`.
pub(super) fn at_rate(network: &Network, rate: u32, batch: usize, span: Duration) -> Demand {
    Demand { pace: Pace::Fixed { rate, span }, batch, in_flight: IN_FLIGHT, accounts: network.accounts }
}

/// Sends what is demanded.
///
/// # Errors
/// When the load cannot run, and when what the network did is wrong: rates may be missed, money and roots may not.
pub(super) async fn sample_of(network: &Network, demand: &Demand) -> Result<Sample> {
    sample_beside(network, demand, std::future::pending()).await
}

/// Sends what is demanded while something else runs beside it, which does not end by itself. The load's processor time
/// includes it.
///
/// # Errors
/// As [`sample_of`].
pub(super) async fn sample_beside(
    network: &Network,
    demand: &Demand,
    beside: impl Future<Output = ()>,
) -> Result<Sample> {
    let processes = network.processes();
    let times = || -> Vec<Option<Duration>> { processes.iter().map(|process| cpu_time(*process)).collect() };
    let own = || cpu_time(std::process::id()).unwrap_or_default();
    let (nodes_before, own_before) = (times(), own());
    let client = network.client()?;
    let sent = tokio::select! {
        sent = load::send(&network.directory, &client, demand, &network.screen) => sent?,
        () = beside => bail!("what runs beside the load ended"),
    };
    // One that was killed meanwhile is left out.
    let (nodes_after, load) = (times(), own().saturating_sub(own_before));
    let alive = nodes_after.iter().zip(&nodes_before).filter_map(|(after, before)| after.zip(*before));
    let nodes = alive.map(|(after, before)| after.saturating_sub(before)).sum();
    let outcome = sent.judged(&network.directory, &client).await;
    if let Some(wrong) = outcome.wrong() {
        bail!("{:?} in transactions of {}: {wrong}", demand.pace, demand.batch);
    }
    let each = |time: Duration| (time.as_secs_f64() * 10_000_000.0 / outcome.finalized().max(1) as f64).round() / 10.0;
    Ok(Sample {
        finalized: outcome.finalized(),
        tps: outcome.tps(),
        latency_ms: outcome.latency_ms(),
        failed: outcome.failed(),
        gap_ms: outcome.longest_gap_ms(),
        turned_away: outcome.turned_away(),
        rss_mb: outcome.rss_mb().to_vec(),
        nodes_cpu_us: each(nodes),
        load_cpu_us: each(load),
    })
}

impl Point {
    /// Sums up runs at one rate; `bound_tps` where signatures bound it. None without runs.
    pub(super) fn of(
        name: &str,
        validators: usize,
        (rate, batch): (u32, usize),
        samples: &[Sample],
        bound_tps: Option<f64>,
    ) -> Option<Self> {
        let over = |value: fn(&Sample) -> f64| {
            let mut values: Vec<f64> = samples.iter().map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let median = |value: fn(&Sample) -> f64| {
            let values = over(value);
            values.get(values.len() / 2).copied()
        };
        let ends = |value: fn(&Sample) -> f64| {
            let values = over(value);
            [values.first().copied().unwrap_or(0.0), values.last().copied().unwrap_or(0.0)]
        };
        let latency = |part: fn(&LatencyMs) -> Option<f64>| {
            let mut values: Vec<f64> = samples.iter().filter_map(|sample| part(&sample.latency_ms)).collect();
            values.sort_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let tps = median(|sample| sample.tps)?;
        Some(Point {
            name: name.to_owned(),
            validators,
            rate,
            batch,
            runs: samples.len(),
            held: samples.iter().all(|sample| sample.held(rate)),
            tps,
            bound_tps: bound_tps.map(f64::round),
            ratio: bound_tps.map(|bound| (tps / bound * 1_000.0).round() / 1_000.0),
            latency_ms: LatencyMs {
                p50: latency(|latency| latency.p50),
                p90: latency(|latency| latency.p90),
                p99: latency(|latency| latency.p99),
                p999: latency(|latency| latency.p999),
                max: latency(|latency| latency.max),
            },
            spread: Spread {
                tps: ends(|sample| sample.tps),
                p50_ms: ends(|sample| sample.latency_ms.p50.unwrap_or(0.0)),
                p99_ms: ends(|sample| sample.latency_ms.p99.unwrap_or(0.0)),
            },
            failed: samples.iter().map(|sample| sample.failed).sum(),
            gap_ms: samples.iter().map(|sample| sample.gap_ms).fold(0.0, f64::max),
            turned_away: samples.iter().map(|sample| sample.turned_away).sum(),
            rss_mb: samples.iter().max_by_key(|sample| sample.rss_mb.iter().max()).map(|most| most.rss_mb.clone())?,
            nodes_cpu_us: median(|sample| sample.nodes_cpu_us)?,
            load_cpu_us: median(|sample| sample.load_cpu_us)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Point, Sample};
    use crate::latency::LatencyMs;

    fn sample(tps: f64, p99: f64) -> Sample {
        let latency_ms =
            LatencyMs { p50: Some(p99 / 2.0), p90: None, p99: Some(p99), p999: None, max: Some(p99 * 2.0) };
        Sample {
            finalized: 1_000,
            tps,
            latency_ms,
            failed: 0,
            gap_ms: p99 * 3.0,
            turned_away: 2,
            rss_mb: vec![40, 50],
            nodes_cpu_us: 900.0,
            load_cpu_us: 100.0,
        }
    }

    #[test]
    fn a_rate_holds_when_it_is_reached_in_time_and_nothing_is_lost() {
        assert!(sample(960.0, 999.0).held(1_000));
        assert!(!sample(940.0, 100.0).held(1_000));
        assert!(!sample(1_000.0, 1_000.0).held(1_000));
        assert!(!Sample { failed: 1, ..sample(1_000.0, 10.0) }.held(1_000));
    }

    #[test]
    fn a_point_is_the_median_and_the_spread_of_its_runs() {
        let samples = [sample(980.0, 40.0), sample(1_000.0, 90.0), sample(990.0, 20.0)];
        let point = Point::of("", 4, (1_000, 1), &samples, Some(4_000.0)).unwrap();
        assert_eq!((point.tps, point.ratio, point.latency_ms.p99), (990.0, Some(0.248), Some(40.0)));
        assert_eq!((point.spread.tps, point.spread.p99_ms), ([980.0, 1_000.0], [20.0, 90.0]));
        assert_eq!((point.runs, point.held, point.latency_ms.p90), (3, true, None));
        assert_eq!((point.gap_ms, point.turned_away), (270.0, 6));
        let slow = [sample(1_000.0, 90.0), sample(940.0, 90.0)];
        assert!(!Point::of("", 4, (1_000, 1), &slow, None).unwrap().held, "one run fell short");
        assert!(Point::of("", 4, (1, 1), &[], None).is_none());
    }
}
