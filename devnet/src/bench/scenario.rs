//! The scenarios: which network, what happens to it, and what is measured on it.
//!
//! Must not know: how a rate is sent and counted.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{interval, sleep};

use super::machine::Machine;
use super::measure::{Point, sample};
use super::network::Network;
use super::report::Measured;
use super::search::Search;
use crate::control::Request;
use crate::load::{Accounts, Law};

/// Validators, unless a scenario says otherwise.
const VALIDATORS: usize = 4;
/// Transfers in a transaction of scenario c.
const BATCH: usize = 1_000;
/// Where the searches begin, in transfers a second.
const FIRST_SINGLE: u32 = 500;
const FIRST_BATCHED: u32 = 16_000;
/// Scenario e: half of a round trip of 50 ms.
const DELAY_MS: u64 = 25;
/// Scenario e: one link is cut for this long, every so often, so that each is cut for 5 % of the time.
const CUT_MS: u64 = 100;
/// What a network takes to come up, and a rate to be judged, beside the time of sending.
const AROUND: Duration = Duration::from_secs(5);
/// How long a network is left alone after a validator was killed.
const AFTER_KILL: Duration = Duration::from_secs(5);

/// One of the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Scenario {
    A,
    B,
    C,
    D,
    E,
    F,
}

/// How thoroughly to measure.
#[derive(Debug, Clone)]
pub(super) struct Effort {
    /// Accounts of a network, and how they are drawn.
    accounts: usize,
    law: Law,
    /// One run at a rate.
    span: Duration,
    runs: usize,
    /// Rates that a search tries at most.
    tries: u32,
    /// One try.
    try_span: Duration,
    /// Rates of scenario a.
    rates: &'static [u32],
}

impl Effort {
    pub(super) fn full(runs: u8, accounts: usize, law: Law) -> Self {
        let (span, try_span) = (Duration::from_secs(10), Duration::from_secs(6));
        Effort { accounts, law, span, runs: usize::from(runs), tries: 12, try_span, rates: &[100, 1_000, 5_000] }
    }

    pub(super) fn quick(law: Law) -> Self {
        let span = Duration::from_secs(2);
        Effort { accounts: 1_000, law, span, runs: 1, tries: 4, try_span: span, rates: &[100] }
    }

    fn at_rate(&self) -> Duration {
        (self.span + AROUND / 3) * u32::try_from(self.runs).unwrap_or(1)
    }

    fn search(&self) -> Duration {
        (self.try_span + AROUND / 3) * self.tries + self.at_rate()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scenario::A => "a",
            Scenario::B => "b",
            Scenario::C => "c",
            Scenario::D => "d",
            Scenario::E => "e",
            Scenario::F => "f",
        })
    }
}

impl Scenario {
    pub(super) const ALL: [Scenario; 6] =
        [Scenario::A, Scenario::B, Scenario::C, Scenario::D, Scenario::E, Scenario::F];
    pub(super) const QUICK: [Scenario; 3] = [Scenario::A, Scenario::B, Scenario::C];
    const SIZES: [usize; 4] = [4, 7, 10, 16];

    /// In one line.
    pub(super) fn what(self) -> &'static str {
        match self {
            Scenario::A => "finality latency at fixed rates, one transfer in a transaction",
            Scenario::B => "highest rate of one-transfer transactions with p99 under 1 s",
            Scenario::C => "highest rate in transactions of 1,000 transfers with p99 under 1 s",
            Scenario::D => "a and b with one validator killed",
            Scenario::E => "a with round trips of 50 ms, and with every link cut for 5 % of the time",
            Scenario::F => "100 transfers/s, and the highest rate, with 4, 7, 10 and 16 validators",
        }
    }

    /// About how long it takes at most, on a machine that is not overloaded.
    pub(super) fn takes(self, effort: &Effort) -> Duration {
        let rates = u32::try_from(effort.rates.len()).unwrap_or(1);
        let at_rates = effort.at_rate() * rates;
        AROUND
            + match self {
                Scenario::A => at_rates,
                Scenario::B | Scenario::C => effort.search(),
                Scenario::D => at_rates + effort.search(),
                Scenario::E => at_rates * 2,
                Scenario::F => (AROUND + effort.at_rate() + effort.search()) * 4,
            }
    }
}

/// Where a scenario measures, and how.
struct Bench<'a> {
    network: &'a Network,
    effort: &'a Effort,
    machine: &'a Machine,
    bar: &'a ProgressBar,
}

/// Runs one, on networks of its own below `folder`.
pub(super) async fn run(
    scenario: Scenario,
    folder: &Path,
    effort: &Effort,
    machine: &Machine,
    bar: &ProgressBar,
) -> Result<Measured> {
    bar.set_message(format!("{scenario}: starting validators"));
    let mut points = Vec::new();
    let mut best = None;
    let accounts = Accounts { count: effort.accounts, own_keys: scenario != Scenario::C, law: effort.law };
    let sizes: &[usize] = if scenario == Scenario::F { &Scenario::SIZES } else { &[VALIDATORS] };
    for size in sizes {
        let network =
            Network::start(folder, &format!("{scenario}-{size}"), *size, scenario == Scenario::E, accounts).await?;
        let bench = Bench { network: &network, effort, machine, bar };
        match scenario {
            Scenario::A => points.extend(bench.rates("").await?),
            Scenario::B => best = bench.highest("highest", FIRST_SINGLE, 1).await?,
            Scenario::C => best = bench.highest("highest", FIRST_BATCHED, BATCH).await?,
            Scenario::D => {
                let last = network.names().pop().context("a validator")?;
                network.disturb(&Request::Kill { name: last, wipe: false }).await?;
                sleep(AFTER_KILL).await;
                points.extend(bench.rates("one killed").await?);
                best = bench.highest("one killed, highest", FIRST_SINGLE, 1).await?;
            }
            Scenario::E => points.extend(bench.disturbed().await?),
            Scenario::F => {
                points.push(bench.at("", 100, 1).await?);
                points.extend(bench.highest("highest", FIRST_SINGLE, 1).await?);
            }
        }
        network.stop().await?;
    }
    Ok(Measured::new(scenario.what(), best, points))
}

impl Bench<'_> {
    /// Scenario a's rates.
    async fn rates(&self, name: &str) -> Result<Vec<Point>> {
        let mut points = Vec::new();
        for rate in self.effort.rates {
            points.push(self.at(name, *rate, 1).await?);
        }
        Ok(points)
    }

    /// One rate, as often as asked.
    async fn at(&self, name: &str, rate: u32, batch: usize) -> Result<Point> {
        let mut samples = Vec::new();
        for run in 0..self.effort.runs {
            self.bar.set_message(format!("{rate} transfers/s, run {} of {}", run + 1, self.effort.runs));
            samples.push(sample(self.network, rate, batch, self.effort.span).await?);
        }
        let validators = self.network.validators;
        // Those that were killed check nothing.
        let bound = (batch == 1).then(|| self.machine.bound_tps(self.network.processes().len()));
        Point::of(name, validators, (rate, batch), &samples, bound).context("nothing was measured")
    }

    /// The highest rate that holds: looked for, then measured as often as asked. Should it not hold then, the next lower
    /// one is measured. None when none holds.
    async fn highest(&self, name: &str, first: u32, batch: usize) -> Result<Option<Point>> {
        let mut search = Search::new(first, self.effort.tries);
        let mut held = Vec::new();
        while let Some(rate) = search.rate() {
            self.bar.set_message(format!("looking for the highest rate: {rate} transfers/s"));
            let tried = sample(self.network, rate, batch, self.effort.try_span).await?;
            let holds = tried.held(rate);
            search.tried(holds);
            if holds {
                held.push(rate);
            }
        }
        held.sort_unstable();
        while let Some(rate) = held.pop() {
            let point = self.at(name, rate, batch).await?;
            if point.held || held.is_empty() {
                return Ok(Some(point));
            }
        }
        Ok(None)
    }

    /// Scenario e: a delay on every link, then cuts.
    async fn disturbed(&self) -> Result<Vec<Point>> {
        self.network.disturb(&Request::Delay { pair: None, delay_ms: DELAY_MS }).await?;
        let mut points = self.rates("50 ms round trips").await?;
        self.network.disturb(&Request::Delay { pair: None, delay_ms: 0 }).await?;
        let measured = self.rates("links cut for 5 %");
        tokio::pin!(measured);
        let cutting = self.cut_links();
        tokio::pin!(cutting);
        tokio::select! {
            found = &mut measured => points.extend(found?),
            broken = &mut cutting => broken?,
        }
        Ok(points)
    }

    /// Cuts one link after the other, so that each is cut for 5 % of the time, until it is dropped.
    async fn cut_links(&self) -> Result<()> {
        let names = self.network.names();
        let pairs: Vec<(&String, &String)> =
            names.iter().enumerate().flat_map(|(place, a)| names.iter().skip(place + 1).map(move |b| (a, b))).collect();
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut tick = interval(Duration::from_millis(CUT_MS));
        loop {
            tick.tick().await;
            let links = u64::try_from(pairs.len())?;
            // One link at a time, in 5 of 100 ticks for each link there is.
            if random.next_u64() % 100 < 5 * links {
                let link = usize::try_from(random.next_u64() % links)?;
                let (a, b) = pairs.get(link).context("a link")?;
                let groups = vec![vec![(*a).clone()], vec![(*b).clone()]];
                self.network.disturb(&Request::Partition { groups, heal_after_ms: Some(CUT_MS) }).await?;
            }
        }
    }
}
