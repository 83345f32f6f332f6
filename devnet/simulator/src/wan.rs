//! Good weather over a wide area: every link takes the same time, clients submit steadily, nothing goes wrong but that
//! some validators may be dead. It measures how long finality takes, and what it costs.
//!
//! Must not know: how a node works inside, how figures are printed.

use std::collections::BTreeMap;

use crate::dice::Dice;
use crate::faults::Weather;
use crate::invariants::Breach;
use crate::meter::{Meter, Traffic};
use crate::violation::{Run, Violation};
use crate::world::{Client, World};

/// Time between two submissions, all banks together, in microseconds.
const PAUSE_US: u64 = 50_000;
/// Connections are made and timeouts are learnt before anything is measured, in microseconds.
const WARM_UP_US: u64 = 5_000_000;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wan {
    /// How many validators.
    pub nodes: usize,
    /// One-way delay of every link, in microseconds.
    pub delay_us: u64,
    /// How many validators die once it is warm; nobody dies with 0.
    pub dead: usize,
    /// What is measured, in microseconds: from the end of the warm-up, or with dead ones, of the first rotation.
    pub for_us: u64,
}

/// What was measured. Times are virtual, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// What was asked for.
    pub wan: Wan,
    /// Blocks that became final.
    pub blocks: u64,
    /// From a block's proposal until a node knew it to be final, for each block and live node; ascending.
    pub from_proposal: Vec<u64>,
    /// From a transaction's submission until its bank's node had executed it; ascending.
    pub from_submission: Vec<u64>,
    /// Messages and bytes of each kind; each message counts once for every receiver.
    pub sent: BTreeMap<Traffic, (u64, u64)>,
    /// How long the first rotation of leaders took after the deaths, in microseconds.
    pub rotation_us: u64,
}

impl Figures {
    /// Messages and bytes that a live node sent for each final block.
    #[must_use]
    pub fn cost(&self, of: &[Traffic]) -> (f64, f64) {
        let (messages, bytes) = of
            .iter()
            .filter_map(|kind| self.sent.get(kind))
            .fold((0, 0), |sum, (messages, bytes)| (sum.0 + messages, sum.1 + bytes));
        let live = u64::try_from(self.wan.nodes - self.wan.dead).unwrap_or(1);
        let shares = float(self.blocks.max(1) * live);
        (float(messages) / shares, float(bytes) / shares)
    }
}

/// A count as a float; whoever counts beyond 2^53 has other worries.
fn float(count: u64) -> f64 {
    std::time::Duration::from_secs(count).as_secs_f64()
}

/// The value below which so many thousandths of ascending values lie; 0 of none.
#[must_use]
pub fn percentile(ascending: &[u64], permille: usize) -> u64 {
    let place = (ascending.len() * permille).div_ceil(1_000).saturating_sub(1);
    ascending.get(place).copied().unwrap_or(0)
}

/// Runs and measures.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn measure(seed: u64, wan: Wan) -> Result<Figures, Violation> {
    let mut now_us = 0;
    let figures = run(seed, wan, &mut now_us);
    figures.map_err(|breach| Violation { run: Run::Wan(seed, wan), at_us: now_us, breach: Box::new(breach) })
}

fn run(seed: u64, wan: Wan, now_us: &mut u64) -> Result<Figures, Breach> {
    let weather = Weather { latency_us: wan.delay_us, spread_us: 0, ..Weather::GOOD };
    let mut world = World::steady(Dice::new(seed), wan.nodes, weather)?;
    let result = (|| {
        world.start()?;
        let mut next = Submissions { at_us: PAUSE_US, number: 0, banks: wan.nodes - wan.dead };
        next.until(&mut world, WARM_UP_US)?;
        let mut rotation_us = 0;
        if wan.dead > 0 {
            let (died_us, before) = (world.now_us, world.view());
            (wan.nodes - wan.dead..wan.nodes).for_each(|node| world.crash(node));
            let turns = u64::try_from(wan.nodes).unwrap_or(u64::MAX);
            while world.view() < before + turns {
                let step = world.now_us + PAUSE_US;
                next.until(&mut world, step)?;
            }
            rotation_us = world.now_us - died_us;
        }
        let (since, height) = (world.now_us, world.invariants.highest());
        world.meter = Some(Meter::since(since));
        next.until(&mut world, since + wan.for_us)?;
        let blocks = world.invariants.highest() - height;
        Ok((rotation_us, blocks, world.meter.take().unwrap_or_default()))
    })();
    *now_us = world.now_us;
    let (rotation_us, blocks, mut meter) = result?;
    meter.from_proposal.sort_unstable();
    meter.from_submission.sort_unstable();
    let Meter { from_proposal, from_submission, sent, .. } = meter;
    Ok(Figures { wan, blocks, from_proposal, from_submission, sent, rotation_us })
}

/// Steady clients of the first so many banks, which take turns.
struct Submissions {
    at_us: u64,
    number: u64,
    banks: usize,
}

impl Submissions {
    /// Runs the world to a time, and submits meanwhile.
    fn until(&mut self, world: &mut World, end_us: u64) -> Result<(), Breach> {
        while self.at_us < end_us {
            world.run_until(self.at_us)?;
            world.submit_new(self.number, self.banks)?;
            self.number += 1;
            self.at_us += PAUSE_US;
        }
        world.run_until(end_us)
    }
}

impl World {
    /// Nobody Byzantine, one long epoch; whoever runs it says what its clients do.
    pub(crate) fn steady(dice: Dice, nodes: usize, weather: Weather) -> Result<Self, Breach> {
        let owners: Vec<usize> = (0..nodes).collect();
        World::of(dice, (nodes, &owners), 1_000_000, weather, false)
    }

    /// A new client submits its transfer to its bank, one of the first `banks`.
    pub(crate) fn submit_new(&mut self, number: u64, banks: usize) -> Result<(), Breach> {
        let client = self.clients.len();
        let node = client % banks.max(1);
        let places = (node, 0, (node + 1) % banks.max(1), 1);
        let transaction = self.chain.transfer(number, places, 1, &self.memo);
        let transaction = transaction.map_err(|error| Breach::Simulator(format!("{error:#}")))?;
        if let Some(meter) = &mut self.meter {
            meter.submits(self.now_us, node, transaction.id());
        }
        self.clients.push(Client { transaction, accepted_by: Vec::new() });
        self.submit(client, Some(node))
    }
}
