//! What executing does: money moves once, all or nothing, and everything adds up.

mod fixture;

use fixture::*;
use tonle_ledger::*;

fn applied(result: &TransactionResult) -> usize {
    match result {
        TransactionResult::Executed(results) => {
            results.iter().filter(|result| matches!(result, OperationResult::Applied(_))).count()
        }
        TransactionResult::Rejected { .. } => 0,
    }
}

#[test]
fn a_transfer_moves_money_and_its_receipt_tells_both_balances() {
    let mut ledger = Ledger::new();
    let result = ledger.run(vec![transfer("alice@aba", "sok@canadia", 250)], &["aba"]);
    let after = |account, available| BalanceAfter {
        account: id(account),
        asset: asset("KHR"),
        available: amount(available),
        held: Amount::ZERO,
    };
    let expected = vec![OperationResult::Applied(vec![after("alice@aba", 999_750), after("sok@canadia", 250)])];
    assert_eq!(result, TransactionResult::Executed(expected));
    assert_eq!(ledger.available("sok@canadia", "KHR"), 250);
}

#[test]
fn an_atomic_transaction_that_fails_leaves_nothing() {
    let mut ledger = Ledger::new();
    let root = ledger.executor.point().state_root;
    let supply = ledger.executor.supply();
    let operations = vec![
        open("new@aba"),
        with_ref(transfer("alice@aba", "new@aba", 1_000), "first"),
        issue("new@aba", "USD", 77),
        transfer("alice@aba", "bob@acleda", 2_000_000),
    ];
    let result = ledger.run(operations, &["aba", "nbc"]);
    let code = RejectionCode::InsufficientFunds;
    assert_eq!(result, TransactionResult::Rejected { code, operation: Some(3) });
    assert_eq!(ledger.account("new@aba"), None);
    assert_eq!(ledger.available("alice@aba", "KHR"), 1_000_000);
    assert_eq!(ledger.executor.supply(), supply);
    assert_ne!(ledger.executor.point().state_root, root, "the id is taken all the same");
    // The reference of the operation that was taken back is free.
    let result = ledger.run(vec![with_ref(transfer("alice@aba", "bob@acleda", 5), "first")], &["aba"]);
    assert_eq!(applied(&result), 1);
}

#[test]
fn an_independent_transaction_gives_each_operation_its_own_result() {
    let mut ledger = Ledger::new();
    let mut body = ledger.body(vec![
        transfer("alice@aba", "bob@acleda", 2_000_000),
        transfer("alice@aba", "sok@canadia", 10),
        transfer("alice@aba", "nobody@acleda", 10),
        transfer("alice@aba", "sok@canadia", 20),
    ]);
    body.independent = true;
    let transaction = ledger.sign(&body, &["aba"]);
    let executed = ledger.execute(vec![transaction]);
    let TransactionResult::Executed(results) = &executed.receipts[0].result else { panic!("rejected") };
    assert_eq!(results[0], OperationResult::Rejected(RejectionCode::InsufficientFunds));
    assert_eq!(results[2], OperationResult::Rejected(RejectionCode::UnknownAccount));
    assert_eq!((executed.operations, executed.applied), (4, 2));
    assert_eq!(ledger.available("sok@canadia", "KHR"), 30);
    let history: Vec<_> = executed.history.iter().map(|entry| entry.account.to_string()).collect();
    assert_eq!(history, ["alice@aba", "sok@canadia"], "bob's history does not show what did not reach him");
}

#[test]
fn later_operations_see_what_earlier_ones_did() {
    let mut ledger = Ledger::new();
    let operations = vec![
        open("new@aba"),
        transfer("alice@aba", "new@aba", 500),
        transfer("new@aba", "bob@acleda", 400),
        transfer("new@aba", "bob@acleda", 100),
    ];
    assert_eq!(applied(&ledger.run(operations, &["aba"])), 4);
    assert_eq!(ledger.available("bob@acleda", "KHR"), 1_000_500);
    let left = ledger.account("new@aba").unwrap();
    assert!(left.balances().iter().all(Balance::is_empty), "nothing is left but the record of what was spent");
}

#[test]
fn the_same_transaction_executes_once_in_a_block_and_over_blocks() {
    let mut ledger = Ledger::new();
    let body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 100)]);
    let once = ledger.sign(&body, &["aba"]);
    // A signature more does not make it another transaction.
    let again = ledger.sign(&body, &["aba", "canadia"]);
    assert_eq!(once.id(), again.id());
    let executed = ledger.execute(vec![once.clone(), again.clone(), once.clone()]);
    assert_eq!(executed.receipts.len(), 1);
    let first = |position, height| Duplicate { position, transaction: once.id(), height, index: 0 };
    assert_eq!(executed.duplicates, [first(1, 1), first(2, 1)]);
    ledger.executor = ledger.reopened();
    let executed = ledger.execute(vec![again.clone()]);
    assert_eq!((executed.receipts.len(), executed.duplicates), (0, vec![first(0, 1)]));
    assert_eq!(ledger.available("bob@acleda", "KHR"), 1_000_100);
    // Duplicates are looked up before the window is judged.
    ledger.now_ms = body.not_after_ms;
    let executed = ledger.execute_now(vec![once.clone()]);
    assert_eq!((executed.receipts.len(), executed.duplicates.len()), (0, 1));
}

#[test]
fn ids_are_dropped_once_they_have_expired_and_the_transaction_still_cannot_execute() {
    let mut ledger = Ledger::new();
    let body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 100)]);
    let transaction = ledger.sign(&body, &["aba"]);
    let before = ledger.state.len();
    ledger.execute(vec![transaction.clone()]);
    assert_eq!(ledger.state.len(), before + 2, "the id and its bucket");
    ledger.now_ms += 2 * HOUR_MS;
    let executed = ledger.execute(Vec::new());
    assert!(executed.changes.iter().any(|change| matches!(change, Change::DropIds { .. })));
    assert_eq!(ledger.state.len(), before, "both are gone");
    let executed = ledger.execute(vec![transaction]);
    let expired = TransactionResult::Rejected { code: RejectionCode::Expired, operation: None };
    assert_eq!(executed.receipts[0].result, expired);
    assert!(!executed.receipts[0].takes_id());
    assert_eq!(ledger.available("bob@acleda", "KHR"), 1_000_100);
    ledger.reopened();
}

#[test]
fn what_is_judged_for_the_whole_transaction_leaves_its_id_free() {
    let mut ledger = Ledger::new();
    let mut body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 100)]);
    body.not_before_ms += 10;
    let early = ledger.sign(&body, &["aba"]);
    // A stranger signs the same body with his own key: that must not use up the payer's id.
    let strange = ledger.sign(&body, &["canadia"]);
    let code = |executed: &Executed| match executed.receipts[0].result {
        TransactionResult::Rejected { code, .. } => Some(code),
        TransactionResult::Executed(_) => None,
    };
    assert_eq!(code(&ledger.execute(vec![early.clone()])), Some(RejectionCode::NotYetValid));
    ledger.now_ms += 20;
    assert_eq!(code(&ledger.execute(vec![strange])), Some(RejectionCode::NotAuthorized));
    assert_eq!(code(&ledger.execute(vec![early.clone()])), None);
    assert_eq!(ledger.execute(vec![early]).duplicates.len(), 1);
    // A rejected operation takes it.
    let body = ledger.body(vec![transfer("sok@canadia", "bob@acleda", 1)]);
    let broke = ledger.sign(&body, &["canadia"]);
    assert_eq!(code(&ledger.execute(vec![broke.clone()])), Some(RejectionCode::InsufficientFunds));
    assert_eq!(ledger.execute(vec![broke]).duplicates.len(), 1);
}

#[test]
fn a_reference_moves_money_once_and_the_repeat_names_the_first_receipt() {
    let mut ledger = Ledger::new();
    let pay = |minor| with_ref(transfer("alice@aba", "bob@acleda", minor), "inv-1");
    let body = ledger.body(vec![transfer("alice@aba", "sok@canadia", 1), pay(100)]);
    let first = ledger.sign(&body, &["aba"]);
    ledger.execute(vec![first.clone()]);
    let place = ReceiptLocation { transaction: first.id(), height: 1, index: 0, operation: 1 };
    let repeated = TransactionResult::Executed(vec![OperationResult::Repeated(place)]);
    assert_eq!(ledger.run(vec![pay(100)], &["aba"]), repeated);
    ledger.executor = ledger.reopened();
    assert_eq!(ledger.run(vec![pay(100)], &["aba"]), repeated);
    let code = RejectionCode::DuplicateReference;
    let other = TransactionResult::Rejected { code, operation: Some(0) };
    assert_eq!(ledger.run(vec![pay(101)], &["aba"]), other);
    assert_eq!(ledger.available("bob@acleda", "KHR"), 1_000_100);
    // Another debited account may use the same reference.
    let result = ledger.run(vec![with_ref(transfer("bob@acleda", "alice@aba", 100), "inv-1")], &["acleda"]);
    assert_eq!(applied(&result), 1);
    // Twice in one transaction.
    let twice = || with_ref(transfer("alice@aba", "bob@acleda", 7), "inv-2");
    assert_eq!(applied(&ledger.run(vec![twice(), twice()], &["aba"])), 1);
    // It is free again when the hour in which it was taken is 7 days ago, and not before.
    let free_ms = (START_MS / HOUR_MS + 1) * HOUR_MS + 7 * 24 * HOUR_MS;
    ledger.now_ms = free_ms - 2;
    assert_eq!(ledger.run(vec![pay(100)], &["aba"]), repeated);
    assert_eq!(applied(&ledger.run(vec![pay(101)], &["aba"])), 1);
    ledger.reopened();
}

#[test]
fn a_rejected_instruction_leaves_its_reference_free() {
    let mut ledger = Ledger::new();
    let pay = with_ref(transfer("sok@canadia", "bob@acleda", 100), "salary");
    let code = RejectionCode::InsufficientFunds;
    let rejected = TransactionResult::Rejected { code, operation: Some(0) };
    assert_eq!(ledger.run(vec![pay.clone()], &["canadia"]), rejected);
    ledger.run(vec![transfer("alice@aba", "sok@canadia", 100)], &["aba"]);
    assert_eq!(applied(&ledger.run(vec![pay], &["canadia"])), 1);
}

#[test]
fn issuing_and_redeeming_change_the_supply_by_what_they_say() {
    let mut ledger = Ledger::new();
    let usd = asset("USD");
    let before = ledger.executor.supply()[&usd];
    assert_eq!(applied(&ledger.run(vec![issue("sok@canadia", "USD", 500)], &["nbc"])), 1);
    assert_eq!(ledger.executor.supply()[&usd], before + 500);
    assert_eq!(applied(&ledger.run(vec![redeem("sok@canadia", "USD", 200)], &["nbc"])), 1);
    assert_eq!(ledger.executor.supply()[&usd], before + 300);
    assert_eq!(audit(ledger.state.iter()).unwrap().supply, ledger.executor.supply());
}

#[test]
fn a_state_that_does_not_add_up_stops_the_process_and_names_the_asset() {
    let ledger = Ledger::new();
    let mut state = ledger.state.clone();
    let mut account = ledger.account("alice@aba").unwrap();
    account.set_balance(Balance::new(asset("KHR"), amount(1_000_001), Amount::ZERO));
    let key = StateKey::Account(id("alice@aba"));
    state.apply(&[Change::Put(key, tonle_crypto::Canonical::encode(&account))]);
    let error = Executor::open(&ledger.genesis, state.iter(), std::sync::Arc::new(Numbers)).unwrap_err();
    let Fatal::SupplyMismatch { asset: named, supply, balances } = error else { panic!("{error}") };
    assert_eq!((named, balances), (asset("KHR"), supply + 1));
    assert_eq!(audit(state.iter()).unwrap_err(), error);
    // The same money in other hands adds up, but has not the recorded root.
    let mut bob = ledger.account("bob@acleda").unwrap();
    bob.set_balance(Balance::new(asset("KHR"), amount(999_999), Amount::ZERO));
    state.apply(&[Change::Put(StateKey::Account(id("bob@acleda")), tonle_crypto::Canonical::encode(&bob))]);
    let error = Executor::open(&ledger.genesis, state.iter(), std::sync::Arc::new(Numbers)).unwrap_err();
    assert!(matches!(error, Fatal::RootMismatch { height: 0, .. }), "{error}");
}

#[test]
fn a_value_that_was_lost_or_altered_on_the_way_stops_the_process() {
    fn execute(ledger: &mut Ledger, block: &BlockInput, state: &MemoryState) -> Result<Executed, Fatal> {
        let plan = ledger.executor.plan(block);
        ledger.executor.execute(&plan, state.load(plan.keys()))
    }
    let mut ledger = Ledger::new();
    let body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 1)]);
    let transactions = vec![ledger.sign(&body, &["aba"])];
    let block = BlockInput { height: 1, timestamp_ms: START_MS + 1, transactions };
    let key = StateKey::Account(id("alice@aba"));
    let error = execute(&mut ledger, &block, &MemoryState::new()).unwrap_err();
    assert!(matches!(error, Fatal::NotCommitted(_)), "{error}");
    let mut state = ledger.state.clone();
    let mut account = ledger.account("alice@aba").unwrap();
    account.set_balance(Balance::new(asset("KHR"), amount(9_000_000), Amount::ZERO));
    state.apply(&[Change::Put(key, tonle_crypto::Canonical::encode(&account))]);
    assert_eq!(execute(&mut ledger, &block, &state).unwrap_err(), Fatal::NotCommitted(key));
    state.apply(&[Change::Put(key, vec![1, 2, 3])]);
    assert!(matches!(execute(&mut ledger, &block, &state).unwrap_err(), Fatal::Corrupt { .. }));
    let too_few = {
        let plan = ledger.executor.plan(&block);
        ledger.executor.execute(&plan, vec![None])
    };
    assert_eq!(too_few.unwrap_err(), Fatal::Bound("values of a block"));
    let whole = ledger.state.clone();
    let skipped = BlockInput { height: 2, ..block.clone() };
    let order = Fatal::OutOfOrder { expected: 1, given: 2 };
    assert_eq!(execute(&mut ledger, &skipped, &whole).unwrap_err(), order);
    // The executor is as it was: the true state executes.
    assert_eq!(execute(&mut ledger, &block, &whole).unwrap().applied, 1);
}
