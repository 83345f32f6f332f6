//! One replica with a disk in memory, its effects carried out as the shell would, and what must hold of each: nothing
//! is signed that the guard on disk does not cover, nothing contradicts what was signed before, nothing leaves that is
//! not durable, blocks are executed in order, and no event has effects without a bound.
//!
//! Must not know: which events come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tonle_consensus::{
    Anchor, Block, Checkpoint, GuardRecord, Height, Message, QuorumCertificate, QuorumKind, Recipients, Statement,
    Time, Tip as FinalTip, ValidatorIndex, ValidatorSet, contradict,
};
use tonle_crypto::{Canonical, Digest, PublicKey, Verify};
use tonle_replica::bounds::{MESSAGE_BYTES_MAX, OFFENCES_MAX, POOL_BYTES_MAX, POOL_TRANSACTIONS_MAX, WANTS_MAX};
use tonle_replica::{
    Batch, BlockSource, CertifiedBlock, CheckedMessage, Config, Cut, Effect, Event, FinalBlock, Identity, Misbehaviour,
    OffenceKind, PeerContext, PeerMessage, RawBatch, Recovered, Replica, Request, Tip, serve,
};

use crate::forge::{CHAIN, Forge, NODES, START_MS, genesis, key, peers, roots};
use crate::signing::Scheme;

/// Effects of one event, at most. A peer that connects anew is sent the most: batches again, votes, certificates; and
/// as many requests may be due as there are.
const EFFECTS_MAX: usize = 256;

/// What survives a crash.
#[derive(Default)]
struct Disk {
    guard: Option<GuardRecord>,
    guard_lost: bool,
    journal: BTreeMap<Digest, Block>,
    log: BTreeMap<Digest, Arc<Batch>>,
    /// How far each lane's batches may be let go.
    released: BTreeMap<PublicKey, u64>,
    /// Batches of executed blocks.
    archive: BTreeMap<Digest, Arc<RawBatch>>,
    blocks: Vec<CertifiedBlock>,
    tip_certificate: Option<QuorumCertificate>,
    checkpoints: Vec<Checkpoint>,
    misbehaviour: Vec<Arc<Misbehaviour>>,
}

/// See the module.
pub(crate) struct Node {
    me: Option<ValidatorIndex>,
    epoch_length: u64,
    pub(crate) forge: Forge,
    context: PeerContext,
    replica: Replica,
    pub(crate) now: Time,
    disk: Disk,
    /// What the shell still owes an answer to, in order.
    pending: VecDeque<Event>,
    /// Batches on their way to the log.
    storing: BTreeMap<Digest, Arc<Batch>>,
    /// Statements of the running epoch that went to the signer, through all restarts.
    signed: BTreeSet<Statement>,
    /// Own batches that left, through all restarts.
    published: BTreeMap<u64, Digest>,
    /// Blocks handed to the executor, and their cut.
    last: (Block, Cut),
    tickets: BTreeSet<u64>,
    /// Requests that the replica made and nobody has answered, newest last.
    pub(crate) asked: VecDeque<(ValidatorIndex, Request)>,
    /// Own proposals seen, with the view: something for others to vote on.
    pub(crate) proposed: Vec<(Block, tonle_consensus::View)>,
    /// Somebody signed with this node's key elsewhere: then, and only then, may its guard be found lost.
    pub(crate) witnessed: bool,
    pub(crate) halted: bool,
}

impl Node {
    /// A node at genesis, started. Without a place it observes.
    pub(crate) fn new(me: Option<ValidatorIndex>, epoch_length: u64) -> Self {
        let opening = genesis();
        let disk = Disk {
            checkpoints: vec![opening.header().checkpoint()],
            blocks: vec![CertifiedBlock { block: opening.clone(), certificate: None }],
            ..Disk::default()
        };
        let forge = Forge::new(Scheme::Hashed, NODES, 0);
        let mut node = Node {
            me,
            epoch_length,
            replica: boot(me, epoch_length, &forge, &disk),
            forge,
            context: peers(),
            now: Time { monotonic_us: 1, wall_ms: START_MS + 10 },
            disk,
            pending: VecDeque::new(),
            storing: BTreeMap::new(),
            signed: BTreeSet::new(),
            published: BTreeMap::new(),
            last: (opening, Cut::genesis(usize::from(NODES))),
            tickets: BTreeSet::new(),
            asked: VecDeque::new(),
            proposed: Vec::new(),
            witnessed: false,
            halted: false,
        };
        node.feed(Event::Start);
        node
    }

    /// Ends the process at once, and starts it from the disk.
    pub(crate) fn restart(&mut self) {
        self.pending.clear();
        self.storing.clear();
        self.asked.clear();
        self.tickets.clear();
        let tip = &self.disk.blocks[self.disk.blocks.len() - 1].block;
        let epoch = tip.height().get() / self.epoch_length;
        if epoch != self.forge.epoch().get() {
            self.forge = Forge::new(Scheme::Hashed, NODES, epoch);
            self.signed.clear();
        }
        self.last = (tip.clone(), cut_of(tip));
        self.now.monotonic_us = 1;
        self.halted = false;
        self.replica = boot(self.me, self.epoch_length, &self.forge, &self.disk);
        self.feed(Event::Start);
    }

    /// Gives the replica an event, and carries out what follows.
    pub(crate) fn feed(&mut self, event: Event) {
        let effects = self.replica.handle(self.now, event);
        assert!(!self.halted || effects.is_empty(), "a halted replica does something: {effects:?}");
        assert!(effects.len() <= EFFECTS_MAX, "{} effects of one event", effects.len());
        effects.into_iter().for_each(|effect| self.carry_out(effect));
        let status = self.replica.status();
        assert!(status.pool_transactions <= POOL_TRANSACTIONS_MAX && status.pool_bytes <= POOL_BYTES_MAX);
        assert!(status.missing <= WANTS_MAX && status.executed <= status.ordered);
        assert_eq!(status.halted.is_some(), self.halted, "it halts, and says so");
    }

    /// A message from a peer. What verification refuses does not arrive.
    pub(crate) fn receive(&mut self, from: ValidatorIndex, message: PeerMessage) {
        if let Ok(message) = CheckedMessage::check(message, &self.context, Scheme::Hashed.verifier()) {
            self.feed(Event::Peer { from, message });
        }
    }

    /// Time goes on to when the replica asks for it. Time must not stand still for it.
    pub(crate) fn tick_when_due(&mut self) {
        let Some(due) = self.replica.deadline() else { return };
        self.now.wall_ms += due.saturating_sub(self.now.monotonic_us) / 1_000;
        self.now.monotonic_us = self.now.monotonic_us.max(due);
        for spin in 0.. {
            self.feed(Event::Tick);
            if self.replica.deadline().is_none_or(|due| due > self.now.monotonic_us) {
                return;
            }
            assert!(
                spin < 32,
                "a tick is due again and again: time stands still: {:?} due {:?}, {:?}",
                self.now,
                self.replica.deadline(),
                self.replica.status()
            );
        }
    }

    /// Gives the oldest answer that is due. False when there is none.
    pub(crate) fn answer(&mut self) -> bool {
        let Some(event) = self.pending.pop_front() else { return false };
        if let Event::BatchStored { lane, digest } = &event
            && let Some(batch) = self.storing.remove(digest)
            && batch.seq() > self.disk.released.get(lane).copied().unwrap_or(0)
        {
            self.disk.log.insert(*digest, batch);
        }
        if let Event::Executed { checkpoint, .. } = &event {
            self.disk.checkpoints.push(*checkpoint);
        }
        self.feed(event);
        true
    }

    pub(crate) fn epoch_length(&self) -> u64 {
        self.epoch_length
    }
    pub(crate) fn view(&self) -> u64 {
        self.replica.status().consensus.view.get()
    }
    /// The highest block that is executed.
    pub(crate) fn tip(&self) -> &Block {
        &self.disk.blocks[self.disk.blocks.len() - 1].block
    }
    /// The highest checkpoint up to a height.
    pub(crate) fn checkpoint(&self, height: Height) -> Checkpoint {
        let known = self.disk.checkpoints.iter().rev().find(|checkpoint| checkpoint.height <= height);
        known.copied().unwrap_or_else(|| genesis().header().checkpoint())
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Persist { record, blocks } => self.persist(record, blocks),
            Effect::Sign(request) => {
                let statement = request.statement();
                self.may_sign(&statement, request.message());
                let signature = self.forge.scheme.sign(self.key(), request.message());
                self.signed.insert(statement);
                self.pending.push_back(Event::Signed { request, signature });
            }
            Effect::SignBatch { seq, message } => {
                assert!(!self.disk.guard_lost, "a lane that is closed grows");
                let signature = self.forge.scheme.sign(self.key(), &message);
                self.pending.push_back(Event::BatchSigned { seq, signature });
            }
            Effect::StoreBatch(batch) => {
                assert!(batch.seq() > 0 && self.forge.context.set.index_of(batch.lane()).is_some());
                let event = Event::BatchStored { lane: *batch.lane(), digest: batch.digest() };
                self.storing.insert(batch.digest(), batch);
                self.pending.push_back(event);
            }
            Effect::Send { to, message } => self.send(&to, message),
            Effect::Gossip(batch) => {
                assert!(self.is_own(batch.raw()), "one gossips one's own");
                self.publish(batch.raw());
            }
            Effect::Serve { to, request } => {
                let response = serve(&request, &self.disk);
                self.send(&Recipients::One(to), PeerMessage::Response(response));
            }
            Effect::Execute(block) => self.execute(block),
            Effect::Accepted { ticket } | Effect::Refused { ticket, .. } => {
                assert!(self.tickets.remove(&ticket), "ticket {ticket} is answered twice, or was never given");
            }
            Effect::ReleaseBatches { up_to } => {
                self.disk.released.extend(up_to);
                let released = &self.disk.released;
                self.disk.log.retain(|_, batch| batch.seq() > released.get(batch.lane()).copied().unwrap_or(0));
            }
            Effect::ReleaseBlocks { up_to } => {
                assert!(up_to <= self.tip().height(), "released before it was executed");
                self.disk.journal.retain(|_, block| block.height() > up_to);
            }
            Effect::EpochBegan { anchor, set } => self.begin_epoch(&anchor, set),
            Effect::Misbehaviour(proof) => self.accused(proof),
            Effect::GuardRenewed { record } => {
                assert!(self.disk.guard_lost, "a guard that is not lost is renewed");
                assert_eq!(record, GuardRecord::empty(record.epoch), "a renewed guard knows of signatures");
                self.disk.guard_lost = false;
                self.disk.guard = Some(record);
            }
            Effect::GuardLost { .. } => {
                assert!(self.witnessed, "the guard is said to be lost, and nobody signed with its key");
                self.disk.guard_lost = true;
            }
            Effect::Halt(_) => self.halted = true,
        }
    }

    fn key(&self) -> &'static tonle_crypto::SecretKey {
        key(self.me.expect("an observer signs nothing").index())
    }

    fn persist(&mut self, record: GuardRecord, blocks: Vec<Block>) {
        assert!(self.me.is_some() && !self.disk.guard_lost, "who may not sign has nothing to guard");
        let anchored = record.epoch.get() * self.epoch_length <= self.tip().height().get();
        assert!(anchored, "a guard of an epoch whose anchor is not durable");
        if let Some(before) = &self.disk.guard {
            assert!(record.continues(before), "the guard goes back: {before:?} to {record:?}");
        }
        // As it is read back.
        assert_eq!(GuardRecord::decode(&record.encode()).as_ref(), Ok(&record));
        self.disk.guard = Some(record);
        self.disk.journal.extend(blocks.into_iter().map(|block| (block.digest(), block)));
    }

    /// R8 and the rules: the guard on disk covers it, and nothing signed before contradicts it.
    fn may_sign(&self, statement: &Statement, message: &[u8]) {
        assert!(!self.disk.guard_lost, "signs with the guard lost: {statement:?}");
        assert_eq!(message, statement.preimage(&self.forge.context), "signs for another epoch");
        let record = self.disk.guard.as_ref().filter(|record| record.epoch == self.forge.epoch());
        let record = record.expect("nothing is signed before a record of the epoch is on disk");
        let covers = |last: Option<tonle_consensus::Choice>, view, block: Digest| {
            last.is_some_and(|last| last.view > view || (last.view == view && last.block == block))
        };
        let covered = match *statement {
            Statement::Proposal { view, block, .. } => covers(record.last_proposal, view, block),
            Statement::Notarize { view, block } => covers(record.last_notarize, view, block),
            Statement::Finalize { view, block } => covers(record.last_finalize, view, block),
            Statement::Timeout { view, high_view } => record
                .last_timeout
                .is_some_and(|last| last.view > view || (last.view == view && last.high_view == high_view)),
        };
        assert!(covered, "{statement:?} is not covered by {record:?}");
        for other in &self.signed {
            assert!(!contradict(statement, other) && !contradict(other, statement), "{statement:?} after {other:?}");
        }
    }

    /// What an honest node sends: within bounds, acceptable to every honest peer, and durable where it vouches for it.
    fn send(&mut self, to: &Recipients, message: PeerMessage) {
        let bytes = message.encode();
        assert!(bytes.len() <= MESSAGE_BYTES_MAX, "a message of {} bytes", bytes.len());
        assert_eq!(PeerMessage::decode(&bytes).as_ref(), Ok(&message), "another message arrives");
        let checked = CheckedMessage::check(message.clone(), &self.context, Scheme::Hashed.verifier());
        assert!(checked.is_ok(), "an honest peer would refuse {message:?}: {checked:?}");
        match to {
            Recipients::One(one) => assert_ne!(Some(*one), self.me, "talks to itself"),
            Recipients::Many(many) => assert!(many.iter().all(|one| Some(*one) != self.me), "talks to itself"),
            Recipients::All => {}
        }
        match &message {
            PeerMessage::Request(request) => {
                if let Recipients::One(peer) = to {
                    self.asked.push_back((*peer, request.clone()));
                    self.asked.drain(..self.asked.len().saturating_sub(8));
                }
            }
            PeerMessage::Acknowledge(acknowledgement) => {
                for line in acknowledgement.lanes.iter().filter(|line| line.tip.seq > 0) {
                    assert!(self.holds(line.lane, line.tip), "acknowledges what is not durable: {line:?}");
                }
            }
            PeerMessage::Batch(batch) if self.is_own(batch) => self.publish(batch),
            PeerMessage::Consensus(Message::Proposal(proposal)) => {
                self.proposed.push((proposal.block.clone(), proposal.view));
            }
            PeerMessage::Batch(_)
            | PeerMessage::Consensus(_)
            | PeerMessage::Response(_)
            | PeerMessage::FinalTip { .. }
            | PeerMessage::Misbehaviour(_)
            | PeerMessage::MisbehaviourKnown { .. } => {}
        }
    }

    fn is_own(&self, batch: &RawBatch) -> bool {
        self.me.is_some_and(|me| *batch.lane() == key(me.index()).public())
    }

    /// A batch of one's own leaves: it is durable, and there is no other of its number.
    fn publish(&mut self, batch: &Arc<RawBatch>) {
        let digest = batch.digest();
        let durable = self.disk.log.contains_key(&digest) || self.disk.archive.contains_key(&digest);
        assert!(durable, "an own batch leaves before it is durable");
        let first = *self.published.entry(batch.seq()).or_insert(digest);
        assert_eq!(first, digest, "two own batches at {}", batch.seq());
    }

    /// Is the lane durable here up to this place? Of what is final, others hold it for ever.
    fn holds(&self, lane: ValidatorIndex, tip: Tip) -> bool {
        let is_final = self.replica.status().lanes.get(lane.index()).is_some_and(|lane| lane.last_final >= tip.seq);
        is_final || self.disk.log.contains_key(&tip.digest) || self.disk.archive.contains_key(&tip.digest)
    }

    /// Blocks come in height order, linked, each with exactly the batches between its parent's cut and its own.
    fn execute(&mut self, block: FinalBlock) {
        let (before, cut) = &self.last;
        assert_eq!(Some(block.block.height()), before.height().next(), "out of order");
        assert_eq!(block.block.header().parent(), before.digest(), "not the child of the block before");
        let mut tips = cut.tips().to_vec();
        for batch in &block.batches {
            let lane = self.forge.context.set.index_of(batch.lane()).expect("a lane of the epoch");
            let tip = &mut tips[lane.index()];
            assert_eq!((batch.seq(), batch.parent()), (tip.seq + 1, tip.digest), "a batch out of its lane's order");
            *tip = batch.tip();
        }
        let after = cut_of(&block.block);
        assert_eq!(after.tips(), tips, "other data than the cut names");
        let proves = |certificate: &QuorumCertificate| {
            let context = self.context.signing(certificate.epoch).expect("an epoch that began");
            certificate.kind == QuorumKind::Finalized && certificate.verify(&context, Scheme::Hashed.verifier()).is_ok()
        };
        let own = block.certificate.as_ref();
        assert!(
            own.is_none_or(|own| own.block == block.block.digest() && proves(own)),
            "a certificate of another block"
        );
        assert!(proves(&block.tip_certificate), "executed without proof");
        self.disk.archive.extend(block.batches.iter().map(|batch| (batch.digest(), Arc::clone(batch.raw()))));
        self.disk.blocks.push(CertifiedBlock { block: block.block.clone(), certificate: block.certificate });
        self.disk.tip_certificate = Some(block.tip_certificate);
        self.pending.push_back(Event::Executed { checkpoint: roots(&block.block), members: None });
        self.last = (block.block, after);
    }

    fn begin_epoch(&mut self, anchor: &Anchor, set: ValidatorSet) {
        let epoch = self.forge.epoch().get() + 1;
        assert_eq!(anchor.block.height().get(), epoch * self.epoch_length, "an epoch begins at another height");
        assert!(anchor.certificate.is_some(), "an epoch begins without proof");
        self.forge = Forge::new(Scheme::Hashed, NODES, epoch);
        assert_eq!(set, self.forge.context.set, "other validators, which nothing changed");
        self.context.begin(set);
        self.signed.clear();
    }

    /// Whoever is accused did it, and is not this node.
    fn accused(&mut self, proof: Arc<Misbehaviour>) {
        let offence = proof.verify(CHAIN, Scheme::Hashed.verifier());
        let Ok(offence) = offence else { panic!("no proof: {proof:?}") };
        let accused = self.forge.context.set.index_of(&offence.accused);
        assert!(accused.is_some(), "accuses a stranger");
        let forked = offence.kind == OffenceKind::Batches;
        assert!(forked || self.witnessed || accused != self.me, "accuses itself");
        let kept = &mut self.disk.misbehaviour;
        assert!(kept.iter().all(|other| other.offence() != offence), "tells of {offence:?} twice");
        assert!(kept.len() < OFFENCES_MAX, "offences without a bound");
        kept.push(proof);
    }

    /// A client's ticket.
    pub(crate) fn ticket(&mut self) -> u64 {
        let ticket = self.tickets.last().map_or(1, |last| last + 1);
        self.tickets.insert(ticket);
        ticket
    }
}

fn boot(me: Option<ValidatorIndex>, epoch_length: u64, forge: &Forge, disk: &Disk) -> Replica {
    let tip = &disk.blocks[disk.blocks.len() - 1].block;
    let anchor = usize::try_from(tip.height().get() / epoch_length * epoch_length).unwrap_or(0);
    let opening = &disk.blocks[anchor];
    let consensus = tonle_consensus::Config { epoch_length, ..tonle_consensus::Config::default() };
    // The executor's answer may not have been told: what it wrote is on disk all the same.
    let named = tip.header().checkpoint().height;
    let executed = disk.blocks.iter().map(|entry| &entry.block);
    let checkpoints =
        executed.map(|block| if block.height() == Height::ZERO { block.header().checkpoint() } else { roots(block) });
    let recovered = Recovered {
        anchor: Anchor { block: opening.block.clone(), certificate: opening.certificate.clone() },
        anchor_lanes: forge.context.set.iter().map(|(_, validator)| validator.key).collect(),
        members: vec![(Height::ZERO, forge.context.set.iter().map(|(_, validator)| validator.clone()).collect())],
        guard: disk.guard.clone(),
        guard_lost: disk.guard_lost,
        blocks: disk.journal.values().cloned().collect(),
        tip: FinalTip { block: tip.clone(), certificate: disk.tip_certificate.clone() },
        checkpoints: checkpoints.filter(|checkpoint| checkpoint.height >= named).collect(),
        batches: disk.log.values().cloned().collect(),
        lane_lost: false,
    };
    let config = Config { consensus, max_lag: 16, ..Config::default() };
    let keys = me.map(|me| key(me.index()).public()).into_iter().collect();
    let mut replica = Replica::new(Identity { context: forge.context.clone(), keys }, config, recovered);
    replica.remember(&disk.misbehaviour);
    replica
}

pub(crate) fn cut_of(block: &Block) -> Cut {
    Cut::decode(block.payload()).unwrap_or_else(|_| Cut::genesis(usize::from(NODES)))
}

impl BlockSource for Disk {
    fn final_block(&self, height: Height) -> Option<CertifiedBlock> {
        self.blocks.get(usize::try_from(height.get()).ok()?).cloned()
    }
    fn block(&self, digest: &Digest) -> Option<Block> {
        let written = || self.blocks.iter().map(|entry| &entry.block).find(|block| block.digest() == *digest);
        self.journal.get(digest).or_else(written).cloned()
    }
    fn batch(&self, digest: &Digest) -> Option<Arc<RawBatch>> {
        let logged = || self.log.get(digest).map(|batch| Arc::clone(batch.raw()));
        self.archive.get(digest).cloned().or_else(logged)
    }
}
