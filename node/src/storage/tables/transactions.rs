//! Where the receipt of a transaction stands.
//!
//! ```text
//! transactions  | transaction id 32 | -> | height u64 | index u32 |
//! ```
//! A receipt that takes no id (such as EXPIRED) stands here only until one that does, and never replaces another.

pub(in crate::storage) const TRANSACTIONS: &str = "transactions";
