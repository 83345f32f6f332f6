//! States of the whole: which honest machine is in which of its states. States of machines are kept once, with the
//! engine in them, and what a stimulus does to one is computed once, by the real engine, and remembered.
//!
//! What was signed is on the network for good, so a state of the network is what the machines have signed, and that is
//! a part of their states. Three numbers are a state of the whole.
//!
//! Must not know: in which order states are visited.

use std::collections::HashMap;
use std::rc::Rc;

use tonle_consensus::View;
use tonle_crypto::Digest;

use super::machine::{Machine, Signed, numbers};
use super::names::{Bits, Database, Names, Proposed, QuorumName, Stimulus, Surrender, What};
use super::{Breach, Grain, Setup};
use crate::chain::Chain;

/// Most honest machines.
pub(super) const MACHINES: usize = 3;
/// Not computed yet.
const UNKNOWN: u32 = u32::MAX;
/// Crashes are told apart by the write after which they come; one turn writes at most so often.
const TORN_MAX: u8 = 2;

/// Which state each honest machine is in.
pub(super) type World = [u32; MACHINES];

/// The states of a machine in one role.
#[derive(Default)]
struct Table {
    machines: Vec<Machine>,
    numbers: HashMap<Digest, u32>,
    /// By state and stimulus.
    next: Vec<Vec<u32>>,
    /// By state: what may happen to it whatever the others do.
    own: Vec<Rc<[usize]>>,
}

/// What quorums there are: they decide which certificates and proposals the Byzantine validator can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Quorums {
    pub(super) notarized: Bits,
    pub(super) finalized: Bits,
    /// What each machine has given up on, sorted: the order makes no difference.
    surrendered: [Bits; MACHINES],
}

fn index(state: u32) -> usize {
    usize::try_from(state).unwrap_or(usize::MAX)
}

/// See the module.
pub(super) struct Machines {
    pub(super) names: Names,
    setup: Setup,
    /// The honest validators, by position.
    pub(super) honest: Vec<usize>,
    /// Position by position, whose states are used: machines that lead no view are interchangeable.
    roles: Vec<usize>,
    tables: Vec<Table>,
    /// Honest votes that make a quorum, with the Byzantine ones.
    needed: usize,
    forged: HashMap<Quorums, Rc<Vec<usize>>>,
}

impl Machines {
    pub(super) fn new(setup: Setup) -> Result<(Self, World), Breach> {
        let chain = Chain::new(4, u64::MAX).map_err(|error| Breach::Simulator(format!("{error:#}")))?;
        let led_by = |view: u64| chain.set.leader(View::new(view)).index();
        let byzantine = setup.byzantine(&led_by);
        let leads = |at: &usize| (1..=setup.views).any(|view| led_by(view) == *at);
        // Those who lead come first, in the order of their views.
        let mut honest: Vec<usize> = (1..=4).map(led_by).filter(|at| !byzantine.contains(at)).collect();
        honest.sort_by_key(|at| !leads(at));
        let plain: Vec<usize> = (0..honest.len()).filter(|position| !leads(&honest[*position])).collect();
        // The last of them leads the view after the bound last of all, where nothing is proposed. Votes name their
        // signers, so that machines that hear votes are never interchangeable.
        let alike = match setup.grain {
            Grain::Certificates => plain.as_slice(),
            Grain::Votes => &[],
        };
        let last = honest.len() - 1;
        let roles: Vec<usize> =
            (0..honest.len()).map(|position| if alike.contains(&position) { last } else { position }).collect();
        let needed = chain.set.quorum().saturating_sub(byzantine.len());
        let mut machines = Machines {
            names: Names::new(chain, byzantine, setup.fault),
            setup,
            tables: honest.iter().map(|_| Table::default()).collect(),
            roles,
            honest,
            needed,
            forged: HashMap::new(),
        };
        let mut world = [0; MACHINES];
        for (state, role) in world.iter_mut().zip(machines.roles.clone()) {
            let machine = Machine::new(machines.honest[role], &mut machines.names)?;
            *state = machines.keep(role, machine)?;
        }
        Ok((machines, world))
    }

    fn keep(&mut self, role: usize, mut machine: Machine) -> Result<u32, Breach> {
        machine.mail.clear();
        let table = &mut self.tables[role];
        let new = u32::try_from(table.machines.len()).map_err(|_| Breach::Bound)?;
        let number = *table.numbers.entry(machine.fingerprint()).or_insert(new);
        if number == new {
            let mut own = Vec::new();
            for what in machine.own(self.setup.views) {
                own.push(self.names.name_stimulus(Stimulus { what, torn: 0 })?);
            }
            table.own.push(own.into());
            table.machines.push(machine);
            table.next.push(Vec::new());
        }
        Ok(number)
    }

    /// States of single machines met so far.
    pub(super) fn states(&self) -> usize {
        self.tables.iter().map(|table| table.machines.len()).sum()
    }

    /// What identifies a state of the machine at a position.
    pub(super) fn fingerprint(&self, position: usize, state: u32) -> Digest {
        self.tables[self.roles[position]].machines[index(state)].fingerprint()
    }

    /// Is it of this very machine that the states at a position are kept?
    pub(super) fn is_original(&self, position: usize, machine: &Machine) -> bool {
        self.honest[self.roles[position]] == machine.identity
    }

    pub(super) fn machine(&self, position: usize, world: &World) -> &Machine {
        &self.tables[self.roles[position]].machines[index(world[position])]
    }
    fn signed(&self, position: usize, world: &World) -> &Signed {
        &self.machine(position, world).signed
    }
    fn positions(&self) -> std::ops::Range<usize> {
        0..self.honest.len()
    }

    /// The choices that enough honest machines signed for.
    fn majority(&self, signed: impl Fn(usize) -> Bits) -> Bits {
        let all: Vec<Bits> = self.positions().map(signed).collect();
        let any = all.iter().fold(0, |any, bits| any | bits);
        match self.needed {
            0 | 1 => any,
            2 => {
                let pair = |at: usize| all[at] & all[at + 1..].iter().fold(0, |any, bits| any | bits);
                (0..all.len()).map(pair).fold(0, |any, bits| any | bits)
            }
            3 => all.iter().fold(any, |every, bits| every & bits),
            _ => 0,
        }
    }

    pub(super) fn quorums(&self, world: &World) -> Quorums {
        let mut surrendered = [0; MACHINES];
        for position in self.positions() {
            surrendered[position] = self.signed(position, world).surrendered;
        }
        surrendered.sort_unstable();
        Quorums {
            notarized: self.majority(|position| self.signed(position, world).notarized),
            finalized: self.majority(|position| self.signed(position, world).finalized),
            surrendered,
        }
    }

    /// What must hold in every state.
    pub(super) fn check(&self, world: &World) -> Result<(), Breach> {
        let quorums = self.quorums(world);
        if quorums.finalized & !quorums.notarized != 0 {
            return Err(Breach::FinalUncertified);
        }
        for choice in numbers(quorums.notarized) {
            let view = self.names.choice(choice).view;
            let conflicts = numbers(self.names.conflicts(choice) & quorums.notarized);
            if conflicts.map(|other| self.names.choice(other).view).any(|other| other == view) {
                return Err(Breach::TwoCertificates(view));
            }
        }
        for choice in numbers(quorums.finalized) {
            let conflicts = self.names.conflicts(choice);
            let view = self.names.choice(choice).view;
            if conflicts & quorums.finalized != 0 {
                return Err(Breach::Fork(view));
            }
            if conflicts & quorums.notarized != 0 {
                return Err(Breach::Claim(view));
            }
        }
        for first in self.positions() {
            for second in first + 1..self.honest.len() {
                let [first, second] = [first, second].map(|position| self.machine(position, world).tip(&self.names));
                if !self.names.descends(first, second) && !self.names.descends(second, first) {
                    return Err(Breach::TwoFinal);
                }
            }
        }
        Ok(())
    }

    /// All that may happen in a state: to which position, which stimulus.
    pub(super) fn enabled(&mut self, world: &World, steps: &mut Vec<(usize, usize)>) -> Result<(), Breach> {
        steps.clear();
        let forged = self.forged(self.quorums(world))?;
        let proposed = self.positions().fold(0, |any, position| any | self.signed(position, world).proposed);
        let restarts: u32 = self.positions().map(|position| self.machine(position, world).restarts).sum();
        let may_crash = restarts < self.setup.crashes;
        for position in self.positions() {
            let mut whats = Vec::new();
            if self.setup.grain == Grain::Votes {
                self.votes(position, world, &mut whats);
            }
            let plain = steps.len();
            steps.extend(forged.iter().map(|stimulus| (position, *stimulus)));
            let own = &self.tables[self.roles[position]].own[index(world[position])];
            steps.extend(own.iter().map(|stimulus| (position, *stimulus)));
            for number in numbers(proposed) {
                steps.push((position, self.names.proposal_stimulus(number)?));
            }
            for what in whats {
                steps.push((position, self.names.name_stimulus(Stimulus { what, torn: 0 })?));
            }
            if !may_crash {
                continue;
            }
            for at in plain..steps.len() {
                let Stimulus { what, .. } = self.names.stimulus(steps[at].1);
                for torn in 1..=TORN_MAX {
                    steps.push((position, self.names.name_stimulus(Stimulus { what, torn })?));
                }
            }
            for database in [Database::Kept, Database::Behind] {
                let what = What::Restart(database);
                steps.push((position, self.names.name_stimulus(Stimulus { what, torn: 0 })?));
            }
        }
        Ok(())
    }

    /// The state after a step; the same when nothing that matters changed.
    pub(super) fn after(&mut self, world: &World, position: usize, stimulus: usize) -> Result<World, Breach> {
        let mut after = *world;
        after[position] = self.next(position, world[position], stimulus)?;
        after[self.alike()].sort_unstable();
        Ok(after)
    }

    /// The state after a step that was taken before.
    pub(super) fn known(&self, world: &World, position: usize, stimulus: usize) -> World {
        let mut after = *world;
        let row = &self.tables[self.roles[position]].next[index(world[position])];
        after[position] = row.get(stimulus).copied().unwrap_or(UNKNOWN);
        after[self.alike()].sort_unstable();
        after
    }

    /// The state of the machine at a position after a stimulus.
    pub(super) fn next(&mut self, position: usize, state: u32, stimulus: usize) -> Result<u32, Breach> {
        let role = self.roles[position];
        let known = self.tables[role].next[index(state)].get(stimulus).copied().unwrap_or(UNKNOWN);
        if known == UNKNOWN { self.compute(role, state, stimulus) } else { Ok(known) }
    }

    /// The positions of machines that are alike; they stand in the order of their states.
    pub(super) fn alike(&self) -> std::ops::Range<usize> {
        let first = self.roles.iter().position(|role| *role == self.honest.len() - 1).unwrap_or(0);
        first..self.honest.len()
    }

    fn compute(&mut self, role: usize, state: u32, stimulus: usize) -> Result<u32, Breach> {
        let mut machine = self.tables[role].machines[index(state)].clone();
        machine.happen(self.names.stimulus(stimulus), &mut self.names)?;
        let next = self.keep(role, machine)?;
        let row = &mut self.tables[role].next[index(state)];
        if row.len() <= stimulus {
            row.resize(stimulus + 1, UNKNOWN);
        }
        row[stimulus] = next;
        Ok(next)
    }

    /// Votes one by one: those of the other honest machines, and the Byzantine ones on what an honest one voted for. On
    /// anything else a Byzantine vote is as good as none: no quorum comes of it.
    fn votes(&self, position: usize, world: &World, whats: &mut Vec<What>) {
        let names = &self.names;
        let (mut any, mut signers) = (Signed::default(), Vec::new());
        for other in self.positions() {
            let signed = *self.signed(other, world);
            any.notarized |= signed.notarized;
            any.finalized |= signed.finalized;
            if other != position {
                signers.push((self.honest[other], signed));
            }
        }
        signers.extend(names.byzantine.iter().map(|signer| (*signer, any)));
        for (signer, signed) in signers {
            whats.extend(numbers(signed.notarized).map(|choice| What::Notarize { signer, choice }));
            whats.extend(numbers(signed.finalized).map(|choice| What::Finalize { signer, choice }));
            whats.extend(numbers(signed.surrendered).map(|surrender| What::Timeout { signer, surrender }));
        }
    }

    /// What the Byzantine validator can make of the votes there are: certificates, and proposals on them.
    fn forged(&mut self, quorums: Quorums) -> Result<Rc<Vec<usize>>, Breach> {
        if let Some(known) = self.forged.get(&quorums) {
            return Ok(known.clone());
        }
        let views = self.setup.views;
        let mut whats = Vec::new();
        for (is_final, bits) in [(false, quorums.notarized), (true, quorums.finalized)] {
            whats.extend(numbers(bits).map(|choice| What::Quorum(QuorumName { is_final, choice })));
        }
        let mut abandoned = vec![Vec::new()];
        for view in 1..=views {
            let certificates = self.abandoned(view, &quorums)?;
            whats.extend(certificates.iter().map(|number| What::Abandoned(*number)));
            abandoned.push(certificates);
        }
        let byzantine = self.names.byzantine.clone();
        for view in 1..=views {
            if byzantine.contains(&self.names.chain.set.leader(View::new(view)).index()) {
                let before = abandoned.get(usize::try_from(view - 1).unwrap_or(0)).cloned().unwrap_or_default();
                self.forge_proposals(view, quorums.notarized, &before, &mut whats)?;
            }
        }
        if self.setup.grain == Grain::Votes {
            self.forge_timeouts(&quorums, &mut whats)?;
        }
        let mut stimuli = Vec::with_capacity(whats.len());
        for what in whats {
            stimuli.push(self.names.name_stimulus(Stimulus { what, torn: 0 })?);
        }
        let stimuli = Rc::new(stimuli);
        self.forged.insert(quorums, stimuli.clone());
        Ok(stimuli)
    }

    /// The TCs of a view: with any highest certificate that there is, if enough honest machines knew no higher one.
    fn abandoned(&mut self, view: u64, quorums: &Quorums) -> Result<Vec<usize>, Breach> {
        let highs: Vec<Option<usize>> = std::iter::once(None).chain(numbers(quorums.notarized).map(Some)).collect();
        let mut certificates = Vec::new();
        for high in highs {
            let bound = high.map_or(0, |choice| self.names.choice(choice).view);
            let within = |bits: &Bits| {
                numbers(*bits).map(|number| self.names.surrender(number)).any(|surrender| {
                    let knew = surrender.high.map_or(0, |choice| self.names.choice(choice).view);
                    surrender.view == view && knew <= bound
                })
            };
            let signers = quorums.surrendered.iter().filter(|bits| within(bits)).count();
            if bound < view && signers >= self.needed {
                certificates.push(self.names.name_surrender(Surrender { view, high })?);
            }
        }
        Ok(certificates)
    }

    /// A Byzantine Timeout of each view, with any certificate below it.
    fn forge_timeouts(&mut self, quorums: &Quorums, whats: &mut Vec<What>) -> Result<(), Breach> {
        for signer in self.names.byzantine.clone() {
            for high in std::iter::once(None).chain(numbers(quorums.notarized).map(Some)) {
                let above = high.map_or(0, |choice| self.names.choice(choice).view) + 1;
                for view in above..=self.setup.views {
                    let surrender = self.names.name_surrender(Surrender { view, high })?;
                    whats.push(What::Timeout { signer, surrender });
                }
            }
        }
        Ok(())
    }

    /// Two blocks upon each certificate below the view, with each TC that there is, or none.
    fn forge_proposals(
        &mut self,
        view: u64,
        certified: Bits,
        abandoned: &[usize],
        whats: &mut Vec<What>,
    ) -> Result<(), Breach> {
        let parents: Vec<Option<usize>> = std::iter::once(None)
            .chain(numbers(certified).filter(|choice| self.names.choice(*choice).view < view).map(Some))
            .collect();
        for parent in parents {
            let parent_view = parent.map_or(0, |choice| self.names.choice(choice).view);
            let mut timeouts = vec![None];
            if parent_view + 1 < view {
                timeouts.extend(abandoned.iter().copied().map(Some));
            }
            for which in 0..2 {
                let block = self.names.forge_block(view, parent, which)?;
                for timeout in &timeouts {
                    let proposed = Proposed { view, parent, block, timeout: *timeout };
                    whats.push(What::Proposal(self.names.name_proposal(proposed)?));
                }
            }
        }
        Ok(())
    }
}
