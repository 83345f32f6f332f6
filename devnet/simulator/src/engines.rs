//! Bare engines on links that the caller shapes: consensus alone, without data, disks or faults other than those of the
//! links. A view's messages can be kept within groups of machines, which is what Twins scenarios are made of.
//!
//! Must not know: which scenarios there are, what must hold.

use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::{
    Anchor, Block, Config, Consensus, Demand, Input, Message, Output, Recipients, Recovered, Time, Tip, ValidatorIndex,
    Verdict,
};
use tonle_crypto::{Digest, Verified};

use crate::chain::{Chain, START_MS};
use crate::memo::Memo;

/// Time a message takes, in microseconds.
const LATENCY_US: u64 = 1_000;
/// The base timeout of views, in ms.
const TIMEOUT_MS: u64 = 50;

/// A machine with an engine. Several may run the same validator.
pub(crate) struct Machine {
    pub(crate) identity: ValidatorIndex,
    pub(crate) engine: Consensus,
    /// What is final here, by height.
    pub(crate) finals: BTreeMap<u64, Digest>,
    /// Final blocks by digest, as a database keeps them.
    kept: BTreeMap<Digest, Block>,
    /// It stopped, or found its guard lost: no honest one may.
    pub(crate) broken: Option<String>,
    tick_at: Option<u64>,
}

/// A machine that was started elsewhere.
pub(crate) struct Resumed {
    /// Which validator it is.
    pub(crate) identity: usize,
    pub(crate) engine: Consensus,
    /// Its clock.
    pub(crate) now_us: u64,
    /// Its final blocks.
    pub(crate) blocks: Vec<Block>,
    /// What its shell has still to give it.
    pub(crate) owed: Vec<Input>,
}

/// Something that will happen to a machine.
enum Coming {
    Message { from: usize, message: Message },
    Input(Input),
    Tick,
}

/// Who hears whom in a view: machines of the same group do. Views that are not listed are whole.
pub(crate) type Groups = Vec<Vec<usize>>;

/// See the module.
pub(crate) struct Engines<'a> {
    chain: &'a Chain,
    memo: &'a Memo,
    pub(crate) machines: Vec<Machine>,
    groups: Groups,
    pub(crate) now_us: u64,
    /// Once healed, everybody hears everybody.
    healed: bool,
    agenda: BTreeMap<(u64, u64), (usize, Coming)>,
    scheduled: u64,
}

impl<'a> Engines<'a> {
    /// Machines that run these validators; one that runs twice is a twin. `groups` has an entry for each view from 1 on,
    /// which gives the group of each machine.
    pub(crate) fn new(chain: &'a Chain, memo: &'a Memo, owners: &[usize], groups: Groups) -> anyhow::Result<Self> {
        let config = Config {
            base_timeout_min_ms: TIMEOUT_MS,
            base_timeout_initial_ms: TIMEOUT_MS,
            base_timeout_max_ms: TIMEOUT_MS,
            ..Config::default()
        };
        let mut machines = Vec::new();
        for owner in owners {
            let identity = crate::node::validator(*owner);
            let anchor = Anchor { block: chain.block.clone(), certificate: None };
            let tip = Tip { block: chain.block.clone(), certificate: None };
            let recovered = Recovered { guard: None, blocks: Vec::new(), tip, guard_lost: false };
            let mut engine = Consensus::new(chain.opening.clone(), Some(identity), config.clone(), anchor, recovered);
            let twin = owners.iter().filter(|other| *other == owner).count() > 1;
            if twin {
                engine.ignore_witnesses();
            }
            machines.push(Machine {
                identity,
                engine,
                finals: BTreeMap::new(),
                kept: BTreeMap::new(),
                broken: None,
                tick_at: None,
            });
        }
        let mut engines =
            Engines { chain, memo, machines, groups, now_us: 0, healed: false, agenda: BTreeMap::new(), scheduled: 0 };
        let demand = Demand { data: true, checkpoint_due: None };
        for at in 0..owners.len() {
            engines.handle(at, Input::Start);
            engines.handle(at, Input::Demand(demand));
        }
        engines.connect();
        Ok(engines)
    }

    /// Machines that go on from where they are, over links that are whole.
    pub(crate) fn resume(chain: &'a Chain, memo: &'a Memo, resumed: Vec<Resumed>) -> Self {
        let now_us = resumed.iter().map(|machine| machine.now_us).max().unwrap_or(0);
        let (mut machines, mut owed) = (Vec::new(), Vec::new());
        for Resumed { identity, engine, blocks, owed: inputs, .. } in resumed {
            let identity = crate::node::validator(identity);
            let kept = blocks.into_iter().map(|block| (block.digest(), block)).collect();
            machines.push(Machine { identity, engine, finals: BTreeMap::new(), kept, broken: None, tick_at: None });
            owed.push(inputs);
        }
        let (groups, agenda) = (Vec::new(), BTreeMap::new());
        let mut engines = Engines { chain, memo, machines, groups, now_us, healed: true, agenda, scheduled: 0 };
        for (at, inputs) in owed.into_iter().enumerate() {
            inputs.into_iter().for_each(|input| engines.handle(at, input));
        }
        engines.connect();
        engines
    }

    /// Every link is whole from now on, and every connection new.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.connect();
    }

    fn connect(&mut self) {
        let identities: Vec<ValidatorIndex> = self.machines.iter().map(|machine| machine.identity).collect();
        for at in 0..identities.len() {
            for peer in identities.iter().filter(|peer| **peer != identities[at]) {
                self.handle(at, Input::Connected(*peer));
            }
        }
    }

    /// Lets the next thing happen; false when nothing is left.
    pub(crate) fn step(&mut self) -> bool {
        let Some(((now, _), (at, coming))) = self.agenda.pop_first() else { return false };
        self.now_us = now;
        match coming {
            Coming::Input(input) => self.handle(at, input),
            Coming::Tick if self.machines[at].tick_at == Some(now) => {
                self.machines[at].tick_at = None;
                self.handle(at, Input::Tick);
            }
            Coming::Tick => {}
            Coming::Message { from, message } => {
                let from = self.machines[from].identity;
                let context = &self.chain.opening;
                // What engines send each other always holds; one that does not is not delivered, which shows.
                if let Ok(message) = Verified::check(message, context, self.memo) {
                    self.handle(at, Input::Received { from, message });
                }
            }
        }
        true
    }

    /// The highest view of any of these machines.
    pub(crate) fn view(&self, of: &BTreeSet<usize>) -> u64 {
        of.iter().map(|at| self.machines[*at].engine.view().get()).max().unwrap_or(0)
    }

    fn hears(&self, from: usize, to: usize) -> bool {
        let view = self.machines[from].engine.view().get().max(1);
        let groups = usize::try_from(view - 1).ok().and_then(|at| self.groups.get(at));
        self.healed || groups.is_none_or(|groups| groups.get(from) == groups.get(to))
    }

    /// The machines that this one can ask.
    fn within_reach(&self, at: usize) -> impl Iterator<Item = &Machine> {
        let heard =
            move |(other, _): &(usize, &Machine)| *other != at && self.hears(*other, at) && self.hears(at, *other);
        self.machines.iter().enumerate().filter(heard).map(|(_, machine)| machine)
    }

    fn plan(&mut self, after_us: u64, at: usize, coming: Coming) {
        self.scheduled += 1;
        self.agenda.insert((self.now_us + after_us, self.scheduled), (at, coming));
    }

    fn handle(&mut self, at: usize, input: Input) {
        let time = Time { monotonic_us: self.now_us, wall_ms: START_MS + 1 + self.now_us / 1_000 };
        let outputs = self.machines[at].engine.handle(time, input);
        for output in outputs {
            self.carry_out(at, output);
        }
        if let Some(deadline) = self.machines[at].engine.deadline() {
            let due = deadline.max(self.now_us + 1);
            if self.machines[at].tick_at.is_none_or(|tick| tick > due) {
                self.machines[at].tick_at = Some(due);
                self.plan(due - self.now_us, at, Coming::Tick);
            }
        }
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        match output {
            Output::Sign(request) => {
                let key = &self.chain.validator_keys[self.machines[at].identity.index()];
                let signature = self.memo.sign(key, request.message());
                self.plan(0, at, Coming::Input(Input::Signed { request, signature }));
            }
            Output::Send { to, message } => {
                let me = self.machines[at].identity;
                for receiver in 0..self.machines.len() {
                    let identity = self.machines[receiver].identity;
                    let meant = match &to {
                        Recipients::One(one) => *one == identity,
                        Recipients::Many(many) => many.contains(&identity),
                        Recipients::All => true,
                    };
                    if meant && identity != me && self.hears(at, receiver) {
                        self.plan(LATENCY_US, receiver, Coming::Message { from: at, message: message.clone() });
                    }
                }
            }
            Output::Check { proposal, .. } => {
                let (block, view) = (proposal.block.digest(), proposal.view);
                let input = Input::Checked { block, view, verdict: Verdict::Valid };
                self.plan(0, at, Coming::Input(input));
            }
            Output::Build { view, parent, .. } => {
                // Twins do not propose the same.
                let payload = format!("machine {at}, view {view}").into_bytes();
                let checkpoint = parent.header().checkpoint();
                let input =
                    Input::Built { view, payload, sidecar: Vec::new(), checkpoint, next_set: None, moves: true };
                self.plan(0, at, Coming::Input(input));
            }
            Output::FetchBlock { block, .. } => {
                let found =
                    self.within_reach(at).find_map(|other| other.engine.block(&block).or(other.kept.get(&block)));
                if let Some(block) = found.cloned() {
                    self.plan(2 * LATENCY_US, at, Coming::Input(Input::Fetched { block }));
                }
            }
            Output::Behind { .. } => {
                let found = self.within_reach(at).find_map(|other| {
                    let (block, certificate) = (other.engine.final_block(), other.engine.final_certificate()?);
                    (certificate.block == block.digest()).then(|| (block.clone(), certificate.clone()))
                });
                if let Some((block, certificate)) = found {
                    self.plan(2 * LATENCY_US, at, Coming::Input(Input::Advanced { block, certificate }));
                }
            }
            Output::Finalized { blocks, .. } => {
                self.machines[at].kept.extend(blocks.iter().map(|block| (block.digest(), block.clone())));
                let entries = blocks.iter().map(|block: &Block| (block.height().get(), block.digest()));
                self.machines[at].finals.extend(entries);
            }
            Output::GuardLost { statement } => {
                self.machines[at].broken.get_or_insert(format!("guard lost: {statement:?}"));
            }
            Output::Halt(reason) => {
                self.machines[at].broken.get_or_insert(reason.to_string());
            }
            // Persisted at once; nothing here is lost.
            Output::Persist { .. }
            | Output::Entered { .. }
            | Output::Notarized { .. }
            | Output::Evidence(_)
            | Output::EpochEnded { .. } => {}
        }
    }
}
