//! A state in pieces: what was cut is put together again, and nothing changed, missing or added goes unnoticed.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::*;
use proptest::prelude::*;
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::*;

type Values = BTreeMap<StateKey, Vec<u8>>;

/// Serves one chunk of `values`.
fn serve(outline: &Outline, values: &Values, path: &Digest) -> StateChunk {
    let region = outline.region(path);
    let values = region.keys.iter().map(|key| (*key, values[key].clone())).collect();
    StateChunk { siblings: region.siblings, values }
}

/// All chunks of a state in order of path, each with the path it is asked by.
fn chunks(values: &Values, bytes_max: usize) -> (Digest, Vec<(Digest, StateChunk)>) {
    let outline = Outline::new(values.iter().map(|(key, value)| (*key, value.clone())), bytes_max);
    let (root, mut chunks, mut path) = (outline.root(), Vec::new(), Some(Digest::ZERO));
    while let Some(at) = path {
        let chunk = serve(&outline, values, &at);
        path = chunk.verify(&at, &root).unwrap();
        chunks.push((at, chunk));
    }
    assert_eq!(chunks.len(), outline.chunks());
    (root, chunks)
}

fn accounts(seeds: &BTreeMap<u16, Vec<u8>>) -> Values {
    let key = |seed: &u16| StateKey::Account(id(&format!("a{seed}@aba")));
    seeds.iter().map(|(seed, value)| (key(seed), value.clone())).collect()
}

fn seeds() -> impl Strategy<Value = BTreeMap<u16, Vec<u8>>> {
    proptest::collection::btree_map(any::<u16>(), proptest::collection::vec(any::<u8>(), 0..60), 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn chunks_put_together_are_the_state(seeds in seeds(), bytes_max in 1usize..4_000) {
        let values = accounts(&seeds);
        let (_, chunks) = chunks(&values, bytes_max);
        let mut found = Values::new();
        for (_, chunk) in chunks {
            let bytes: usize = chunk.values.iter().map(|(key, value)| key.to_bytes().len() + value.len() + 8).sum();
            prop_assert!(bytes <= bytes_max || chunk.values.len() == 1);
            prop_assert_eq!(StateChunk::decode(&chunk.encode()).unwrap(), chunk.clone());
            for (key, value) in chunk.values {
                prop_assert!(found.insert(key, value).is_none(), "a value comes once");
            }
        }
        prop_assert_eq!(found, values);
    }

    #[test]
    fn a_chunk_of_which_any_byte_is_changed_is_refused(seeds in seeds(), pick in any::<prop::sample::Index>()) {
        let (root, chunks) = chunks(&accounts(&seeds), 600);
        let (path, chunk) = pick.get(&chunks);
        let bytes = chunk.encode();
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let taken = StateChunk::decode(&changed).is_ok_and(|chunk| chunk.verify(path, &root).is_ok());
                prop_assert!(!taken, "byte {} of {}", at, bytes.len());
            }
        }
    }

    #[test]
    fn a_missing_an_added_and_a_moved_value_are_noticed(
        seeds in seeds(), pick in any::<prop::sample::Index>(), extra in any::<u16>()
    ) {
        let values = accounts(&seeds);
        let (root, chunks) = chunks(&values, 600);
        let (path, chunk) = pick.get(&chunks);
        for at in 0..chunk.values.len() {
            let mut less = chunk.clone();
            less.values.remove(at);
            prop_assert!(less.verify(path, &root).is_err());
            let mut twice = chunk.clone();
            twice.values.insert(at, twice.values[at].clone());
            prop_assert!(twice.verify(path, &root).is_err());
            let mut moved = chunk.clone();
            moved.values.rotate_left(1);
            prop_assert!(moved.values.len() < 2 || moved.verify(path, &root).is_err());
        }
        let key = StateKey::Account(id(&format!("b{extra}@aba")));
        for at in 0..=chunk.values.len() {
            let mut more = chunk.clone();
            more.values.insert(at, (key, vec![1]));
            prop_assert!(more.verify(path, &root).is_err());
        }
        // An honest chunk of another region is no answer, and another state's root none to prove.
        for (other, _) in chunks.iter().filter(|(other, _)| other != path) {
            prop_assert!(chunk.verify(other, &root).is_err());
        }
        prop_assert!(values.is_empty() || chunk.verify(path, &Digest::ZERO).is_err());
    }
}

/// A ledger after blocks over several hours, with ids and references of each.
fn busy() -> Ledger {
    let mut ledger = Ledger::new();
    for hour in 0..3u64 {
        for _ in 0..4 {
            let transactions = (0..3u64)
                .map(|number| {
                    let reference = format!("h{hour} n{number} t{}", ledger.now_ms);
                    let operations = vec![
                        with_ref(transfer("alice@aba", "bob@acleda", number + 1), &reference),
                        with_ref(transfer("bob@acleda", "sok@canadia", 1), &reference),
                    ];
                    let body = ledger.body(operations);
                    ledger.sign(&body, &SIGNERS)
                })
                .collect();
            ledger.execute(transactions);
            let codes = (0..3).map(|number| {
                let bill = format!("h{hour} n{number} t{}", ledger.now_ms);
                pay_bob(&code("bob@acleda", "KHR", Some("1"), ledger.now_ms + HOUR_MS, &bill), "alice@aba", 100)
            });
            let result = ledger.run(codes.collect(), &["aba"]);
            assert!(matches!(result, TransactionResult::Executed(_)), "{result:?}");
        }
        ledger.now_ms += HOUR_MS / 2;
    }
    ledger
}

const SIGNERS: [&str; 2] = ["aba", "acleda"];

fn buckets(ledger: &Ledger) -> BTreeMap<Bucket, Digest> {
    let digest = |value: Vec<u8>| Digest::from_bytes(value.try_into().unwrap());
    ledger.state.iter().filter_map(|(key, value)| Some((Bucket::of(&key)?, digest(value)))).collect()
}

fn order(ledger: &Ledger, bucket: Bucket) -> BucketOrder {
    let held = ledger.state.iter().filter(|(key, value)| Bucket::holding(key, value) == Some(bucket));
    BucketOrder::new(bucket, held).unwrap()
}

#[test]
fn buckets_lead_to_their_digests_and_back_to_their_values() {
    let ledger = busy();
    let buckets = buckets(&ledger);
    assert!(buckets.keys().any(|bucket| matches!(bucket, Bucket::Ids(_))), "{buckets:?}");
    assert!(buckets.keys().any(|bucket| matches!(bucket, Bucket::Codes(_))), "{buckets:?}");
    assert!(buckets.keys().filter(|bucket| matches!(bucket, Bucket::References(_))).count() > 1, "{buckets:?}");
    let mut found = Values::new();
    for (bucket, digest) in &buckets {
        let order = order(&ledger, *bucket);
        assert_eq!(order.digest(), *digest, "{bucket:?}");
        let mut link = Some(*digest);
        while let Some(at) = link {
            let chunk = order.chunk(&at).unwrap();
            assert_eq!(BucketChunk::decode(&chunk.encode()).unwrap(), chunk);
            let (values, before) = chunk.verify(*bucket, &at).unwrap();
            found.extend(values);
            link = before;
        }
    }
    let outside: Values = ledger.state.iter().filter(|(key, value)| Bucket::holding(key, value).is_some()).collect();
    assert!(outside.len() > 50, "{}", outside.len());
    assert_eq!(found, outside);
}

#[test]
fn a_bucket_of_which_any_byte_is_changed_is_refused() {
    let ledger = busy();
    for (bucket, digest) in buckets(&ledger) {
        let chunk = order(&ledger, bucket).chunk(&digest).unwrap();
        let bytes = chunk.encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let taken = BucketChunk::decode(&changed).is_ok_and(|chunk| chunk.verify(bucket, &digest).is_ok());
            assert!(!taken, "{bucket:?} byte {at}");
        }
        let other = if let Bucket::Ids(hour) = bucket { Bucket::References(hour) } else { Bucket::Ids(0) };
        assert!(chunk.verify(other, &digest).is_err());
        assert!(BucketChunk { groups: Vec::new() }.verify(bucket, &digest).is_err());
        let mut gap = chunk.clone();
        if gap.groups.len() > 2 {
            gap.groups.remove(1);
            assert!(gap.verify(bucket, &digest).is_err());
        }
    }
}

#[test]
fn a_state_put_together_executes_on_as_the_one_it_was_taken_from() {
    let mut ledger = busy();
    let body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 7)]);
    let before = ledger.sign(&body, &SIGNERS);
    ledger.execute(vec![std::sync::Arc::clone(&before)]);
    let offence = report(&ledger.chain, "wing", 1);
    assert!(matches!(ledger.run(vec![offence.clone()], &SIGNERS), TransactionResult::Executed(_)));
    let values: Values = ledger.state.iter().collect();
    let (root, chunks) = chunks(&values, 500);
    assert_eq!(root, ledger.executor.point().state_root);
    assert!(chunks.len() > 1);
    let mut state: Vec<Change> =
        chunks.into_iter().flat_map(|(_, chunk)| chunk.values).map(|(key, value)| Change::Put(key, value)).collect();
    for (bucket, digest) in buckets(&ledger) {
        let (values, before) = order(&ledger, bucket).chunk(&digest).unwrap().verify(bucket, &digest).unwrap();
        assert_eq!(before, None);
        state.extend(values.into_iter().map(|(key, value)| Change::Put(key, value)));
    }
    state.push(Change::Put(StateKey::Point, ledger.executor.point().encode()));
    let mut taken = MemoryState::new();
    taken.apply(&state);
    assert_eq!(taken, ledger.state);
    let executor = Executor::open(&ledger.genesis, taken.iter(), std::sync::Arc::new(Numbers)).unwrap();
    assert_eq!(executor.point(), ledger.executor.point());
    // What was executed before is a duplicate after it, and a new payment is executed.
    (ledger.executor, ledger.state) = (executor, taken);
    let executed = ledger.execute(vec![before]);
    assert_eq!((executed.duplicates.len(), executed.receipts.len()), (1, 0));
    let (code, operation) = (RejectionCode::AlreadyReported, Some(0));
    assert_eq!(ledger.run(vec![offence], &SIGNERS), TransactionResult::Rejected { code, operation });
    assert!(matches!(
        ledger.run(vec![transfer("alice@aba", "bob@acleda", 1)], &SIGNERS),
        TransactionResult::Executed(_)
    ));
}
