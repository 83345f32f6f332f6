//! What the benchmark says: tables for people, one JSON object for machines.
//!
//! Must not know: how anything was measured.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Serialize;

use super::growth::Growth;
use super::idle::Idle;
use super::machine::Machine;
use super::measure::{Point, Tried};
use super::overload::Overload;
use super::reads::Read;
use super::scenario::Scenario;
use crate::amount::separated;
use crate::founding::now_ms;
use crate::screen::table;

/// Everything; its fields are the documented JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of the sources in the folder that it was run from; none where git knows none.
    pub(super) commit: Option<String>,
    /// When it was begun, milliseconds since the Unix epoch.
    pub(super) begun_ms: u64,
    pub(super) machine: Machine,
    pub(super) scenarios: BTreeMap<String, Measured>,
}

/// What a scenario found.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) what: &'static str,
    /// The highest rate that held, where it was looked for: its fields stand beside these.
    #[serde(flatten)]
    pub(super) best: Option<Point>,
    /// Each rate that was measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) points: Vec<Point>,
    /// Each rate that was tried on the way to the highest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tried: Vec<Tried>,
    /// Scenario g.
    #[serde(flatten)]
    pub(super) growth: Option<Growth>,
    /// Scenario h.
    #[serde(flatten)]
    pub(super) beside: Option<Beside>,
    /// Scenario a: what the network took before anything was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle: Option<Idle>,
    /// Scenario b: twice the highest rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) overload: Option<Overload>,
}

/// Reads beside a load.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    pub(super) reads: Vec<Read>,
    /// Finality's 99th percentile with reads over that without.
    pub(super) p99_ratio: Option<f64>,
}

impl Beside {
    pub(super) fn of(reads: Vec<Read>, without: &Point, with: &Point) -> Self {
        let p99s = with.latency_ms.p99.zip(without.latency_ms.p99.filter(|p99| *p99 > 0.0));
        Beside { reads, p99_ratio: p99s.map(|(with, without)| (with / without * 1_000.0).round() / 1_000.0) }
    }

    /// A row for each kind of read, under [`Beside::HEADINGS`].
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let row = |read: &Read| {
            let [p50, p90, p99, p999] =
                [read.latency_ms.p50, read.latency_ms.p90, read.latency_ms.p99, read.latency_ms.p999]
                    .map(|value| value.map_or("-".to_owned(), |value| format!("{value:.2}")));
            let rows = read.rows.map_or(String::new(), |rows| format!(" of {rows:.0} rows"));
            let kind = format!("{}{rows}", read.kind);
            vec![
                kind,
                read.per_second.to_string(),
                read.answered.to_string(),
                read.failed.to_string(),
                p50,
                p90,
                p99,
                p999,
            ]
        };
        self.reads.iter().map(row).collect()
    }

    /// Of the columns.
    pub(super) const HEADINGS: [&str; 8] =
        ["read", "asked/s", "answered", "failed", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms"];

    /// For people.
    pub(super) fn ratio(&self) -> String {
        let ratio = self.p99_ratio.map_or("-".to_owned(), |ratio| format!("{:.0} %", ratio * 100.0));
        format!("finality p99 with reads: {ratio} of that without")
    }
}

impl Report {
    /// Nothing measured yet.
    pub(super) fn new(machine: Machine) -> Self {
        Report { commit: commit(), begun_ms: now_ms(), machine, scenarios: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, scenario: Scenario, measured: Measured) {
        self.scenarios.insert(scenario.to_string(), measured);
    }

    /// The highest rate that a scenario found; none when it was not run, or none held.
    pub(super) fn highest(&self, scenario: Scenario) -> Option<u32> {
        let best = self.scenarios.get(&scenario.to_string())?.best.as_ref()?;
        best.held.then_some(best.rate)
    }
}

/// What git calls the sources here.
fn commit() -> Option<String> {
    let output = Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| output.status.success() && !text.is_empty())
}

impl Measured {
    /// Nothing yet.
    pub(super) fn new(what: &'static str) -> Self {
        Measured {
            what,
            best: None,
            points: Vec::new(),
            tried: Vec::new(),
            growth: None,
            beside: None,
            idle: None,
            overload: None,
        }
    }

    /// A row for each point, under [`Measured::HEADINGS`].
    pub(super) fn rows(&self) -> Vec<Vec<String>> {
        let overload = self.overload.as_ref().map(|overload| &overload.point);
        self.points.iter().chain(&self.best).chain(overload).map(row).collect()
    }

    /// Of the columns: the longest time between two final receipts, what was told to try later; memory is the largest
    /// validator's.
    pub(super) const HEADINGS: [&str; 14] = [
        "",
        "validators",
        "asked/s",
        "in one",
        "final/s",
        "of bound",
        "p50 ms",
        "p99 ms",
        "spread of p99",
        "gap ms",
        "turned away",
        "CPU us: nodes",
        "load",
        "MiB",
    ];

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut parts = Vec::new();
        let rows = self.rows();
        if !rows.is_empty() {
            parts.push(table(&Self::HEADINGS, &rows));
        } else if self.growth.is_none() {
            parts.push("no rate held".to_owned());
        }
        parts.extend(self.growth.as_ref().map(Growth::text));
        if let Some(beside) = &self.beside {
            parts.push(table(&Beside::HEADINGS, &beside.rows()));
            parts.push(beside.ratio());
        }
        parts.extend(self.idle.as_ref().map(Idle::text));
        parts.extend(self.overload.as_ref().map(Overload::text));
        parts.join("\n")
    }
}

fn row(point: &Point) -> Vec<String> {
    let ms = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let [least, most] = point.spread.p99_ms;
    vec![
        point.name.clone(),
        point.validators.to_string(),
        separated(point.rate.into()),
        separated(u64::try_from(point.batch).unwrap_or(u64::MAX)),
        format!("{:.0}", point.tps),
        point.ratio.map_or(String::new(), |ratio| format!("{:.0} %", ratio * 100.0)),
        ms(point.latency_ms.p50),
        ms(point.latency_ms.p99),
        format!("{least:.0} to {most:.0}"),
        format!("{:.0}", point.gap_ms),
        separated(point.turned_away),
        format!("{:.0}", point.nodes_cpu_us),
        format!("{:.0}", point.load_cpu_us),
        point.rss_mb.iter().max().map_or("-".to_owned(), u64::to_string),
    ]
}
