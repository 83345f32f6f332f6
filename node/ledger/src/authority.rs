//! Who must have signed: one rule for each operation, judged for all operations of a transaction before any of them is
//! executed.
//!
//! What a validator did is anybody's to report who participates, with any of its keys: the proof speaks for itself. An
//! operation whose account, participant or asset is unknown has nobody to sign for it, and fails when it is executed.
//!
//! Must not know: what the operations do.

use std::collections::BTreeMap;

use tonle_crypto::PublicKey;

use crate::plan::Touched;
use crate::proposal::Proposal;
use crate::working::Working;
use crate::{
    Operation, OperationKind, Participant, ParticipantId, Permission, Permissions, RejectionCode, Role,
    SignedTransaction,
};

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
    /// Any one key that may decide on what is proposed.
    Decider,
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

/// The permission under dual control that an operation needs: it can be proposed. `None` when it needs none.
#[must_use]
pub const fn proposable(operation: OperationKind) -> Option<Permission> {
    let Rule { signer, permission, .. } = rule(operation);
    let permission = match signer {
        Signer::ItselfOrOperator => GOVERN.permission,
        Signer::Issuer | Signer::Operator => permission,
        Signer::Debtor | Signer::Creditor | Signer::Keeper | Signer::AnyParticipant | Signer::Decider => None,
    };
    match permission {
        Some(permission) if dual_control(permission) => Some(permission),
        Some(_) | None => None,
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
        OperationKind::SendToBank => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::TrackTransfer => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::Return => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::RequestToPay => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::AcceptRequest => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::DeclineRequest => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::CancelRequest => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::GrantMandate => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::Collect => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::RevokeMandate => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::OfferQuote => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::TakeQuote => by(Signer::Creditor, Permission::Pay, KEEPERS),
        OperationKind::PayKhqr => by(Signer::Debtor, Permission::Pay, KEEPERS),
        OperationKind::CloseAccount => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        // Keys bind the keeper too: who could replace them could spend. A keeper that is to help when they are lost has
        // one of them, as many as the owner agreed to when the account was opened.
        OperationKind::SetAccountKeys => by(Signer::Debtor, Permission::OpenAccounts, KEEPERS),
        OperationKind::SetAccountStatus => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        OperationKind::SetTier => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        OperationKind::FreezeAccount => by(Signer::Operator, Permission::Freeze, OPERATOR),
        OperationKind::Seize => by(Signer::Operator, Permission::Seize, OPERATOR),
        OperationKind::SetAlias => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        OperationKind::MoveAlias => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        OperationKind::RemoveAlias => by(Signer::Keeper, Permission::OpenAccounts, KEEPERS),
        OperationKind::SetLimits => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::SetParticipantKeys => by(Signer::ItselfOrOperator, Permission::ManageKeys, ALL),
        OperationKind::SetParticipantMode => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::RemoveParticipant => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::ActivateProtocol => by(Signer::Operator, Permission::Govern, OPERATOR),
        OperationKind::Propose | OperationKind::Approve | OperationKind::Withdraw => {
            Rule { signer: Signer::Decider, permission: None, roles: OPERATOR }
        }
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
    /// Any one key of the participant with the permission.
    Decider(ParticipantId, Permission),
    /// Nobody may.
    NoOne,
    /// Nobody needs to.
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
        let asked = (authority_for(working, rule, operation, touched), rule);
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

fn authority_for(working: &Working<'_>, rule: Rule, operation: &Operation, touched: &Touched) -> Authority {
    let [first, second] = touched.accounts;
    match rule.signer {
        Signer::Debtor => Authority::Account(first),
        Signer::Creditor => Authority::Account(second),
        Signer::Keeper => operation.act().subject().map_or(Authority::Nobody, Authority::Participant),
        Signer::Issuer => {
            let issuer = operation.act().asset().and_then(|asset| working.issuer(asset));
            issuer.map_or(Authority::Nobody, Authority::Participant)
        }
        Signer::Operator => Authority::Operator,
        Signer::ItselfOrOperator => operation.act().subject().map_or(Authority::Nobody, Authority::ItselfOrOperator),
        Signer::AnyParticipant => Authority::AnyParticipant,
        Signer::Decider => match proposed(working, operation) {
            None => Authority::Nobody,
            Some((participant, operation)) => panel(working, operation, participant)
                .map_or(Authority::NoOne, |panel| Authority::Decider(participant, panel.permission)),
        },
    }
}

/// What an operation proposes, approves or withdraws, and whose keys decide; `None` when there is no such proposal.
fn proposed<'a>(working: &'a Working<'_>, operation: &'a Operation) -> Option<(ParticipantId, &'a Operation)> {
    if let Operation::Propose(propose) = operation {
        return Some((propose.participant, &propose.operation));
    }
    let id = if let Operation::Approve(approve) = operation {
        approve.proposal
    } else if let Operation::Withdraw(withdraw) = operation {
        withdraw.proposal
    } else {
        return None;
    };
    working.proposal(&id).map(|proposal| (proposal.participant, &proposal.operation))
}

/// A participant's keys that decide on an operation under dual control.
pub(crate) struct Panel<'a> {
    participant: &'a Participant,
    permission: Permission,
}

/// Who decides on an operation at this point of the block; `None` when it is not the participant's to decide.
pub(crate) fn panel<'a>(working: &'a Working<'_>, operation: &Operation, id: ParticipantId) -> Option<Panel<'a>> {
    let permission = proposable(operation.kind())?;
    let participant = working.participant(id)?;
    let decides = match rule(operation.kind()).signer {
        Signer::Issuer => operation.act().asset().and_then(|asset| working.issuer(asset)) == Some(id),
        Signer::Operator | Signer::ItselfOrOperator => true,
        Signer::Debtor | Signer::Creditor | Signer::Keeper | Signer::AnyParticipant | Signer::Decider => false,
    };
    (decides && participant.role == Role::Operator).then_some(Panel { participant, permission })
}

/// Does a proposal take effect at its height? Judged by the keys and the threshold of that moment.
pub(crate) fn decided(working: &Working<'_>, proposal: &Proposal, now_ms: u64) -> Result<(), RejectionCode> {
    if proposal.is_over(now_ms) {
        return Err(RejectionCode::Expired);
    }
    let panel = panel(working, &proposal.operation, proposal.participant).ok_or(RejectionCode::NotAuthorized)?;
    if panel.count(&proposal.approvals) < panel.threshold() {
        return Err(RejectionCode::ThresholdNotMet);
    }
    Ok(())
}

impl Panel<'_> {
    /// Is the key on it?
    pub(crate) fn has(&self, key: &PublicKey) -> bool {
        self.participant.keys.iter().any(|entry| entry.key == *key && entry.permissions.contains(self.permission))
    }
    /// How many of the keys are on it.
    pub(crate) fn count(&self, keys: &[PublicKey]) -> u8 {
        u8::try_from(keys.iter().filter(|key| self.has(key)).count()).unwrap_or(u8::MAX)
    }
    /// How many of its keys must approve.
    pub(crate) fn threshold(&self) -> u8 {
        self.participant.thresholds.of(self.permission)
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
            Authority::NoOne => Err(RejectionCode::NotAuthorized),
            Authority::Decider(id, permission) => {
                let participant = self.working.participant(id).ok_or(RejectionCode::NotAuthorized)?;
                enough(self.signed(participant, Some(permission)), 1)
            }
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
        let signed = self.signed(participant, rule.permission);
        enough(signed, rule.permission.map_or(1, |permission| participant.thresholds.of(permission)))
    }

    /// How many of a participant's keys with a permission signed.
    fn signed(&self, participant: &Participant, permission: Option<Permission>) -> usize {
        let may = |permissions: Permissions| permission.is_none_or(|asked| permissions.contains(asked));
        let may = participant.keys.iter().filter(|entry| may(entry.permissions));
        may.filter(|entry| self.transaction.is_signed_by(entry.key.as_bytes())).count()
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
