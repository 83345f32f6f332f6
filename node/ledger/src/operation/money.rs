//! What every movement of money asks: is there an amount, may it leave here and enter there, is there enough.
//!
//! Must not know: which operation moves it.

use crate::working::{Slot, Working};
use crate::{Account, AccountStatus, Amount, Asset, Balance, BalanceAfter, RejectionCode};

pub(super) fn check_amount(working: &Working<'_>, amount: Amount, asset: Asset) -> Result<(), RejectionCode> {
    if amount.is_zero() {
        return Err(RejectionCode::AmountZero);
    }
    working.asset(asset).map(|_| ()).ok_or(RejectionCode::AssetUnknown)
}

/// Checks the accounts that money leaves and enters, code by code: a code of the payee's goes before a higher one of
/// the payer's.
pub(super) fn check_accounts(
    working: &Working<'_>,
    from: Option<usize>,
    to: Option<usize>,
) -> Result<(), RejectionCode> {
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
    if sides().any(|(slot, _)| is(slot, AccountStatus::Closed)) {
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
    new: impl FnOnce(Balance) -> Result<Balance, RejectionCode>,
) -> Result<BalanceAfter, RejectionCode> {
    let place = place.ok_or(RejectionCode::UnknownAccount)?;
    let slot = working.slot(place).ok_or(RejectionCode::UnknownAccount)?;
    let (account, before) = (slot.id, slot.account.as_ref().ok_or(RejectionCode::UnknownAccount)?.balance(asset));
    let after = new(before)?;
    working.set_balance(place, after)?;
    Ok(BalanceAfter { account, asset, available: after.available, held: after.held })
}

pub(super) fn debit(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |balance| {
        let available = balance.available.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        Ok(Balance { available, ..balance })
    })
}

pub(super) fn credit(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |balance| {
        let available = balance.available.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        // Held money returns to what is available one day: both together must fit.
        available.checked_add(balance.held).ok_or(RejectionCode::AmountOverflow)?;
        Ok(Balance { available, ..balance })
    })
}

/// Keeps available money back.
pub(super) fn hold(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |balance| {
        let available = balance.available.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        let held = balance.held.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        Ok(Balance { available, held, ..balance })
    })
}

/// Makes held money available again. It is there: a hold says so.
pub(crate) fn unhold(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |balance| {
        let held = balance.held.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        let available = balance.available.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        Ok(Balance { available, held, ..balance })
    })
}

/// Moves held money to another account.
pub(super) fn capture(
    working: &mut Working<'_>,
    from: Option<usize>,
    to: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<[BalanceAfter; 2], RejectionCode> {
    let payer = change(working, from, asset, |balance| {
        let held = balance.held.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        Ok(Balance { held, ..balance })
    })?;
    Ok([payer, credit(working, to, asset, amount)?])
}
