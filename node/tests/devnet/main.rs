//! The built `tonle` binary and networks of real validator processes: payments, faults, what the hostile send, and that
//! nothing outlives its parent. Every wait is for a condition, with a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test may fail by a panic, and says how the nodes stood"
)]

#[path = "../network/actor.rs"]
mod actor;
mod bench;
mod evidence;
mod faults;
mod fixture;
mod khqr;
mod membership;
mod payments;
mod peers;
mod recover;
mod rejoin;
mod snapshot;
mod strangers;
