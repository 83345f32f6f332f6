//! An asset as the state records it.
//!
//! Must not know: who holds it.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::{Asset, ParticipantId};

/// An asset's record in the state.
///
/// ```text
/// asset ‖ iso 4217 number u16 ‖ exponent u8 ‖ issuer ‖ supply u128        (names: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetRecord {
    /// Its code.
    pub asset: Asset,
    /// Its ISO 4217 number; 0 for an asset without one.
    pub number: u16,
    /// Decimal places between a major and a minor unit, 0 to 18.
    pub exponent: u8,
    /// Who may issue and redeem it.
    pub issuer: ParticipantId,
    /// Minor units in existence: always the sum of all balances, available and held.
    pub supply: u128,
}

impl Canonical for AssetRecord {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.asset).u16(self.number).u8(self.exponent).value(&self.issuer).u128(self.supply);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(AssetRecord {
            asset: reader.value()?,
            number: reader.u16()?,
            exponent: reader.u8()?,
            issuer: reader.value()?,
            supply: reader.u128()?,
        })
    }
}
