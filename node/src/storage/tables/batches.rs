//! The data of final blocks, as it travelled.
//!
//! ```text
//! batches   | batch digest 32 | -> | batch |
//! ```
//! Batches are large and never change, so they lie in blob files: compaction moves their keys only.

pub(in crate::storage) const BATCHES: &str = "batches";
