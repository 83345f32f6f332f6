//! Execution order, catch-up, checks of peers' messages, and formats: the machines beside the lanes.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_consensus::{
    Anchor, Block, Certificate, Epoch, Height, Message, Recipients, Statement, Time, Tip as FinalTip, ValidatorIndex,
    View, Vote,
};
use tonle_crypto::{Canonical, Digest, Strict};

use crate::answering::Allowance;
use crate::bounds::{
    ENDINGS_PER_SECOND, EXECUTING_MAX, GREET_US, GREETINGS_PER_SECOND, REQUESTS_PER_SECOND, RESPONSE_BLOCKS,
};
use crate::execution::{Execution, Judged};
use crate::lanes::{Lanes, Reason};
use crate::testing::{
    Source, batch, batches, block, blocks, certificate, certified, chain, checkpoint, context, genesis, key, lane,
    signing,
};
use crate::{
    AcknowledgedLane, Acknowledgement, Batch, CertifiedBlock, CheckedMessage, Config, Cut, Effect, Event, Found, Halt,
    Identity, InvalidBatch, InvalidMessage, PeerMessage, Query, RawBatch, Recovered, Replica, Request, Response, Tip,
    serve,
};

const LENGTH: u64 = 1_000;

fn execution() -> Execution {
    Execution::new(genesis(), Cut::genesis(4), &[checkpoint(0)], LENGTH)
}
fn empty_lanes() -> Lanes {
    Lanes::new(&signing(), Some(lane(0)), &Cut::genesis(4), &[], false)
}
fn cut_of(tip: Tip) -> Cut {
    Cut::new(vec![Tip::EMPTY, tip, Tip::EMPTY, Tip::EMPTY])
}
fn finalize(execution: &mut Execution, block: &Block) -> Result<bool, Halt> {
    execution.push(block.clone(), None, certificate(block, 0))
}
fn ready(execution: &mut Execution, lanes: &Lanes) -> Vec<u64> {
    execution.ready(lanes).unwrap().iter().map(|block| block.block.height().get()).collect()
}

#[test]
fn blocks_execute_in_height_order_exactly_once() {
    let (mut execution, lanes) = (execution(), empty_lanes());
    let all = blocks(2, |_| Cut::genesis(4));
    assert_eq!(finalize(&mut execution, &all[1]), Ok(false), "a gap is left to catch-up");
    assert_eq!(finalize(&mut execution, &all[0]), Ok(true));
    assert_eq!(finalize(&mut execution, &all[0]), Ok(false), "known already");
    assert_eq!(finalize(&mut execution, &all[1]), Ok(true));
    assert_eq!(ready(&mut execution, &lanes), [1, 2]);
    assert!(ready(&mut execution, &lanes).is_empty());
    assert_eq!(execution.executed_block(checkpoint(2)), Ok(None), "out of order");
    assert!(matches!(execution.executed_block(checkpoint(1)), Ok(Some(_))));
    assert_eq!(execution.executed_block(checkpoint(1)), Ok(None), "once");
    assert_eq!(execution.executed().get(), 1);
}

#[test]
fn executor_is_given_a_bounded_number_of_blocks() {
    let (mut execution, lanes) = (execution(), empty_lanes());
    for block in blocks(40, |_| Cut::genesis(4)) {
        assert_eq!(finalize(&mut execution, &block), Ok(true));
    }
    assert_eq!(ready(&mut execution, &lanes).len(), EXECUTING_MAX);
    execution.executed_block(checkpoint(1)).unwrap();
    assert_eq!(ready(&mut execution, &lanes).len(), 1);
}

#[test]
fn block_waits_for_its_data_and_says_what_it_misses() {
    let (mut execution, mut lanes) = (execution(), empty_lanes());
    let data = batches(1, 2);
    let cuts = [cut_of(data[1].tip()), cut_of(data[1].tip())];
    let all = blocks(2, |height| cuts[usize::try_from(height - 1).unwrap()].clone());
    all.iter().for_each(|block| assert_eq!(finalize(&mut execution, block), Ok(true)));
    lanes.ordered(execution.cut());
    assert!(ready(&mut execution, &lanes).is_empty(), "nothing overtakes a block whose data is missing");
    let wanted = |execution: &Execution, lanes: &Lanes| {
        execution.wants(lanes).into_iter().map(|want| want.query).collect::<Vec<_>>()
    };
    assert_eq!(wanted(&execution, &lanes), [Query::Batches { digest: data[1].digest(), floor: 0 }]);
    lanes.received(lane(2), &data[1], Reason::Named, &mut Vec::new());
    assert_eq!(wanted(&execution, &lanes), [Query::Batches { digest: data[0].digest(), floor: 0 }]);
    lanes.received(lane(2), &data[0], Reason::Named, &mut Vec::new());
    let found = execution.ready(&lanes).unwrap();
    assert_eq!(found[0].batches, data);
    assert!(found[1].batches.is_empty());
}

#[test]
fn final_block_that_breaks_the_rules_halts() {
    let good = blocks(1, |_| Cut::genesis(4)).remove(0);
    let stranger = block(&block(&good, &Cut::genesis(4), checkpoint(0)), &Cut::genesis(4), checkpoint(0));
    let short = block(&genesis(), &Cut::genesis(3), checkpoint(0));
    let mut first = execution();
    assert!(matches!(finalize(&mut first, &short), Err(Halt::Rules(_))));
    let mut second = execution();
    finalize(&mut second, &block(&genesis(), &cut_of(batch(1, Tip::EMPTY, 1).tip()), checkpoint(0))).unwrap();
    assert!(matches!(finalize(&mut second, &block(&good, &Cut::genesis(4), checkpoint(0))), Err(Halt::Rules(_))));
    assert_eq!(finalize(&mut second, &stranger), Ok(false));
}

#[test]
fn other_roots_in_a_certified_header_halt_and_name_both() {
    let forged = checkpoint(7).state_root;
    let lie = tonle_consensus::Checkpoint { state_root: forged, ..checkpoint(1) };
    // Executed here before the header is seen, and after it.
    for executed_first in [true, false] {
        let (mut execution, lanes) = (execution(), empty_lanes());
        let one = blocks(1, |_| Cut::genesis(4)).remove(0);
        let two = block(&one, &Cut::genesis(4), lie);
        finalize(&mut execution, &one).unwrap();
        assert_eq!(ready(&mut execution, &lanes), [1]);
        let result = if executed_first {
            execution.executed_block(checkpoint(1)).unwrap();
            execution.claim(two.header())
        } else {
            execution.claim(two.header()).unwrap();
            execution.executed_block(checkpoint(1)).map(|_| ())
        };
        let Err(Halt::Diverged { ours, header }) = result else { panic!("went on: {result:?}") };
        assert_eq!((ours, header.checkpoint()), (checkpoint(1), lie));
    }
}

#[test]
fn proposed_checkpoint_is_judged() {
    let mut execution = Execution::new(genesis(), Cut::genesis(4), &[checkpoint(0)], 3);
    let lanes = empty_lanes();
    let mut all: Vec<Block> = Vec::new();
    for height in 1..=5 {
        let parent = all.last().cloned().unwrap_or_else(genesis);
        all.push(block(&parent, &Cut::genesis(4), checkpoint(2.min(height - 1))));
    }
    all.iter().for_each(|block| assert_eq!(finalize(&mut execution, block), Ok(true)));
    ready(&mut execution, &lanes);
    (1..=3).for_each(|height| assert!(execution.executed_block(checkpoint(height)).is_ok()));
    let parent = block(&all[4], &Cut::genesis(4), checkpoint(2));
    let lie = tonle_consensus::Checkpoint { state_root: chain(), ..checkpoint(3) };
    let moved = tonle_consensus::Checkpoint { state_root: chain(), ..checkpoint(2) };
    let rows = [
        ("the parent's own", checkpoint(2), Judged::Agrees),
        ("a newer one, executed here", checkpoint(3), Judged::Agrees),
        ("other roots than here", lie, Judged::Withhold),
        ("below the parent's", checkpoint(1), Judged::Invalid),
        ("the parent's height with other roots", moved, Judged::Invalid),
        ("skips the epoch's last height", checkpoint(4), Judged::Invalid),
        ("not below the block", checkpoint(7), Judged::Invalid),
    ];
    for (what, named, expected) in rows {
        let proposed = block(&parent, &Cut::genesis(4), named);
        assert_eq!(execution.judge(proposed.header(), parent.header()), expected, "{what}");
    }
    let later = block(&all[4], &Cut::genesis(4), checkpoint(3));
    let ahead = block(&later, &Cut::genesis(4), checkpoint(5));
    assert_eq!(execution.judge(ahead.header(), later.header()), Judged::Wait);
}

#[test]
fn last_data_of_a_burst_calls_for_one_trailing_block() {
    let (mut execution, mut lanes) = (execution(), empty_lanes());
    let data = batch(1, Tip::EMPTY, 1);
    lanes.received(lane(1), &data, Reason::Named, &mut Vec::new());
    let one = block(&genesis(), &cut_of(data.tip()), checkpoint(0));
    finalize(&mut execution, &one).unwrap();
    assert_eq!(ready(&mut execution, &lanes), [1]);
    assert_eq!(execution.checkpoint_due(), None, "not executed yet");
    execution.executed_block(checkpoint(1)).unwrap();
    assert_eq!(execution.checkpoint_due(), Some(Height::new(1)));
    assert_eq!(execution.checkpoint(one.header(), false), checkpoint(1));
    let trailing = block(&one, &cut_of(data.tip()), checkpoint(1));
    finalize(&mut execution, &trailing).unwrap();
    assert_eq!(ready(&mut execution, &lanes), [2]);
    execution.executed_block(checkpoint(2)).unwrap();
    assert_eq!(execution.checkpoint_due(), None, "the trailing block calls for no further one");
}

#[test]
fn served_answers_are_bounded_and_pass_the_requesters_checks() {
    let all = blocks(RESPONSE_BLOCKS + 20, |_| Cut::genesis(4));
    let last = RESPONSE_BLOCKS + 18;
    let entries = certified(&all, |height| height % 50 == 0 || height == last, 0);
    let data = batches(1, 5);
    let source = Source {
        blocks: entries.into_iter().map(|entry| (entry.block.height().get(), entry)).collect(),
        batches: data.iter().map(|batch| (batch.digest(), Arc::clone(batch.raw()))).collect(),
    };
    let ask = |query| serve(&Request { id: 4, query }, &source);
    let heights = |from| match ask(Query::FinalBlocks { from: Height::new(from) }).found {
        Found::FinalBlocks(blocks) => {
            let ends = |entry: &CertifiedBlock| entry.block.height().get();
            (blocks.first().map(ends), blocks.last().map(ends))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(heights(1), (Some(1), Some(last)), "on to a certificate after the first {RESPONSE_BLOCKS}");
    assert_eq!(heights(last + 1), (None, None), "no certificate covers them");
    let below = ask(Query::Batches { digest: data[3].digest(), floor: 1 });
    let expected: Vec<_> = [3, 2, 1].map(|at: usize| Arc::clone(data[at].raw())).to_vec();
    assert_eq!(below, Response { id: 4, found: Found::Batches(expected) });
    assert_eq!(ask(Query::Block { digest: chain() }).found, Found::Block(None));
    for query in [Query::FinalBlocks { from: Height::new(1) }, Query::Batches { digest: data[4].digest(), floor: 0 }] {
        let message = PeerMessage::Response(ask(query));
        let decoded = PeerMessage::decode(&message.encode()).unwrap();
        assert_eq!(decoded, message);
        assert!(CheckedMessage::check(decoded, &context(), &Strict).is_ok());
    }
}

fn check(message: PeerMessage) -> Result<CheckedMessage, InvalidMessage> {
    CheckedMessage::check(message, &context(), &Strict)
}

#[test]
fn peers_messages_are_refused_for_every_reason() {
    let all = blocks(3, |_| Cut::genesis(4));
    let run = |blocks| PeerMessage::Response(Response { id: 1, found: Found::FinalBlocks(blocks) });
    let mut gap = certified(&all, |_| true, 0);
    gap.remove(1);
    assert!(matches!(check(run(gap)), Err(InvalidMessage::Unlinked(_))));
    assert!(matches!(check(run(certified(&all, |height| height == 1, 0))), Err(InvalidMessage::Unlinked(_))));
    let mut swapped = certified(&all, |_| true, 0);
    swapped[2].certificate = swapped[1].certificate.clone();
    assert!(matches!(check(run(swapped)), Err(InvalidMessage::Unlinked(_))));
    let mut forged = certified(&all, |_| true, 0);
    forged[2].certificate.as_mut().unwrap().epoch = Epoch::new(1);
    assert!(matches!(check(run(forged)), Err(InvalidMessage::Consensus(_))));
    let line = AcknowledgedLane { lane: lane(1), tip: Tip::EMPTY };
    let twice = PeerMessage::Acknowledge(Acknowledgement { set: signing().set.digest(), lanes: vec![line, line] });
    assert_eq!(check(twice), Err(InvalidMessage::Repeated));
    let statement = Statement::Notarize { view: View::new(1), block: chain() };
    let signature = key(1).sign(&statement.preimage(&signing()));
    let vote =
        |signer| Vote { epoch: Epoch::ZERO, view: View::new(1), block: chain(), signer: lane(signer), signature };
    assert!(check(PeerMessage::Consensus(Message::Notarize(vote(1)))).is_ok());
    assert!(matches!(check(PeerMessage::Consensus(Message::Notarize(vote(2)))), Err(InvalidMessage::Consensus(_))));
}

/// A batch with one byte changed, if that still is a batch.
fn altered(batch: &Batch, at: usize) -> Option<RawBatch> {
    let mut bytes = batch.raw().bytes().to_vec();
    bytes[at] ^= 1;
    RawBatch::decode(&bytes).ok()
}

#[test]
fn batch_with_any_byte_changed_is_refused() {
    let good = batch(1, Tip::EMPTY, 1);
    for at in 0..good.size() {
        let Some(raw) = altered(&good, at) else { continue };
        assert!(Batch::check(Arc::new(raw), &context().batches(), &Strict).is_err(), "byte {at}");
    }
}

#[test]
fn batch_out_of_place_or_of_no_lane_is_refused() {
    let other = crate::PeerContext::new(Digest::from_bytes([8; 32]), crate::testing::set());
    let good = batch(1, Tip::EMPTY, 1);
    let foreign = Batch::check(Arc::clone(good.raw()), &other.batches(), &Strict);
    assert_eq!(foreign, Err(InvalidBatch::Chain));
    let stranger = key(9).public();
    let unsigned =
        crate::batch::UnsignedBatch::pack(chain(), stranger, Tip::EMPTY, vec![crate::testing::transaction(1, 0)]);
    let signature = key(9).sign(&unsigned.preimage());
    let unknown = check(PeerMessage::Batch(Arc::clone(unsigned.sign(signature).raw()))).unwrap();
    assert!(!unknown.counts(), "it may be of one who joins, or left: nobody's fault, and of no use");
    let rows = [
        (stranger, Tip::EMPTY, InvalidBatch::Lane),
        (key(1).public(), Tip { seq: 4, digest: Digest::ZERO }, InvalidBatch::Place),
        (key(1).public(), Tip { seq: 0, digest: chain() }, InvalidBatch::Place),
        (key(1).public(), Tip::EMPTY, InvalidBatch::Size { transactions: 0, operations: 0 }),
    ];
    for (owner, parent, expected) in rows {
        let empty = crate::batch::UnsignedBatch::pack(chain(), owner, parent, Vec::new());
        let signature = key(if owner == stranger { 9 } else { 1 }).sign(&empty.preimage());
        let raw = Arc::clone(empty.sign(signature).raw());
        assert_eq!(Batch::check(raw, &context().batches(), &Strict), Err(expected));
    }
}

#[test]
fn messages_decode_to_themselves_and_to_nothing_else() {
    let good = batch(1, Tip::EMPTY, 1);
    let line = AcknowledgedLane { lane: lane(1), tip: good.tip() };
    let messages = [
        PeerMessage::Batch(Arc::clone(good.raw())),
        PeerMessage::Acknowledge(Acknowledgement { set: signing().set.digest(), lanes: vec![line] }),
        PeerMessage::Request(Request { id: 1, query: Query::Block { digest: chain() } }),
        PeerMessage::Request(Request { id: 1, query: Query::Batches { digest: chain(), floor: 2 } }),
        PeerMessage::Request(Request { id: 1, query: Query::FinalBlocks { from: Height::new(9) } }),
        PeerMessage::Response(Response { id: 1, found: Found::Block(Some(genesis())) }),
        PeerMessage::FinalTip { height: Height::new(7) },
    ];
    for message in messages {
        let bytes = message.encode();
        assert_eq!(PeerMessage::decode(&bytes), Ok(message));
        for end in 0..bytes.len() {
            assert!(PeerMessage::decode(&bytes[..end]).is_err(), "cut off at {end}");
        }
        assert!(PeerMessage::decode(&[bytes.as_slice(), &[0]].concat()).is_err(), "a byte too many");
    }
    assert!(PeerMessage::decode(&[9]).is_err());
}

#[test]
fn peer_that_asks_too_often_is_not_answered() {
    let mut allowance = Allowance::new(REQUESTS_PER_SECOND);
    let mut asked = |now, peer| (0..2 * REQUESTS_PER_SECOND).filter(|_| allowance.take(now, lane(peer))).count();
    let second = usize::try_from(REQUESTS_PER_SECOND).unwrap();
    assert_eq!(asked(0, 1), second);
    assert_eq!(asked(0, 2), second, "each peer has its own");
    assert_eq!(asked(500_000, 1), second / 2);
    assert_eq!(asked(10_000_000, 1), second, "it does not pile up");
}

/// A replica in its second epoch, whose anchor is `anchor`.
fn in_second_epoch(anchor: &Block) -> Replica {
    let consensus = tonle_consensus::Config { epoch_length: 1, ..tonle_consensus::Config::default() };
    let identity = Identity { context: context().signing(Epoch::new(1)).unwrap(), keys: vec![key(0).public()] };
    let certificate = Some(certificate(anchor, 0));
    let recovered = Recovered {
        anchor: Anchor { block: anchor.clone(), certificate: certificate.clone() },
        anchor_lanes: signing().set.iter().map(|(_, validator)| validator.key).collect(),
        members: Vec::new(),
        guard: None,
        guard_lost: false,
        blocks: Vec::new(),
        tip: FinalTip { block: anchor.clone(), certificate },
        checkpoints: vec![checkpoint(0), checkpoint(1)],
        batches: Vec::new(),
        lane_lost: false,
    };
    Replica::new(identity, Config { consensus, ..Config::default() }, recovered)
}

#[test]
fn who_works_in_an_ended_epoch_is_told_and_who_tells_is_not_answered() {
    let anchor = &blocks(1, |_| Cut::genesis(4))[0];
    let mut replica = in_second_epoch(anchor);
    let now = Time { monotonic_us: 1_000, wall_ms: 1_000 };
    replica.handle(now, Event::Start);
    replica.handle(now, Event::Connected(lane(1)));
    let statement = Statement::Notarize { view: View::new(1), block: anchor.digest() };
    let signature = key(1).sign(&statement.preimage(&signing()));
    let vote = Vote { epoch: Epoch::ZERO, view: View::new(1), block: anchor.digest(), signer: lane(1), signature };
    let end = Message::Certificate(Certificate::Quorum(certificate(anchor, 0)));
    let mut answers = |message: &Message| -> Vec<PeerMessage> {
        let message = check(PeerMessage::Consensus(message.clone())).unwrap();
        let effects = replica.handle(now, Event::Peer { from: lane(1), message });
        let sent = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send { message, .. } => Some(message),
            _ => None,
        });
        sent.collect()
    };
    assert_eq!(answers(&Message::Notarize(vote)), vec![PeerMessage::Consensus(end.clone())]);
    // A peer that says old things a thousand times is not answered a thousand times.
    let more = (0..1_000).map(|_| answers(&Message::Notarize(vote)).len()).sum::<usize>();
    assert_eq!(more, usize::try_from(ENDINGS_PER_SECOND).unwrap() - 1);
    // Two that both told each other would never stop.
    assert_eq!(answers(&end), vec![]);
}

/// The requests for epochs among what a replica does: whom it asks, and by which id.
fn greetings(effects: Vec<Effect>) -> Vec<(ValidatorIndex, u64)> {
    let asked = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send {
            to: Recipients::One(to),
            message: PeerMessage::Request(Request { id, query: Query::Epoch }),
        } => Some((to, id)),
        _ => None,
    });
    asked.collect()
}

#[test]
fn who_connects_is_asked_and_nobody_else_is_asked_again() {
    let anchor = &blocks(1, |_| Cut::genesis(4))[0];
    let mut replica = in_second_epoch(anchor);
    let at = |us: u64| Time { monotonic_us: us, wall_ms: us / 1_000 };
    replica.handle(at(1), Event::Start);
    // Of n validators each asked n times by each, there would be n cubed requests when all start at once.
    for peer in 1..4 {
        let asked = greetings(replica.handle(at(u64::from(peer)), Event::Connected(lane(peer))));
        assert_eq!(asked.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [lane(peer)]);
    }
    // Whoever is silent is asked again, each in its own time.
    assert!(greetings(replica.handle(at(GREET_US), Event::Tick)).is_empty());
    assert_eq!(greetings(replica.handle(at(GREET_US + 3), Event::Tick)).len(), 3);
}

#[test]
fn who_asks_for_greetings_again_and_again_is_shown_little() {
    let anchor = &blocks(1, |_| Cut::genesis(4))[0];
    let mut replica = in_second_epoch(anchor);
    let at = |us: u64| Time { monotonic_us: us, wall_ms: us / 1_000 };
    replica.handle(at(1), Event::Start);
    replica.handle(at(1), Event::Connected(lane(1)));
    let mut shown = |us: u64, from: u16| -> u64 {
        let answers = (0..1_000).map(|id| {
            let message = check(PeerMessage::Request(Request { id, query: Query::Epoch })).unwrap();
            let effects = replica.handle(at(us), Event::Peer { from: lane(from), message });
            let answered = |effect: &Effect| match effect {
                Effect::Send { message: PeerMessage::Response(response), .. } => response.id == id,
                _ => false,
            };
            u64::from(effects.iter().any(answered))
        });
        answers.sum()
    };
    assert_eq!(shown(2, 1), GREETINGS_PER_SECOND);
    assert_eq!(shown(2, 2), GREETINGS_PER_SECOND, "each peer has its own");
    assert_eq!(shown(1_000_002, 1), GREETINGS_PER_SECOND);
}

#[test]
fn nothing_new_is_signed_before_a_quorum_has_answered_after_showing_all_that_it_holds() {
    let anchor = &blocks(1, |_| Cut::genesis(4))[0];
    let mut replica = in_second_epoch(anchor);
    let at = |ms: u64| Time { monotonic_us: ms * 1_000, wall_ms: ms };
    replica.handle(at(1), Event::Start);
    let mut asked = BTreeMap::new();
    for peer in 1..4 {
        asked.extend(greetings(replica.handle(at(1), Event::Connected(lane(peer)))));
    }
    assert_eq!(asked.len(), 3, "every peer is asked as soon as it is connected");
    let mut signs =
        |ms: u64, event: Event| replica.handle(at(ms), event).iter().any(|effect| matches!(effect, Effect::Sign(_)));
    let mut said = |ms: u64, from: u16, message: PeerMessage| {
        signs(ms, Event::Peer { from: lane(from), message: check(message).unwrap() }) | signs(ms + 10_000, Event::Tick)
    };
    let answer = |id| PeerMessage::Response(Response { id, found: Found::Epoch(Some(Epoch::new(1))) });
    for peer in 1..4 {
        // A tip is announced at any time, also before the peer has noticed the connection.
        assert!(!said(20_000, peer, PeerMessage::FinalTip { height: Height::new(1) }));
    }
    assert!(!said(40_000, 1, answer(asked[&lane(1)] + 1_000)), "not what was asked");
    for (peer, greeted) in [(1, false), (2, true)] {
        // Asked again meanwhile: the last request counts.
        let mut found = asked[&lane(peer)]..asked[&lane(peer)] + 1_000;
        assert_eq!(found.any(|id| said(60_000, peer, answer(id))), greeted);
    }

    // What it holds of a peer's own votes is among what that peer is shown.
    let (view, block, epoch) = (replica.status().consensus.view, anchor.digest(), Epoch::new(1));
    let statement = Statement::Notarize { view, block };
    let signature = key(3).sign(&statement.preimage(&context().signing(epoch).unwrap()));
    let vote = Message::Notarize(Vote { epoch, view, block, signer: lane(3), signature });
    let message = check(PeerMessage::Consensus(vote.clone())).unwrap();
    replica.handle(at(90_000), Event::Peer { from: lane(3), message });
    let request = check(PeerMessage::Request(Request { id: 7, query: Query::Epoch })).unwrap();
    let effects = replica.handle(at(90_000), Event::Peer { from: lane(3), message: request });
    let sent = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send { to: Recipients::One(to), message } if to == lane(3) => Some(message),
        _ => None,
    });
    let answer = PeerMessage::Response(Response { id: 7, found: Found::Epoch(Some(epoch)) });
    assert_eq!(sent.collect::<Vec<_>>(), [PeerMessage::Consensus(vote), answer]);
}
