//! What a network takes that has nothing to order: a heartbeat is a block all the same.
//!
//! Must not know: what is measured on the network afterwards.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::network::Network;
use crate::process::cpu_time;

/// How long a network that was busy is left alone first: blocks that follow the last transfer are its cost, not idleness'.
pub(super) const SETTLING: Duration = Duration::from_secs(2);

/// What it took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Idle {
    pub(super) span_s: f64,
    /// Of each validator, in percent of one core.
    pub(super) core_percent: Vec<f64>,
    /// Blocks that were made meanwhile.
    pub(super) blocks: u64,
}

impl Idle {
    /// Looks at a network to which nothing is sent, for `span`.
    ///
    /// # Errors
    /// When no node answers.
    pub(super) async fn measure(network: &Network, span: Duration) -> Result<Self> {
        sleep(SETTLING).await;
        let client = network.client()?;
        let processes = network.processes();
        let height = client.status().await?.latest_height;
        let times = || -> Vec<Duration> { processes.iter().filter_map(|process| cpu_time(*process)).collect() };
        let (begun, before) = (Instant::now(), times());
        sleep(span).await;
        let (after, took) = (times(), begun.elapsed());
        let blocks = client.status().await?.latest_height.saturating_sub(height);
        Ok(Idle::of(&before, &after, took, blocks))
    }

    fn of(before: &[Duration], after: &[Duration], took: Duration, blocks: u64) -> Self {
        let round = |value: f64| (value * 100.0).round() / 100.0;
        let share = |(before, after): (&Duration, &Duration)| {
            round(after.saturating_sub(*before).as_secs_f64() / took.as_secs_f64() * 100.0)
        };
        Idle { span_s: round(took.as_secs_f64()), core_percent: before.iter().zip(after).map(share).collect(), blocks }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let shares: Vec<String> = self.core_percent.iter().map(|share| format!("{share:.1}")).collect();
        format!(
            "Nothing to order for {:.0} s: {} % of a core for the validators, {} blocks",
            self.span_s,
            shares.join(", "),
            self.blocks
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Idle;

    #[test]
    fn a_share_is_of_one_core() {
        let ms = |times: [u64; 2]| times.map(Duration::from_millis);
        let idle = Idle::of(&ms([500, 70]), &ms([600, 70]), Duration::from_secs(10), 9);
        assert_eq!(idle, Idle { span_s: 10.0, core_percent: vec![1.0, 0.0], blocks: 9 });
    }
}
