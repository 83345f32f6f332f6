//! Catch-up: getting final blocks from peers, and answering theirs.

mod serve;

pub use serve::{BlockSource, serve};
