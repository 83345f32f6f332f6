//! Rows of the ways to pay besides a transfer.

use super::Attempt::{self, OnBy};
use super::fixture::*;
use tonle_ledger::*;

/// In order of precedence.
pub(crate) fn rows() -> Vec<(RejectionCode, Attempt)> {
    use RejectionCode::*;
    vec![
        (HoldNotFound, OnBy(overdue, vec![capture("alice@aba", "bob@acleda", "none", 2, false)], &["acleda"])),
        (HoldExpired, OnBy(overdue, vec![capture("alice@aba", "bob@acleda", &last_overdue(), 2, false)], &["acleda"])),
        (HoldExceeded, OnBy(holding, vec![capture("alice@aba", "bob@acleda", "h0", 2, false)], &["acleda"])),
        (TransferNotFound, by("acleda", vec![track(ALICE, BOB, "none", Progress::Received)])),
        (
            TransferOver,
            OnBy(overdue_transfer, vec![track(ALICE, BOB, &last_transfer(), Progress::Received)], &["acleda"]),
        ),
        (StageReached, OnBy(agreed, vec![track(ALICE, BOB, "t", Progress::Received)], &["acleda"])),
        (OriginalNotFound, OnBy(agreed, vec![back(give_back(BOB, ALICE, 101, "paid", 99))], &["acleda"])),
        (ReturnExceedsOriginal, OnBy(agreed, vec![back(give_back(BOB, ALICE, u64::MAX, "paid", 100))], &["acleda"])),
        (RequestNotFound, OnBy(agreed, vec![accept(ALICE, BOB, 2_000_000, "none")], &["aba"])),
        (RequestExpired, OnBy(overdue_request, vec![accept(BOB, ALICE, 2, &last_request())], &["acleda"])),
        (RequestMismatch, OnBy(agreed, vec![accept(ALICE, BOB, 2_000_000, "ask")], &["aba"])),
        (MandatesFull, OnBy(agreed, vec![with_mandate("more")], &["aba"])),
        (MandateNotFound, OnBy(agreed, vec![collect(ALICE, BOB, 2_000_000, "none")], &["acleda"])),
        (MandateExpired, OnBy(later, vec![collect(ALICE, BOB, 2_000_000, "m0")], &["acleda"])),
        (MandateExceeded, OnBy(agreed, vec![collect(ALICE, BOB, 2_000_000, "m0")], &["acleda"])),
        (QuoteNotFound, OnBy(agreed, vec![take(ALICE, BOB, 1, 99, "none")], &["acleda"])),
        (QuoteExpired, OnBy(overdue_quote, vec![take(ALICE, BOB, 2, 99, &last_quote())], &["acleda"])),
        (QuoteMismatch, OnBy(agreed, vec![take(ALICE, BOB, 2, 99, "q")], &["acleda"])),
        (TimedFull, OnBy(holding, vec![hold(ALICE, BOB, 2_000_000, "more", START_MS + HOUR_MS)], &["aba"])),
    ]
}

const ALICE: &str = "alice@aba";
const BOB: &str = "bob@acleda";

fn by(signer: &'static str, operations: Vec<Operation>) -> Attempt {
    match signer {
        "acleda" => OnBy(Ledger::new, operations, &["acleda"]),
        _ => unreachable!("a signer of these rows"),
    }
}

fn back(of: Return) -> Operation {
    Operation::Return(Box::new(of))
}

fn with_mandate(name: &str) -> Operation {
    grant(ALICE, BOB, 1_000_000, Period::Day, name, START_MS + HOUR_MS)
}

/// Of nobody's money, at a bank that is not there.
pub(crate) fn same_asset() -> Operation {
    let Operation::OfferQuote(mut quote) = quote("x@nowhere", None, 1, 1, "q", START_MS + HOUR_MS) else {
        unreachable!("a quote")
    };
    quote.bought = quote.sold;
    Operation::OfferQuote(quote)
}

/// With something of every kind between Alice and Bob.
fn agreed() -> Ledger {
    let mut ledger = Ledger::new();
    let end = START_MS + HOUR_MS;
    let mut operations = vec![
        with_ref(transfer(ALICE, BOB, 100), "paid"),
        send_to_bank(ALICE, BOB, 1, "t", end),
        track(ALICE, BOB, "t", Progress::Received),
        ask(ALICE, BOB, 5, "ask", end),
        quote(ALICE, None, 1, 1, "q", end),
    ];
    operations.extend((0..MANDATES_MAX).map(|number| with_mandate(&format!("m{number}"))));
    let result = ledger.run(operations, &["aba", "acleda"]);
    assert!(matches!(result, TransactionResult::Executed(_)), "{result:?}");
    ledger
}

/// The same when the mandates are over.
fn later() -> Ledger {
    let mut ledger = agreed();
    ledger.now_ms = START_MS + HOUR_MS;
    ledger
}

/// Before a block at which one more is over than a block ends, of what `begin` begins.
fn overdue_of(begin: impl Fn(&str, u64) -> Operation) -> Ledger {
    let mut ledger = Ledger::new();
    let end = START_MS + HOUR_MS / 2;
    let operations: Vec<_> = (0..=ENDINGS_PER_BLOCK_MAX).map(|number| begin(&format!("h{number}"), end)).collect();
    // Sealed bytes fill a transaction before there are too many operations in it.
    for operations in operations.chunks(2_048) {
        let result = ledger.run(operations.to_vec(), &["aba"]);
        assert!(matches!(result, TransactionResult::Executed(_)), "{result:?}");
    }
    ledger.now_ms = end - 1;
    ledger
}

/// The reference of the one that does not end: the last by its id.
fn last_of(kind: TimedKind) -> String {
    let id = |name: &String| kind.id(&id(ALICE), &reference(name));
    (0..=ENDINGS_PER_BLOCK_MAX).map(|number| format!("h{number}")).max_by_key(id).unwrap()
}

fn overdue() -> Ledger {
    overdue_of(|name, end| hold(ALICE, BOB, 1, name, end))
}
fn last_overdue() -> String {
    last_of(TimedKind::Hold)
}
fn overdue_transfer() -> Ledger {
    overdue_of(|name, end| send_to_bank(ALICE, BOB, 1, name, end))
}
fn last_transfer() -> String {
    last_of(TimedKind::BankTransfer)
}
fn overdue_request() -> Ledger {
    overdue_of(|name, end| ask(BOB, ALICE, 1, name, end))
}
fn last_request() -> String {
    last_of(TimedKind::Request)
}
fn overdue_quote() -> Ledger {
    overdue_of(|name, end| quote(ALICE, None, 1, 1, name, end))
}
fn last_quote() -> String {
    last_of(TimedKind::Quote)
}

fn holds(count: usize) -> Ledger {
    let mut ledger = Ledger::new();
    let names: Vec<String> = (0..count).map(|number| format!("h{number}")).collect();
    for names in names.chunks(MAX_OPERATIONS) {
        let place = |name: &String| hold("alice@aba", "bob@acleda", 1, name, START_MS + HOUR_MS / 2);
        let result = ledger.run(names.iter().map(place).collect(), &["aba"]);
        assert!(matches!(result, TransactionResult::Executed(_)));
    }
    ledger
}

/// With as many holds as one participant may have.
fn holding() -> Ledger {
    holds(TIMED_PER_PARTICIPANT_MAX)
}
