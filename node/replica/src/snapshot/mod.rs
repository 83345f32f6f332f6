//! Snapshots between validators (section 8 of the design): what is asked, what is answered, and how the chain of epochs'
//! boundaries makes one of them trusted.
//!
//! An asker whose database is empty goes forward from genesis over boundaries, each certified by the validators that the
//! one before named, to the boundary of the newest snapshot that peers offer; a later final header names the state's
//! root after it; under that root every chunk of state proves itself ([`tonle_ledger::StateChunk`]).
//!
//! Must not know: who is asked when, where chunks are kept.

mod message;
mod serve;
mod trust;

#[cfg(test)]
mod tests;

pub use message::{SnapshotFound, SnapshotOffer, SnapshotQuery};
pub use serve::{BoundaryHistory, boundaries, covering};
pub use trust::{InvalidSnapshot, Trust};
