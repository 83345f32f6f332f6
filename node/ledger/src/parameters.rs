//! The ledger's parameters: how much may leave an account in a day and how often in an hour, by asset and tier, and when
//! a day begins. One value of the state, kept in memory.
//!
//! Must not know: accounts, operations.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::account::ascending;
use crate::{Amount, Asset, GenesisAsset};

/// Milliseconds of an hour and of a day.
const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Hours of a day.
const DAY_HOURS: u32 = 24;
/// Most assets with limits: as many as there can be assets.
const LIMITED_MAX: usize = 256;
/// Highest daily sum that can be set, in minor units: 10^18.
pub const DAILY_MAX: u64 = 1_000_000_000_000_000_000;
/// Highest hourly count that can be set.
pub const HOURLY_MAX: u32 = 1_000_000;

/// How well a keeper knows whose an account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KycTier {
    /// A telephone number.
    Basic,
    /// An identity document.
    Partial,
    /// All that the law asks for.
    Full,
    /// A participant's own account.
    Interbank,
}

impl KycTier {
    /// All of them, by number.
    pub const ALL: [KycTier; 4] = [KycTier::Basic, KycTier::Partial, KycTier::Full, KycTier::Interbank];

    /// The number in canonical bytes and on the wire: 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            KycTier::Basic => 1,
            KycTier::Partial => 2,
            KycTier::Full => 3,
            KycTier::Interbank => 4,
        }
    }
    /// The tier of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(KycTier::Basic),
            2 => Some(KycTier::Partial),
            3 => Some(KycTier::Full),
            4 => Some(KycTier::Interbank),
            _ => None,
        }
    }
}

/// What may leave an account of one tier in one asset by its own will.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limit {
    /// In a day, in minor units: 1 to [`DAILY_MAX`]; `None` without a limit.
    pub daily: Option<Amount>,
    /// How many times in an hour: 1 to [`HOURLY_MAX`]; `None` without a limit.
    pub hourly: Option<u32>,
}

impl Limit {
    /// No limit.
    pub const NONE: Limit = Limit { daily: None, hourly: None };

    /// The limit of these numbers, of which 0 is none; `None` when one is above its bound.
    #[must_use]
    pub fn from_numbers(daily_minor: u64, hourly: u32) -> Option<Self> {
        if daily_minor > DAILY_MAX || hourly > HOURLY_MAX {
            return None;
        }
        let daily = (daily_minor != 0).then_some(Amount::from_minor(daily_minor));
        Some(Limit { daily, hourly: (hourly != 0).then_some(hourly) })
    }
    /// Its numbers: the daily sum in minor units, and the hourly count; 0 where there is none.
    #[must_use]
    pub fn numbers(self) -> (u64, u32) {
        (self.daily.map_or(0, Amount::minor), self.hourly.unwrap_or(0))
    }
    fn is_in_bounds(self) -> bool {
        let (daily, hourly) = self.numbers();
        self.daily != Some(Amount::ZERO) && self.hourly != Some(0) && daily <= DAILY_MAX && hourly <= HOURLY_MAX
    }
}

/// An asset's limits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AssetLimits {
    asset: Asset,
    /// By tier; not all of them none.
    tiers: [Limit; 4],
}

/// The ledger's parameters, as the state and genesis record them.
///
/// ```text
/// day offset u32 (ms) ‖ u32 n ‖ n × ( asset ‖ 4 × ( daily u64 ‖ hourly u32 ) )      (by asset, ascending; none all zero)
///   limits by tier: basic, partial, full, interbank; 0: none                        (asset: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    day_offset_ms: u32,
    limits: Vec<AssetLimits>,
}

impl Default for Parameters {
    /// Days of UTC+7, and no limits.
    fn default() -> Self {
        Parameters { day_offset_ms: 7 * 3_600_000, limits: Vec::new() }
    }
}

impl Parameters {
    /// Days that begin `day_offset_ms` before those of UTC, 0 up to and not including a day, and no limits; `None` when
    /// it is out of range.
    #[must_use]
    pub fn new(day_offset_ms: u32) -> Option<Self> {
        (u64::from(day_offset_ms) < DAY_MS).then_some(Parameters { day_offset_ms, limits: Vec::new() })
    }

    /// What a chain begins with unless its genesis says otherwise: days of UTC+7; where there are such assets, in major
    /// units a day KHR 2 million and USD 500 for the basic tier, 12 million and 3,000 for the partial, 40 million and
    /// 10,000 for the full, 200 million and 50,000 for the interbank tier; 120 and 600 debits an hour for the basic and
    /// the partial tier, and as many as they like for the others.
    #[must_use]
    pub fn initial(assets: &[GenesisAsset]) -> Self {
        const DAILY: [(&[u8], [u64; 4]); 2] =
            [(b"KHR", [2_000_000, 12_000_000, 40_000_000, 200_000_000]), (b"USD", [500, 3_000, 10_000, 50_000])];
        const HOURLY: [u32; 4] = [120, 600, 0, 0];
        let mut parameters = Parameters::default();
        for entry in assets {
            let Some((_, daily)) = DAILY.iter().find(|(code, _)| *code == entry.asset.as_bytes()) else { continue };
            let unit = 10u64.saturating_pow(u32::from(entry.exponent));
            for ((tier, daily), hourly) in KycTier::ALL.into_iter().zip(daily).zip(HOURLY) {
                let daily = daily.saturating_mul(unit).min(DAILY_MAX);
                parameters.set_limit(entry.asset, tier, Limit::from_numbers(daily, hourly).unwrap_or_default());
            }
        }
        parameters
    }

    /// How long before those of UTC its days begin, in ms.
    #[must_use]
    pub const fn day_offset_ms(&self) -> u32 {
        self.day_offset_ms
    }

    /// The limit of accounts of a tier in an asset.
    #[must_use]
    pub fn limit(&self, asset: Asset, tier: KycTier) -> Limit {
        let found = self.limits.binary_search_by(|limits| limits.asset.cmp(&asset)).ok();
        let [basic, partial, full, interbank] = match found.and_then(|at| self.limits.get(at)) {
            Some(limits) => limits.tiers,
            None => return Limit::NONE,
        };
        match tier {
            KycTier::Basic => basic,
            KycTier::Partial => partial,
            KycTier::Full => full,
            KycTier::Interbank => interbank,
        }
    }

    /// Replaces the limit of a tier in an asset, and gives the one that stood there.
    pub fn set_limit(&mut self, asset: Asset, tier: KycTier, limit: Limit) -> Limit {
        let before = self.limit(asset, tier);
        let at = match self.limits.binary_search_by(|limits| limits.asset.cmp(&asset)) {
            Ok(at) => at,
            Err(at) => {
                self.limits.insert(at, AssetLimits { asset, tiers: [Limit::NONE; 4] });
                at
            }
        };
        let mut is_empty = false;
        if let Some(AssetLimits { tiers, .. }) = self.limits.get_mut(at) {
            let [basic, partial, full, interbank] = &mut *tiers;
            *(match tier {
                KycTier::Basic => basic,
                KycTier::Partial => partial,
                KycTier::Full => full,
                KycTier::Interbank => interbank,
            }) = limit;
            is_empty = *tiers == [Limit::NONE; 4];
        }
        if is_empty {
            self.limits.remove(at);
        }
        before
    }

    /// All limits that are not none, by asset and tier.
    pub fn limits(&self) -> impl Iterator<Item = (Asset, KycTier, Limit)> {
        let all = self.limits.iter().flat_map(|limits| {
            KycTier::ALL.into_iter().zip(limits.tiers).map(|(tier, limit)| (limits.asset, tier, limit))
        });
        all.filter(|(_, _, limit)| *limit != Limit::NONE)
    }

    /// The assets that have limits, ascending.
    pub(crate) fn assets(&self) -> impl Iterator<Item = Asset> {
        self.limits.iter().map(|limits| limits.asset)
    }

    /// The hour of a block time, counted in this ledger's days.
    #[must_use]
    pub fn hour(&self, time_ms: u64) -> LocalHour {
        let hours = time_ms.saturating_add(u64::from(self.day_offset_ms)).saturating_div(HOUR_MS);
        LocalHour(u32::try_from(hours).unwrap_or(u32::MAX))
    }
}

/// An hour since the Unix epoch by the ledger's days: every 24th begins one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LocalHour(u32);

impl LocalHour {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
    /// The hour of a number.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        LocalHour(number)
    }
    /// The day that it is in, counted from the Unix epoch.
    #[must_use]
    pub const fn day(self) -> u32 {
        self.0.saturating_div(DAY_HOURS)
    }
}

impl Canonical for AssetLimits {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.asset);
        for limit in self.tiers {
            let (daily, hourly) = limit.numbers();
            writer.u64(daily).u32(hourly);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let asset = reader.value()?;
        let mut limit = || {
            let (daily, hourly) = (reader.u64()?, reader.u32()?);
            Limit::from_numbers(daily, hourly).ok_or(CodecError::Invalid("limit"))
        };
        Ok(AssetLimits { asset, tiers: [limit()?, limit()?, limit()?, limit()?] })
    }
}

impl Canonical for Parameters {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u32(self.day_offset_ms).list(&self.limits);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let parameters = Parameters::new(reader.u32()?).ok_or(CodecError::Invalid("day offset"))?;
        let limits: Vec<AssetLimits> = reader.list("limits", LIMITED_MAX)?;
        let none_empty = limits.iter().all(|limits| limits.tiers != [Limit::NONE; 4]);
        if !none_empty || !ascending(limits.iter().map(|limits| limits.asset)) {
            return Err(CodecError::Invalid("limits"));
        }
        Ok(Parameters { limits, ..parameters })
    }
}

impl Parameters {
    /// Are all limits within their bounds?
    pub(crate) fn is_in_bounds(&self) -> bool {
        self.limits.iter().all(|limits| limits.tiers.iter().all(|limit| limit.is_in_bounds()))
    }
}
