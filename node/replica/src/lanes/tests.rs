//! Lanes by themselves: chains, windows, packing, acknowledgement, cuts.

use std::sync::Arc;

use tonle_consensus::Recipients;
use tonle_crypto::Digest;

use super::fetch::Fetch;
use super::lane::{Admission, Lane, Reason, Walk};
use super::{Judgement, Lanes, Limits};
use crate::bounds::{
    ACKNOWLEDGE_DELAY_US, BATCH_AGE_US, BATCH_DIRECT_BYTES, BATCH_SEAL_BYTES, FETCH_TIMEOUT_US, LANE_RECOVERY_US,
    LANE_WINDOW_BATCHES, POOL_BYTES_MAX, RESEND_US,
};
use crate::testing::{NODES, batch, batch_of, batches, key, lane, set, signing, transaction};
use crate::{AcknowledgedLane, Acknowledgement, Batch, Cut, Effect, OffenceKind, PeerMessage, Query, Refusal, Tip};

const WINDOW: usize = 16 * 1024 * 1024;
const LIMITS: Limits = Limits { bytes: 4 * 1024 * 1024, operations: 32_768 };

fn empty_cut() -> Cut {
    Cut::genesis(usize::from(NODES))
}
fn lanes(me: u16) -> Lanes {
    Lanes::new(&signing(), Some(lane(me)), &empty_cut(), &[], false)
}
fn cut_with(index: u16, tip: Tip) -> Cut {
    let mut cut = empty_cut();
    cut.advance(lane(index), tip);
    cut
}
/// A batch comes in and is stored.
fn hold(lanes: &mut Lanes, batch: &Arc<Batch>) -> Vec<Effect> {
    let mut out = Vec::new();
    let author = signing().set.index_of(batch.lane()).unwrap();
    lanes.received(author, batch, Reason::Offered, &mut out);
    lanes.batch_stored(batch.lane(), &batch.digest(), &mut out);
    out
}
fn acknowledge(lanes: &mut Lanes, from: u16, index: u16, tip: Tip) {
    lanes.acknowledged(
        lane(from),
        &Acknowledgement { set: signing().set.digest(), lanes: vec![AcknowledgedLane { lane: lane(index), tip }] },
    );
}
/// Signs and stores all that the lane wants signed and stored; gives everything else.
fn drain(lanes: &mut Lanes, mut todo: Vec<Effect>) -> Vec<Effect> {
    let mut rest = Vec::new();
    while !todo.is_empty() {
        let mut next = Vec::new();
        for effect in todo {
            match effect {
                Effect::SignBatch { seq, message } => lanes.batch_signed(seq, key(0).sign(&message), &mut next),
                Effect::StoreBatch(batch) => lanes.batch_stored(batch.lane(), &batch.digest(), &mut next),
                other => rest.push(other),
            }
        }
        todo = next;
    }
    rest
}
fn gossiped(effects: &[Effect]) -> Vec<Arc<Batch>> {
    let batch = |effect: &Effect| match effect {
        Effect::Gossip(batch) => Some(Arc::clone(batch)),
        _ => None,
    };
    effects.iter().filter_map(batch).collect()
}

#[test]
fn chain_grows_by_durable_batches_only_and_in_order() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let all = batches(1, 3);
    for index in [2, 1, 0] {
        assert!(matches!(held.admit(&all[index], Reason::Offered), Admission::New { contradicts: None }));
    }
    assert_eq!(held.tip(), Tip::EMPTY);
    assert!(!held.stored(&all[1].digest()));
    assert!(held.stored(&all[0].digest()));
    assert_eq!(held.tip(), all[1].tip());
    assert!(held.stored(&all[2].digest()));
    assert_eq!(held.tip(), all[2].tip());
}

#[test]
fn second_branch_is_evidence_and_never_acknowledged() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let (first, second, third) = (batch(1, Tip::EMPTY, 1), batch(1, Tip::EMPTY, 2), batch(1, Tip::EMPTY, 3));
    held.admit(&first, Reason::Offered);
    held.stored(&first.digest());
    let Admission::New { contradicts: Some(other) } = held.admit(&second, Reason::Offered) else { panic!("no proof") };
    assert_eq!(other.digest(), first.digest());
    held.stored(&second.digest());
    assert_eq!(held.tip(), first.tip());
    assert!(held.is_equivocating());
    assert!(matches!(held.admit(&third, Reason::Offered), Admission::Refused));
    assert!(matches!(held.admit(&third, Reason::Named), Admission::New { contradicts: None }));
}

#[test]
fn final_branch_replaces_the_acknowledged_one() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let (ours, theirs) = (batch(1, Tip::EMPTY, 1), batch(1, Tip::EMPTY, 2));
    let (after_ours, after_theirs) = (batch(1, ours.tip(), 3), batch(1, theirs.tip(), 4));
    for batch in [&ours, &after_ours, &theirs, &after_theirs] {
        held.admit(batch, Reason::Named);
        held.stored(&batch.digest());
    }
    assert_eq!(held.tip(), after_ours.tip());
    assert!(held.order(theirs.tip()));
    assert_eq!(held.tip(), after_theirs.tip());
    assert_eq!(held.bytes(), after_theirs.size());
    assert!(held.batch(&after_ours.digest()).is_none());
}

#[test]
fn window_refuses_what_is_offered_and_admits_what_is_named() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let far = Tip { seq: LANE_WINDOW_BATCHES, digest: Digest::from_bytes([9; 32]) };
    let beyond = batch(1, far, 1);
    assert!(matches!(held.admit(&beyond, Reason::Offered), Admission::Refused));
    assert!(matches!(held.admit(&beyond, Reason::Named), Admission::New { .. }));
    let mut narrow = Lane::new(Tip::EMPTY, 100);
    assert!(matches!(narrow.admit(&batch(1, Tip::EMPTY, 1), Reason::Offered), Admission::Refused));
}

#[test]
fn walk_finds_what_is_missing_and_refuses_what_does_not_descend() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let all = batches(1, 3);
    held.admit(&all[2], Reason::Offered);
    held.admit(&all[0], Reason::Offered);
    assert_eq!(held.walk(Tip::EMPTY, all[2].tip()), Walk::Missing(all[1].tip()));
    held.admit(&all[1], Reason::Offered);
    let Walk::Complete { batches: found, durable } = held.walk(Tip::EMPTY, all[2].tip()) else { panic!("missing") };
    assert_eq!((found, durable), (all.clone(), false));
    let elsewhere = Tip { seq: 1, digest: Digest::from_bytes([1; 32]) };
    assert_eq!(held.walk(elsewhere, all[2].tip()), Walk::Broken);
    assert_eq!(held.walk(Tip::EMPTY, Tip { seq: 7, ..all[2].tip() }), Walk::Broken);
}

#[test]
fn gap_names_the_missing_parent() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let all = batches(1, 3);
    held.admit(&all[2], Reason::Offered);
    assert_eq!(held.gap(), Some(all[1].tip()));
    held.admit(&all[1], Reason::Offered);
    assert_eq!(held.gap(), Some(all[0].tip()));
    held.admit(&all[0], Reason::Offered);
    assert_eq!(held.gap(), None);
}

#[test]
fn released_batches_are_gone_and_not_taken_again() {
    let mut held = Lane::new(Tip::EMPTY, WINDOW);
    let all = batches(1, 2);
    for batch in &all {
        held.admit(batch, Reason::Offered);
        held.stored(&batch.digest());
    }
    held.order(all[0].tip());
    assert_eq!(held.bytes(), all[1].size());
    assert!(held.batch(&all[0].digest()).is_some(), "kept until it is executed");
    held.release(1);
    assert!(held.batch(&all[0].digest()).is_none());
    assert!(matches!(held.admit(&all[0], Reason::Named), Admission::Refused));
    assert_eq!(held.tip(), all[1].tip());
}

#[test]
fn lone_transaction_is_sealed_at_once_and_accepted_when_durable() {
    let mut lanes = lanes(0);
    let (mut submitted, mut sealed) = (Vec::new(), Vec::new());
    lanes.submit(5, &transaction(1, 0), 77, &mut submitted);
    assert!(submitted.is_empty(), "nothing is promised before it is durable");
    lanes.seal(5, &mut sealed);
    let [Effect::SignBatch { seq: 1, message }] = &sealed[..] else { panic!("{sealed:?}") };
    let (mut signed, mut stored) = (Vec::new(), Vec::new());
    lanes.batch_signed(1, key(0).sign(message), &mut signed);
    let [Effect::StoreBatch(batch)] = &signed[..] else { panic!("R8: stored before it leaves: {signed:?}") };
    lanes.batch_stored(&key(0).public(), &batch.digest(), &mut stored);
    assert!(matches!(stored[0], Effect::Accepted { ticket: 77 }));
    assert_eq!(gossiped(&stored).len(), 1);
}

#[test]
fn second_batch_waits_for_acknowledgement_proposal_or_age() {
    type Settle = fn(&mut Lanes, Tip);
    let settle: [(&str, Settle, u64); 4] = [
        ("nothing", |_, _| {}, 0),
        ("a quorum acknowledged", |lanes, tip| (1..3).for_each(|from| acknowledge(lanes, from, 0, tip)), 1),
        ("a proposal names it", |lanes, tip| lanes.named(&cut_with(0, tip)), 1),
        ("it is final", |lanes, tip| lanes.ordered(&cut_with(0, tip)), 1),
    ];
    for (what, settle, expected) in settle {
        let mut lanes = lanes(0);
        let mut out = Vec::new();
        lanes.submit(0, &transaction(1, 0), 1, &mut out);
        lanes.seal(0, &mut out);
        let sent = drain(&mut lanes, out);
        settle(&mut lanes, gossiped(&sent)[0].tip());
        let mut out = Vec::new();
        lanes.submit(1, &transaction(2, 0), 2, &mut out);
        lanes.seal(1, &mut out);
        assert_eq!(u64::try_from(out.len()).unwrap(), expected, "{what}");
        lanes.seal(1 + BATCH_AGE_US, &mut out);
        assert_eq!(out.len(), 1, "{what}: old enough");
    }
}

#[test]
fn same_transaction_submitted_a_hundred_times_is_packed_once() {
    let mut lanes = lanes(0);
    let (same, mut out) = (transaction(1, 0), Vec::new());
    (0..60).for_each(|ticket| lanes.submit(0, &same, ticket, &mut out));
    lanes.seal(0, &mut out);
    let sent = drain(&mut lanes, out);
    (60..100).for_each(|ticket| lanes.submit(1, &same, ticket, &mut Vec::new()));
    let mut again = Vec::new();
    lanes.seal(1_000_000, &mut again);
    assert!(again.is_empty());
    assert_eq!(gossiped(&sent)[0].transactions().len(), 1);
    assert_eq!(sent.iter().filter(|effect| matches!(effect, Effect::Accepted { .. })).count(), 60);
    // Once executed, the ledger knows it.
    lanes.ordered(&cut_with(0, gossiped(&sent)[0].tip()));
    lanes.executed(&cut_with(0, gossiped(&sent)[0].tip()));
    lanes.submit(2_000_000, &same, 100, &mut again);
    lanes.seal(2_000_000, &mut again);
    assert_eq!(again.len(), 1);
}

#[test]
fn full_pool_refuses_with_a_delay_and_an_observer_has_no_lane() {
    let mut lanes = lanes(0);
    let (mut out, mut number) = (Vec::new(), 0);
    while out.is_empty() {
        lanes.submit(0, &transaction(number, 400_000), number, &mut out);
        number += 1;
        assert!(number < 64, "a pool of {POOL_BYTES_MAX} bytes never fills");
    }
    assert!(matches!(out[0], Effect::Refused { reason: Refusal::Backpressure { retry_ms: 1.. }, .. }));
    lanes.close_own();
    lanes.submit(0, &transaction(0, 0), 1, &mut out);
    assert!(matches!(out[1], Effect::Refused { reason: Refusal::NoLane, .. }));
}

#[test]
fn large_transaction_fills_a_batch_alone() {
    let mut lanes = lanes(0);
    let mut out = Vec::new();
    for (number, size) in [(1, 0), (2, 2 * BATCH_SEAL_BYTES), (3, 0)] {
        lanes.submit(0, &transaction(number, size), number, &mut out);
    }
    lanes.seal(BATCH_AGE_US, &mut out);
    let counts: Vec<usize> = gossiped(&drain(&mut lanes, out)).iter().map(|batch| batch.transactions().len()).collect();
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn receiver_stores_then_acknowledges_to_author_and_leaders() {
    let mut lanes = lanes(0);
    lanes.entered(lane(2), lane(3), &mut Vec::new());
    let first = batch(1, Tip::EMPTY, 1);
    let (mut received, mut early) = (Vec::new(), Vec::new());
    lanes.received(lane(1), &first, Reason::Offered, &mut received);
    assert!(matches!(received[..], [Effect::StoreBatch(_)]));
    lanes.acknowledge(0, &mut early);
    assert!(early.is_empty(), "acknowledged before it is stored");
    lanes.batch_stored(&key(1).public(), &first.digest(), &mut Vec::new());
    lanes.acknowledge(0, &mut early);
    assert!(early.is_empty(), "a small one waits for company");
    assert_eq!(lanes.deadline(), Some(ACKNOWLEDGE_DELAY_US));
    let mut out = Vec::new();
    lanes.acknowledge(ACKNOWLEDGE_DELAY_US, &mut out);
    let line = AcknowledgedLane { lane: lane(1), tip: first.tip() };
    let expected = PeerMessage::Acknowledge(Acknowledgement { set: signing().set.digest(), lanes: vec![line] });
    let sent: Vec<_> = out
        .iter()
        .map(|effect| match effect {
            Effect::Send { to, message } => (to.clone(), message.clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let leaders = Recipients::Many(vec![lane(2), lane(3)]);
    assert_eq!(sent, [(Recipients::One(lane(1)), expected.clone()), (leaders, expected.clone())]);
    // The vector goes again at the next view, to its leaders.
    let mut again = Vec::new();
    lanes.entered(lane(3), lane(1), &mut again);
    assert!(matches!(&again[..], [Effect::Send { message, .. }] if *message == expected));
}

#[test]
fn acknowledgements_of_much_leave_at_once_and_together() {
    let mut lanes = lanes(0);
    lanes.entered(lane(2), lane(3), &mut Vec::new());
    hold(&mut lanes, &batch(3, Tip::EMPTY, 1));
    hold(&mut lanes, &batch_of(1, Tip::EMPTY, 1, BATCH_DIRECT_BYTES));
    let mut out = Vec::new();
    lanes.acknowledge(0, &mut out);
    let lines = |effect: &Effect| match effect {
        Effect::Send { message: PeerMessage::Acknowledge(acknowledgement), .. } => acknowledgement.lanes.len(),
        other => panic!("{other:?}"),
    };
    // To the author of lane 1, and to the leaders, one of whom is lane 3's author.
    assert_eq!(out.iter().map(lines).collect::<Vec<_>>(), [1, 2]);
    out.clear();
    lanes.acknowledge(ACKNOWLEDGE_DELAY_US, &mut out);
    assert!(out.is_empty(), "sent twice: {out:?}");
}

#[test]
fn equivocating_lane_is_reported_once_and_calls_for_no_block() {
    let mut lanes = lanes(0);
    assert!(!lanes.has_data());
    hold(&mut lanes, &batch(1, Tip::EMPTY, 1));
    assert!(lanes.has_data());
    let out = hold(&mut lanes, &batch(1, Tip::EMPTY, 2));
    let found = out.iter().find_map(|effect| match effect {
        Effect::Misbehaviour(proof) => Some(proof),
        _ => None,
    });
    let offence = found.unwrap().verify(crate::testing::chain(), &tonle_crypto::Strict).unwrap();
    assert_eq!((offence.kind, offence.accused), (OffenceKind::Batches, crate::testing::key(1).public()));
    assert!(!lanes.has_data());
}

#[test]
fn cut_names_what_a_quorum_acknowledged_and_carries_small_batches_along() {
    let mut lanes = lanes(0);
    let acknowledged = batch_of(1, Tip::EMPTY, 1, 80 * 1024);
    let large = batch_of(2, Tip::EMPTY, 2, 80 * 1024);
    let small = batch(3, Tip::EMPTY, 3);
    for batch in [&acknowledged, &large, &small] {
        hold(&mut lanes, batch);
    }
    acknowledge(&mut lanes, 2, 1, acknowledged.tip());
    let (cut, inline) = lanes.build(&empty_cut(), 0, LIMITS);
    assert_eq!(cut, cut_with(3, small.tip()), "two of four are no quorum, and a large batch is not carried along");
    acknowledge(&mut lanes, 1, 1, acknowledged.tip());
    let (cut, again) = lanes.build(&empty_cut(), 0, LIMITS);
    assert_eq!(cut.tips(), [Tip::EMPTY, acknowledged.tip(), Tip::EMPTY, small.tip()]);
    assert_eq!((inline, again), (vec![small.clone()], vec![small]));
}

#[test]
fn full_block_is_shared_by_lanes_in_turns() {
    let mut lanes = lanes(0);
    let (one, two) = (batches(1, 3), batches(2, 3));
    for batch in one.iter().chain(&two) {
        hold(&mut lanes, batch);
    }
    let limits = Limits { bytes: u64::try_from(one[0].size()).unwrap() * 2, ..LIMITS };
    for turn in 0..4 {
        let (cut, _) = lanes.build(&empty_cut(), turn, limits);
        assert_eq!(cut.tips(), [Tip::EMPTY, one[0].tip(), two[0].tip(), Tip::EMPTY], "turn {turn}");
    }
    let (cut, _) = lanes.build(&empty_cut(), 0, Limits { operations: 1, ..LIMITS });
    assert_eq!(cut.tips().iter().map(|tip| tip.seq).sum::<u64>(), 1);
}

#[test]
fn acknowledgement_beyond_the_chain_counts_when_the_chain_reaches_it() {
    let mut lanes = lanes(0);
    let all = batches(1, 2);
    let forged = Tip { seq: 2, digest: Digest::from_bytes([5; 32]) };
    for (from, tip) in [(1, all[1].tip()), (2, all[1].tip()), (3, forged)] {
        acknowledge(&mut lanes, from, 1, tip);
    }
    hold(&mut lanes, &all[0]);
    assert_eq!(lanes.status()[1].acknowledged, 0);
    hold(&mut lanes, &all[1]);
    assert_eq!(lanes.status()[1].acknowledged, 2);
}

#[test]
fn judge_has_a_verdict_for_every_case() {
    let mut lanes = lanes(0);
    let all = batches(1, 3);
    hold(&mut lanes, &all[0]);
    lanes.received(lane(1), &all[1], Reason::Offered, &mut Vec::new());
    let none = empty_cut();
    let [one, two, three] = [0, 1, 2].map(|at: usize| cut_with(1, all[at].tip()));
    let forged = cut_with(1, Tip { seq: 1, digest: Digest::from_bytes([3; 32]) });
    let tiny = Limits { bytes: 10, operations: 10 };
    let invalid = |_: &Judgement| Judgement::Invalid;
    type Expect = fn(&Judgement) -> Judgement;
    let rows: [(&str, &Cut, &Cut, Limits, Expect); 6] = [
        ("a durable batch", &none, &one, LIMITS, |_| Judgement::Valid),
        ("nothing new", &one, &one, LIMITS, |_| Judgement::Valid),
        ("a lane that goes back", &two, &one, LIMITS, invalid),
        ("another batch in the parent's place", &forged, &two, LIMITS, invalid),
        ("more than a block may hold", &none, &one, tiny, invalid),
        ("a cut of other lanes", &none, &Cut::genesis(3), LIMITS, invalid),
    ];
    for (what, parent, cut, limits, expected) in rows {
        let found = lanes.judge((&none, parent, cut), limits, &[]);
        assert_eq!(found, expected(&found), "{what}");
    }
    let found = lanes.judge((&none, &one, &two), LIMITS, &[]);
    assert_eq!(found, Judgement::Wait(Vec::new()), "here, but not durable");
    let Judgement::Wait(wants) = lanes.judge((&none, &two, &three), LIMITS, &[lane(2)]) else { panic!("judged") };
    assert_eq!(wants[0].query, Query::Batches { digest: all[2].digest(), floor: 2 });
    assert_eq!(wants[0].hints, [lane(2), lane(1)]);
}

#[test]
fn own_batches_go_again_to_whom_they_seem_to_miss() {
    let mut lanes = lanes(0);
    let mut out = Vec::new();
    lanes.submit(0, &transaction(1, 0), 1, &mut out);
    lanes.seal(0, &mut out);
    let tip = gossiped(&drain(&mut lanes, out))[0].tip();
    acknowledge(&mut lanes, 1, 0, tip);
    let again = |lanes: &mut Lanes, now| {
        let mut out = Vec::new();
        lanes.resend(now, [lane(1), lane(2)].into_iter(), &mut out);
        let to = |effect: &Effect| match effect {
            Effect::Send { to: Recipients::One(peer), message: PeerMessage::Batch(_) } => *peer,
            other => panic!("{other:?}"),
        };
        out.iter().map(to).collect::<Vec<_>>()
    };
    assert!(again(&mut lanes, 0).is_empty(), "first it is noted how far they are");
    assert!(again(&mut lanes, RESEND_US - 1).is_empty());
    assert_eq!(again(&mut lanes, RESEND_US), [lane(2)]);
    lanes.ordered(&cut_with(0, tip));
    assert!(again(&mut lanes, 2 * RESEND_US).is_empty());
}

#[test]
fn duplicate_from_its_author_is_acknowledged_again() {
    let mut lanes = lanes(0);
    let first = batch(1, Tip::EMPTY, 1);
    hold(&mut lanes, &first);
    let mut out = Vec::new();
    lanes.received(lane(2), &first, Reason::Offered, &mut out);
    assert!(out.is_empty(), "gossip by another is no question");
    lanes.received(lane(1), &first, Reason::Offered, &mut out);
    assert!(matches!(&out[..], [Effect::Send { to: Recipients::One(to), .. }] if *to == lane(1)));
}

#[test]
fn restart_goes_on_after_the_log() {
    let log = batches(0, 2);
    let mut lanes = Lanes::new(&signing(), Some(lane(0)), &empty_cut(), &log, false);
    let mut out = Vec::new();
    lanes.submit(0, &transaction(9, 0), 1, &mut out);
    lanes.seal(BATCH_AGE_US, &mut out);
    assert!(matches!(out[..], [Effect::SignBatch { seq: 3, .. }]));
}

#[test]
fn lost_log_asks_peers_before_the_lane_goes_on() {
    let mut lanes = Lanes::new(&signing(), Some(lane(0)), &empty_cut(), &[], true);
    let (mut fetch, mut out) = (Fetch::default(), Vec::new());
    let old = batches(0, 2);
    lanes.submit(0, &transaction(9, 0), 1, &mut out);
    lanes.recover_own(0, &fetch);
    lanes.seal(BATCH_AGE_US, &mut out);
    assert!(out.is_empty(), "nothing is signed before it is known where the lane stands");
    acknowledge(&mut lanes, 1, 0, Tip::EMPTY);
    acknowledge(&mut lanes, 2, 0, old[1].tip());
    acknowledge(&mut lanes, 3, 0, old[0].tip());
    lanes.recover_own(1, &fetch);
    assert!(lanes.gaps().iter().any(|want| want.query == Query::Batches { digest: old[1].digest(), floor: 0 }));
    fetch.want(1, lanes.gaps());
    for batch in &old {
        lanes.received(lane(2), batch, Reason::Named, &mut out);
        lanes.batch_stored(&key(0).public(), &batch.digest(), &mut Vec::new());
    }
    lanes.recover_own(2, &fetch);
    let mut sealed = Vec::new();
    lanes.seal(BATCH_AGE_US, &mut sealed);
    assert!(matches!(sealed[..], [Effect::SignBatch { seq: 3, .. }]), "{sealed:?}");
}

#[test]
fn lanes_follow_validator_order() {
    let held = lanes(0);
    assert_eq!(held.status().len(), set().len());
}

/// The next epoch, in which these keys serve.
fn next(keys: &[u16]) -> tonle_consensus::SigningContext {
    let member = |(place, index): (usize, &u16)| tonle_consensus::Validator {
        name: format!("bank{place}"),
        key: key(*index).public(),
        network_key: key(*index + 100).public(),
    };
    let members = keys.iter().enumerate().map(member).collect();
    let set = tonle_consensus::ValidatorSet::new(tonle_consensus::Epoch::new(1), members).unwrap();
    tonle_consensus::SigningContext { set, ..signing() }
}

/// Lane 0's own: one transaction durable and unordered, another waiting for the first's acknowledgement.
fn two_submitted() -> Lanes {
    let mut lanes = lanes(0);
    let mut out = Vec::new();
    lanes.submit(0, &transaction(1, 0), 1, &mut out);
    lanes.seal(0, &mut out);
    drain(&mut lanes, out);
    lanes.submit(1, &transaction(2, 0), 2, &mut Vec::new());
    lanes
}

#[test]
fn lanes_of_those_who_stay_go_on_at_their_new_places() {
    let mut lanes = two_submitted();
    let held = batch(2, Tip::EMPTY, 9);
    hold(&mut lanes, &held);
    // 1 left, 7 came: 2 stands where 1 stood.
    let mut out = Vec::new();
    lanes.enter(5, &next(&[0, 2, 3, 7]), Some(lane(0)), &mut out);
    assert!(out.is_empty(), "{out:?}");
    assert_eq!(lanes.line(lane(1)).tip, held.tip());
    assert_eq!(lanes.line(lane(3)).tip, Tip::EMPTY);
    assert!(!lanes.received(lane(2), &batch(1, Tip::EMPTY, 5), Reason::Offered, &mut out), "its lane has ended");
    assert_eq!((lanes.line(lane(0)).tip.seq, lanes.pool().0), (1, 1), "one's own goes on");
}

#[test]
fn who_takes_a_new_key_packs_again_what_no_block_ordered_and_who_leaves_refuses_what_waits() {
    let mut renewed = two_submitted();
    let mut out = Vec::new();
    renewed.enter(5, &next(&[8, 1, 2, 3]), Some(lane(0)), &mut out);
    assert!(out.is_empty(), "{out:?}");
    assert_eq!(renewed.pool().0, 2, "the durable one first, then the one that waited");
    renewed.seal(5, &mut out);
    let [Effect::SignBatch { seq: 1, message }] = &out[..] else { panic!("{out:?}") };
    let mut stored = Vec::new();
    renewed.batch_signed(1, key(8).sign(message), &mut stored);
    let [Effect::StoreBatch(batch)] = &stored[..] else { panic!("{stored:?}") };
    let ids: Vec<_> = batch.transactions().iter().map(|transaction| transaction.id()).collect();
    assert_eq!(ids, [transaction(1, 0).id(), transaction(2, 0).id()]);
    let mut accepted = Vec::new();
    renewed.batch_stored(&key(8).public(), &batch.digest(), &mut accepted);
    assert!(matches!(accepted[0], Effect::Accepted { ticket: 2 }), "{accepted:?}");

    let mut leaving = two_submitted();
    let mut out = Vec::new();
    leaving.enter(5, &next(&[1, 2, 3, 7]), None, &mut out);
    assert!(matches!(out[..], [Effect::Refused { ticket: 2, reason: Refusal::NoLane }]), "{out:?}");
}

#[test]
fn who_names_another_end_of_ones_lost_lane_each_time_draws_few_requests_and_cannot_keep_it_closed() {
    let mut lanes = Lanes::new(&signing(), Some(lane(0)), &empty_cut(), &[], true);
    let (mut fetch, mut out) = (Fetch::default(), Vec::new());
    (1..4).for_each(|peer| fetch.connected(lane(peer)));
    lanes.submit(0, &transaction(9, 0), 1, &mut out);
    (1..3).for_each(|peer| acknowledge(&mut lanes, peer, 0, Tip::EMPTY));
    let mut asked = 0;
    // A word a millisecond for as long as it takes to hear a quorum, and as long again.
    for now_us in (0..2 * LANE_RECOVERY_US).step_by(1_000) {
        let digest = Digest::from_bytes([now_us.to_be_bytes(); 4].concat().try_into().unwrap());
        acknowledge(&mut lanes, 3, 0, Tip { seq: 1 + now_us, digest });
        lanes.recover_own(now_us, &fetch);
        lanes.seal(now_us, &mut out);
        fetch.want(now_us, lanes.gaps());
        asked += u64::try_from(fetch.poll(now_us).len()).unwrap();
    }
    assert!(asked <= 1 + 2 * LANE_RECOVERY_US / FETCH_TIMEOUT_US, "{asked}");
    assert!(matches!(out[..], [Effect::SignBatch { seq: 1, .. }]), "{out:?}");
}
