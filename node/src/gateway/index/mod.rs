//! The index of enrolled accounts: by which codes and references their payments are found. It follows the node's
//! blocks on a thread of its own, and is made again from them where it is behind.
//!
//! Only accounts that a token reaches are indexed, so a node without merchants writes nothing here, and the cost does
//! not grow with payments among others.
//!
//! Must not know: HTTP, tokens.

mod entry;
mod follower;
mod touched;

pub(super) use entry::{Key, Outcome, at, place_of};
pub(super) use follower::Index;
pub use touched::Touched;
