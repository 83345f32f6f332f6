//! Which bytes are an X25519 key, against the curve's own arithmetic.

#![allow(clippy::unwrap_used)]

use curve25519_dalek::montgomery::MontgomeryPoint;
use proptest::prelude::*;
use tonle_crypto::{Canonical, EncryptionKey, SecretKey};

/// RFC 7748, section 6.1: Alice's and Bob's public keys, and the secret they share.
const ALICE: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
const BOB_SECRET: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
const SHARED: &str = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

fn bytes(digits: &str) -> [u8; 32] {
    hex::decode(digits).unwrap().try_into().unwrap()
}

#[test]
fn the_key_of_the_standard_is_one() {
    let alice = EncryptionKey::from_bytes(&bytes(ALICE)).unwrap();
    assert_eq!(MontgomeryPoint(*alice.as_bytes()).mul_clamped(bytes(BOB_SECRET)).0, bytes(SHARED));
    assert_eq!(alice.to_string(), ALICE);
    assert_eq!(EncryptionKey::decode(&alice.encode()).unwrap(), alice);
}

#[test]
fn what_shares_zero_with_everybody_is_none() {
    let orders_of_eight = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ];
    let mut small: Vec<[u8; 32]> = orders_of_eight.iter().map(|digits| bytes(digits)).collect();
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    small.extend([[0; 32], minus_one]);
    let mut one = [0; 32];
    one[0] = 1;
    small.push(one);
    for point in small {
        assert_eq!(MontgomeryPoint(point).mul_clamped(bytes(BOB_SECRET)).0, [0; 32], "{point:02x?}");
        assert!(EncryptionKey::from_bytes(&point).is_err(), "{point:02x?}");
    }
}

#[test]
fn a_second_encoding_is_none() {
    let mut prime = [0xff; 32];
    (prime[0], prime[31]) = (0xed, 0x7f);
    assert!(EncryptionKey::from_bytes(&prime).is_err(), "p, which is 0");
    for first in 0xee..=0xff {
        prime[0] = first;
        assert!(EncryptionKey::from_bytes(&prime).is_err(), "p + {}", first - 0xed);
    }
    let mut high = bytes(ALICE);
    high[31] |= 0x80;
    assert!(EncryptionKey::from_bytes(&high).is_err(), "the bit that X25519 ignores");
}

proptest! {
    /// The public key gives what the secret scalar gives on the base point, and it is a key.
    #[test]
    fn both_halves_of_a_signing_key_agree(seed in any::<[u8; 32]>()) {
        let secret = SecretKey::from_seed(&seed);
        let key = secret.public().encryption_key();
        prop_assert_eq!(MontgomeryPoint::mul_base_clamped(*secret.encryption_scalar()).0, *key.as_bytes());
        prop_assert_eq!(EncryptionKey::from_bytes(key.as_bytes()).unwrap(), key);
    }
}
