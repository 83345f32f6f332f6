//! Runs seeds of the simulation and says what they did: `simulate --seed N` or `simulate --seeds FROM..TO`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line")]

use std::process::ExitCode;

use tonle_simulator::{Fired, simulate};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((from, to)) = range(&arguments) else {
        eprintln!("usage: simulate --seed N | --seeds FROM..TO");
        return ExitCode::from(2);
    };
    let (mut failed, mut fired) = (0u64, Fired::default());
    for seed in from..to {
        match simulate(seed, None) {
            Ok(report) => {
                fired.add(&report.fired);
                println!(
                    "seed {seed}: {} nodes, {} transactions final at height {} after {} ms, {} events, trace {}",
                    report.nodes,
                    report.transactions,
                    report.height,
                    report.took_us / 1_000,
                    report.events,
                    report.trace
                );
            }
            Err(violation) => {
                failed += 1;
                println!("{violation}");
            }
        }
    }
    println!("{} seeds, {failed} failed; faults: {fired}", to - from);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn range(arguments: &[String]) -> Option<(u64, u64)> {
    match arguments {
        [flag, value] if flag == "--seed" => {
            let seed: u64 = value.parse().ok()?;
            Some((seed, seed.checked_add(1)?))
        }
        [flag, value] if flag == "--seeds" => {
            let (from, to) = value.split_once("..")?;
            Some((from.parse().ok()?, to.parse().ok()?))
        }
        _ => None,
    }
}
