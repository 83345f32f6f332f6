//! Holds: money that is kept for a payee, captured in parts, released, and given back when its time is over.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use tonle_ledger::*;

const PAYER: &str = "alice@aba";
const SHOP: &str = "bob@acleda";

/// A ledger with a hold of 1,000 that ends in an hour.
fn held() -> (Ledger, u64) {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let result = ledger.run(vec![hold(PAYER, SHOP, 1_000, "room 12", end)], &["aba"]);
    let [payer] = applied(&result) else { panic!("one balance") };
    assert_eq!((payer.available, payer.held), (amount(999_000), amount(1_000)));
    (ledger, end)
}

#[test]
fn held_money_is_captured_in_parts_and_the_last_gives_the_rest_back() {
    let (mut ledger, _) = held();
    let result = ledger.run(vec![capture(PAYER, SHOP, "room 12", 300, false)], &["acleda"]);
    assert_eq!(applied(&result).len(), 2);
    assert_eq!((ledger.available(PAYER, "KHR"), ledger.held(PAYER, "KHR")), (999_000, 700));
    assert_eq!(ledger.available(SHOP, "KHR"), 1_000_300);
    ledger.run(vec![capture(PAYER, SHOP, "room 12", 500, true)], &["acleda"]);
    assert_eq!((ledger.available(PAYER, "KHR"), ledger.held(PAYER, "KHR")), (999_200, 0));
    assert_eq!(ledger.available(SHOP, "KHR"), 1_000_800);
    assert_eq!(ledger.timed(), Vec::new());
    let again = ledger.run(vec![capture(PAYER, SHOP, "room 12", 1, false)], &["acleda"]);
    assert_eq!(again, rejected(RejectionCode::HoldNotFound));
}

#[test]
fn capturing_all_that_is_left_ends_the_hold() {
    let (mut ledger, _) = held();
    ledger.run(vec![capture(PAYER, SHOP, "room 12", 1_000, false)], &["acleda"]);
    assert_eq!((ledger.timed(), ledger.held(PAYER, "KHR")), (Vec::new(), 0));
}

#[test]
fn only_the_payee_captures_and_releases() {
    let (mut ledger, _) = held();
    let capture = || vec![capture(PAYER, SHOP, "room 12", 1, false)];
    assert_eq!(ledger.run(capture(), &["aba"]), rejected(RejectionCode::NotAuthorized));
    let release_by = |ledger: &mut Ledger, who: &str| ledger.run(vec![release(PAYER, SHOP, "room 12")], &[who]);
    assert_eq!(release_by(&mut ledger, "aba"), rejected(RejectionCode::NotAuthorized));
    assert_eq!(applied(&release_by(&mut ledger, "acleda")).len(), 1);
    assert_eq!((ledger.available(PAYER, "KHR"), ledger.held(PAYER, "KHR")), (1_000_000, 0));
}

#[test]
fn a_hold_between_other_accounts_is_no_such_hold() {
    let (mut ledger, _) = held();
    for (from, to, signer) in [(PAYER, "sok@canadia", "canadia"), ("noin@aba", SHOP, "acleda")] {
        let result = ledger.run(vec![release(from, to, "room 12")], &[signer]);
        assert_eq!(result, rejected(RejectionCode::HoldNotFound));
    }
}

#[test]
fn a_hold_of_another_asset_is_no_such_hold() {
    let (mut ledger, _) = held();
    let Operation::CaptureHold(mut other) = capture(PAYER, SHOP, "room 12", 1, false) else { panic!("a capture") };
    other.asset = asset("USD");
    let result = ledger.run(vec![Operation::CaptureHold(other)], &["acleda"]);
    assert_eq!(result, rejected(RejectionCode::HoldNotFound));
    assert_eq!(ledger.held(PAYER, "KHR"), 1_000);
}

#[test]
fn what_is_left_goes_back_at_its_time_with_a_receipt_of_the_block() {
    let (mut ledger, end) = held();
    ledger.run(vec![capture(PAYER, SHOP, "room 12", 300, false)], &["acleda"]);
    assert!(ledger.wait_until(end - 1).receipts.is_empty());
    assert_eq!(ledger.held(PAYER, "KHR"), 700);

    let executed = ledger.wait_until(end);
    let [receipt] = executed.receipts.as_slice() else { panic!("one receipt") };
    assert_eq!(receipt.transaction, Receipt::block_id(&ledger.chain, executed.height));
    assert_eq!(executed.positions, [None]);
    let TransactionResult::Executed(results) = &receipt.result else { panic!("executed") };
    let [OperationResult::Ended { id: ended, balances }] = results.as_slice() else { panic!("one ended") };
    assert_eq!(*ended, TimedKind::Hold.id(&id(PAYER), &reference("room 12")));
    assert_eq!(balances.as_slice(), [balance_after(&ledger, PAYER)]);
    assert_eq!((ledger.available(PAYER, "KHR"), ledger.held(PAYER, "KHR")), (999_700, 0));
    let [entry] = executed.history.as_slice() else { panic!("the payer's history names it") };
    assert_eq!((entry.account, entry.height, entry.index), (id(PAYER), executed.height, 0));
    assert!(ledger.wait_until(end + 1).receipts.is_empty(), "it ends once");
}

fn balance_after(ledger: &Ledger, name: &str) -> BalanceAfter {
    let Balance { asset, available, held, .. } = ledger.account(name).unwrap().balance(asset("KHR"));
    BalanceAfter { account: id(name), asset, available, held }
}

#[test]
fn endings_come_before_the_transactions_of_their_block() {
    let (mut ledger, end) = held();
    let all = 1_000_000;
    let body = ledger.body(vec![transfer(PAYER, SHOP, all)]);
    let body = TransactionBody { not_after_ms: end + 1, ..body };
    let pay = ledger.sign(&body, &["aba"]);
    ledger.now_ms = end;
    let executed = ledger.execute_now(vec![pay]);
    assert_eq!(executed.positions, [None, Some(0)]);
    assert_eq!(executed.receipts[1].applied(), 1, "the money that came back is spent in the same block");
    assert_eq!(ledger.available(PAYER, "KHR"), 0);
}

#[test]
fn an_atomic_transaction_that_fails_later_leaves_no_trace_of_its_hold() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let before = ledger.state.clone();
    let result = ledger
        .run(vec![hold(PAYER, SHOP, 1_000, "x", end), capture(PAYER, SHOP, "x", 1_001, false)], &["aba", "acleda"]);
    assert_eq!(result, TransactionResult::Rejected { code: RejectionCode::HoldExceeded, operation: Some(1) });
    let accounts = |state: &MemoryState| {
        state.iter().filter(|(key, _)| matches!(key, StateKey::Account(_) | StateKey::Timed(_))).collect::<Vec<_>>()
    };
    assert_eq!(accounts(&before), accounts(&ledger.state));
}

#[test]
fn a_hold_can_be_made_and_captured_in_one_transaction() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let result =
        ledger.run(vec![hold(PAYER, SHOP, 1_000, "x", end), capture(PAYER, SHOP, "x", 400, true)], &["aba", "acleda"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    assert_eq!((ledger.available(PAYER, "KHR"), ledger.held(PAYER, "KHR")), (999_600, 0));
    assert_eq!(ledger.timed(), Vec::new());
}

#[test]
fn a_reference_names_one_hold_even_when_it_is_free_again() {
    let mut ledger = Ledger::new();
    let far = ledger.now_ms + TIMED_LIFE_MAX_MS;
    let place = |ledger: &mut Ledger, minor| ledger.run(vec![hold(PAYER, SHOP, minor, "x", far)], &["aba"]);
    place(&mut ledger, 1_000);
    assert!(matches!(place(&mut ledger, 1_000), TransactionResult::Executed(results)
        if matches!(results.as_slice(), [OperationResult::Repeated(_)])));
    assert_eq!(place(&mut ledger, 1_001), rejected(RejectionCode::DuplicateReference));
    ledger.now_ms += REFERENCE_LIFE_MS + 2 * HOUR_MS;
    assert_eq!(place(&mut ledger, 1_000), rejected(RejectionCode::DuplicateReference));
    assert_eq!(ledger.held(PAYER, "KHR"), 1_000);
}

#[test]
fn its_end_lies_ahead_and_not_too_far() {
    let mut ledger = Ledger::new();
    let block = ledger.now_ms + 1;
    for end in [0, block - 1, block, block + 4 + TIMED_LIFE_MAX_MS] {
        let result = ledger.run(vec![hold(PAYER, SHOP, 1, "x", end)], &["aba"]);
        assert_eq!(result, rejected(RejectionCode::DeadlineInvalid), "{end}");
    }
}

#[test]
fn more_endings_than_a_block_takes_are_over_meanwhile_and_end_in_the_next() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS / 2;
    let count = ENDINGS_PER_BLOCK_MAX + 1;
    let holds = (0..count).map(|number| hold(PAYER, SHOP, 1, &format!("h{number}"), end)).collect();
    assert!(matches!(ledger.run(holds, &["aba"]), TransactionResult::Executed(_)));
    assert_eq!(ledger.held(PAYER, "KHR"), u64::try_from(count).unwrap());

    ledger.executor = ledger.reopened();
    let first = ledger.wait_until(end);
    assert_eq!(first.receipts[0].result, executed_endings(&first, ENDINGS_PER_BLOCK_MAX));
    let [left] = ledger.timed().try_into().unwrap();
    let Timed { reference: name, .. } = left;
    let body = ledger.body(vec![capture(PAYER, SHOP, name.as_str(), 1, false)]);
    let late = ledger.sign(&body, &["acleda"]);
    // The next block ends the last one before it executes the capture.
    let second = ledger.execute(vec![late]);
    assert_eq!(second.receipts[0].result, executed_endings(&second, 1));
    assert_eq!(second.receipts[1].result, rejected(RejectionCode::HoldNotFound));
    assert_eq!((ledger.available(PAYER, "KHR"), ledger.held(PAYER, "KHR")), (1_000_000, 0));
}

/// The result of the block's own receipt, after checking that it tells of `count` endings.
fn executed_endings(executed: &Executed, count: usize) -> TransactionResult {
    let result = executed.receipts[0].result.clone();
    let TransactionResult::Executed(results) = &result else { panic!("executed") };
    assert_eq!(results.len(), count);
    assert!(results.iter().all(|result| matches!(result, OperationResult::Ended { .. })));
    result
}

#[test]
fn a_hold_that_is_over_but_not_ended_yet_cannot_be_captured() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS / 2;
    let count = ENDINGS_PER_BLOCK_MAX + 1;
    let holds = (0..count).map(|number| hold(PAYER, SHOP, 1, &format!("h{number}"), end)).collect();
    ledger.run(holds, &["aba"]);
    ledger.now_ms = end;
    // All are tried in the block that ends all but one of them.
    let captures = (0..count).map(|number| capture(PAYER, SHOP, &format!("h{number}"), 1, false)).collect();
    let body = TransactionBody { independent: true, ..ledger.body(captures) };
    let late = ledger.sign(&body, &["acleda"]);
    let executed = ledger.execute_now(vec![late]);
    let TransactionResult::Executed(results) = &executed.receipts[1].result else { panic!("executed") };
    let of = |code| results.iter().filter(|result| **result == OperationResult::Rejected(code)).count();
    assert_eq!(of(RejectionCode::HoldExpired), 1);
    assert_eq!(of(RejectionCode::HoldNotFound), ENDINGS_PER_BLOCK_MAX);
}

#[test]
fn holds_of_one_participant_are_bounded_and_do_not_fill_the_place_of_others() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS / 2;
    let mut made = 0;
    while made < TIMED_PER_PARTICIPANT_MAX {
        let count = MAX_OPERATIONS.min(TIMED_PER_PARTICIPANT_MAX - made);
        let holds = (made..made + count).map(|number| hold(PAYER, SHOP, 1, &format!("h{number}"), end)).collect();
        assert!(matches!(ledger.run(holds, &["aba"]), TransactionResult::Executed(_)));
        made += count;
    }
    let one_more = |ledger: &mut Ledger| ledger.run(vec![hold(PAYER, SHOP, 1, "more", end)], &["aba"]);
    assert_eq!(one_more(&mut ledger), rejected(RejectionCode::TimedFull));
    let other = ledger.run(vec![hold(SHOP, PAYER, 1, "mine", end)], &["acleda"]);
    assert!(matches!(other, TransactionResult::Executed(_)));
    ledger.run(vec![release(PAYER, SHOP, "h7")], &["acleda"]);
    assert!(matches!(one_more(&mut ledger), TransactionResult::Executed(_)), "an ended one makes room");
    assert_eq!(one_more(&mut ledger), TransactionResult::Executed(vec![repeated(&ledger)]));
}

fn repeated(ledger: &Ledger) -> OperationResult {
    let last = ledger.receipts.len() - 2;
    let receipt = &ledger.receipts[last][0];
    OperationResult::Repeated(ReceiptLocation {
        transaction: receipt.transaction,
        height: receipt.height,
        index: 0,
        operation: 0,
    })
}

#[test]
fn a_hold_that_is_over_and_another_than_was_meant_is_not_found() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS / 2;
    let count = ENDINGS_PER_BLOCK_MAX + 1;
    let holds = (0..count).map(|number| hold(PAYER, SHOP, 1, &format!("h{number}"), end)).collect();
    ledger.run(holds, &["aba"]);
    ledger.now_ms = end;
    let of_dollars = |operation| match operation {
        Operation::CaptureHold(capture) => {
            Operation::CaptureHold(Box::new(CaptureHold { asset: asset("USD"), ..*capture }))
        }
        other => panic!("{other:?} is no capture"),
    };
    // One of them is over and has not ended (81); it is of another asset (80), like all others.
    let captures = (0..count).map(|number| of_dollars(capture(PAYER, SHOP, &format!("h{number}"), 1, false))).collect();
    let body = TransactionBody { independent: true, ..ledger.body(captures) };
    let late = ledger.sign(&body, &["acleda"]);
    let executed = ledger.execute_now(vec![late]);
    let TransactionResult::Executed(results) = &executed.receipts[1].result else { panic!("executed") };
    assert!(results.iter().all(|result| *result == OperationResult::Rejected(RejectionCode::HoldNotFound)));
}
