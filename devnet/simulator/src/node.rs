//! One simulated node: a real replica and a real executor over a simulated disk, and how its effects are carried out.
//!
//! Must not know: which faults are scheduled.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tonle_consensus::{Block, Checkpoint, GuardRecord, Height, Recipients, SigningContext, Time, ValidatorIndex};
use tonle_crypto::SecretKey;
use tonle_ledger::{BlockInput, Executor};
use tonle_replica::{
    Batch, Config, Effect, Event, FinalBlock, Identity, Members, PeerMessage, Replica, serve, validators,
};

use crate::byzantine::Kind;
use crate::chain::{Chain, START_MS};
use crate::dice::Dice;
use crate::disk::Disk;
use crate::faults::Fault;
use crate::invariants::{Breach, Invariants};
use crate::timeline::Deed;
use crate::world::{Happening, Sabotage, World};

/// Signing takes this long, in microseconds.
const SIGN_US: u64 = 100;
/// A process that a failed sync ended starts again after this long, in microseconds.
const AGAIN_US: u64 = 200_000;
/// A tick that is due again at once this many times in a row means that time stands still.
const SPINS_MAX: u32 = 100;

/// A machine: its disk, and what runs on it.
pub(crate) struct Node {
    /// Whose machine it is: the place of its key among the chain's.
    pub(crate) owner: usize,
    pub(crate) disk: Disk,
    pub(crate) running: Option<Running>,
    /// Counts starts; what was under way at an earlier one is void.
    pub(crate) boot: u64,
    /// How far its wall clock is ahead, in ms.
    pub(crate) clock_ms: i64,
    pub(crate) slow_disk_until: u64,
    /// A node whose disk is full does not start.
    pub(crate) disk_full_until: u64,
    /// Syncs that ended so far.
    pub(crate) syncs: u64,
    /// The next sync fails.
    pub(crate) sync_fails: bool,
    /// A copy of its files.
    pub(crate) backup: Option<Box<Disk>>,
    /// Its guard is an old one, which it does not know.
    pub(crate) guard_aged: bool,
    /// Lost files that it had vouched for.
    pub(crate) damaged: bool,
    pub(crate) connected: Vec<bool>,
}

/// What became of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Synced {
    /// It is made.
    Goes,
    /// It is made, and the process ends before anybody is told.
    ThenCrash,
    /// It is not made, and the process has ended.
    Lost,
}

/// A started node.
pub(crate) struct Running {
    pub(crate) replica: Replica,
    executor: Executor,
    /// The epoch of which effects speak that are carried out now.
    pub(crate) epoch: u64,
    /// The epoch that its replica is in: of which events must speak.
    pub(crate) epoch_heard: u64,
    started_us: u64,
    tick_at: Option<u64>,
    spins: u32,
    outbox: VecDeque<Effect>,
    pub(crate) persisting: Option<(GuardRecord, Vec<Block>)>,
    pub(crate) storing: VecDeque<Arc<Batch>>,
    stored_us: u64,
    executing: VecDeque<FinalBlock>,
}

impl Node {
    /// A machine of `owner`, one of `machines`.
    pub(crate) fn new(owner: usize, machines: usize, chain: &Chain, dice: &mut Dice) -> Self {
        Node {
            owner,
            disk: Disk::new(chain),
            running: None,
            boot: 0,
            clock_ms: i64::try_from(dice.below(150)).unwrap_or(0),
            slow_disk_until: 0,
            disk_full_until: 0,
            syncs: 0,
            sync_fails: false,
            backup: None,
            guard_aged: false,
            damaged: false,
            connected: vec![false; machines],
        }
    }
}

impl Node {
    /// May its replica sign in consensus?
    pub(crate) fn signs(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.replica.status().consensus.signs)
    }
    /// The epoch of its guard.
    pub(crate) fn guard_epoch(&self) -> Option<u64> {
        self.disk.guard.as_ref().map(|guard| guard.epoch.get())
    }
}

/// Turns a validator's place into its index.
pub(crate) fn validator(node: usize) -> ValidatorIndex {
    ValidatorIndex::new(u16::try_from(node).unwrap_or(u16::MAX))
}

impl World {
    /// Starts a node from its disk.
    pub(crate) fn boot(&mut self, at: usize) -> Result<(), Breach> {
        let now = self.now_us;
        let plan = self.epoch_length;
        let node = &mut self.nodes[at];
        if node.running.is_some() {
            return Ok(());
        }
        if node.disk_full_until > now {
            let until = node.disk_full_until;
            self.at(until, Happening::Restart { node: at });
            return Ok(());
        }
        if self.sabotage == Some(Sabotage::ForgetGuard) {
            node.disk.guard = None;
        }
        if self.byzantine.get(&at).is_some_and(|byzantine| byzantine.kind == Kind::Amnesiac) && node.boot > 0 {
            self.fired.count(Fault::Amnesia);
            node.disk.forget();
        }
        if at >= self.chain.validator_keys.len() {
            self.fired.count(Fault::Twins);
        }
        let key = self.chain.validator_keys.get(node.owner).map(SecretKey::public);
        let start = || -> Result<(Replica, Executor, u64)> {
            let epoch = node.disk.height().checked_div(plan).unwrap_or(0);
            let set = self.rosters.set(epoch).context("an epoch that nobody knows")?.clone();
            let committed = node.disk.committed_set(epoch, plan);
            ensure!(epoch == 0 || committed == Some(set.digest()), "epoch {epoch} was begun with another set");
            let before = self.rosters.set(epoch.saturating_sub(1)).context("no epoch before")?;
            let lanes = before.iter().map(|(_, validator)| validator.key).collect();
            let context = SigningContext { genesis: self.chain.digest, set };
            let identity = Identity { context, keys: key.into_iter().collect() };
            let consensus = tonle_consensus::Config { epoch_length: plan, ..tonle_consensus::Config::default() };
            let config = Config { consensus, max_lag: 16, ..Config::default() };
            let executor = Executor::open(&self.chain.genesis, node.disk.state.iter(), self.memo.judge())?;
            Ok((Replica::new(identity, config, node.disk.recover(plan, lanes)?), executor, epoch))
        };
        let started = start().map_err(|error| Breach::Halted { node: at, why: format!("at its start: {error:#}") });
        let (mut replica, executor, epoch) = started?;
        replica.remember(&node.disk.misbehaviour);
        if self.byzantine.contains_key(&at) {
            replica.ignore_witnesses();
        }
        node.boot += 1;
        node.connected.iter_mut().for_each(|connected| *connected = false);
        node.running = Some(Running {
            replica,
            executor,
            epoch,
            epoch_heard: epoch,
            started_us: now,
            tick_at: None,
            spins: 0,
            outbox: VecDeque::new(),
            persisting: None,
            storing: VecDeque::new(),
            stored_us: 0,
            executing: VecDeque::new(),
        });
        self.note(Some(at), || Deed::Starts);
        self.feed(at, Event::Start)?;
        for other in 0..self.nodes.len() {
            let delay = self.dice.between(1_000, 50_000);
            self.after(delay, Happening::Connect { one: at, other });
        }
        Ok(())
    }

    /// Gives a node an event and carries out what follows.
    pub(crate) fn feed(&mut self, at: usize, event: Event) -> Result<(), Breach> {
        let now = self.now_us;
        let node = &mut self.nodes[at];
        let Some(running) = &mut node.running else { return Ok(()) };
        let is_tick = matches!(event, Event::Tick);
        let monotonic_us = now - running.started_us;
        let time = Time { monotonic_us, wall_ms: (START_MS + now / 1_000).saturating_add_signed(node.clock_ms) };
        let effects = running.replica.handle(time, event);
        let mut step = [0; 10];
        step[..8].copy_from_slice(&now.to_be_bytes());
        step[8..].copy_from_slice(&[u8::try_from(at).unwrap_or(0), u8::try_from(effects.len().min(255)).unwrap_or(0)]);
        self.trace.update(&step);
        let mut moved = false;
        for effect in &effects {
            if let Effect::EpochBegan { set, .. } = effect {
                moved |= self.rosters.set(running.epoch_heard).is_none_or(|known| known.digest() != set.digest());
                running.epoch_heard = set.epoch().get();
                self.context.begin(set.clone());
                if !self.rosters.begins(set) {
                    return Err(Breach::Members { node: at, epoch: set.epoch().get() });
                }
            }
        }
        running.outbox.extend(effects);
        if let Some(deadline) = running.replica.deadline() {
            let overdue = deadline <= monotonic_us;
            running.spins = if overdue && is_tick { running.spins + 1 } else { 0 };
            if running.spins > SPINS_MAX {
                return Err(Breach::Spins { node: at });
            }
            let due = (running.started_us + deadline).max(now + u64::from(is_tick && overdue));
            if running.tick_at.is_none_or(|tick| tick > due) {
                running.tick_at = Some(due);
                let boot = node.boot;
                self.at(due, Happening::Tick { node: at, boot });
            }
        }
        self.pump(at)?;
        if moved {
            // Places changed: whoever is connected is told of again.
            for other in (0..self.nodes.len()).filter(|other| self.nodes[at].connected[*other]).collect::<Vec<_>>() {
                self.greet(at, other)?;
            }
        }
        Ok(())
    }

    /// A tick that was asked for.
    pub(crate) fn tick(&mut self, at: usize) -> Result<(), Breach> {
        let now = self.now_us;
        let Some(running) = &mut self.nodes[at].running else { return Ok(()) };
        if running.tick_at != Some(now) {
            return Ok(());
        }
        running.tick_at = None;
        self.feed(at, Event::Tick)
    }

    /// Carries out effects in order; those after a Persist wait for it.
    fn pump(&mut self, at: usize) -> Result<(), Breach> {
        loop {
            let Some(running) = &mut self.nodes[at].running else { return Ok(()) };
            if running.persisting.is_some() {
                return Ok(());
            }
            let Some(effect) = running.outbox.pop_front() else { return Ok(()) };
            self.carry_out(at, effect)?;
        }
    }

    fn sync_us(&mut self, at: usize) -> u64 {
        let slow = self.nodes[at].slow_disk_until > self.now_us;
        if slow {
            self.fired.count(Fault::SlowDisk);
        }
        if slow { self.dice.between(20_000, 200_000) } else { self.dice.between(200, 3_000) }
    }

    fn carry_out(&mut self, at: usize, effect: Effect) -> Result<(), Breach> {
        let boot = self.nodes[at].boot;
        match effect {
            Effect::Persist { record, blocks } => {
                let epoch = record.epoch.get();
                if self.is_honest(at) && self.nodes[at].disk.height() < epoch.saturating_mul(self.epoch_length) {
                    return Err(Breach::Unanchored { node: at, epoch });
                }
                self.persist(at, record, blocks)?;
            }
            Effect::Sign(request) => {
                let epoch = self.nodes[at].running.as_ref().map_or(0, |running| running.epoch);
                self.note(Some(at), || Deed::Signs(epoch, request.statement()));
                let node = &self.nodes[at];
                if self.is_honest(at) {
                    let guard = node.disk.guard.as_ref();
                    self.invariants.signs((at, node.guard_aged), guard, epoch, request.statement())?;
                }
                let signature = self.memo.sign(&self.chain.validator_keys[self.owner(at)], request.message());
                let event = Event::Signed { request, signature };
                self.after(SIGN_US, Happening::Local { node: at, boot, event: Box::new(event) });
            }
            Effect::SignBatch { seq, message } => {
                let signature = self.memo.sign(&self.chain.validator_keys[self.owner(at)], &message);
                let event = Event::BatchSigned { seq, signature };
                self.after(SIGN_US, Happening::Local { node: at, boot, event: Box::new(event) });
            }
            Effect::StoreBatch(batch) => self.store(at, batch),
            Effect::Send { to, message } => self.send(at, &to, message)?,
            Effect::Gossip(batch) => {
                let message = PeerMessage::Batch(Arc::clone(batch.raw()));
                self.send(at, &Recipients::All, message)?;
            }
            Effect::Serve { to, request } => {
                let response = serve(&request, &self.nodes[at].disk);
                self.send(at, &Recipients::One(to), PeerMessage::Response(response))?;
            }
            Effect::Execute(block) => self.execute(at, block)?,
            Effect::Accepted { ticket } => self.accepted(at, ticket),
            Effect::Refused { .. } => {}
            Effect::ReleaseBatches { up_to } => self.nodes[at].disk.release_batches(&up_to),
            Effect::ReleaseBlocks { up_to } => self.nodes[at].disk.release_blocks(up_to),
            Effect::EpochBegan { set, .. } => {
                if let Some(running) = &mut self.nodes[at].running {
                    running.epoch = set.epoch().get();
                }
            }
            Effect::Misbehaviour(proof) => return self.exposes(at, proof),
            Effect::GuardRenewed { record } => {
                self.fired.count(Fault::Rejoined);
                self.nodes[at].disk.guard = Some(record);
                self.nodes[at].disk.guard_lost = false;
            }
            Effect::GuardLost { statement } => {
                let node = &mut self.nodes[at];
                let known = node.disk.guard_lost || node.guard_aged;
                node.disk.guard_lost = true;
                if self.is_honest(at) && !known {
                    return Err(Breach::Unguarded { node: at, statement });
                }
            }
            Effect::Halt(reason) if self.is_honest(at) => {
                return Err(Breach::Halted { node: at, why: reason.to_string() });
            }
            Effect::Halt(_) => {}
        }
        Ok(())
    }

    fn persist(&mut self, at: usize, record: GuardRecord, blocks: Vec<Block>) -> Result<(), Breach> {
        let boot = self.nodes[at].boot;
        Invariants::guarded(at, self.nodes[at].disk.guard.as_ref(), &record)?;
        if self.is_honest(at) {
            self.notarizes(at, &record, &blocks)?;
        }
        if self.sabotage == Some(Sabotage::GuardNotWritten) {
            self.nodes[at].disk.guard.get_or_insert(record);
            return Ok(());
        }
        let delay = self.sync_us(at);
        if let Some(running) = &mut self.nodes[at].running {
            running.persisting = Some((record, blocks));
        }
        self.after(delay, Happening::Persisted { node: at, boot });
        Ok(())
    }

    /// What becomes of a sync. One that fails ends the process, which starts again a while later, or once there is room.
    fn sync(&mut self, at: usize) -> Synced {
        let drill = self.drill;
        let node = &mut self.nodes[at];
        node.syncs += 1;
        if let Some(crash) = drill.filter(|crash| crash.node == at && crash.sync == node.syncs) {
            if crash.made {
                return Synced::ThenCrash;
            }
            if let Some(running) = &mut node.running {
                running.persisting = None;
                running.storing.clear();
            }
            self.die(at);
            return Synced::Lost;
        }
        if !std::mem::take(&mut node.sync_fails) {
            return Synced::Goes;
        }
        let full = node.disk_full_until > self.now_us;
        self.fired.count(if full { Fault::DiskFull } else { Fault::FailedSync });
        self.die(at);
        Synced::Lost
    }

    fn die(&mut self, at: usize) {
        self.crash(at);
        self.after(AGAIN_US, Happening::Restart { node: at });
    }

    /// The guard is on disk: what waited for it goes on.
    pub(crate) fn persisted(&mut self, at: usize) -> Result<(), Breach> {
        let sync = self.sync(at);
        if sync == Synced::Lost {
            return Ok(());
        }
        let node = &mut self.nodes[at];
        let Some((record, blocks)) = node.running.as_mut().and_then(|running| running.persisting.take()) else {
            return Ok(());
        };
        persist(&mut node.disk, record, blocks);
        if sync == Synced::ThenCrash {
            self.die(at);
        }
        self.pump(at)
    }

    fn store(&mut self, at: usize, batch: Arc<Batch>) {
        let (now, boot) = (self.now_us, self.nodes[at].boot);
        let delay = self.sync_us(at);
        let Some(running) = &mut self.nodes[at].running else { return };
        // One log: syncs end in the order they began.
        let done = (now + delay).max(running.stored_us + 1);
        running.stored_us = done;
        running.storing.push_back(Arc::clone(&batch));
        if self.sabotage == Some(Sabotage::BatchNotSynced) {
            let event = Event::BatchStored { lane: *batch.lane(), digest: batch.digest() };
            self.after(1, Happening::Local { node: at, boot, event: Box::new(event) });
        }
        self.at(done, Happening::Stored { node: at, boot });
    }

    /// The next batch is in the log.
    pub(crate) fn stored(&mut self, at: usize) -> Result<(), Breach> {
        let sync = self.sync(at);
        if sync == Synced::Lost {
            return Ok(());
        }
        let node = &mut self.nodes[at];
        let Some(batch) = node.running.as_mut().and_then(|running| running.storing.pop_front()) else {
            return Ok(());
        };
        let event = Event::BatchStored { lane: *batch.lane(), digest: batch.digest() };
        node.disk.lane_lost &= *batch.lane() != self.chain.validator_keys[node.owner].public();
        node.disk.log.push(batch);
        if sync == Synced::ThenCrash {
            self.die(at);
        }
        self.feed(at, event)
    }

    fn execute(&mut self, at: usize, block: FinalBlock) -> Result<(), Breach> {
        let boot = self.nodes[at].boot;
        let delay = self.sync_us(at);
        let node = &mut self.nodes[at];
        let Some(running) = &mut node.running else { return Ok(()) };
        let after = running.executing.back().map_or(node.disk.height(), |last| last.block.height().get());
        if !self.byzantine.contains_key(&at) {
            self.invariants.finalized(at, after, block.block.height().get(), block.block.digest())?;
        }
        if let Some(meter) = &mut self.meter {
            meter.finalizes(self.now_us, &block.block.digest());
        }
        let height = block.block.height().get();
        let idle = running.executing.is_empty();
        running.executing.push_back(block);
        if idle {
            self.after(delay, Happening::Written { node: at, boot });
        }
        self.note(Some(at), || Deed::Finalizes(height));
        Ok(())
    }

    /// The next block is executed and in the database.
    pub(crate) fn written(&mut self, at: usize) -> Result<(), Breach> {
        let sync = self.sync(at);
        if sync == Synced::Lost {
            return Ok(());
        }
        let boot = self.nodes[at].boot;
        let delay = self.sync_us(at);
        let node = &mut self.nodes[at];
        let Some(running) = &mut node.running else { return Ok(()) };
        let Some(block) = running.executing.pop_front() else { return Ok(()) };
        let input = BlockInput {
            height: block.block.height().get(),
            timestamp_ms: block.block.header().timestamp().get(),
            transactions: block.transactions().cloned().collect(),
        };
        let plan = running.executor.plan(&input);
        let executed = running
            .executor
            .execute(&plan, node.disk.state.load(plan.keys()))
            .map_err(|fatal| Breach::Halted { node: at, why: fatal.to_string() })?;
        let checkpoint = Checkpoint {
            height: Height::new(executed.height),
            state_root: executed.state_root,
            results_root: executed.results_root,
        };
        if let Some(meter) = &mut self.meter {
            block.transactions().for_each(|transaction| meter.executes(self.now_us, at, &transaction.id()));
        }
        node.disk.state.apply(&executed.changes);
        let members: Option<Members> = executed.validators.as_ref().map(|version| validators(&version.members).into());
        node.disk.write_block(&block, checkpoint, members.clone());
        if sync == Synced::ThenCrash {
            self.die(at);
            return Ok(());
        }
        if !running.executing.is_empty() {
            self.after(delay, Happening::Written { node: at, boot });
        }
        if self.is_honest(at) {
            self.invariants.executed(at, &executed)?;
        }
        self.feed(at, Event::Executed { checkpoint, members })
    }
}

pub(crate) fn persist(disk: &mut Disk, record: GuardRecord, blocks: Vec<Block>) {
    disk.guard = Some(record);
    disk.journal.extend(blocks.into_iter().map(|block| (block.digest(), block)));
}

/// A number that a simulation's context could not give.
pub(crate) fn missing(what: &'static str) -> Breach {
    Breach::Simulator(what.to_owned())
}

/// The seed's chain.
pub(crate) fn chain(nodes: usize, epoch_length: u64) -> Result<crate::chain::Chain> {
    crate::chain::Chain::new(nodes, epoch_length).context("chain")
}
