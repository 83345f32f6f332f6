//! What each operation does, and why it is rejected: checks stand in the order of the codes' numbers.
//!
//! Must not know: signatures, ids, windows, or the storage.

use crate::genesis::MAX_PARTICIPANTS;
use crate::reference::{Instruction, ReferenceRecord, hour, references_expired};
use crate::working::Working;
use crate::{
    Account, AccountId, AddParticipant, Amount, Asset, BalanceAfter, Issue, Member, OpenAccount, Operation,
    OperationResult, ParticipantId, ReceiptLocation, Redeem, RejectionCode, Role, Transfer,
};

type Applied = Result<Vec<BalanceAfter>, RejectionCode>;

/// Executes one operation, whose result will stand at `place`. On `Err` the caller takes back what was changed.
pub(crate) fn apply(
    working: &mut Working<'_>,
    operation: &Operation,
    place: ReceiptLocation,
    now_ms: u64,
) -> Result<OperationResult, RejectionCode> {
    let instruction = Instruction::of(operation);
    let reference = instruction.and_then(|found| Some((working.scope(&found)?, found.content())));
    if let Some((scope, content)) = reference {
        let live = working.reference(&scope).filter(|record| !references_expired(hour(record.taken_ms), now_ms));
        match live {
            Some(record) if record.content == content => return Ok(OperationResult::Repeated(record.first)),
            Some(_) => return Err(RejectionCode::DuplicateReference),
            None => {}
        }
    }
    let balances = match operation {
        Operation::Transfer(transfer) => apply_transfer(working, transfer),
        Operation::OpenAccount(open) => open_account(working, open),
        Operation::Issue(issue) => apply_issue(working, issue),
        Operation::Redeem(redeem) => apply_redeem(working, redeem),
        Operation::SetValidator(member) => set_validator(working, member),
        Operation::RemoveValidator(participant) => remove_validator(working, *participant),
        Operation::AddParticipant(add) => add_participant(working, add),
        Operation::ReportMisbehaviour(report) => working.report(&report.proof, place).map(|()| Vec::new()),
    }?;
    if let Some((scope, content)) = reference {
        working.take_reference(scope, ReferenceRecord { taken_ms: now_ms, content, first: place });
    }
    Ok(OperationResult::Applied(balances))
}

fn check_amount(working: &Working<'_>, amount: Amount, asset: Asset) -> Result<(), RejectionCode> {
    if amount.is_zero() {
        return Err(RejectionCode::AmountZero);
    }
    working.asset(asset).map(|_| ()).ok_or(RejectionCode::AssetUnknown)
}

/// Checks the accounts that money leaves and enters, code by code: a code of the payee's goes before a higher one of
/// the payer's.
fn check_accounts(working: &Working<'_>, from: Option<AccountId>, to: Option<AccountId>) -> Result<(), RejectionCode> {
    let sides = [from.map(|id| (id, true)), to.map(|id| (id, false))];
    let sides = || sides.iter().flatten().copied();
    for (id, _) in sides() {
        working.participant(id.participant()).ok_or(RejectionCode::UnknownParticipant)?;
    }
    for (id, debit) in sides() {
        let mode = working.participant(id.participant()).map(|participant| participant.mode);
        if !mode.is_some_and(|mode| if debit { mode.can_debit() } else { mode.can_credit() }) {
            return Err(RejectionCode::ParticipantSuspended);
        }
    }
    for (id, _) in sides() {
        working.account(id).ok_or(RejectionCode::UnknownAccount)?;
    }
    let status = |id| working.account(id).map(|account| account.status);
    if sides().any(|(id, _)| status(id) == Some(crate::AccountStatus::Closed)) {
        return Err(RejectionCode::AccountClosed);
    }
    let allowed = |account: &Account, debit| if debit { account.can_debit() } else { account.can_credit() };
    if sides().any(|(id, debit)| !working.account(id).is_some_and(|account| allowed(account, debit))) {
        return Err(RejectionCode::AccountFrozen);
    }
    Ok(())
}

fn debit(
    working: &mut Working<'_>,
    id: AccountId,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    let mut balance = working.account(id).ok_or(RejectionCode::UnknownAccount)?.balance(asset);
    balance.available = balance.available.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
    working.set_balance(id, balance)?;
    Ok(BalanceAfter { account: id, asset, available: balance.available, held: balance.held })
}

fn credit(
    working: &mut Working<'_>,
    id: AccountId,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    let mut balance = working.account(id).ok_or(RejectionCode::UnknownAccount)?.balance(asset);
    balance.available = balance.available.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
    // Held money returns to what is available one day: both together must fit.
    balance.available.checked_add(balance.held).ok_or(RejectionCode::AmountOverflow)?;
    working.set_balance(id, balance)?;
    Ok(BalanceAfter { account: id, asset, available: balance.available, held: balance.held })
}

fn apply_transfer(working: &mut Working<'_>, transfer: &Transfer) -> Applied {
    check_amount(working, transfer.amount, transfer.asset)?;
    if transfer.from == transfer.to {
        return Err(RejectionCode::SameAccount);
    }
    check_accounts(working, Some(transfer.from), Some(transfer.to))?;
    let payer = debit(working, transfer.from, transfer.asset, transfer.amount)?;
    let payee = credit(working, transfer.to, transfer.asset, transfer.amount)?;
    Ok(vec![payer, payee])
}

fn open_account(working: &mut Working<'_>, open: &OpenAccount) -> Applied {
    let participant = working.participant(open.account.participant()).ok_or(RejectionCode::UnknownParticipant)?;
    if !participant.mode.can_credit() {
        return Err(RejectionCode::ParticipantSuspended);
    }
    if working.account(open.account).is_some() {
        return Err(RejectionCode::AccountExists);
    }
    working.open(open.account, Account::new(open.kind, &open.keys, open.threshold));
    Ok(Vec::new())
}

fn apply_issue(working: &mut Working<'_>, issue: &Issue) -> Applied {
    check_amount(working, issue.amount, issue.asset)?;
    check_accounts(working, None, Some(issue.to))?;
    let payee = credit(working, issue.to, issue.asset, issue.amount)?;
    let supply = working.asset(issue.asset).ok_or(RejectionCode::AssetUnknown)?.supply;
    let supply = supply.checked_add(u128::from(issue.amount.minor())).ok_or(RejectionCode::AmountOverflow)?;
    working.set_supply(issue.asset, supply);
    Ok(vec![payee])
}

fn apply_redeem(working: &mut Working<'_>, redeem: &Redeem) -> Applied {
    check_amount(working, redeem.amount, redeem.asset)?;
    check_accounts(working, Some(redeem.from), None)?;
    let payer = debit(working, redeem.from, redeem.asset, redeem.amount)?;
    let supply = working.asset(redeem.asset).ok_or(RejectionCode::AssetUnknown)?.supply;
    let supply = supply.checked_sub(u128::from(redeem.amount.minor())).ok_or(RejectionCode::AmountOverflow)?;
    working.set_supply(redeem.asset, supply);
    Ok(vec![payer])
}

fn set_validator(working: &mut Working<'_>, member: &Member) -> Applied {
    let participant = working.participant(member.participant).ok_or(RejectionCode::UnknownParticipant)?;
    match participant.role {
        Role::Operator | Role::Bank => {}
        Role::PaymentProvider | Role::Auditor => return Err(RejectionCode::CannotValidate),
    }
    working.set_validator(*member)?;
    Ok(Vec::new())
}

fn remove_validator(working: &mut Working<'_>, participant: ParticipantId) -> Applied {
    working.participant(participant).ok_or(RejectionCode::UnknownParticipant)?;
    working.remove_validator(participant)?;
    Ok(Vec::new())
}

fn add_participant(working: &mut Working<'_>, add: &AddParticipant) -> Applied {
    if working.participant(add.participant).is_some() {
        return Err(RejectionCode::ParticipantExists);
    }
    if working.participant_count() >= MAX_PARTICIPANTS {
        return Err(RejectionCode::ParticipantsFull);
    }
    working.admit(add.record());
    Ok(Vec::new())
}
