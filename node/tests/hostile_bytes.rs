//! What the shell reads from disks and from clients' files, cut open by seeded mutation: the guard, the batch log,
//! finality receipts. A file is recovered up to something that was once durable, or refused by a typed error; nothing
//! is invented.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]
#![allow(clippy::result_large_err, reason = "the error is the product's, made once a start")]

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use tonle_consensus::{Block, GuardRecord};
use tonle_fuzz::{Dice, material, mutate};
use tonle_node::batch_log::{BatchLog, BatchLogEvent, Released};
use tonle_node::finality_receipt::{Document, Subject, verify};
use tonle_node::guard_file::GuardFile;
use tonle_node::storage::Error;
use tonle_replica::RawBatch;

const SEEDS: u64 = 600;

/// The one segment of a folder.
fn segment(folder: &Path) -> PathBuf {
    let mut segments = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let only = segments.next().unwrap();
    assert_eq!(segments.next(), None);
    only
}

/// Refused, or what the file says now. What is left of the file is a part of it, from its begin, that was once durable.
fn reopened<T>(seed: u64, path: &Path, sound: &[u8], open: impl FnOnce() -> Result<T, Error>) -> Option<T> {
    let mut dice = Dice::new(seed);
    let mutated = mutate(sound, sound, &mut dice);
    std::fs::write(path, &mutated).unwrap();
    match open() {
        Ok(found) => {
            let kept = std::fs::read(path).unwrap();
            assert!(sound.starts_with(&kept), "seed {seed}: a record was taken that nobody wrote");
            Some(found)
        }
        Err(Error::Corrupt { .. } | Error::Unreadable { .. }) => {
            assert_ne!(mutated, sound, "seed {seed}: a sound file was refused");
            // It is evidence: a refusal changes nothing.
            assert_eq!(std::fs::read(path).unwrap(), mutated, "seed {seed}: a refused file was changed");
            None
        }
        Err(other) => panic!("seed {seed}: {other}"),
    }
}

#[test]
fn a_guard_under_mutation_gives_what_was_durable_or_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let history = material::guard_history(6);
    let (mut guard, _) = GuardFile::open(data.path(), false).unwrap();
    for (record, block) in &history {
        guard.persist(record.clone(), vec![block.clone()]).unwrap();
    }
    drop(guard);
    let path = segment(&data.path().join("guard"));
    let sound = std::fs::read(&path).unwrap();
    let (records, blocks): (Vec<GuardRecord>, Vec<Block>) = history.into_iter().unzip();
    let (mut recovered, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        let found = reopened(seed, &path, &sound, || GuardFile::open(data.path(), true));
        let Some((mut guard, found)) = found else {
            refused += 1;
            continue;
        };
        recovered += 1;
        let count = found.blocks.len();
        assert_eq!(found.blocks, blocks[..count], "seed {seed}: blocks that are no beginning of the journal");
        assert_eq!(found.record.as_ref(), count.checked_sub(1).map(|last| &records[last]), "seed {seed}");
        assert!(!found.lost, "seed {seed}");
        // It goes on from there.
        guard.persist(records[5].clone(), Vec::new()).unwrap();
        drop(guard);
        assert_eq!(GuardFile::open(data.path(), true).unwrap().1.record, Some(records[5].clone()), "seed {seed}");
    }
    assert!(recovered > 20 && refused > 100, "{recovered} recovered, {refused} refused: one way was not tried");
}

#[test]
fn a_batch_log_under_mutation_gives_what_was_durable_or_is_refused() {
    let data = tempfile::tempdir().unwrap();
    let batches = material::batches(1, 6);
    let open = || {
        let (told, events) = mpsc::channel();
        let tell = move |event| drop(told.send(event));
        let opened = BatchLog::open(data.path(), true, None, &material::members(), Released::default(), tell);
        opened.map(|(log, found)| (log, found, events))
    };
    let (log, _, events) = open().unwrap();
    for batch in &batches {
        log.store(batch).unwrap();
        assert!(matches!(events.recv().unwrap(), BatchLogEvent::Stored(_)));
    }
    drop(log);
    let path = segment(&data.path().join("batches"));
    let sound = std::fs::read(&path).unwrap();
    let written: Vec<&RawBatch> = batches.iter().map(|batch| batch.raw().as_ref()).collect();
    let (mut recovered, mut refused) = (0, 0);
    for seed in 0..SEEDS {
        let Some((log, found, _)) = reopened(seed, &path, &sound, open) else {
            refused += 1;
            continue;
        };
        recovered += 1;
        let found: Vec<&RawBatch> = found.batches.iter().map(AsRef::as_ref).collect();
        assert_eq!(found, written[..found.len()], "seed {seed}: batches that are no beginning of the lane");
        for batch in found {
            assert_eq!(log.reader().get(&batch.digest()).unwrap().as_ref(), Some(batch), "seed {seed}");
        }
    }
    assert!(recovered > 20 && refused > 100, "{recovered} recovered, {refused} refused: one way was not tried");
}

#[test]
fn a_finality_receipt_under_mutation_proves_nothing() {
    let proven = material::proven();
    let document = |subject| Document {
        chain: proven.genesis.digest(),
        subject,
        boundaries: Vec::new(),
        headers: proven.headers.clone(),
        certificate: proven.certificate.clone(),
    };
    let height = proven.headers[0].checkpoint().height.get();
    let receipt = document(Subject::Transaction(Box::new(proven.receipt.clone()))).to_bytes().unwrap();
    let account = document(Subject::Account { height, proof: proven.account.clone() }).to_bytes().unwrap();
    let mut decoded = 0;
    for (sound, other) in [(&receipt, &account), (&account, &receipt)] {
        assert!(verify(sound, &proven.genesis).is_ok());
        for seed in 0..4 * SEEDS {
            let mut dice = Dice::new(seed);
            let mut mutated = mutate(sound, other, &mut dice);
            if seed % 2 == 0 {
                // One hexadecimal digit for another: the form stays, and what it says changes.
                mutated.clone_from(sound);
                let at = dice.below(mutated.len());
                mutated[at] = b"0123456789abcdef"[dice.below(16)];
            }
            decoded += u64::from(Document::from_bytes(&mutated).is_ok());
            let report = verify(&mutated, &proven.genesis);
            assert_eq!(report.is_ok(), mutated == *sound, "seed {seed}: {report:?}");
        }
    }
    assert!(decoded > 200, "only {decoded} reached the proof");
}
