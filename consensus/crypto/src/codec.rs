//! Canonical bytes: the one binary form of everything that validators hash, sign, send or store.
//!
//! Integers are big-endian and of fixed width; a byte string or list is preceded by its length as a `u32`; an option
//! by 0 or 1; an enum by its tag byte. There is one encoding of each value, and a decoder refuses every other:
//! `T::decode(bytes)` succeeds only if encoding the result gives `bytes` back.

use crate::{Digest, PublicKey, Signature};

/// Why bytes are not the canonical form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The input ended inside a value.
    #[error("input ends early: {needed} bytes needed, {left} left")]
    Truncated {
        /// Bytes the value needs.
        needed: usize,
        /// Bytes that were left.
        left: usize,
    },
    /// Bytes follow the value.
    #[error("{0} bytes after the end")]
    Trailing(usize),
    /// A length is above its bound.
    #[error("{what}: length {length} is above {max}")]
    TooLong {
        /// The field.
        what: &'static str,
        /// The length found.
        length: usize,
        /// The bound.
        max: usize,
    },
    /// A field holds a value that no encoder writes.
    #[error("invalid {0}")]
    Invalid(&'static str),
}

/// Values that a list makes room for before it has read any.
const LIST_CAPACITY_FIRST: usize = 16;

/// Bytes that an encoding makes room for at once: a vote or a statement fits, what is longer grows.
const ENCODING_CAPACITY_FIRST: usize = 192;

/// Writes canonical bytes.
#[derive(Debug, Default, Clone)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty writer.
    #[must_use]
    pub fn new() -> Self {
        Writer::default()
    }
    /// An empty writer with room for a vote: for bytes that are sent or hashed, and not kept.
    #[must_use]
    pub fn with_room() -> Self {
        Writer(Vec::with_capacity(ENCODING_CAPACITY_FIRST))
    }
    /// The bytes written.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.0
    }
    /// One byte.
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    /// Two bytes, big-endian.
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    /// Four bytes, big-endian.
    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    /// Eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    /// Sixteen bytes, big-endian.
    pub fn u128(&mut self, value: u128) -> &mut Self {
        self.raw(&value.to_be_bytes())
    }
    /// 0 or 1.
    pub fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(u8::from(value))
    }
    /// Bytes without a length: only for fixed-length fields.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }
    /// A length as `u32`. Lengths are bounded far below 4 GiB by every caller; a longer one saturates, and no
    /// decoder accepts it.
    pub fn length(&mut self, length: usize) -> &mut Self {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX))
    }
    /// A length, then the bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.length(bytes.len()).raw(bytes)
    }
    /// 32 bytes.
    pub fn digest(&mut self, digest: &Digest) -> &mut Self {
        self.raw(digest.as_bytes())
    }
    /// 32 bytes.
    pub fn key(&mut self, key: &PublicKey) -> &mut Self {
        self.raw(key.as_bytes())
    }
    /// 64 bytes.
    pub fn signature(&mut self, signature: &Signature) -> &mut Self {
        self.raw(signature.as_bytes())
    }
    /// 0, or 1 and the value.
    pub fn option<T: Canonical>(&mut self, value: Option<&T>) -> &mut Self {
        match value {
            None => self.u8(0),
            Some(value) => {
                self.u8(1);
                value.encode_to(self);
                self
            }
        }
    }
    /// A nested value.
    pub fn value<T: Canonical>(&mut self, value: &T) -> &mut Self {
        value.encode_to(self);
        self
    }
    /// A count, then the values.
    pub fn list<T: Canonical>(&mut self, values: &[T]) -> &mut Self {
        self.length(values.len());
        for value in values {
            value.encode_to(self);
        }
        self
    }
}

/// Reads canonical bytes; never panics. What it allocates is bounded by the input's length, not by lengths that the
/// input claims.
#[derive(Debug, Clone)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }
    /// The bytes not read yet.
    #[must_use]
    pub const fn remaining(&self) -> &'a [u8] {
        self.0
    }
    /// Ends the reading.
    ///
    /// # Errors
    /// [`CodecError::Trailing`] when bytes are left.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.0.is_empty() { Ok(()) } else { Err(CodecError::Trailing(self.0.len())) }
    }
    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when fewer are left.
    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], CodecError> {
        let truncated = CodecError::Truncated { needed: length, left: self.0.len() };
        let (head, tail) = self.0.split_at_checked(length).ok_or(truncated)?;
        self.0 = tail;
        Ok(head)
    }
    /// The next `N` bytes as an array.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let mut out = [0u8; N];
        out.copy_from_slice(self.raw(N)?);
        Ok(out)
    }
    /// One byte.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u8(&mut self) -> Result<u8, CodecError> {
        Ok(u8::from_be_bytes(self.array()?))
    }
    /// Two bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u16(&mut self) -> Result<u16, CodecError> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    /// Four bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    /// Eight bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u64(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_be_bytes(self.array()?))
    }
    /// Sixteen bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u128(&mut self) -> Result<u128, CodecError> {
        Ok(u128::from_be_bytes(self.array()?))
    }
    /// 0 or 1.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] for any other byte.
    pub fn bool(&mut self) -> Result<bool, CodecError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::Invalid("bool")),
        }
    }
    /// A length of at most `max`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] above `max`.
    pub fn length(&mut self, what: &'static str, max: usize) -> Result<usize, CodecError> {
        let length = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        if length > max { Err(CodecError::TooLong { what, length, max }) } else { Ok(length) }
    }
    /// A byte string of at most `max` bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] above `max`.
    pub fn bytes(&mut self, what: &'static str, max: usize) -> Result<&'a [u8], CodecError> {
        let length = self.length(what, max)?;
        self.raw(length)
    }
    /// A digest.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn digest(&mut self) -> Result<Digest, CodecError> {
        Ok(Digest::from_bytes(self.array()?))
    }
    /// A public key under the acceptance rule.
    ///
    /// # Errors
    /// [`CodecError::Invalid`] for bytes that are no strong key.
    pub fn key(&mut self) -> Result<PublicKey, CodecError> {
        PublicKey::from_bytes(&self.array()?).map_err(|_| CodecError::Invalid("public key"))
    }
    /// A signature, unchecked.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn signature(&mut self) -> Result<Signature, CodecError> {
        Ok(Signature::from_bytes(self.array()?))
    }
    /// An optional value.
    ///
    /// # Errors
    /// What `T` says; [`CodecError::Invalid`] for a tag other than 0 and 1.
    pub fn option<T: Canonical>(&mut self) -> Result<Option<T>, CodecError> {
        match self.u8()? {
            0 => Ok(None),
            1 => T::decode_from(self).map(Some),
            _ => Err(CodecError::Invalid("option")),
        }
    }
    /// A nested value.
    ///
    /// # Errors
    /// What `T` says.
    pub fn value<T: Canonical>(&mut self) -> Result<T, CodecError> {
        T::decode_from(self)
    }
    /// A list of at most `max` values.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] above `max`, or what `T` says.
    pub fn list<T: Canonical>(&mut self, what: &'static str, max: usize) -> Result<Vec<T>, CodecError> {
        let count = self.length(what, max)?;
        // A claimed count buys no memory: the list grows as values are really read.
        let mut values = Vec::with_capacity(count.min(LIST_CAPACITY_FIRST));
        for _ in 0..count {
            values.push(T::decode_from(self)?);
        }
        Ok(values)
    }
}

/// A value with one canonical form.
pub trait Canonical: Sized {
    /// Appends the canonical form.
    fn encode_to(&self, writer: &mut Writer);

    /// Reads one value from the front.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that no encoder writes.
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError>;

    /// The canonical form.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.encode_to(&mut writer);
        writer.finish()
    }

    /// Reads exactly one value.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that no encoder writes, and for trailing bytes.
    fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode_from(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}
