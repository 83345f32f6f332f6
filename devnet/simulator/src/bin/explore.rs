//! Explores every state of three honest engines and a Byzantine validator within some views, and says what was
//! explored, or the shortest way to what broke.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tonle_simulator::explorer::{Breach, Grain, Limits, Setup, explore};

const USAGE: &str = "\
usage: explore [--views V] [--leads L] [--crashes C] [--votes] [--seconds S] [--states N]
           the Byzantine validator leads view L of V (2, and every L in turn); at most C crashes (0); vote by vote
           instead of certificate by certificate; ends after S seconds (600) or N states (60,000,000, some 4 GB)
       explore --hunt SECONDS
           several such spaces, to the first breach: status 0 when there was one
       explore --traces FILE
           a dozen ways through two views, as a Quint module to stand beside consensus/spec/tonle.qnt";

/// Most states kept.
const STATES: usize = 60_000_000;

/// Runs for the specification.
const TRACES: usize = 12;

struct Plan {
    setup: Setup,
    leads: Vec<u64>,
    limits: Limits,
}

fn plan(arguments: &[String]) -> Option<Plan> {
    let setup = Setup { views: 2, byzantine_leads: 1, grain: Grain::Certificates, crashes: 0, fault: None };
    let limits = Limits { states: STATES, time: Duration::from_secs(600) };
    let mut plan = Plan { setup, leads: Vec::new(), limits };
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        if flag == "--votes" {
            plan.setup.grain = Grain::Votes;
            continue;
        }
        let value: u64 = arguments.next()?.parse().ok()?;
        match flag.as_str() {
            "--views" => plan.setup.views = value,
            "--leads" => plan.leads = vec![value],
            "--crashes" => plan.setup.crashes = u32::try_from(value).ok()?,
            "--seconds" => plan.limits.time = Duration::from_secs(value),
            "--states" => plan.limits.states = usize::try_from(value).ok()?,
            _ => return None,
        }
    }
    if plan.leads.is_empty() {
        plan.leads = (1..=(plan.setup.views + 1).min(4)).collect();
    }
    Some(plan)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, seconds] = arguments.as_slice()
        && flag == "--hunt"
        && let Ok(seconds) = seconds.parse()
    {
        return hunt(Duration::from_secs(seconds));
    }
    if let [flag, file] = arguments.as_slice()
        && flag == "--traces"
    {
        return traces(file);
    }
    let Some(plan) = plan(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    for leads in plan.leads {
        let setup = Setup { byzantine_leads: leads, ..plan.setup };
        println!("{setup:?}");
        match explore(setup, plan.limits) {
            Ok(explored) => println!("  {}", explored.report),
            Err(counterexample) => {
                println!("  {counterexample}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn traces(file: &str) -> ExitCode {
    let setup = Setup { views: 2, byzantine_leads: 1, grain: Grain::Certificates, crashes: 0, fault: None };
    let limits = Limits { states: STATES, time: Duration::from_secs(600) };
    let module = match explore(setup, limits) {
        Ok(mut explored) => explored.traces(TRACES),
        Err(counterexample) => {
            eprintln!("{counterexample}");
            return ExitCode::FAILURE;
        }
    };
    match std::fs::write(file, module) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{file}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Small spaces first, then those in which rules on older views matter, for as long as there is time.
fn hunt(time: Duration) -> ExitCode {
    let began = Instant::now();
    let space = |views, byzantine_leads, grain, crashes| Setup { views, byzantine_leads, grain, crashes, fault: None };
    let spaces = [
        (space(1, 1, Grain::Certificates, 1), STATES),
        (space(1, 2, Grain::Certificates, 1), STATES),
        // The bound of R4 matters from the third view on, and what comes of its lack is near.
        (space(3, 3, Grain::Certificates, 0), STATES / 200),
        (space(1, 2, Grain::Votes, 0), STATES),
        (space(2, 3, Grain::Certificates, 0), STATES),
        (space(2, 1, Grain::Certificates, 0), STATES),
        (space(2, 2, Grain::Certificates, 0), STATES),
        (space(2, 2, Grain::Certificates, 1), STATES),
    ];
    for (setup, states) in spaces {
        let left = time.saturating_sub(began.elapsed());
        if left.is_zero() {
            break;
        }
        if let Err(found) = explore(setup, Limits { states, time: left }) {
            if let Breach::Bound = found.breach {
                continue;
            }
            eprintln!("{setup:?}: {found}");
            println!("{} steps, {:.1} s: {}", found.steps.len(), began.elapsed().as_secs_f64(), found.breach);
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}
