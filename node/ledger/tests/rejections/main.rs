//! The contract of rejections: one row for each code, in order of precedence. Every row also holds a reason of higher
//! number, which must not be the one that is given.

#![allow(clippy::unwrap_used)]

mod accounts;
#[path = "../fixture/mod.rs"]
mod fixture;
mod khqr;
mod payments;
mod sealed;

use fixture::*;
use tonle_crypto::{Digest, Strict, Verified};
use tonle_ledger::*;

/// What a client sends.
enum Attempt {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These operations in an atomic transaction, changed so, signed by these.
    Signed(Vec<Operation>, fn(&mut TransactionBody), &'static [&'static str]),
    /// The same, with a signature that does not hold.
    Forged(Vec<Operation>, fn(&mut TransactionBody)),
    /// These operations, signed by the operator, on this ledger.
    On(fn() -> Ledger, Vec<Operation>),
    /// These operations, signed by these, on this ledger.
    OnBy(fn() -> Ledger, Vec<Operation>, &'static [&'static str]),
}
use Attempt::{Bytes, Forged, On, OnBy, Signed};

fn unchanged(_: &mut TransactionBody) {}

/// The bytes of a transaction whose one signature, by `aba`, is over something else.
fn forged(body: &TransactionBody) -> Vec<u8> {
    let signature = key("aba").sign(b"something else");
    let field = |number: u8, bytes: &[u8]| {
        let mut out = vec![number << 3 | 2];
        let mut length = bytes.len();
        while length >= 128 {
            out.push(u8::try_from(length % 128).unwrap() | 128);
            length /= 128;
        }
        out.push(u8::try_from(length).unwrap());
        out.extend_from_slice(bytes);
        out
    };
    let entry = [field(1, key("aba").public().as_bytes()), field(2, signature.as_bytes())].concat();
    [field(1, &body.to_bytes()), field(2, &entry)].concat()
}

/// Sends it the way a client's bytes go: parsed, verified, executed.
fn rejection(ledger: &mut Ledger, attempt: Attempt) -> Option<RejectionCode> {
    let bytes = match attempt {
        Bytes(bytes) => bytes,
        On(prepare, operations) => return rejection(ledger, OnBy(prepare, operations, &["nbc"])),
        OnBy(prepare, operations, signers) => {
            *ledger = prepare();
            return rejection(ledger, Signed(operations, unchanged, signers));
        }
        Forged(operations, change) => {
            let mut body = ledger.body(operations);
            change(&mut body);
            forged(&body)
        }
        Signed(operations, change, signers) => {
            let mut body = ledger.body(operations);
            change(&mut body);
            let freezes = body.operations.iter().any(|operation| operation.kind() == OperationKind::FreezeAccount);
            let freezing = freezes.then_some("nbc-freeze");
            let keys: Vec<_> = signers.iter().copied().chain(freezing).map(key).collect();
            match body.sign(&keys.iter().collect::<Vec<_>>()) {
                Ok(signed) => signed.bytes().to_vec(),
                Err(rejection) => return Some(rejection.code),
            }
        }
    };
    let signed = match SignedTransaction::from_bytes(&bytes) {
        Ok(signed) => signed,
        Err(rejection) => return Some(rejection.code),
    };
    let verified = match Verified::check(signed, &ledger.chain, &Strict) {
        Ok(verified) => verified,
        Err(rejection) => return Some(rejection.code),
    };
    let state_before: Vec<_> = ledger.state.iter().filter(|(key, _)| matches!(key, StateKey::Account(_))).collect();
    let mut receipts = ledger.execute(vec![verified.into()]).receipts;
    let (receipt, nothing_ended) = (receipts.pop().unwrap(), receipts.is_empty());
    let state_after: Vec<_> = ledger.state.iter().filter(|(key, _)| matches!(key, StateKey::Account(_))).collect();
    match receipt.result {
        TransactionResult::Executed(_) => None,
        TransactionResult::Rejected { code, .. } => {
            assert!(!nothing_ended || state_before == state_after, "{code:?} leaves all accounts as they were");
            assert_eq!(receipt.takes_id(), code.number() >= 30, "{code:?}");
            Some(code)
        }
    }
}

fn rows() -> Vec<(RejectionCode, Attempt)> {
    use RejectionCode::*;
    let pay = |minor| vec![transfer("alice@aba", "bob@acleda", minor)];
    let other_chain: fn(&mut TransactionBody) = |body| body.chain = Digest::ZERO;
    let mut rows = vec![
        (TransactionTooLarge, Bytes(vec![0xff; MAX_TRANSACTION_BYTES + 1])),
        (Malformed, Bytes(Vec::new())),
        (NoOperations, Signed(Vec::new(), other_chain, &["aba"])),
        (TooManyOperations, Signed(vec![open("x@aba"); MAX_OPERATIONS + 1], other_chain, &["aba"])),
        (
            WrongChain,
            Forged(pay(1), |body| {
                body.chain = Digest::ZERO;
                body.not_after_ms = body.not_before_ms;
            }),
        ),
        (WindowEmpty, Forged(pay(1), |body| body.not_after_ms = body.not_before_ms)),
        (WindowTooLong, Forged(pay(1), |body| body.not_after_ms = body.not_before_ms + MAX_WINDOW_MS + 1)),
        (SignatureInvalid, Forged(pay(1), |body| body.not_before_ms += HOUR_MS / 2)),
        (NotYetValid, Signed(pay(1), |body| body.not_before_ms += 2, &["canadia"])),
        (Expired, Signed(pay(1), |body| body.not_after_ms = body.not_before_ms + 1, &["canadia"])),
        (NotAuthorized, Signed(pay(0), unchanged, &["canadia"])),
        (ThresholdNotMet, Signed(vec![transfer("dara@wing", "bob@acleda", 0)], unchanged, &["wing"])),
        (
            DuplicateReference,
            Signed(
                vec![
                    with_ref(transfer("alice@aba", "bob@acleda", 1), "r"),
                    with_ref(transfer("alice@aba", "bob@acleda", 0), "r"),
                ],
                unchanged,
                &["aba"],
            ),
        ),
        (AmountZero, Signed(vec![transfer_of("XAU", "alice@aba", "alice@aba", 0)], unchanged, &["aba"])),
        (AssetUnknown, Signed(vec![transfer_of("XAU", "alice@aba", "alice@aba", 1)], unchanged, &["aba"])),
        (SameAccount, Signed(vec![transfer("x@nowhere", "x@nowhere", 1)], unchanged, &["aba"])),
        (DeadlineInvalid, Signed(vec![hold("late@gone", "x@nowhere", 1, "r", 0)], unchanged, &["gone"])),
        (SameAsset, Signed(vec![payments::same_asset()], unchanged, &["nowhere"])),
        (FreezeAndIssue, Signed(vec![freezing_issuer()], unchanged, &["nbc"])),
        (UnknownParticipant, Signed(vec![transfer("late@gone", "x@nowhere", 1)], unchanged, &["gone"])),
        (ParticipantSuspended, Signed(vec![transfer("late@gone", "nobody@aba", 1)], unchanged, &["gone"])),
        (UnknownAccount, Signed(vec![transfer("shut@aba", "nobody@aba", 1)], unchanged, &["aba"])),
        (AccountExists, Signed(vec![open("shut@aba")], unchanged, &["aba"])),
        (AccountClosed, Signed(vec![transfer("ice@aba", "shut@aba", 1)], unchanged, &["aba"])),
        (AccountFrozen, Signed(vec![transfer("ice@aba", "bob@acleda", u64::MAX)], unchanged, &["aba"])),
        (ParticipantExists, On(crowded, vec![admit("aba")])),
        (ParticipantsFull, On(crowded, vec![admit("wb"), set("audit", "aba")])),
        (CannotValidate, On(Ledger::new, vec![set("audit", "aba")])),
        (NotValidator, On(Ledger::new, vec![unset("nbc"), unset("aba")])),
        (ValidatorKeyUsed, On(worn, vec![set("nbc", "aba")])),
        (ValidatorKeysFull, On(worn, vec![set("nbc", "nbc")])),
        (ValidatorSetSize, On(busy, vec![unset("aba")])),
        (ValidatorChangesFull, On(busy, vec![set("aba", "another"), set("acleda", "another")])),
        (QuorumLost, On(Ledger::new, vec![set("aba", "another"), set("acleda", "yet another")])),
        (EvidenceMalformed, On(accused, vec![cut_off(accuse("nobody", 1)), accuse("nobody", 1)])),
        (AccusedUnknown, On(accused, vec![spoilt(accuse("nobody", 1))])),
        (AlreadyReported, On(accused, vec![spoilt(accuse("aba", 1))])),
        (OffencesFull, On(accused, judged(spoilt(accuse("aba", 100))))),
        (ReportsBusy, On(accused, judged(spoilt(accuse("wing", 1))))),
        (EvidenceInvalid, On(accused, vec![spoilt(accuse("wing", 1)), accuse("aba", 1)])),
    ];
    for group in [payments::rows(), khqr::rows(), accounts::rows(), sealed::rows(), rows_of_governance()] {
        rows.extend(group);
    }
    rows.extend([
        (InsufficientFunds, Signed(vec![transfer_of("USD", "sok@canadia", "full@aba", 11)], unchanged, &["canadia"])),
        (AmountOverflow, Signed(vec![transfer_of("USD", "alice@aba", "full@aba", 11)], unchanged, &["aba"])),
    ]);
    // The groups have their numbers one between the other.
    rows.sort_by_key(|(code, _)| code.number());
    rows
}

/// Those of governance.
fn rows_of_governance() -> Vec<(RejectionCode, Attempt)> {
    use RejectionCode::*;
    vec![
        (
            PermissionNotOfRole,
            Signed(vec![set_keys("aba", &[("k", &[Permission::ManageKeys, Permission::Govern])])], unchanged, &["nbc"]),
        ),
        (StillIssues, Signed(vec![set_mode("nbc", Mode::Suspended), remove("nbc")], unchanged, &["nbc"])),
        (StillValidates, Signed(vec![set_mode("aba", Mode::PayOutOnly), remove("aba")], unchanged, &["nbc"])),
        (StillHasMoney, Signed(vec![remove("gone")], unchanged, &["nbc"])),
        (EffectHeightPassed, On(proposing, vec![propose(unset("aba"), 2, START_MS + HOUR_MS)])),
        (ProposalNotFound, On(proposing, vec![approve(Digest::ZERO)])),
        (AlreadyApproved, On(proposing, vec![approve(*proposing().executor.proposals().next().unwrap().0)])),
        (ProposalsFull, On(proposing, vec![propose(unset("aba"), 9, START_MS + HOUR_MS)])),
        (ActivationInvalid, On(grown, vec![activate(256, 1_000)])),
        (ActivationsFull, On(grown, vec![activate(258, 1_000)])),
    ]
}

/// A report on the chain that [`Ledger::new`] founds.
fn accuse(validator: &str, place: u64) -> Operation {
    report(&genesis().digest(), validator, place)
}

fn cut_off(report: Operation) -> Operation {
    let Operation::ReportMisbehaviour(mut report) = report else { unreachable!("a report") };
    report.proof.pop();
    Operation::ReportMisbehaviour(report)
}

/// `last` after as many reports as a block has signatures checked for, all of which hold.
fn judged(last: Operation) -> Vec<Operation> {
    let most = u64::try_from(JUDGED_PER_BLOCK_MAX).unwrap();
    (0..most).map(|place| accuse("acleda", place)).chain([last]).collect()
}

/// With as many offences of one key as the ledger holds.
fn accused() -> Ledger {
    let mut ledger = Ledger::new();
    let most = u64::try_from(OFFENCES_PER_KEY_MAX).unwrap();
    let result = ledger.run((0..most).map(|place| accuse("aba", place)).collect(), &["nbc"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    ledger
}

fn freezing_issuer() -> Operation {
    set_keys("nowhere", &[("k", &[Permission::Freeze, Permission::Issue, Permission::ManageKeys])])
}

/// With as many proposals as one participant may have.
fn proposing() -> Ledger {
    let mut ledger = Ledger::new();
    let result =
        ledger.run(vec![propose(unset("aba"), 9, START_MS + HOUR_MS); PROPOSALS_PER_PARTICIPANT_MAX], &["nbc"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    ledger
}

/// With as many versions of the protocol as may come into force.
fn grown() -> Ledger {
    let mut ledger = Ledger::new();
    for version in 2..=257 {
        let next = ledger.executor.point().height + 2;
        let result = ledger.run(vec![activate(version, next)], &["nbc"]);
        assert!(matches!(result, TransactionResult::Executed(_)));
    }
    ledger
}

/// With as many participants as there may be.
fn crowded() -> Ledger {
    let mut genesis = genesis();
    let first = genesis.participants[0].clone();
    let missing = 10_000 - genesis.participants.len();
    genesis.participants.extend((0..missing).map(|number| Participant {
        id: participant_id(&format!("more-{number}")),
        keys: Vec::new(),
        ..first.clone()
    }));
    Ledger::of(genesis.sorted())
}

/// Whose validators have used as many keys as they may.
fn worn() -> Ledger {
    let mut ledger = Ledger::new();
    let changes = (VALIDATOR_KEYS_MAX - 8) / 2;
    let result = ledger.run((0..changes).map(|number| set("aba", &format!("{number}"))).collect(), &["nbc"]);
    assert!(matches!(result, TransactionResult::Executed(_)));
    assert_eq!(ledger.validators().versions().len(), 2, "one block, one version");
    ledger
}

/// With as many versions of the set as may be in force at once.
fn busy() -> Ledger {
    let mut ledger = Ledger::new();
    for number in 1..VALIDATOR_VERSIONS_MAX {
        let result = ledger.run(vec![set("aba", &format!("{number}"))], &["nbc"]);
        assert!(matches!(result, TransactionResult::Executed(_)), "{number}");
    }
    assert_eq!(ledger.validators().versions().len(), VALIDATOR_VERSIONS_MAX);
    ledger
}

#[test]
fn every_code_has_a_row_in_order_of_precedence() {
    let rows = rows();
    let codes: Vec<_> = rows.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, RejectionCode::ALL, "one row for each code, in order");
    assert!(codes.is_sorted_by_key(|code| code.number()));
    for (code, attempt) in rows {
        assert_eq!(rejection(&mut Ledger::new(), attempt), Some(code));
    }
}

#[test]
fn numbers_and_names_lead_back_to_their_code() {
    for code in RejectionCode::ALL.iter().copied() {
        assert_eq!(RejectionCode::from_number(code.number()), Some(code));
        let spelled: String = format!("{code:?}")
            .chars()
            .enumerate()
            .flat_map(|(at, letter)| (at > 0 && letter.is_uppercase()).then_some('_').into_iter().chain([letter]))
            .collect();
        assert_eq!(code.name(), spelled.to_uppercase());
    }
}

#[test]
fn who_may_and_what_may_be_done() {
    use RejectionCode::*;
    let shared = || vec![transfer("shared@aba", "bob@acleda", 1)];
    type Case = (&'static str, Vec<Operation>, &'static [&'static str], Option<RejectionCode>);
    let cases: Vec<Case> = vec![
        ("two of three own keys", shared(), &["ann", "cat"], None),
        ("one of three own keys", shared(), &["ben"], Some(ThresholdNotMet)),
        ("the bank, for an account with own keys", shared(), &["aba"], Some(NotAuthorized)),
        ("two of the bank's keys", vec![transfer("dara@wing", "bob@acleda", 1)], &["wing", "wing-2"], None),
        (
            "a key without the permission does not count",
            vec![transfer("dara@wing", "bob@acleda", 1)],
            &["wing", "wing-open"],
            Some(ThresholdNotMet),
        ),
        ("a key that may only open accounts opens one", vec![open("new@wing")], &["wing-open"], None),
        ("a key that may only pay opens none", vec![open("new@wing")], &["wing-2"], Some(NotAuthorized)),
        ("another bank opens none", vec![open("new@wing")], &["aba"], Some(NotAuthorized)),
        ("a bank issues nothing", vec![issue("alice@aba", "KHR", 1)], &["aba"], Some(NotAuthorized)),
        ("a bank redeems nothing", vec![redeem("alice@aba", "KHR", 1)], &["aba"], Some(NotAuthorized)),
        (
            "both payers sign",
            vec![transfer("alice@aba", "bob@acleda", 1), transfer("bob@acleda", "alice@aba", 1)],
            &["aba", "acleda"],
            None,
        ),
        (
            "only one of two payers signs",
            vec![transfer("alice@aba", "bob@acleda", 1), transfer("bob@acleda", "alice@aba", 1)],
            &["aba"],
            Some(NotAuthorized),
        ),
        ("debits frozen: money enters", vec![transfer("alice@aba", "noout@aba", 1)], &["aba"], None),
        ("debits frozen: none leaves", vec![transfer("noout@aba", "alice@aba", 1)], &["aba"], Some(AccountFrozen)),
        ("credits frozen: money leaves", vec![transfer("noin@aba", "alice@aba", 1)], &["aba"], None),
        ("credits frozen: none enters", vec![transfer("alice@aba", "noin@aba", 1)], &["aba"], Some(AccountFrozen)),
        ("receive-only: money enters", vec![transfer("alice@aba", "in@takes", 1)], &["aba"], None),
        (
            "receive-only: none leaves",
            vec![transfer("in@takes", "alice@aba", 1)],
            &["takes"],
            Some(ParticipantSuspended),
        ),
        ("pay-out-only: money leaves", vec![transfer("out@pays", "alice@aba", 1)], &["pays"], None),
        ("pay-out-only: none enters", vec![transfer("alice@aba", "out@pays", 1)], &["aba"], Some(ParticipantSuspended)),
        ("pay-out-only: no account opens", vec![open("new@pays")], &["pays"], Some(ParticipantSuspended)),
        ("an unknown participant opens none", vec![open("new@nowhere")], &["aba"], Some(UnknownParticipant)),
        ("issue of an unknown asset", vec![issue("alice@aba", "XAU", 1)], &["nbc"], Some(AssetUnknown)),
        ("issue of nothing", vec![issue("alice@aba", "KHR", 0)], &["nbc"], Some(AmountZero)),
        ("issue to nobody", vec![issue("nobody@aba", "KHR", 1)], &["nbc"], Some(UnknownAccount)),
        ("issue to a closed account", vec![issue("shut@aba", "KHR", 1)], &["nbc"], Some(AccountClosed)),
        ("issue above 64 bits", vec![issue("full@aba", "USD", 11)], &["nbc"], Some(AmountOverflow)),
        ("issue up to 64 bits with what is held", vec![issue("full@aba", "USD", 10)], &["nbc"], None),
        ("redeem above the balance", vec![redeem("alice@aba", "KHR", 1_000_001)], &["nbc"], Some(InsufficientFunds)),
        (
            "held money cannot be spent",
            vec![transfer("shared@aba", "bob@acleda", 500_001)],
            &["ann", "ben"],
            Some(InsufficientFunds),
        ),
        ("everything can be spent", vec![transfer("alice@aba", "bob@acleda", 1_000_000)], &["aba"], None),
    ];
    for (what, operations, signers, expected) in cases {
        let result = Ledger::new().run(operations, signers);
        let code = match result {
            TransactionResult::Executed(_) => None,
            TransactionResult::Rejected { code, .. } => Some(code),
        };
        assert_eq!(code, expected, "{what}");
    }
}

#[test]
fn the_edges_of_the_window_and_of_the_limits_hold() {
    let at = |not_before_ms, not_after_ms| {
        let mut ledger = Ledger::new();
        let mut body = ledger.body(vec![transfer("alice@aba", "bob@acleda", 1)]);
        (body.not_before_ms, body.not_after_ms) = (not_before_ms, not_after_ms);
        let transaction = ledger.sign(&body, &["aba"]);
        ledger.execute(vec![transaction]).receipts[0].applied() == 1
    };
    let now = START_MS + 1;
    assert!(at(now, now + 1), "the first and only millisecond");
    assert!(!at(now + 1, now + 2), "one too early");
    assert!(!at(now - 1, now), "one too late");
    assert!(at(now, now + MAX_WINDOW_MS), "24 hours");
    let mut ledger = Ledger::new();
    let result = ledger.run(vec![transfer("alice@aba", "bob@acleda", 1); MAX_OPERATIONS], &["aba"]);
    let TransactionResult::Executed(results) = result else { panic!("rejected") };
    assert_eq!(results.len(), 8_190);
    assert_eq!(ledger.available("bob@acleda", "KHR"), 1_008_190);
}
