//! Peers that serve truly, lie, fall silent or go away; whatever they do, what is taken is the state.

use std::collections::BTreeMap;

use tonle_consensus::Height;
use tonle_ledger::{AccountId, BucketOrder, CHUNK_BYTES, Outline, StateChunk, TransactionId};

use super::*;

type Values = BTreeMap<StateKey, Vec<u8>>;

/// A state of several chunks, and who serves it.
struct Server {
    values: Values,
    outline: Outline,
    orders: BTreeMap<Bucket, BucketOrder>,
}

fn digest(seed: u32) -> Digest {
    static NAME: tonle_crypto::Domain = tonle_crypto::Domain::new("tonle test name");
    NAME.digest(&seed.to_be_bytes())
}

impl Server {
    fn new() -> Self {
        let mut values = Values::new();
        for seed in 0..5_000u32 {
            let account = AccountId::new(&format!("a{seed}@aba")).unwrap();
            values.insert(StateKey::Account(account), digest(seed).as_bytes().repeat(32));
        }
        for seed in 0..40_000u32 {
            let place = [u64::from(seed / 2_000).to_be_bytes().as_slice(), &seed.to_be_bytes()].concat();
            values.insert(StateKey::Transaction { hour: 5, id: TransactionId::new(digest(seed)) }, place);
        }
        for seed in 0..400u32 {
            let (taken_ms, height) = (u64::from(seed / 100) * 3_600_000, u64::from(seed / 10));
            let (content, transaction) = (digest(seed + 1), digest(seed + 2));
            let mut record = taken_ms.to_be_bytes().to_vec();
            record.extend([content.as_bytes().as_slice(), transaction.as_bytes(), &height.to_be_bytes()].concat());
            record.extend([seed.to_be_bytes(), 0u32.to_be_bytes()].concat());
            values.insert(StateKey::Reference(digest(seed)), record);
        }
        let mut orders = BTreeMap::new();
        for bucket in [5u64].map(Bucket::Ids).into_iter().chain((0..4).map(Bucket::References)) {
            let held = values.iter().filter(|(key, value)| Bucket::holding(key, value) == Some(bucket));
            let order = BucketOrder::new(bucket, held.map(|(key, value)| (*key, value.clone()))).unwrap();
            values.insert(bucket.key(), order.digest().as_bytes().to_vec());
            orders.insert(bucket, order);
        }
        let outline = Outline::new(values.iter().map(|(key, value)| (*key, value.clone())), CHUNK_BYTES);
        assert!(outline.chunks() > 4 && orders[&Bucket::Ids(5)].bytes() > CHUNK_BYTES);
        Server { values, outline, orders }
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint { height: Height::new(8), state_root: self.outline.root(), results_root: Digest::ZERO }
    }

    fn serve(&self, query: &SnapshotQuery) -> SnapshotFound {
        match query {
            SnapshotQuery::State { path, .. } => {
                let region = self.outline.region(path);
                let values = region.keys.iter().map(|key| (*key, self.values[key].clone())).collect();
                SnapshotFound::State(Some(StateChunk { siblings: region.siblings, values }))
            }
            SnapshotQuery::Bucket { bucket, link, .. } => SnapshotFound::Bucket(self.orders[bucket].chunk(link)),
            SnapshotQuery::Boundaries { .. } | SnapshotQuery::Offer => panic!("{query:?}"),
        }
    }
}

fn peer(index: u8) -> PublicKey {
    tonle_crypto::SecretKey::from_seed(&[index + 1; 32]).public()
}

/// Runs to the end; `act` says what a peer answers, or nothing. Gives what was taken, and what each peer's answers were.
fn run(
    server: &Server,
    peers: u8,
    mut act: impl FnMut(PublicKey, &SnapshotQuery, SnapshotFound) -> Option<SnapshotFound>,
) -> (Values, Vec<(PublicKey, Answered)>) {
    let mut now = Instant::now();
    let mut fetching = Fetching::new(server.checkpoint(), 1, now);
    (0..peers).for_each(|index| fetching.holds(peer(index)));
    let (mut taken, mut answers) = (Values::new(), Vec::new());
    let (mut open, mut turn) = (Vec::<(PublicKey, u64, SnapshotQuery)>::new(), 0);
    while !fetching.is_done() {
        assert!(!fetching.is_stranded(now), "nobody serves");
        open.extend(fetching.poll(now));
        assert!(fetching.under_way.len() <= UNDER_WAY_MAX);
        for index in 0..peers {
            assert!(fetching.under_way.values().filter(|way| way.peer == peer(index)).count() <= PER_PEER_MAX);
        }
        if open.is_empty() {
            now += Duration::from_secs(1);
            continue;
        }
        // Answers need not come in order.
        turn += 7;
        let (from, id, query) = open.remove(turn % open.len());
        let Some(found) = act(from, &query, server.serve(&query)) else { continue };
        let answered = fetching.answered(now, from, id, found);
        if let Answered::Values(values) = &answered {
            for (key, value) in values {
                assert_eq!(server.values.get(key), Some(value), "only what is in the state is taken");
                taken.insert(*key, value.clone());
            }
        }
        answers.push((from, answered));
    }
    assert_eq!(fetching.progress().covered, 256);
    assert_eq!((fetching.progress().buckets, fetching.progress().buckets_done), (5, 5));
    (taken, answers)
}

#[test]
fn the_whole_state_comes_from_several_peers_at_once() {
    let server = Server::new();
    let (taken, answers) = run(&server, 3, |_, _, found| Some(found));
    assert_eq!(taken, server.values);
    for index in 0..3 {
        assert!(answers.iter().filter(|(from, _)| *from == peer(index)).count() > 2, "peer {index} shares the work");
    }
}

#[test]
fn who_lies_is_found_out_at_the_first_lie_and_the_others_go_on() {
    let server = Server::new();
    type Lie = fn(&Server, &SnapshotQuery, SnapshotFound) -> SnapshotFound;
    let lies: [(&str, Lie); 5] = [
        ("another value", |_, _, found| match found {
            SnapshotFound::State(Some(mut chunk)) => {
                chunk.values[0].1[0] ^= 1;
                SnapshotFound::State(Some(chunk))
            }
            SnapshotFound::Bucket(Some(mut chunk)) => {
                chunk.groups[0].entries[0] ^= 1;
                SnapshotFound::Bucket(Some(chunk))
            }
            other => other,
        }),
        ("a value less", |_, _, found| match found {
            SnapshotFound::State(Some(mut chunk)) => {
                chunk.values.pop();
                SnapshotFound::State(Some(chunk))
            }
            SnapshotFound::Bucket(Some(mut chunk)) => {
                chunk.groups.clear();
                SnapshotFound::Bucket(Some(chunk))
            }
            other => other,
        }),
        ("another region", |server, query, _| {
            let other = match query {
                SnapshotQuery::State { height, path } => {
                    let mut path = *path.as_bytes();
                    path[0] ^= 0x80;
                    SnapshotQuery::State { height: *height, path: Digest::from_bytes(path) }
                }
                SnapshotQuery::Bucket { height, .. } => SnapshotQuery::State { height: *height, path: Digest::ZERO },
                _ => panic!("not asked here"),
            };
            server.serve(&other)
        }),
        ("boundaries", |_, _, _| SnapshotFound::Boundaries(Vec::new())),
        ("an offer", |_, _, _| SnapshotFound::Offer(None)),
    ];
    for (what, lie) in lies {
        let liar = peer(0);
        let (taken, answers) =
            run(&server, 3, |from, query, found| Some(if from == liar { lie(&server, query, found) } else { found }));
        assert_eq!(taken, server.values, "{what}");
        let his: Vec<_> = answers.iter().filter(|(from, _)| *from == liar).map(|(_, answered)| answered).collect();
        assert!(his.contains(&&Answered::Lie), "{what}");
        assert!(his.iter().all(|answered| matches!(answered, Answered::Lie | Answered::Unasked)), "{what}: {his:?}");
    }
}

#[test]
fn who_has_it_no_more_is_not_asked_again() {
    let server = Server::new();
    let mut left = 2;
    let (taken, answers) = run(&server, 3, |from, _, found| {
        if from == peer(1) && left == 0 {
            return Some(SnapshotFound::State(None));
        }
        left -= i32::from(from == peer(1));
        Some(found)
    });
    assert_eq!(taken, server.values);
    assert_eq!(answers.iter().filter(|(_, answered)| *answered == Answered::Gone).count(), 1);
}

#[test]
fn what_a_silent_peer_was_asked_for_others_are_asked_for() {
    let server = Server::new();
    let (taken, answers) = run(&server, 2, |from, _, found| (from != peer(0)).then_some(found));
    assert_eq!(taken, server.values);
    assert!(answers.iter().all(|(from, _)| *from == peer(1)));
}

#[test]
fn an_answer_that_comes_too_late_or_from_another_is_ignored() {
    let server = Server::new();
    let now = Instant::now();
    let mut fetching = Fetching::new(server.checkpoint(), 7, now);
    fetching.holds(peer(0));
    let (from, id, query) = fetching.poll(now).remove(0);
    assert_eq!((from, id), (peer(0), 7));
    assert_eq!(fetching.answered(now, peer(1), id, server.serve(&query)), Answered::Unasked);
    let late = now + PATIENCE;
    assert!(fetching.poll(late).is_empty(), "who was silent rests");
    assert_eq!(fetching.answered(late, from, id, server.serve(&query)), Answered::Unasked);
    let (_, again, _) = fetching.poll(late + REST).remove(0);
    assert!(matches!(fetching.answered(late, from, again, server.serve(&query)), Answered::Values(_)));
}

#[test]
fn it_is_stranded_without_anybody_to_ask_or_without_news() {
    let server = Server::new();
    let now = Instant::now();
    let mut fetching = Fetching::new(server.checkpoint(), 1, now);
    assert!(fetching.is_stranded(now));
    fetching.holds(peer(2));
    assert!(!fetching.is_stranded(now));
    assert!(fetching.is_stranded(now + STALL_MAX + Duration::from_secs(1)));
    fetching.lose(peer(2));
    assert!(fetching.is_stranded(now));
}
