//! Who must have signed a transaction: judged for all its operations before any of them is executed.
//!
//! A debit is signed for by the debited account's own keys (its threshold of them) if it has keys, and otherwise by
//! the participant's keys that may pay; opening an account by the participant's keys that may open accounts; issuing
//! and redeeming by the issuer's keys that may issue. Who validates and who participates is the operator's to say, with
//! the keys that may issue: whoever may make money is trusted with it. What a validator did is anybody's to report who
//! participates, with any of its keys: the proof speaks for itself. An operation whose account,
//! participant or asset is unknown has nobody to sign for it, and fails when it is executed.
//!
//! Must not know: what the operations do.

use std::collections::BTreeMap;

use crate::plan::Touched;
use crate::working::Working;
use crate::{Operation, Participant, ParticipantId, Permission, RejectionCode, Role, SignedTransaction};

/// Whose keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authority {
    /// By its place.
    Account(Option<usize>),
    Participant(ParticipantId, Permission),
    /// Any one participant whose role it is.
    Operator,
    /// Any one key of any participant.
    AnyParticipant,
    Nobody,
}

/// Did the right keys sign? Gives the first operation for which they did not.
/// `touched` is what each operation touches.
pub(crate) fn check(
    working: &Working<'_>,
    transaction: &SignedTransaction,
    touched: &[Touched],
) -> Result<(), (RejectionCode, u32)> {
    let admitted = admitted_by(transaction);
    let mut last = Authority::Nobody;
    for ((operation, touched), number) in transaction.operations().iter().zip(touched).zip(0u32..) {
        let authority = authority_for(working, operation, touched);
        // A batch file debits one account thousands of times.
        if authority != last {
            holds(working, &admitted, transaction, authority).map_err(|code| (code, number))?;
            last = authority;
        }
    }
    Ok(())
}

/// Whom the transaction admits: they sign for what comes after it in the same transaction. Of two of one id the first.
fn admitted_by(transaction: &SignedTransaction) -> BTreeMap<ParticipantId, Participant> {
    let mut admitted = BTreeMap::new();
    for operation in transaction.operations() {
        match operation {
            Operation::AddParticipant(add) => {
                admitted.entry(add.participant).or_insert_with(|| add.record());
            }
            Operation::Transfer(_)
            | Operation::OpenAccount(_)
            | Operation::Issue(_)
            | Operation::Redeem(_)
            | Operation::SetValidator(_)
            | Operation::RemoveValidator(_)
            | Operation::ReportMisbehaviour(_) => {}
        }
    }
    admitted
}

fn authority_for(working: &Working<'_>, operation: &Operation, touched: &Touched) -> Authority {
    let issuer = |asset| match working.issuer(asset) {
        Some(issuer) => Authority::Participant(issuer, Permission::Issue),
        None => Authority::Nobody,
    };
    match operation {
        Operation::Transfer(_) => {
            let [payer, _] = touched.accounts;
            Authority::Account(payer)
        }
        Operation::OpenAccount(open) => Authority::Participant(open.account.participant(), Permission::OpenAccounts),
        Operation::Issue(issue) => issuer(issue.asset),
        Operation::Redeem(redeem) => issuer(redeem.asset),
        Operation::SetValidator(_) | Operation::RemoveValidator(_) | Operation::AddParticipant(_) => {
            Authority::Operator
        }
        Operation::ReportMisbehaviour(_) => Authority::AnyParticipant,
    }
}

fn holds(
    working: &Working<'_>,
    admitted: &BTreeMap<ParticipantId, Participant>,
    transaction: &SignedTransaction,
    authority: Authority,
) -> Result<(), RejectionCode> {
    match authority {
        Authority::Nobody => Ok(()),
        Authority::Account(place) => {
            let slot = place.and_then(|place| working.slot(place)).ok_or(RejectionCode::NotAuthorized)?;
            match slot.account.as_ref().filter(|account| !account.keys().is_empty()) {
                Some(account) => {
                    let signed = account.keys().iter().filter(|key| transaction.is_signed_by(key)).count();
                    enough(signed, account.threshold)
                }
                None => {
                    holds(working, admitted, transaction, Authority::Participant(slot.participant, Permission::Pay))
                }
            }
        }
        Authority::Participant(id, permission) => match working.participant(id).or_else(|| admitted.get(&id)) {
            Some(participant) => participant_signed(transaction, participant, permission),
            None => Ok(()),
        },
        Authority::AnyParticipant => {
            let of = |participant: &Participant| {
                participant.keys.iter().any(|entry| transaction.is_signed_by(entry.key.as_bytes()))
            };
            let signed = transaction.signatures().iter().any(|(key, _)| working.is_participants(key));
            if signed || admitted.values().any(of) { Ok(()) } else { Err(RejectionCode::NotAuthorized) }
        }
        Authority::Operator => {
            let operators = working.participants().filter(|participant| participant.role == Role::Operator);
            let signed = operators.map(|operator| participant_signed(transaction, operator, Permission::Issue));
            // The best of them counts; a chain without an operator has nobody who may.
            signed.reduce(best).unwrap_or(Err(RejectionCode::NotAuthorized))
        }
    }
}

fn best(left: Result<(), RejectionCode>, right: Result<(), RejectionCode>) -> Result<(), RejectionCode> {
    match (left, right) {
        (Ok(()), _) | (_, Ok(())) => Ok(()),
        // The higher number is the nearer miss.
        (Err(left), Err(right)) => Err(left.max(right)),
    }
}

fn participant_signed(
    transaction: &SignedTransaction,
    participant: &Participant,
    permission: Permission,
) -> Result<(), RejectionCode> {
    let may = participant.keys.iter().filter(|entry| entry.permissions.contains(permission));
    let signed = may.filter(|entry| transaction.is_signed_by(entry.key.as_bytes())).count();
    enough(signed, participant.thresholds.of(permission))
}

fn enough(signed: usize, threshold: u8) -> Result<(), RejectionCode> {
    if signed == 0 {
        Err(RejectionCode::NotAuthorized)
    } else if signed < usize::from(threshold) {
        Err(RejectionCode::ThresholdNotMet)
    } else {
        Ok(())
    }
}
