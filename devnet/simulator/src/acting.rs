//! Who is Byzantine in a simulation, and how what they say gets onto the links.
//!
//! Must not know: what an actor does.

use std::collections::BTreeMap;

use tonle_replica::PeerMessage;

use crate::byzantine::{Actor, Kind, Line, Stage};
use crate::dice::Dice;
use crate::faults::Fault;
use crate::invariants::Breach;
use crate::node::validator;
use crate::world::World;

/// A Byzantine validator.
pub(crate) struct Byzantine {
    pub(crate) kind: Kind,
    actor: Box<dyn Actor>,
}

/// The Byzantine ones, by machine, and which validator each machine belongs to.
type Cast = (BTreeMap<usize, Byzantine>, Vec<usize>);

/// Of `count` validators one is of this kind.
pub(crate) fn cast_one(dice: &mut Dice, count: usize, kind: Kind) -> Cast {
    let (mut byzantine, mut owners) = (BTreeMap::new(), (0..count).collect());
    let node = dice.index(count);
    play(dice, (&mut byzantine, &mut owners), node, kind);
    (byzantine, owners)
}

/// Draws the Byzantine ones among `count` validators, at most f of them and often none.
pub(crate) fn cast(dice: &mut Dice, count: usize) -> Cast {
    let mut owners: Vec<usize> = (0..count).collect();
    let mut byzantine = BTreeMap::new();
    let most = (count - 1) / 3;
    let how_many = if dice.chance(350) { 0 } else { 1 + dice.index(most) };
    for _ in 0..how_many {
        let node = dice.index(count);
        let Some(kind) = dice.pick(&Kind::ALL) else { continue };
        if byzantine.contains_key(&node) {
            continue;
        }
        play(dice, (&mut byzantine, &mut owners), node, kind);
    }
    (byzantine, owners)
}

/// Gives a validator its part, and its twin another machine.
fn play(
    dice: &mut Dice,
    (byzantine, owners): (&mut BTreeMap<usize, Byzantine>, &mut Vec<usize>),
    node: usize,
    kind: Kind,
) {
    if kind == Kind::Twins {
        byzantine.insert(owners.len(), Byzantine { kind, actor: kind.actor(dice) });
        owners.push(node);
    }
    byzantine.insert(node, Byzantine { kind, actor: kind.actor(dice) });
}

impl World {
    /// Sends what a Byzantine validator says instead of a message of its replica's.
    pub(crate) fn misbehave(&mut self, from: usize, to: &[usize], message: &PeerMessage) -> Result<(), Breach> {
        for receiver in to {
            let lines = self.act(from, |actor, stage| actor.says(stage, *receiver, message)).unwrap_or_default();
            for line in lines {
                self.utter(from, &[*receiver], &line)?;
            }
        }
        Ok(())
    }

    /// A Byzantine validator hears a message, and may have something to say to it.
    pub(crate) fn hear(&mut self, at: usize, message: &PeerMessage) -> Result<(), Breach> {
        let said = self.act(at, |actor, stage| actor.hears(stage, message)).unwrap_or_default();
        if said.is_empty() {
            return Ok(());
        }
        let me = self.owner(at);
        let others: Vec<usize> = (0..self.nodes.len()).filter(|node| self.owner(*node) != me).collect();
        for message in said {
            self.utter(at, &others, &Line::plain(message))?;
        }
        Ok(())
    }

    /// Lets an actor act. None for an honest node.
    fn act<T>(&mut self, at: usize, act: impl FnOnce(&mut dyn Actor, &mut Stage<'_>) -> T) -> Option<T> {
        let owner = self.owner(at);
        let me = self.place(at, at).unwrap_or(validator(owner));
        let byzantine = self.byzantine.get_mut(&at)?;
        let mut stage = Stage {
            me,
            nodes: self.chain.validator_keys.len(),
            key: self.chain.validator_keys.get(owner)?,
            context: &self.context,
            memo: &self.memo,
            dice: &mut self.dice,
            misdeeds: 0,
        };
        let result = act(byzantine.actor.as_mut(), &mut stage);
        self.fired.times(byzantine.kind.fault(), stage.misdeeds);
        Some(result)
    }

    /// Each receiver refuses what does not hold.
    fn utter(&mut self, from: usize, to: &[usize], line: &Line) -> Result<(), Breach> {
        match self.check(&line.message) {
            Ok(delivery) if line.forged && delivery.checked.counts() => {
                Err(Breach::Forged { node: from, what: format!("{:?}", line.message) })
            }
            Ok(delivery) => {
                to.iter().for_each(|receiver| self.transmit(from, *receiver, &delivery));
                Ok(())
            }
            Err(_) => {
                self.fired.count(Fault::Refused);
                Ok(())
            }
        }
    }
}
