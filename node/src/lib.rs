//! The node's shell as a library, so that its command line, tests and tools share one code.

pub mod config;
pub mod key_file;
pub mod metrics;
pub mod run;
pub mod telemetry;
