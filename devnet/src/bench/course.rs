//! Runs the scenarios: which network, what happens to it, and what is measured on it.
//!
//! Must not know: how a rate is sent and counted.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{MultiProgress, ProgressBar};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::time::{interval, sleep};

use super::Store;
use super::effort::{AFTER_KILL, BATCH, Effort};
use super::growth::grow;
use super::idle::Idle;
use super::machine::Machine;
use super::measure::{Point, Sample, Tried, at_rate, sample, sample_beside, sample_of};
use super::network::Network;
use super::overload::{self, Overload};
use super::reads::Explorer;
use super::report::{Beside, Measured};
use super::restart;
use super::scenario::Scenario;
use super::search::Search;
use crate::control::Request;
use crate::load::{Accounts, Demand, Law};

/// Validators, unless a scenario says otherwise.
const VALIDATORS: usize = 4;
/// Where the searches begin, in transfers a second.
const FIRST_SINGLE: u32 = 500;
const FIRST_BATCHED: u32 = 16_000;
/// Scenario d: transfers a second while a validator is killed. Low enough that three carry it on a small machine.
const KILL_RATE: u32 = 100;
/// Scenario e: half of a round trip of 50 ms.
const DELAY_MS: u64 = 25;
/// Scenario e: one link is cut for this long, every so often, so that each is cut for 5 % of the time.
const CUT_MS: u64 = 100;

/// What all scenarios have in common.
pub(super) struct Course<'a> {
    /// Networks live below it.
    pub(super) folder: &'a Path,
    pub(super) effort: &'a Effort,
    pub(super) machine: &'a Machine,
    pub(super) store: Store,
    pub(super) screen: &'a MultiProgress,
    /// Says what is going on.
    pub(super) bar: &'a ProgressBar,
}

/// A running network of a scenario.
struct Bench<'a> {
    network: &'a Network,
    course: &'a Course<'a>,
}

impl Course<'_> {
    /// Runs one scenario, on networks of its own. `single` is scenario b's highest rate, where it was measured before.
    ///
    /// # Errors
    /// When a network does not come up, or when what it did is wrong.
    pub(super) async fn run(&self, scenario: Scenario, single: Option<u32>) -> Result<Measured> {
        let mut found = Measured::new(scenario.what());
        let sizes: &[usize] = if scenario == Scenario::F { &Scenario::SIZES } else { &[VALIDATORS] };
        for size in sizes {
            self.bar.set_message(format!("{scenario}: starting {size} validators"));
            let founded = Instant::now();
            let name = format!("{scenario}-{size}");
            let network = Network::start(
                self.folder,
                &name,
                *size,
                scenario == Scenario::E,
                self.accounts(scenario),
                self.screen,
            )
            .await?;
            let bench = Bench { network: &network, course: self };
            match scenario {
                Scenario::A => {
                    self.bar.set_message("a: nothing is sent");
                    found.idle = Some(Idle::measure(&network, self.effort.span).await?);
                    found.points.extend(bench.rates("").await?);
                }
                Scenario::B => {
                    bench.highest("highest", FIRST_SINGLE, 1, &mut found).await?;
                    bench.overload(&mut found).await?;
                }
                Scenario::C => bench.highest("highest", FIRST_BATCHED, BATCH, &mut found).await?,
                Scenario::D => bench.without_one(&mut found).await?,
                Scenario::E => found.points.extend(bench.disturbed().await?),
                Scenario::F => bench.sized(&mut found).await?,
                Scenario::G => {
                    found.growth = Some(grow(&network, self.effort.extent, self.store, founded, self.bar).await?);
                }
                Scenario::H => bench.read_beside(single, &mut found).await?,
            }
            network.stop().await?;
        }
        Ok(found)
    }

    /// One signature pays from many accounts only where their bank signs; else each has a key of its own.
    fn accounts(&self, scenario: Scenario) -> Accounts {
        let Effort { accounts, growth_accounts, law, .. } = *self.effort;
        match scenario {
            Scenario::C => Accounts { count: accounts, own_keys: false, law },
            Scenario::G => Accounts { count: growth_accounts, own_keys: false, law: Law::Zipf },
            // Skewed, so that some accounts have a history to read.
            Scenario::H => Accounts { count: accounts, own_keys: true, law: Law::Zipf },
            Scenario::A | Scenario::B | Scenario::D | Scenario::E | Scenario::F => {
                Accounts { count: accounts, own_keys: true, law }
            }
        }
    }
}

impl Bench<'_> {
    /// Scenario a's rates.
    async fn rates(&self, name: &str) -> Result<Vec<Point>> {
        let mut points = Vec::new();
        for rate in self.course.effort.rates {
            points.push(self.at(name, *rate, 1).await?);
        }
        Ok(points)
    }

    /// One rate, as often as asked.
    async fn at(&self, name: &str, rate: u32, batch: usize) -> Result<Point> {
        let mut samples = Vec::new();
        let (runs, span) = (self.course.effort.runs, self.course.effort.span);
        for run in 0..runs {
            self.course.bar.set_message(format!("{rate} transfers/s, run {} of {runs}", run + 1));
            samples.push(sample(self.network, rate, batch, span).await?);
        }
        self.point(name, (rate, batch), &samples)
    }

    fn point(&self, name: &str, (rate, batch): (u32, usize), samples: &[Sample]) -> Result<Point> {
        // Those that were killed check nothing.
        let bound = (batch == 1).then(|| self.course.machine.bound_tps(self.network.processes().len()));
        Point::of(name, self.network.validators, (rate, batch), samples, bound).context("nothing was measured")
    }

    /// The highest rate that holds: looked for, then measured as often as asked. Should it not hold then, the next lower
    /// one is measured. It becomes the best one of `found`, unless none holds; what was tried is kept there too.
    async fn highest(&self, name: &str, first: u32, batch: usize, found: &mut Measured) -> Result<()> {
        let mut held = self.search(first, batch, &mut found.tried).await?;
        while let Some(rate) = held.pop() {
            let point = self.at(name, rate, batch).await?;
            if point.held || held.is_empty() {
                found.best = Some(point);
                break;
            }
        }
        Ok(())
    }

    /// The rates that held, ascending.
    async fn search(&self, first: u32, batch: usize, tried: &mut Vec<Tried>) -> Result<Vec<u32>> {
        let mut search = Search::new(first, self.course.effort.tries);
        let mut held = Vec::new();
        while let Some(rate) = search.rate() {
            self.course.bar.set_message(format!("looking for the highest rate: {rate} transfers/s"));
            let sample = sample(self.network, rate, batch, self.course.effort.try_span).await?;
            let holds = sample.held(rate);
            search.tried(holds);
            if holds {
                held.push(rate);
            }
            tried.push(Tried::of(self.network.validators, (rate, batch), &sample));
        }
        held.sort_unstable();
        Ok(held)
    }

    /// Scenario b, at the end: twice its highest rate, so that every node has more than it can take.
    async fn overload(&self, found: &mut Measured) -> Result<()> {
        let Some(best) = found.best.clone() else { return Ok(()) };
        let rate = best.rate.saturating_mul(overload::TIMES);
        let mut samples = Vec::new();
        for _ in 0..self.course.effort.runs {
            self.course.bar.set_message(format!("overload: {rate} transfers/s"));
            let demand = at_rate(self.network, rate, 1, self.course.effort.span);
            samples.push(sample_of(self.network, &Demand { in_flight: overload::IN_FLIGHT, ..demand }).await?);
        }
        let point = self.point("overload", (rate, 1), &samples)?;
        found.overload = Some(Overload::of(point, &best));
        Ok(())
    }

    /// Scenario d. First the moment of the kill, whose longest gap counts, then the time after it.
    async fn without_one(&self, found: &mut Measured) -> Result<()> {
        let last = self.network.names().pop().context("a validator")?;
        let (runs, span) = (self.course.effort.runs, self.course.effort.span);
        let mut samples = Vec::new();
        for run in 0..runs {
            if run > 0 {
                restart::start(self.network, &last).await?;
            }
            self.course.bar.set_message(format!("{last} is killed, run {} of {runs}", run + 1));
            let killed = async {
                sleep(span / 3).await;
                // When it cannot be killed, the measurement ends and says so.
                if restart::kill(self.network, &last).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            samples.push(sample_beside(self.network, &at_rate(self.network, KILL_RATE, 1, span), killed).await?);
        }
        found.points.push(self.point("one is killed", (KILL_RATE, 1), &samples)?);
        sleep(AFTER_KILL).await;
        found.points.extend(self.rates("one killed").await?);
        self.highest("one killed, highest", FIRST_SINGLE, 1, found).await
    }

    /// Scenario f, at one size. Its best stand among the points: there is one for each size.
    async fn sized(&self, found: &mut Measured) -> Result<()> {
        found.points.push(self.at("", 100, 1).await?);
        // All share the machine: each has the less of it the more there are.
        let validators = u32::try_from(self.network.validators)?;
        let first = FIRST_SINGLE * u32::try_from(VALIDATORS)? / validators.max(1);
        self.highest("highest", first, 1, found).await?;
        found.points.extend(found.best.take());
        Ok(())
    }

    /// Scenario h: half of the highest rate, without reads and with them in turns.
    async fn read_beside(&self, single: Option<u32>, found: &mut Measured) -> Result<()> {
        let highest = match single {
            Some(rate) => rate,
            None => self.search(FIRST_SINGLE, 1, &mut found.tried).await?.pop().unwrap_or(FIRST_SINGLE),
        };
        let (rate, span, runs) = ((highest / 2).max(1), self.course.effort.span, self.course.effort.runs);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        let mut explorer = None;
        for run in 0..runs {
            self.course.bar.set_message(format!("{rate} transfers/s without reads, run {} of {runs}", run + 1));
            without.push(sample(self.network, rate, 1, span).await?);
            let explorer = match &explorer {
                Some(explorer) => explorer,
                None => explorer.insert(Explorer::new(self.network).await?),
            };
            self.course.bar.set_message(format!("{rate} transfers/s with reads, run {} of {runs}", run + 1));
            let demand = at_rate(self.network, rate, 1, span);
            with.push(sample_beside(self.network, &demand, explorer.read()).await?);
        }
        let without = self.point("without reads", (rate, 1), &without)?;
        let with = self.point("with reads", (rate, 1), &with)?;
        let reads = explorer.map(|explorer| explorer.reads()).unwrap_or_default();
        found.beside = Some(Beside::of(reads, &without, &with));
        found.points.extend([without, with]);
        Ok(())
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
