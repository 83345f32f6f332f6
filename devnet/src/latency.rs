//! Latencies that are counted as they happen, and their percentiles in milliseconds.
//!
//! Must not know: latencies of what.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// They are kept in microseconds, to three digits, up to ten minutes; above it they count as that.
const MAX_US: u64 = 600_000_000;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Latencies(Option<Histogram<u64>>);

/// Percentiles in milliseconds, to a hundredth; none without any latency.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct LatencyMs {
    pub(crate) p50: Option<f64>,
    pub(crate) p90: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    pub(crate) max: Option<f64>,
}

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        // The bounds are constants that the histogram takes.
        Latencies(Histogram::new_with_bounds(1, MAX_US, 3).ok())
    }

    /// Counts one latency, `times` times.
    pub(crate) fn record(&mut self, latency: Duration, times: u64) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(histogram) = &mut self.0 {
            histogram.saturating_record_n(us.max(1), times);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, Histogram::len)
    }

    /// The latency below which `quantile` of them are, in milliseconds.
    pub(crate) fn at(&self, quantile: f64) -> Option<f64> {
        let histogram = self.0.as_ref().filter(|histogram| !histogram.is_empty())?;
        // At most 6 * 10^8: exact.
        Some((histogram.value_at_quantile(quantile) as f64 / 10.0).round() / 100.0)
    }

    /// The usual ones.
    pub(crate) fn percentiles(&self) -> LatencyMs {
        let at = |quantile| self.at(quantile);
        LatencyMs { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_all_that_was_counted() {
        let mut latencies = Latencies::new();
        assert_eq!((latencies.count(), latencies.percentiles().p50), (0, None));
        (1..=100).for_each(|ms| latencies.record(Duration::from_millis(ms), 3));
        let LatencyMs { p50, p99, max, .. } = latencies.percentiles();
        assert_eq!(latencies.count(), 300);
        for (found, ms) in [(p50, 50.0), (p99, 99.0), (max, 100.0)] {
            assert!((found.unwrap() - ms).abs() <= ms / 1_000.0, "{found:?}, not {ms}");
        }
        latencies.record(Duration::MAX, 1);
        assert!((latencies.at(1.0).unwrap() - 600_000.0).abs() < 600.0, "what is beyond the bound counts as that");
    }
}
