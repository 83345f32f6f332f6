//! Signer bitmaps of certificates: bit `i` of byte `i / 8`, least significant first, stands for validator `i`.
//!
//! Must not know: what was signed.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::{VALIDATORS_MAX, ValidatorIndex};

const BYTES_MAX: usize = VALIDATORS_MAX.div_ceil(8);

/// A set of validators as bits. A well-formed one for n validators has exactly ceil(n / 8) bytes and zero padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap(Vec<u8>);

impl Bitmap {
    /// The empty bitmap for `n` validators.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Bitmap(vec![0; n.div_ceil(8)])
    }
    /// A bitmap from its bytes; [`Bitmap::is_well_formed`] tells whether they fit a set.
    #[must_use]
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Bitmap(bytes)
    }
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// Adds a validator; false when it is out of range.
    pub fn insert(&mut self, index: ValidatorIndex) -> bool {
        let (byte, mask) = place(index);
        match self.0.get_mut(byte) {
            Some(slot) => {
                *slot |= mask;
                true
            }
            None => false,
        }
    }
    /// Is the validator in it?
    #[must_use]
    pub fn contains(&self, index: ValidatorIndex) -> bool {
        let (byte, mask) = place(index);
        self.0.get(byte).is_some_and(|slot| slot & mask != 0)
    }
    /// How many validators are in it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.iter().count()
    }
    /// The validators in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = ValidatorIndex> + '_ {
        let bits = u16::try_from(self.0.len().saturating_mul(8)).unwrap_or(u16::MAX);
        (0..bits).map(ValidatorIndex::new).filter(|index| self.contains(*index))
    }
    /// Has it the length for `n` validators, and no bit set beyond them?
    #[must_use]
    pub fn is_well_formed(&self, n: usize) -> bool {
        self.0.len() == n.div_ceil(8) && self.iter().all(|index| index.index() < n)
    }
}

/// Byte and mask of a validator's bit.
fn place(index: ValidatorIndex) -> (usize, u8) {
    let byte = usize::from(index.get() >> 3);
    let mask = 1u8.checked_shl(u32::from(index.get() & 7)).unwrap_or(0);
    (byte, mask)
}

impl Canonical for Bitmap {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Bitmap(reader.bytes("signer bitmap", BYTES_MAX)?.to_vec()))
    }
}
