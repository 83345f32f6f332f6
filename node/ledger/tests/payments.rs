//! The ways to pay besides a transfer: to a bank's own customer, back, on request, under a mandate, in exchange.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use tonle_ledger::*;

const ALICE: &str = "alice@aba";
const BOB: &str = "bob@acleda";
/// Opening balances of both, and Alice's of dollars.
const KHR: u64 = 1_000_000;
const USD: u64 = 10_000;

fn balance(ledger: &Ledger, name: &str, code: &str) -> (u64, u64) {
    (ledger.available(name, code), ledger.held(name, code))
}

/// Runs operations that both sign, all of which must apply.
fn both(ledger: &mut Ledger, operations: Vec<Operation>) {
    let result = ledger.run(operations, &["aba", "acleda"]);
    assert!(matches!(result, TransactionResult::Executed(_)), "{result:?}");
}

fn stages(ledger: &Ledger) -> Vec<Stage> {
    let timed = ledger.timed().into_iter();
    let stages = timed.filter_map(|timed| match timed.content {
        TimedContent::BankTransfer(transfer) => Some(transfer.stage),
        _ => None,
    });
    stages.collect()
}

#[test]
fn a_transfer_to_a_bank_waits_until_the_bank_acknowledges() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    ledger.run(vec![send_to_bank(ALICE, BOB, 700, "t", end)], &["aba"]);
    assert_eq!((balance(&ledger, ALICE, "KHR"), stages(&ledger)), ((KHR - 700, 700), vec![Stage::Received]));
    for signer in ["aba", "canadia"] {
        let result = ledger.run(vec![track(ALICE, BOB, "t", Progress::Acknowledged)], &[signer]);
        assert_eq!(result, rejected(RejectionCode::NotAuthorized), "only the bank says so");
    }
    ledger.run(vec![track(ALICE, BOB, "t", Progress::Received)], &["acleda"]);
    assert_eq!((balance(&ledger, BOB, "KHR"), stages(&ledger)), ((KHR, 0), vec![Stage::AtBank]));
    ledger.run(vec![track(ALICE, BOB, "t", Progress::Acknowledged)], &["acleda"]);
    assert_eq!((balance(&ledger, ALICE, "KHR"), balance(&ledger, BOB, "KHR")), ((KHR - 700, 0), (KHR + 700, 0)));
    let again = ledger.run(vec![track(ALICE, BOB, "t", Progress::Acknowledged)], &["acleda"]);
    assert_eq!(again, rejected(RejectionCode::TransferNotFound));
}

#[test]
fn a_transfer_that_the_bank_refuses_or_forgets_goes_back() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let send = |name: &str| send_to_bank(ALICE, BOB, 700, name, end);
    ledger.run(vec![send("refused"), send("forgotten")], &["aba"]);
    let refuse = Operation::TrackTransfer(Box::new(TrackTransfer {
        from: id(ALICE),
        to: id(BOB),
        transfer_ref: reference("refused"),
        progress: Progress::Refused,
        reason: Some(Text::new("AC04").unwrap()),
    }));
    assert_eq!(applied(&ledger.run(vec![refuse], &["acleda"])).len(), 1);
    assert_eq!(balance(&ledger, ALICE, "KHR"), (KHR - 700, 700));
    ledger.wait_until(end);
    assert_eq!((balance(&ledger, ALICE, "KHR"), ledger.timed()), ((KHR, 0), Vec::new()));
}

/// After a transfer of 1,000 under the reference `paid`.
fn paid() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.run(vec![with_ref(transfer(ALICE, BOB, 1_000), "paid")], &["aba"]);
    ledger
}

fn give(ledger: &mut Ledger, of: Return) -> TransactionResult {
    ledger.run(vec![Operation::Return(Box::new(of))], &["acleda", "aba", "canadia"])
}

#[test]
fn a_payment_goes_back_in_parts_and_never_more_than_it_was() {
    let mut ledger = paid();
    assert_eq!(applied(&give(&mut ledger, give_back(BOB, ALICE, 600, "paid", 1_000))).len(), 2);
    let more = give(&mut ledger, give_back(BOB, ALICE, 401, "paid", 1_000));
    assert_eq!(more, rejected(RejectionCode::ReturnExceedsOriginal));
    ledger.executor = ledger.reopened();
    applied(&give(&mut ledger, give_back(BOB, ALICE, 400, "paid", 1_000)));
    let more = give(&mut ledger, give_back(BOB, ALICE, 1, "paid", 1_000));
    assert_eq!(more, rejected(RejectionCode::ReturnExceedsOriginal));
    assert_eq!((ledger.available(ALICE, "KHR"), ledger.available(BOB, "KHR")), (KHR, KHR));
}

#[test]
fn a_return_goes_back_to_what_was_paid_and_to_nothing_else() {
    let right = || give_back(BOB, ALICE, 1, "paid", 1_000);
    let cases: [(&str, Return); 9] = [
        ("another reference", Return { original_ref: reference("other"), ..right() }),
        ("another amount", Return { original_amount: amount(2_000), ..right() }),
        ("another payer", Return { to: id("sok@canadia"), ..right() }),
        ("another payee", Return { from: id("noin@aba"), ..right() }),
        ("another asset", Return { asset: asset("USD"), ..right() }),
        ("another purpose", Return { original_purpose: Some(Text::new("SALA").unwrap()), ..right() }),
        ("another external reference", Return { original_external_ref: Some(reference("e")), ..right() }),
        ("another kind", Return { original_kind: PaymentKind::Collection, ..right() }),
        (
            "another kind, with a request",
            Return { original_kind: PaymentKind::Request, original_agreement_ref: Some(reference("r")), ..right() },
        ),
    ];
    for (what, of) in cases {
        assert_eq!(give(&mut paid(), of), rejected(RejectionCode::OriginalNotFound), "{what}");
    }
    applied(&give(&mut paid(), right()));
}

#[test]
fn a_return_for_another_reason_is_another_return() {
    let mut ledger = paid();
    let text = |text| Some(Text::new(text).unwrap());
    let of =
        |reason| Return { instruction_ref: Some(reference("back")), reason, ..give_back(BOB, ALICE, 1, "paid", 1_000) };
    applied(&give(&mut ledger, of(text("AC04"))));
    let TransactionResult::Executed(again) = give(&mut ledger, of(text("AC04"))) else {
        panic!("the same instruction")
    };
    assert!(matches!(again[..], [OperationResult::Repeated(_)]), "{again:?}");
    assert_eq!(give(&mut ledger, of(text("AM05"))), rejected(RejectionCode::DuplicateReference));
    let other = Return { original_amount: amount(2_000), ..of(text("AC04")) };
    assert_eq!(give(&mut ledger, other), rejected(RejectionCode::DuplicateReference));
}

#[test]
fn what_was_returned_is_kept_as_long_as_its_payment_is_known() {
    let mut ledger = paid();
    applied(&give(&mut ledger, give_back(BOB, ALICE, 1, "paid", 1_000)));
    let [kept] = ledger.timed().try_into().unwrap();
    let Timed { ends_ms: end, .. } = kept;
    assert!((0..=HOUR_MS).contains(&(end - START_MS - REFERENCE_LIFE_MS)));
    ledger.wait_until(end - 1);
    let body = ledger.body(vec![Operation::Return(Box::new(give_back(BOB, ALICE, 1_000, "paid", 1_000)))]);
    let late = ledger.sign(&body, &["acleda"]);
    let executed = ledger.execute(vec![late]);
    assert_eq!(executed.receipts[1].result, rejected(RejectionCode::OriginalNotFound), "this block is at the end");
    assert_eq!(ledger.timed(), Vec::new());
}

#[test]
fn payments_on_request_and_under_a_mandate_go_back_too() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let with_own = |operation: Operation, name: &str| match operation {
        Operation::AcceptRequest(mut accept) => {
            accept.instruction_ref = Some(reference(name));
            Operation::AcceptRequest(accept)
        }
        Operation::Collect(mut collect) => {
            collect.instruction_ref = Some(reference(name));
            Operation::Collect(collect)
        }
        other => other,
    };
    both(
        &mut ledger,
        vec![
            ask(ALICE, BOB, 50, "bill", end),
            with_own(accept(ALICE, BOB, 50, "bill"), "a"),
            grant(ALICE, BOB, 100, Period::Day, "gym", end),
            with_own(collect(ALICE, BOB, 70, "gym"), "c"),
        ],
    );
    let of = |kind, name: &str, minor, agreement: &str| Return {
        original_kind: kind,
        original_agreement_ref: Some(reference(agreement)),
        ..give_back(BOB, ALICE, minor, name, minor)
    };
    for of in [of(PaymentKind::Request, "a", 50, "bill"), of(PaymentKind::Collection, "c", 70, "gym")] {
        applied(&give(&mut ledger, of.clone()));
        assert_eq!(give(&mut ledger, of), rejected(RejectionCode::ReturnExceedsOriginal));
    }
    assert_eq!((ledger.available(ALICE, "KHR"), ledger.available(BOB, "KHR")), (KHR, KHR));
}

#[test]
fn a_request_is_paid_once_as_it_was_made() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let alone = ledger.run(vec![ask(ALICE, BOB, 50, "bill", end)], &["aba"]);
    assert_eq!(alone, rejected(RejectionCode::NotAuthorized), "the payee asks");
    ledger.run(vec![ask(ALICE, BOB, 50, "bill", end)], &["acleda"]);
    let pay = |ledger: &mut Ledger, minor, signer| ledger.run(vec![accept(ALICE, BOB, minor, "bill")], &[signer]);
    assert_eq!(pay(&mut ledger, 50, "acleda"), rejected(RejectionCode::NotAuthorized), "the payer pays");
    assert_eq!(pay(&mut ledger, 51, "aba"), rejected(RejectionCode::RequestMismatch));
    assert_eq!(applied(&pay(&mut ledger, 50, "aba")).len(), 2);
    assert_eq!(pay(&mut ledger, 50, "aba"), rejected(RejectionCode::RequestNotFound));
    assert_eq!((ledger.available(ALICE, "KHR"), ledger.available(BOB, "KHR")), (KHR - 50, KHR + 50));
}

#[test]
fn a_request_ends_when_it_is_declined_or_cancelled_or_its_time_is_over() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let asked = ["declined", "cancelled", "forgotten"].map(|name| ask(ALICE, BOB, 50, name, end));
    ledger.run(asked.to_vec(), &["acleda"]);
    let refused = ledger.run(vec![decline(ALICE, BOB, "declined")], &["acleda"]);
    assert_eq!(refused, rejected(RejectionCode::NotAuthorized));
    ledger.run(vec![decline(ALICE, BOB, "declined")], &["aba"]);
    let refused = ledger.run(vec![cancel(ALICE, BOB, "cancelled")], &["aba"]);
    assert_eq!(refused, rejected(RejectionCode::NotAuthorized));
    ledger.run(vec![cancel(ALICE, BOB, "cancelled")], &["acleda"]);
    let [left] = ledger.timed().try_into().unwrap();
    assert_eq!(Timed::kind(&left), TimedKind::Request);
    let executed = ledger.wait_until(end);
    let TransactionResult::Executed(results) = &executed.receipts[0].result else { panic!("executed") };
    assert!(matches!(results.as_slice(), [OperationResult::Ended { balances, .. }] if balances.is_empty()));
    assert_eq!((ledger.timed(), executed.history), (Vec::new(), Vec::new()));
}

#[test]
fn a_mandate_is_collected_up_to_its_cap_in_each_period() {
    let mut ledger = Ledger::new();
    let day = 24 * HOUR_MS;
    let end = ledger.now_ms + 3 * day;
    ledger.run(vec![grant(ALICE, BOB, 100, Period::Day, "gym", end)], &["aba"]);
    let granted = ledger.now_ms;
    let get = |ledger: &mut Ledger, minor| ledger.run(vec![collect(ALICE, BOB, minor, "gym")], &["acleda"]);
    applied(&get(&mut ledger, 60));
    assert_eq!(get(&mut ledger, 41), rejected(RejectionCode::MandateExceeded));
    applied(&get(&mut ledger, 40));
    ledger.now_ms = granted + day - 2;
    assert_eq!(get(&mut ledger, 1), rejected(RejectionCode::MandateExceeded), "the last millisecond of the day");
    applied(&get(&mut ledger, 100));
    assert_eq!(get(&mut ledger, 1), rejected(RejectionCode::MandateExceeded), "the second day's cap is used up");
    ledger.now_ms = end - 2;
    applied(&get(&mut ledger, 1));
    assert_eq!(get(&mut ledger, 1), rejected(RejectionCode::MandateExpired));
    assert_eq!(ledger.available(BOB, "KHR"), KHR + 201);
}

#[test]
fn a_mandate_is_for_one_payee_and_one_asset_until_it_is_taken_back() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    ledger.run(vec![grant(ALICE, BOB, 100, Period::Month, "gym", end)], &["aba"]);
    let other = ledger.run(vec![collect(ALICE, "sok@canadia", 1, "gym")], &["canadia"]);
    assert_eq!(other, rejected(RejectionCode::MandateNotFound));
    let Operation::Collect(mut dollars) = collect(ALICE, BOB, 1, "gym") else { panic!("a collection") };
    dollars.asset = asset("USD");
    let dollars = ledger.run(vec![Operation::Collect(dollars)], &["acleda"]);
    assert_eq!(dollars, rejected(RejectionCode::MandateNotFound));
    let by_payer = ledger.run(vec![collect(ALICE, BOB, 1, "gym")], &["aba"]);
    assert_eq!(by_payer, rejected(RejectionCode::NotAuthorized), "the payee collects");
    let by_payee = ledger.run(vec![revoke(ALICE, BOB, "gym")], &["acleda"]);
    assert_eq!(by_payee, rejected(RejectionCode::NotAuthorized), "the payer takes it back");
    ledger.run(vec![revoke(ALICE, BOB, "gym")], &["aba"]);
    let after = ledger.run(vec![collect(ALICE, BOB, 1, "gym")], &["acleda"]);
    assert_eq!(after, rejected(RejectionCode::MandateNotFound));
}

#[test]
fn a_reference_names_one_mandate_even_when_it_is_free_again() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + 2 * REFERENCE_LIFE_MS;
    let mut again = |cap| ledger.run(vec![grant(ALICE, BOB, cap, Period::Day, "gym", end)], &["aba"]);
    applied(&again(100));
    assert!(matches!(again(100), TransactionResult::Executed(results)
        if matches!(results.as_slice(), [OperationResult::Repeated(_)])));
    ledger.now_ms += REFERENCE_LIFE_MS + 2 * HOUR_MS;
    let mut again = |cap| ledger.run(vec![grant(ALICE, BOB, cap, Period::Day, "gym", end)], &["aba"]);
    assert_eq!(again(100), rejected(RejectionCode::DuplicateReference));
}

#[test]
fn mandates_that_are_over_make_room() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let all = (0..MANDATES_MAX).map(|number| grant(ALICE, BOB, 1, Period::Day, &format!("m{number}"), end));
    ledger.run(all.collect(), &["aba"]);
    assert_eq!(ledger.account(ALICE).unwrap().mandates.len(), MANDATES_MAX);
    ledger.now_ms = end;
    ledger.run(vec![grant(ALICE, BOB, 1, Period::Day, "one", end + HOUR_MS)], &["aba"]);
    assert_eq!(ledger.account(ALICE).unwrap().mandates.len(), 1);
}

#[test]
fn an_exchange_moves_both_sides_or_none() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    // Bob sells riel for Alice's dollars.
    ledger.run(vec![quote(BOB, None, 410_000, 100, "q", end)], &["acleda"]);
    assert_eq!(balance(&ledger, BOB, "KHR"), (KHR - 410_000, 410_000));
    let taken = |ledger: &mut Ledger, sold, bought| ledger.run(vec![take(BOB, ALICE, sold, bought, "q")], &["aba"]);
    assert_eq!(taken(&mut ledger, 410_000, 99), rejected(RejectionCode::QuoteMismatch));
    assert_eq!(taken(&mut ledger, 410_001, 100), rejected(RejectionCode::QuoteMismatch));
    let result = taken(&mut ledger, 410_000, 100);
    assert_eq!(applied(&result).len(), 4);
    assert_eq!((balance(&ledger, BOB, "KHR"), ledger.available(BOB, "USD")), ((KHR - 410_000, 0), 100));
    assert_eq!((ledger.available(ALICE, "KHR"), ledger.available(ALICE, "USD")), (KHR + 410_000, USD - 100));
    assert_eq!(taken(&mut ledger, 410_000, 100), rejected(RejectionCode::QuoteNotFound), "a quote is taken once");
}

#[test]
fn a_taker_without_cover_leaves_the_quote_as_it_was() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    ledger.run(vec![quote(BOB, None, 10, USD + 1, "q", end)], &["acleda"]);
    let result = ledger.run(vec![take(BOB, ALICE, 10, USD + 1, "q")], &["aba"]);
    assert_eq!(result, rejected(RejectionCode::InsufficientFunds));
    assert_eq!((balance(&ledger, BOB, "KHR"), ledger.timed().len()), ((KHR - 10, 10), 1));
    ledger.wait_until(end);
    assert_eq!((balance(&ledger, BOB, "KHR"), ledger.timed().len()), ((KHR, 0), 0));
}

#[test]
fn a_quote_for_one_taker_is_nobody_elses() {
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    ledger.run(vec![quote(BOB, Some("dara@wing"), 10, 1, "q", end)], &["acleda"]);
    let other = ledger.run(vec![take(BOB, ALICE, 10, 1, "q")], &["aba"]);
    assert_eq!(other, rejected(RejectionCode::QuoteNotFound));
}

#[test]
fn of_an_exchange_that_neither_side_can_make_the_lowest_code_is_told() {
    // The maker cannot give, for its account is frozen (45); the taker's bank cannot pay (41).
    let result = Ledger::new().run(vec![take("noout@aba", "in@takes", 10, 1, "q")], &["takes"]);
    assert_eq!(result, rejected(RejectionCode::ParticipantSuspended));
}

#[test]
fn what_is_no_exchange_is_told_after_who_and_when() {
    let same = |taker, expires_ms| {
        let Operation::OfferQuote(quote) = quote(BOB, taker, 10, 1, "q", expires_ms) else { panic!("a quote") };
        Operation::OfferQuote(Box::new(OfferQuote { bought: quote.sold, ..*quote }))
    };
    let mut ledger = Ledger::new();
    let end = ledger.now_ms + HOUR_MS;
    let cases = [
        (same(Some(BOB), end), RejectionCode::SameAccount),
        (same(None, START_MS), RejectionCode::DeadlineInvalid),
        (same(None, end), RejectionCode::SameAsset),
    ];
    for (offer, code) in cases {
        assert_eq!(ledger.run(vec![offer], &["acleda"]), rejected(code), "{code:?}");
    }
    let Operation::TakeQuote(taken) = take(BOB, BOB, 10, 1, "q") else { panic!("a taking") };
    let taken = TakeQuote { bought: taken.sold, ..*taken };
    let result = ledger.run(vec![Operation::TakeQuote(Box::new(taken))], &["acleda"]);
    assert_eq!(result, rejected(RejectionCode::SameAccount));
}

#[test]
fn an_atomic_transaction_that_fails_later_leaves_no_trace() {
    let end = START_MS + HOUR_MS;
    let too_much = || transfer(ALICE, BOB, 2_000_000);
    let cases: Vec<Vec<Operation>> = vec![
        vec![send_to_bank(ALICE, BOB, 1, "n", end), track(ALICE, BOB, "n", Progress::Received)],
        vec![send_to_bank(ALICE, BOB, 1, "n", end), track(ALICE, BOB, "n", Progress::Acknowledged)],
        vec![Operation::Return(Box::new(give_back(BOB, ALICE, 1, "paid", 1_000)))],
        vec![ask(ALICE, BOB, 1, "n", end), accept(ALICE, BOB, 1, "n")],
        vec![ask(ALICE, BOB, 1, "n", end), decline(ALICE, BOB, "n")],
        vec![grant(ALICE, BOB, 9, Period::Day, "n", end), collect(ALICE, BOB, 1, "n"), revoke(ALICE, BOB, "n")],
        vec![quote(BOB, None, 1, 1, "n", end), take(BOB, ALICE, 1, 1, "n")],
    ];
    for mut operations in cases {
        let mut ledger = paid();
        let kept = |state: &MemoryState| {
            let lasting = |key: &StateKey| matches!(key, StateKey::Account(_) | StateKey::Timed(_));
            state.iter().filter(|(key, _)| lasting(key)).collect::<Vec<_>>()
        };
        let before = kept(&ledger.state);
        both(&mut paid(), operations.clone());
        operations.push(too_much());
        let last = u32::try_from(operations.len() - 1).unwrap();
        let result = ledger.run(operations, &["aba", "acleda"]);
        let expected = TransactionResult::Rejected { code: RejectionCode::InsufficientFunds, operation: Some(last) };
        assert_eq!(result, expected);
        assert_eq!(kept(&ledger.state), before);
    }
}

#[test]
fn what_was_returned_of_an_older_payment_does_not_count_against_a_newer_one() {
    let mut ledger = Ledger::new();
    let paid = || vec![with_ref(transfer(ALICE, BOB, 1_000), "paid")];
    let back = || vec![Operation::Return(Box::new(give_back(BOB, ALICE, 1_000, "paid", 1_000)))];
    applied(&ledger.run(paid(), &["aba"]));
    applied(&ledger.run(back(), &["acleda"]));
    let over = ledger.timed().first().unwrap().ends_ms;
    // More ends at once, and sooner, than one block ends.
    let many = (0..5_000).map(|number| ask(ALICE, BOB, 1, &format!("r{number}"), over - 1)).collect();
    ledger.run(many, &["acleda"]);
    ledger.now_ms = over;
    let body = ledger.body(paid());
    let pay = ledger.sign(&body, &["aba"]);
    let body = ledger.body(back());
    let give_back = ledger.sign(&body, &["acleda"]);
    let executed = ledger.execute_now(vec![pay, give_back]);
    assert!(ledger.timed().iter().any(|timed| timed.kind() == TimedKind::Request), "some are over and stand");
    for receipt in &executed.receipts[1..] {
        assert_eq!(receipt.applied(), 1, "{receipt:?}");
    }
}
