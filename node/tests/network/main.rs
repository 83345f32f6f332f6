//! The network over real libp2p: several nodes on loopback, and actors who do not keep to the protocol.

mod adversary;
mod fixture;
mod gossip;
mod links;
