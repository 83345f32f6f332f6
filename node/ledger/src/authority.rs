//! Who must have signed a transaction: judged for all its operations before any of them is executed.
//!
//! A debit is signed for by the debited account's own keys (its threshold of them) if it has keys, and otherwise by
//! the participant's keys that may pay; opening an account by the participant's keys that may open accounts; issuing
//! and redeeming by the issuer's keys that may issue. An operation whose account, participant or asset is unknown has
//! nobody to sign for it, and fails when it is executed.
//!
//! Must not know: what the operations do.

use crate::working::Working;
use crate::{AccountId, Operation, ParticipantId, Permission, RejectionCode, SignedTransaction};

/// Whose keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authority {
    Account(AccountId),
    Participant(ParticipantId, Permission),
    Nobody,
}

/// Did the right keys sign? Gives the first operation for which they did not.
pub(crate) fn check(working: &Working<'_>, transaction: &SignedTransaction) -> Result<(), (RejectionCode, u32)> {
    let mut last = Authority::Nobody;
    for (operation, number) in transaction.operations().iter().zip(0u32..) {
        let authority = authority_for(working, operation);
        // A batch file debits one account thousands of times.
        if authority != last {
            holds(working, transaction, authority).map_err(|code| (code, number))?;
            last = authority;
        }
    }
    Ok(())
}

fn authority_for(working: &Working<'_>, operation: &Operation) -> Authority {
    let issuer = |asset| match working.issuer(asset) {
        Some(issuer) => Authority::Participant(issuer, Permission::Issue),
        None => Authority::Nobody,
    };
    match operation {
        Operation::Transfer(transfer) => Authority::Account(transfer.from),
        Operation::OpenAccount(open) => Authority::Participant(open.account.participant(), Permission::OpenAccounts),
        Operation::Issue(issue) => issuer(issue.asset),
        Operation::Redeem(redeem) => issuer(redeem.asset),
    }
}

fn holds(working: &Working<'_>, transaction: &SignedTransaction, authority: Authority) -> Result<(), RejectionCode> {
    match authority {
        Authority::Nobody => Ok(()),
        Authority::Account(id) => match working.account(id).filter(|account| !account.keys().is_empty()) {
            Some(account) => {
                let signed = account.keys().iter().filter(|key| transaction.is_signed_by(key)).count();
                enough(signed, account.threshold)
            }
            None => holds(working, transaction, Authority::Participant(id.participant(), Permission::Pay)),
        },
        Authority::Participant(id, permission) => {
            let Some(participant) = working.participant(id) else { return Ok(()) };
            let mut may = participant.keys.iter().filter(|entry| entry.permissions.contains(permission));
            let signed = may.by_ref().filter(|entry| transaction.is_signed_by(entry.key.as_bytes())).count();
            enough(signed, participant.thresholds.of(permission))
        }
    }
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
