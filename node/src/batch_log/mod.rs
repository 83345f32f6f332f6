//! The log of unfinalized batches: every batch is durable here before it is acknowledged or, if it is one's own, before
//! it leaves (R8). Apart from RocksDB, so that compaction never delays a vote. It must not know what a batch holds.
//!
//! ```text
//! batches/log-<number>.seg    frames as in `crate::segment`
//! kind      1 batches, 2 batches with the log lost
//! payload   | count u32 | batch ... |     each as it travels
//! ```
//! A thread of its own takes batches from a bounded queue. What waits when the disk is free goes out as one frame with
//! one fdatasync; then its owner is told. A segment goes once every batch in it is final and executed; live batches of a
//! segment that lags far behind are copied to the newest one, so the log stays within a few segments of what lives.

mod store;
mod thread;

#[cfg(test)]
mod tests;

pub use store::{BatchLogReader, RecoveredBatches};
pub use thread::{BatchLog, BatchLogEvent, Refused, Released};
