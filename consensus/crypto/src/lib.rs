//! Digests, keys, signatures and canonical bytes: the floor that consensus, ledger and replica stand on.
//!
//! Must not know: what is signed, who may sign it, any socket, file, clock or random source.
//! Randomness arrives as a 32-byte seed from the shell.

#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used,
        clippy::panic
    )
)]

mod codec;
mod digest;
mod encryption_key;
mod key;
mod verified;

pub use codec::{Canonical, CodecError, Reader, Writer};
pub use digest::{Digest, Domain, StreamingDigest};
pub use encryption_key::{EncryptionKey, EncryptionKeyInvalid};
pub use key::{KeyError, PublicKey, SecretKey, Signature, SignatureInvalid, Strict, Verifier};
pub use verified::{Verified, Verify};
