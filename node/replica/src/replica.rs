//! The router: events go to the machine they concern, its wishes become effects, in an order that R8 needs.
//!
//! How to drive it:
//! 1. [`Replica::new`] with what is on disk, then [`Event::Start`], then [`Event::Connected`] for each connection.
//! 2. After each [`Replica::handle`], carry out the effects in order; what follows an [`Effect::Persist`] waits for it.
//! 3. When [`Replica::deadline`] has passed, [`Event::Tick`].
//!
//! Must not know: what the machines decide, and why.

mod epochs;
mod exposing;
mod restart;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tonle_consensus::{
    Anchor, Block, Consensus, Demand, GuardRecord, Height, Input, Message, Output, QuorumCertificate, Recipients,
    Recovered as RecoveredConsensus, Time, ValidatorIndex,
};
use tonle_crypto::Verified;

use self::epochs::anchor_cut;
use self::restart::{is_renewed, votes_in};
use crate::answering::Allowance;
use crate::blocks::Blocks;
use crate::bounds::{ANNOUNCE_US, ENDINGS_PER_SECOND, GREETINGS_PER_SECOND, REQUESTS_PER_SECOND};
use crate::catchup::{Catchup, Room, descend, following};
use crate::checked::Checked;
use crate::execution::{Execution, cut_of};
use crate::exposure::Exposure;
use crate::lanes::{Fetch, Lanes, Limits, Reason};
use crate::membership::Membership;
use crate::proposals::{Proposals, Rules};
use crate::rejoin::Rejoin;
use crate::{
    Batch, CertifiedBlock, CheckedMessage, Config, Effect, Event, Found, Halt, Identity, Misbehaviour, PeerMessage,
    Query, Recovered, ReplicaStatus, Request, Response,
};

/// The node's brain. See the module for how to drive it.
pub struct Replica {
    identity: Identity,
    /// One's place among the epoch's validators.
    me: Option<ValidatorIndex>,
    config: Config,
    rules: Rules,
    consensus: Consensus,
    lanes: Lanes,
    fetch: Fetch,
    execution: Execution,
    catchup: Catchup,
    blocks: Blocks,
    proposals: Proposals,
    membership: Membership,
    allowance: Allowance,
    endings: Allowance,
    greetings: Allowance,
    exposure: Exposure,
    /// Where the epoch begins; an older epoch's messages are answered with its certificate.
    anchor: Anchor,
    /// What was on disk for an epoch that the database has not reached yet.
    guard: Option<GuardRecord>,
    journal: Vec<Block>,
    guard_lost: bool,
    /// R9: has a quorum, with oneself, shown what it holds of one's own signatures since this process started?
    greeted: bool,
    /// R9: what is asked for that, and on the way back while the guard is lost.
    rejoin: Rejoin,
    demand: Demand,
    next_anchor: Option<Anchor>,
    /// What signs in this epoch, in order, until its anchor is executed and so durable here. A guard of this epoch forbids
    /// every signature in the one before: if all validators crashed with such a guard and without the anchor's
    /// certificate, nobody could go on. Bounded by time: at most a few signatures a view, for as long as execution takes,
    /// and an execution that fails ends the process.
    held: Vec<Effect>,
    announce_us: u64,
    halted: Option<Halt>,
    /// See [`Replica::ignore_witnesses`].
    heeds_witnesses: bool,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replica({:?} at {:?}, executed {})", self.me, self.execution.tip(), self.execution.executed())
    }
}

impl Replica {
    /// A replica that will begin at [`Event::Start`].
    #[must_use]
    pub fn new(identity: Identity, config: Config, recovered: Recovered) -> Self {
        let (context, me) = (&identity.context, identity.me());
        let tip = recovered.tip.block.clone();
        let anchor = anchor_cut(&recovered.anchor, &recovered.anchor_lanes, &context.set);
        let is_anchor = tip.digest() == recovered.anchor.block.digest();
        let cut = if is_anchor { None } else { cut_of(&tip, context.set.len()) };
        let cut = cut.unwrap_or_else(|| anchor.clone());
        let mut lanes = Lanes::new(context, me, &cut, &recovered.batches, recovered.lane_lost);
        if recovered.guard_lost || is_renewed(context.set.epoch(), recovered.guard.as_ref()) {
            lanes.close_own();
        }
        let mut blocks = Blocks::default();
        blocks.insert(&tip);
        recovered.blocks.iter().for_each(|block| blocks.insert(block));
        let execution = Execution::new(tip, cut, &recovered.checkpoints, config.consensus.epoch_length);
        let mut consensus = Consensus::new(
            context.clone(),
            votes_in(context.set.epoch(), me, recovered.guard.as_ref()),
            config.consensus.clone(),
            recovered.anchor.clone(),
            RecoveredConsensus {
                guard: recovered.guard.clone().filter(|guard| guard.epoch <= context.set.epoch()),
                blocks: recovered.blocks.clone(),
                tip: recovered.tip.clone(),
                guard_lost: recovered.guard_lost,
            },
        );
        let greeted = context.set.quorum() <= 1;
        if !greeted {
            consensus.hold();
        }
        let rules = Rules {
            limits: Limits { bytes: config.max_block_bytes, operations: config.max_block_operations },
            max_lag: config.max_lag,
            epoch_length: config.consensus.epoch_length,
            set: context.set.clone(),
            anchor: (recovered.anchor.block.digest(), anchor),
        };
        Replica {
            me,
            rules,
            membership: Membership::new(recovered.members),
            consensus,
            lanes,
            fetch: Fetch::default(),
            execution,
            catchup: Catchup::default(),
            blocks,
            proposals: Proposals::default(),
            allowance: Allowance::new(REQUESTS_PER_SECOND),
            endings: Allowance::new(ENDINGS_PER_SECOND),
            greetings: Allowance::new(GREETINGS_PER_SECOND),
            exposure: Exposure::default(),
            anchor: recovered.anchor,
            guard: recovered.guard,
            journal: recovered.blocks,
            guard_lost: recovered.guard_lost,
            rejoin: Rejoin::default(),
            greeted,
            demand: Demand::default(),
            next_anchor: None,
            held: Vec::new(),
            announce_us: 0,
            halted: None,
            heeds_witnesses: true,
            identity,
            config,
        }
    }

    /// See [`Consensus::ignore_witnesses`].
    pub fn ignore_witnesses(&mut self) {
        self.heeds_witnesses = false;
        self.consensus.ignore_witnesses();
    }

    /// Takes one event, and says what to do, in order.
    pub fn handle(&mut self, now: Time, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.halted.is_some() {
            return out;
        }
        self.route(now, event, &mut out);
        self.settle(now, &mut out);
        self.expose(now.monotonic_us, &mut out);
        out
    }

    /// When [`Event::Tick`] is due, in microseconds of the monotonic clock.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        if self.halted.is_some() {
            return None;
        }
        let parts = [
            self.consensus.deadline(),
            self.lanes.deadline(),
            self.fetch.deadline(),
            self.catchup.deadline(),
            self.proposals.deadline(),
            self.rejoin.deadline().filter(|_| self.rejoins()),
            self.exposure.deadline(),
            Some(self.announce_us),
        ];
        parts.into_iter().flatten().min()
    }

    /// A snapshot for operators.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        let ((pool_transactions, pool_bytes), (missing, missing_attempts)) = (self.lanes.pool(), self.fetch.missing());
        ReplicaStatus {
            consensus: self.consensus.status(),
            ordered: self.execution.tip().height(),
            executed: self.execution.executed(),
            lanes: self.lanes.status(),
            pool_transactions,
            pool_bytes,
            missing,
            missing_attempts,
            claimed: self.catchup.claimed(),
            halted: self.halted.clone(),
        }
    }

    fn route(&mut self, now: Time, event: Event, out: &mut Vec<Effect>) {
        let now_us = now.monotonic_us;
        match event {
            Event::Start => self.engine(now, Input::Start, out),
            Event::Tick => self.engine(now, Input::Tick, out),
            Event::Connected(peer) => {
                self.fetch.connected(peer);
                self.lanes.connected(peer, out);
                self.rejoin.connected(peer);
                self.exposure.connected(peer);
                self.engine(now, Input::Connected(peer), out);
                out.push(self.announcement(Recipients::One(peer)));
            }
            Event::Disconnected(peer) => {
                self.fetch.disconnected(now_us, peer);
                self.catchup.disconnected(peer);
                self.exposure.disconnected(peer);
            }
            Event::Peer { from, message } => self.message(now, from, message, out),
            Event::Submitted { transaction, ticket } => self.lanes.submit(now_us, &transaction, ticket, out),
            Event::Signed { request, signature } => {
                // A signature that was asked for in the epoch before is of no use to this one's engine.
                if request.message() == request.statement().preimage(&self.identity.context) {
                    self.engine(now, Input::Signed { request, signature }, out);
                }
            }
            Event::BatchSigned { seq, signature } => self.lanes.batch_signed(seq, signature, out),
            Event::BatchStored { lane, digest } => self.lanes.batch_stored(&lane, &digest, out),
            Event::Executed { checkpoint, members } => self.executed(now, checkpoint, members, out),
        }
    }

    fn message(&mut self, now: Time, from: ValidatorIndex, message: CheckedMessage, out: &mut Vec<Effect>) {
        let now_us = now.monotonic_us;
        match message.0 {
            Checked::Consensus { message, inline } => self.consensus_message(now, from, message, inline, out),
            Checked::Elsewhere { epoch, certifies_finality } => {
                self.of_other_epoch(now, from, epoch, certifies_finality, out);
            }
            Checked::Nothing => {}
            Checked::Batch(batch) => {
                self.lanes.received(from, &batch, Reason::Offered, out);
            }
            Checked::Acknowledge(acknowledgement) => self.lanes.acknowledged(from, &acknowledgement),
            Checked::Request(request) => self.answer(now, from, request, out),
            Checked::Block { id, block } => {
                let wanted = self.fetch.answered(now_us, from, id);
                if let Some(block) = block.filter(|block| Some(block.digest()) == wanted) {
                    self.blocks.insert(&block);
                    self.engine(now, Input::Fetched { block }, out);
                }
            }
            Checked::Batches { id, batches } => {
                let mut expected = self.fetch.answered(now_us, from, id);
                for batch in batches {
                    // Only what hangs by hashes from what was asked for.
                    if expected != Some(batch.digest()) {
                        break;
                    }
                    expected = Some(batch.parent());
                    self.lanes.received(from, &batch, Reason::Named, out);
                }
            }
            Checked::FinalBlocks { id, blocks } => self.catchup.answered(now_us, from, id, blocks),
            Checked::Epoch { id, epoch } => self.rejoin(now, from, id, epoch, out),
            Checked::FinalTip { height } => self.catchup.heard(from, height),
            Checked::Misbehaviour(proof) => self.accuse(now_us, from, &proof, out),
            Checked::MisbehaviourKnown { offence } => self.exposure.confirmed(from, &offence),
        }
    }

    fn consensus_message(
        &mut self,
        now: Time,
        from: ValidatorIndex,
        message: Verified<Message>,
        inline: Vec<Arc<Batch>>,
        out: &mut Vec<Effect>,
    ) {
        if self.of_other_epoch(now, from, message.epoch(), message.certifies_finality(), out) {
            return;
        }
        if let Message::Proposal(proposal) = &*message
            && !inline.is_empty()
        {
            self.proposals.keep_inline(proposal.block.digest(), inline);
        }
        self.engine(now, Input::Received { from, message }, out);
    }

    /// Answers what is in memory; the rest is for the database.
    fn answer(&mut self, now: Time, from: ValidatorIndex, request: Request, out: &mut Vec<Effect>) {
        if !self.allowance.take(now.monotonic_us, from) {
            return;
        }
        let found = match &request.query {
            Query::Block { digest } => self.blocks.block(digest).map(|block| Found::Block(Some(block.clone()))),
            Query::Batches { digest, floor } => {
                let batches = descend(*digest, *floor, |digest| self.lanes.batch(digest).map(|b| Arc::clone(b.raw())));
                (!batches.is_empty()).then_some(Found::Batches(batches))
            }
            Query::FinalBlocks { .. } | Query::Snapshot(_) => None,
            Query::Epoch => {
                if !self.greetings.take(now.monotonic_us, from) {
                    return;
                }
                // R9: the answer says that all was shown, so it comes after.
                self.engine(now, Input::Connected(from), out);
                Some(Found::Epoch(self.signing_epoch()))
            }
        };
        out.push(match found {
            Some(found) => {
                let message = PeerMessage::Response(Response { id: request.id, found });
                Effect::Send { to: Recipients::One(from), message }
            }
            None => Effect::Serve { to: from, request },
        });
    }

    /// Takes the runs of final blocks whose turn it is.
    fn catch_up(&mut self, now: Time, out: &mut Vec<Effect>) {
        while self.halted.is_none()
            && self.room().takes_any()
            && let Some((from, blocks)) = self.catchup.next(self.execution.tip().height())
        {
            self.append(now, from, blocks, out);
        }
    }

    /// How many final blocks can be taken, and of which heights.
    fn room(&self) -> Room {
        let epoch = self.identity.context.set.epoch().get();
        let until = Height::new(epoch.saturating_add(1).saturating_mul(self.config.consensus.epoch_length));
        // Between two epochs the next one's validators are not known yet: nothing of it can be checked.
        let blocks = if self.next_anchor.is_none() { self.execution.room() } else { 0 };
        Room { tip: self.execution.tip().height(), until, blocks }
    }

    /// A run of final blocks from a peer: they queue for execution, and consensus goes on above them.
    fn append(&mut self, now: Time, from: ValidatorIndex, blocks: Vec<CertifiedBlock>, out: &mut Vec<Effect>) {
        let epoch_length = self.config.consensus.epoch_length;
        let Some(run) = following(blocks, self.execution.tip(), epoch_length) else {
            self.catchup.blame(now.monotonic_us, from);
            return;
        };
        // Each stretch up to a certificate is final by it.
        for stretch in run.split_inclusive(|entry| entry.certificate.is_some()) {
            let Some((last, certificate)) = stretch.last().and_then(|last| Some((last, last.certificate.clone()?)))
            else {
                return;
            };
            for entry in stretch {
                self.finalize(entry.block.clone(), entry.certificate.clone(), &certificate, out);
            }
            if self.halted.is_some() {
                return;
            }
            self.lanes.ordered(self.execution.cut());
            // A stretch may have been known already, and its epoch be over.
            if certificate.epoch == self.identity.context.set.epoch() {
                self.engine(now, Input::Advanced { block: last.block.clone(), certificate }, out);
            }
            // What follows is of lanes that are not known before this much is executed.
            if self.next_anchor.is_some() {
                return;
            }
        }
    }

    fn finalize(
        &mut self,
        block: Block,
        own: Option<QuorumCertificate>,
        covering: &QuorumCertificate,
        out: &mut Vec<Effect>,
    ) {
        self.blocks.insert(&block);
        if let Err(halt) = self.execution.push(block, own, covering.clone()) {
            self.halt(halt, out);
        }
    }

    /// Gives consensus an input and carries its outputs on. A block that it misses may be here.
    fn engine(&mut self, now: Time, input: Input, out: &mut Vec<Effect>) {
        let mut inputs = VecDeque::from([input]);
        let mut fetched = BTreeSet::new();
        while let Some(input) = inputs.pop_front() {
            for output in self.consensus.handle(now, input) {
                // Once each: a block that is of no use to consensus must not go round for ever.
                if let Some(block) = self.output(now, output, out).filter(|block| fetched.insert(block.digest())) {
                    inputs.push_back(Input::Fetched { block });
                }
            }
        }
        self.end_epoch(now, out);
    }

    fn output(&mut self, now: Time, output: Output, out: &mut Vec<Effect>) -> Option<Block> {
        match output {
            Output::Persist { record, blocks } => {
                blocks.iter().for_each(|block| self.blocks.insert(block));
                self.when_anchored(Effect::Persist { record, blocks }, out);
            }
            Output::Sign(request) => self.when_anchored(Effect::Sign(request), out),
            Output::Send { to, message } => {
                out.push(Effect::Send { to, message: PeerMessage::Consensus(message) });
            }
            Output::Check { proposal, parent } => {
                self.proposals.seen(now.monotonic_us);
                self.blocks.insert(&proposal.block);
                let from = self.identity.context.set.leader(proposal.view);
                for batch in self.proposals.ask(proposal, parent, &self.rules) {
                    self.lanes.received(from, &batch, Reason::Named, out);
                }
            }
            Output::Build { view, parent, may_be_empty } => self.proposals.ask_to_build(view, parent, may_be_empty),
            Output::Entered { view, leader, next_leader } => {
                self.proposals.entered(view);
                self.lanes.entered(leader, next_leader, out);
            }
            Output::Notarized { block } => {
                self.blocks.insert(&block);
                if let Err(halt) = self.execution.claim(block.header()) {
                    self.halt(halt, out);
                }
            }
            Output::Finalized { blocks, certificate } => {
                let last = blocks.len().saturating_sub(1);
                for (at, block) in blocks.into_iter().enumerate() {
                    let own = (at == last).then(|| certificate.clone());
                    self.finalize(block, own, &certificate, out);
                }
                self.blocks.forget_missed();
                self.lanes.ordered(self.execution.cut());
            }
            Output::FetchBlock { block, hint } => match self.blocks.block(&block).cloned() {
                Some(block) => return Some(block),
                None => self.blocks.miss(block, hint),
            },
            Output::Behind { height, hint } => self.catchup.behind(height, hint),
            Output::Evidence(evidence) => {
                let proof = evidence.contradiction(&self.identity.context.set).map(Misbehaviour::Consensus);
                out.extend(proof.map(|proof| Effect::Misbehaviour(Arc::new(proof))));
            }
            Output::GuardLost { statement } => {
                self.guard_lost = true;
                self.rejoin.forget();
                self.lanes.close_own();
                out.push(Effect::GuardLost { statement });
            }
            Output::EpochEnded { block, certificate } => {
                self.next_anchor = Some(Anchor { block, certificate: Some(certificate) });
            }
            Output::Halt(reason) => self.halt(Halt::Consensus(reason), out),
        }
        None
    }

    /// Whatever an event made possible: batches to pack, proposals to judge or build, blocks to execute, data to ask for.
    fn settle(&mut self, now: Time, out: &mut Vec<Effect>) {
        let now_us = now.monotonic_us;
        self.catch_up(now, out);
        self.lanes.recover_own(now_us, &self.fetch);
        self.lanes.seal(now_us, out);
        self.lanes.acknowledge(now_us, out);
        // Bounded: an answer may raise one more question, a whole chain of them comes with later events.
        for _ in 0..8 {
            if self.halted.is_some() || !self.answer_consensus(now, out) {
                break;
            }
        }
        match self.execution.ready(&self.lanes) {
            Ok(blocks) => out.extend(blocks.into_iter().map(Effect::Execute)),
            Err(halt) => self.halt(halt, out),
        }
        self.ask_peers(now_us, out);
    }

    /// Tells consensus what it waits for. Says whether there was anything.
    fn answer_consensus(&mut self, now: Time, out: &mut Vec<Effect>) -> bool {
        let demand = Demand { data: self.lanes.has_data(), checkpoint_due: self.execution.checkpoint_due() };
        let mut answered = demand != self.demand;
        if answered {
            self.demand = demand;
            self.engine(now, Input::Demand(demand), out);
        }
        for (input, cut) in self.proposals.judge(&self.rules, &self.execution, &self.membership, &self.lanes) {
            if let Some(cut) = cut {
                self.lanes.named(&cut);
            }
            self.engine(now, input, out);
            answered = true;
        }
        if self.proposals.wait(now.monotonic_us) {
            return answered;
        }
        if let Some(input) = self.proposals.build(&self.rules, &self.execution, &self.membership, &self.lanes) {
            self.engine(now, input, out);
            answered = true;
        }
        answered
    }

    fn ask_peers(&mut self, now_us: u64, out: &mut Vec<Effect>) {
        let mut wants = self.execution.wants(&self.lanes);
        wants.extend(self.blocks.wants());
        wants.extend(self.proposals.wants().cloned());
        wants.extend(self.lanes.gaps());
        self.fetch.want(now_us, wants);
        let ask = |(peer, request)| Effect::Send { to: Recipients::One(peer), message: PeerMessage::Request(request) };
        out.extend(self.fetch.poll(now_us).into_iter().map(ask));
        let room = self.room();
        out.extend(self.catchup.poll(now_us, room, self.fetch.peers()).into_iter().map(ask));
        if self.rejoins() {
            out.extend(self.rejoin.poll(now_us, self.fetch.peers(), self.guard_lost).into_iter().map(ask));
        }
        self.lanes.resend(now_us, self.fetch.peers().iter().copied(), out);
        if now_us >= self.announce_us {
            self.announce_us = now_us.saturating_add(ANNOUNCE_US);
            out.push(self.announcement(Recipients::All));
        }
    }

    /// What is executed here, and so in the database: all that a peer may ask for.
    fn announcement(&self, to: Recipients) -> Effect {
        Effect::Send { to, message: PeerMessage::FinalTip { height: self.execution.executed() } }
    }

    fn halt(&mut self, halt: Halt, out: &mut Vec<Effect>) {
        if self.halted.is_none() {
            self.halted = Some(halt.clone());
            out.push(Effect::Halt(halt));
        }
    }
}
