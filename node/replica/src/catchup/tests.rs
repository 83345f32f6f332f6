//! Which peers are asked for which heights, and what their answers are good for.

use super::*;
use crate::bounds::{RESPONSE_BLOCKS, RUNS_MAX, RUNS_PER_PEER_MAX};
use crate::testing::{batch, block, blocks, certified, checkpoint, genesis, lane};
use crate::{Cut, Query, Tip};

const LENGTH: u64 = 1_000;

#[test]
fn run_of_final_blocks_must_follow_and_bear_its_epochs_certificates() {
    let all = blocks(6, |_| Cut::genesis(4));
    let honest = certified(&all, |height| height == 6, 0);
    let tip = |at: usize| if at == 0 { genesis() } else { all[at - 1].clone() };
    let heights = |run: Option<Vec<CertifiedBlock>>| run.map(|run| run.len());
    assert_eq!(heights(following(honest.clone(), &tip(0), LENGTH)), Some(6));
    assert_eq!(heights(following(honest.clone(), &tip(2), LENGTH)), Some(4), "what is known is left out");
    assert_eq!(heights(following(honest.clone(), &tip(6), LENGTH)), None, "nothing new");
    assert_eq!(heights(following(honest.get(2..).unwrap().to_vec(), &tip(0), LENGTH)), None, "a gap");
    let cut = Cut::new(vec![Tip::EMPTY, batch(1, Tip::EMPTY, 1).tip(), Tip::EMPTY, Tip::EMPTY]);
    let other = block(&genesis(), &cut, checkpoint(0));
    assert_eq!(heights(following(honest.clone(), &other, LENGTH)), None, "another branch");
    assert_eq!(heights(following(certified(&all, |_| true, 1), &tip(0), LENGTH)), None, "another epoch");
    assert_eq!(heights(following(honest, &tip(0), 3)), None, "an epoch's last block without a certificate");
}

fn peers(of: &[u16]) -> BTreeSet<ValidatorIndex> {
    of.iter().map(|index| lane(*index)).collect()
}
/// Room for everything after this height, in an epoch without end.
fn after(tip: u64) -> Room {
    Room { tip: Height::new(tip), until: Height::new(u64::MAX), blocks: RESPONSE_BLOCKS_MAX }
}
/// What was asked: of whom, and from which height on.
fn places(asked: &[(ValidatorIndex, Request)]) -> Vec<(u16, u64)> {
    let place = |(peer, request): &(ValidatorIndex, Request)| match request.query {
        Query::FinalBlocks { from } => (peer.get(), from.get()),
        _ => panic!("{request:?}"),
    };
    asked.iter().map(place).collect()
}
/// A catch-up that has heard of these heads.
fn hearing(heads: &[(u16, u64)]) -> (Catchup, BTreeSet<ValidatorIndex>) {
    let mut catchup = Catchup::default();
    heads.iter().for_each(|(peer, head)| catchup.heard(lane(*peer), Height::new(*head)));
    (catchup, heads.iter().map(|(peer, _)| lane(*peer)).collect())
}
/// A chain, and the true answer to a request.
struct Truth(Vec<CertifiedBlock>);

impl Truth {
    fn new(count: u64) -> Self {
        Truth(certified(&blocks(count, |_| Cut::genesis(4)), |height| height == count, 0))
    }
    /// `count` blocks from a height on.
    fn some(&self, from: u64, count: u64) -> Vec<CertifiedBlock> {
        let within = |entry: &&CertifiedBlock| (from..from + count).contains(&entry.block.height().get());
        self.0.iter().filter(within).cloned().collect()
    }
    fn answers(&self, catchup: &mut Catchup, asked: &[(ValidatorIndex, Request)]) {
        for ((peer, request), (_, from)) in asked.iter().zip(places(asked)) {
            catchup.answered(0, *peer, request.id, self.some(from, RESPONSE_BLOCKS));
        }
    }
}

#[test]
fn liar_about_its_height_rests_and_others_are_asked() {
    let (mut catchup, _) = hearing(&[(1, 127)]);
    let all = peers(&[1, 2]);
    let asked = catchup.poll(0, after(0), &all);
    assert_eq!(places(&asked), [(1, 1)]);
    assert!(catchup.poll(0, after(0), &all).is_empty(), "once");
    let (id, some) = (asked[0].1.id, Truth::new(3).0);
    catchup.answered(0, lane(2), id, some.clone());
    catchup.answered(0, lane(1), id + 1, some.clone());
    assert_eq!(catchup.next(Height::ZERO), None, "nobody else can answer it, nor another request");
    catchup.answered(0, lane(1), id, some.clone());
    catchup.answered(0, lane(1), id, Vec::new());
    assert_eq!(catchup.next(Height::ZERO), Some((lane(1), some)), "nor is it answered twice");
    catchup.blame(0, lane(1));
    catchup.heard(lane(1), Height::new(u64::MAX));
    catchup.heard(lane(2), Height::new(BEHIND_HEIGHTS));
    assert_eq!(places(&catchup.poll(0, after(0), &all)), [(2, 1)]);
    assert!(
        places(&catchup.poll(LIAR_REST_US, after(0), &all)).iter().any(|(peer, _)| *peer == 1),
        "it may have changed its ways"
    );
}

#[test]
fn catch_up_waits_for_room_and_for_a_reason() {
    let (mut catchup, all) = hearing(&[(1, 0)]);
    let none = |asked: Vec<_>| asked.is_empty();
    assert!(none(catchup.poll(0, after(0), &all)));
    catchup.heard(lane(1), Height::new(1));
    assert!(none(catchup.poll(0, after(0), &all)), "one ahead is finality under way");
    let tight = Room { blocks: RESPONSE_BLOCKS_MAX - 1, ..after(0) };
    assert!(none(catchup.poll(10_000_000, tight, &all)), "no room");
    assert!(none(catchup.poll(10_000_000, after(0), &peers(&[]))), "nobody there");
    assert_eq!(places(&catchup.poll(10_000_000, after(0), &all)), [(1, 1)], "it stands still");
}

#[test]
fn runs_are_asked_of_several_peers_at_once_and_join_in_order() {
    let truth = Truth::new(600);
    let (mut catchup, all) = hearing(&[(1, 600), (2, 400), (3, 600)]);
    let asked = catchup.poll(0, after(70), &all);
    // From 513 on nobody claims a whole run.
    assert_eq!(places(&asked), [(1, 71), (2, 129), (3, 257), (3, 385)]);
    truth.answers(&mut catchup, &asked[1..]);
    assert_eq!(catchup.next(Height::new(70)), None, "what lies below is not here");
    truth.answers(&mut catchup, &asked[..1]);
    let mut tip = 70;
    for (peer, last) in [(1, 198), (2, 256), (3, 384), (3, 512)] {
        let (from, run) = catchup.next(Height::new(tip)).unwrap();
        tip = run.last().unwrap().block.height().get();
        assert_eq!((from, tip), (lane(peer), last));
    }
    assert_eq!(places(&catchup.poll(0, after(tip), &all)), [(1, 513)], "the rest");
}

#[test]
fn what_is_asked_and_kept_is_bounded_whatever_peers_claim() {
    let (mut catchup, all) = hearing(&[(1, u64::MAX), (2, u64::MAX)]);
    let asked = catchup.poll(0, after(0), &all);
    for peer in [1, 2] {
        assert_eq!(places(&asked).iter().filter(|(of, _)| *of == peer).count(), RUNS_PER_PEER_MAX);
    }
    assert!(catchup.poll(0, after(0), &all).is_empty());
    // All is answered but the first run, for as long as anything is asked for.
    let truth = Truth::new(RUNS_MAX * RESPONSE_BLOCKS + 1);
    let (mut next, mut kept) = (asked[1..].to_vec(), 0);
    while !next.is_empty() {
        kept += u64::try_from(next.len()).unwrap();
        truth.answers(&mut catchup, &next);
        next = catchup.poll(0, after(0), &all);
    }
    assert_eq!(kept, RUNS_MAX - 1);
}

#[test]
fn an_answer_with_less_than_was_asked_for_costs_only_its_own_run() {
    let truth = Truth::new(400);
    let lies = [Vec::new(), truth.some(129, 127), truth.some(128, 200), truth.some(130, 200), truth.some(1, 128)];
    for lie in lies {
        let (mut catchup, all) = hearing(&[(1, 400), (2, 256)]);
        let asked = catchup.poll(0, after(0), &all);
        assert_eq!(places(&asked), [(1, 1), (2, 129), (1, 257)]);
        catchup.answered(0, lane(2), asked[1].1.id, lie);
        truth.answers(&mut catchup, &asked[2..]);
        assert_eq!(places(&catchup.poll(0, after(0), &all)), [(1, 129)], "at once, of another");
        truth.answers(&mut catchup, &asked[..1]);
        assert_eq!(catchup.next(Height::ZERO).map(|(_, run)| run.len()), Some(128));
    }
}

#[test]
fn who_is_late_or_gone_costs_only_its_own_runs() {
    for goes in [true, false] {
        let truth = Truth::new(400);
        let (mut catchup, all) = hearing(&[(1, 400), (2, 400)]);
        let asked = catchup.poll(0, after(0), &all);
        assert_eq!(places(&asked), [(1, 1), (2, 129), (1, 257)]);
        truth.answers(&mut catchup, &asked[1..2]);
        let now = if goes { 0 } else { catchup.deadline().unwrap() };
        if goes {
            catchup.disconnected(lane(1));
        }
        assert_eq!(places(&catchup.poll(now, after(0), &all)), [(2, 1), (2, 257)]);
        catchup.answered(now, lane(1), asked[0].1.id, truth.some(1, 128));
        assert_eq!(catchup.next(Height::ZERO), None, "it comes too late");
        catchup.heard(lane(1), Height::new(400));
        catchup.disconnected(lane(2));
        let rests = places(&catchup.poll(now + BEHIND_US - 1, after(0), &all)).is_empty();
        assert_eq!(rests, !goes, "who was late rests");
        assert_eq!(catchup.poll(now + BEHIND_US, after(0), &all).is_empty(), goes);
    }
}

#[test]
fn no_run_begins_in_an_epoch_whose_validators_are_not_known() {
    let (mut catchup, all) = hearing(&[(1, 1_000), (2, 1_000), (3, 1_000)]);
    let room = Room { until: Height::new(300), ..after(0) };
    let asked = catchup.poll(0, room, &all);
    assert_eq!(places(&asked), [(1, 1), (2, 129), (3, 257)]);
    // The last one may end with the epoch.
    let truth = Truth::new(300);
    catchup.answered(0, lane(3), asked[2].1.id, truth.some(257, 44));
    assert_eq!(catchup.next(Height::new(256)).map(|(_, run)| run.len()), Some(44));
}

#[test]
fn a_run_that_finality_has_overtaken_is_let_go() {
    let truth = Truth::new(300);
    let (mut catchup, all) = hearing(&[(1, 300), (2, 300)]);
    let asked = catchup.poll(0, after(0), &all);
    truth.answers(&mut catchup, &asked);
    assert_eq!(catchup.next(Height::new(256)), None);
    assert_eq!(places(&catchup.poll(0, after(256), &all)).len(), 1);
    let (mut catchup, all) = hearing(&[(1, 300)]);
    let asked = catchup.poll(0, after(200), &all);
    catchup.answered(0, lane(1), asked[0].1.id, truth.some(201, 20));
    assert_eq!(catchup.next(Height::new(220)), None, "nothing of it is new");
    assert_eq!(places(&catchup.poll(0, after(220), &all)), [(1, 221)], "and nobody is blamed for that");
}
