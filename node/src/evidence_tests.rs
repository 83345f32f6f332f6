//! What is kept of evidence: each offence once, through restarts, counted by validator and kind.

use std::sync::Arc;

use tonle_consensus::{Contradiction, Epoch, Signed, SigningContext, Statement, View};
use tonle_crypto::Digest;
use tonle_replica::Misbehaviour;

use super::Evidence;
use crate::event_loop::Shared;
use crate::metrics::{Metrics, Offender};
use crate::storage::Database;
use crate::test_chain::{BANKS, genesis, genesis_block, key, validators};

/// Two votes of a bank's validator in a view; `byte` makes another pair of the same offence.
fn proof(bank: usize, view: u64, byte: u8) -> Arc<Misbehaviour> {
    let set = validators();
    let key = key(&format!("{} validator", BANKS[bank]));
    let place = (Epoch::ZERO, set.digest());
    let signing = SigningContext { genesis: genesis().digest(), set };
    let vote = |byte| {
        let statement = Statement::Notarize { view: View::new(view), block: Digest::from_bytes([byte; 32]) };
        Signed { statement, signature: key.sign(&statement.preimage(&signing)) }
    };
    let made = Contradiction::new(key.public(), place, vote(byte), vote(byte + 1)).unwrap();
    Arc::new(Misbehaviour::Consensus(made))
}

#[test]
fn each_offence_is_kept_once_and_known_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Database::open(folder.path(), &genesis(), 8 << 20, genesis_block).unwrap().database;
    let count = |metrics: &Metrics, bank: usize| {
        let offender = Offender { validator: BANKS[bank].to_owned(), kind: "two_notarizes" };
        metrics.misbehaviour.get_or_create(&offender).get()
    };
    let metrics = Metrics::new();
    let (evidence, before) = Evidence::start(open(), Arc::clone(&metrics), Shared::new(validators())).unwrap();
    assert!(before.is_empty());
    for proof in [proof(1, 9, 1), proof(1, 9, 3), proof(1, 10, 1), proof(2, 9, 1)] {
        evidence.keep(proof);
    }
    // Ends when all that waits is written.
    drop(evidence);
    assert_eq!((count(&metrics, 1), count(&metrics, 2), count(&metrics, 3)), (2, 1, 0));

    let (database, metrics) = (open(), Metrics::new());
    let (evidence, before) =
        Evidence::start(Arc::clone(&database), Arc::clone(&metrics), Shared::new(validators())).unwrap();
    assert_eq!((count(&metrics, 1), count(&metrics, 2)), (2, 1), "what was kept counts from the start");
    let mut ids: Vec<Digest> = before.iter().map(|proof| proof.offence().id()).collect();
    ids.sort_unstable();
    let mut expected = [proof(1, 9, 1), proof(1, 10, 1), proof(2, 9, 1)].map(|proof| proof.offence().id());
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert!(before.contains(&proof(1, 9, 1)), "the first proof of an offence stays");
    evidence.keep(proof(2, 9, 5));
    drop(evidence);
    assert_eq!(count(&metrics, 2), 1);

    let pages: Vec<Vec<Digest>> = (0..4)
        .scan(None, |after, _| {
            let page = database.misbehaviour(*after, 2).unwrap();
            let ids: Vec<Digest> = page.iter().map(|kept| kept.proof.offence().id()).collect();
            *after = ids.last().copied().or(*after);
            Some(ids)
        })
        .collect();
    assert_eq!(pages, [&expected[..2], &expected[2..], &[], &[]]);
}
