//! Accounts: closed, given other keys, frozen by their keeper and by orders, seized from; and the aliases that name them.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use tonle_crypto::Canonical;
use tonle_ledger::*;

const ALICE: &str = "alice@aba";
const BOB: &str = "bob@acleda";

fn code(result: &TransactionResult) -> Option<RejectionCode> {
    match result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => Some(*code),
    }
}

/// Runs one operation; gives why not.
fn run(ledger: &mut Ledger, operation: Operation, signers: &[&str]) -> Option<RejectionCode> {
    code(&ledger.run(vec![operation], signers))
}

fn alias_of(ledger: &Ledger, text: &str) -> Option<Alias> {
    ledger.state.get(&StateKey::Alias(alias(text))).map(|value| Alias::decode(value).unwrap())
}

#[test]
fn a_closed_account_has_nothing_and_never_gets_anything() {
    let mut ledger = Ledger::new();
    assert_eq!(run(&mut ledger, close(ALICE), &["acleda"]), Some(RejectionCode::NotAuthorized));
    assert_eq!(run(&mut ledger, close(ALICE), &["aba"]), Some(RejectionCode::AccountNotEmpty));
    let end = ledger.now_ms + HOUR_MS;
    ledger.run(vec![transfer(ALICE, BOB, 999_000), hold(ALICE, BOB, 1_000, "h", end)], &["aba"]);
    ledger.run(vec![transfer_of("USD", ALICE, BOB, 10_000)], &["aba"]);
    assert_eq!(run(&mut ledger, close(ALICE), &["aba"]), Some(RejectionCode::AccountNotEmpty), "held money is money");
    ledger.run(vec![capture(ALICE, BOB, "h", 1_000, true)], &["acleda"]);
    assert_eq!(run(&mut ledger, close(ALICE), &["aba"]), None);
    let closed = ledger.account(ALICE).unwrap();
    assert_eq!((closed.status, closed.balances()), (AccountStatus::Closed, [].as_slice()));
    let all = ["aba", "acleda", "nbc"];
    for operation in [
        transfer(BOB, ALICE, 1),
        transfer(ALICE, BOB, 1),
        issue(ALICE, "KHR", 1),
        hold(BOB, ALICE, 1, "x", end),
        seize(BOB, ALICE, 1),
        seize(ALICE, BOB, 1),
        close(ALICE),
        rekey(ALICE, &["ann"], 1),
        set_status(ALICE, AccountStatus::Active),
        set_tier(ALICE, KycTier::Basic),
        freeze(ALICE, AccountStatus::Frozen, "court"),
        set_alias(ALICE, "a", "A"),
    ] {
        assert_eq!(run(&mut ledger, operation.clone(), &all), Some(RejectionCode::AccountClosed), "{operation:?}");
    }
    assert_eq!(run(&mut ledger, open(ALICE), &["aba"]), Some(RejectionCode::AccountExists));
    assert_eq!(ledger.account(ALICE).unwrap(), closed);
}

#[test]
fn an_accounts_own_keys_change_themselves_and_its_keeper_cannot() {
    let mut ledger = Ledger::new();
    let pay = || transfer("shared@aba", BOB, 1);
    let change = || rekey("shared@aba", &["dan"], 1);
    assert_eq!(run(&mut ledger, change(), &["aba"]), Some(RejectionCode::NotAuthorized));
    assert_eq!(run(&mut ledger, change(), &["ann"]), Some(RejectionCode::ThresholdNotMet));
    assert_eq!(run(&mut ledger, change(), &["ann", "ben"]), None);
    assert_eq!(run(&mut ledger, pay(), &["ann", "ben"]), Some(RejectionCode::NotAuthorized), "at once");
    assert_eq!(run(&mut ledger, pay(), &["dan"]), None);
    assert_eq!(run(&mut ledger, rekey("shared@aba", &[], 0), &["dan"]), None);
    assert_eq!(run(&mut ledger, pay(), &["dan"]), Some(RejectionCode::NotAuthorized));
    assert_eq!(run(&mut ledger, pay(), &["aba"]), None, "without keys its keeper signs");
    assert_eq!(run(&mut ledger, rekey(ALICE, &["ann"], 1), &["aba"]), None, "a keeper gives it some");
    assert_eq!(run(&mut ledger, rekey(ALICE, &[], 0), &["aba"]), Some(RejectionCode::NotAuthorized), "and takes none");
}

#[test]
fn the_keys_of_an_account_whose_debits_are_frozen_stay() {
    let mut ledger = Ledger::new();
    let change = || rekey("shared@aba", &["thief"], 1);
    run(&mut ledger, set_status("shared@aba", AccountStatus::DebitsFrozen), &["aba"]);
    assert_eq!(run(&mut ledger, change(), &["ann", "ben"]), Some(RejectionCode::AccountFrozen));
    run(&mut ledger, set_status("shared@aba", AccountStatus::Active), &["aba"]);
    run(&mut ledger, freeze("shared@aba", AccountStatus::Frozen, "court"), &["nbc"]);
    assert_eq!(run(&mut ledger, change(), &["ann", "ben"]), Some(RejectionCode::AccountFrozen));
}

/// Every status of the keeper with every order, and with two.
#[test]
fn the_stricter_of_keeper_and_orders_holds() {
    use AccountStatus::{Active, CreditsFrozen, DebitsFrozen, Frozen};
    // May money leave and enter?
    let table = [
        (Active, None, None, true, true),
        (Active, Some(DebitsFrozen), None, false, true),
        (Active, Some(CreditsFrozen), None, true, false),
        (Active, Some(Frozen), None, false, false),
        (DebitsFrozen, None, None, false, true),
        (DebitsFrozen, Some(DebitsFrozen), None, false, true),
        (DebitsFrozen, Some(CreditsFrozen), None, false, false),
        (DebitsFrozen, Some(Frozen), None, false, false),
        (CreditsFrozen, None, None, true, false),
        (CreditsFrozen, Some(DebitsFrozen), None, false, false),
        (CreditsFrozen, Some(CreditsFrozen), None, true, false),
        (CreditsFrozen, Some(Frozen), None, false, false),
        (Frozen, None, None, false, false),
        (Frozen, Some(DebitsFrozen), None, false, false),
        (Frozen, Some(CreditsFrozen), None, false, false),
        (Frozen, Some(Frozen), None, false, false),
        (Active, Some(DebitsFrozen), Some(CreditsFrozen), false, false),
        (Active, Some(DebitsFrozen), Some(DebitsFrozen), false, true),
    ];
    for (keeper, first, second, leaves, enters) in table {
        let what = format!("{keeper:?} {first:?} {second:?}");
        let mut ledger = Ledger::new();
        for (order, status) in [("first", first), ("second", second)] {
            if let Some(status) = status {
                assert_eq!(run(&mut ledger, freeze(ALICE, status, order), &["nbc"]), None, "{what}");
            }
        }
        // The keeper speaks last, and lifts nothing.
        assert_eq!(run(&mut ledger, set_status(ALICE, keeper), &["aba"]), None, "{what}");
        ledger.executor = ledger.reopened();
        let expected = |may: bool| (!may).then_some(RejectionCode::AccountFrozen);
        assert_eq!(run(&mut ledger, transfer(ALICE, BOB, 1), &["aba"]), expected(leaves), "{what}: leaves");
        assert_eq!(run(&mut ledger, transfer(BOB, ALICE, 1), &["acleda"]), expected(enters), "{what}: enters");
        let effective = ledger.account(ALICE).unwrap().effective_status();
        assert_eq!((effective.can_debit(), effective.can_credit()), (leaves, enters), "{what}");
        for (order, status) in [("first", first), ("second", second)] {
            let expected = status.is_none().then_some(RejectionCode::OrderNotFound);
            assert_eq!(run(&mut ledger, freeze(ALICE, Active, order), &["nbc"]), expected, "{what}");
        }
        assert_eq!(ledger.account(ALICE).unwrap().effective_status(), keeper, "lifted");
    }
}

#[test]
fn an_order_is_the_operators_and_keeps_the_account() {
    let mut ledger = Ledger::new();
    let order = |status| freeze("sok@canadia", status, "court 7");
    assert_eq!(run(&mut ledger, order(AccountStatus::Frozen), &["canadia"]), Some(RejectionCode::NotAuthorized));
    assert_eq!(run(&mut ledger, order(AccountStatus::Frozen), &["nbc"]), None);
    assert_eq!(run(&mut ledger, order(AccountStatus::Active), &["canadia"]), Some(RejectionCode::NotAuthorized));
    assert_eq!(
        run(&mut ledger, close("sok@canadia"), &["canadia"]),
        Some(RejectionCode::AccountFrozen),
        "empty or not"
    );
    assert_eq!(run(&mut ledger, order(AccountStatus::DebitsFrozen), &["nbc"]), None, "the same order says less");
    assert_eq!(ledger.account("sok@canadia").unwrap().orders().len(), 1);
    assert_eq!(run(&mut ledger, order(AccountStatus::Active), &["nbc"]), None);
    assert_eq!(run(&mut ledger, close("sok@canadia"), &["canadia"]), None);
}

#[test]
fn seizing_takes_available_money_of_whatever_account_and_once() {
    let mut ledger = Ledger::new();
    for (from, available) in [("ice@aba", 5_000), ("noout@aba", 5_000), ("late@gone", 5_000), ("shared@aba", 500_000)] {
        assert_eq!(
            run(&mut ledger, seize(from, "reserve@nbc", available), &["aba"]),
            Some(RejectionCode::NotAuthorized)
        );
        let too_much = seize(from, "reserve@nbc", available + 1);
        assert_eq!(run(&mut ledger, too_much, &["nbc"]), Some(RejectionCode::InsufficientFunds), "{from}");
        assert_eq!(run(&mut ledger, seize(from, "reserve@nbc", available), &["nbc"]), None, "{from}");
        assert_eq!(ledger.available(from, "KHR"), 0);
    }
    assert_eq!(ledger.held("shared@aba", "KHR"), 700, "what is held stays");
    assert_eq!(ledger.available("reserve@nbc", "KHR"), 1_000_515_000);
    assert_eq!(run(&mut ledger, seize(ALICE, "noin@aba", 1), &["nbc"]), Some(RejectionCode::AccountFrozen));
    assert_eq!(run(&mut ledger, seize(ALICE, "late@gone", 1), &["nbc"]), Some(RejectionCode::ParticipantSuspended));
    assert_eq!(run(&mut ledger, seize(ALICE, ALICE, 1), &["nbc"]), Some(RejectionCode::SameAccount));
    // Its reference is the issuer's: the debtor's own is another.
    ledger.run(vec![with_ref(transfer(ALICE, BOB, 1), "S")], &["aba"]);
    for _ in 0..2 {
        assert_eq!(run(&mut ledger, with_ref(seize(ALICE, BOB, 100), "S"), &["nbc"]), None);
    }
    assert_eq!(ledger.available(ALICE, "KHR"), 999_899, "the second is the first again");
    let other = with_ref(seize(ALICE, BOB, 101), "S");
    assert_eq!(run(&mut ledger, other, &["nbc"]), Some(RejectionCode::DuplicateReference));
}

#[test]
fn a_tier_is_one_that_the_kind_can_have() {
    let mut ledger = Ledger::new();
    for (number, kind) in (0u8..).zip([AccountKind::Wallet, AccountKind::Merchant, AccountKind::Settlement]) {
        let usual = if number < 2 { KycTier::Basic } else { KycTier::Interbank };
        let expected = (number < 2).then_some(RejectionCode::TierNotAllowed);
        let name = format!("n{number}@aba");
        let refused = format!("r{number}@aba");
        assert_eq!(run(&mut ledger, open_as(&name, kind, None), &["aba"]), None);
        assert_eq!(ledger.account(&name).unwrap().tier, usual);
        assert_eq!(run(&mut ledger, open_as(&refused, kind, Some(KycTier::Interbank)), &["aba"]), expected);
        assert_eq!(run(&mut ledger, set_tier(&name, KycTier::Interbank), &["aba"]), expected);
        assert_eq!(run(&mut ledger, set_tier(&name, KycTier::Full), &["acleda"]), Some(RejectionCode::NotAuthorized));
        assert_eq!(run(&mut ledger, set_tier(&name, KycTier::Full), &["aba"]), None);
        assert_eq!(ledger.account(&name).unwrap().tier, KycTier::Full);
    }
}

#[test]
fn a_suspended_keeper_changes_nothing() {
    let mut ledger = Ledger::new();
    for operation in [
        close("late@gone"),
        rekey("late@gone", &["ann"], 1),
        set_status("late@gone", AccountStatus::Frozen),
        set_tier("late@gone", KycTier::Basic),
        set_alias("late@gone", "a", "A"),
        move_alias("late@gone", "other@gone", "a", "A"),
        remove_alias("late@gone", "a"),
    ] {
        assert_eq!(run(&mut ledger, operation, &["gone"]), Some(RejectionCode::ParticipantSuspended));
    }
    assert_eq!(run(&mut ledger, freeze("late@gone", AccountStatus::Frozen, "court"), &["nbc"]), None);
}

#[test]
fn an_alias_names_one_account_and_only_its_keeper_changes_that() {
    let mut ledger = Ledger::new();
    let stands_for = |ledger: &Ledger| alias_of(ledger, "a").map(|alias| alias.account);
    assert_eq!(run(&mut ledger, set_alias(ALICE, "a", "A****"), &["acleda"]), Some(RejectionCode::NotAuthorized));
    assert_eq!(run(&mut ledger, set_alias(ALICE, "a", "A****"), &["aba"]), None);
    assert_eq!(run(&mut ledger, set_alias(BOB, "a", "B****"), &["acleda"]), Some(RejectionCode::AliasTaken));
    assert_eq!(run(&mut ledger, set_alias("noin@aba", "a", "N****"), &["aba"]), Some(RejectionCode::AliasTaken));
    assert_eq!(run(&mut ledger, set_alias(ALICE, "a", "Al***"), &["aba"]), None, "another name for the same account");
    assert_eq!(alias_of(&ledger, "a").unwrap().name.as_str(), "Al***");
    assert_eq!(
        run(&mut ledger, move_alias(ALICE, BOB, "a", "B"), &["aba", "acleda"]),
        Some(RejectionCode::KeepersDiffer)
    );
    assert_eq!(run(&mut ledger, move_alias("noin@aba", ALICE, "a", "A"), &["aba"]), Some(RejectionCode::AliasNotFound));
    assert_eq!(run(&mut ledger, move_alias(ALICE, "noin@aba", "a", "N"), &["aba"]), None);
    assert_eq!(stands_for(&ledger), Some(id("noin@aba")));
    assert_eq!(run(&mut ledger, remove_alias(ALICE, "a"), &["aba"]), Some(RejectionCode::AliasNotFound));

    // From one bank to another: in one transaction that both sign, or not at all.
    let over = || vec![remove_alias("noin@aba", "a"), set_alias(BOB, "a", "B****")];
    assert_eq!(code(&ledger.run(over(), &["acleda"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(code(&ledger.run(over(), &["aba"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(stands_for(&ledger), Some(id("noin@aba")));
    assert_eq!(code(&ledger.run(over(), &["aba", "acleda"])), None);
    assert_eq!(stands_for(&ledger), Some(id(BOB)));
    ledger.executor = ledger.reopened();
    assert_eq!(run(&mut ledger, remove_alias(BOB, "a"), &["acleda"]), None);
    assert_eq!(stands_for(&ledger), None);
}

#[test]
fn the_alias_of_a_closed_account_can_be_removed() {
    let mut ledger = Ledger::new();
    run(&mut ledger, set_alias("sok@canadia", "a", "S"), &["canadia"]);
    assert_eq!(run(&mut ledger, close("sok@canadia"), &["canadia"]), None);
    assert_eq!(run(&mut ledger, remove_alias("sok@canadia", "a"), &["canadia"]), None);
}

#[test]
fn a_display_name_has_25_khmer_letters_at_most() {
    for (text, fits) in [
        ("", false),
        ("a", true),
        (&"a".repeat(25), true),
        (&"a".repeat(26), false),
        (&"\u{179f}".repeat(25), true),
        (&"\u{1f600}".repeat(18), true),
        (&"\u{1f600}".repeat(19), false),
        ("a\u{7}", false),
        ("a\n", false),
    ] {
        assert_eq!(DisplayName::new(text).is_ok(), fits, "{text:?}");
    }
}

/// Each operation applies, and leaves no trace when one after it fails.
#[test]
fn an_atomic_transaction_that_fails_later_leaves_no_trace() {
    let all = ["aba", "acleda", "canadia", "nbc"];
    let prepared = || {
        let mut ledger = Ledger::new();
        let order = freeze("noin@aba", AccountStatus::DebitsFrozen, "court");
        let result = ledger.run(vec![set_alias(ALICE, "a", "A"), order], &all);
        assert_eq!(code(&result), None);
        ledger
    };
    for operation in [
        open("new@aba"),
        close("sok@canadia"),
        rekey(ALICE, &["ann"], 1),
        set_status(ALICE, AccountStatus::CreditsFrozen),
        set_tier(ALICE, KycTier::Basic),
        freeze(ALICE, AccountStatus::CreditsFrozen, "court"),
        freeze("noin@aba", AccountStatus::Active, "court"),
        seize(ALICE, "reserve@nbc", 5),
        set_alias(ALICE, "b", "B"),
        set_alias(ALICE, "a", "B"),
        move_alias(ALICE, "noin@aba", "a", "N"),
        remove_alias(ALICE, "a"),
        set_limits("KHR", KycTier::Basic, 1, 1),
    ] {
        let lasting = |state: &MemoryState| {
            let is_lasting =
                |key: &StateKey| matches!(key, StateKey::Account(_) | StateKey::Alias(_) | StateKey::Parameters);
            state.iter().filter(|(key, _)| is_lasting(key)).collect::<Vec<_>>()
        };
        let mut ledger = prepared();
        let before = lasting(&ledger.state);
        let too_much = redeem(BOB, "KHR", u64::MAX);
        let result = ledger.run(vec![operation.clone(), too_much], &all);
        let expected = TransactionResult::Rejected { code: RejectionCode::InsufficientFunds, operation: Some(1) };
        assert_eq!(result, expected, "{operation:?}");
        assert_eq!(lasting(&ledger.state), before, "{operation:?}");
        assert_eq!(code(&prepared().run(vec![operation.clone()], &all)), None, "{operation:?} alone");
        let mut alone = prepared();
        alone.run(vec![operation.clone()], &all);
        assert_ne!(lasting(&alone.state), before, "{operation:?} does something");
    }
}
