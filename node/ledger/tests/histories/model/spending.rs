//! What left accounts by their own will, one entry for each time: an independent count against the limits.
//!
//! Must not know: that the ledger keeps two numbers for it.

use std::collections::BTreeMap;

use tonle_ledger::*;

use crate::fixture::HOUR_MS;

const DAY_MS: u64 = 24 * HOUR_MS;

/// One time that something left.
#[derive(Debug, Clone, Copy)]
struct Time {
    at_ms: u64,
    minor: u128,
}

#[derive(Debug)]
pub(crate) struct Spending {
    day_offset_ms: u64,
    /// Daily sum and hourly count; 0 for none.
    limits: BTreeMap<(Asset, KycTier), (u64, u32)>,
    times: BTreeMap<(AccountId, Asset), Vec<Time>>,
}

impl Spending {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let limits = parameters.limits().map(|(asset, tier, limit)| ((asset, tier), limit.numbers())).collect();
        Spending { day_offset_ms: u64::from(parameters.day_offset_ms()), limits, times: BTreeMap::new() }
    }
    fn day(&self, at_ms: u64) -> u64 {
        (at_ms + self.day_offset_ms) / DAY_MS
    }
    fn hour(&self, at_ms: u64) -> u64 {
        (at_ms + self.day_offset_ms) / HOUR_MS
    }
    /// How much left in this day, and how many times in this hour.
    pub(crate) fn lately(&self, account: AccountId, asset: Asset, now_ms: u64) -> (u128, usize) {
        let times = self.times.get(&(account, asset)).map(Vec::as_slice).unwrap_or_default();
        let today = times.iter().filter(|time| self.day(time.at_ms) == self.day(now_ms));
        let this_hour = times.iter().filter(|time| self.hour(time.at_ms) == self.hour(now_ms));
        (today.map(|time| time.minor).sum(), this_hour.count())
    }
    /// Something leaves, which passes no limit.
    pub(crate) fn spend(&mut self, account: AccountId, asset: Asset, tier: KycTier, minor: u128, now_ms: u64) {
        let today = self.day(now_ms);
        let mut times = self.times.remove(&(account, asset)).unwrap_or_default();
        times.retain(|time| self.day(time.at_ms) == today);
        times.push(Time { at_ms: now_ms, minor });
        self.times.insert((account, asset), times);
        let (daily, hourly) = self.limits.get(&(asset, tier)).copied().unwrap_or_default();
        let (sum, count) = self.lately(account, asset, now_ms);
        assert!(daily == 0 || sum <= u128::from(daily), "{account}: {sum} {asset} of {daily} in a day");
        let most = usize::try_from(hourly).unwrap();
        assert!(hourly == 0 || count <= most, "{account}: {asset} {count} times of {hourly} in an hour");
    }
    /// What was held and goes back on its own day did not leave.
    pub(crate) fn give_back(&mut self, account: AccountId, asset: Asset, minor: u128, begun_ms: u64, now_ms: u64) {
        if self.day(begun_ms) != self.day(now_ms) {
            return;
        }
        let Some(times) = self.times.get_mut(&(account, asset)) else { return };
        // Of the holds of one block it does not matter which: their sum counts.
        let mut left = minor;
        for time in times.iter_mut().filter(|time| time.at_ms == begun_ms) {
            let less = left.min(time.minor);
            time.minor -= less;
            left -= less;
        }
        assert_eq!(left, 0, "{account} {asset}: more goes back than left");
    }
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::SetLimits(of) => {
                self.limits.insert((of.asset, of.tier), (of.daily_minor, of.hourly));
            }
            Operation::CloseAccount(of) => self.times.retain(|(account, _), _| *account != of.account),
            _ => {}
        }
    }
}
