//! Rows of payments by KHQR codes. Alice has one million; what is paid here is more, or to the wrong account as well.

use super::Attempt::{self, OnBy};
use super::fixture::*;
use tonle_ledger::*;

const ALICE: &str = "alice@aba";
const BOB: &str = "bob@acleda";
const LATER: u64 = START_MS + HOUR_MS;
const TOO_MUCH: u64 = 2_000_000;

/// In order of precedence.
pub(crate) fn rows() -> Vec<(RejectionCode, Attempt)> {
    use RejectionCode::*;
    let by_alice = |operation| OnBy(Ledger::new, vec![operation], &["aba"]);
    let to_sok = |payload: &str| Operation::PayKhqr(Box::new(pay_khqr(payload, ALICE, "sok@canadia", "KHR", TOO_MUCH)));
    let of_bob = priced(LATER);
    let dollars = code(BOB, "USD", Some("7"), LATER, "INV-1");
    vec![
        (KhqrInvalid, by_alice(to_sok("no code"))),
        (KhqrIncomplete, by_alice(to_sok(&altered(&of_bob, "5802KH", "")))),
        (KhqrFieldInvalid, by_alice(to_sok(&altered(&of_bob, "52045999", "520459x9")))),
        (KhqrPayeeDiffers, by_alice(to_sok(&dollars))),
        (KhqrCurrencyDiffers, by_alice(pay_bob(&dollars, ALICE, TOO_MUCH))),
        (KhqrAmountDiffers, by_alice(pay_bob(&priced(START_MS), ALICE, TOO_MUCH - 1))),
        (KhqrExpired, by_alice(pay_bob(&priced(START_MS), ALICE, TOO_MUCH))),
        (KhqrExpiryTooFar, by_alice(pay_bob(&priced(START_MS + KHQR_LIFE_MAX_MS + 2), ALICE, TOO_MUCH))),
        (KhqrPaid, OnBy(paid, vec![pay_bob(&of_bob, ALICE, TOO_MUCH)], &["aba"])),
    ]
}

/// For Bob: 20,000 riel once.
fn priced(expires_ms: u64) -> String {
    code(BOB, "KHR", Some("20000"), expires_ms, "INV-1")
}

/// Where somebody else has paid it.
fn paid() -> Ledger {
    let mut ledger = Ledger::new();
    let result = ledger.run(vec![pay_bob(&priced(LATER), "reserve@nbc", TOO_MUCH)], &["nbc"]);
    assert_eq!(applied(&result).len(), 2);
    ledger
}
