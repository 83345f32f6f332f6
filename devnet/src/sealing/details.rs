//! What is sealed: a serialized `PrivateDetails`, padded to one of few sizes.
//!
//! ```text
//! PrivateDetails ‖ 80 ‖ 00 … up to 128, 256, 512 or 1,024 bytes       (ISO/IEC 7816-4)
//! ```
//!
//! Must not know: encryption.

use prost::Message;
use tonle_ledger::SEALED_BUCKETS;
use tonle_proto::v1::PrivateDetails;
use zeroize::Zeroizing;

/// Why details cannot be sealed, or what was opened is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DetailsError {
    /// They have more bytes than the largest size holds.
    #[error("{bytes} bytes of names and text: at most 1023 can be sealed")]
    TooLong {
        /// How many they have.
        bytes: usize,
    },
    /// What was sealed ends in no padding.
    #[error("what was sealed is not padded")]
    Padding,
    /// What was sealed is no `PrivateDetails`.
    #[error("what was sealed is no PrivateDetails")]
    Message,
}

/// The padded plain text.
///
/// # Errors
/// [`DetailsError::TooLong`].
pub fn pad(details: &PrivateDetails) -> Result<Zeroizing<Vec<u8>>, DetailsError> {
    let bytes = details.encoded_len();
    let too_long = DetailsError::TooLong { bytes };
    let bucket = SEALED_BUCKETS.into_iter().find(|bucket| bytes < *bucket).ok_or(too_long)?;
    let mut plain = Zeroizing::new(Vec::with_capacity(bucket));
    details.encode(&mut *plain).map_err(|_| too_long)?;
    plain.push(0x80);
    plain.resize(bucket, 0);
    Ok(plain)
}

/// The details in a padded plain text. Fields that are not known are left out.
///
/// # Errors
/// [`DetailsError::Padding`], [`DetailsError::Message`].
pub fn unpad(plain: &[u8]) -> Result<PrivateDetails, DetailsError> {
    let end = plain.iter().rposition(|byte| *byte != 0).ok_or(DetailsError::Padding)?;
    let (message, padding) = plain.split_at(end);
    if padding.first() != Some(&0x80) {
        return Err(DetailsError::Padding);
    }
    PrivateDetails::decode(message).map_err(|_| DetailsError::Message)
}
