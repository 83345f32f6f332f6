//! The merchant gateway on real validators: every call of the Open API as shops' software makes it, tokens, deep links,
//! restarts, and clients that nobody here wrote.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by a panic, and says how the nodes stood"
)]

mod clients;
mod documents;
#[path = "../devnet/fixture.rs"]
#[allow(dead_code, reason = "the suite of devnets uses more of it")]
mod fixture;
mod links;
mod lookups;
mod paying;
mod restart;
mod shop;
mod tokens;
mod webhooks;
