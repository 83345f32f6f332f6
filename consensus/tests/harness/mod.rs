//! A network of engines under virtual time: a toy payload, a toy signer, a disk that loses what was not synced, and a
//! network that delays, loses, repeats, reorders and parts. The same seed gives the same run.
//!
//! The toy payload is a number: how many items of one global sequence are ordered. Items reach each node at their own
//! time; a node lacks the data of a proposal until it has that many.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test binary uses its own part of the harness")]

pub mod forge;
pub mod node;
pub mod random;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use tonle_consensus::{
    Block, Checkpoint, Config, Epoch, Header, HeaderFields, Height, Input, Message, Output, Recipients, SigningContext,
    Time, Timestamp, Validator, ValidatorIndex, ValidatorSet, View, payload_digest,
};
use tonle_crypto::{Digest, Domain, PublicKey, SecretKey, Signature, SignatureInvalid, Verified, Verifier};

use node::Node;
use random::Random;

static TOY: Domain = Domain::new("tonle test signature");

/// A signature that is quick to make and check, and as binding as a digest of key and message. Only for simulation.
pub fn toy_signature(key: &PublicKey, message: &[u8]) -> Signature {
    let digest = TOY.digest_parts(&[key.as_bytes(), message]);
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(digest.as_bytes());
    Signature::from_bytes(bytes)
}

/// Checks [`toy_signature`].
pub struct Toy;

impl Verifier for Toy {
    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
        if toy_signature(key, message) == *signature { Ok(()) } else { Err(SignatureInvalid) }
    }
}

/// The secret key of the test validator at `index`.
pub fn secret(index: u16) -> SecretKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&index.to_be_bytes());
    SecretKey::from_seed(&seed)
}

/// A set of `n` test validators.
pub fn validators(n: u16, epoch: u64) -> ValidatorSet {
    let validator = |index: u16| Validator {
        name: format!("bank{index}"),
        key: secret(index).public(),
        network_key: secret(index + 1_000).public(),
    };
    ValidatorSet::new(Epoch::new(epoch), (0..n).map(validator).collect()).expect("a valid set")
}

/// The signing context of `n` test validators.
pub fn context(n: u16) -> SigningContext {
    SigningContext { genesis: Digest::from_bytes([1; 32]), set: validators(n, 0) }
}

/// The genesis block: nothing ordered.
pub fn genesis_block() -> Block {
    let payload = 0u64.to_be_bytes().to_vec();
    let header = Header::new(HeaderFields {
        parent: Digest::from_bytes([1; 32]),
        height: Height::ZERO,
        timestamp: Timestamp::new(1_000_000),
        protocol_version: 1,
        payload: payload_digest(&payload),
        checkpoint: Checkpoint { height: Height::ZERO, state_root: Digest::ZERO, results_root: Digest::ZERO },
        next_set: None,
    });
    Block::new(header, payload).expect("the payload fits")
}

/// How a run is disturbed.
#[derive(Debug, Clone)]
pub struct Disturbance {
    /// Chance in 1,000 that a message is lost.
    pub loss: u64,
    /// Chance in 1,000 that a message comes twice.
    pub repeat: u64,
    /// One-way delay in microseconds, least and most.
    pub delay_us: (u64, u64),
    /// Time of a sync in microseconds, least and most.
    pub sync_us: (u64, u64),
    /// Mean time between crashes in microseconds; 0 for none.
    pub crash_every_us: u64,
    /// Mean time between partitions in microseconds; 0 for none.
    pub part_every_us: u64,
    /// Mean time between new items in microseconds; 0 for none.
    pub item_every_us: u64,
    /// Two engines share the last validator's key, each without the other's guard.
    pub twins: bool,
}

impl Disturbance {
    /// A calm network: 10 ms each way, 1 ms a sync.
    pub fn calm() -> Self {
        Disturbance {
            loss: 0,
            repeat: 0,
            delay_us: (10_000, 10_000),
            sync_us: (1_000, 1_000),
            crash_every_us: 0,
            part_every_us: 0,
            item_every_us: 0,
            twins: false,
        }
    }
}

#[derive(Debug)]
enum Event {
    Tick { node: usize, life: u64 },
    Deliver { from: ValidatorIndex, to: usize, message: Message },
    Connect { node: usize, peer: ValidatorIndex },
    Disk { node: usize, life: u64, outputs: Vec<Output> },
    Input { node: usize, life: u64, input: Box<Input> },
    Executed { node: usize, life: u64, height: Height },
    Item { node: usize, count: u64 },
    NewItem,
    Crash,
    Restart { node: usize },
    Part,
    Heal,
    Fetch { node: usize, life: u64, block: Digest },
    CatchUp { node: usize, life: u64 },
}

/// The whole network.
pub struct Network {
    pub context: SigningContext,
    pub config: Config,
    pub nodes: Vec<Node>,
    pub now_us: u64,
    pub disturbance: Disturbance,
    pub final_blocks: BTreeMap<Height, Digest>,
    pub sent: Vec<(u64, ValidatorIndex, Message)>,
    pub record_sent: bool,
    /// Items made so far.
    pub items: u64,
    pub evidence: usize,
    /// Node index to the part of the network it is in.
    parts: Vec<usize>,
    events: BinaryHeap<Reverse<(u64, u64)>>,
    bodies: BTreeMap<u64, Event>,
    sequence: u64,
    random: Random,
    calm: bool,
}

impl Network {
    pub fn new(n: u16, seed: u64, config: Config, disturbance: Disturbance) -> Self {
        let context = context(n);
        let mut nodes: Vec<Node> = context.set.indices().map(|me| Node::new(Some(me), &config)).collect();
        if disturbance.twins {
            nodes.push(Node::new(Some(ValidatorIndex::new(n - 1)), &config));
            let last = nodes.len();
            nodes[last - 1].byzantine = true;
            nodes[last - 2].byzantine = true;
        }
        let parts = vec![0; nodes.len()];
        let mut network = Network {
            context,
            config,
            parts,
            nodes,
            now_us: 1_000_000,
            disturbance,
            final_blocks: BTreeMap::new(),
            sent: Vec::new(),
            record_sent: false,
            items: 0,
            evidence: 0,
            events: BinaryHeap::new(),
            bodies: BTreeMap::new(),
            sequence: 0,
            random: Random::new(seed),
            calm: false,
        };
        for node in 0..network.nodes.len() {
            network.start(node);
        }
        let d = network.disturbance.clone();
        for (every, event) in
            [(d.item_every_us, Event::NewItem), (d.crash_every_us, Event::Crash), (d.part_every_us, Event::Part)]
        {
            if every > 0 {
                network.after(every, event);
            }
        }
        network
    }

    fn after(&mut self, delay_us: u64, event: Event) {
        self.events.push(Reverse((self.now_us + delay_us, self.sequence)));
        self.bodies.insert(self.sequence, event);
        self.sequence += 1;
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.random.below(most - least + 1)
    }

    /// An exponential-like wait around a mean.
    fn wait(&mut self, mean: u64) -> u64 {
        1 + self.random.below(2 * mean)
    }

    pub fn time(&self, node: usize) -> Time {
        // Clocks of different nodes differ by up to 40 ms.
        let skew = u64::try_from(node).unwrap() % 5 * 10;
        Time { monotonic_us: self.now_us, wall_ms: 2_000_000 + skew + self.now_us / 1_000 }
    }

    /// Runs until `until_us` or until `done`; true when `done`.
    pub fn run(&mut self, until_us: u64, done: impl Fn(&Network) -> bool) -> bool {
        while let Some(Reverse((at, sequence))) = self.events.peek().copied() {
            if done(self) {
                return true;
            }
            if at > until_us {
                break;
            }
            self.events.pop();
            self.now_us = at;
            let event = self.bodies.remove(&sequence).expect("scheduled");
            self.step(event);
        }
        self.now_us = self.now_us.max(until_us);
        done(self)
    }

    /// From here on nothing is lost, parted or crashed; whoever is down comes back.
    pub fn heal(&mut self) {
        self.calm = true;
        self.disturbance.loss = 0;
        self.parts = vec![0; self.nodes.len()];
        for node in 0..self.nodes.len() {
            if self.nodes[node].engine.is_none() {
                self.start(node);
            }
        }
        self.connect_all();
    }

    fn connect_all(&mut self) {
        for node in 0..self.nodes.len() {
            for peer in self.context.set.indices() {
                self.after(1_000, Event::Connect { node, peer });
            }
        }
    }

    pub fn start(&mut self, node: usize) {
        let time = self.time(node);
        let (context, config) = (self.context.clone(), self.config.clone());
        let outputs = self.nodes[node].start(&context, &config, time);
        self.perform(node, outputs);
        let me = self.nodes[node].me;
        for other in 0..self.nodes.len() {
            if let (Some(me), Some(peer)) = (me, self.nodes[other].me)
                && me != peer
            {
                self.after(500, Event::Connect { node, peer });
                self.after(500, Event::Connect { node: other, peer: me });
            }
        }
        let demand = self.nodes[node].demand();
        self.input(node, Input::Demand(demand));
    }

    pub fn crash(&mut self, node: usize) {
        let keep = self.random.below(3);
        self.nodes[node].crash(keep);
    }

    pub fn new_item(&mut self) {
        self.items += 1;
        for node in 0..self.nodes.len() {
            let delay = self.between(self.disturbance.delay_us);
            self.after(delay, Event::Item { node, count: self.items });
        }
    }

    pub fn part(&mut self, parts: Vec<usize>) {
        self.parts = parts;
    }

    #[allow(clippy::too_many_lines, reason = "one dispatch match")]
    fn step(&mut self, event: Event) {
        match event {
            Event::Tick { node, life } => {
                if self.nodes[node].life == life {
                    self.nodes[node].tick_at = None;
                    self.input(node, Input::Tick);
                }
            }
            Event::Deliver { from, to, message } => {
                let verified = Verified::check(message, &self.context, &Toy).expect("engines send valid messages");
                self.input(to, Input::Received { from, message: verified });
            }
            Event::Connect { node, peer } => self.input(node, Input::Connected(peer)),
            Event::Disk { node, life, outputs } => {
                if self.nodes[node].life == life {
                    self.perform_durable(node, outputs);
                }
            }
            Event::Input { node, life, input } => {
                if self.nodes[node].life == life {
                    self.input(node, *input);
                }
            }
            Event::Executed { node, life, height } => {
                if self.nodes[node].life == life {
                    self.nodes[node].executed(height);
                    self.refresh(node);
                }
            }
            Event::Item { node, count } => {
                self.nodes[node].known = self.nodes[node].known.max(count);
                self.refresh(node);
            }
            Event::NewItem => {
                if !self.calm {
                    self.new_item();
                    let wait = self.wait(self.disturbance.item_every_us);
                    self.after(wait, Event::NewItem);
                }
            }
            Event::Crash => self.crash_some(),
            Event::Restart { node } => {
                if self.nodes[node].engine.is_none() {
                    self.start(node);
                }
            }
            Event::Part => {
                if !self.calm {
                    self.parts = (0..self.nodes.len()).map(|_| 0).collect();
                    for node in 0..self.nodes.len() {
                        self.parts[node] = usize::try_from(self.random.below(2)).unwrap();
                    }
                    let wait = self.wait(2_000_000);
                    self.after(wait, Event::Heal);
                }
            }
            Event::Heal => {
                self.parts = vec![0; self.nodes.len()];
                self.connect_all();
                if !self.calm {
                    let wait = self.wait(self.disturbance.part_every_us);
                    self.after(wait, Event::Part);
                }
            }
            Event::Fetch { node, life, block } => {
                if self.nodes[node].life == life {
                    self.fetch(node, &block);
                }
            }
            Event::CatchUp { node, life } => {
                if self.nodes[node].life == life {
                    self.catch_up(node);
                }
            }
        }
    }

    fn crash_some(&mut self) {
        if self.calm {
            return;
        }
        // Sometimes all at once.
        let all = self.random.below(8) == 0;
        for node in 0..self.nodes.len() {
            if (all || self.random.below(4) == 0) && self.nodes[node].engine.is_some() {
                self.crash(node);
                let wait = self.wait(1_500_000);
                self.after(wait, Event::Restart { node });
            }
        }
        let wait = self.wait(self.disturbance.crash_every_us);
        self.after(wait, Event::Crash);
    }

    /// What the toy replica answers when its data or its database has changed.
    fn refresh(&mut self, node: usize) {
        if let Some(demand) = self.nodes[node].changed_demand() {
            self.input(node, Input::Demand(demand));
        }
        for answer in self.nodes[node].answers() {
            self.input(node, answer);
        }
    }

    pub fn input(&mut self, node: usize, input: Input) {
        let time = self.time(node);
        let Some(engine) = &mut self.nodes[node].engine else { return };
        let outputs = engine.handle(time, input);
        self.perform(node, outputs);
        self.schedule_tick(node);
    }

    fn schedule_tick(&mut self, node: usize) {
        let this = &self.nodes[node];
        let Some(deadline) = this.engine.as_ref().and_then(|engine| engine.deadline()) else { return };
        let at = deadline.max(self.now_us + 1);
        if this.tick_at.is_none_or(|pending| at < pending) {
            let life = this.life;
            self.nodes[node].tick_at = Some(at);
            self.after(at - self.now_us, Event::Tick { node, life });
        }
    }

    /// Carries out outputs in order; those from the first Persist on wait for the disk.
    fn perform(&mut self, node: usize, outputs: Vec<Output>) {
        let mut outputs = outputs.into_iter();
        while let Some(output) = outputs.next() {
            if matches!(output, Output::Persist { .. }) {
                let rest = std::iter::once(output).chain(outputs).collect();
                let sync = self.between(self.disturbance.sync_us);
                let life = self.nodes[node].life;
                let at = self.nodes[node].disk_free_us.max(self.now_us) + sync;
                self.nodes[node].disk_free_us = at;
                self.after(at - self.now_us, Event::Disk { node, life, outputs: rest });
                break;
            }
            self.perform_one(node, output);
        }
        self.refresh_answers(node);
    }

    fn refresh_answers(&mut self, node: usize) {
        for answer in self.nodes[node].answers() {
            let life = self.nodes[node].life;
            self.after(0, Event::Input { node, life, input: Box::new(answer) });
        }
    }

    fn perform_durable(&mut self, node: usize, outputs: Vec<Output>) {
        for output in outputs {
            if let Output::Persist { record, blocks } = output {
                self.nodes[node].persist(record, blocks);
            } else {
                self.perform_one(node, output);
            }
        }
    }

    fn perform_one(&mut self, node: usize, output: Output) {
        let life = self.nodes[node].life;
        match output {
            Output::Persist { .. } => unreachable!("one Persist in a turn"),
            Output::Sign(request) => {
                let me = self.nodes[node].me.expect("observers sign nothing");
                let key = self.context.set.get(me).expect("in the set").key;
                let signature = toy_signature(&key, request.message());
                self.after(0, Event::Input { node, life, input: Box::new(Input::Signed { request, signature }) });
            }
            Output::Send { to, message } => self.send(node, &to, &message),
            Output::Check { proposal, parent } => self.nodes[node].check(proposal, &parent),
            Output::Build { view, parent, may_be_empty } => self.nodes[node].build = Some((view, parent, may_be_empty)),
            Output::Entered { view, .. } => self.nodes[node].enter(view),
            Output::Notarized { .. } => {}
            Output::Finalized { blocks, certificate } => {
                for block in &blocks {
                    self.check_final(node, block);
                }
                let height = blocks.last().expect("never empty").height();
                self.nodes[node].finalize(blocks, certificate);
                let delay = self.between(self.disturbance.sync_us);
                self.after(delay, Event::Executed { node, life, height });
                if let Some(demand) = self.nodes[node].changed_demand() {
                    self.after(0, Event::Input { node, life, input: Box::new(Input::Demand(demand)) });
                }
            }
            Output::FetchBlock { block, .. } => {
                let delay = self.between(self.disturbance.delay_us) * 2;
                self.after(delay, Event::Fetch { node, life, block });
            }
            Output::Behind { .. } => {
                let delay = self.between(self.disturbance.delay_us) * 4;
                self.after(delay, Event::CatchUp { node, life });
            }
            Output::Evidence(evidence) => {
                let signer = usize::from(evidence.signer.get());
                assert!(self.nodes[signer].byzantine, "an honest validator is accused: {evidence:?}");
                tonle_crypto::Verify::verify(&evidence, &self.context, &Toy).expect("evidence holds");
                self.evidence += 1;
            }
            Output::GuardLost { statement } => {
                assert!(self.nodes[node].byzantine, "guard of {node} is said to be lost: {statement:?}");
                // The twin does not care.
                self.crash(node);
                self.nodes[node].forget();
                self.after(100_000, Event::Restart { node });
            }
            Output::EpochEnded { block, .. } => self.nodes[node].epoch_ended = Some(block.height()),
            Output::Halt(reason) => panic!("halt: {reason}"),
        }
    }

    /// No two different blocks are final at a height, and each extends the one below.
    fn check_final(&mut self, node: usize, block: &Block) {
        if self.nodes[node].byzantine {
            return;
        }
        let known = *self.final_blocks.entry(block.height()).or_insert(block.digest());
        assert_eq!(known, block.digest(), "two blocks are final at height {}", block.height());
        if let Some(below) = block.height().previous().and_then(|height| self.final_blocks.get(&height)) {
            assert_eq!(*below, block.header().parent(), "block {} has a parent that is not final", block.height());
        }
    }

    fn send(&mut self, node: usize, to: &Recipients, message: &Message) {
        let me = self.nodes[node].me.expect("observers send nothing");
        if self.record_sent {
            self.sent.push((self.now_us, me, message.clone()));
        }
        let indices: BTreeSet<ValidatorIndex> = match to {
            Recipients::One(index) => [*index].into(),
            Recipients::Many(indices) => indices.iter().copied().collect(),
            Recipients::All => self.context.set.indices().filter(|index| *index != me).collect(),
        };
        for other in 0..self.nodes.len() {
            let reached = self.nodes[other].me.is_some_and(|index| indices.contains(&index) && index != me);
            if !reached || self.parts[node] != self.parts[other] {
                continue;
            }
            let copies = 1 + u64::from(self.random.below(1_000) < self.disturbance.repeat);
            for _ in 0..copies {
                if self.random.below(1_000) >= self.disturbance.loss {
                    let delay = self.between(self.disturbance.delay_us);
                    self.after(delay, Event::Deliver { from: me, to: other, message: message.clone() });
                }
            }
        }
    }

    fn fetch(&mut self, node: usize, block: &Digest) {
        let mut found = None;
        for other in 0..self.nodes.len() {
            if self.parts[other] == self.parts[node] && self.nodes[other].engine.is_some() {
                found = found.or_else(|| self.nodes[other].find(block));
            }
        }
        if let Some(block) = found {
            self.input(node, Input::Fetched { block });
        }
    }

    fn catch_up(&mut self, node: usize) {
        let reachable = |other: &usize| self.parts[*other] == self.parts[node] && self.nodes[*other].engine.is_some();
        let best = (0..self.nodes.len()).filter(reachable).max_by_key(|other| self.nodes[*other].height());
        let Some(best) = best.filter(|best| self.nodes[*best].height() > self.nodes[node].height()) else { return };
        let from = self.nodes[node].height();
        let blocks: Vec<Block> = self.nodes[best].database.iter().filter(|b| b.height() > from).cloned().collect();
        let certificate = self.nodes[best].certificate.clone().expect("something is final");
        let last = blocks.last().expect("higher").clone();
        for block in &blocks {
            self.check_final(node, block);
        }
        self.nodes[node].finalize(blocks, certificate.clone());
        let height = last.height();
        self.nodes[node].executed(height);
        self.input(node, Input::Advanced { block: last, certificate });
        self.refresh(node);
    }

    /// Views of all live engines.
    pub fn views(&self) -> Vec<View> {
        self.nodes.iter().filter_map(|node| node.engine.as_ref()).map(|engine| engine.view()).collect()
    }

    /// Have all nodes finalized all items?
    pub fn all_final(&self) -> bool {
        self.nodes.iter().filter(|node| !node.byzantine).all(|node| node.final_cut() == self.items)
    }

    /// The lowest final height.
    pub fn low_height(&self) -> Height {
        self.nodes.iter().filter(|node| !node.byzantine).map(Node::height).min().expect("nodes")
    }
}
