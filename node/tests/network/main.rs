//! The network over real libp2p: several nodes on loopback, and actors who do not keep to the protocol.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

mod actor;
mod adversary;
mod fixture;
mod gossip;
mod links;
