//! What can be asked of a space once it is explored: is a state live, what did the machines sign in it, and how does
//! the specification see the way to it?
//!
//! Must not know: how states are searched.

use std::collections::BTreeSet;

use tonle_consensus::View;

use super::machine::Machine;
use super::replay::{Replay, replay, told};
use super::search::Came;
use super::traces::{Trace, module};
use super::world::{Machines, World};
use super::{Breach, Report};
use crate::engines::{Engines, Resumed};

/// Views from the first honest leader's on within which a new block must be final.
const LIVE_WITHIN: u64 = 5;
/// Events within which it must be, so that a machine that turns in a circle is noticed.
const EVENTS_MAX: usize = 100_000;

/// A space that was explored without a breach.
pub struct Explored {
    pub(super) machines: Machines,
    pub(super) start: World,
    pub(super) came: Came,
    /// What was done.
    pub report: Report,
}

impl Explored {
    /// Ways to `count` states, evenly spread over the search, and the machines there.
    fn sample(&mut self, count: usize) -> Vec<Replay> {
        let states = self.came.len();
        let ways: Vec<_> = (1..=count.min(states)).map(|at| self.came.way(at * (states - 1) / count.max(1))).collect();
        ways.into_iter().map(|way| replay(&mut self.machines, self.start, &way)).collect()
    }

    /// Goes the ways to `count` states once more, and from each on over a network that delivers everything, with the
    /// Byzantine validator silent: everywhere a new block must be final within five views of the first honest leader's.
    /// Returns the most views that it took.
    ///
    /// # Errors
    /// What does not hold.
    pub fn live(&mut self, count: usize) -> Result<u64, Breach> {
        let mut most = 0;
        for replay in self.sample(count) {
            if let Some(breach) = replay.breach {
                return Err(breach);
            }
            most = most.max(self.proceed(replay.actors)?);
        }
        Ok(most)
    }

    fn proceed(&self, actors: Vec<Machine>) -> Result<u64, Breach> {
        let names = &self.machines.names;
        let resumed: Vec<Resumed> = actors.into_iter().map(|actor| actor.resume(names)).collect();
        let mut engines = Engines::resume(&names.chain, &names.memo, resumed);
        let all: BTreeSet<usize> = (0..engines.machines.len()).collect();
        let heights = |engines: &Engines<'_>| -> Vec<u64> {
            engines.machines.iter().map(|machine| machine.engine.final_block().height().get()).collect()
        };
        let goal = heights(&engines).into_iter().max().unwrap_or(0) + 1;
        let mut first = engines.view(&all).max(1);
        while names.byzantine.contains(&names.chain.set.leader(View::new(first)).index()) {
            first += 1;
        }
        for _ in 0..EVENTS_MAX {
            if let Some((at, why)) =
                engines.machines.iter().enumerate().find_map(|(at, m)| Some((at, m.broken.clone()?)))
            {
                return Err(Breach::Halted(at, why));
            }
            if heights(&engines).into_iter().min().unwrap_or(0) >= goal {
                return Ok(engines.view(&all).saturating_sub(first));
            }
            if engines.view(&all) > first + LIVE_WITHIN || !engines.step() {
                break;
            }
        }
        Err(Breach::Stuck(first, heights(&engines)))
    }

    /// All that the machines sign together in any state, each as the sorted texts of what one signed.
    #[must_use]
    pub fn outcomes(&self) -> BTreeSet<Vec<String>> {
        let mut worlds: Vec<World> = vec![self.start; self.came.len()];
        let mut outcomes = BTreeSet::new();
        for number in 0..self.came.len() {
            if let Some((from, position, stimulus)) = self.came.step(number).filter(|_| number > 0) {
                worlds[number] = self.machines.known(&worlds[from], position, stimulus);
            }
            let signed =
                |position| told(&self.machines.machine(position, &worlds[number]).signed, &self.machines.names);
            let mut outcome: Vec<String> = (0..self.machines.honest.len()).map(signed).collect();
            outcome.sort_unstable();
            outcomes.insert(outcome);
        }
        outcomes
    }

    /// Ways to states as runs of the specification, `count` of them at most, in a Quint module; and after them one
    /// that is wrong, for a vote is cast twice in it.
    #[must_use]
    pub fn traces(&mut self, count: usize) -> String {
        let mut runs = Vec::new();
        let mut wrong = None;
        // More than are wanted: some have steps that the specification leaves out.
        for way in self.ways(count * 4) {
            if runs.len() == count {
                break;
            }
            let whole = replay(&mut self.machines, self.start, &way);
            let steps: Vec<Replay> =
                (1..=way.len()).map(|end| replay(&mut self.machines, self.start, &way[..end])).collect();
            let mut trace = Trace::new(&self.machines.names, &self.machines.honest);
            let fits = whole.deeds.iter().zip(&steps).all(|(deed, until)| {
                let actor = until.actors.iter().find(|actor| actor.identity == deed.who);
                actor.is_some_and(|actor| trace.add(deed, actor))
            });
            if fits && whole.breach.is_none() {
                runs.push(trace.finish(&format!("trace_{}", runs.len() + 1), &whole.actors));
                wrong = wrong.or_else(|| trace.wrong("wrong"));
            }
        }
        runs.extend(wrong);
        module(&runs)
    }

    fn ways(&self, count: usize) -> Vec<Vec<(usize, usize)>> {
        let states = self.came.len();
        (1..=count.min(states)).rev().map(|at| self.came.way(at * (states - 1) / count.max(1))).collect()
    }
}
