//! The node's shell as a library, so that its command line, tests and tools share one code.

pub mod archive;
pub mod backend;
pub mod batch_log;
pub mod bootstrap;
pub mod config;
pub mod data_directory;
pub mod event_loop;
pub mod evidence;
pub mod executor;
pub mod finality_receipt;
pub mod gateway;
pub mod grpc;
pub mod guard_file;
pub mod intake;
pub mod key_file;
pub mod metrics;
pub mod network;
pub mod recovery;
pub mod run;
mod segment;
pub mod signatures;
pub mod snapshots;
pub mod storage;
pub mod succession;
pub mod sync_server;
pub mod telemetry;

#[cfg(test)]
mod test_chain;
#[cfg(test)]
mod test_disk;
