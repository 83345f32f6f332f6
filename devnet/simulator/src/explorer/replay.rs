//! A way through the states once more, with a machine of its own for each validator: what each step did, in words.
//!
//! In the search, machines that are alike may change places, for their states are sorted. Here each keeps its name.
//!
//! Must not know: how the way was found.

use super::Breach;
use super::machine::{Machine, Signed, numbers};
use super::names::{Database, Names, QuorumName, Stimulus, Surrender, What};
use super::world::{Machines, World};

/// What happened to a machine, and what it signed thereupon.
pub(super) struct Deed {
    pub(super) who: usize,
    pub(super) what: Stimulus,
    /// What it signed for the first time.
    pub(super) signed: Signed,
    /// Its view after that.
    pub(super) view: u64,
}

/// A way, and the machines at its end.
pub(super) struct Replay {
    pub(super) deeds: Vec<Deed>,
    pub(super) actors: Vec<Machine>,
    /// Its last step was a breach.
    pub(super) breach: Option<Breach>,
}

/// Goes a way from the start.
pub(super) fn replay(machines: &mut Machines, start: World, way: &[(usize, usize)]) -> Replay {
    let mut replay = Replay { deeds: Vec::new(), actors: Vec::new(), breach: None };
    let result = go(machines, start, way, &mut replay);
    replay.breach = result.err();
    replay
}

fn go(machines: &mut Machines, start: World, way: &[(usize, usize)], replay: &mut Replay) -> Result<(), Breach> {
    for validator in machines.honest.clone() {
        replay.actors.push(Machine::new(validator, &mut machines.names)?);
    }
    // Which actor stands at each position, and in which state.
    let mut places: Vec<(u32, usize)> = start.into_iter().zip(0..replay.actors.len()).collect();
    for (position, stimulus) in way.iter().copied() {
        let actor = &mut replay.actors[places[position].1];
        let before = actor.signed;
        let what = machines.names.stimulus(stimulus);
        let result = actor.happen(what, &mut machines.names);
        let signed = actor.signed.since(before);
        let (who, view) = (actor.identity, actor.engine.view().get());
        replay.deeds.push(Deed { who, what, signed, view });
        result?;
        let state = machines.next(position, places[position].0, stimulus)?;
        places[position].0 = state;
        places[machines.alike()].sort_unstable();
        let place = places.iter().find(|(found, at)| *found == state && replay.actors[*at].identity == who);
        let kept = machines.fingerprint(position, state);
        let own = place.map(|(_, at)| &replay.actors[*at]).filter(|actor| machines.is_original(position, actor));
        if own.is_some_and(|actor| actor.fingerprint() != kept) {
            return Err(Breach::Diverged);
        }
    }
    Ok(())
}

impl Signed {
    fn since(&self, before: Signed) -> Signed {
        Signed {
            notarized: self.notarized & !before.notarized,
            finalized: self.finalized & !before.finalized,
            surrendered: self.surrendered & !before.surrendered,
            proposed: self.proposed & !before.proposed,
        }
    }
}

impl Deed {
    /// The deed in words.
    pub(super) fn tell(&self, names: &Names) -> String {
        let mut text = format!("{} {}", self.who, happening(self.what.what, names));
        if self.what.torn > 0 {
            text +=
                &format!("; crashes after write {} to its disk, before what waits for it; restarts", self.what.torn);
        }
        let signed = told(&self.signed, names);
        if !signed.is_empty() {
            text += &format!("; signs {signed}");
        }
        format!("{text}; is in view {}", self.view)
    }
}

/// What was signed, in words.
pub(super) fn told(signed: &Signed, names: &Names) -> String {
    let mut texts: Vec<String> = Vec::new();
    texts.extend(numbers(signed.proposed).map(|number| proposal(number, names)));
    texts.extend(numbers(signed.notarized).map(|number| format!("Notarize{}", choice(number, names))));
    texts.extend(numbers(signed.finalized).map(|number| format!("Finalize{}", choice(number, names))));
    texts.extend(numbers(signed.surrendered).map(|number| format!("Timeout{}", surrender(number, names))));
    texts.sort_unstable();
    texts.join(", ")
}

fn happening(what: What, names: &Names) -> String {
    match what {
        What::Proposal(number) => format!("hears {}", proposal(number, names)),
        What::Quorum(QuorumName { is_final, choice: number }) => {
            format!("hears {}{}", if is_final { "FC" } else { "QC" }, choice(number, names))
        }
        What::Abandoned(number) => format!("hears TC{}", surrender(number, names)),
        What::Notarize { signer, choice: number } => format!("hears Notarize{} of {signer}", choice(number, names)),
        What::Finalize { signer, choice: number } => format!("hears Finalize{} of {signer}", choice(number, names)),
        What::Timeout { signer, surrender: number } => {
            format!("hears Timeout{} of {signer}", surrender(number, names))
        }
        What::TimeOut => "finds its timer ended".to_owned(),
        What::Built => "gets its payload".to_owned(),
        What::Greeted => "is greeted".to_owned(),
        What::Restart(Database::Kept) => "crashes and restarts".to_owned(),
        What::Restart(Database::Behind) => "crashes and restarts with an empty database".to_owned(),
    }
}

/// A block as the chain of views and letters above the anchor, such as `1a-2b`.
fn block(number: usize, names: &Names) -> String {
    let Some((view, which)) = names.origin(number) else { return "anchor".to_owned() };
    let own = format!("{view}{}", if which == 0 { 'a' } else { 'b' });
    match names.parent(number) {
        0 => own,
        parent => format!("{}-{own}", block(parent, names)),
    }
}

fn choice(number: usize, names: &Names) -> String {
    let choice = names.choice(number);
    format!("({}, {})", choice.view, block(choice.block, names))
}

fn surrender(number: usize, names: &Names) -> String {
    let Surrender { view, high } = names.surrender(number);
    format!("({view}, high {})", high.map_or("0".to_owned(), |number| names.choice(number).view.to_string()))
}

fn proposal(number: usize, names: &Names) -> String {
    let proposal = names.proposal(number);
    let parent = proposal.parent.map_or("the anchor".to_owned(), |number| format!("QC{}", choice(number, names)));
    let timeout = proposal.timeout.map_or(String::new(), |number| format!(" with TC{}", surrender(number, names)));
    format!("Proposal({}, {}) on {parent}{timeout}", proposal.view, block(proposal.block, names))
}
