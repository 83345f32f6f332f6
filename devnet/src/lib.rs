//! Every way to run more than one node: a local network of validator processes, faults in it, load on it, and the
//! client that pays and asks. A library for the `tonle` binary, whose processes it starts.
//!
//! Must not know: the node's inside. It starts processes of the binary it runs in, and talks to them over gRPC.

pub mod amount;
pub mod control;
pub mod defaults;
pub mod directory;
pub mod genesis;
pub mod keys;
pub mod lifeline;
pub mod ports;
pub mod process;
pub mod relay;
pub mod span;
