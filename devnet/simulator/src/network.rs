//! Links between nodes: latency, and the faults that strike messages.
//!
//! Must not know: what a message says.

use crate::dice::Dice;
use crate::faults::{Fault, Fired, Weather};

/// No delay doubles beyond this, in microseconds.
const HEAVY_TAIL_MAX_US: u64 = 2_000_000;

/// What happens to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It never arrives.
    Lost,
    /// It arrives after this delay, and perhaps once more after that, in microseconds.
    Arrives(u64, Option<u64>),
}

/// The state of all links.
#[derive(Debug)]
pub(crate) struct Network {
    weather: Weather,
    healed: bool,
    /// Until when a link carries nothing, by sender and receiver, in microseconds.
    cut_until: Vec<Vec<u64>>,
    slow_until: Vec<u64>,
}

impl Network {
    pub(crate) fn new(nodes: usize, weather: Weather) -> Self {
        Network { weather, healed: false, cut_until: vec![vec![0; nodes]; nodes], slow_until: vec![0; nodes] }
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.cut_until.iter_mut().flatten().for_each(|until| *until = 0);
        self.slow_until.iter_mut().for_each(|until| *until = 0);
    }

    /// Cuts one direction of a link.
    pub(crate) fn cut(&mut self, from: usize, to: usize, until_us: u64) {
        if let Some(until) = self.cut_until.get_mut(from).and_then(|row| row.get_mut(to)) {
            *until = (*until).max(until_us);
        }
    }

    /// Slows all links of a node.
    pub(crate) fn slow(&mut self, node: usize, until_us: u64) {
        if let Some(until) = self.slow_until.get_mut(node) {
            *until = until_us;
        }
    }

    /// Does the link carry anything in this direction?
    pub(crate) fn is_up(&self, now_us: u64, from: usize, to: usize) -> bool {
        self.cut_until.get(from).and_then(|row| row.get(to)).is_none_or(|until| *until <= now_us)
    }

    /// What happens to a message sent by `from` to `to`.
    pub(crate) fn fate(&self, now_us: u64, from: usize, to: usize, dice: &mut Dice, fired: &mut Fired) -> Fate {
        if !self.is_up(now_us, from, to) {
            let back = self.is_up(now_us, to, from);
            fired.count(if back { Fault::AsymmetricPartition } else { Fault::Partition });
            return Fate::Lost;
        }
        let base = self.weather.latency_us;
        let mut delay = base + dice.below(self.weather.spread_us + 1);
        if self.healed {
            return Fate::Arrives(delay, None);
        }
        if dice.chance(self.weather.loss) {
            fired.count(Fault::Loss);
            return Fate::Lost;
        }
        if [from, to].iter().any(|node| self.slow_until.get(*node).is_some_and(|until| *until > now_us)) {
            fired.count(Fault::Delay);
            delay += dice.between(100_000, 800_000);
        }
        if dice.chance(self.weather.reordering) {
            fired.count(Fault::Reordering);
            delay += dice.between(base, base * 6);
        }
        if dice.chance(self.weather.heavy_tail) {
            fired.count(Fault::HeavyTail);
            // Each further doubling is half as likely.
            while delay < HEAVY_TAIL_MAX_US && dice.chance(500) {
                delay *= 2;
            }
            delay *= 4;
        }
        let mut again = None;
        if dice.chance(self.weather.duplication) {
            fired.count(Fault::Duplication);
            again = Some(delay + dice.below(200_000));
        }
        Fate::Arrives(delay, again)
    }
}
