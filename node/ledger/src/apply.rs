//! What each operation does, and why it is rejected: checks stand in the order of the codes' numbers.
//!
//! Must not know: signatures, ids, windows, or the storage.

use crate::genesis::MAX_PARTICIPANTS;
use crate::plan::Touched;
use crate::reference::{ReferenceRecord, hour, references_expired};
use crate::working::{Slot, Working};
use crate::{
    Account, AddParticipant, Amount, Asset, Balance, BalanceAfter, Issue, Member, OpenAccount, Operation,
    OperationResult, ParticipantId, ReceiptLocation, Redeem, RejectionCode, Role, Transfer,
};

type Applied = Result<Vec<BalanceAfter>, RejectionCode>;

/// Executes one operation, whose result will stand at `place`. On `Err` the caller takes back what was changed.
pub(crate) fn apply(
    working: &mut Working<'_>,
    operation: &Operation,
    touched: &Touched,
    place: ReceiptLocation,
    now_ms: u64,
) -> Result<OperationResult, RejectionCode> {
    if let Some(instruction) = &touched.instruction {
        let standing = working.reference(instruction.reference);
        match standing.filter(|record| !references_expired(hour(record.taken_ms), now_ms)) {
            Some(record) if record.content == instruction.content => {
                return Ok(OperationResult::Repeated(record.first));
            }
            Some(_) => return Err(RejectionCode::DuplicateReference),
            None => {}
        }
    }
    let [first, second] = touched.accounts;
    let balances = match operation {
        Operation::Transfer(transfer) => apply_transfer(working, transfer, first, second),
        Operation::OpenAccount(open) => open_account(working, open, first),
        Operation::Issue(issue) => apply_issue(working, issue, first),
        Operation::Redeem(redeem) => apply_redeem(working, redeem, first),
        Operation::SetValidator(member) => set_validator(working, member),
        Operation::RemoveValidator(participant) => remove_validator(working, *participant),
        Operation::AddParticipant(add) => add_participant(working, add),
        Operation::ReportMisbehaviour(report) => working.report(&report.proof, place).map(|()| Vec::new()),
    }?;
    if let Some(instruction) = &touched.instruction {
        let record = ReferenceRecord { taken_ms: now_ms, content: instruction.content, first: place };
        working.take_reference(instruction.reference, record);
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
fn check_accounts(working: &Working<'_>, from: Option<usize>, to: Option<usize>) -> Result<(), RejectionCode> {
    let slot = |place: Option<usize>| place.and_then(|place| working.slot(place));
    let sides = [slot(from).map(|slot| (slot, true)), slot(to).map(|slot| (slot, false))];
    let sides = || sides.iter().flatten().copied();
    let participant = |slot: &Slot| working.participant(slot.participant);
    for (slot, _) in sides() {
        participant(slot).ok_or(RejectionCode::UnknownParticipant)?;
    }
    for (slot, debit) in sides() {
        let mode = participant(slot).map(|participant| participant.mode);
        if !mode.is_some_and(|mode| if debit { mode.can_debit() } else { mode.can_credit() }) {
            return Err(RejectionCode::ParticipantSuspended);
        }
    }
    for (slot, _) in sides() {
        slot.account.as_ref().ok_or(RejectionCode::UnknownAccount)?;
    }
    let is = |slot: &Slot, status| slot.account.as_ref().is_some_and(|account| account.status == status);
    if sides().any(|(slot, _)| is(slot, crate::AccountStatus::Closed)) {
        return Err(RejectionCode::AccountClosed);
    }
    let allowed = |account: &Account, debit| if debit { account.can_debit() } else { account.can_credit() };
    if sides().any(|(slot, debit)| !slot.account.as_ref().is_some_and(|account| allowed(account, debit))) {
        return Err(RejectionCode::AccountFrozen);
    }
    Ok(())
}

/// Changes a balance of the account at a place.
fn change(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    new: impl FnOnce(Balance) -> Result<Amount, RejectionCode>,
) -> Result<BalanceAfter, RejectionCode> {
    let place = place.ok_or(RejectionCode::UnknownAccount)?;
    let slot = working.slot(place).ok_or(RejectionCode::UnknownAccount)?;
    let (account, before) = (slot.id, slot.account.as_ref().ok_or(RejectionCode::UnknownAccount)?.balance(asset));
    let after = Balance { available: new(before)?, ..before };
    working.set_balance(place, after)?;
    Ok(BalanceAfter { account, asset, available: after.available, held: after.held })
}

fn debit(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |balance| {
        balance.available.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)
    })
}

fn credit(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |balance| {
        let available = balance.available.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        // Held money returns to what is available one day: both together must fit.
        available.checked_add(balance.held).ok_or(RejectionCode::AmountOverflow)?;
        Ok(available)
    })
}

fn apply_transfer(working: &mut Working<'_>, transfer: &Transfer, from: Option<usize>, to: Option<usize>) -> Applied {
    check_amount(working, transfer.amount, transfer.asset)?;
    if transfer.from == transfer.to {
        return Err(RejectionCode::SameAccount);
    }
    check_accounts(working, from, to)?;
    let payer = debit(working, from, transfer.asset, transfer.amount)?;
    let payee = credit(working, to, transfer.asset, transfer.amount)?;
    Ok(vec![payer, payee])
}

fn open_account(working: &mut Working<'_>, open: &OpenAccount, place: Option<usize>) -> Applied {
    let participant = working.participant(open.account.participant()).ok_or(RejectionCode::UnknownParticipant)?;
    if !participant.mode.can_credit() {
        return Err(RejectionCode::ParticipantSuspended);
    }
    let place = place.ok_or(RejectionCode::UnknownAccount)?;
    if working.account(place).is_some() {
        return Err(RejectionCode::AccountExists);
    }
    working.open(place, Account::new(open.kind, &open.keys, open.threshold));
    Ok(Vec::new())
}

fn apply_issue(working: &mut Working<'_>, issue: &Issue, to: Option<usize>) -> Applied {
    check_amount(working, issue.amount, issue.asset)?;
    check_accounts(working, None, to)?;
    let payee = credit(working, to, issue.asset, issue.amount)?;
    let supply = working.asset(issue.asset).ok_or(RejectionCode::AssetUnknown)?.supply;
    let supply = supply.checked_add(u128::from(issue.amount.minor())).ok_or(RejectionCode::AmountOverflow)?;
    working.set_supply(issue.asset, supply);
    Ok(vec![payee])
}

fn apply_redeem(working: &mut Working<'_>, redeem: &Redeem, from: Option<usize>) -> Applied {
    check_amount(working, redeem.amount, redeem.asset)?;
    check_accounts(working, from, None)?;
    let payer = debit(working, from, redeem.asset, redeem.amount)?;
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
