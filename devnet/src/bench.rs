//! `devnet bench`: how fast a network of validators is on this machine, against what the machine could do at best.
//!
//! Every scenario runs on a network of its own, whose validators are real processes with real disks; the load comes
//! from this process, on the same machine, and what it costs is shown apart.
//!
//! Must not know: how the load is sent and counted (`load`), how a network is run (`supervisor`).

mod course;
mod document;
mod effort;
mod growth;
mod idle;
mod machine;
mod measure;
mod network;
mod overload;
mod plot;
mod reads;
mod report;
mod restart;
mod scenario;
mod search;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use indicatif::MultiProgress;
use tokio::signal::unix::{SignalKind, signal};

use crate::defaults::LOAD_ACCOUNTS;
use crate::load::Law;
use crate::screen::{print, print_json, spinner, step};

use course::Course;
use effort::{Asked, Effort};
use report::Report;
use scenario::Scenario;

/// How to measure the node's store, which this library does not know.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// Puts of 100 bytes under 16-byte keys that it takes in a second of one core, measured in a folder.
    pub puts_per_second: fn(&Path) -> Result<f64>,
    /// Compacts the database in the data directory of a node that is down; the bytes that each table then takes.
    pub compacted: fn(&Path) -> Result<BTreeMap<String, u64>>,
}

/// Arguments of `tonle devnet bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Which scenarios, such as a,b (all without it); `--list` says what they are
    #[arg(long, value_name = "LETTERS", value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Say what the scenarios are and how long each takes, and end
    #[arg(long)]
    list: bool,
    /// Less than a minute: scenarios a, b, c, g and h, once, small, for seconds. For their shape; the figures are rough
    #[arg(long)]
    quick: bool,
    /// How often each measurement is made; the median and the spread are shown
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    runs: u8,
    /// Accounts of each network, over all its participants (10,000 without it, and g has 1,000,000)
    #[arg(long, value_name = "N")]
    accounts: Option<usize>,
    /// Transfers of scenario g (10,000,000 without it)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(10_000..))]
    transfers: Option<u64>,
    /// Draw payers and payees by Zipf's law (the k-th 1/k as often as the first) instead of evenly; g and h always do
    #[arg(long)]
    zipf: bool,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    /// Write results.md and latency.svg into this folder as well
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Where the networks live while they are measured: on the disk that is to be measured
    #[arg(long, value_name = "FOLDER", default_value = ".devnet-bench")]
    dir: PathBuf,
}

/// Runs the scenarios, and reports.
///
/// # Errors
/// When a network does not come up, or when what it did is wrong: the supply, the roots, a transfer lost.
pub async fn run(arguments: &Arguments, store: Store) -> Result<()> {
    let law = if arguments.zipf { Law::Zipf } else { Law::Even };
    let Arguments { runs, accounts, transfers, .. } = *arguments;
    let asked = Asked { runs, accounts, law, transfers };
    let effort = if arguments.quick { Effort::quick(asked) } else { Effort::full(asked, LOAD_ACCOUNTS) };
    if arguments.list {
        for scenario in Scenario::ALL {
            print(&format!("{scenario}  {} ({})", scenario.what(), minutes(effort.takes(&[scenario]))))?;
        }
        return Ok(());
    }
    ensure!(
        !arguments.dir.exists(),
        "{} is there already: name another folder with --dir, or remove it",
        arguments.dir.display()
    );
    std::fs::create_dir_all(&arguments.dir).with_context(|| format!("cannot make {}", arguments.dir.display()))?;
    let outcome = tokio::select! {
        outcome = measured(arguments, &effort, store) => outcome,
        () = ended_by_signal() => Err(anyhow!("interrupted")),
    };
    network::stop_all(&arguments.dir).await;
    // What the networks leave is of no use.
    let removed = std::fs::remove_dir_all(&arguments.dir);
    let report = outcome?;
    removed.with_context(|| format!("cannot remove {}", arguments.dir.display()))?;
    if let Some(folder) = &arguments.write {
        document::write(folder, &report)?;
    }
    if arguments.json { print_json(&report) } else { Ok(()) }
}

async fn measured(arguments: &Arguments, effort: &Effort, store: Store) -> Result<Report> {
    let chosen: Vec<Scenario> = match (arguments.scenario.is_empty(), arguments.quick) {
        (false, _) => arguments.scenario.clone(),
        (true, true) => Scenario::QUICK.to_vec(),
        (true, false) => Scenario::ALL.to_vec(),
    };
    let say = |text: &str| if arguments.json { Ok(()) } else { print(text) };
    say(&format!("{} scenarios, about {}", chosen.len(), minutes(effort.takes(&chosen))))?;
    let screen = MultiProgress::new();
    let bar = screen.add(spinner());
    bar.set_message("measuring the machine");
    let machine = machine::measure(&arguments.dir, store)?;
    screen.suspend(|| say(&machine.text()))?;
    let mut report = Report::new(machine);
    for scenario in chosen {
        let start = Instant::now();
        let course =
            Course { folder: &arguments.dir, effort, machine: &report.machine, store, screen: &screen, bar: &bar };
        let measured = course.run(scenario, report.highest(Scenario::B)).await?;
        screen.suspend(|| {
            say(&step(&format!("{scenario}  {}", scenario.what()), start))?;
            say(&measured.text())
        })?;
        report.add(scenario, measured);
    }
    bar.finish_and_clear();
    report.machine.measured_after();
    say(&format!("noise     {}", report.machine.noise_text()))?;
    Ok(report)
}

/// Returns on Ctrl-C or SIGTERM.
async fn ended_by_signal() {
    let Ok(mut terminated) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

fn minutes(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=90 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
