//! Aliases: what people know an account by, such as a telephone number, without saying it. The ledger sees a salted hash
//! of 32 bytes, made outside it, and the name that a payer is shown before paying.
//!
//! Must not know: what was hashed, or with which salt.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::{AccountId, NameInvalid};

/// A masked name that a payer is shown: 1 to 25 characters, none of them a control character, in at most 75 bytes of
/// UTF-8, which is 25 Khmer letters. A QR code's field for a merchant's name has room for as many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisplayName(Box<str>);

impl DisplayName {
    /// Most characters.
    pub const CHARS_MAX: usize = 25;
    /// Most bytes of UTF-8.
    pub const BYTES_MAX: usize = 75;

    /// Parses a name.
    ///
    /// # Errors
    /// [`NameInvalid`] when it is empty, too long, or has a control character.
    pub fn new(text: &str) -> Result<Self, NameInvalid> {
        let fits = text.len() <= Self::BYTES_MAX && text.chars().count() <= Self::CHARS_MAX;
        if text.is_empty() || !fits || text.chars().any(char::is_control) {
            return Err(NameInvalid("display name"));
        }
        Ok(DisplayName(text.into()))
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What an alias stands for, as the state records it.
///
/// ```text
/// account (u32 length, then ASCII) ‖ display name (u32 length, then UTF-8)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// The one account.
    pub account: AccountId,
    /// What a payer is shown.
    pub name: DisplayName,
}

impl Canonical for Alias {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.account).bytes(self.name.as_str().as_bytes());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let account = reader.value()?;
        let name = reader.bytes("display name", DisplayName::BYTES_MAX)?;
        let name = std::str::from_utf8(name).ok().and_then(|text| DisplayName::new(text).ok());
        Ok(Alias { account, name: name.ok_or(CodecError::Invalid("display name"))? })
    }
}
