//! One honest machine: the real engine, its disk, and all that it ever signed. What happens to it is carried through at
//! once: what it persists is durable, what it signs is signed, what it asks its own replica to judge is valid.
//!
//! Must not know: the other machines, which messages exist, what is explored.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tonle_consensus::{
    Anchor, Block, Config, Consensus, Demand, GuardRecord, Input, Message, Output, Recipients, Recovered, Statement,
    Step, Time, Tip, Verdict, View,
};
use tonle_crypto::{Digest, Domain, Writer};

use super::names::{Bits, Database, Names, Stimulus, Surrender, What};
use super::{Breach, Fault};
use crate::chain::START_MS;
use crate::engines::Resumed;
use crate::node::validator;

static STATE: Domain = Domain::new("tonle v1 explorer machine");
/// Timers that end before a view is given up: the relay, the wait for data, the view's own.
const TIMERS_MAX: usize = 8;

/// What a machine and its own shell say to each other in a step, at most: far more than any step takes.
const INPUTS_MAX: usize = 1_000;

/// What survives a crash.
#[derive(Clone, Default)]
struct Disk {
    guard: Option<GuardRecord>,
    /// The record before the last one.
    previous: Option<GuardRecord>,
    journal: BTreeMap<Digest, Block>,
}

/// What it ever signed, by the numbers of [`Names`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) notarized: Bits,
    pub(super) finalized: Bits,
    pub(super) surrendered: Bits,
    pub(super) proposed: Bits,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Machine {
    pub(super) identity: usize,
    pub(super) engine: Consensus,
    now_us: u64,
    disk: Disk,
    /// The payload that its replica was asked for.
    pub(super) build: Option<(View, Block)>,
    /// Final blocks, the first height first, and the choice whose FC made the last one so.
    finals: Vec<Digest>,
    finality: Option<usize>,
    pub(super) signed: Signed,
    /// Restarts so far.
    pub(super) restarts: u32,
    /// It waits for its greeting.
    pub(super) held: bool,
    /// Messages that it sent and nobody took yet.
    pub(super) mail: Vec<(Recipients, Message)>,
}

impl Machine {
    /// A machine that has started and has something to order.
    pub(super) fn new(identity: usize, names: &mut Names) -> Result<Self, Breach> {
        let engine = boot(identity, names, None, Vec::new(), None);
        let mut machine = Machine {
            identity,
            engine,
            now_us: 0,
            disk: Disk::default(),
            build: None,
            finals: Vec::new(),
            finality: None,
            signed: Signed::default(),
            restarts: 0,
            held: false,
            mail: Vec::new(),
        };
        machine.start(names)?;
        Ok(machine)
    }

    fn start(&mut self, names: &mut Names) -> Result<(), Breach> {
        let demand = Demand { data: true, checkpoint_due: None };
        self.feed(vec![Input::Start, Input::Demand(demand)], 0, names).map(|_| ())
    }

    /// Has it given up on its view?
    fn has_given_up(&self) -> bool {
        self.engine.status().step == Step::Timeouts
    }

    /// What the shell waits to give it by itself: may its timers end, its replica answer, its greeting come?
    pub(super) fn own(&self, views: u64) -> Vec<What> {
        let mut own = Vec::new();
        let counts = self.engine.view().get() <= views;
        if counts && !self.has_given_up() {
            own.push(What::TimeOut);
        }
        if self.build.is_some() && counts {
            own.push(What::Built);
        }
        if self.held {
            own.push(What::Greeted);
        }
        own
    }

    /// Lets `stimulus` happen.
    pub(super) fn happen(&mut self, stimulus: Stimulus, names: &mut Names) -> Result<(), Breach> {
        let torn = match stimulus.what {
            What::TimeOut => self.time_out(stimulus.torn, names)?,
            What::Restart(database) => return self.restart(database, names),
            what => {
                let Some(input) = self.input(what, names)? else { return Ok(()) };
                self.feed(vec![input], stimulus.torn, names)?
            }
        };
        if torn {
            self.restart(Database::Kept, names)?;
        }
        Ok(())
    }

    fn input(&mut self, what: What, names: &Names) -> Result<Option<Input>, Breach> {
        if let Some((from, message)) = names.message(what, self.identity)? {
            return Ok(Some(Input::Received { from, message }));
        }
        Ok(match what {
            What::Built => self.build.take().map(|(view, parent)| Input::Built {
                view,
                payload: Names::payload(view.get(), 0),
                sidecar: Vec::new(),
                checkpoint: parent.header().checkpoint(),
                next_set: None,
                moves: true,
            }),
            What::Greeted => {
                self.held = false;
                Some(Input::Greeted)
            }
            _ => None,
        })
    }

    fn time_out(&mut self, torn: u8, names: &mut Names) -> Result<bool, Breach> {
        let view = self.engine.view();
        for _ in 0..TIMERS_MAX {
            if self.has_given_up() || self.engine.view() != view {
                break;
            }
            if self.tick(torn, names)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next timer ends. True when the machine crashed meanwhile.
    pub(super) fn tick(&mut self, torn: u8, names: &mut Names) -> Result<bool, Breach> {
        self.now_us = self.now_us.max(self.engine.deadline().unwrap_or(0));
        self.feed(vec![Input::Tick], torn, names)
    }

    fn restart(&mut self, database: Database, names: &mut Names) -> Result<(), Breach> {
        match names.fault {
            Some(Fault::GuardForgotten) => self.disk = Disk::default(),
            Some(Fault::GuardNotSynced) => self.disk.guard = self.disk.previous.take(),
            None | Some(Fault::TwoByzantine) => {}
        }
        if database == Database::Behind {
            self.finals.clear();
            self.finality = None;
        }
        let tip = self.finals.last().and_then(|digest| names.number_of(digest));
        let tip = tip.map(|number| names.block(number).clone());
        let certificate = self.finality.map(|choice| names.finality(choice, self.identity));
        let recovered = tip.map(|block| Tip { block, certificate });
        let journal = self.disk.journal.values().cloned().collect();
        self.engine = boot(self.identity, names, self.disk.guard.clone(), journal, recovered);
        self.engine.hold();
        self.held = true;
        self.restarts += 1;
        self.build = None;
        self.start(names)
    }

    /// Gives the engine these inputs and whatever it asks of its own shell. True when it crashed meanwhile.
    pub(super) fn feed(&mut self, inputs: Vec<Input>, torn: u8, names: &mut Names) -> Result<bool, Breach> {
        let mut inputs = VecDeque::from(inputs);
        let (mut persisted, mut taken) = (0, 0);
        while let Some(input) = inputs.pop_front() {
            taken += 1;
            if taken > INPUTS_MAX {
                return Err(Breach::Endless(self.identity));
            }
            let time = Time { monotonic_us: self.now_us, wall_ms: START_MS + 1 };
            for output in self.engine.handle(time, input) {
                match output {
                    Output::Persist { record, blocks } => {
                        if self.disk.guard.as_ref().is_some_and(|before| !record.continues(before)) {
                            return Err(Breach::GuardWentBack(self.identity));
                        }
                        let before = self.disk.guard.replace(record);
                        self.disk.previous = before.filter(|_| names.fault == Some(Fault::GuardNotSynced));
                        self.disk.journal.extend(blocks.into_iter().map(|block| (block.digest(), block)));
                        persisted += 1;
                        if persisted == torn {
                            return Ok(true);
                        }
                    }
                    output => self.carry_out(output, names, &mut inputs)?,
                }
            }
        }
        // The engine ignores what was built for a view that it has left.
        let view = self.engine.view();
        self.build = self.build.take().filter(|(asked, _)| *asked == view);
        Ok(false)
    }

    fn carry_out(&mut self, output: Output, names: &mut Names, inputs: &mut VecDeque<Input>) -> Result<(), Breach> {
        match output {
            Output::Sign(request) => {
                let statement = request.statement();
                if !self.disk.guard.as_ref().is_some_and(|guard| covers(guard, &statement)) {
                    return Err(Breach::NotCovered(self.identity, statement));
                }
                let signature = names.memo.sign(&names.chain.validator_keys[self.identity], request.message());
                inputs.push_back(Input::Signed { request, signature });
            }
            Output::Send { to, message } => {
                self.record(&message, names)?;
                self.mail.push((to, message));
            }
            Output::Check { proposal, .. } => {
                let (block, view) = (proposal.block.digest(), proposal.view);
                names.name_block(&proposal.block)?;
                inputs.push_back(Input::Checked { block, view, verdict: Verdict::Valid });
            }
            Output::Build { view, parent, .. } => self.build = Some((view, parent)),
            // Whoever voted for it has it; on its way it takes no time.
            Output::FetchBlock { block, .. } => {
                let block = names.number_of(&block).map(|number| names.block(number).clone()).ok_or(Breach::Orphan)?;
                inputs.push_back(Input::Fetched { block });
            }
            Output::Finalized { blocks, certificate } => {
                for block in blocks {
                    let below = self.finals.last().copied().unwrap_or(names.chain.block.digest());
                    if block.header().parent() != below {
                        return Err(Breach::OutOfOrder(self.identity));
                    }
                    self.finals.push(block.digest());
                }
                self.finality = Some(names.name_choice(certificate.view, &certificate.block)?);
            }
            Output::Evidence(evidence) if self.is_honest(evidence.signer.index(), names) => {
                return Err(Breach::Accused(evidence.signer.index()));
            }
            // A guard that was tampered with is found out by peers: that is as it should be.
            Output::GuardLost { .. } if names.fault.is_some() => {}
            Output::GuardLost { statement } => return Err(Breach::GuardLost(self.identity, statement)),
            Output::Halt(reason) => return Err(Breach::Halted(self.identity, reason.to_string())),
            Output::Persist { .. }
            | Output::Evidence(_)
            | Output::Behind { .. }
            | Output::Entered { .. }
            | Output::Notarized { .. }
            | Output::EpochEnded { .. } => {}
        }
        Ok(())
    }

    fn is_honest(&self, signer: usize, names: &Names) -> bool {
        !names.byzantine.contains(&signer)
    }

    /// Something signed leaves: it must contradict nothing that left before.
    fn record(&mut self, message: &Message, names: &mut Names) -> Result<(), Breach> {
        let me = validator(self.identity);
        match message {
            Message::Proposal(proposal) => {
                let number = names.name_sent(proposal)?;
                self.signed.proposed |= 1_u128.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
            }
            Message::Notarize(vote) if vote.signer == me => {
                self.signed.notarized |= 1 << names.name_choice(vote.view, &vote.block)?;
            }
            Message::Finalize(vote) if vote.signer == me => {
                self.signed.finalized |= 1 << names.name_choice(vote.view, &vote.block)?;
            }
            Message::Timeout(timeout) if timeout.signer == me => {
                let high = names.name_certificate(timeout.high_qc.as_ref())?;
                let number = names.name_surrender(Surrender { view: timeout.view.get(), high })?;
                self.signed.surrendered |= 1 << number;
            }
            Message::Notarize(_) | Message::Finalize(_) | Message::Timeout(_) | Message::Certificate(_) => {}
        }
        self.signed.consistent(names).map_err(|what| Breach::Contradicts(self.identity, what))
    }

    /// The views that its guard holds: proposed, notarized, finalized, given up; 0 before the first signature.
    pub(super) fn guarded(&self) -> [u64; 4] {
        let Some(guard) = &self.disk.guard else { return [0; 4] };
        let view = |choice: Option<tonle_consensus::Choice>| choice.map_or(0, |choice| choice.view.get());
        let timeout = guard.last_timeout.map_or(0, |surrender| surrender.view.get());
        [view(guard.last_proposal), view(guard.last_notarize), view(guard.last_finalize), timeout]
    }

    /// The machine as it goes on outside of the exploration, with what its shell still owes it.
    pub(super) fn resume(mut self, names: &Names) -> Resumed {
        let blocks = self.finals.iter().filter_map(|digest| names.number_of(digest));
        let blocks = blocks.map(|number| names.block(number).clone()).collect();
        let mut owed: Vec<Input> = self.held.then_some(Input::Greeted).into_iter().collect();
        owed.extend(self.input(What::Built, names).ok().flatten());
        // Certificates of the exploration name others as signers who may not have signed (`names`).
        self.engine.ignore_witnesses();
        Resumed { identity: self.identity, engine: self.engine, now_us: self.now_us, blocks, owed }
    }

    /// Number of the last final block here; 0, the anchor, when none is.
    pub(super) fn tip(&self, names: &Names) -> usize {
        self.finals.last().and_then(|digest| names.number_of(digest)).unwrap_or(0)
    }

    /// What it will ever do hangs on this.
    pub(super) fn fingerprint(&self) -> Digest {
        let mut writer = Writer::new();
        writer.digest(&self.engine.fingerprint()).u32(self.restarts).bool(self.held);
        imprint(&mut writer, self.disk.guard.as_ref());
        imprint(&mut writer, self.disk.previous.as_ref());
        writer.length(self.disk.journal.len());
        self.disk.journal.keys().for_each(|digest| {
            writer.digest(digest);
        });
        writer.length(self.finals.len());
        self.finals.iter().for_each(|digest| {
            writer.digest(digest);
        });
        writer.u64(self.finality.map_or(u64::MAX, |choice| u64::try_from(choice).unwrap_or(u64::MAX)));
        if let Some((view, parent)) = &self.build {
            writer.value(view).digest(&parent.digest());
        }
        let Signed { notarized, finalized, surrendered, proposed } = self.signed;
        writer.u128(notarized).u128(finalized).u128(surrendered).u128(proposed);
        STATE.digest(&writer.finish())
    }
}

impl Signed {
    /// Is there nothing among it that no honest validator signs together? Else what.
    fn consistent(&self, names: &Names) -> Result<(), &'static str> {
        for (bits, what) in [(self.notarized, "two Notarizes in a view"), (self.finalized, "two Finalizes in a view")] {
            let views: Vec<u64> = numbers(bits).map(|choice| names.choice(choice).view).collect();
            if views.iter().collect::<BTreeSet<_>>().len() < views.len() {
                return Err(what);
            }
        }
        let surrenders: Vec<Surrender> = numbers(self.surrendered).map(|number| names.surrender(number)).collect();
        if surrenders.iter().map(|surrender| surrender.view).collect::<BTreeSet<_>>().len() < surrenders.len() {
            return Err("two Timeouts of a view");
        }
        let proposals: Vec<u64> = numbers(self.proposed).map(|number| names.proposal(number).view).collect();
        if proposals.iter().collect::<BTreeSet<_>>().len() < proposals.len() {
            return Err("two proposals in a view");
        }
        for finalized in numbers(self.finalized).map(|choice| names.choice(choice).view) {
            let knew = |surrender: &Surrender| surrender.high.map_or(0, |choice| names.choice(choice).view);
            if surrenders.iter().any(|surrender| surrender.view >= finalized && knew(surrender) < finalized) {
                return Err("Finalize(w) and Timeout(v, h), v >= w > h");
            }
        }
        Ok(())
    }
}

/// The numbers in a set, ascending.
pub(super) fn numbers(mut bits: Bits) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = usize::try_from(bits.trailing_zeros()).ok().filter(|_| bits != 0)?;
        bits &= bits - 1;
        Some(lowest)
    })
}

fn boot(identity: usize, names: &Names, guard: Option<GuardRecord>, blocks: Vec<Block>, tip: Option<Tip>) -> Consensus {
    let chain = &names.chain;
    let anchor = Anchor { block: chain.block.clone(), certificate: None };
    let tip = tip.unwrap_or(Tip { block: chain.block.clone(), certificate: None });
    // Nobody is skipped: that is the pacemaker's, and a timer that ends at once covers it.
    let config = Config { skip_after: u32::MAX, ..Config::default() };
    let recovered = Recovered { guard, blocks, tip, guard_lost: false };
    Consensus::new(chain.opening.clone(), Some(validator(identity)), config, anchor, recovered)
}

/// R8: does the record on the disk cover what is to be signed?
fn covers(guard: &GuardRecord, statement: &Statement) -> bool {
    let chosen = |choice: Option<tonle_consensus::Choice>, view, block| {
        choice.is_some_and(|last| last.view > view || (last.view == view && last.block == block))
    };
    match *statement {
        Statement::Proposal { view, block, .. } => chosen(guard.last_proposal, view, block),
        Statement::Notarize { view, block } => chosen(guard.last_notarize, view, block),
        Statement::Finalize { view, block } => chosen(guard.last_finalize, view, block),
        Statement::Timeout { view, high_view } => guard
            .last_timeout
            .is_some_and(|last| last.view > view || (last.view == view && last.high_view == high_view)),
    }
}

/// A guard record without the signers of its certificates.
fn imprint(writer: &mut Writer, guard: Option<&GuardRecord>) {
    let Some(guard) = guard else {
        writer.u8(0);
        return;
    };
    writer.u8(1).option(guard.last_proposal.as_ref()).option(guard.last_notarize.as_ref());
    writer.option(guard.last_finalize.as_ref()).option(guard.last_timeout.as_ref());
    writer.option(guard.high_qc.as_ref().map(|held| held.view).as_ref());
    writer.option(guard.entry.as_ref().map(tonle_consensus::Certificate::view).as_ref());
}
