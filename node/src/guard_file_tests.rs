//! The guard file against torn appends, lost files and restarts.

use std::io::Write as _;

use proptest::prelude::*;
use tonle_consensus::{Checkpoint, Choice, Epoch, QuorumKind, View};
use tonle_crypto::Digest;

use super::*;
use crate::test_chain::{Growing, certificate, genesis_block};
use crate::test_disk::{limited, run_limited};

fn record(view: u64) -> GuardRecord {
    let block = Digest::from_bytes([7; 32]);
    GuardRecord {
        last_notarize: Some(Choice { view: View::new(view), block }),
        high_qc: Some(certificate(QuorumKind::Notarized, view.saturating_sub(1), block)),
        ..GuardRecord::empty(Epoch::ZERO)
    }
}

fn blocks(count: usize) -> Vec<Block> {
    let checkpoint = Checkpoint { height: Height::ZERO, state_root: Digest::ZERO, results_root: Digest::ZERO };
    let genesis = genesis_block(checkpoint);
    let mut chain = Growing::new(genesis);
    (0..count).map(|_| chain.next(checkpoint, &[], true).block).collect()
}

fn newest(data: &Path) -> PathBuf {
    segment::list(&data.join("guard"), PREFIX).unwrap().pop().unwrap().1
}

#[test]
fn gives_back_the_last_record_and_every_block_after_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let (mut guard, found) = GuardFile::open(data.path(), false).unwrap();
    assert_eq!(found, RecoveredGuard { record: None, blocks: Vec::new(), lost: false, torn: None });
    let blocks = blocks(3);
    guard.persist(record(1), vec![blocks[0].clone()]).unwrap();
    guard.persist(record(2), blocks[1..].to_vec()).unwrap();
    drop(guard);
    let (_, found) = GuardFile::open(data.path(), true).unwrap();
    assert_eq!(found, RecoveredGuard { record: Some(record(2)), blocks, lost: false, torn: None });
}

#[test]
fn rotation_keeps_the_maxima_and_the_live_blocks() {
    let data = tempfile::tempdir().unwrap();
    let (mut guard, _) = GuardFile::open_sized(data.path(), false, 4_096).unwrap();
    let blocks = blocks(200);
    for (number, block) in blocks.iter().enumerate() {
        guard.persist(record(wide(number)), vec![block.clone()]).unwrap();
        // The five newest are not executed.
        guard.release(Height::new(block.height().get().saturating_sub(5)));
        if number % 17 == 0 {
            drop(guard);
            let (opened, found) = GuardFile::open_sized(data.path(), true, 4_096).unwrap();
            assert_eq!(found.record, Some(record(wide(number))));
            assert!(found.blocks.ends_with(&blocks[number.saturating_sub(4)..=number]));
            guard = opened;
        }
    }
    assert!(guard.segment.number() > 10);
    assert_eq!(segment::list(&data.path().join("guard"), PREFIX).unwrap().len(), 1);
    assert!(std::fs::metadata(newest(data.path())).unwrap().len() < 8_192);
}

#[test]
fn a_rotation_cut_off_at_any_step_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let (mut guard, _) = GuardFile::open(data.path(), false).unwrap();
    let blocks = blocks(2);
    guard.persist(record(9), blocks.clone()).unwrap();
    let old = newest(data.path());
    let saved = std::fs::read(&old).unwrap();
    guard.rotate().unwrap();
    drop(guard);
    let expected = RecoveredGuard { record: Some(record(9)), blocks, lost: false, torn: None };
    // Before the old one went.
    std::fs::write(&old, &saved).unwrap();
    assert_eq!(GuardFile::open(data.path(), true).unwrap().1, expected);
    assert!(!old.exists());
    // Before the new one had its name.
    let new = newest(data.path());
    std::fs::rename(&new, new.with_extension("new")).unwrap();
    std::fs::write(&old, &saved).unwrap();
    assert_eq!(GuardFile::open(data.path(), true).unwrap().1, expected);
}

#[test]
fn a_missing_guard_of_a_node_that_ran_is_lost_for_good() {
    let data = tempfile::tempdir().unwrap();
    assert!(GuardFile::open(data.path(), true).unwrap().1.lost);
    let (mut guard, found) = GuardFile::open(data.path(), true).unwrap();
    assert!(found.lost);
    guard.persist(record(1), Vec::new()).unwrap();
    guard.rotate().unwrap();
    drop(guard);
    assert!(GuardFile::open(data.path(), true).unwrap().1.lost);
}

#[test]
fn a_guard_marked_lost_stays_lost() {
    let data = tempfile::tempdir().unwrap();
    let (mut guard, _) = GuardFile::open(data.path(), false).unwrap();
    guard.persist(record(3), Vec::new()).unwrap();
    guard.mark_lost().unwrap();
    drop(guard);
    let (_, found) = GuardFile::open(data.path(), true).unwrap();
    assert_eq!((found.record, found.lost), (Some(record(3)), true));
}

#[test]
fn a_renewed_guard_is_lost_no_more_until_it_is_lost_again() {
    let data = tempfile::tempdir().unwrap();
    let (mut guard, found) = GuardFile::open_sized(data.path(), true, 4_096).unwrap();
    assert!(found.lost);
    let renewed = GuardRecord::empty(Epoch::new(9));
    guard.renew(renewed.clone()).unwrap();
    drop(guard);
    let (mut guard, found) = GuardFile::open_sized(data.path(), true, 4_096).unwrap();
    assert_eq!((found.record, found.lost), (Some(renewed), false));
    // Over rotations too.
    for view in 1..200 {
        guard.persist(record(view), Vec::new()).unwrap();
    }
    drop(guard);
    let (mut guard, found) = GuardFile::open_sized(data.path(), true, 4_096).unwrap();
    assert_eq!((found.record, found.lost), (Some(record(199)), false));
    guard.mark_lost().unwrap();
    drop(guard);
    assert!(GuardFile::open(data.path(), true).unwrap().1.lost);
}

#[test]
fn a_guard_is_founded_once() {
    let data = tempfile::tempdir().unwrap();
    GuardFile::found(data.path()).unwrap();
    assert!(!GuardFile::open(data.path(), true).unwrap().1.lost);
    let error = GuardFile::found(data.path()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
}

#[test]
fn a_corrupt_record_stops_the_start_and_names_file_and_offset() {
    let data = tempfile::tempdir().unwrap();
    let (mut guard, _) = GuardFile::open(data.path(), false).unwrap();
    guard.persist(record(1), Vec::new()).unwrap();
    let begin = guard.segment.length();
    guard.persist(record(2), Vec::new()).unwrap();
    drop(guard);
    let path = newest(data.path());
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 6;
    bytes[last] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    let error = GuardFile::open(data.path(), true).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Corrupt { offset, .. } if offset == begin), "{text}");
    assert!(text.contains(path.to_str().unwrap()) && text.contains("move the guard directory away"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_cut_guard_gives_a_record_that_was_persisted(cut in any::<prop::sample::Index>()) {
        let data = tempfile::tempdir().unwrap();
        let (mut guard, _) = GuardFile::open(data.path(), false).unwrap();
        let first = guard.segment.length();
        let mut ends = vec![first];
        for view in 1..=5 {
            guard.persist(record(view), Vec::new()).unwrap();
            ends.push(guard.segment.length());
        }
        drop(guard);
        let path = newest(data.path());
        let cut = first + wide(cut.index(usize::try_from(ends[5] - first).unwrap() + 1));
        std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
        let (_, found) = GuardFile::open(data.path(), true).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
        prop_assert_eq!(found.record, (whole > 0).then(|| record(wide(whole))));
        prop_assert_eq!(found.torn.is_some(), !ends.contains(&cut));
    }
}

#[test]
fn a_full_disk_is_a_typed_error_and_what_was_synced_stays() {
    if let Some(data) = limited() {
        let (mut guard, _) = GuardFile::open(&data, false).unwrap();
        let mut view = 1;
        let error = loop {
            match guard.persist(record(view), blocks(1)) {
                Ok(()) => assert!(view < 10_000, "the limit has no effect"),
                Err(error) => break error,
            }
            view += 1;
        };
        assert!(matches!(error, Error::NoSpace { .. }), "{error}");
        writeln!(std::io::stdout(), "last synced {}", view - 1).unwrap();
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let name = "guard_file::tests::a_full_disk_is_a_typed_error_and_what_was_synced_stays";
    let last = run_limited(name, data.path(), 64, "last synced ");
    let (_, found) = GuardFile::open(data.path(), true).unwrap();
    assert_eq!(found.record, Some(record(last.parse().unwrap())));
    assert!(found.torn.is_some());
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap()
}
