//! Runs in which the validators change: banks come to validate, leave, and take other keys, while clients pay and, in
//! most of them, faults strike.
//!
//! Must not know: how a change takes effect.

use crate::chain::{Chain, Change};
use crate::dice::Dice;
use crate::faults::{Strike, Weather, schedule, weather};
use crate::invariants::Breach;
use crate::violation::{Run, Violation};
use crate::world::{Happening, Report, World, play};

/// Validators of genesis.
const FOUNDERS: usize = 4;
/// Machines of banks, or of keys, that come to validate.
const SPARES: usize = 2;
const EPOCH: u64 = 12;
const CLIENTS: u64 = 300;
const PAUSE_US: u64 = 150_000;

/// Runs four validators, to whom a fifth comes; one leaves, and another takes a new key. `calm`: without any other fault.
///
/// # Errors
/// [`Violation`]: the first invariant that did not hold.
#[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
pub fn membership(seed: u64, calm: bool) -> Result<Report, Violation> {
    play((seed, Run::Membership(seed, calm)), world(seed, calm)).0
}

fn world(seed: u64, calm: bool) -> Result<(World, u64), Breach> {
    let failed = |error: anyhow::Error| Breach::Simulator(format!("{error:#}"));
    let mut dice = Dice::new(seed);
    let weather = if calm { Weather::GOOD } else { weather(&mut dice) };
    let chain = Chain::with_spares(FOUNDERS, SPARES, EPOCH).map_err(failed)?;
    let machines: Vec<usize> = (0..FOUNDERS + SPARES).collect();
    let mut world = World::on(dice, chain, &machines, EPOCH, weather, false)?;
    let end_us = 200_000 + PAUSE_US * CLIENTS;
    for number in 0..CLIENTS {
        let banks = machines.len();
        let (from, to) = (world.dice.index(FOUNDERS), world.dice.index(banks));
        let transaction = world.chain.transfer(number, (from, 0, to, 1), 1, &world.memo).map_err(failed)?;
        let node = world.dice.index(FOUNDERS);
        world.enrol(transaction, 100_000 + PAUSE_US * number, node);
    }
    // The fifth comes; then one of the first leaves; much later another takes a new key, the sixth machine's.
    let leaves = world.dice.index(FOUNDERS);
    let renewed = (leaves + 1 + world.dice.index(FOUNDERS - 1)) % FOUNDERS;
    let changes = [
        Change::Set { bank: FOUNDERS, owner: FOUNDERS },
        Change::Remove { bank: leaves },
        Change::Set { bank: renewed, owner: FOUNDERS + 1 },
        // Asked for again and again: refused while older sets may be in force, then granted once.
        Change::Set { bank: renewed, owner: FOUNDERS + 1 },
        Change::Set { bank: renewed, owner: FOUNDERS + 1 },
    ];
    for (number, change) in (0u64..).zip(changes) {
        let transaction = world.chain.change(CLIENTS + number, change, &world.memo).map_err(failed)?;
        let at = 1_000_000 + end_us / 6 * number + world.dice.below(end_us / 12);
        let node = world.dice.index(FOUNDERS);
        world.enrol(transaction, at, node);
    }
    if !calm {
        // Nobody loses what it vouched for: while validators change, those who stay make the quorum.
        let strikes = schedule(&mut world.dice, machines.len(), 0, end_us);
        for (at, strike) in strikes.into_iter().filter(|(_, strike)| !matches!(strike, Strike::TurnClock { .. })) {
            world.at(at, Happening::Strike(strike));
        }
    }
    world.at(end_us, Happening::Heal);
    Ok((world, end_us))
}
