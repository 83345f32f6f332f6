//! Breadth-first search: the first breach found is one of the fewest steps.
//!
//! Must not know: what a state is made of, what a step does.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

use super::explored::Explored;
use super::replay::{Deed, replay};
use super::world::{Machines, World};
use super::{Breach, Setup};

/// Positions take two bits of a step.
const POSITIONS: u32 = 4;

/// Where an exploration ends, if not with the last state.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// States kept: some 50 bytes each.
    pub states: usize,
    /// Time.
    pub time: Duration,
}

/// What an exploration did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Distinct states.
    pub states: usize,
    /// Steps that changed something.
    pub transitions: u64,
    /// Of these, steps to a state that was known.
    pub duplicates: u64,
    /// Steps that changed nothing.
    pub idle: u64,
    /// Steps from the start to the farthest state.
    pub depth: usize,
    /// Distinct states of single machines; machines that are alike share them.
    pub machine_states: usize,
    /// Was every state visited?
    pub exhausted: bool,
    /// Time.
    pub took: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { states, transitions, duplicates, idle, depth, machine_states, exhausted, took } = self;
        let rate = u128::try_from(*states).unwrap_or(0) * 1_000 / took.as_millis().max(1);
        let end = if *exhausted { "exhausted" } else { "NOT exhausted" };
        write!(
            f,
            "{states} states ({machine_states} of single machines), {transitions} transitions of which {duplicates} to \
             known states, {idle} idle steps, depth {depth}, {:.1} s, {rate} states/s, {end}",
            took.as_secs_f64()
        )
    }
}

/// A breach, and the shortest way to it.
#[derive(Debug)]
pub struct Counterexample {
    /// What does not hold.
    pub breach: Breach,
    /// What happened, step by step.
    pub steps: Vec<String>,
    /// What was explored until then.
    pub states: usize,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} (in {} steps, after {} states)", self.breach, self.steps.len(), self.states)?;
        self.steps.iter().enumerate().try_for_each(|(at, step)| writeln!(f, "{:4}. {step}", at + 1))
    }
}

/// From where, and by which step, each state was reached first.
#[derive(Default)]
pub(super) struct Came(Vec<(u32, u32)>);

impl Came {
    fn add(&mut self, from: u32, (position, stimulus): (usize, usize)) -> Result<u32, Breach> {
        let number = u32::try_from(self.0.len()).map_err(|_| Breach::Bound)?;
        let stimulus = u32::try_from(stimulus).ok().and_then(|stimulus| stimulus.checked_mul(POSITIONS));
        let position = u32::try_from(position).map_err(|_| Breach::Bound)?;
        self.0.push((from, stimulus.ok_or(Breach::Bound)? + position));
        Ok(number)
    }

    /// States reached.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// From which state one was reached, by which stimulus to which position; the start from itself.
    pub(super) fn step(&self, to: usize) -> Option<(usize, usize, usize)> {
        let (from, step) = *self.0.get(to)?;
        let number = |value: u32| usize::try_from(value).unwrap_or(usize::MAX);
        Some((number(from), number(step % POSITIONS), number(step / POSITIONS)))
    }

    /// The steps from the start to a state.
    pub(super) fn way(&self, to: usize) -> Vec<(usize, usize)> {
        let (mut steps, mut at) = (Vec::new(), to);
        while let Some((from, position, stimulus)) = self.step(at).filter(|_| at != 0) {
            steps.push((position, stimulus));
            at = from;
        }
        steps.reverse();
        steps
    }
}

/// Mixes what is a number already.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u128(u128::from(*byte)));
    }
    fn write_u128(&mut self, value: u128) {
        let low = u64::try_from(value & u128::from(u64::MAX)).unwrap_or(0);
        let high = u64::try_from(value >> 64).unwrap_or(0);
        let mixed = (self.0 ^ low ^ high.rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = (mixed ^ (mixed >> 32)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.0 ^= self.0 >> 29;
    }
}

/// The state itself as one number: no two states are taken for one.
fn pack(world: &World) -> u128 {
    world.iter().fold(0, |packed, state| (packed << 32) | u128::from(*state))
}

struct Search {
    machines: Machines,
    seen: HashSet<u128, BuildHasherDefault<Mix>>,
    came: Came,
    report: Report,
}

/// Where a search went wrong: at the state of that number, by that step.
struct Wrong {
    breach: Breach,
    at: u32,
    step: Option<(usize, usize)>,
}

/// Explores, until every state is visited or a limit is reached.
///
/// # Errors
/// A breach, with a shortest way to it.
pub fn explore(setup: Setup, limits: Limits) -> Result<Explored, Box<Counterexample>> {
    let none = |breach| Box::new(Counterexample { breach, steps: Vec::new(), states: 0 });
    let (machines, start) = Machines::new(setup).map_err(none)?;
    let report = Report {
        states: 0,
        transitions: 0,
        duplicates: 0,
        idle: 0,
        depth: 0,
        machine_states: 0,
        exhausted: false,
        took: Duration::ZERO,
    };
    let mut search = Search { machines, seen: HashSet::default(), came: Came::default(), report };
    let result = search.run(start, limits);
    search.report.states = search.seen.len();
    search.report.machine_states = search.machines.states();
    let Search { mut machines, came, report, .. } = search;
    match result {
        Ok(()) => Ok(Explored { machines, start, came, report }),
        Err(Wrong { breach, at, step }) => {
            let way: Vec<(usize, usize)> = came.way(usize::try_from(at).unwrap_or(0)).into_iter().chain(step).collect();
            let deeds = replay(&mut machines, start, &way).deeds;
            let steps = deeds.iter().map(|deed: &Deed| deed.tell(&machines.names)).collect();
            Err(Box::new(Counterexample { breach, steps, states: report.states }))
        }
    }
}

impl Search {
    fn run(&mut self, start: World, limits: Limits) -> Result<(), Wrong> {
        let began = Instant::now();
        let first = self.came.add(0, (0, 0)).map_err(|breach| Wrong { breach, at: 0, step: None })?;
        self.seen.insert(pack(&start));
        let (mut level, mut steps) = (vec![(start, first)], Vec::new());
        while !level.is_empty() {
            let mut next = Vec::new();
            for (world, at) in &level {
                let enabled = self.machines.enabled(world, &mut steps);
                enabled.map_err(|breach| Wrong { breach, at: *at, step: None })?;
                for step in &steps {
                    let step = *step;
                    let found = self.step(world, *at, step);
                    next.extend(found.map_err(|breach| Wrong { breach, at: *at, step: Some(step) })?);
                }
                self.report.took = began.elapsed();
                if self.seen.len() >= limits.states || self.report.took >= limits.time {
                    return Ok(());
                }
            }
            self.report.depth += usize::from(!next.is_empty());
            level = next;
        }
        self.report.exhausted = true;
        Ok(())
    }

    /// Takes a step; the state that it leads to, if it is a new one.
    fn step(&mut self, world: &World, at: u32, step: (usize, usize)) -> Result<Option<(World, u32)>, Breach> {
        let after = self.machines.after(world, step.0, step.1)?;
        if after == *world {
            self.report.idle += 1;
            return Ok(None);
        }
        self.report.transitions += 1;
        if !self.seen.insert(pack(&after)) {
            self.report.duplicates += 1;
            return Ok(None);
        }
        self.machines.check(&after)?;
        Ok(Some((after, self.came.add(at, step)?)))
    }
}
