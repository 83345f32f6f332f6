//! A whole replica that begins at genesis and catches up over links of 75 ms each way, in virtual time: peers that
//! serve truly, lie or are silent. `cargo test --release -p tonle-replica whole -- --nocapture` prints what it took.

use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::{Anchor, Epoch, Height, Recipients, Time, Tip as FinalTip, ValidatorIndex};
use tonle_crypto::Strict;

use crate::bounds::{FETCH_TIMEOUT_US, RESPONSE_BLOCKS, RUNS_MAX, RUNS_PER_PEER_MAX};
use crate::testing::{Source, blocks, certified, checkpoint, context, genesis, lane, signing};
use crate::{
    CheckedMessage, Config, Cut, Effect, Event, Found, Identity, PeerMessage, Query, Recovered, Replica, Request,
    Response, serve,
};

const ONE_WAY_US: u64 = 75_000;
const ROUND_TRIP_US: u64 = 2 * ONE_WAY_US;
/// Heights to catch up with: a hundred answers.
const HEIGHTS: u64 = 100 * RESPONSE_BLOCKS;
/// So many blocks became final together, to have fewer signatures to check.
const CERTIFIED_EVERY: u64 = 32;
/// Whoever sends what does not verify is not talked to for this long.
const BANNED_US: u64 = 1_000_000;
/// A request that is not answered within this time is given up.
const GIVEN_UP_US: u64 = 4 * FETCH_TIMEOUT_US;
/// What a block's execution takes.
const EXECUTION_US: u64 = 100;
/// How often a peer says how high it is.
const ANNOUNCE_US: u64 = 1_000_000;

/// How a peer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    True,
    Silent,
    /// Claims more than there is; answers with nothing, with what was not asked for, and with gaps.
    Lying,
}

/// What it took.
#[derive(Debug, PartialEq, Eq)]
struct Took {
    us: u64,
    /// Requests for final blocks, by peer.
    requests: BTreeMap<u16, usize>,
    /// Most of them under way at once, over all peers and at one of them; and peers asked at once.
    under_way: usize,
    at_one: usize,
    peers_at_once: usize,
    /// Answers refused as they came.
    refused: usize,
}

struct Syncing {
    now_us: u64,
    replica: Replica,
    source: Source,
    manners: Vec<Manner>,
    agenda: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// Requests under way: until when, and of whom.
    open: Vec<(u64, u16)>,
    ordered: u64,
    lies: u64,
    took: Took,
}

fn observer() -> Replica {
    let recovered = Recovered {
        anchor: Anchor { block: genesis(), certificate: None },
        anchor_lanes: signing().set.iter().map(|(_, validator)| validator.key).collect(),
        members: Vec::new(),
        guard: None,
        guard_lost: false,
        blocks: Vec::new(),
        tip: FinalTip { block: genesis(), certificate: None },
        checkpoints: vec![checkpoint(0)],
        batches: Vec::new(),
        lane_lost: false,
    };
    let consensus = tonle_consensus::Config { epoch_length: 1_000_000, ..tonle_consensus::Config::default() };
    let identity = Identity { context: context().signing(Epoch::ZERO).unwrap(), keys: Vec::new() };
    Replica::new(identity, Config { consensus, ..Config::default() }, recovered)
}

impl Syncing {
    /// Catches up with a chain that peers of these manners hold.
    fn run(manners: &[Manner]) -> Took {
        let entries =
            certified(&blocks(HEIGHTS, |_| Cut::genesis(4)), |height| height.is_multiple_of(CERTIFIED_EVERY), 0);
        let by_height = entries.into_iter().map(|entry| (entry.block.height().get(), entry)).collect();
        let mut syncing = Syncing {
            now_us: 0,
            replica: observer(),
            source: Source { blocks: by_height, batches: BTreeMap::new() },
            manners: manners.to_vec(),
            agenda: BTreeMap::new(),
            sequence: 0,
            open: Vec::new(),
            ordered: 0,
            lies: 0,
            took: Took { us: 0, requests: BTreeMap::new(), under_way: 0, at_one: 0, peers_at_once: 0, refused: 0 },
        };
        syncing.feed(Event::Start);
        for peer in (0..4).map(lane).take(manners.len()) {
            syncing.feed(Event::Connected(peer));
            for second in 0..120 {
                syncing.announce(ONE_WAY_US + second * ANNOUNCE_US, peer);
            }
        }
        while syncing.replica.status().executed < Height::new(HEIGHTS) {
            syncing.step();
        }
        syncing.took.us = syncing.now_us;
        syncing.took
    }

    fn at(&mut self, due_us: u64, event: Event) {
        self.sequence += 1;
        self.agenda.insert((due_us, self.sequence), event);
    }

    fn hear(&mut self, due_us: u64, from: ValidatorIndex, message: PeerMessage) {
        match CheckedMessage::check(message, &context(), &Strict) {
            Ok(message) => self.at(due_us, Event::Peer { from, message }),
            Err(_) => {
                self.took.refused += 1;
                self.at(due_us, Event::Disconnected(from));
                self.at(due_us + BANNED_US, Event::Connected(from));
                self.announce(due_us + BANNED_US, from);
            }
        }
    }

    fn announce(&mut self, due_us: u64, from: ValidatorIndex) {
        let lies = self.manners[usize::from(from.get())] == Manner::Lying;
        let height = Height::new(if lies { u64::MAX } else { HEIGHTS });
        self.hear(due_us, from, PeerMessage::FinalTip { height });
    }

    fn step(&mut self) {
        let next = self.agenda.first_key_value().map(|((due, _), _)| *due).unwrap();
        let event = match self.replica.deadline().filter(|tick| *tick < next) {
            Some(tick) => {
                self.now_us = self.now_us.max(tick);
                Event::Tick
            }
            None => {
                let ((due, _), event) = self.agenda.pop_first().unwrap();
                self.now_us = self.now_us.max(due);
                event
            }
        };
        assert!(self.now_us < 100_000_000, "it does not end: {:?}", self.took);
        self.feed(event);
    }

    fn feed(&mut self, event: Event) {
        let time = Time { monotonic_us: self.now_us, wall_ms: 1_000_000 + self.now_us / 1_000 };
        for effect in self.replica.handle(time, event) {
            match effect {
                Effect::Send { to: Recipients::One(to), message: PeerMessage::Request(request) } => {
                    self.asked(to, &request);
                }
                Effect::Execute(block) => {
                    self.ordered += 1;
                    assert_eq!(block.block.height().get(), self.ordered, "in order, each once");
                    let event = Event::Executed { checkpoint: checkpoint(self.ordered), members: None };
                    self.at(self.now_us + EXECUTION_US, event);
                }
                Effect::Halt(halt) => panic!("{halt}"),
                _ => {}
            }
        }
    }

    /// The answer arrives a round trip later, if the peer gives one.
    fn asked(&mut self, to: ValidatorIndex, request: &Request) {
        let Query::FinalBlocks { from } = request.query else { return };
        let peer = to.get();
        *self.took.requests.entry(peer).or_default() += 1;
        let manner = self.manners[usize::from(peer)];
        let due_us = self.now_us + ROUND_TRIP_US;
        self.open.retain(|(until, _)| *until > self.now_us);
        self.open.push((if manner == Manner::Silent { self.now_us + GIVEN_UP_US } else { due_us }, peer));
        let of = |asked: u16| self.open.iter().filter(|(_, peer)| *peer == asked).count();
        let peers: BTreeSet<u16> = self.open.iter().map(|(_, peer)| *peer).collect();
        self.took.under_way = self.took.under_way.max(self.open.len());
        self.took.at_one = self.took.at_one.max(of(peer));
        self.took.peers_at_once = self.took.peers_at_once.max(peers.len());
        let found = match manner {
            Manner::True => serve(request, &self.source).found,
            Manner::Silent => return,
            Manner::Lying => self.lie(request, from),
        };
        self.hear(due_us, to, PeerMessage::Response(Response { id: request.id, found }));
    }

    fn lie(&mut self, request: &Request, from: Height) -> Found {
        self.lies += 1;
        let elsewhere = Query::FinalBlocks { from: from.saturating_add(self.lies) };
        match (self.lies % 3, serve(request, &self.source).found) {
            (0, _) => Found::FinalBlocks(Vec::new()),
            (1, _) => serve(&Request { id: request.id, query: elsewhere }, &self.source).found,
            (_, Found::FinalBlocks(mut blocks)) => {
                if blocks.len() > 2 {
                    blocks.remove(1);
                }
                Found::FinalBlocks(blocks)
            }
            (_, found) => found,
        }
    }
}

/// What peers do, and the round trips within which all is caught up with: docs/performance/catch-up.md has the figures.
const SCENES: [(&str, [Manner; 4], u64); 4] = [
    ("four serve", [Manner::True; 4], 15),
    ("one is silent", [Manner::Silent, Manner::True, Manner::True, Manner::True], 35),
    ("one lies", [Manner::True, Manner::Lying, Manner::True, Manner::True], 20),
    ("one is silent, one lies", [Manner::Silent, Manner::Lying, Manner::True, Manner::True], 50),
];

#[test]
#[allow(clippy::print_stderr, reason = "a test says what it measured")]
fn peers_are_asked_at_once_and_the_others_serve_when_one_is_silent_and_one_lies() {
    for (scene, manners, round_trips_max) in SCENES {
        let took = Syncing::run(&manners);
        let round_trips = took.us.div_ceil(ROUND_TRIP_US);
        eprintln!("{scene}: {round_trips} round trips, {} ms; {took:?}", took.us / 1_000);
        assert!(round_trips <= round_trips_max, "{scene}: {took:?}");
        assert!(took.peers_at_once >= 2, "{scene}: {took:?}");
        assert!(took.at_one <= RUNS_PER_PEER_MAX, "{scene}: {took:?}");
        assert!(u64::try_from(took.under_way).unwrap() <= RUNS_MAX, "{scene}: {took:?}");
        for (peer, manner) in manners.iter().enumerate() {
            let asked = took.requests[&u16::try_from(peer).unwrap()];
            let served = u64::try_from(asked).unwrap() >= HEIGHTS / RESPONSE_BLOCKS / 5;
            assert_eq!(served, *manner == Manner::True, "{scene}: who serves is asked, others rest: {took:?}");
        }
        assert_eq!(took.refused > 0, manners.contains(&Manner::Lying), "{scene}: a gap is refused: {took:?}");
    }
}
