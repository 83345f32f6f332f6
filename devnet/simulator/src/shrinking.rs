//! Makes a failing seed smaller: takes faults and clients away for as long as the same kind of violation stays.
//!
//! Must not know: what a fault or a client does.

use std::collections::BTreeSet;

use crate::timeline::Timeline;
use crate::violation::{Run, Violation};
use crate::world::{Report, Sabotage, World, play};

/// What of a seed's plan is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Without {
    /// Faults, by their place in the plan.
    pub strikes: BTreeSet<usize>,
    /// Clients, by their number.
    pub clients: BTreeSet<usize>,
}

/// A violation that was made small.
#[derive(Debug)]
pub struct Shrunk {
    /// The violation.
    pub violation: Violation,
    /// What happened up to it.
    pub timeline: Timeline,
    /// Faults and clients that are left, of how many.
    pub strikes: (usize, usize),
    /// Likewise clients.
    pub clients: (usize, usize),
}

/// A run of which all was kept.
#[derive(Debug)]
pub struct Telling {
    /// How it ended.
    pub result: Result<Report, Violation>,
    /// What happened.
    pub timeline: Timeline,
    /// How many faults and clients the seed drew.
    pub planned: (usize, usize),
}

/// Runs a seed without some of its plan, and keeps what happened.
#[must_use]
pub fn retell(seed: u64, sabotage: Option<Sabotage>, without: &Without) -> Telling {
    let mut world = World::new(seed, sabotage, without);
    if let Ok((world, _)) = &mut world {
        world.record();
    }
    let planned = world.as_ref().map_or((0, 0), |(world, _)| world.planned());
    let (result, timeline) = play((seed, Run::Seed(seed)), world);
    Telling { result, timeline, planned }
}

/// Makes a failing seed smaller, trying at most `tries` times. None when the seed does not fail.
#[must_use]
pub fn shrink(seed: u64, sabotage: Option<Sabotage>, tries: usize) -> Option<Shrunk> {
    let mut without = Without::default();
    let Telling { result, mut timeline, planned: (strikes, clients) } = retell(seed, sabotage, &without);
    let mut violation = result.err()?;
    let kind = violation.breach.name();
    let mut left = tries;
    // Half of what is left at a time, then a quarter, down to one by one.
    for (of_clients, count) in [(false, strikes), (true, clients)] {
        let mut chunk = count.div_ceil(2).max(1);
        loop {
            for from in (0..count).step_by(chunk) {
                let mut candidate = without.clone();
                let places = if of_clients { &mut candidate.clients } else { &mut candidate.strikes };
                let before = places.len();
                places.extend(from..(from + chunk).min(count));
                if places.len() == before || left == 0 {
                    continue;
                }
                left -= 1;
                let told = retell(seed, sabotage, &candidate);
                if let Err(found) = told.result
                    && found.breach.name() == kind
                {
                    (violation, timeline, without) = (found, told.timeline, candidate);
                }
            }
            if chunk == 1 {
                break;
            }
            chunk = chunk.div_ceil(2);
        }
    }
    Some(Shrunk {
        violation,
        timeline,
        strikes: (strikes - without.strikes.len(), strikes),
        clients: (clients - without.clients.len(), clients),
    })
}
