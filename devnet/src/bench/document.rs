//! The results as a page in Markdown and a plot beside it, to be kept with the sources.
//!
//! Must not know: how anything was measured.

use std::path::Path;

use anyhow::{Context, Result};

use super::growth::Growth;
use super::idle::Idle;
use super::measure::Tried;
use super::overload::Overload;
use super::plot::{Curve, draw};
use super::report::{Beside, Measured, Report};
use crate::screen::utc;

const PAGE: &str = "results.md";
const PLOT: &str = "latency.svg";
/// Scenarios whose points make the curve of single transfers, and of batched ones.
const SINGLE: [&str; 2] = ["a", "b"];
const BATCHED: [&str; 1] = ["c"];

/// Writes both into `folder`; no plot where no rate was measured.
///
/// # Errors
/// When the file system refuses.
pub(super) fn write(folder: &Path, report: &Report) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let plot = plot(report);
    let save = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    if let Some(plot) = &plot {
        save(PLOT, plot)?;
    }
    save(PAGE, &page(report, plot.is_some()))
}

fn page(report: &Report, plotted: bool) -> String {
    let machine = &report.machine;
    let mut out = format!(
        "# Results\n\nWritten by `tonle devnet bench --write`; [benchmark.md](benchmark.md) says what the scenarios are.\n\n\
         | | |\n|---|---|\n| commit | {} |\n| begun | {} UTC |\n| machine | {} |\n| its speeds | {} |\n\
         | bound of single transfers, 4 validators | {:.0}/s |\n| noise | {} |\n",
        report.commit.as_deref().unwrap_or("unknown"),
        utc(report.begun_ms),
        machine.name(),
        machine.speeds(),
        machine.bound_tps(4),
        machine.noise_text()
    );
    if plotted {
        out.push_str(&format!("\n![Latency over the rate]({PLOT})\n"));
    }
    for (letter, measured) in &report.scenarios {
        out.push_str(&format!("\n## {letter}: {}\n", measured.what));
        out.push_str(&section(measured));
    }
    out
}

fn section(measured: &Measured) -> String {
    let mut out = String::new();
    let rows = measured.rows();
    if !rows.is_empty() {
        out.push_str(&markdown(&Measured::HEADINGS, &rows));
    } else if measured.growth.is_none() {
        out.push_str("\nNo rate held.\n");
    }
    if let Some(growth) = &measured.growth {
        out.push_str(&markdown(&Growth::HEADINGS, &growth.rows()));
        for line in growth.lines() {
            out.push_str(&format!("\n{line}\n"));
        }
    }
    if let Some(beside) = &measured.beside {
        out.push_str(&markdown(&Beside::HEADINGS, &beside.rows()));
        out.push_str(&format!("\n{}.\n", beside.ratio()));
    }
    let lines =
        measured.idle.as_ref().map(Idle::text).into_iter().chain(measured.overload.as_ref().map(Overload::text));
    for line in lines {
        out.push_str(&format!("\n{line}.\n"));
    }
    out
}

fn markdown(headings: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &mut dyn Iterator<Item = &str>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    let mut out = format!("\n{}", line(&mut headings.iter().copied()));
    out.push_str(&line(&mut headings.iter().map(|_| "---")));
    for row in rows {
        out.push_str(&line(&mut row.iter().map(String::as_str)));
    }
    out
}

fn plot(report: &Report) -> Option<String> {
    let mut curves = Vec::new();
    for (name, letters, colours) in [
        ("one transfer a transaction", &SINGLE[..], ["#1f77b4", "#9ecae1"]),
        ("1,000 transfers a transaction", &BATCHED[..], ["#d62728", "#f4a6a6"]),
    ] {
        let found: Vec<(f64, Option<f64>, Option<f64>)> =
            letters.iter().filter_map(|letter| report.scenarios.get(*letter)).flat_map(rates).collect();
        for (quantile, colour) in ["p99", "p50"].into_iter().zip(colours) {
            let latency = |(rate, p50, p99): &(f64, Option<f64>, Option<f64>)| {
                Some((*rate, (if quantile == "p99" { *p99 } else { *p50 }).filter(|ms| *ms > 0.0)?))
            };
            let mut points: Vec<(f64, f64)> = found.iter().filter_map(latency).collect();
            points.sort_by(|left, right| left.0.total_cmp(&right.0));
            if !points.is_empty() {
                curves.push(Curve { name: format!("{name}, {quantile}"), colour, points });
            }
        }
    }
    let commit = report.commit.as_deref().unwrap_or("unknown");
    let subtitle = format!("4 validators on {}; commit {commit}", report.machine.name());
    draw("Latency over the rate", &subtitle, &curves)
}

/// The rates of a scenario with 50th and 99th percentile: those measured, and those tried once.
fn rates(measured: &Measured) -> Vec<(f64, Option<f64>, Option<f64>)> {
    let points = measured.points.iter().chain(&measured.best);
    let known: Vec<u32> = points.clone().map(|point| point.rate).collect();
    // What was measured more often counts instead of the one try.
    let tried = measured.tried.iter().filter(|tried| !known.contains(&tried.rate));
    let of_tried = |tried: &Tried| (f64::from(tried.rate), tried.p50_ms, tried.p99_ms);
    points
        .map(|point| (f64::from(point.rate), point.latency_ms.p50, point.latency_ms.p99))
        .chain(tried.map(of_tried))
        .collect()
}
