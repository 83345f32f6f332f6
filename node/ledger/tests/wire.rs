//! The wire form: one encoding of each transaction, and nothing else gets in.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use proptest::prelude::*;
use tonle_crypto::{Canonical, Strict, Verified};
use tonle_ledger::*;

fn full_operations() -> Vec<Operation> {
    let Operation::Transfer(mut transfer) = with_ref(transfer("alice@aba", "bob@acleda", 12_345), "INV-1") else {
        unreachable!("a transfer")
    };
    transfer.purpose = Some(Text::new("SALA").unwrap());
    transfer.external_ref = Some(Reference::new("E2E 77").unwrap());
    transfer.remittance = vec![0, 1, 2, 0xff];
    let mut keys = vec![key("ann").public(), key("ben").public()];
    keys.sort_unstable();
    vec![
        Operation::Transfer(transfer),
        Operation::OpenAccount(OpenAccount {
            account: id("new@aba"),
            kind: AccountKind::Merchant,
            keys,
            threshold: 2,
            tier: Some(KycTier::Partial),
        }),
        with_ref(issue("alice@aba", "USD", u64::MAX), "I"),
        redeem("alice@aba", "USD", 1),
        set("aba", "new"),
        unset("wing"),
        full_admission(),
        report(&genesis().digest(), "wing", 7),
        close("alice@aba"),
        rekey("alice@aba", &["ann", "ben"], 2),
        set_status("alice@aba", AccountStatus::CreditsFrozen),
        set_tier("alice@aba", KycTier::Full),
        freeze("alice@aba", AccountStatus::Frozen, "court 7"),
        with_ref(seize("alice@aba", "reserve@nbc", 1), "S"),
        set_alias("alice@aba", "012 345 678", "សុខ ****"),
        move_alias("alice@aba", "noin@aba", "012 345 678", "S***"),
        remove_alias("alice@aba", "012 345 678"),
        set_limits("KHR", KycTier::Interbank, DAILY_MAX, HOURLY_MAX),
        full_keys(),
        set_mode("aba", Mode::PayOutOnly),
        remove("gone"),
        propose(full_keys(), 9, START_MS + HOUR_MS),
        propose(issue("alice@aba", "USD", 5), 0, START_MS),
        approve(genesis().digest()),
        withdraw(genesis().digest()),
        activate(2, u64::MAX),
    ]
}

fn full_keys() -> Operation {
    let all_but_issue: Vec<_> = Permission::ALL.into_iter().filter(|other| *other != Permission::Issue).collect();
    let keys: [(&str, &[Permission]); 3] = [("a", &all_but_issue), ("b", &[Permission::ManageKeys]), ("c", &[])];
    set_keys_with("nbc", &keys, Thresholds { manage_keys: 2, ..Thresholds::default() })
}

fn full_admission() -> Operation {
    let Operation::AddParticipant(mut add) = admit("wb") else { unreachable!("an admission") };
    let may = |name: &str, permissions: &[Permission]| ParticipantKey {
        key: key(name).public(),
        permissions: Permissions::of(permissions),
    };
    add.legal_name = "ធនាគារ វីង".to_owned();
    add.role = Role::PaymentProvider;
    add.keys = vec![
        may("wb", &[Permission::Pay]),
        may("wb-2", &[Permission::Pay, Permission::OpenAccounts]),
        may("wb-3", &[Permission::ManageKeys]),
    ];
    add.keys.sort_by_key(|entry| entry.key);
    add.pay_threshold = 2;
    add.manage_keys_threshold = 1;
    Operation::AddParticipant(add)
}

fn full_transaction() -> SignedTransaction {
    let mut body = body(genesis().digest(), full_operations());
    body.independent = true;
    body.nonce = vec![7; 32];
    body.sign(&[&key("aba"), &key("nbc")]).unwrap()
}

#[test]
fn what_is_decoded_is_what_was_encoded() {
    let signed = full_transaction();
    let decoded = SignedTransaction::from_bytes(signed.bytes()).unwrap();
    assert_eq!(decoded, signed);
    assert_eq!(decoded.body().operations, full_operations());
    assert_eq!(decoded.body().to_bytes(), decoded.body_bytes());
    assert_eq!(SignedTransaction::decode(&signed.encode()).unwrap(), signed);
    assert!(Verified::check(decoded, &genesis().digest(), &Strict).is_ok());
}

#[test]
fn any_changed_byte_is_refused() {
    let signed = full_transaction();
    let chain = genesis().digest();
    let accepted = |bytes: &[u8]| {
        let signed = SignedTransaction::from_bytes(bytes).ok()?;
        Verified::check(signed, &chain, &Strict).ok().map(|verified| verified.id())
    };
    assert_eq!(accepted(signed.bytes()), Some(signed.id()));
    for at in 0..signed.bytes().len() {
        for flip in [1u8, 2, 4, 8, 16, 32, 64, 128, 0xff] {
            let mut bytes = signed.bytes().to_vec();
            bytes[at] ^= flip;
            assert_eq!(accepted(&bytes), None, "byte {at} xor {flip:#x}");
        }
    }
}

#[test]
fn any_prefix_and_any_longer_input_is_refused() {
    // One signature: a prefix that ends between two would be the same transaction with the first alone.
    let signed = full_transaction().body().sign(&[&key("aba")]).unwrap();
    for end in 0..signed.bytes().len() {
        let rejection = SignedTransaction::from_bytes(&signed.bytes()[..end]).unwrap_err();
        assert_eq!(rejection.code, RejectionCode::Malformed, "the first {end} bytes");
    }
    for extra in [&[0u8][..], &[0x18, 1], &[0x12, 0], &[0x0a, 0]] {
        let longer = [signed.bytes(), extra].concat();
        assert_eq!(SignedTransaction::from_bytes(&longer).unwrap_err().code, RejectionCode::Malformed);
    }
}

#[test]
fn signatures_stand_in_order_each_key_once_and_bounded() {
    let body = body(genesis().digest(), vec![transfer("alice@aba", "bob@acleda", 1)]).to_bytes();
    let message = SignedTransaction::signed_message(&genesis().digest(), &body);
    let mut entries: Vec<_> = (0..17)
        .map(|number| {
            let key = key(&format!("signer {number}"));
            (key.public(), key.sign(&message))
        })
        .collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    let code = |entries: &[_]| SignedTransaction::from_parts(&body, entries).map(|_| ()).map_err(|fault| fault.code);
    assert_eq!(code(&entries[..16]), Ok(()));
    assert_eq!(code(&entries), Err(RejectionCode::Malformed), "17");
    assert_eq!(code(&[]), Err(RejectionCode::Malformed), "none");
    assert_eq!(code(&[entries[1], entries[0]]), Err(RejectionCode::Malformed), "out of order");
    assert_eq!(code(&[entries[0], entries[0]]), Err(RejectionCode::Malformed), "twice");
}

#[test]
fn the_rejection_names_the_field_and_the_operation() {
    let chain = genesis().digest();
    let mut body = body(chain, vec![transfer("alice@aba", "bob@acleda", 1), transfer("alice@aba", "bob@acleda", 1)]);
    if let Operation::Transfer(transfer) = &mut body.operations[1] {
        transfer.remittance = vec![1; MAX_REMITTANCE_BYTES + 1];
    }
    let rejection = body.sign(&[&key("aba")]).unwrap_err();
    assert_eq!(rejection.to_string(), "MALFORMED: transfer.remittance of operation 1");
    body.operations.pop();
    body.nonce = vec![1; MAX_NONCE_BYTES + 1];
    let rejection = body.sign(&[&key("aba")]).unwrap_err();
    assert_eq!((rejection.field, rejection.operation), ("body.nonce", None));
}

#[test]
fn a_membership_that_cannot_work_is_no_message() {
    let refused = |operation: Operation| {
        let body = body(genesis().digest(), vec![operation]);
        let rejection = body.sign(&[&key("nbc")]).unwrap_err();
        assert_eq!((rejection.code, rejection.operation), (RejectionCode::Malformed, Some(0)));
        rejection.field
    };
    let mut same = member("aba", "new");
    same.network_key = same.key;
    assert_eq!(refused(Operation::SetValidator(Box::new(same))), "set_validator.network_key");
    let changed = |change: &dyn Fn(&mut AddParticipant)| {
        let Operation::AddParticipant(mut add) = full_admission() else { unreachable!("an admission") };
        change(&mut add);
        refused(Operation::AddParticipant(add))
    };
    type Case<'a> = (&'static str, &'a dyn Fn(&mut AddParticipant));
    let cases: [Case<'_>; 12] = [
        ("legal_name", &|add| add.legal_name.clear()),
        ("legal_name", &|add| add.legal_name = "x".repeat(141)),
        ("legal_name", &|add| add.legal_name.push('\u{1b}')),
        ("bic", &|add| add.bic = "lower".to_owned()),
        ("bic", &|add| add.bic = "A".repeat(12)),
        ("role", &|add| add.role = Role::Operator),
        ("keys", &|add| add.keys.reverse()),
        ("keys", &|add| add.keys[1] = add.keys[0].clone()),
        ("pay_threshold", &|add| add.pay_threshold = 0),
        ("pay_threshold", &|add| add.pay_threshold = 3),
        ("open_accounts_threshold", &|add| add.open_accounts_threshold = 2),
        ("keys", &|add| {
            let number = |number: u8| key(&format!("key {number}")).public();
            add.keys = (0..17).map(|at| ParticipantKey { key: number(at), permissions: Permissions::NONE }).collect();
            add.keys.sort_by_key(|entry| entry.key);
        }),
    ];
    for (field, change) in cases {
        assert_eq!(changed(change), format!("add_participant.{field}"));
    }
}

#[test]
fn a_proof_has_one_byte_at_least_and_321_at_most() {
    let sent = |length: usize| {
        let operation = Operation::ReportMisbehaviour(ReportMisbehaviour { proof: vec![7; length] });
        let signed = body(genesis().digest(), vec![operation]).sign(&[&key("aba")]);
        signed.map(|_| ()).map_err(|rejection| (rejection.code, rejection.field))
    };
    assert_eq!(sent(1), Ok(()));
    assert_eq!(sent(PROOF_BYTES_MAX), Ok(()));
    for length in [0, PROOF_BYTES_MAX + 1] {
        assert_eq!(sent(length), Err((RejectionCode::Malformed, "report_misbehaviour.proof")), "{length}");
    }
}

#[test]
fn names_have_one_form() {
    let longest = format!("{}@aba", "a".repeat(28));
    for good in ["a@b", "alice@aba", "shop_1.pp-x@a.b-c_d", longest.as_str()] {
        assert_eq!(AccountId::new(good).unwrap().as_str(), good);
    }
    let too_long = format!("{}@aba", "a".repeat(29));
    for bad in ["", "@", "a@", "@b", "ab", "a@b@c", "A@b", "a b@c", "a@b ", "é@b", "a\0@b", too_long.as_str()] {
        assert!(AccountId::new(bad).is_err(), "{bad:?}");
    }
    assert_eq!(id("alice@aba").participant(), participant_id("aba"));
    assert_eq!(id("alice@aba").name(), "alice");
    for bad in ["", "KH", "khr", "KHRKHRKHR", "K R"] {
        assert!(Asset::new(bad).is_err(), "{bad:?}");
    }
    let mut names = ["b@a", "a@b", "a.a@b", "aa@a", "a-@z", "a@bb"].map(id);
    names.sort_unstable();
    assert!(names.is_sorted_by_key(|name| name.as_bytes().to_vec()), "ordered as their bytes");
    assert!(names.is_sorted_by_key(|name| StateKey::Account(*name).to_bytes()), "and as their keys");
}

#[test]
fn state_keys_lead_back_from_their_bytes_and_order_as_them() {
    let digest = genesis().digest();
    let keys = [
        StateKey::Point,
        StateKey::Participant(participant_id("aba")),
        StateKey::Asset(asset("KHR")),
        StateKey::IdBucket(500_000),
        StateKey::ReferenceBucket(500_001),
        StateKey::Account(id("alice@aba")),
        StateKey::Validators,
        StateKey::Offence(digest),
        StateKey::CodeBucket(500_002),
        StateKey::Transaction { hour: 500_002, id: TransactionId::new(digest) },
        StateKey::Reference(digest),
        StateKey::Code { hour: 500_002, code: digest },
    ];
    for key in keys {
        assert_eq!(StateKey::from_bytes(&key.to_bytes()), Some(key));
        assert_eq!(StateKey::from_bytes(&[key.to_bytes(), vec![0]].concat()), None);
        let scanned = StateKey::SCAN.contains(&key.to_bytes()[0]);
        assert_eq!(scanned, key.is_leaf() || key == StateKey::Point);
    }
    assert!(keys.is_sorted_by_key(StateKey::to_bytes));
    assert!(keys.is_sorted());
    let in_range = |(from, to): (Vec<u8>, Vec<u8>), key: &StateKey| (from..to).contains(&key.to_bytes());
    assert!(in_range(Change::id_range(500_002), &keys[9]) && in_range(Change::code_range(500_002), &keys[11]));
}

proptest! {
    #[test]
    fn any_bytes_either_are_refused_or_are_the_one_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(signed) = SignedTransaction::from_bytes(&bytes) {
            prop_assert_eq!(signed.body().to_bytes(), signed.body_bytes());
        }
    }

    #[test]
    fn any_spliced_transaction_is_refused_or_encodes_to_itself(
        from in 0usize..600, length in 0usize..40, with in proptest::collection::vec(any::<u8>(), 0..40)
    ) {
        let mut bytes = full_transaction().bytes().to_vec();
        let from = from.min(bytes.len());
        let to = (from + length).min(bytes.len());
        bytes.splice(from..to, with);
        if let Ok(signed) = SignedTransaction::from_bytes(&bytes) {
            let again = SignedTransaction::from_parts(&signed.body().to_bytes(), signed.signatures()).unwrap();
            prop_assert_eq!(again.bytes(), bytes.as_slice());
        }
    }

    #[test]
    fn genesis_has_one_form(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let genesis = genesis();
        let bytes = genesis.encode();
        prop_assert_eq!(Genesis::decode(&bytes).unwrap(), genesis);
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        if let Ok(other) = Genesis::decode(&changed) {
            prop_assert_eq!(other.encode(), changed);
            prop_assert_ne!(other.digest(), Genesis::decode(&bytes).unwrap().digest());
        }
    }
}

/// Changes a genesis.
type Alteration<'a> = &'a dyn Fn(&mut Genesis);

#[test]
fn a_genesis_that_has_no_canonical_form_does_not_pass_the_check() {
    assert_eq!(genesis().check(), Ok(()));
    let many: Vec<_> = (0..17).map(|number| key(&format!("signer {number}")).public()).collect();
    let changes: [(&str, Alteration<'_>); 5] = [
        ("keys of a participant", &|genesis| {
            let entry = |key: &tonle_crypto::PublicKey| ParticipantKey { key: *key, permissions: Permissions::NONE };
            genesis.participants[0].keys = many.iter().map(entry).collect();
        }),
        ("keys of an account", &|genesis| genesis.accounts[0].account = Account::new(AccountKind::Wallet, &many, 1)),
        ("legal name", &|genesis| genesis.participants[0].legal_name = "x".repeat(141)),
        ("length of the bic", &|genesis| genesis.participants[0].bic = "A".repeat(12)),
        ("letters of the bic", &|genesis| genesis.participants[0].bic = "khba".to_owned()),
    ];
    for (what, change) in changes {
        let mut genesis = genesis();
        change(&mut genesis);
        let genesis = genesis.sorted();
        assert!(genesis.check().is_err(), "{what}");
        assert!(Executor::create(&genesis, std::sync::Arc::new(Numbers)).is_err(), "{what}");
    }
}
