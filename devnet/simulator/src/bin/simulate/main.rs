//! Runs seeds of the simulation and says what they did.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line")]

mod hunt;
mod latency;
mod plot;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use tonle_simulator::{Fired, Report, Run, shrink, simulate};

const USAGE: &str = "\
usage: simulate --seed N           one seed
       simulate --seeds FROM..TO   several
       simulate --byzantine SEED,KIND   one, with a Byzantine validator of that kind, such as Twins
       simulate --drill SEED[,NODE,SYNC,made|lost]   good weather and one crash
       simulate --rejoin SEED,guard|disk|backup|old-guard   good weather and one loss
       simulate --membership SEED,calm|rough   validators come, leave and take new keys
       simulate --wan SEED,NODES,DELAY_US,DEAD,FOR_US       steady load over a wide area
       simulate --for SECONDS      from 1 on, until the time is over
       simulate --shrink N         makes a failing seed smaller; writes what happened to seed-N.txt and seed-N.svg
       simulate --latency SIZES    4,7,10 for example: finality with 75 ms one way, and its cost; draws wan.svg
       simulate --hunt SECONDS     seeds, losses, changes of validators and crashes in turn, to the first violation: status 0
                                   when there was one";

/// What to run.
struct Plan {
    seeds: std::ops::Range<u64>,
    deadline: Option<Instant>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, seed] = arguments.as_slice()
        && flag == "--shrink"
        && let Ok(seed) = seed.parse()
    {
        return tell(seed);
    }
    if let [flag, seconds] = arguments.as_slice()
        && flag == "--hunt"
        && let Ok(seconds) = seconds.parse()
    {
        return hunt::hunt(Duration::from_secs(seconds));
    }
    if let [flag, sizes] = arguments.as_slice()
        && flag == "--latency"
        && let Some(status) = latency::latency(sizes)
    {
        return status;
    }
    if let [flag, value] = arguments.as_slice()
        && let Some(run) = Run::parse(flag, value)
        && !matches!(run, Run::Seed(_))
    {
        return again(run);
    }
    let Some(plan) = plan(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let began = Instant::now();
    let mut total = Total::default();
    for seed in plan.seeds {
        if plan.deadline.is_some_and(|deadline| Instant::now() > deadline) {
            break;
        }
        match simulate(seed, None) {
            Ok(report) => {
                total.add(&report);
                println!(
                    "seed {seed}: {} nodes, Byzantine {:?}, {} transactions final at height {} after {} ms, {} events, \
                     trace {}",
                    report.nodes,
                    report.byzantine,
                    report.transactions,
                    report.height,
                    report.took_us / 1_000,
                    report.events,
                    report.trace
                );
            }
            Err(violation) => {
                total.failed += 1;
                println!("{violation}");
            }
        }
    }
    total.print(began.elapsed());
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one run that is no seed's.
fn again(run: Run) -> ExitCode {
    match run.again() {
        Ok(()) => {
            println!("{run} holds");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("{violation}");
            ExitCode::FAILURE
        }
    }
}

/// Runs tried to make a failing seed smaller.
const TRIES: usize = 300;
/// How much of its end is drawn, in microseconds.
const DRAWN_US: u64 = 10_000_000;

/// Makes a failing seed smaller and says what happened.
fn tell(seed: u64) -> ExitCode {
    let Some(shrunk) = shrink(seed, None, TRIES) else {
        println!("seed {seed} holds: nothing to shrink");
        return ExitCode::FAILURE;
    };
    let (strikes, clients) = (shrunk.strikes, shrunk.clients);
    let summary = format!(
        "{}; {} of {} faults and {} of {} clients are left",
        shrunk.violation.to_string().lines().next().unwrap_or_default(),
        strikes.0,
        strikes.1,
        clients.0,
        clients.1
    );
    println!("{summary}");
    let (text, drawing) = (format!("seed-{seed}.txt"), format!("seed-{seed}.svg"));
    let written = std::fs::write(&text, format!("{summary}\n\n{}", shrunk.timeline))
        .and_then(|()| std::fs::write(&drawing, shrunk.timeline.tail(DRAWN_US).svg(&summary)));
    match written {
        Ok(()) => {
            println!("what happened: {text}; its last {} s drawn: {drawing}", DRAWN_US / 1_000_000);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot write {text} or {drawing}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What all seeds did together.
#[derive(Default)]
struct Total {
    seeds: u64,
    failed: u64,
    events: u64,
    heights: u64,
    views: u64,
    virtual_us: u64,
    fired: Fired,
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.events += report.events;
        self.heights += report.height;
        self.views += report.views;
        self.virtual_us += report.took_us;
        self.fired.add(&report.fired);
    }

    fn print(&self, took: Duration) {
        let hours = Duration::from_micros(self.virtual_us).as_secs_f64() / 3_600.0;
        let seconds = took.as_secs_f64().max(1e-3);
        let rate = |count: u64| Duration::from_secs(count).as_secs_f64() / seconds;
        println!(
            "{} seeds held, {} failed; {hours:.2} hours, {} blocks, {} views, {} events simulated in {seconds:.1} s: {:.0} \
             views and {:.0} events a second on one core",
            self.seeds,
            self.failed,
            self.heights,
            self.views,
            self.events,
            rate(self.views),
            rate(self.events),
        );
        println!("faults: {}", self.fired);
    }
}

fn plan(arguments: &[String]) -> Option<Plan> {
    let [flag, value] = arguments else { return None };
    let within = |value: &str| Some(Instant::now() + Duration::from_secs(value.parse().ok()?));
    Some(match flag.as_str() {
        "--seed" => {
            let seed: u64 = value.parse().ok()?;
            Plan { seeds: seed..seed.checked_add(1)?, deadline: None }
        }
        "--seeds" => {
            let (from, to) = value.split_once("..")?;
            Plan { seeds: from.parse().ok()?..to.parse().ok()?, deadline: None }
        }
        "--for" => Plan { seeds: 1..u64::MAX, deadline: within(value) },
        _ => return None,
    })
}
