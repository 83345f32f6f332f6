//! KHQR, Cambodia's standard of QR codes for payments: makes codes, reads them, and says with the numbers of the published
//! SDKs why one is refused. Pure.
//!
//! A KHQR is an EMVCo merchant-presented code: elements of a two-digit tag, a two-digit length and a value, with a CRC at
//! the end. Lengths count units of UTF-16, as the SDKs do. An amount is an exact decimal, never a float.
//!
//! ```
//! use tonle_khqr::{Draft, Payee, Terms, generate, verify};
//!
//! let payee = Payee::Individual { account: "dara@aba", information: None, bank: None };
//! let draft = Draft { amount: Some("4000"), expires_ms: Some(1767226200000), ..Draft::new(payee, "Dara Sok") };
//! let payload = generate(&draft, 1767225600000)?;
//! let khqr = verify(&payload, 1767225600001)?;
//! assert_eq!(khqr.payee.account(), "dara@aba");
//! assert!(matches!(khqr.terms, Terms::Dynamic { .. }));
//! # Ok::<(), tonle_khqr::ErrorCode>(())
//! ```
//!
//! What the SDKs accept and this crate refuses: a template that is no TLV (they never return), templates longer than two
//! digits can say, an account with two `@`, a tag that is there twice, two payees in one code, a merchant without id or
//! bank, an amount that is none, tags and lengths that are not two digits.
//!
//! Whatever the text, the work is linear in its length, and text longer than [`PAYLOAD_BYTES_MAX`] is not read. The
//! feature `images` makes the pictures.
//!
//! Must not know: the ledger, accounts, clocks (time is an argument), files, sockets.

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

mod amount;
mod crc;
mod currency;
mod decode;
mod error;
mod fields;
mod fingerprint;
mod generate;
#[cfg(feature = "images")]
mod image;
mod parse;
mod payload;
mod rules;
mod tlv;
mod verify;

pub use amount::{AMOUNT_CHARACTERS_MAX, Decimal};
pub use crc::crc16;
pub use currency::Currency;
pub use decode::{PAYLOAD_BYTES_MAX, decode};
pub use error::ErrorCode;
pub use fields::{Field, Fields};
pub use fingerprint::Md5;
pub use generate::{Alternate, CATEGORY_DEFAULT, CITY_DEFAULT, COUNTRY_DEFAULT, Draft, generate};
#[cfg(feature = "images")]
pub use image::{Qr, TooLong};
pub use parse::parse;
pub use payload::{Additional, Khqr, Language, Payee, Terms};
pub use verify::verify;
