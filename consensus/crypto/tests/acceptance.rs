//! The acceptance rule at its edges: small order, torsion, malleability, encodings that are not canonical.
//!
//! Each forgery is built here, and each is first shown to be one that a laxer rule accepts, so that a case that lost
//! its edge is noticed.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::Verifier as _;
use sha2::{Digest as _, Sha512};
use tonle_crypto::{KeyError, PublicKey, SecretKey, Signature, Strict, Verifier};

/// The group order L, little-endian (RFC 8032, section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The rule's answer, which must be that of `verify_strict` wherever a test asks.
fn accepts(key: &PublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    let accepted = Strict.verify(key, message, &Signature::from_bytes(*signature)).is_ok();
    assert_eq!(accepted, strict_accepts(key.as_bytes(), message, signature));
    accepted
}

/// RFC 8032 without the checks of small order: what most implementations do.
fn lax_accepts(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(key) else { return false };
    key.verify(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

/// The rule as ed25519-dalek has it, which decodes R as well.
fn strict_accepts(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(key) else { return false };
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
}

/// 8SB = 8R + 8kA: the rule of RFC 8032's batch equation, which torsion passes.
fn cofactored_accepts(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let (r, s) = parts(signature);
    let point = |bytes: [u8; 32]| CompressedEdwardsY(bytes).decompress().unwrap();
    let s: Option<Scalar> = Scalar::from_canonical_bytes(s).into();
    let Some(s) = s else { return false };
    let difference = ED25519_BASEPOINT_POINT * s - point(r) - point(*key) * challenge(&r, key, message);
    difference.is_small_order()
}

fn parts(signature: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (r, s) = signature.split_at(32);
    (r.try_into().unwrap(), s.try_into().unwrap())
}

fn join(r: &[u8; 32], s: &[u8; 32]) -> [u8; 64] {
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(r);
    signature[32..].copy_from_slice(s);
    signature
}

fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

fn scalar(seed: u8) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&[seed; 64])
}

/// A signature by whoever knows `a` and `r`, under the key and the R of the caller's choice.
fn forge(a: Scalar, r: Scalar, key: &EdwardsPoint, commitment: &EdwardsPoint, message: &[u8]) -> ([u8; 32], [u8; 64]) {
    let key = key.compress().to_bytes();
    let commitment = commitment.compress().to_bytes();
    let s = r + challenge(&commitment, &key, message) * a;
    (key, join(&commitment, &s.to_bytes()))
}

#[test]
fn accepts_its_own_signatures_and_no_other_message_key_or_bit() {
    let secret = SecretKey::from_seed(&[9; 32]);
    let message = b"alice@aba pays bob@wing";
    let signature = *secret.sign(message).as_bytes();
    assert!(accepts(&secret.public(), message, &signature));
    assert!(!accepts(&secret.public(), b"alice@aba pays eve@wing", &signature));
    assert!(!accepts(&SecretKey::from_seed(&[8; 32]).public(), message, &signature));
    for bit in 0..512 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepts(&secret.public(), message, &changed), "bit {bit} changed and nothing noticed");
    }
}

#[test]
fn refuses_keys_of_small_order() {
    for point in EIGHT_TORSION {
        let key = point.compress().to_bytes();
        // Anyone signs for them: with S = 0 and R = -kA some message of eight always passes a laxer rule.
        let forged = (0..=255u8).any(|message| {
            EIGHT_TORSION.iter().any(|r| lax_accepts(&key, &[message], &join(&r.compress().to_bytes(), &[0; 32])))
        });
        assert!(forged, "{} is harmless", hex::encode(key));
        assert_eq!(PublicKey::from_bytes(&key), Err(KeyError::Weak));
    }
}

#[test]
fn refuses_keys_that_are_not_canonical() {
    // y = p + n for n below 19 fits in 255 bits; p = 2^255 - 19. With either sign bit.
    let mut points = 0;
    for n in 0..19u8 {
        for sign in [0x7f, 0xff] {
            let mut key = [0xff; 32];
            key[0] = 0xed + n;
            key[31] = sign;
            points += usize::from(CompressedEdwardsY(key).decompress().is_some());
            assert!(PublicKey::from_bytes(&key).is_err(), "{} was a key", hex::encode(key));
        }
    }
    assert!(points > 10, "only {points} of them are points that a laxer rule takes");
    // x = 0 with the sign bit set: the identity, and the point of order two.
    for y in [1u8, 0xec] {
        let mut key = [if y == 1 { 0 } else { 0xff }; 32];
        key[0] = y;
        key[31] = if y == 1 { 0x80 } else { 0xff };
        assert!(PublicKey::from_bytes(&key).is_err());
    }
}

#[test]
fn refuses_bytes_that_are_no_point() {
    let mut refused = 0;
    for first in 0..=255u8 {
        let mut key = [0x5a; 32];
        key[0] = first;
        if CompressedEdwardsY(key).decompress().is_none() {
            assert_eq!(PublicKey::from_bytes(&key), Err(KeyError::NotAPoint));
            refused += 1;
        } else {
            assert_eq!(PublicKey::from_bytes(&key).unwrap().as_bytes(), &key);
        }
    }
    assert!((64..192).contains(&refused), "{refused} of 256: half of all y are on the curve");
}

#[test]
fn refuses_a_commitment_of_small_order() {
    let a = scalar(3);
    let key = ED25519_BASEPOINT_POINT * a;
    for (index, torsion) in EIGHT_TORSION.iter().enumerate() {
        let (bytes, signature) = forge(a, Scalar::ZERO, &key, torsion, b"message");
        assert!(cofactored_accepts(&bytes, b"message", &signature), "case {index} lost its edge");
        assert_eq!(lax_accepts(&bytes, b"message", &signature), index == 0, "only R = 0 fits without the cofactor");
        assert!(!accepts(&PublicKey::from_bytes(&bytes).unwrap(), b"message", &signature), "case {index}");
    }
}

/// A key with a torsion component can be signed for with an R of small order: only the table refuses that.
#[test]
fn refuses_every_commitment_of_small_order_that_the_equation_accepts() {
    let a = scalar(3);
    let mut refused = std::collections::BTreeSet::new();
    for torsion in EIGHT_TORSION {
        let key = ED25519_BASEPOINT_POINT * a + torsion;
        for (index, commitment) in EIGHT_TORSION.iter().enumerate() {
            for message in 0..=63u8 {
                let (bytes, signature) = forge(a, Scalar::ZERO, &key, commitment, &[message]);
                if lax_accepts(&bytes, &[message], &signature) {
                    refused.insert(index);
                }
                assert!(!accepts(&PublicKey::from_bytes(&bytes).unwrap(), &[message], &signature));
            }
        }
    }
    assert_eq!(refused.len(), 8, "a laxer rule accepts each of them for some message");
}

#[test]
fn refuses_a_commitment_with_a_torsion_component() {
    let (a, r) = (scalar(3), scalar(5));
    let key = ED25519_BASEPOINT_POINT * a;
    for (index, torsion) in EIGHT_TORSION.iter().enumerate() {
        let commitment = ED25519_BASEPOINT_POINT * r + torsion;
        let (bytes, signature) = forge(a, r, &key, &commitment, b"message");
        assert!(cofactored_accepts(&bytes, b"message", &signature), "case {index} lost its edge");
        let accepted = accepts(&PublicKey::from_bytes(&bytes).unwrap(), b"message", &signature);
        assert_eq!(accepted, index == 0, "case {index}");
    }
}

/// A key with a torsion component is judged by the equation alone: it holds where the challenge is a multiple of the
/// component's order. Its holder may so make a signature that a cofactored rule accepts and this one refuses; hence
/// one rule everywhere, and never batch verification.
#[test]
fn judges_a_key_with_a_torsion_component_by_the_equation_without_cofactor() {
    let (a, r) = (scalar(3), scalar(5));
    let key = ED25519_BASEPOINT_POINT * a + EIGHT_TORSION[1];
    let commitment = ED25519_BASEPOINT_POINT * r;
    let (mut accepted, mut refused) = (0, 0);
    for message in 0..=255u8 {
        let (bytes, signature) = forge(a, r, &key, &commitment, &[message]);
        let (r_bytes, _) = parts(&signature);
        let multiple_of_eight = challenge(&r_bytes, &bytes, &[message]).to_bytes()[0].is_multiple_of(8);
        assert!(cofactored_accepts(&bytes, &[message], &signature));
        let verdict = accepts(&PublicKey::from_bytes(&bytes).unwrap(), &[message], &signature);
        assert_eq!(verdict, multiple_of_eight, "message {message}");
        if verdict { accepted += 1 } else { refused += 1 }
    }
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused: one side was not seen");
}

#[test]
fn refuses_s_at_or_above_the_group_order() {
    let secret = SecretKey::from_seed(&[9; 32]);
    let signature = *secret.sign(b"message").as_bytes();
    let (r, s) = parts(&signature);
    let mut above = s;
    let mut multiples = 0;
    // S + L, S + 2L, … as long as they fit into 256 bits: all satisfy the equation.
    while let Some(next) = add(&above, &ORDER) {
        above = next;
        multiples += 1;
        assert!(!accepts(&secret.public(), b"message", &join(&r, &above)), "S + {multiples} L");
    }
    assert!(multiples >= 14, "{multiples} multiples fit");
    assert!(!accepts(&secret.public(), b"message", &join(&r, &ORDER)));
}

fn add(left: &[u8; 32], right: &[u8; 32]) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    let mut carry = 0;
    for index in 0..32 {
        let digit = u16::from(left[index]) + u16::from(right[index]) + carry;
        sum[index] = (digit & 0xff) as u8;
        carry = digit >> 8;
    }
    (carry == 0).then_some(sum)
}

#[test]
fn refuses_commitments_that_are_no_canonical_point() {
    let secret = SecretKey::from_seed(&[9; 32]);
    let (_, s) = parts(secret.sign(b"message").as_bytes());
    for n in 0..19u8 {
        for sign in [0x7f, 0xff] {
            let mut r = [0xff; 32];
            r[0] = 0xed + n;
            r[31] = sign;
            assert!(!accepts(&secret.public(), b"message", &join(&r, &s)));
        }
    }
}

/// RFC 8032, section 7.1, test 3.
#[test]
fn signs_as_rfc_8032_does() {
    let array = |text: &str| <[u8; 32]>::try_from(hex::decode(text).unwrap()).unwrap();
    let secret = SecretKey::from_seed(&array("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
    assert_eq!(secret.public().to_string(), "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    assert_eq!(
        hex::encode(secret.sign(&[0xaf, 0x82]).as_bytes()),
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
         18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    );
}

#[test]
fn never_prints_a_secret() {
    let secret = SecretKey::from_seed(&[9; 32]);
    let printed = format!("{secret:?}");
    assert!(!printed.contains("0909"), "{printed}");
    assert!(printed.contains(&secret.public().to_string()[..8]));
}
