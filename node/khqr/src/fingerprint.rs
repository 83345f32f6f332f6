//! What tracks a payment: the MD5 of the whole payload. It names a code, and proves nothing.
//!
//! Must not know: what the payload says.

use std::fmt;

use md5::{Digest as _, Md5 as Hasher};

/// The MD5 of a payload's bytes, checksum included; written in lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Md5([u8; 16]);

impl Md5 {
    /// Of this payload, as it is.
    #[must_use]
    pub fn of(payload: &str) -> Self {
        Md5(Hasher::digest(payload.as_bytes()).into())
    }
    /// Wraps 16 bytes read from elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Md5(bytes)
    }
    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
    /// Parses 32 hexadecimal digits of either case.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if digits { u128::from_str_radix(text, 16).ok() } else { None };
        number.map(|number| Md5(number.to_be_bytes()))
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}
impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_and_read_in_hexadecimal() {
        // RFC 1321's test suite.
        for (text, hex) in [("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72")] {
            assert_eq!(Md5::of(text).to_string(), hex);
            assert_eq!(Md5::from_hex(hex), Some(Md5::of(text)));
            assert_eq!(Md5::from_hex(&hex.to_uppercase()), Some(Md5::of(text)));
        }
        for text in ["", "900150983cd24fb0d6963f7d28e17f7", "+00150983cd24fb0d6963f7d28e17f72", "ក".repeat(32).as_str()]
        {
            assert_eq!(Md5::from_hex(text), None, "{text}");
        }
    }
}
