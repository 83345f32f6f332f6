//! The node's shell as a library, so that its command line, tests and tools share one code.

pub mod batch_log;
pub mod config;
pub mod data_directory;
pub mod executor;
pub mod finality_receipt;
pub mod grpc;
pub mod guard_file;
pub mod key_file;
pub mod metrics;
pub mod network;
pub mod run;
mod segment;
pub mod signatures;
pub mod storage;
pub mod telemetry;
