//! Twins (Bano and others, 2021): a Byzantine validator is modelled as two honest machines with the same keys, and the
//! scenarios are all ways to part the machines, view by view. Each scenario must be safe throughout, and live once the
//! parting ends.
//!
//! Must not know: how engines are run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tonle_crypto::Digest;

use crate::chain::Chain;
use crate::dice::Dice;
use crate::engines::Engines;
use crate::memo::Memo;

/// The links are whole after this long at the latest, in microseconds: until then parted machines may be stuck.
const HEALED_BY_US: u64 = 3_000_000;
/// New blocks must be final this long after that, in microseconds.
const LIVE_WITHIN_US: u64 = 20_000_000;
/// Blocks that must become final after the links are whole.
const BLOCKS_AFTER: u64 = 3;

/// How machines are parted, view by view. Machines are the validators in their order, then the twins' second ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The validators that run twice.
    pub twins: Vec<usize>,
    /// For each view from 1 on, the group of each machine. Later views are whole.
    pub views: Vec<Vec<usize>>,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "twins {:?}; groups by view {:?}", self.twins, self.views)
    }
}

/// Why a scenario is a counterexample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// Two blocks are final at one height on honest machines.
    #[error("height {0} has two final blocks")]
    Fork(u64),
    /// An honest machine stopped.
    #[error("machine {0}: {1}")]
    Stopped(usize, String),
    /// Nothing becomes final although the links are whole.
    #[error("nothing new is final: heights {0:?}")]
    Stuck(Vec<u64>),
    /// The simulator itself failed.
    #[error("simulator: {0}")]
    Simulator(String),
}

/// What many scenarios share.
pub struct Cluster {
    chain: Chain,
    memo: Memo,
    validators: usize,
}

impl Cluster {
    /// Of so many validators.
    ///
    /// # Errors
    /// When the chain cannot be made.
    pub fn new(validators: usize) -> Result<Self, Broken> {
        let chain = Chain::new(validators, u64::MAX).map_err(|error| Broken::Simulator(format!("{error:#}")))?;
        Ok(Cluster { chain, memo: Memo::imitating(), validators })
    }

    /// Plays a scenario: the highest final height.
    ///
    /// # Errors
    /// [`Broken`]: what did not hold.
    pub fn play(&self, scenario: &Scenario) -> Result<u64, Broken> {
        let owners: Vec<usize> = (0..self.validators).chain(scenario.twins.iter().copied()).collect();
        let honest: BTreeSet<usize> = (0..self.validators).filter(|at| !scenario.twins.contains(at)).collect();
        let engines = Engines::new(&self.chain, &self.memo, &owners, scenario.views.clone());
        let mut engines = engines.map_err(|error| Broken::Simulator(format!("{error:#}")))?;
        let last = u64::try_from(scenario.views.len()).unwrap_or(u64::MAX);
        while engines.now_us < HEALED_BY_US && engines.view(&honest) <= last && engines.step() {
            check(&engines, &honest)?;
        }
        engines.heal();
        let heights = |engines: &Engines<'_>| -> Vec<u64> {
            let last = |at: &usize| engines.machines[*at].engine.final_block().height().get();
            honest.iter().map(last).collect()
        };
        let goal = heights(&engines).into_iter().max().unwrap_or(0) + BLOCKS_AFTER;
        let deadline = engines.now_us + LIVE_WITHIN_US;
        while heights(&engines).into_iter().min().unwrap_or(0) < goal {
            if engines.now_us > deadline || !engines.step() {
                return Err(Broken::Stuck(heights(&engines)));
            }
            check(&engines, &honest)?;
        }
        Ok(goal)
    }
}

fn check(engines: &Engines<'_>, honest: &BTreeSet<usize>) -> Result<(), Broken> {
    let mut finals: BTreeMap<u64, Digest> = BTreeMap::new();
    for at in honest {
        let machine = &engines.machines[*at];
        if let Some(why) = &machine.broken {
            return Err(Broken::Stopped(*at, why.clone()));
        }
        for (height, block) in &machine.finals {
            if *finals.entry(*height).or_insert(*block) != *block {
                return Err(Broken::Fork(*height));
            }
        }
    }
    Ok(())
}

/// All ways to put `machines` into at most `groups` groups, as the group of each.
#[must_use]
pub fn partitions(machines: usize, groups: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..machines {
        all = all
            .into_iter()
            .flat_map(|part: Vec<usize>| {
                let used = part.iter().max().map_or(0, |most| most + 1);
                (0..=used.min(groups - 1)).map(move |group| [part.as_slice(), &[group]].concat())
            })
            .collect();
    }
    all
}

/// All scenarios of `validators` with one twin and `views` views, each parted into at most `groups`.
pub fn all(validators: usize, views: u32, groups: usize) -> impl Iterator<Item = Scenario> {
    let ways = partitions(validators + 1, groups);
    let count = ways.len().pow(views);
    (0..validators).flat_map(move |twin| {
        let ways = ways.clone();
        (0..count).map(move |number| {
            let view = |at: u32| ways[number / ways.len().pow(at) % ways.len()].clone();
            Scenario { twins: vec![twin], views: (0..views).map(view).collect() }
        })
    })
}

/// A scenario of a seed: f twins, and `views` views.
#[must_use]
pub fn sample(seed: u64, validators: usize, views: usize) -> Scenario {
    let mut dice = Dice::new(seed);
    let mut twins = BTreeSet::new();
    while twins.len() < (validators - 1) / 3 {
        twins.insert(dice.index(validators));
    }
    let machines = validators + twins.len();
    let groups = 2 + dice.index(2);
    let views = (0..views).map(|_| (0..machines).map(|_| dice.index(groups)).collect()).collect();
    Scenario { twins: twins.into_iter().collect(), views }
}
