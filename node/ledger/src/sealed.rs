//! Personal data as the ledger sees it: encrypted, in one form and of few sizes. The ledger cannot open it, nor tell whom
//! it was encrypted for; it refuses what is not of the form, before anything is queued or ordered.
//!
//! Must not know: how it is encrypted or opened, what stands in it.

use crate::{Rejection, RejectionCode};

/// What the format begins with (age v1, C2SP age.md).
const VERSION: &[u8] = b"age-encryption.org/v1\n";
/// What a recipient begins with, before the sender's share.
const RECIPIENT: &[u8] = b"-> X25519 ";
/// What the header's authentication code begins with.
const CODE: &[u8] = b"--- ";
/// How many recipients there are: the sender's bank, the receiver's bank, the operator; whoever is two of them stands
/// twice, so that all sealed bytes are of one form.
pub const SEALED_RECIPIENTS: usize = 3;
/// Characters of 32 bytes in base64 without padding (RFC 4648, section 4).
const CHARACTERS: usize = 43;
/// Bytes that sealing adds: the header (22 + 3 × 98 + 48), a nonce of 16, and an authentication tag of 16.
pub const SEALED_OVERHEAD: usize = 396;
/// What the plain text is padded to, in bytes, ascending.
pub const SEALED_BUCKETS: [usize; 4] = [128, 256, 512, 1_024];

/// Sealed bytes, of the one form:
///
/// ```text
/// age-encryption.org/v1\n
/// -> X25519 <43 characters>\n         ┐ a recipient: the sender's share, then
/// <43 characters>\n                   ┘ the file key encrypted; three times
/// --- <43 characters>\n               authenticates the header
/// nonce 16 B ‖ encrypted text 128, 256, 512 or 1,024 B ‖ tag 16 B
/// ```
/// `<43 characters>` are 32 bytes in base64 without padding. In all 524, 652, 908 or 1,420 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Box<[u8]>);

impl Sealed {
    /// Sealed bytes, if they are of the form.
    ///
    /// What follows the header must not read as UTF-8: what is encrypted does so with a probability below 2^-140, and
    /// plain text behind a copied header always.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bucket = bytes.len().checked_sub(SEALED_OVERHEAD)?;
        if !SEALED_BUCKETS.contains(&bucket) {
            return None;
        }
        let mut rest = bytes.strip_prefix(VERSION)?;
        for _ in 0..SEALED_RECIPIENTS {
            rest = line(rest.strip_prefix(RECIPIENT)?)?;
            rest = line(rest)?;
        }
        let body = line(rest.strip_prefix(CODE)?)?;
        std::str::from_utf8(body).is_err().then(|| Sealed(bytes.into()))
    }

    /// Reads a field that must be there.
    pub(crate) fn required(bytes: &[u8], field: &'static str) -> Result<Self, Rejection> {
        Sealed::from_bytes(bytes).ok_or(Rejection::new(RejectionCode::SealedInvalid, field))
    }

    /// Reads a field that may be empty.
    pub(crate) fn optional(bytes: &[u8], field: &'static str) -> Result<Option<Self>, Rejection> {
        if bytes.is_empty() { Ok(None) } else { Sealed::required(bytes, field).map(Some) }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What follows a line of 32 bytes in base64.
fn line(bytes: &[u8]) -> Option<&[u8]> {
    let (characters, rest) = bytes.split_at_checked(CHARACTERS)?;
    let (last, others) = characters.split_last()?;
    let others = others.iter().all(|character| value(*character).is_some());
    // The last character holds four bits; the two below them are zero in the one encoding that is accepted.
    (others && value(*last)?.trailing_zeros() >= 2).then_some(())?;
    rest.strip_prefix(b"\n")
}

/// The six bits of a base64 character.
const fn value(character: u8) -> Option<u8> {
    match character {
        b'A'..=b'Z' => character.checked_sub(b'A'),
        b'a'..=b'z' => character.checked_sub(b'a' - 26),
        b'0'..=b'9' => character.checked_add(52 - b'0'),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{SEALED_BUCKETS, SEALED_OVERHEAD, SEALED_RECIPIENTS, Sealed, value};

    /// Bytes of the form whose encrypted text has `bucket` bytes.
    fn formed(bucket: usize) -> Vec<u8> {
        let line = "Zm9ybWVkIGFuZCBvZiBubyBtZWFuaW5nIGF0IGFsbC4";
        let recipient = format!("-> X25519 {line}\n{line}\n");
        let header = format!("age-encryption.org/v1\n{}--- {line}\n", recipient.repeat(SEALED_RECIPIENTS));
        [header.into_bytes(), vec![0xee; bucket + 32]].concat()
    }

    #[test]
    fn the_form_is_one_in_each_of_its_sizes() {
        for bucket in SEALED_BUCKETS {
            let bytes = formed(bucket);
            assert_eq!(bytes.len(), bucket + SEALED_OVERHEAD);
            assert_eq!(Sealed::from_bytes(&bytes).unwrap().as_bytes(), bytes);
        }
        for bucket in [0, 1, 127, 129, 511, 1_023, 1_025, 4_096] {
            assert_eq!(Sealed::from_bytes(&formed(bucket)), None, "{bucket}");
        }
    }

    #[test]
    fn plain_text_is_refused() {
        let plain = "Pay 0011223344 of Sok Dara for rice. ".repeat(40);
        for length in (0..=plain.len()).filter(|length| plain.is_char_boundary(*length)) {
            assert_eq!(Sealed::from_bytes(&plain.as_bytes()[..length]), None);
        }
        // Behind a copied header, in Latin letters and in Khmer.
        for text in ["rice", "សុខ"] {
            let mut bytes = formed(128);
            let written = text.repeat(160).into_bytes();
            bytes[SEALED_OVERHEAD - 32..].copy_from_slice(&[b' '; 160]);
            let fits = written.len().min(160) / text.len() * text.len();
            bytes[SEALED_OVERHEAD - 32..][..fits].copy_from_slice(&written[..fits]);
            assert_eq!(Sealed::from_bytes(&bytes), None, "{text}");
        }
    }

    #[test]
    fn every_byte_of_the_header_counts() {
        let bytes = formed(128);
        let header = SEALED_OVERHEAD - 32;
        for at in 0..header {
            let mut changed = bytes.clone();
            // No character of the header, nor of base64.
            changed[at] = 0x80;
            assert_eq!(Sealed::from_bytes(&changed), None, "byte {at}");
        }
        // Another last character of 32 bytes in base64 stands for the same bytes.
        for at in [74, 118, 362] {
            let mut changed = bytes.clone();
            assert_eq!(changed[at], b'4');
            changed[at] = b'5';
            assert_eq!(Sealed::from_bytes(&changed), None, "byte {at}");
        }
    }

    #[test]
    fn another_number_of_recipients_is_refused() {
        let line = "Zm9ybWVkIGFuZCBvZiBubyBtZWFuaW5nIGF0IGFsbC4";
        for recipients in [0, 1, 2, 4] {
            let recipient = format!("-> X25519 {line}\n{line}\n").repeat(recipients);
            let header = format!("age-encryption.org/v1\n{recipient}--- {line}\n").into_bytes();
            let Some(missing) = (SEALED_OVERHEAD + 512).checked_sub(header.len()) else { continue };
            assert_eq!(Sealed::from_bytes(&[header, vec![0xee; missing]].concat()), None, "{recipients}");
        }
    }

    #[test]
    fn the_alphabet_has_64_characters() {
        let mut values: Vec<u8> = (0..=u8::MAX).filter_map(value).collect();
        values.sort_unstable();
        assert_eq!(values, (0..64).collect::<Vec<u8>>());
    }
}
