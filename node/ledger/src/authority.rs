//! Who must have signed: one rule for each operation, judged for all operations of a transaction before any of them is
//! executed.
//!
//! What a validator did is anybody's to report who participates, with any of its keys: the proof speaks for itself. An
//! operation whose account, participant or asset is unknown has nobody to sign for it, and fails when it is executed.
//!
//! Must not know: what the operations do.

use std::collections::BTreeMap;

use crate::operation::Act;
use crate::plan::Touched;
use crate::working::Working;
use crate::{Operation, OperationKind, Participant, ParticipantId, Permission, RejectionCode, Role, SignedTransaction};

/// Whose keys are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The account that money leaves: its own keys, its threshold of them, if it has keys; otherwise its participant's.
    Debtor,
    /// The account that money enters: as for the debtor.
    Creditor,
    /// The participant that keeps the account.
    Keeper,
    /// The issuer of the asset.
    Issuer,
    /// Any one participant whose role it is.
    Operator,
    /// The participant that it is about; or, instead, an operator with keys that may govern.
    ItselfOrOperator,
    /// Any one key of any participant.
    AnyParticipant,
}

/// Who may ask for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Whose keys.
    pub signer: Signer,
    /// What a participant's keys must be allowed to do, as many as its threshold says; `None`: any one key.
    pub permission: Option<Permission>,
    /// What the signing participant may be.
    pub roles: &'static [Role],
}

const ALL: &[Role] = &[Role::Operator, Role::Bank, Role::PaymentProvider, Role::Auditor];
const KEEPERS: &[Role] = &[Role::Operator, Role::Bank, Role::PaymentProvider];
const OPERATOR: &[Role] = &[Role::Operator];

const fn by(signer: Signer, permission: Permission, roles: &'static [Role]) -> Rule {
    Rule { signer, permission: Some(permission), roles }
}

/// What an operator needs where it stands in for others.
const GOVERN: Rule = by(Signer::Operator, Permission::Govern, OPERATOR);

/// Is a permission under dual control? What it is needed for can be proposed by fewer keys than its threshold, and takes
/// effect when others have approved.
#[must_use]
pub const fn dual_control(permission: Permission) -> bool {
    match permission {
        Permission::Issue | Permission::Seize | Permission::Govern => true,
        Permission::Pay | Permission::OpenAccounts | Permission::ManageKeys | Permission::Freeze => false,
    }
}

/// The table: operation, signer, permission of the key, roles.
#[must_use]
pub const fn rule(operation: OperationKind) -> Rule {
    match operation {
        OperationKind::Transfer => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::OpenAccount => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        OperationKind::Issue => by(Signer::Issuer, Permission::Issue, OPERATOR),
        OperationKind::Redeem => by(Signer::Issuer, Permission::Issue, OPERATOR),
        OperationKind::SetValidator => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::RemoveValidator => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::AddParticipant => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::PlaceHold => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::CaptureHold => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::ReleaseHold => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::SetParticipantKeys => by(Signer::ItselfOrOperator, Permission::ManageKeys, ALL),
        OperationKind::SetParticipantMode => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::RemoveParticipant => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::ReportMisbehaviour => Rule { signer: Signer::AnyParticipant, permission: None, roles: ALL },
    }
}

/// Whose keys are asked for by one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Authority {
    /// By its place.
    Account(Option<usize>),
    Participant(ParticipantId),
    Operator,
    ItselfOrOperator(ParticipantId),
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
    let court = Court { working, transaction, admitted: admitted_by(transaction) };
    let mut last = None;
    for ((operation, touched), number) in transaction.operations().iter().zip(touched).zip(0u32..) {
        let rule = rule(operation.kind());
        let asked = (authority_for(working, rule, operation.act(), touched), rule);
        // A batch file debits one account thousands of times.
        if last != Some(asked) {
            court.holds(asked.0, rule).map_err(|code| (code, number))?;
            last = Some(asked);
        }
    }
    Ok(())
}

/// Whom the transaction admits: they sign for what comes after it in the same transaction. Of two of one id the first.
fn admitted_by(transaction: &SignedTransaction) -> BTreeMap<ParticipantId, Participant> {
    let mut admitted = BTreeMap::new();
    for operation in transaction.operations() {
        if let Operation::AddParticipant(add) = operation {
            admitted.entry(add.participant).or_insert_with(|| add.record());
        }
    }
    admitted
}

fn authority_for(working: &Working<'_>, rule: Rule, operation: &dyn Act, touched: &Touched) -> Authority {
    let [first, second] = touched.accounts;
    match rule.signer {
        Signer::Debtor => Authority::Account(first),
        Signer::Creditor => Authority::Account(second),
        Signer::Keeper => operation.subject().map_or(Authority::Nobody, Authority::Participant),
        Signer::Issuer => {
            let issuer = operation.asset().and_then(|asset| working.issuer(asset));
            issuer.map_or(Authority::Nobody, Authority::Participant)
        }
        Signer::Operator => Authority::Operator,
        Signer::ItselfOrOperator => operation.subject().map_or(Authority::Nobody, Authority::ItselfOrOperator),
        Signer::AnyParticipant => Authority::AnyParticipant,
    }
}

/// A transaction before those who may ask for it.
struct Court<'a, 'b> {
    working: &'a Working<'b>,
    transaction: &'a SignedTransaction,
    admitted: BTreeMap<ParticipantId, Participant>,
}

impl Court<'_, '_> {
    fn holds(&self, authority: Authority, rule: Rule) -> Result<(), RejectionCode> {
        match authority {
            Authority::Nobody => Ok(()),
            Authority::Account(place) => {
                let slot = place.and_then(|place| self.working.slot(place)).ok_or(RejectionCode::NotAuthorized)?;
                match slot.account.as_ref().filter(|account| !account.keys().is_empty()) {
                    Some(account) => {
                        let signed = account.keys().iter().filter(|key| self.transaction.is_signed_by(key)).count();
                        enough(signed, account.threshold)
                    }
                    None => self.holds(Authority::Participant(slot.participant), rule),
                }
            }
            Authority::Participant(id) => match self.working.participant(id).or_else(|| self.admitted.get(&id)) {
                Some(participant) => self.signed_by(participant, rule),
                None => Ok(()),
            },
            Authority::AnyParticipant => {
                let of = |participant: &Participant| {
                    participant.keys.iter().any(|entry| self.transaction.is_signed_by(entry.key.as_bytes()))
                };
                let signed = self.transaction.signatures().iter().any(|(key, _)| self.working.is_participants(key));
                if signed || self.admitted.values().any(of) { Ok(()) } else { Err(RejectionCode::NotAuthorized) }
            }
            Authority::ItselfOrOperator(id) => {
                let itself = self.holds(Authority::Participant(id), rule);
                itself.or_else(|itself| best(Err(itself), self.holds(Authority::Operator, GOVERN)))
            }
            Authority::Operator => {
                let operators = self.working.participants().filter(|participant| participant.role == Role::Operator);
                let signed = operators.map(|operator| self.signed_by(operator, rule));
                // The best of them counts; a chain without an operator has nobody who may.
                signed.reduce(best).unwrap_or(Err(RejectionCode::NotAuthorized))
            }
        }
    }

    fn signed_by(&self, participant: &Participant, rule: Rule) -> Result<(), RejectionCode> {
        if !rule.roles.contains(&participant.role) {
            return Err(RejectionCode::NotAuthorized);
        }
        let may = |permissions: crate::Permissions| rule.permission.is_none_or(|asked| permissions.contains(asked));
        let may = participant.keys.iter().filter(|entry| may(entry.permissions));
        let signed = may.filter(|entry| self.transaction.is_signed_by(entry.key.as_bytes())).count();
        enough(signed, rule.permission.map_or(1, |permission| participant.thresholds.of(permission)))
    }
}

fn best(left: Result<(), RejectionCode>, right: Result<(), RejectionCode>) -> Result<(), RejectionCode> {
    match (left, right) {
        (Ok(()), _) | (_, Ok(())) => Ok(()),
        // The higher number is the nearer miss.
        (Err(left), Err(right)) => Err(left.max(right)),
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
