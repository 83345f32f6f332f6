//! Personal data, sealed for the banks that it concerns and for the operator, and opened by whoever has one of their keys.
//! The ledger holds sealed bytes and cannot read them; this is what its clients share.
//!
//! The form is drawn beside [`tonle_ledger::Sealed`], the plain text in `sealed.proto`. Everything here is a function of its
//! arguments but [`Randomness::of_system`].
//!
//! Must not know: command lines, nodes.

mod age;
mod details;
mod identity;

pub use age::{OpenError, Randomness, decrypt, encrypt};
pub use details::{DetailsError, pad, unpad};
pub use identity::{identity_text, parse_recipient, recipient_text};

use tonle_crypto::{EncryptionKey, SecretKey};
use tonle_ledger::{SEALED_RECIPIENTS, Sealed};
use tonle_proto::v1::PrivateDetails;

/// Who can open it: the sender's bank, the receiver's bank, the operator.
pub type Recipients = [EncryptionKey; SEALED_RECIPIENTS];

/// Seals `details` for three recipients.
///
/// # Errors
/// [`DetailsError::TooLong`] when they have more bytes than the largest size holds.
pub fn seal(
    details: &PrivateDetails,
    recipients: &Recipients,
    randomness: &Randomness,
) -> Result<Sealed, DetailsError> {
    let bytes = encrypt(&pad(details)?, recipients, randomness);
    Ok(Sealed::from_bytes(&bytes).expect("what is encrypted is of the form"))
}

/// Opens sealed bytes with the first of `keys` that they were sealed for.
///
/// # Errors
/// [`OpenError`].
pub fn open(sealed: &Sealed, keys: &[SecretKey]) -> Result<PrivateDetails, OpenError> {
    let mut result = Err(OpenError::NotForThisKey);
    for key in keys {
        result = decrypt(sealed, key).and_then(|plain| Ok(unpad(&plain)?));
        if !matches!(result, Err(OpenError::NotForThisKey)) {
            break;
        }
    }
    result
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
