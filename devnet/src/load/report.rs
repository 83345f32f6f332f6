//! What the load prints: a bar while it runs, a report when it is done.

use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use tokio::task::JoinHandle;

use super::Pace;
use super::plan::Plan;
use super::tally::{Counts, Tally};
use super::verdict::{STRAGGLER_PATIENCE, Verdict};
use crate::amount::separated;
use crate::latency::LatencyMs;

/// Between two looks at the tally.
const REFRESH: Duration = Duration::from_millis(250);
/// Reasons that the report names.
const REASONS_SHOWN: usize = 5;

/// The bar on standard error; nothing where that is no terminal.
pub(super) struct Watch {
    bar: ProgressBar,
    task: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(plan: &Plan, tally: &Arc<Tally>, screen: &MultiProgress) -> Self {
        let bar = screen.add(ProgressBar::new(plan.transfers()));
        let template = "{bar:40} {pos}/{len} transfers  {msg}  {elapsed}";
        // The template is a constant, so it parses; the default style is as good if it did not.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let (shown, tally) = (bar.clone(), Arc::clone(tally));
        let task = tokio::spawn(async move {
            while !shown.is_finished() {
                tokio::time::sleep(REFRESH).await;
                if shown.is_hidden() {
                    continue;
                }
                let counts = tally.counts();
                shown.set_position(counts.submitted);
                let latency = |quantile| counts.latencies.at(quantile).unwrap_or(0.0);
                shown.set_message(format!(
                    "p50 {:.0} ms  p99 {:.0} ms  {} failed",
                    latency(0.5),
                    latency(0.99),
                    separated(counts.failed + counts.rejected)
                ));
            }
        });
        Watch { bar, task }
    }

    pub(super) fn finish(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

/// The report; its fields are the documented JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    validators: usize,
    /// What was asked for; none where it was as much as the network takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    rate: Option<u32>,
    batch: usize,
    submitted: u64,
    pub(super) finalized: u64,
    rejected: u64,
    pub(super) failed: u64,
    down: Vec<String>,
    pub(super) tps: f64,
    /// From the moment when it was meant to be sent to its final receipt.
    pub(super) latency_ms: LatencyMs,
    supply_ok: bool,
    roots_agree: bool,
    pub(super) rss_mb: Vec<u64>,
    #[serde(skip)]
    pace: Pace,
}

impl Report {
    pub(super) fn new(plan: &Plan, tally: &Tally, verdict: &Verdict) -> Self {
        let counts = tally.counts();
        let (rate, tps) = match plan.pace {
            Pace::Fixed { rate, .. } => (Some(rate), counts.steady_rate()),
            Pace::Flood { .. } => (None, counts.rate()),
        };
        Report {
            validators: verdict.validators,
            rate,
            batch: plan.batch,
            submitted: counts.submitted,
            finalized: counts.finalized,
            rejected: counts.rejected,
            failed: counts.failed,
            down: verdict.down.clone(),
            tps: (tps * 10.0).round() / 10.0,
            latency_ms: counts.latencies.percentiles(),
            supply_ok: verdict.supply_ok,
            roots_agree: verdict.roots_agree,
            rss_mb: verdict.rss_mb.clone(),
            pace: plan.pace,
        }
    }

    /// For people.
    pub(super) fn text(&self, verdict: &Verdict, tally: &Tally) -> String {
        let ms = |latency: Option<f64>| latency.map_or("-".to_owned(), |latency| format!("{latency:.1} ms"));
        let LatencyMs { p50, p90, p99, p999, max } = self.latency_ms;
        let mut lines = vec![
            format!("load       {}, batch {}, {} validators", asked(self.pace), self.batch, self.validators),
            format!(
                "transfers  {} submitted  {} finalized  {} rejected  {} failed  {:.0}/s",
                separated(self.submitted),
                separated(self.finalized),
                separated(self.rejected),
                separated(self.failed),
                self.tps
            ),
            format!(
                "latency    p50 {}  p90 {}  p99 {}  p99.9 {}  max {}  (intended sending to final receipt)",
                ms(p50),
                ms(p90),
                ms(p99),
                ms(p999),
                ms(max)
            ),
            format!(
                "checks     supply {} (full scan on every running node)  roots {} at block {}",
                if self.supply_ok { "ok" } else { "WRONG" },
                if self.roots_agree { "agree" } else { "DISAGREE" },
                verdict.height
            ),
            format!("memory     {} MiB", self.rss_mb.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")),
        ];
        if !self.down.is_empty() {
            lines.push(format!("down       {}", self.down.join(" ")));
        }
        lines.extend(reasons(&tally.counts()));
        lines.join("\n")
    }

    /// Why the exit status is 1; none when all is well.
    pub(super) fn complaint(&self, verdict: &Verdict) -> Option<String> {
        let mut complaints = Vec::new();
        if self.submitted == 0 {
            complaints.push("nothing was submitted".to_owned());
        }
        if self.failed > 0 {
            complaints.push(format!("{} transfers are not known to be final", separated(self.failed)));
        }
        complaints.extend(self.wrong(verdict));
        if complaints.is_empty() { None } else { Some(complaints.join("; ")) }
    }

    /// What must never be, however high the load; none when all is right.
    pub(super) fn wrong(&self, verdict: &Verdict) -> Option<String> {
        let mut complaints = Vec::new();
        if self.rejected > 0 {
            complaints.push(format!("{} transfers were rejected", separated(self.rejected)));
        }
        if !self.supply_ok {
            complaints.push("the supply was not confirmed on every running node".to_owned());
        }
        if !self.roots_agree {
            let patience = STRAGGLER_PATIENCE.as_secs();
            complaints.push(format!("the running nodes do not agree on one block within {patience} s"));
        }
        complaints.extend(verdict.complaints.iter().cloned());
        if complaints.is_empty() { None } else { Some(complaints.join("; ")) }
    }
}

fn asked(pace: Pace) -> String {
    match pace {
        Pace::Fixed { rate, span } => format!("{} transfers/s for {span:?}", separated(rate.into())),
        Pace::Flood { transfers } => format!("{} transfers, as many at a time as allowed", separated(transfers)),
    }
}

fn reasons(counts: &Counts) -> Vec<String> {
    let mut reasons: Vec<(&String, &u64)> = counts.reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    reasons.iter().take(REASONS_SHOWN).map(|(reason, count)| format!("  {} x {reason}", separated(**count))).collect()
}
