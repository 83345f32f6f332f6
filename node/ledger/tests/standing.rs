//! What becomes of participants: new keys, modes, and the end of one that is wound down.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use tonle_ledger::*;

const MANAGER: &[Permission] = &[Permission::ManageKeys];
const BANK: &[Permission] = &[Permission::Pay, Permission::OpenAccounts, Permission::ManageKeys];

fn rejected(result: &TransactionResult) -> Option<RejectionCode> {
    match result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => Some(*code),
    }
}

fn pay() -> Vec<Operation> {
    vec![transfer("alice@aba", "bob@acleda", 1)]
}

fn participant<'a>(ledger: &'a Ledger, name: &str) -> &'a Participant {
    &ledger.executor.participants()[&participant_id(name)]
}

#[test]
fn new_keys_count_at_once_and_old_ones_no_more() {
    let mut ledger = Ledger::new();
    assert_eq!(rejected(&ledger.run(vec![set_keys("aba", &[("new", BANK)])], &["nbc"])), None, "by the operator");
    assert_eq!(rejected(&ledger.run(pay(), &["aba"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(rejected(&ledger.run(pay(), &["new"])), None);
    // In one block: what comes after the change is judged by the new keys.
    let bodies = [vec![set_keys("aba", &[("newer", BANK)])], pay(), pay()].map(|operations| ledger.body(operations));
    let signed: Vec<_> =
        bodies.iter().zip(["new", "new", "newer"]).map(|(body, signer)| ledger.sign(body, &[signer])).collect();
    let executed = ledger.execute(signed);
    let codes: Vec<_> = executed.receipts.iter().map(|receipt| rejected(&receipt.result)).collect();
    assert_eq!(codes, [None, Some(RejectionCode::NotAuthorized), None]);
    ledger.executor = ledger.reopened();
    assert_eq!(rejected(&ledger.run(pay(), &["newer"])), None);
}

#[test]
fn a_new_encryption_key_counts_at_once_and_changes_nothing_else() {
    let mut ledger = Ledger::new();
    let before = participant(&ledger, "aba").clone();
    assert_eq!(before.encryption_key, encryption_key("aba"));
    assert_eq!(rejected(&ledger.run(vec![set_keys("aba", &[("aba", BANK)])], &["nbc"])), None);
    for (signers, name, expected) in [
        (&["acleda"] as &[&str], "stolen", Some(RejectionCode::NotAuthorized)),
        (&["aba"], "aba-2", None),
        (&["nbc"], "aba-3", None),
        (&["aba"], "aba-2", None),
    ] {
        let kept = participant(&ledger, "aba").encryption_key;
        assert_eq!(rejected(&ledger.run(vec![set_encryption_key("aba", name)], signers)), expected, "{signers:?}");
        let key = if expected.is_none() { encryption_key(name) } else { kept };
        assert_eq!(participant(&ledger, "aba").encryption_key, key);
        let unchanged = Participant { encryption_key: before.encryption_key, ..participant(&ledger, "aba").clone() };
        assert_eq!((unchanged.legal_name, unchanged.mode), (before.legal_name.clone(), before.mode));
    }
    ledger.executor = ledger.reopened();
    assert_eq!(participant(&ledger, "aba").encryption_key, encryption_key("aba-2"), "and it is in the state");
    let nowhere = ledger.run(vec![set_encryption_key("nowhere", "x")], &["nbc"]);
    assert_eq!(rejected(&nowhere), Some(RejectionCode::UnknownParticipant));
}

#[test]
fn keys_are_replaced_by_as_many_managing_keys_as_their_threshold_or_by_the_operator() {
    let mut ledger = Ledger::new();
    let keys = [("m1", MANAGER), ("m2", MANAGER), ("m3", MANAGER), ("till", &[Permission::Pay] as &[_])];
    let two = Thresholds { manage_keys: 2, ..Thresholds::default() };
    ledger.run(vec![set_keys_with("aba", &keys, two)], &["nbc"]);
    let change = || vec![set_keys_with("aba", &keys, two)];
    for (signers, expected) in [
        (&["aba"] as &[&str], Some(RejectionCode::NotAuthorized)),
        (&["till"], Some(RejectionCode::NotAuthorized)),
        (&["acleda"], Some(RejectionCode::NotAuthorized)),
        (&["m1"], Some(RejectionCode::ThresholdNotMet)),
        (&["m1", "till"], Some(RejectionCode::ThresholdNotMet)),
        (&["m1", "m3"], None),
        (&["nbc"], None),
        (&["m2", "nbc"], None),
    ] {
        assert_eq!(rejected(&ledger.run(change(), signers)), expected, "{signers:?}");
    }
}

#[test]
fn keys_that_leave_a_participant_unable_to_act_are_no_keys() {
    let refused = |operation: Operation| body(genesis().digest(), vec![operation]).sign(&[&key("nbc")]).is_err();
    assert!(!refused(set_keys("aba", &[("m", MANAGER)])));
    assert!(refused(set_keys("aba", &[])), "none");
    assert!(refused(set_keys("aba", &[("till", &[Permission::Pay])])), "none that manages keys");
    let three = Thresholds { manage_keys: 3, ..Thresholds::default() };
    assert!(refused(set_keys_with("aba", &[("m1", MANAGER), ("m2", MANAGER)], three)), "fewer than must sign");
    let two = Thresholds { pay: 2, ..Thresholds::default() };
    assert!(refused(set_keys_with("aba", &[("m1", BANK), ("m2", MANAGER)], two)), "a threshold out of reach");
}

#[test]
fn genesis_lets_no_key_freeze_and_issue() {
    let mut genesis = genesis();
    let operator = genesis.participants.iter_mut().find(|participant| participant.role == Role::Operator).unwrap();
    operator.keys[0].permissions = Permissions::of(&[Permission::Issue, Permission::Freeze]);
    assert_eq!(genesis.check(), Err(GenesisInvalid::FreezeAndIssue(participant_id("nbc"))));
}

#[test]
fn reports_are_anybodys_who_has_a_key_now() {
    let mut ledger = Ledger::new();
    let reporting = |place| vec![report(&genesis().digest(), "wing", place)];
    // Both have the key of one of them.
    ledger.run(vec![set_keys("acleda", &[("aba", BANK)])], &["nbc"]);
    let bodies = [vec![set_keys("aba", &[("new", BANK)])], reporting(1), vec![set_keys("acleda", &[("new", BANK)])]]
        .map(|operations| ledger.body(operations));
    let signed = bodies.iter().zip(["nbc", "aba", "nbc"]).map(|(body, signer)| ledger.sign(body, &[signer])).collect();
    let executed = ledger.execute(signed);
    assert!(executed.receipts.iter().all(|receipt| rejected(&receipt.result).is_none()), "still of one of them");
    assert_eq!(rejected(&ledger.run(reporting(2), &["aba"])), Some(RejectionCode::NotAuthorized), "of none");
    assert_eq!(rejected(&ledger.run(reporting(2), &["acleda"])), Some(RejectionCode::NotAuthorized));
    assert_eq!(rejected(&ledger.run(reporting(2), &["new"])), None);
}

#[test]
fn a_mode_is_in_force_at_once_and_can_be_changed_back() {
    let mut ledger = Ledger::new();
    for (mode, pays, opens) in [
        (Mode::Suspended, false, false),
        (Mode::ReceiveOnly, false, true),
        (Mode::PayOutOnly, true, false),
        (Mode::Active, true, true),
    ] {
        assert_eq!(rejected(&ledger.run(vec![set_mode("aba", mode)], &["nbc"])), None);
        let refused = |holds: bool| (!holds).then_some(RejectionCode::ParticipantSuspended);
        assert_eq!(rejected(&ledger.run(pay(), &["aba"])), refused(pays), "{mode:?}");
        let name = format!("{mode:?}@aba").to_lowercase();
        assert_eq!(rejected(&ledger.run(vec![open(&name)], &["aba"])), refused(opens), "{mode:?}");
    }
    assert_eq!(
        rejected(&ledger.run(vec![set_mode("aba", Mode::Active)], &["aba"])),
        Some(RejectionCode::NotAuthorized)
    );
}

#[test]
fn what_is_taken_back_leaves_keys_and_modes_as_they_were() {
    let mut ledger = Ledger::new();
    let before = ledger.executor.participants().clone();
    let broken = vec![
        set_mode("aba", Mode::Suspended),
        set_keys("aba", &[("new", BANK)]),
        set_mode("aba", Mode::PayOutOnly),
        admit("wb"),
        remove("gone"),
    ];
    assert_eq!(rejected(&ledger.run(broken, &["nbc"])), Some(RejectionCode::StillHasMoney));
    assert_eq!(*ledger.executor.participants(), before);
    assert_eq!(rejected(&ledger.run(pay(), &["aba"])), None);
}

/// From its first restriction to its end.
#[test]
fn a_bank_is_wound_down() {
    let mut ledger = Ledger::of(Genesis { epoch_length: 1, ..genesis() });
    let still = |ledger: &mut Ledger| rejected(&ledger.run(vec![remove("canadia")], &["nbc"]));
    let give = vec![
        transfer("alice@aba", "sok@canadia", 900),
        hold("alice@aba", "sok@canadia", 5, "to it", START_MS + HOUR_MS),
    ];
    assert_eq!(rejected(&ledger.run(give, &["aba"])), None);
    // A set of four does not shrink: another takes its place first.
    assert_eq!(rejected(&ledger.run(vec![admit("wb"), set("wb", "wb")], &["nbc"])), None);
    assert_eq!(still(&mut ledger), Some(RejectionCode::ParticipantSuspended), "it is active");
    assert_eq!(rejected(&ledger.run(vec![set_mode("canadia", Mode::PayOutOnly)], &["nbc"])), None);
    let enter = vec![transfer("alice@aba", "sok@canadia", 1)];
    assert_eq!(rejected(&ledger.run(enter, &["aba"])), Some(RejectionCode::ParticipantSuspended));
    assert_eq!(still(&mut ledger), Some(RejectionCode::StillValidates));
    for _ in 0..window(1) {
        ledger.execute(Vec::new());
    }
    assert_eq!(rejected(&ledger.run(vec![unset("canadia")], &["nbc"])), None);
    assert_eq!(still(&mut ledger), Some(RejectionCode::StillValidates), "sets with it may be in force");
    for _ in 0..window(1) {
        ledger.execute(Vec::new());
    }
    assert_eq!(still(&mut ledger), Some(RejectionCode::StillHasMoney));

    // Its customers pay out; what is held counts until it is captured.
    let keep = hold("sok@canadia", "bob@acleda", 400, "last", START_MS + HOUR_MS);
    let out = vec![keep, transfer("sok@canadia", "alice@aba", 500)];
    assert_eq!(rejected(&ledger.run(out, &["canadia"])), None);
    assert_eq!(still(&mut ledger), Some(RejectionCode::StillHasMoney));
    ledger.executor = ledger.reopened();
    assert_eq!(still(&mut ledger), Some(RejectionCode::StillHasMoney), "also by what was stored");
    // The last money leaves, comes back, and leaves in the very transaction that ends it.
    let last = vec![capture("sok@canadia", "bob@acleda", "last", 400, true), remove("canadia")];
    assert_eq!(rejected(&ledger.run(last, &["acleda", "nbc"])), None);

    let gone = participant(&ledger, "canadia");
    assert_eq!((gone.mode, gone.keys.len()), (Mode::Removed, 0));
    assert_eq!(rejected(&ledger.run(vec![open("x@canadia")], &["canadia"])), Some(RejectionCode::NotAuthorized));
    for (operations, signer, code) in [
        (vec![admit("canadia")], "nbc", RejectionCode::ParticipantExists),
        (vec![set_mode("canadia", Mode::Active)], "nbc", RejectionCode::ParticipantSuspended),
        (vec![set_keys("canadia", &[("new", BANK)])], "nbc", RejectionCode::ParticipantSuspended),
        (vec![set("canadia", "again")], "nbc", RejectionCode::ParticipantSuspended),
        (vec![remove("canadia")], "nbc", RejectionCode::ParticipantSuspended),
        (vec![transfer("alice@aba", "sok@canadia", 1)], "aba", RejectionCode::ParticipantSuspended),
    ] {
        assert_eq!(rejected(&ledger.run(operations, &[signer])), Some(code));
    }
    // What was held for it goes back to whose it is.
    ledger.wait_until(START_MS + HOUR_MS);
    assert_eq!(ledger.held("alice@aba", "KHR"), 0);
    assert_eq!(*ledger.reopened().participants(), *ledger.executor.participants());
}

#[test]
fn money_that_came_back_when_a_transaction_failed_is_still_there() {
    let mut ledger = Ledger::new();
    let empty = || transfer("late@gone", "alice@aba", 5_000);
    ledger.run(vec![set_mode("gone", Mode::PayOutOnly)], &["nbc"]);
    let failing = ledger.body(vec![empty(), transfer("late@gone", "alice@aba", 1)]);
    let removal = ledger.body(vec![remove("gone")]);
    let (failing, removal) = (ledger.sign(&failing, &["gone"]), ledger.sign(&removal, &["nbc"]));
    let executed = ledger.execute(vec![failing, removal]);
    let codes: Vec<_> = executed.receipts.iter().map(|receipt| rejected(&receipt.result)).collect();
    assert_eq!(codes, [Some(RejectionCode::InsufficientFunds), Some(RejectionCode::StillHasMoney)]);
    let both = ledger.run(vec![empty(), remove("gone")], &["gone", "nbc"]);
    assert_eq!(rejected(&both), None);
}
