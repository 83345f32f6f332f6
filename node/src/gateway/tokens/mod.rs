//! Bearer tokens: what a shop shows to be answered. Issued by the bank on the node's host, kept as digests.
//!
//! A token is 256 random bits, so its digest needs no salt and no slow hash: those make guessing a *password* dear, and
//! here there is nothing to guess. A copy of the database shows who may ask, and lets nobody ask.
//!
//! Must not know: HTTP, or what is asked with a token.

mod book;
mod record;
mod secret;

pub use book::{Book, Denied, Issue, IssueError, Listed};
pub use record::Record;
pub use secret::Secret;
