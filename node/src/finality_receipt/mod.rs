//! Finality receipts: one file that proves, with nothing but the genesis file, that a transaction is final and what it
//! did, or what an account held at a height. docs/api.md draws the format; [`Document`] is the file, [`verify`] checks
//! it offline.
//!
//! Must not know: gRPC, storage, any file or socket.

mod document;
mod validators;
mod verification;

pub use document::{Document, DocumentInvalid, Subject};
pub use validators::validators;
pub use verification::{Proven, Report, VerifyError, verify};

/// Largest file that is read, in bytes: the receipt of a transaction of 8,190 operations and 100,000 links in
/// hexadecimal fits; so do 200 changes of a set of 100 validators.
pub const FILE_BYTES_MAX: usize = 16 * 1024 * 1024;
