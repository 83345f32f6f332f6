//! Names, identifiers and amounts: newtypes that exist only in their valid form.
//!
//! Must not know: what they are used for.

use std::fmt;

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

/// Text that is no valid name, code or reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub struct NameInvalid(pub &'static str);

/// Up to `N` bytes of text, held in place: copied without allocating. Ordered as its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inline<const N: usize> {
    // Zero after `length`; no valid text holds a zero byte, so the derived order is that of the text.
    bytes: [u8; N],
    length: u8,
}

impl<const N: usize> Inline<N> {
    fn new(text: &[u8]) -> Option<Self> {
        let mut bytes = [0u8; N];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Inline { bytes, length: u8::try_from(text.len()).ok()? })
    }
    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
    fn as_str(&self) -> &str {
        // Only ASCII gets in.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
}

macro_rules! inline_text {
    ($name:ident, $what:literal, $max:literal) => {
        impl $name {
            /// Most characters.
            pub const MAX: usize = $max;
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
            /// The text's bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        impl std::str::FromStr for $name {
            type Err = NameInvalid;
            fn from_str(text: &str) -> Result<Self, NameInvalid> {
                $name::new(text)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
        impl Canonical for $name {
            fn encode_to(&self, writer: &mut Writer) {
                writer.bytes(self.as_bytes());
            }
            fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                let bytes = reader.bytes($what, $max)?;
                $name::from_ascii(bytes).map_err(|_| CodecError::Invalid($what))
            }
        }
    };
}

/// A participant's id, such as `acleda`: 1 to 30 characters of `[a-z0-9_.-]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(Inline<30>);
inline_text!(ParticipantId, "participant id", 30);

impl ParticipantId {
    /// Parses an id.
    ///
    /// # Errors
    /// [`NameInvalid`] when it is empty, too long, or has another character.
    pub fn new(text: &str) -> Result<Self, NameInvalid> {
        Self::from_ascii(text.as_bytes())
    }
    pub(crate) fn from_ascii(bytes: &[u8]) -> Result<Self, NameInvalid> {
        let invalid = NameInvalid("participant id");
        if bytes.is_empty() || !bytes.iter().copied().all(is_name_byte) {
            return Err(invalid);
        }
        Inline::new(bytes).map(ParticipantId).ok_or(invalid)
    }
}

/// An account's name, `name@participant`: at most 32 characters of `[a-z0-9_.-]` with exactly one `@`, neither side
/// empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(Inline<32>);
inline_text!(AccountId, "account", 32);

impl AccountId {
    /// Parses a name.
    ///
    /// # Errors
    /// [`NameInvalid`] when the text has not that form.
    pub fn new(text: &str) -> Result<Self, NameInvalid> {
        Self::from_ascii(text.as_bytes())
    }
    pub(crate) fn from_ascii(bytes: &[u8]) -> Result<Self, NameInvalid> {
        let invalid = NameInvalid("account");
        let mut sides = bytes.split(|byte| *byte == b'@');
        let (name, participant) = (sides.next().unwrap_or_default(), sides.next().unwrap_or_default());
        let in_form = |side: &[u8]| !side.is_empty() && side.iter().copied().all(is_name_byte);
        if sides.next().is_some() || !in_form(name) || !in_form(participant) {
            return Err(invalid);
        }
        Inline::new(bytes).map(AccountId).ok_or(invalid)
    }
    /// The participant that keeps the account: what stands after the `@`.
    #[must_use]
    pub fn participant(&self) -> ParticipantId {
        let participant = self.as_bytes().split(|byte| *byte == b'@').nth(1).unwrap_or_default();
        // At most 30 bytes, since the name and the `@` take two of the 32.
        ParticipantId(Inline::new(participant).unwrap_or(Inline { bytes: [0; 30], length: 0 }))
    }
    /// The name: what stands before the `@`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.as_str().split('@').next().unwrap_or_default()
    }
}

/// An asset's code, such as `KHR`: 3 to 8 characters of `[A-Z0-9]`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asset(Inline<8>);
inline_text!(Asset, "asset", 8);

impl Asset {
    /// Parses a code.
    ///
    /// # Errors
    /// [`NameInvalid`] when the text has not that form.
    pub fn new(text: &str) -> Result<Self, NameInvalid> {
        Self::from_ascii(text.as_bytes())
    }
    pub(crate) fn from_ascii(bytes: &[u8]) -> Result<Self, NameInvalid> {
        let invalid = NameInvalid("asset");
        if bytes.len() < 3 || !bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()) {
            return Err(invalid);
        }
        Inline::new(bytes).map(Asset).ok_or(invalid)
    }
}

/// Printable ASCII (space to `~`) of 1 to `MAX` characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(Box<str>);

/// An instruction or external reference: 1 to 64 printable ASCII characters.
pub type Reference = Text<64>;

impl<const MAX: usize> Text<MAX> {
    /// Parses a text.
    ///
    /// # Errors
    /// [`NameInvalid`] when it is empty, too long, or not printable ASCII.
    pub fn new(text: &str) -> Result<Self, NameInvalid> {
        let printable = text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if text.is_empty() || text.len() > MAX || !printable {
            return Err(NameInvalid("text"));
        }
        Ok(Text(text.into()))
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Canonical for Text<MAX> {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(self.0.as_bytes());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let text = std::str::from_utf8(reader.bytes("text", MAX)?).ok();
        text.and_then(|text| Text::new(text).ok()).ok_or(CodecError::Invalid("text"))
    }
}
impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A transaction's id: the digest of chain digest and body, so that no signature can change it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(Digest);

impl TransactionId {
    /// Wraps a digest read from elsewhere, such as a client's query.
    #[must_use]
    pub const fn new(digest: Digest) -> Self {
        TransactionId(digest)
    }
    /// Parses 64 hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        Digest::from_hex(text).map(TransactionId)
    }
    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl fmt::Debug for TransactionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl Canonical for TransactionId {
    fn encode_to(&self, writer: &mut Writer) {
        writer.digest(&self.0);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.digest().map(TransactionId)
    }
}

/// An amount of one asset in its minor units (KHR and USD: hundredths). Its asset stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);

    /// This many minor units.
    #[must_use]
    pub const fn from_minor(minor: u64) -> Self {
        Amount(minor)
    }
    /// The minor units.
    #[must_use]
    pub const fn minor(self) -> u64 {
        self.0
    }
    /// Is it nothing?
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
    /// The sum; `None` when it passes 64 bits.
    #[must_use]
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }
    /// The difference; `None` when `other` is larger.
    #[must_use]
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }
}

impl Canonical for Amount {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.0);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        reader.u64().map(Amount)
    }
}
