//! What clients send: the strict protobuf decoder of transactions, against an encoder that builds the bytes anew.
//!
//! Must not know: what becomes of a transaction.

use tonle_crypto::{Canonical, Strict, Verify};
use tonle_ledger::{
    AccountStatus, DisplayName, KHQR_BYTES_MAX, MAX_NONCE_BYTES, MAX_OPERATIONS, MAX_REMITTANCE_BYTES, MAX_SIGNATURES,
    MAX_TRANSACTION_BYTES, MAX_WINDOW_MS, Mode, Operation, PROOF_BYTES_MAX, Permission, Progress, RejectionCode, Role,
    SignedTransaction, proposable,
};

use crate::forge::CHAIN;
use crate::signing::{Anything, Nothing};

/// A signed transaction.
pub(crate) fn transaction(data: &[u8]) {
    let transaction = match SignedTransaction::from_bytes(data) {
        Ok(transaction) => transaction,
        Err(rejection) => {
            // The form alone is refused by the codes of the form.
            assert!(rejection.code <= RejectionCode::TooManyOperations, "{rejection}");
            return;
        }
    };
    assert_eq!(transaction.bytes(), data, "the bytes are kept as they came");
    let body = transaction.body();
    assert_eq!(body.to_bytes(), transaction.body_bytes(), "a second encoding of a body was accepted: {body:?}");
    let again = SignedTransaction::from_parts(&body.to_bytes(), transaction.signatures());
    assert_eq!(again.as_ref().map(SignedTransaction::bytes), Ok(data), "a second encoding was accepted");
    assert_eq!(again.map(|again| again.id()), Ok(transaction.id()), "one body, two ids");
    assert!(data.len() <= MAX_TRANSACTION_BYTES);
    assert!((1..=MAX_OPERATIONS).contains(&body.operations.len()) && body.nonce.len() <= MAX_NONCE_BYTES);
    assert!((1..=MAX_SIGNATURES).contains(&transaction.signatures().len()));
    assert!(transaction.signatures().windows(2).all(|pair| pair[0].0 < pair[1].0), "signers ascend, none twice");
    body.operations.iter().for_each(bounds);
    // As it stands in a batch or on disk.
    assert_eq!(SignedTransaction::decode(&transaction.encode()).as_ref(), Ok(&transaction));

    assert!(transaction.verify(&CHAIN, &Nothing).is_err(), "accepted without a valid signature");
    let (form, real) = (transaction.verify(&CHAIN, &Anything), transaction.verify(&CHAIN, &Strict));
    assert!(real.is_err() || form.is_ok(), "the verifier decided more than signatures");
    if form.is_ok() {
        let window = body.not_after_ms.checked_sub(body.not_before_ms);
        assert!(body.chain == CHAIN && window.is_some_and(|window| (1..=MAX_WINDOW_MS).contains(&window)));
    }
}

fn bounds(operation: &Operation) {
    match operation {
        Operation::Transfer(transfer) => assert!(transfer.remittance.len() <= MAX_REMITTANCE_BYTES),
        Operation::SendToBank(transfer) => assert!((1..=MAX_REMITTANCE_BYTES).contains(&transfer.remittance.len())),
        Operation::PayKhqr(pay) => assert!((1..=KHQR_BYTES_MAX).contains(&pay.payload.len())),
        Operation::RequestToPay(request) => assert!(request.remittance.len() <= MAX_REMITTANCE_BYTES),
        Operation::TrackTransfer(track) => {
            assert!(track.reason.is_none() || track.progress == Progress::Refused);
        }
        Operation::OpenAccount(open) => {
            assert!(open.keys.len() <= MAX_SIGNATURES && open.keys.windows(2).all(|pair| pair[0] < pair[1]));
            let threshold = usize::from(open.threshold);
            assert!(threshold <= open.keys.len() && (threshold == 0) == open.keys.is_empty());
        }
        Operation::SetAccountKeys(set) => {
            assert!(set.keys.len() <= MAX_SIGNATURES && set.keys.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(usize::from(set.threshold) <= set.keys.len() && (set.threshold == 0) == set.keys.is_empty());
        }
        Operation::SetAccountStatus(set) => assert_ne!(set.status, AccountStatus::Closed),
        Operation::FreezeAccount(freeze) => assert_ne!(freeze.status, AccountStatus::Closed),
        Operation::SetAlias(set) => shown(&set.name),
        Operation::MoveAlias(moved) => shown(&moved.name),
        Operation::SetValidator(member) => assert_ne!(member.key, member.network_key),
        Operation::AddParticipant(add) => {
            assert!(add.keys.len() <= MAX_SIGNATURES && add.keys.windows(2).all(|pair| pair[0].key < pair[1].key));
            assert!(add.role != Role::Operator && add.pay_threshold > 0 && add.open_accounts_threshold > 0);
            assert!((1..=140).contains(&add.legal_name.len()) && add.bic.len() <= 11);
            assert!(add.keys.iter().all(|entry| !entry.permissions.iter().any(Permission::is_operators)));
        }
        Operation::SetParticipantKeys(set) => {
            assert!(set.keys.len() <= MAX_SIGNATURES && set.keys.windows(2).all(|pair| pair[0].key < pair[1].key));
            let managing = set.keys.iter().filter(|entry| entry.permissions.contains(Permission::ManageKeys)).count();
            assert!((1..=managing).contains(&usize::from(set.thresholds.manage_keys)));
        }
        Operation::SetParticipantMode(set) => assert_ne!(set.mode, Mode::Removed),
        Operation::Propose(propose) => assert!(proposable(propose.operation.kind()).is_some()),
        Operation::ReportMisbehaviour(report) => assert!((1..=PROOF_BYTES_MAX).contains(&report.proof.len())),
        _ => {}
    }
}

fn shown(name: &DisplayName) {
    let text = name.as_str();
    assert!((1..=DisplayName::BYTES_MAX).contains(&text.len()) && text.chars().count() <= DisplayName::CHARS_MAX);
}
