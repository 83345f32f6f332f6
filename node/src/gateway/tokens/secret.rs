//! The token itself.
//!
//! Must not know: whose it is.

use subtle::ConstantTimeEq;
use tonle_crypto::{Digest, Domain};
use zeroize::Zeroizing;

static TOKEN: Domain = Domain::new("tonle v1 merchant token");

/// What every token begins with, so that scanners for leaked secrets know one.
const PREFIX: &str = "tonle_";

/// A token: 256 random bits. Written as `tonle_` and 64 hexadecimal digits.
pub struct Secret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A new one, from the system's random source.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut_slice())?;
        Ok(Secret(bytes))
    }

    /// Reads the text of a token.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.strip_prefix(PREFIX)?, bytes.as_mut_slice()).ok()?;
        Some(Secret(bytes))
    }

    /// The text, for its owner and nobody else.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", hex::encode(self.0.as_slice()))
    }

    /// `derive_key("tonle v1 merchant token", token)`: what is kept.
    #[must_use]
    pub fn digest(&self) -> Digest {
        TOKEN.digest(self.0.as_slice())
    }
}

/// Are they the same? Takes as long whichever byte differs.
pub(super) fn same(one: &Digest, other: &Digest) -> bool {
    bool::from(one.as_bytes().ct_eq(other.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{Secret, same};

    #[test]
    fn the_text_is_the_token_and_no_two_are_alike() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        let text = one.reveal();
        assert_eq!((text.len(), Secret::parse(&text).unwrap().digest()), (70, one.digest()));
        assert!(same(&one.digest(), &one.digest()) && !same(&one.digest(), &other.digest()));
        assert!(!format!("{one:?}").contains(&text[6..]), "a debug line must not give it away");
    }

    #[test]
    fn other_texts_are_no_tokens() {
        let text = Secret::generate().unwrap().reveal();
        for bad in ["", "tonle_", &text[6..], &text[..69], &format!("{text}0"), &text.replace("tonle_", "tonle-")] {
            assert!(Secret::parse(bad).is_none(), "{bad}");
        }
    }
}
