//! What the benchmark says: tables for people, one JSON object for machines.
//!
//! Must not know: how anything was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use super::machine::Machine;
use super::measure::Point;
use super::scenario::Scenario;
use crate::amount::separated;
use crate::screen::table;

/// Everything; its fields are the documented JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    scenarios: BTreeMap<String, Measured>,
}

/// What a scenario found.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    what: &'static str,
    /// The highest rate that held, where it was looked for: its fields stand beside these.
    #[serde(flatten)]
    best: Option<Point>,
    /// Each rate that was measured.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    points: Vec<Point>,
}

impl Report {
    /// Nothing measured yet.
    pub(super) fn new(machine: Machine) -> Self {
        Report { machine, scenarios: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, scenario: Scenario, measured: Measured) {
        self.scenarios.insert(scenario.to_string(), measured);
    }
}

impl Measured {
    pub(super) fn new(what: &'static str, best: Option<Point>, points: Vec<Point>) -> Self {
        Measured { what, best, points }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let headings = [
            "",
            "validators",
            "asked/s",
            "in one",
            "final/s",
            "of bound",
            "p50 ms",
            "p99 ms",
            "spread of p99",
            "CPU us: nodes",
            "load",
            "MiB",
        ];
        let rows: Vec<Vec<String>> = self.points.iter().chain(&self.best).map(row).collect();
        table(&headings, &rows)
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
        format!("{:.0}", point.nodes_cpu_us),
        format!("{:.0}", point.load_cpu_us),
        point.rss_mb.iter().max().map_or("-".to_owned(), u64::to_string),
    ]
}
