//! Keys as the age tool writes them: `age1…` for what one encrypts to, `AGE-SECRET-KEY-1…` for what opens it (Bech32, BIP 173).
//!
//! Must not know: key files.

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use tonle_crypto::{EncryptionKey, SecretKey};
use zeroize::Zeroizing;

const RECIPIENT: Hrp = Hrp::parse_unchecked("age");
const IDENTITY: Hrp = Hrp::parse_unchecked("age-secret-key-");

/// `age1…`: what `age -r` takes.
#[must_use]
pub fn recipient_text(key: &EncryptionKey) -> String {
    bech32::encode::<Bech32>(RECIPIENT, key.as_bytes()).expect("32 bytes are not too many")
}

/// `AGE-SECRET-KEY-1…`, a secret: what an identity file of `age -i` holds.
#[must_use]
pub fn identity_text(key: &SecretKey) -> Zeroizing<String> {
    let scalar = key.encryption_scalar();
    let text = bech32::encode_upper::<Bech32>(IDENTITY, scalar.as_slice()).expect("32 bytes are not too many");
    Zeroizing::new(text)
}

/// Reads `age1…`, or 64 hexadecimal digits.
#[must_use]
pub fn parse_recipient(text: &str) -> Option<EncryptionKey> {
    let bytes: Vec<u8> = match hex::decode(text) {
        Ok(bytes) => bytes,
        Err(_) => {
            let checked = CheckedHrpstring::new::<Bech32>(text).ok().filter(|checked| checked.hrp() == RECIPIENT)?;
            checked.byte_iter().collect()
        }
    };
    EncryptionKey::from_bytes(&bytes.try_into().ok()?).ok()
}
