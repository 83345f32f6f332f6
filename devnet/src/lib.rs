//! Every way to run more than one node: a local network of validator processes, faults in it, load on it, and the
//! client that pays and asks. A library for the `tonle` binary, whose processes it starts.
//!
//! Must not know: the node's inside. It starts processes of the binary it runs in, and talks to them over gRPC.

pub mod accounts;
pub mod amount;
pub mod bench;
pub mod client;
pub mod codes;
pub mod commands;
pub mod configuration;
pub mod control;
pub mod defaults;
pub mod directory;
pub mod evidence;
pub mod founding;
pub mod genesis;
pub mod joining;
pub mod keys;
mod latency;
pub mod lifeline;
pub mod load;
pub mod membership;
mod operator;
pub mod orders;
pub mod payment;
pub mod ports;
pub mod process;
pub mod register;
pub mod relay;
pub mod screen;
pub mod span;
pub mod supervisor;
pub mod up;

use anyhow::{Context, Result};

/// Runs a command of this library to its end, on the calling thread and two workers.
///
/// # Errors
/// When the system gives no threads, and what the command says.
pub fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(command)
}
