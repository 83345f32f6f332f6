//! Paying by KHQR codes: what a code asks for is what is paid, and a dynamic code is paid once.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::collections::BTreeMap;

use fixture::*;
use proptest::prelude::*;
use tonle_crypto::Canonical;
use tonle_khqr::Md5;
use tonle_ledger::*;

const ALICE: &str = "alice@aba";
const BOB: &str = "bob@acleda";
const DARA: &str = "dara@wing";
/// Opening balances of all three.
const KHR: u64 = 1_000_000;
const DAY_MS: u64 = 24 * HOUR_MS;

/// For Bob: 40 riel once, within an hour of the beginning.
fn bill() -> String {
    code(BOB, "KHR", Some("40"), START_MS + HOUR_MS, "INV-1")
}

/// The keys of what the state keeps of paid codes.
fn kept(ledger: &Ledger) -> Vec<StateKey> {
    let keys = ledger.state.iter().map(|(key, _)| key);
    keys.filter(|key| matches!(key, StateKey::Code { .. } | StateKey::CodeBucket(_))).collect()
}

#[test]
fn a_static_code_is_paid_any_number_of_times_with_any_amount() {
    let mut ledger = Ledger::new();
    let payload = code(BOB, "KHR", None, 0, "INV-1");
    for minor in [1, 250, 250] {
        let executed = {
            let body = ledger.body(vec![pay_bob(&payload, ALICE, minor)]);
            let transaction = ledger.sign(&body, &["aba"]);
            ledger.execute(vec![transaction])
        };
        let balances = applied(&executed.receipts[0].result);
        assert_eq!(balances.iter().map(|balance| balance.account).collect::<Vec<_>>(), [id(ALICE), id(BOB)]);
        let [paid] = executed.khqr.as_slice() else { panic!("one payment: {:?}", executed.khqr) };
        assert_eq!((paid.md5(), paid.time_ms, paid.payment.amount), (Md5::of(&payload), ledger.now_ms, amount(minor)));
        assert_eq!((paid.location.height, paid.location.index), (executed.height, 0));
        assert_eq!(KhqrPayment::decode(&paid.encode()).unwrap(), *paid);
    }
    assert_eq!((ledger.available(ALICE, "KHR"), ledger.available(BOB, "KHR")), (KHR - 501, KHR + 501));
    assert_eq!(kept(&ledger), [], "static codes leave nothing in the state");
}

#[test]
fn a_printed_code_with_an_amount_is_paid_any_number_of_times_with_that_amount() {
    let mut ledger = Ledger::new();
    let printed = altered(&bill(), "010212", "010211");
    for _ in 0..2 {
        assert_eq!(applied(&ledger.run(vec![pay_bob(&printed, ALICE, 4_000)], &["aba"])).len(), 2);
    }
    let more = ledger.run(vec![pay_bob(&printed, ALICE, 4_001)], &["aba"]);
    assert_eq!(more, rejected(RejectionCode::KhqrAmountDiffers));
    ledger.now_ms = START_MS + 400 * DAY_MS;
    assert_eq!(applied(&ledger.run(vec![pay_bob(&printed, ALICE, 4_000)], &["aba"])).len(), 2, "it never expires");
}

#[test]
fn dollars_and_cents_are_exact() {
    let mut ledger = Ledger::new();
    for (text, minor) in [("1.5", 150), ("0.01", 1), ("3", 300)] {
        let payload = code(BOB, "USD", Some(text), START_MS + HOUR_MS, text);
        let pay = |minor| Operation::PayKhqr(Box::new(pay_khqr(&payload, ALICE, BOB, "USD", minor)));
        for other in [minor - 1, minor + 1, minor * 100] {
            let code = if other == 0 { RejectionCode::AmountZero } else { RejectionCode::KhqrAmountDiffers };
            assert_eq!(ledger.run(vec![pay(other)], &["aba"]), rejected(code), "{text}: {other}");
        }
        applied(&ledger.run(vec![pay(minor)], &["aba"]));
    }
    assert_eq!(ledger.available(BOB, "USD"), 451);
}

#[test]
fn a_dynamic_code_is_paid_once_by_whoever_is_first() {
    let mut ledger = Ledger::new();
    let by = |ledger: &mut Ledger, from, signers: &[&str]| {
        let body = ledger.body(vec![pay_bob(&bill(), from, 4_000)]);
        ledger.sign(&body, signers)
    };
    let race = vec![by(&mut ledger, DARA, &["wing", "wing-2"]), by(&mut ledger, ALICE, &["aba"])];
    let executed = ledger.execute(race);
    assert_eq!(applied(&executed.receipts[0].result).len(), 2);
    assert_eq!(executed.receipts[1].result, rejected(RejectionCode::KhqrPaid), "in the same block");
    assert_eq!(executed.khqr.len(), 1);
    let later = by(&mut ledger, ALICE, &["aba"]);
    assert_eq!(ledger.execute(vec![later]).receipts[0].result, rejected(RejectionCode::KhqrPaid), "in a later one");
    ledger.executor = ledger.reopened();
    let reopened = by(&mut ledger, ALICE, &["aba"]);
    let receipts = ledger.execute(vec![reopened]).receipts;
    assert_eq!(receipts[0].result, rejected(RejectionCode::KhqrPaid), "after a restart");
    // Twice in one transaction.
    let other = code(BOB, "KHR", Some("40"), START_MS + HOUR_MS, "INV-2");
    let twice = ledger.run(vec![pay_bob(&other, ALICE, 4_000), pay_bob(&other, ALICE, 4_000)], &["aba"]);
    assert_eq!(twice, TransactionResult::Rejected { code: RejectionCode::KhqrPaid, operation: Some(1) });
    assert_eq!(ledger.available(BOB, "KHR"), KHR + 4_000);
}

#[test]
fn an_atomic_transaction_that_fails_later_leaves_the_code_unpaid() {
    let mut ledger = Ledger::new();
    let fails = vec![pay_bob(&bill(), ALICE, 4_000), transfer(ALICE, BOB, 2 * KHR)];
    let result = ledger.run(fails.clone(), &["aba"]);
    assert_eq!(result, TransactionResult::Rejected { code: RejectionCode::InsufficientFunds, operation: Some(1) });
    assert_eq!((kept(&ledger), ledger.available(ALICE, "KHR")), (Vec::new(), KHR));
    // A failure in front of one that works, in one block.
    let failing = ledger.body(fails);
    let paying = ledger.body(vec![pay_bob(&bill(), ALICE, 4_000)]);
    let block = vec![ledger.sign(&failing, &["aba"]), ledger.sign(&paying, &["aba"])];
    let executed = ledger.execute(block);
    assert_eq!(applied(&executed.receipts[1].result).len(), 2);
    assert_eq!((executed.khqr.len(), kept(&ledger).len()), (1, 2));
}

#[test]
fn what_the_state_keeps_of_a_code_goes_when_the_code_is_over() {
    let mut ledger = Ledger::new();
    let expires_ms = START_MS + 2 * HOUR_MS + 5;
    let payload = code(BOB, "KHR", Some("40"), expires_ms, "INV-1");
    let pay = |ledger: &mut Ledger| ledger.run(vec![pay_bob(&payload, ALICE, 4_000)], &["aba"]);
    applied(&pay(&mut ledger));
    assert_eq!(kept(&ledger).len(), 2);
    ledger.now_ms = expires_ms - 1;
    assert_eq!(pay(&mut ledger), rejected(RejectionCode::KhqrPaid), "in its last millisecond");
    assert_eq!(pay(&mut ledger), rejected(RejectionCode::KhqrExpired));
    let executed = ledger.wait_until(START_MS + 3 * HOUR_MS);
    assert!(executed.changes.iter().any(|change| matches!(change, Change::DropCodes { .. })), "{:?}", executed.changes);
    assert_eq!(kept(&ledger), []);
    assert_eq!(pay(&mut ledger), rejected(RejectionCode::KhqrExpired));
    ledger.executor = ledger.reopened();
    assert_eq!(pay(&mut ledger), rejected(RejectionCode::KhqrExpired));
}

#[test]
fn a_code_is_good_for_ninety_days_at_most() {
    let mut ledger = Ledger::new();
    // The block comes a millisecond later.
    let furthest = ledger.now_ms + 1 + KHQR_LIFE_MAX_MS;
    for (expires_ms, good) in [(furthest + 1, false), (furthest, true)] {
        ledger.now_ms = START_MS;
        let payload = code(BOB, "KHR", Some("40"), expires_ms, "INV-1");
        let result = ledger.run(vec![pay_bob(&payload, ALICE, 4_000)], &["aba"]);
        assert_eq!(result == rejected(RejectionCode::KhqrExpiryTooFar), !good, "{result:?}");
        ledger = Ledger::new();
    }
}

#[test]
fn whom_a_code_pays_is_what_stands_in_it() {
    let mut ledger = Ledger::new();
    let merchant = altered(&bill(), "2914", "3014");
    let merchant = altered(&merchant, "0010bob@acleda", "0010bob@acleda0103m-10206Acleda");
    let merchant = altered(&merchant, "3014", "3031");
    applied(&ledger.run(vec![pay_bob(&merchant, ALICE, 4_000)], &["aba"]));
    // Names that are none here: other letters, another bank.
    for account in ["Bob@acleda", "bob@ACLEDA", "bob@acled", "នី@acleda"] {
        let payload = code(account, "KHR", Some("40"), START_MS + HOUR_MS, "INV-9");
        let result = ledger.run(vec![pay_bob(&payload, ALICE, 4_000)], &["aba"]);
        assert_eq!(result, rejected(RejectionCode::KhqrPayeeDiffers), "{account}");
    }
}

#[test]
fn a_payment_by_code_counts_towards_limits() {
    let mut ledger = Ledger::new();
    applied(&ledger.run(vec![set_limits("KHR", KycTier::Full, 4_500, 0)], &["nbc"]));
    applied(&ledger.run(vec![pay_bob(&bill(), ALICE, 4_000)], &["aba"]));
    let second = code(BOB, "KHR", Some("40"), START_MS + HOUR_MS, "INV-2");
    let result = ledger.run(vec![pay_bob(&second, ALICE, 4_000)], &["aba"]);
    assert_eq!(result, rejected(RejectionCode::LimitExceeded));
    assert_eq!(kept(&ledger).len(), 2, "and the second code stays unpaid");
}

#[test]
fn the_same_reference_pays_once_and_says_so() {
    let mut ledger = Ledger::new();
    let pay = with_ref(pay_bob(&bill(), ALICE, 4_000), "r");
    applied(&ledger.run(vec![pay.clone()], &["aba"]));
    let TransactionResult::Executed(again) = ledger.run(vec![pay], &["aba"]) else { panic!("repeated") };
    assert!(matches!(again.as_slice(), [OperationResult::Repeated(first)] if first.height == 1), "{again:?}");
    let other = code(BOB, "KHR", Some("40"), START_MS + HOUR_MS, "INV-2");
    let result = ledger.run(vec![with_ref(pay_bob(&other, ALICE, 4_000), "r")], &["aba"]);
    assert_eq!(result, rejected(RejectionCode::DuplicateReference), "the code is part of what was paid");
}

#[test]
fn a_payment_by_code_goes_back_and_the_code_stays_paid() {
    let mut ledger = Ledger::new();
    let mut paid = pay_khqr(&bill(), ALICE, BOB, "KHR", 4_000);
    (paid.instruction_ref, paid.external_ref) = (Some(reference("paid")), Some(reference("E2E 1")));
    applied(&ledger.run(vec![Operation::PayKhqr(Box::new(paid))], &["aba"]));
    let right = || Return {
        original_kind: PaymentKind::Khqr,
        original_external_ref: Some(reference("E2E 1")),
        original_agreement_ref: Some(reference(&khqr_id(&bill()).to_string())),
        ..give_back(BOB, ALICE, 3_000, "paid", 4_000)
    };
    let other = code(BOB, "KHR", Some("40"), START_MS + HOUR_MS, "INV-2");
    let wrong = [
        Return { original_agreement_ref: Some(reference(&khqr_id(&other).to_string())), ..right() },
        Return { original_agreement_ref: Some(reference("no digest")), ..right() },
        Return { original_agreement_ref: None, ..right() },
        Return { original_external_ref: None, ..right() },
        Return { original_kind: PaymentKind::Transfer, ..right() },
        Return { original_amount: amount(4_001), ..right() },
    ];
    let give = |ledger: &mut Ledger, of| ledger.run(vec![Operation::Return(Box::new(of))], &["acleda"]);
    for wrong in wrong {
        assert_eq!(give(&mut ledger, wrong.clone()), rejected(RejectionCode::OriginalNotFound), "{wrong:?}");
    }
    applied(&give(&mut ledger, right()));
    assert_eq!(give(&mut ledger, right()), rejected(RejectionCode::ReturnExceedsOriginal));
    assert_eq!(ledger.available(BOB, "KHR"), KHR + 1_000);
    let again = ledger.run(vec![pay_bob(&bill(), ALICE, 4_000)], &["aba"]);
    assert_eq!(again, rejected(RejectionCode::KhqrPaid));
}

#[test]
fn a_payload_that_cannot_be_a_code_is_never_ordered() {
    let mut ledger = Ledger::new();
    for payload in [String::new(), "x".repeat(KHQR_BYTES_MAX + 1)] {
        let body = ledger.body(vec![pay_bob(&payload, ALICE, 1)]);
        let refused = body.sign(&[&key("aba")]).map(|signed| SignedTransaction::from_bytes(signed.bytes()).is_ok());
        assert!(!matches!(refused, Ok(true)), "{} bytes", payload.len());
    }
    let body = ledger.body(vec![pay_bob(&"x".repeat(KHQR_BYTES_MAX), ALICE, 1)]);
    let transaction = ledger.sign(&body, &["aba"]);
    assert_eq!(ledger.execute(vec![transaction]).receipts[0].result, rejected(RejectionCode::KhqrInvalid));
}

/// A code of the property test, and what is known of it without reading it.
#[derive(Debug, Clone)]
struct Known {
    payload: String,
    price: Option<u64>,
    /// Of a dynamic one.
    expires_ms: Option<u64>,
}

/// A try to pay: which code, who, how far from the price, and whether something else in the transaction fails.
#[derive(Debug, Clone)]
struct Try {
    code: usize,
    payer: usize,
    off: u64,
    spoilt: bool,
}

fn known() -> impl Strategy<Value = Vec<Known>> {
    let one = (0u8..3, 1u64..9_000, 1u64..5 * HOUR_MS);
    proptest::collection::vec(one, 1..5).prop_map(|drawn| {
        let each = drawn.into_iter().enumerate().map(|(number, (kind, riel, life_ms))| {
            let bill = format!("INV-{number}");
            let expires_ms = START_MS + life_ms;
            let priced = code(BOB, "KHR", Some(&riel.to_string()), expires_ms, &bill);
            let price = Some(riel * 100);
            match kind {
                0 => Known { payload: code(BOB, "KHR", None, 0, &bill), price: None, expires_ms: None },
                1 => Known { payload: altered(&priced, "010212", "010211"), price, expires_ms: None },
                _ => Known { payload: priced, price, expires_ms: Some(expires_ms) },
            }
        });
        each.collect()
    })
}

fn blocks() -> impl Strategy<Value = Vec<(u64, Vec<Try>)>> {
    let one = (0usize..5, 0usize..2, prop_oneof![4 => Just(0u64), 1 => 1u64..3], prop::bool::weighted(0.2));
    let one = one.prop_map(|(code, payer, off, spoilt)| Try { code, payer, off, spoilt });
    proptest::collection::vec((1u64..2 * HOUR_MS, proptest::collection::vec(one, 0..6)), 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn racing_payers_pay_what_each_code_asks_and_dynamic_codes_once(codes in known(), blocks in blocks()) {
        const PAYERS: [(&str, &[&str]); 2] = [(ALICE, &["aba"]), (DARA, &["wing", "wing-2"])];
        let (mut ledger, mut paid) = (Ledger::new(), BTreeMap::<usize, u32>::new());
        let mut left = [KHR, KHR];
        for (wait_ms, tries) in blocks {
            ledger.now_ms += wait_ms;
            let now_ms = ledger.now_ms;
            let (mut transactions, mut expected) = (Vec::new(), Vec::new());
            for Try { code, payer, off, spoilt } in tries {
                let (number, known) = (code % codes.len(), &codes[code % codes.len()]);
                let minor = known.price.unwrap_or(77) + off;
                let (from, signers) = PAYERS[payer];
                let mut operations = vec![pay_bob(&known.payload, from, minor)];
                operations.extend(spoilt.then(|| transfer(from, BOB, 2 * KHR)));
                let body = ledger.body(operations);
                transactions.push(ledger.sign(&body, signers));
                let once = known.expires_ms.is_some();
                let refused = if off > 0 && known.price.is_some() {
                    Some(RejectionCode::KhqrAmountDiffers)
                } else if known.expires_ms.is_some_and(|expires_ms| now_ms > expires_ms) {
                    Some(RejectionCode::KhqrExpired)
                } else if once && paid.contains_key(&number) {
                    Some(RejectionCode::KhqrPaid)
                } else if left[payer] < minor {
                    Some(RejectionCode::InsufficientFunds)
                } else {
                    None
                };
                expected.push(match (refused, spoilt) {
                    (Some(code), _) => Some((code, 0)),
                    (None, true) => Some((RejectionCode::InsufficientFunds, 1)),
                    (None, false) => {
                        left[payer] -= minor;
                        *paid.entry(number).or_default() += 1;
                        None
                    }
                });
            }
            let executed = ledger.execute_now(transactions);
            let results = executed.receipts.iter().map(|receipt| match &receipt.result {
                TransactionResult::Executed(_) => None,
                TransactionResult::Rejected { code, operation } => Some((*code, operation.unwrap())),
            });
            prop_assert_eq!(results.collect::<Vec<_>>(), expected.clone());
            prop_assert_eq!(executed.khqr.len(), expected.iter().filter(|refused| refused.is_none()).count());
            ledger.executor = ledger.reopened();
        }
        prop_assert_eq!([ledger.available(ALICE, "KHR"), ledger.available(DARA, "KHR")], left);
        for (number, times) in paid {
            prop_assert!(times == 1 || codes[number].expires_ms.is_none());
        }
        prop_assert!(audit(ledger.state.iter()).is_ok());
    }
}
