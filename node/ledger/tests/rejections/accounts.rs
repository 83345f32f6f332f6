//! Rows of accounts, aliases and limits.

use super::Attempt::{self, On, OnBy};
use super::fixture::*;
use tonle_ledger::*;

/// In order of precedence.
pub(crate) fn rows() -> Vec<(RejectionCode, Attempt)> {
    use AccountStatus::{Active, Frozen};
    use KycTier::{Basic, Interbank};
    use RejectionCode::*;
    vec![
        (LimitsInvalid, On(Ledger::new, vec![set_limits("KHR", Basic, DAILY_MAX + 1, 0)])),
        (KeepersDiffer, OnBy(Ledger::new, vec![move_alias("alice@aba", "late@gone", "none", "x")], &["aba"])),
        (TierNotAllowed, OnBy(Ledger::new, vec![set_tier("ice@aba", Interbank)], &["aba"])),
        (AccountNotEmpty, OnBy(Ledger::new, vec![close("alice@aba"), set_tier("alice@aba", Interbank)], &["aba"])),
        (OrderNotFound, On(ordered, vec![freeze("alice@aba", Active, "other"), freeze("alice@aba", Frozen, "other")])),
        (OrdersFull, On(ordered, vec![freeze("alice@aba", Frozen, "other")])),
        (AliasTaken, OnBy(aliased, vec![set_alias("noin@aba", "a", "N"), remove_alias("noin@aba", "a")], &["aba"])),
        (AliasNotFound, OnBy(aliased, vec![remove_alias("noin@aba", "a")], &["aba"])),
        // More than may leave in a day, more often than in an hour, and more than there is.
        (LimitExceeded, OnBy(spending, vec![transfer("alice@aba", "bob@acleda", 1_500_000)], &["aba"])),
        (VelocityExceeded, OnBy(spending, vec![transfer("alice@aba", "bob@acleda", 1_499_999)], &["aba"])),
    ]
}

/// Where alice may spend 1,500,000 in a day, once in an hour, and did so with 1.
fn spending() -> Ledger {
    let mut ledger = Ledger::new();
    let limits = set_limits("KHR", KycTier::Full, 1_500_000, 1);
    let result = ledger.run(vec![limits, transfer("alice@aba", "bob@acleda", 1)], &["nbc", "aba"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    ledger
}

/// With as many orders on alice as there may be.
fn ordered() -> Ledger {
    let mut ledger = Ledger::new();
    let order = |number| freeze("alice@aba", AccountStatus::Frozen, &format!("order {number}"));
    let result = ledger.run((0..FREEZE_ORDERS_MAX).map(order).collect(), &["nbc"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    ledger
}

/// With an alias of alice's.
fn aliased() -> Ledger {
    let mut ledger = Ledger::new();
    let result = ledger.run(vec![set_alias("alice@aba", "a", "A")], &["aba"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    ledger
}
