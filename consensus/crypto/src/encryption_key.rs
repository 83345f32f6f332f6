//! X25519 public keys, to which personal data is encrypted. Only the key is here, so that the ledger can hold it: what is
//! encrypted, and how, is the clients' business.

use std::fmt;

use crate::{Canonical, CodecError, PublicKey, Reader, SecretKey, Writer};

/// Why 32 bytes are not an encryption key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an X25519 public key: not reduced, or of small order")]
pub struct EncryptionKeyInvalid;

/// An X25519 public key (RFC 7748): a reduced u-coordinate that is not of small order, so that a shared secret with it is
/// never zero and each key has one encoding.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EncryptionKey([u8; EncryptionKey::LENGTH]);

impl EncryptionKey {
    /// Length in bytes.
    pub const LENGTH: usize = 32;

    /// Parses a key: u, little-endian.
    ///
    /// # Errors
    /// [`EncryptionKeyInvalid`] when u is 2^255 - 19 or above, or of a point of small order on the curve or its twist.
    pub fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Result<Self, EncryptionKeyInvalid> {
        if is_reduced(bytes) && !SMALL_ORDER_U.contains(bytes) {
            Ok(EncryptionKey(*bytes))
        } else {
            Err(EncryptionKeyInvalid)
        }
    }

    /// The key's 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }
}

impl PublicKey {
    /// The X25519 key of the same secret: the birational map of RFC 7748, section 4.1. It is known without the secret.
    ///
    /// A secret should serve one purpose, so a participant makes a key file for encryption alone.
    #[must_use]
    pub fn encryption_key(&self) -> EncryptionKey {
        // The point is of large order and the map gives reduced bytes: it is what `from_bytes` accepts.
        EncryptionKey(self.montgomery())
    }
}

impl SecretKey {
    /// The scalar of [`PublicKey::encryption_key`], for X25519, which clamps it.
    #[must_use]
    pub fn encryption_scalar(&self) -> zeroize::Zeroizing<[u8; 32]> {
        self.scalar()
    }
}

impl Canonical for EncryptionKey {
    fn encode_to(&self, writer: &mut Writer) {
        writer.raw(&self.0);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        EncryptionKey::from_bytes(&reader.array()?).map_err(|_| CodecError::Invalid("encryption key"))
    }
}

impl fmt::Display for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Is u below 2^255 - 19? X25519 would take it modulo that, and drop the highest bit.
fn is_reduced(bytes: &[u8; 32]) -> bool {
    let [first, middle @ .., last] = bytes;
    *last < 0x7f || (*last == 0x7f && (*first < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}

/// u of the points of small order, on the curve and on its twist: 0, 1 and -1, and two of order 8.
const SMALL_ORDER_U: [[u8; 32]; 5] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09,
        0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44,
        0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
];
