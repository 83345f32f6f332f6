//! A replica fed with events that the bytes choose: time, connections, clients, and peers who hold every key but its
//! own and say with them what they like, from the honest course of a block to lies in any field. What must hold of its
//! effects, `node` asserts.
//!
//! Must not know: what the replica should answer.

use std::collections::VecDeque;
use std::sync::Arc;

use tonle_consensus::{
    Block, Certificate, Contradiction, Epoch, Height, Message, QuorumCertificate, QuorumKind, Signed, Statement,
    ValidatorIndex, View,
};
use tonle_crypto::{Canonical, Digest, Writer};
use tonle_replica::{
    AcknowledgedLane, Acknowledgement, CertifiedBlock, Cut, Event, Found, Misbehaviour, PeerMessage, Query, RawBatch,
    Request, Response, Tip,
};

use crate::Input;
use crate::forge::{NODES, child, genesis, transfer, validator};
use crate::node::{Node, cut_of};
use crate::signing::Scheme;

/// Events of one input, at most: an execution stays within some milliseconds.
const STEPS_MAX: usize = 160;
/// What peers remember of what they made.
const MADE_MAX: usize = 64;

/// Steps of an input: the byte that begins each, and for the seeds their names.
pub(crate) mod step {
    pub(crate) const TIME: u8 = 0;
    pub(crate) const DUE: u8 = 1;
    pub(crate) const CONNECT: u8 = 2;
    pub(crate) const DISCONNECT: u8 = 3;
    pub(crate) const SUBMIT: u8 = 4;
    pub(crate) const ANSWER: u8 = 5;
    pub(crate) const PROPOSE: u8 = 6;
    pub(crate) const VOTE: u8 = 7;
    pub(crate) const TIMEOUT: u8 = 8;
    pub(crate) const QUORUM: u8 = 9;
    pub(crate) const TIMEOUTS: u8 = 10;
    pub(crate) const BATCH: u8 = 11;
    pub(crate) const ACKNOWLEDGE: u8 = 12;
    pub(crate) const REQUEST: u8 = 13;
    pub(crate) const RESPOND: u8 = 14;
    pub(crate) const FINAL_TIP: u8 = 15;
    pub(crate) const RESTART: u8 = 16;
    pub(crate) const OWN_KEY: u8 = 17;
    pub(crate) const MISBEHAVIOUR: u8 = 18;
    /// Any other: bytes of a message as they are.
    pub(crate) const RAW: u8 = 19;
    pub(crate) const COUNT: u8 = 20;
}

/// What the peers have made so far.
struct Peers {
    me: usize,
    /// Blocks, and the view each was proposed in; genesis first.
    blocks: Vec<(Block, View)>,
    batches: Vec<Vec<Arc<RawBatch>>>,
    transactions: u64,
}

/// See the module.
pub(crate) fn replica_events(data: &[u8]) {
    let mut input = Input::new(data);
    let me = input.below(usize::from(NODES) + 1);
    let epoch_length = input.pick(&[u64::MAX, 4, 1]);
    let prompt = input.u8() < 0x80;
    let place = (me < usize::from(NODES)).then(|| index(me));
    let mut node = Node::new(place, epoch_length);
    let mut peers = Peers {
        me,
        blocks: vec![(genesis(), View::ZERO)],
        batches: vec![Vec::new(); usize::from(NODES)],
        transactions: 0,
    };
    for _ in 0..STEPS_MAX {
        if input.is_empty() {
            break;
        }
        peers.step(&mut input, &mut node);
        peers.blocks.append(&mut node.proposed);
        let excess = peers.blocks.len().saturating_sub(MADE_MAX);
        peers.blocks.drain(1..1 + excess);
        while prompt && node.answer() {}
    }
    // What the shell owes is always paid in the end.
    while node.answer() {}
}

fn index(at: usize) -> ValidatorIndex {
    validator(u16::try_from(at).unwrap_or(u16::MAX))
}

impl Peers {
    fn step(&mut self, input: &mut Input<'_>, node: &mut Node) {
        match input.u8() % step::COUNT {
            step::TIME => {
                let ms = input.pick(&[1u64, 5, 10, 50, 300, 1_000, 2_000, 10_000]);
                node.now.monotonic_us += ms * 1_000;
                node.now.wall_ms += ms;
                node.feed(Event::Tick);
            }
            step::DUE => node.tick_when_due(),
            step::CONNECT => {
                let peer = self.peer(input);
                node.feed(Event::Connected(peer));
                // R9: what every peer is asked then, and says.
                let asked = std::mem::take(&mut node.asked).into_iter();
                let (epochs, others) = asked.partition(|(_, request)| request.query == Query::Epoch);
                node.asked = others;
                let epochs: VecDeque<(ValidatorIndex, Request)> = epochs;
                for (peer, request) in epochs {
                    let found = Found::Epoch(Some(Epoch::ZERO));
                    node.receive(peer, PeerMessage::Response(Response { id: request.id, found }));
                }
            }
            step::DISCONNECT => node.feed(Event::Disconnected(self.peer(input))),
            step::SUBMIT => self.submit(input, node),
            step::ANSWER => {
                node.answer();
            }
            step::PROPOSE => self.propose(input, node),
            step::VOTE => self.vote(input, node),
            step::TIMEOUT => self.timeout(input, node),
            step::QUORUM => {
                let kind = input.pick(&[QuorumKind::Notarized, QuorumKind::Finalized]);
                let certificate = self.certificate(input, node, kind);
                self.say(input, node, Message::Certificate(Certificate::Quorum(certificate)));
            }
            step::TIMEOUTS => {
                let view = View::new(around(input, node.view()));
                let high = self.high(input, node, view);
                let certificate = node.forge.timeouts(view, &self.others(input), high);
                self.say(input, node, Message::Certificate(Certificate::Timeout(certificate)));
            }
            step::BATCH => self.batch(input, node),
            step::ACKNOWLEDGE => self.acknowledge(input, node),
            step::REQUEST => self.request(input, node),
            step::RESPOND => self.respond(input, node),
            step::FINAL_TIP => {
                let height = Height::new(input.pick(&[1, 3, 9, 100, u64::MAX]));
                node.receive(self.peer(input), PeerMessage::FinalTip { height });
            }
            step::MISBEHAVIOUR => self.expose(input, node),
            step::RESTART => node.restart(),
            step::OWN_KEY => self.sign_with_its_key(input, node),
            _ => {
                let length = usize::from(input.u8());
                if let Ok(message) = PeerMessage::decode(input.bytes(length)) {
                    node.receive(self.peer(input), message);
                }
            }
        }
    }

    /// Another validator than the node.
    fn peer(&self, input: &mut Input<'_>) -> ValidatorIndex {
        let others = self.all_others();
        others[input.below(others.len())]
    }
    fn all_others(&self) -> Vec<ValidatorIndex> {
        (0..usize::from(NODES)).filter(|other| *other != self.me).map(index).collect()
    }
    /// All others, or some.
    fn others(&self, input: &mut Input<'_>) -> Vec<ValidatorIndex> {
        let left_out = input.u8();
        self.all_others().into_iter().filter(|other| left_out >> other.get() & 1 == 0).collect()
    }

    /// A message over the connection of its signer, or of somebody who passes it on.
    fn say(&self, input: &mut Input<'_>, node: &mut Node, message: Message) {
        let from = match &message {
            Message::Proposal(proposal) => node.forge.context.set.leader(proposal.view),
            Message::Notarize(vote) | Message::Finalize(vote) => vote.signer,
            Message::Timeout(timeout) => timeout.signer,
            Message::Certificate(_) => self.peer(input),
        };
        let from = if from.index() == self.me { self.peer(input) } else { from };
        node.receive(from, PeerMessage::Consensus(message));
    }

    /// One of the blocks made; zero is the newest.
    fn block(&self, input: &mut Input<'_>) -> &(Block, View) {
        let back = input.below(self.blocks.len());
        &self.blocks[self.blocks.len() - 1 - back]
    }

    fn certificate(&self, input: &mut Input<'_>, node: &Node, kind: QuorumKind) -> QuorumCertificate {
        let (block, view) = self.block(input);
        let (digest, mut view) = (block.digest(), *view);
        if input.rarely() {
            view = View::new(around(input, node.view()));
        }
        node.forge.quorum(kind, view, digest, &self.others(input))
    }

    /// The certificate of the highest block below `view`, or of another, or none.
    fn high(&self, input: &mut Input<'_>, node: &Node, view: View) -> Option<QuorumCertificate> {
        if input.rarely() {
            return input.rarely().then(|| self.certificate(input, node, QuorumKind::Notarized));
        }
        let below = self.blocks.iter().filter(|(_, of)| *of < view && *of > View::ZERO).max_by_key(|(_, of)| *of)?;
        Some(node.forge.quorum(QuorumKind::Notarized, below.1, below.0.digest(), &self.all_others()))
    }

    fn propose(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let view = View::new(around(input, node.view()));
        let lies = if input.rarely() { input.u8() } else { 0 };
        let parent_qc = self.high(input, node, view);
        let known = |digest: Digest| self.blocks.iter().find(|(block, _)| block.digest() == digest);
        let parent = match &parent_qc {
            Some(certificate) => known(certificate.block).map(|(block, _)| block.clone()),
            None => Some(node.tip().clone()),
        };
        let parent = parent.unwrap_or_else(genesis);
        let skipped = parent_qc.as_ref().map_or(0, |certificate| certificate.view.get()) + 1 < view.get();
        let timeout = (skipped != (lies & 1 != 0)).then(|| {
            let given_up = View::new(view.get().saturating_sub(1));
            node.forge.timeouts(given_up, &self.all_others(), parent_qc.clone())
        });
        let (cut, inline) = self.next_cut(input, &parent);
        let mut checkpoint =
            node.checkpoint(Height::new(parent.height().get().saturating_sub(u64::from(input.u8() % 4))));
        if checkpoint.height < parent.header().checkpoint().height || lies & 2 != 0 {
            checkpoint = parent.header().checkpoint();
        }
        if lies & 4 != 0 {
            checkpoint.height = checkpoint.height.saturating_add(1);
        }
        let height = parent.height().get().wrapping_add(1);
        let set = node.forge.context.set.digest();
        let due = height.checked_rem(node.epoch_length()) == Some(0);
        let next_set = (due != (lies & 8 != 0)).then_some(set);
        // At the end of an epoch the last block is proposed again.
        let again = parent.header().next_set().is_some() && parent_qc.is_some() && lies & 16 == 0;
        let block = if again { parent } else { child(&parent, &cut, checkpoint, next_set) };
        let proposal = node.forge.proposal(view, block.clone(), parent_qc, timeout, &sidecar(&inline));
        self.blocks.push((block, view));
        if node.forge.context.set.leader(view).index() != self.me {
            self.say(input, node, Message::Proposal(Arc::new(proposal)));
        }
    }

    /// The parent's cut, with a lane of peers' batches moved on; the batches may ride along.
    fn next_cut(&self, input: &mut Input<'_>, parent: &Block) -> (Cut, Vec<Arc<RawBatch>>) {
        let mut tips = cut_of(parent).tips().to_vec();
        let choice = input.u8();
        let lane = usize::from(choice & 3);
        let from = usize::try_from(tips[lane].seq).unwrap_or(usize::MAX);
        let new: Vec<Arc<RawBatch>> = self.batches[lane].iter().skip(from).take(3).cloned().collect();
        if choice & 0x0c == 0
            && let Some(last) = new.last()
        {
            tips[lane] = Tip { seq: last.seq(), digest: last.digest() };
            return (Cut::new(tips), if choice & 0x10 == 0 { new } else { Vec::new() });
        }
        if choice >= 0xf8 {
            // Backwards, or into nowhere.
            tips[lane] = Tip { seq: u64::from(choice & 7), digest: Digest::from_bytes([choice; 32]) };
        }
        (Cut::new(tips), Vec::new())
    }

    fn vote(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let kind = input.pick(&[QuorumKind::Notarized, QuorumKind::Finalized]);
        let (block, view) = self.block(input);
        let (digest, mut view) = (block.digest(), *view);
        if input.rarely() {
            view = View::new(around(input, node.view()));
        }
        for signer in self.others(input) {
            let vote = node.forge.vote(kind, view, digest, signer);
            let message = match kind {
                QuorumKind::Notarized => Message::Notarize(vote),
                QuorumKind::Finalized => Message::Finalize(vote),
            };
            self.say(input, node, message);
        }
    }

    /// A proof that a validator voted twice in some view, the node itself perhaps: then somebody signed with its key.
    fn expose(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let accused = index(input.below(usize::from(NODES)));
        let view = View::new(around(input, node.view()));
        let vote = |byte| {
            let statement = Statement::Notarize { view, block: Digest::from_bytes([byte; 32]) };
            Signed { statement, signature: node.forge.sign(accused, &statement) }
        };
        let set = &node.forge.context.set;
        let Some(key) = set.get(accused).map(|validator| validator.key) else { return };
        let Some(made) = Contradiction::new(key, (set.epoch(), set.digest()), vote(1), vote(2)) else { return };
        node.witnessed |= accused.index() == self.me;
        let from = self.peer(input);
        node.receive(from, PeerMessage::Misbehaviour(Arc::new(Misbehaviour::Consensus(made))));
    }

    fn timeout(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let view = View::new(around(input, node.view()));
        for signer in self.others(input) {
            let high = self.high(input, node, view);
            let timeout = node.forge.timeout(view, signer, high);
            self.say(input, node, Message::Timeout(timeout));
        }
    }

    fn submit(&mut self, input: &mut Input<'_>, node: &mut Node) {
        // Some come twice.
        let number = if input.rarely() { self.transactions } else { self.transactions + 1 };
        self.transactions = number;
        let transaction = transfer(Scheme::Hashed, number, usize::from(input.u8()) * 2);
        let ticket = node.ticket();
        node.feed(Event::Submitted { transaction, ticket });
    }

    /// The next batch of a peer's lane, or one beside it.
    fn batch(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let author = self.peer(input);
        let lane = &mut self.batches[author.index()];
        let choice = input.u8();
        let parent = match (choice, lane.len()) {
            // Twice at one place; or after nobody knows what.
            (0xf0..0xf8, length @ 2..) => tip_of(&lane[length - 2]),
            (0xf8.., _) => Tip { seq: u64::from(choice), digest: Digest::from_bytes([choice; 32]) },
            _ => lane.last().map_or(Tip::EMPTY, |last| tip_of(last)),
        };
        self.transactions += 1;
        let count = 1 + u64::from(choice % 3);
        let transactions: Vec<_> = (0..count)
            .map(|number| (**transfer(Scheme::Hashed, 1_000 + self.transactions * 4 + number, 0)).clone())
            .collect();
        let batch = Arc::new(node.forge.batch(author.get(), parent, &transactions));
        if choice < 0xf0 && lane.len() < MADE_MAX {
            lane.push(Arc::clone(&batch));
        }
        let from = if input.rarely() { self.peer(input) } else { author };
        // It may be lost on its way, and must then be asked for.
        if !input.rarely() {
            node.receive(from, PeerMessage::Batch(batch));
        }
    }

    fn acknowledge(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let lying = input.rarely();
        let lanes = (0..usize::from(NODES)).filter_map(|lane| {
            let tip = match self.batches[lane].last() {
                _ if lying => Tip { seq: input.u64(), digest: Digest::from_bytes([input.u8(); 32]) },
                Some(last) => tip_of(last),
                None => return None,
            };
            Some(AcknowledgedLane { lane: index(lane), tip })
        });
        let acknowledgement = Acknowledgement { set: node.forge.context.set.digest(), lanes: lanes.collect() };
        node.receive(self.peer(input), PeerMessage::Acknowledge(acknowledgement));
    }

    fn request(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let query = match input.below(3) {
            0 => Query::Block { digest: self.block(input).0.digest() },
            1 => {
                let lane = input.below(usize::from(NODES));
                let newest = self.batches[lane].last().map_or(Digest::ZERO, |last| last.digest());
                Query::Batches { digest: newest, floor: u64::from(input.u8() % 4) }
            }
            _ => Query::FinalBlocks { from: Height::new(input.pick(&[1, 0, 2, u64::MAX])) },
        };
        let id = u64::from(input.u8());
        node.receive(self.peer(input), PeerMessage::Request(Request { id, query }));
    }

    /// An answer to what the node asked for: what there is, or nothing, or something else.
    fn respond(&mut self, input: &mut Input<'_>, node: &mut Node) {
        let Some((peer, request)) = node.asked.pop_front() else { return };
        let found = match request.query {
            _ if input.rarely() => Found::Block(Some(self.block(input).0.clone())),
            Query::Block { digest } => {
                let known = self.blocks.iter().find(|(block, _)| block.digest() == digest);
                Found::Block(known.map(|(block, _)| block.clone()))
            }
            Query::Batches { digest, floor } => {
                let lane = self.batches.iter().find(|lane| lane.iter().any(|batch| batch.digest() == digest));
                let down = lane.into_iter().flatten().rev().skip_while(|batch| batch.digest() != digest);
                Found::Batches(down.take_while(|batch| batch.seq() > floor).cloned().collect())
            }
            Query::FinalBlocks { from } => Found::FinalBlocks(self.run(input, node, from)),
            Query::Snapshot(query) => Found::Snapshot(query.nothing()),
            Query::Epoch => Found::Epoch(input.u8().checked_sub(1).map(|epoch| Epoch::new(u64::from(epoch % 4)))),
        };
        let from = if input.rarely() { self.peer(input) } else { peer };
        node.receive(from, PeerMessage::Response(Response { id: request.id, found }));
    }

    /// Blocks from a height up to the newest of a branch, certified at the end or all the way.
    fn run(&self, input: &mut Input<'_>, node: &Node, from: Height) -> Vec<CertifiedBlock> {
        let certified = |(block, view): &(Block, View), own: bool| CertifiedBlock {
            block: block.clone(),
            certificate: own
                .then(|| node.forge.quorum(QuorumKind::Finalized, *view, block.digest(), &self.all_others())),
        };
        let all = input.rarely();
        let mut next = Some(self.block(input));
        let mut run = Vec::new();
        while let Some(entry) = next.filter(|(block, _)| block.height() >= from && run.len() < MADE_MAX) {
            run.push(certified(entry, all || run.is_empty() || entry.0.header().next_set().is_some()));
            next = self.blocks.iter().find(|(block, _)| block.digest() == entry.0.header().parent());
        }
        run.reverse();
        run
    }

    /// Somebody has a copy of the node's key, or the node has an old backup: it hears of a signature of its own.
    fn sign_with_its_key(&mut self, input: &mut Input<'_>, node: &mut Node) {
        // Rare: nothing much happens to a node that may not sign any more.
        if self.me >= usize::from(NODES) || !input.rarely() {
            return;
        }
        node.witnessed = true;
        let (me, view) = (index(self.me), View::new(around(input, node.view())));
        let vote = node.forge.vote(QuorumKind::Notarized, view, self.block(input).0.digest(), me);
        node.receive(self.peer(input), PeerMessage::Consensus(Message::Notarize(vote)));
    }
}

fn tip_of(batch: &RawBatch) -> Tip {
    Tip { seq: batch.seq(), digest: batch.digest() }
}

fn sidecar(batches: &[Arc<RawBatch>]) -> Vec<u8> {
    if batches.is_empty() {
        return Vec::new();
    }
    let mut writer = Writer::new();
    writer.length(batches.len());
    batches.iter().for_each(|batch| {
        writer.value(batch.as_ref());
    });
    writer.finish()
}

/// The number given, for most choices; else one near it or far from it.
fn around(input: &mut Input<'_>, number: u64) -> u64 {
    match input.u8() {
        0..0xc0 => number,
        0xc0..0xd8 => number.wrapping_add(1),
        0xd8..0xe8 => number.saturating_sub(1),
        0xe8..0xf0 => number.saturating_add(100),
        0xf0..0xf8 => u64::MAX,
        _ => 0,
    }
}
