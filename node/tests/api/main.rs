//! The node's API as clients meet it: a real gRPC server on loopback over a real database, blocks made by the real
//! ledger, clients in Rust, Python and `buf`.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod bad_input;
mod calls;
mod clients;
mod evidence;
mod fixture;
mod garbage;
mod membership;
mod payments;
mod proofs;
mod raw;
mod register;
mod server;
mod watch;
