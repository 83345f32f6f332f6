//! Setting limits.
//!
//! Must not know: who signed, or how spending is counted.

use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::{Asset, KycTier, Limit, Rejection, RejectionCode};

/// Replaces what accounts of a tier may spend of an asset, from then on. What they spent in the day before counts.
///
/// ```text
/// message SetLimits { string asset = 1;
///                     KycTier tier = 2;          // BASIC 1, PARTIAL 2, FULL 3, INTERBANK 4
///                     uint64 daily_minor = 3;    // at most 10^18; 0: no limit
///                     uint32 hourly = 4; }       // at most 1,000,000; 0: no limit
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetLimits {
    /// In what.
    pub asset: Asset,
    /// Whose.
    pub tier: KycTier,
    /// Most minor units in a day; 0 for no limit.
    pub daily_minor: u64,
    /// How many times in an hour at most; 0 for no limit.
    pub hourly: u32,
}

impl Decode for SetLimits {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let asset = fields.asset(1, "set_limits.asset")?;
        let tier = fields.choice(2, "set_limits.tier", KycTier::from_number)?;
        let daily_minor = fields.uint(3).named("set_limits.daily_minor")?;
        let hourly = u32::try_from(fields.uint(4).named("set_limits.hourly")?);
        let hourly = hourly.map_err(|_| Rejection::malformed("set_limits.hourly"))?;
        Ok(SetLimits { asset, tier, daily_minor, hourly })
    }
}

impl Act for SetLimits {
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        scene.working.asset(self.asset).ok_or(RejectionCode::AssetUnknown)?;
        let limit = Limit::from_numbers(self.daily_minor, self.hourly).ok_or(RejectionCode::LimitsInvalid)?;
        scene.working.set_limit(self.asset, self.tier, limit);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.asset.as_bytes()).uint(2, u64::from(self.tier.number()));
        message.uint(3, self.daily_minor).uint(4, u64::from(self.hourly));
    }
}
