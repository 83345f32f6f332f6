//! Reports of misbehaviour: each offence lands once, whoever reports it, in whatever order, and stays for good.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::*;
use proptest::prelude::*;
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::*;

fn code(result: &TransactionResult) -> Option<RejectionCode> {
    match result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => Some(*code),
    }
}

/// The offences in the stored state.
fn landed(ledger: &Ledger) -> BTreeMap<Digest, OffenceRecord> {
    let record = |(key, value): (StateKey, Vec<u8>)| match key {
        StateKey::Offence(id) => Some((id, OffenceRecord::decode(&value).unwrap())),
        _ => None,
    };
    ledger.state.iter().filter_map(record).collect()
}

#[test]
fn an_offence_lands_once_whichever_proof_shows_it_and_whoever_reports_it() {
    let mut ledger = Ledger::new();
    ledger.execute(Vec::new());
    let first = report_pair(&ledger.chain, "wing", 9, 0);
    let id = offence(&first);
    assert_eq!(ledger.executor.offence(&id), None);
    let pay = ledger.body(vec![transfer("alice@aba", "bob@acleda", 1)]);
    let body = ledger.body(vec![first.clone()]);
    let transactions = vec![ledger.sign(&pay, &["aba"]), ledger.sign(&body, &["acleda"])];
    let executed = ledger.execute(transactions);
    assert_eq!(executed.receipts[1].result, TransactionResult::Executed(vec![OperationResult::Applied(Vec::new())]));
    assert!(executed.history.iter().all(|entry| entry.index == 0), "a report stands in no account's history");
    let accused = key("wing validator").public();
    let record = OffenceRecord { accused, kind: KIND, epoch: 3, place: 9, height: 2, index: 1 };
    assert_eq!(landed(&ledger), BTreeMap::from([(id, record)]));
    assert_eq!(ledger.executor.offence(&id), Some(&record));

    let again = report_pair(&ledger.chain, "wing", 9, 1);
    assert_eq!((offence(&again), again != first), (id, true));
    for operation in [first, again] {
        for reporter in ["acleda", "nbc"] {
            let result = ledger.run(vec![operation.clone()], &[reporter]);
            assert_eq!(code(&result), Some(RejectionCode::AlreadyReported));
        }
    }
    assert_eq!(landed(&ledger), BTreeMap::from([(id, record)]), "the first stays as it was");
    ledger.executor = ledger.reopened();
    let result = ledger.run(vec![report(&ledger.chain, "wing", 9)], &["aba"]);
    assert_eq!(code(&result), Some(RejectionCode::AlreadyReported), "after a restart too");
    assert_eq!(code(&ledger.run(vec![report(&ledger.chain, "wing", 10)], &["aba"])), None, "another place is another");
}

#[test]
fn one_key_of_any_participant_suffices_and_no_other() {
    use RejectionCode::NotAuthorized;
    type Case = (&'static str, fn(&Digest) -> Vec<Operation>, &'static [&'static str], Option<RejectionCode>);
    let reported: fn(&Digest) -> Vec<Operation> = |chain| vec![report(chain, "wing", 1)];
    let after_admission: fn(&Digest) -> Vec<Operation> = |chain| vec![admit("wb"), report(chain, "wing", 1)];
    let cases: [Case; 9] = [
        ("a bank", reported, &["aba"], None),
        ("the operator", reported, &["nbc"], None),
        ("an auditor, whose key may do nothing else", reported, &["audit"], None),
        ("one key of a bank that needs two to pay", reported, &["wing-open"], None),
        ("a suspended bank", reported, &["gone"], None),
        ("a stranger", reported, &["nobody"], Some(NotAuthorized)),
        ("a validator's own key is no participant's", reported, &["aba validator"], Some(NotAuthorized)),
        ("an account's own key is none", reported, &["ann"], Some(NotAuthorized)),
        ("nobody reports before he is admitted", after_admission, &["wb"], Some(NotAuthorized)),
    ];
    for (what, operations, signers, expected) in cases {
        let mut ledger = Ledger::new();
        let operations = operations(&ledger.chain);
        assert_eq!(code(&ledger.run(operations, signers)), expected, "{what}");
    }
    let mut ledger = Ledger::new();
    let operations = |ledger: &Ledger, place| vec![report(&ledger.chain, "wing", place)];
    let (admission, first) = (ledger.body(vec![admit("wb")]), operations(&ledger, 1));
    let first = ledger.body(first);
    let block = vec![ledger.sign(&admission, &["nbc"]), ledger.sign(&first, &["wb"])];
    assert_eq!(code(&ledger.execute(block).receipts[1].result), None, "admitted earlier in the block");
    let second = operations(&ledger, 2);
    assert_eq!(code(&ledger.run(second, &["wb"])), None, "admitted earlier");
    ledger.executor = ledger.reopened();
    let third = operations(&ledger, 3);
    assert_eq!(code(&ledger.run(third, &["wb"])), None, "and after a restart");
}

#[test]
fn every_key_that_ever_validated_can_be_accused_and_no_other() {
    let mut ledger = Ledger::of(Genesis { epoch_length: 1, ..genesis() });
    let accuse = |ledger: &mut Ledger, name: &str, place| {
        let operation = report(&ledger.chain, name, place);
        code(&ledger.run(vec![operation], &["nbc"]))
    };
    assert_eq!(accuse(&mut ledger, "late", 1), Some(RejectionCode::AccusedUnknown));
    let operation = report(&ledger.chain, "late", 1);
    assert_eq!(code(&ledger.run(vec![set("aba", "late"), operation], &["nbc"])), None, "in force or not yet");
    for change in [set("nbc", "nbc"), unset("wing")] {
        (0..=window(1)).for_each(|_| drop(ledger.execute(Vec::new())));
        assert_eq!(code(&ledger.run(vec![change], &["nbc"])), None);
    }
    (0..=window(1)).for_each(|_| drop(ledger.execute(Vec::new())));
    let now = ledger.executor.point().height;
    let gone = |version: &SetVersion| !version.members.contains(&member("wing", "wing"));
    assert!(ledger.validators().in_force(now, window(1)).all(gone), "nothing in force names wing");
    assert_eq!(accuse(&mut ledger, "wing", 1), None, "removed since");
    assert_eq!(accuse(&mut ledger, "aba", 1), None, "replaced since");
    // A key whose change was taken back never was a validator's.
    let operation = report(&ledger.chain, "other", 1);
    let broken = vec![set("aba", "other"), operation.clone(), transfer("sok@canadia", "bob@acleda", 1)];
    let result = ledger.run(broken, &["nbc", "canadia"]);
    assert_eq!(code(&result), Some(RejectionCode::InsufficientFunds));
    assert_eq!(ledger.executor.offence(&offence(&operation)), None);
    assert_eq!(accuse(&mut ledger, "other", 1), Some(RejectionCode::AccusedUnknown));
}

#[test]
fn what_is_taken_back_did_not_land_and_can_land_later() {
    let mut ledger = Ledger::new();
    let operation = report(&ledger.chain, "wing", 1);
    let broke = transfer("sok@canadia", "bob@acleda", 1);
    let result = ledger.run(vec![operation.clone(), broke.clone()], &["canadia"]);
    assert_eq!(code(&result), Some(RejectionCode::InsufficientFunds));
    assert!(landed(&ledger).is_empty());
    let mut body = ledger.body(vec![operation.clone(), broke, operation]);
    body.independent = true;
    let transaction = ledger.sign(&body, &["canadia"]);
    let expected = [
        OperationResult::Applied(Vec::new()),
        OperationResult::Rejected(RejectionCode::InsufficientFunds),
        OperationResult::Rejected(RejectionCode::AlreadyReported),
    ];
    let result = ledger.execute(vec![transaction]).receipts.remove(0).result;
    assert_eq!(result, TransactionResult::Executed(expected.to_vec()));
    assert_eq!(landed(&ledger).len(), 1);
}

#[test]
fn a_block_checks_signatures_of_so_many_proofs_and_the_rest_can_wait() {
    let mut ledger = Ledger::new();
    let most = u64::try_from(JUDGED_PER_BLOCK_MAX).unwrap();
    let mut body = ledger.body((0..most).map(|place| spoilt(report(&ledger.chain, "aba", place))).collect());
    body.independent = true;
    let spam = ledger.sign(&body, &["gone"]);
    let body = ledger.body(vec![report(&ledger.chain, "wing", 1)]);
    let late = ledger.sign(&body, &["acleda"]);
    let executed = ledger.execute(vec![spam, late]);
    let invalid = OperationResult::Rejected(RejectionCode::EvidenceInvalid);
    let all = vec![invalid; JUDGED_PER_BLOCK_MAX];
    assert_eq!(executed.receipts[0].result, TransactionResult::Executed(all));
    assert_eq!(code(&executed.receipts[1].result), Some(RejectionCode::ReportsBusy));
    let operation = report(&ledger.chain, "wing", 1);
    assert_eq!(code(&ledger.run(vec![operation], &["acleda"])), None, "the next block has room");
    assert_eq!(landed(&ledger).len(), 1);
}

#[test]
fn the_ledger_holds_so_many_offences_of_a_key_and_so_many_in_all() {
    let mut ledger = Ledger::new();
    let keys = OFFENCES_MAX / OFFENCES_PER_KEY_MAX + 1;
    let name = |number: usize| format!("n{number}");
    let changes = (0..=keys).map(|number| set("aba", &name(number))).collect();
    assert_eq!(code(&ledger.run(changes, &["nbc"])), None);
    let most = u64::try_from(OFFENCES_PER_KEY_MAX).unwrap();
    for number in 0..keys {
        let left = OFFENCES_MAX - number * OFFENCES_PER_KEY_MAX;
        let reports = (0..most).take(left).map(|place| report(&ledger.chain, &name(number), place)).collect();
        assert_eq!(code(&ledger.run(reports, &["acleda"])), None, "key {number}");
        if number == 0 {
            ledger.executor = ledger.reopened();
            let above = report(&ledger.chain, &name(0), most);
            assert_eq!(code(&ledger.run(vec![above], &["acleda"])), Some(RejectionCode::OffencesFull), "of one key");
        }
    }
    assert_eq!(landed(&ledger).len(), OFFENCES_MAX);
    let above = report(&ledger.chain, &name(keys), 0);
    assert_eq!(code(&ledger.run(vec![above], &["acleda"])), Some(RejectionCode::OffencesFull), "in all");
}

#[test]
fn that_an_offence_landed_or_did_not_is_provable() {
    let mut ledger = Ledger::new();
    let operation = report(&ledger.chain, "wing", 1);
    let key = StateKey::Offence(offence(&operation));
    ledger.run(vec![operation], &["aba"]);
    let (root, source) = (ledger.executor.point().state_root, ledger.executor.proofs());
    let value = ledger.state.get(&key).unwrap();
    assert_eq!(source.prove(1, &key, Some(value)).unwrap().verify(&key, &root), Ok(Some(value)));
    let before = source.prove(0, &key, Some(value)).unwrap();
    assert_eq!(before.verify(&key, &roots(&ledger)[0]), Ok(None));
    let other = StateKey::Offence(Digest::ZERO);
    assert_eq!(source.prove(1, &other, None).unwrap().verify(&other, &root), Ok(None));
}

/// The state root of genesis.
fn roots(ledger: &Ledger) -> [Digest; 1] {
    [Ledger::of(ledger.genesis.clone()).executor.point().state_root]
}

const REPORTERS: [&str; 4] = ["aba", "acleda", "nbc", "audit"];

/// One report: whom, where, by which pair, who reports, with signatures that hold or not.
type Plan = (usize, u64, u8, usize, bool);

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let validators = REPORTERS.len() - 1;
    let plan = (0..validators, 0u64..3, 0u8..3, 0..REPORTERS.len(), prop::bool::weighted(0.8));
    proptest::collection::vec(plan, 1..24)
}

/// Executes the reports in this order, so many to a block, with a restart after each block; gives what landed.
fn play(plans: &[Plan], per_block: usize) -> BTreeMap<Digest, OffenceRecord> {
    let mut ledger = Ledger::new();
    let mut expected: BTreeMap<Digest, (u64, u32)> = BTreeMap::new();
    for block in plans.chunks(per_block) {
        let reports = block.iter().map(|(validator, place, pair, reporter, good)| {
            let operation = report_pair(&ledger.chain, ["aba", "acleda", "wing"][*validator], *place, *pair);
            (if *good { operation } else { spoilt(operation) }, REPORTERS[*reporter], *good)
        });
        let reports: Vec<_> = reports.collect();
        let mut transactions = Vec::new();
        for (operation, reporter, _) in &reports {
            let body = ledger.body(vec![operation.clone()]);
            transactions.push(ledger.sign(&body, &[reporter]));
        }
        let executed = ledger.execute(transactions);
        for (receipt, (operation, _, good)) in executed.receipts.iter().zip(&reports) {
            let id = offence(operation);
            let known = expected.contains_key(&id);
            let code = code(&receipt.result);
            match (known, good) {
                (true, _) => assert_eq!(code, Some(RejectionCode::AlreadyReported)),
                (false, false) => assert_eq!(code, Some(RejectionCode::EvidenceInvalid)),
                (false, true) => {
                    assert_eq!(code, None);
                    expected.insert(id, (receipt.height, receipt.index));
                }
            }
        }
        ledger.executor = ledger.reopened();
    }
    let found = landed(&ledger);
    let places: BTreeMap<_, _> = found.iter().map(|(id, record)| (*id, (record.height, record.index))).collect();
    assert_eq!(places, expected);
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_offence_lands_once_in_whatever_order_it_is_reported(
        (plans, shuffled) in plans().prop_flat_map(|plans| (Just(plans.clone()), Just(plans).prop_shuffle())),
        per_block in 1usize..6,
    ) {
        let what = |found: BTreeMap<Digest, OffenceRecord>| -> Vec<_> {
            found.into_iter().map(|(id, record)| (id, record.accused, record.kind, record.epoch, record.place)).collect()
        };
        prop_assert_eq!(what(play(&plans, per_block)), what(play(&shuffled, 1)));
    }
}
