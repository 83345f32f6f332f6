//! Mandates: what an account lets others collect from it. They stand in its record, so that collecting reads nothing more.
//!
//! Must not know: accounts, who may collect.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::{AccountId, Amount, Asset, Reference};

/// Most mandates of one account.
pub const MANDATES_MAX: usize = 32;

/// Over what a mandate's cap counts, from the block that granted it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

impl Period {
    /// The number in canonical bytes and on the wire: 1 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Period::Day => 1,
            Period::Week => 2,
            Period::Month => 3,
        }
    }
    /// The period of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Period::Day),
            2 => Some(Period::Week),
            3 => Some(Period::Month),
            _ => None,
        }
    }
    /// Its length in ms of block time.
    #[must_use]
    pub const fn length_ms(self) -> u64 {
        const DAY_MS: u64 = 24 * 3_600_000;
        match self {
            Period::Day => DAY_MS,
            Period::Week => 7 * DAY_MS,
            Period::Month => 30 * DAY_MS,
        }
    }
}

/// One account's leave for another to collect from it.
///
/// ```text
/// reference ‖ payee ‖ asset ‖ cap u64 ‖ period u8 ‖ granted u64 (ms) ‖ expires u64 (ms) ‖ number u64 ‖ collected u64
///                                                                            (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mandate {
    /// The payer's reference, which names it.
    pub reference: Reference,
    /// Who may collect.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// Most in one period.
    pub cap: Amount,
    /// The period.
    pub period: Period,
    /// When the first period began, ms since the Unix epoch.
    pub granted_ms: u64,
    /// First block time at which it is no more.
    pub expires_ms: u64,
    /// The period in which something was collected last, from 0.
    pub number: u64,
    /// What was collected in it.
    pub collected: Amount,
}

impl Mandate {
    /// The mandate after collecting; `None` when the cap would be passed.
    #[must_use]
    pub fn collect(&self, amount: Amount, now_ms: u64) -> Option<Self> {
        let number = now_ms.saturating_sub(self.granted_ms).checked_div(self.period.length_ms())?;
        let before = if number == self.number { self.collected } else { Amount::ZERO };
        let collected = before.checked_add(amount).filter(|collected| *collected <= self.cap)?;
        Some(Mandate { number, collected, ..self.clone() })
    }
}

impl Canonical for Mandate {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(self.reference.as_str().as_bytes()).value(&self.to).value(&self.asset).value(&self.cap);
        writer.u8(self.period.number()).u64(self.granted_ms).u64(self.expires_ms);
        writer.u64(self.number).value(&self.collected);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Mandate {
            reference: reader.value()?,
            to: reader.value()?,
            asset: reader.value()?,
            cap: reader.value()?,
            period: Period::from_number(reader.u8()?).ok_or(CodecError::Invalid("period"))?,
            granted_ms: reader.u64()?,
            expires_ms: reader.u64()?,
            number: reader.u64()?,
            collected: reader.value()?,
        })
    }
}
