//! What is final, in RocksDB.

mod error;

pub use error::Error;
