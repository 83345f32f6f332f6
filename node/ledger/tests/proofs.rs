//! Proofs: of accounts, of absence and of receipts; at every height within reach; and no byte of them can change.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::*;

fn prove(ledger: &Ledger, height: u64, name: &str) -> Option<AccountProof> {
    let current = ledger.state.get(&StateKey::Account(id(name)));
    ledger.executor.proofs().prove_account(height, id(name), current)
}

#[test]
fn accounts_and_their_absence_are_provable_at_the_last_heights() {
    let mut ledger = Ledger::new();
    let mut roots = vec![ledger.executor.point().state_root];
    let mut balances = vec![1_000_000];
    let heights = u64::try_from(STATE_VERSIONS).unwrap() + 20;
    for height in 1..=heights {
        if height == 50 {
            ledger.run(vec![open("new@aba")], &["aba"]);
        } else if height % 3 != 0 {
            ledger.run(vec![transfer("alice@aba", "bob@acleda", height)], &["aba"]);
        } else {
            ledger.execute(Vec::new());
        }
        roots.push(ledger.executor.point().state_root);
        balances.push(ledger.available("alice@aba", "KHR"));
    }
    let reach = heights - u64::try_from(STATE_VERSIONS).unwrap() + 1;
    assert_eq!(ledger.executor.proofs().heights(), (reach..=heights).collect::<Vec<_>>());
    assert_eq!(prove(&ledger, reach - 1, "alice@aba"), None, "out of reach");
    for height in reach..=heights {
        let at = usize::try_from(height).unwrap();
        let proof = prove(&ledger, height, "alice@aba").unwrap();
        let account = proof.verify(&roots[at]).unwrap().unwrap();
        assert_eq!(account.balance(asset("KHR")).available.minor(), balances[at]);
        if roots[at] != roots[at - 1] {
            assert_eq!(proof.verify(&roots[at - 1]), Err(ProofInvalid));
        }
        let new = prove(&ledger, height, "new@aba").unwrap().verify(&roots[at]).unwrap();
        assert_eq!(new.is_some(), height >= 50);
        assert_eq!(prove(&ledger, height, "never@aba").unwrap().verify(&roots[at]), Ok(None));
    }
}

#[test]
fn a_value_of_another_height_gives_no_proof() {
    let mut ledger = Ledger::new();
    let source = ledger.executor.proofs();
    let old = ledger.state.clone();
    ledger.run(vec![transfer("alice@aba", "bob@acleda", 1)], &["aba"]);
    let key = StateKey::Account(id("alice@aba"));
    assert_eq!(source.prove(0, &key, ledger.state.get(&key)), None);
    assert_eq!(source.prove(0, &key, None), None);
    assert!(source.prove(0, &key, old.get(&key)).is_some());
    assert!(ledger.executor.proofs().prove(0, &key, ledger.state.get(&key)).is_some());
}

#[test]
fn every_leaf_of_the_state_is_provable() {
    let mut ledger = Ledger::new();
    let offence = report(&ledger.chain, "wing", 1);
    ledger.run(vec![with_ref(transfer("alice@aba", "bob@acleda", 1), "r"), offence], &["aba"]);
    let root = ledger.executor.point().state_root;
    let source = ledger.executor.proofs();
    let mut leaves = 0;
    for (key, value) in ledger.state.iter().filter(|(key, _)| key.is_leaf()) {
        let proof = source.prove(1, &key, Some(&value)).unwrap();
        assert_eq!(proof.verify(&key, &root), Ok(Some(value.as_slice())), "{key:?}");
        leaves += 1;
    }
    assert_eq!(
        leaves,
        9 + 2 + 14 + 2 + 3,
        "participants, assets, accounts, two buckets; validators, parameters, an offence"
    );
}

fn no_byte_can_change(bytes: &[u8], holds: impl Fn(&[u8]) -> bool) {
    assert!(holds(bytes));
    for at in 0..bytes.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut changed = bytes.to_vec();
            changed[at] ^= flip;
            assert!(!holds(&changed), "byte {at} xor {flip:#x}");
        }
        assert!(!holds(&bytes[..at]), "cut at {at}");
    }
    assert!(!holds(&[bytes, &[0]].concat()));
}

#[test]
fn no_byte_of_an_account_proof_can_change() {
    let ledger = Ledger::new();
    let root = ledger.executor.point().state_root;
    let absent = (0..200).map(|number| format!("never{number}@aba"));
    let mut terminals = [0; 3];
    for name in std::iter::once("alice@aba".to_owned()).chain(absent) {
        let proof = prove(&ledger, 0, &name).unwrap();
        let kind = match proof.proof.terminal {
            Terminal::Value(_) => 0,
            Terminal::Empty => 1,
            Terminal::Other { .. } => 2,
        };
        terminals[kind] += 1;
        if terminals[kind] > 2 {
            continue;
        }
        let expected = proof.verify(&root).unwrap();
        no_byte_can_change(&proof.encode(), |bytes| {
            AccountProof::decode(bytes)
                .is_ok_and(|proof| proof.account == id(&name) && proof.verify(&root) == Ok(expected.clone()))
        });
    }
    assert!(terminals.iter().all(|count| *count > 0), "each kind of ending occurs: {terminals:?}");
}

#[test]
fn receipts_are_provable_against_their_height_and_later_ones() {
    let mut ledger = Ledger::new();
    for count in 0..12u64 {
        let transactions = (0..count)
            .map(|number| {
                let body = ledger.body(vec![transfer("alice@aba", "bob@acleda", number + 1)]);
                ledger.sign(&body, &["aba"])
            })
            .collect();
        ledger.execute(transactions);
    }
    for height in 1..=12u64 {
        for checkpoint in height..=12 {
            let root = ledger.results_roots[usize::try_from(checkpoint).unwrap()];
            for index in 0..u32::try_from(height - 1).unwrap() {
                let proof = ledger.prove_receipt(height, index, checkpoint).unwrap();
                let receipt = proof.verify(checkpoint, &root).unwrap();
                assert_eq!((receipt.height, receipt.index), (height, index));
                assert_eq!(proof.verify(checkpoint + 1, &root), Err(ProofInvalid));
                assert_eq!(ReceiptProof::decode(&proof.encode()).unwrap(), proof);
            }
        }
    }
}

#[test]
fn no_byte_of_a_receipt_proof_can_change() {
    let mut ledger = Ledger::new();
    for _ in 0..3 {
        let transactions = (0..5)
            .map(|_| {
                let body = ledger.body(vec![with_ref(transfer("alice@aba", "bob@acleda", 1), "same")]);
                ledger.sign(&body, &["aba"])
            })
            .collect();
        ledger.execute(transactions);
    }
    let root = ledger.results_roots[3];
    for index in 0..5 {
        let proof = ledger.prove_receipt(1, index, 3).unwrap();
        no_byte_can_change(&proof.encode(), |bytes| {
            ReceiptProof::decode(bytes).is_ok_and(|proof| proof.verify(3, &root).is_ok())
        });
    }
}

#[test]
fn the_number_of_receipts_is_bound_in_the_root() {
    let mut ledger = Ledger::new();
    let body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 1)]);
    let transaction = ledger.sign(&body, &["aba"]);
    ledger.execute(vec![transaction]);
    let empty = ReceiptsTree::new(&[]);
    assert_eq!(empty.total(), 0);
    assert_ne!(empty.root(), Digest::ZERO);
    let root = ledger.results_roots[1];
    let mut proof = ledger.prove_receipt(1, 0, 1).unwrap();
    assert!(proof.verify(1, &root).is_ok());
    proof.total = 2;
    assert_eq!(proof.verify(1, &root), Err(ProofInvalid));
}
