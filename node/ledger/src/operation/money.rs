//! What every movement of money asks: is there an amount, may it leave here and enter there, is there enough.
//!
//! Must not know: which operation moves it.

use crate::slots::Slot;
use crate::working::Working;
use crate::{Account, AccountKind, AccountStatus, Amount, Asset, Balance, BalanceAfter, Mode, RejectionCode, Spent};

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
    check_sides(working, &[(from, Side::Debited), (to, Side::Credited)])
}

/// The same for an exchange: money leaves and enters both accounts.
pub(super) fn check_exchange(
    working: &Working<'_>,
    maker: Option<usize>,
    taker: Option<usize>,
) -> Result<(), RejectionCode> {
    let both = |place| [(place, Side::Debited), (place, Side::Credited)];
    let ([gives, is_paid], [pays, gets]) = (both(maker), both(taker));
    check_sides(working, &[gives, gets, pays, is_paid])
}

/// The same for money that is seized: whatever else is said of the account that it leaves, it is there.
pub(super) fn check_seizure(
    working: &Working<'_>,
    from: Option<usize>,
    to: Option<usize>,
) -> Result<(), RejectionCode> {
    check_sides(working, &[(from, Side::Seized), (to, Side::Credited)])
}

/// What is done to an account.
#[derive(Debug, Clone, Copy)]
enum Side {
    Debited,
    Credited,
    Seized,
}

impl Side {
    const fn allowed_by(self, mode: Mode) -> bool {
        match self {
            Side::Debited => mode.can_debit(),
            Side::Credited => mode.can_credit(),
            Side::Seized => true,
        }
    }
    fn allowed_on(self, account: &Account) -> bool {
        match self {
            Side::Debited => account.can_debit(),
            Side::Credited => account.can_credit(),
            Side::Seized => true,
        }
    }
}

fn check_sides(working: &Working<'_>, sides: &[(Option<usize>, Side)]) -> Result<(), RejectionCode> {
    let sides = || sides.iter().filter_map(|(place, side)| Some((working.slot((*place)?)?, *side)));
    let participant = |slot: &Slot| working.participant(slot.participant);
    for (slot, _) in sides() {
        participant(slot).ok_or(RejectionCode::UnknownParticipant)?;
    }
    for (slot, side) in sides() {
        if !participant(slot).is_some_and(|participant| side.allowed_by(participant.mode)) {
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
    if sides().any(|(slot, side)| !slot.account.as_ref().is_some_and(|account| side.allowed_on(account))) {
        return Err(RejectionCode::AccountFrozen);
    }
    Ok(())
}

/// Changes a balance of the account at a place.
fn change(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    new: impl FnOnce(&Working<'_>, &Account, Balance) -> Result<Balance, RejectionCode>,
) -> Result<BalanceAfter, RejectionCode> {
    let place = place.ok_or(RejectionCode::UnknownAccount)?;
    let slot = working.slot(place).ok_or(RejectionCode::UnknownAccount)?;
    let (id, account) = (slot.id, slot.account.as_ref().ok_or(RejectionCode::UnknownAccount)?);
    let after = new(working, account, account.balance(asset))?;
    working.set_balance(place, after)?;
    Ok(BalanceAfter { account: id, asset, available: after.available, held: after.held })
}

/// What an account has spent once `amount` leaves it by its own will: within its limits.
fn spend(working: &Working<'_>, account: &Account, balance: &Balance, amount: Amount) -> Result<Spent, RejectionCode> {
    if account.kind == AccountKind::Reserve {
        return Ok(balance.spent);
    }
    let (now, limit) = (working.hour(), working.parameters().limit(balance.asset, account.tier));
    let amount = balance.spent.in_day_of(now).checked_add(amount).ok_or(RejectionCode::LimitExceeded)?;
    if limit.daily.is_some_and(|most| amount > most) {
        return Err(RejectionCode::LimitExceeded);
    }
    let count = balance.spent.times_in(now).saturating_add(1);
    if limit.hourly.is_some_and(|most| count > most) {
        return Err(RejectionCode::VelocityExceeded);
    }
    Ok(Spent { hour: now, count, amount })
}

/// Takes money that leaves by the account's own will, within its limits.
pub(super) fn debit(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |working, account, balance| {
        let spent = spend(working, account, &balance, amount)?;
        let available = balance.available.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        Ok(Balance { available, spent, ..balance })
    })
}

/// Takes money whatever the account's limits: what the issuer destroys and what is seized.
pub(super) fn take(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |_, _, balance| {
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
    change(working, place, asset, |_, _, balance| {
        let available = balance.available.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        // Held money returns to what is available one day: both together must fit.
        available.checked_add(balance.held).ok_or(RejectionCode::AmountOverflow)?;
        Ok(Balance { available, ..balance })
    })
}

/// Keeps available money back, by the account's own will and within its limits: it counts from here on.
pub(super) fn hold(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
) -> Result<BalanceAfter, RejectionCode> {
    change(working, place, asset, |working, account, balance| {
        let spent = spend(working, account, &balance, amount)?;
        let available = balance.available.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        let held = balance.held.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        Ok(Balance { available, held, spent, ..balance })
    })
}

/// Makes money available again that was held at `begun_ms`. It is there: a hold says so. In the day of that time it was
/// not spent after all.
pub(crate) fn unhold(
    working: &mut Working<'_>,
    place: Option<usize>,
    asset: Asset,
    amount: Amount,
    begun_ms: u64,
) -> Result<BalanceAfter, RejectionCode> {
    let begun = working.parameters().hour(begun_ms);
    change(working, place, asset, |working, account, balance| {
        let held = balance.held.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        let available = balance.available.checked_add(amount).ok_or(RejectionCode::AmountOverflow)?;
        let mut spent = balance.spent;
        let days = [begun.day(), spent.hour.day()];
        if account.kind != AccountKind::Reserve && days.iter().all(|day| *day == working.hour().day()) {
            spent.amount = spent.amount.checked_sub(amount).unwrap_or(Amount::ZERO);
        }
        Ok(Balance { available, held, spent, ..balance })
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
    let payer = change(working, from, asset, |_, _, balance| {
        let held = balance.held.checked_sub(amount).ok_or(RejectionCode::InsufficientFunds)?;
        Ok(Balance { held, ..balance })
    })?;
    Ok([payer, credit(working, to, asset, amount)?])
}
