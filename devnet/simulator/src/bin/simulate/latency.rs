//! Prints how long finality takes over a wide area and what it costs, for several sizes, as tables and a drawing.
//!
//! Must not know: how it is measured.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tonle_simulator::Traffic;
use tonle_simulator::wan::{Figures, Wan, measure, percentile};

use crate::plot::{Curve, Panel, draw};

/// One-way delay of every link, in microseconds.
const DELAY_US: u64 = 75_000;
/// How much is measured, in microseconds: less of large sizes, which cost the square of their number.
const FOR_US: u64 = 30_000_000;
const FOR_LARGE_US: u64 = 10_000_000;
const LARGE: usize = 50;
const SEED: u64 = 1;
const DRAWING: &str = "wan.svg";

/// Measures sizes separated by commas, and the largest of them once more with f validators dead. None for bad arguments.
pub(crate) fn latency(sizes: &str) -> Option<ExitCode> {
    let sizes: Vec<usize> = sizes.split(',').map(|size| size.parse().ok()).collect::<Option<_>>()?;
    let (smallest, largest) = (sizes.iter().min()?, *sizes.iter().max()?);
    if *smallest < 2 || largest > 100 {
        return None;
    }
    let figure = |nodes: usize, dead: usize| {
        let for_us = if nodes > LARGE && dead == 0 { FOR_LARGE_US } else { FOR_US };
        let began = Instant::now();
        let figures = measure(SEED, Wan { nodes, delay_us: DELAY_US, dead, for_us });
        eprintln!("n = {nodes}, {dead} dead: {:.1} s", began.elapsed().as_secs_f64());
        figures.map_err(|violation| println!("{violation}")).ok()
    };
    println!("| n | blocks | proposal to finality, p50 | p99 | submission to finality, p50 | p99 | messages | bytes |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for size in sizes {
        let Some(figures) = figure(size, 0) else { return Some(ExitCode::FAILURE) };
        println!("{}", row(&figures));
        all.push(figures);
    }
    let faulty = (largest - 1) / 3;
    let Some(figures) = figure(largest, faulty) else { return Some(ExitCode::FAILURE) };
    println!("{}", row(&figures).replacen(&format!("| {largest} "), &format!("| {largest}, {faulty} dead "), 1));
    println!("\nThe first rotation of leaders after the deaths took {}.", seconds(figures.rotation_us));
    println!("\nMessages and bytes that a node sends for each block, by kind:\n");
    println!("| n | {} |", Traffic::ALL.map(|kind| format!("{kind:?}")).join(" | "));
    println!("|---{}|", "|---".repeat(Traffic::ALL.len()));
    for figures in &all {
        let costs = Traffic::ALL.map(|kind| figures.cost(&[kind]));
        let cells = costs.map(|(messages, bytes)| format!("{messages:.1}, {bytes:.0} B"));
        println!("| {} | {} |", figures.wan.nodes, cells.join(" | "));
    }
    if let Err(error) = std::fs::write(DRAWING, drawing(&all)) {
        eprintln!("cannot write {DRAWING}: {error}");
        return Some(ExitCode::FAILURE);
    }
    eprintln!("drawn: {DRAWING}");
    Some(ExitCode::SUCCESS)
}

fn seconds(us: u64) -> String {
    format!("{:.2} s", Duration::from_micros(us).as_secs_f64())
}

fn row(figures: &Figures) -> String {
    let time = |times: &[u64], permille: usize| {
        let us = percentile(times, permille);
        let ratio = Duration::from_micros(us).as_secs_f64() / Duration::from_micros(figures.wan.delay_us).as_secs_f64();
        format!("{ratio:.2} ({:.0} ms)", Duration::from_micros(us).as_secs_f64() * 1_000.0)
    };
    let (messages, bytes) = figures.cost(&Traffic::ALL);
    format!(
        "| {} | {} | {} | {} | {} | {} | {messages:.0} | {bytes:.0} |",
        figures.wan.nodes,
        figures.blocks,
        time(&figures.from_proposal, 500),
        time(&figures.from_proposal, 990),
        time(&figures.from_submission, 500),
        time(&figures.from_submission, 990),
    )
}

fn drawing(all: &[Figures]) -> String {
    const CONSENSUS: [Traffic; 3] = [Traffic::Proposals, Traffic::Votes, Traffic::Certificates];
    const DATA: [Traffic; 3] = [Traffic::Batches, Traffic::Acknowledgements, Traffic::Others];
    let curves = |value: fn((f64, f64)) -> f64| {
        [
            ("all", "#000", &Traffic::ALL[..]),
            ("consensus", "#1f77b4", &CONSENSUS),
            ("data, heights, catch-up", "#ff7f0e", &DATA),
        ]
        .map(|(name, colour, kinds)| Curve {
            name,
            colour,
            points: all
                .iter()
                .filter_map(|figures| {
                    Some((f64::from(u32::try_from(figures.wan.nodes).ok()?), value(figures.cost(kinds))))
                })
                .collect(),
        })
    };
    draw(&[
        Panel { title: "Messages a node sends for each block", curves: curves(|cost| cost.0).to_vec() },
        Panel { title: "Bytes a node sends for each block", curves: curves(|cost| cost.1).to_vec() },
    ])
}
