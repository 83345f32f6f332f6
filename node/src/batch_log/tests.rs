//! The batch log against lost tails, flipped bits and full queues.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use proptest::prelude::*;
use tonle_crypto::PublicKey;
use tonle_replica::{Batch, RawBatch, Tip};

use super::store::Store;
use super::{BatchLog, BatchLogEvent, RecoveredBatches, Refused, Released};
use crate::segment;
use crate::storage::Error;
use crate::test_chain::{batch, key, transfer, validators};
use crate::test_disk::{limited, run_limited};

fn lane_key() -> PublicKey {
    key("aba validator").public()
}

/// A chain of batches in the first bank's lane.
fn chain(count: u64) -> Vec<Arc<Batch>> {
    let mut tip = Tip::EMPTY;
    (0..count)
        .map(|number| {
            let batch = batch(0, tip, &[transfer("aba", "wing", 1, number)]);
            tip = batch.tip();
            batch
        })
        .collect()
}

fn raw(batches: &[Arc<Batch>]) -> Vec<Arc<RawBatch>> {
    batches.iter().map(|batch| Arc::clone(batch.raw())).collect()
}

fn open(data: &Path, released: u64, segment_bytes: u64) -> Result<(Store, RecoveredBatches), Error> {
    Store::open(data, true, None, HashMap::from([(lane_key(), released)]), segment_bytes)
}

fn segments(data: &Path) -> Vec<PathBuf> {
    segment::list(&data.join("batches"), "log").unwrap().into_iter().map(|(_, path)| path).collect()
}

#[test]
fn gives_back_what_lives_in_order_and_serves_it_by_digest() {
    let data = tempfile::tempdir().unwrap();
    let batches = chain(6);
    let (mut store, _) = open(data.path(), 0, 1 << 20).unwrap();
    store.store(&raw(&batches[..4])).unwrap();
    store.store(&raw(&batches[4..])).unwrap();
    store.release(&[(lane_key(), 2)]).unwrap();
    let reader = store.reader();
    assert_eq!(reader.len(), 4);
    assert_eq!(reader.get(&batches[5].digest()).unwrap().unwrap(), **batches[5].raw());
    assert_eq!(reader.get(&batches[1].digest()).unwrap(), None);
    drop(store);
    let (store, found) = open(data.path(), 3, 1 << 20).unwrap();
    assert_eq!(found.batches, raw(&batches[3..]));
    assert_eq!(store.reader().get(&batches[3].digest()).unwrap().unwrap(), **batches[3].raw());
}

#[test]
fn segments_go_once_all_in_them_is_released_and_stragglers_are_copied() {
    let data = tempfile::tempdir().unwrap();
    let batches = chain(60);
    // Another lane's batch, in the first segment, that is not final for long.
    let straggler = batch(1, Tip::EMPTY, &[transfer("acleda", "wing", 5, 1)]);
    let (mut store, _) = open(data.path(), 0, 1_500).unwrap();
    store.store(&raw(std::slice::from_ref(&straggler))).unwrap();
    for batch in &batches {
        store.store(&raw(std::slice::from_ref(batch))).unwrap();
        store.release(&[(lane_key(), batch.seq().saturating_sub(3))]).unwrap();
        assert!(segments(data.path()).len() <= 6, "{:?}", segments(data.path()));
    }
    assert_eq!(store.reader().get(&straggler.digest()).unwrap().unwrap(), **straggler.raw());
    drop(store);
    let (mut store, found) = open(data.path(), 57, 1_500).unwrap();
    let expected: Vec<_> =
        std::iter::once(&straggler).chain(&batches[57..]).map(|batch| Arc::clone(batch.raw())).collect();
    assert_eq!(found.batches, expected);
    store.release(&[(lane_key(), 60), (key("acleda validator").public(), 1)]).unwrap();
    assert_eq!(segments(data.path()).len(), 1);
}

#[test]
fn a_batch_released_while_it_waits_does_not_live() {
    let data = tempfile::tempdir().unwrap();
    let (mut store, _) = open(data.path(), 5, 1 << 20).unwrap();
    store.store(&raw(&chain(5))).unwrap();
    assert!(store.reader().is_empty());
}

#[test]
fn a_missing_log_of_a_node_that_ran_is_lost_until_its_own_lane_goes_on() {
    let data = tempfile::tempdir().unwrap();
    let open = || Store::open(data.path(), true, Some(lane_key()), HashMap::new(), 1_000).unwrap();
    assert!(open().1.lost);
    let (mut store, found) = open();
    assert!(found.lost);
    let other = batch(1, Tip::EMPTY, &[transfer("acleda", "wing", 5, 1)]);
    store.store(&raw(&[other])).unwrap();
    drop(store);
    let (mut store, found) = open();
    assert!(found.lost);
    store.store(&raw(&chain(1))).unwrap();
    drop(store);
    assert!(!open().1.lost);
    let fresh = tempfile::tempdir().unwrap();
    assert!(!Store::open(fresh.path(), false, Some(lane_key()), HashMap::new(), 1_000).unwrap().1.lost);
}

#[test]
fn damage_of_a_finished_segment_is_refused_even_at_its_end() {
    let data = tempfile::tempdir().unwrap();
    let (mut store, _) = open(data.path(), 0, 100).unwrap();
    for batch in chain(3) {
        store.store(&raw(&[batch])).unwrap();
    }
    drop(store);
    let first = &segments(data.path())[0];
    let length = std::fs::metadata(first).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(first).unwrap().set_len(length - 3).unwrap();
    assert!(matches!(open(data.path(), 0, 100), Err(Error::Corrupt { path, .. }) if path == *first));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn a_cut_log_gives_the_batches_before_the_cut(cut in any::<prop::sample::Index>()) {
        let data = tempfile::tempdir().unwrap();
        let batches = chain(5);
        let (mut store, _) = open(data.path(), 0, 1 << 20).unwrap();
        let path = segments(data.path()).pop().unwrap();
        let first = std::fs::metadata(&path).unwrap().len();
        for batch in &batches {
            store.store(&raw(std::slice::from_ref(batch))).unwrap();
        }
        drop(store);
        let length = std::fs::metadata(&path).unwrap().len();
        let cut = first + u64::try_from(cut.index(usize::try_from(length - first).unwrap() + 1)).unwrap();
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
        let (_, found) = open(data.path(), 0, 1 << 20).unwrap();
        prop_assert_eq!(&found.batches[..], &raw(&batches)[..found.batches.len()]);
        prop_assert!(cut < length || found.batches.len() == batches.len());
    }

    #[test]
    fn a_flipped_bit_is_refused_or_read_as_the_digest_says(at in any::<prop::sample::Index>(), bit in 0u32..8) {
        let data = tempfile::tempdir().unwrap();
        let batches = chain(3);
        let (mut store, _) = open(data.path(), 0, 1 << 20).unwrap();
        store.store(&raw(&batches)).unwrap();
        let path = segments(data.path()).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, bytes).unwrap();
        // While it runs: the batch is the one its digest names, or the read is refused. Its signature is not part of
        // its digest, and is checked by whoever takes it.
        for batch in &batches {
            match store.reader().get(&batch.digest()) {
                Ok(found) => prop_assert_eq!(found.unwrap().digest(), batch.digest()),
                Err(error) => prop_assert!(matches!(error, Error::Corrupt { .. }), "{error}"),
            }
        }
        drop(store);
        let refused = matches!(open(data.path(), 0, 1 << 20), Err(Error::Corrupt { .. }));
        prop_assert!(refused);
    }
}

#[test]
fn the_thread_stores_in_order_tells_and_ends_cleanly() {
    let data = tempfile::tempdir().unwrap();
    let (sender, events) = mpsc::channel();
    let tell = move |event| sender.send(event).unwrap();
    let (log, found) = BatchLog::open(data.path(), false, None, &validators(), Released::default(), tell).unwrap();
    assert!(found.batches.is_empty() && !found.lost);
    let batches = chain(50);
    for batch in &batches {
        log.store(batch).unwrap();
    }
    let mut stored = Vec::new();
    while stored.len() < batches.len() {
        match events.recv().unwrap() {
            BatchLogEvent::Stored(more) => stored.extend(more),
            BatchLogEvent::Failed(error) => panic!("{error}"),
        }
    }
    let expected: Vec<_> = batches.iter().map(|batch| (*batch.lane(), batch.seq(), batch.digest())).collect();
    assert_eq!(stored, expected);
    assert!(log.reader().get(&batches[49].digest()).unwrap().is_some());
    log.release(Released(vec![(*batches[39].lane(), batches[39].seq())])).unwrap();
    // Ends the thread after what is queued.
    drop(log);
    assert!(events.recv().is_err());
    let (_, found) = open(data.path(), 40, 1 << 20).unwrap();
    assert_eq!(found.batches, raw(&batches[40..]));
}

#[test]
fn a_full_disk_is_told_ends_the_thread_and_leaves_what_was_stored() {
    if let Some(data) = limited() {
        let (sender, events) = mpsc::channel();
        let tell = move |event| sender.send(event).unwrap();
        let (log, _) = BatchLog::open(&data, false, None, &validators(), Released::default(), tell).unwrap();
        let mut last = 0;
        for batch in chain(500) {
            log.store(&batch).unwrap();
            match events.recv().unwrap() {
                BatchLogEvent::Stored(stored) => last = stored.last().unwrap().1,
                BatchLogEvent::Failed(error) => {
                    assert!(matches!(error, Error::NoSpace { .. }), "{error}");
                    assert!(events.recv().is_err(), "the thread has ended");
                    assert_eq!(log.store(&batch), Err(Refused::Ended));
                    writeln!(std::io::stdout(), "last stored {last}").unwrap();
                    return;
                }
            }
        }
        panic!("the limit has no effect");
    }
    let data = tempfile::tempdir().unwrap();
    let name = "batch_log::tests::a_full_disk_is_told_ends_the_thread_and_leaves_what_was_stored";
    let last: u64 = run_limited(name, data.path(), 64, "last stored ").parse().unwrap();
    let (_, found) = open(data.path(), 0, 1 << 20).unwrap();
    assert_eq!(found.batches.last().unwrap().seq(), last);
}
