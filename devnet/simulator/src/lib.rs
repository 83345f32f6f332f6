//! The whole replica of n validators under deterministic simulation: virtual time, one thread, every choice from a seed.
//!
//! The replicas and the ledger's executors are the real ones, every message is encoded, decoded and checked as on a real
//! wire; only the network, the disk, the clock and the clients are simulated. After every step the invariants of
//! `invariants` are held; after the faults end, everything submitted must become final everywhere.
//!
//! Must not know: tokio, sockets, files, the machine's clock or randomness.

mod acting;
mod agenda;
mod byzantine;
mod chain;
mod clients;
mod dice;
mod disk;
mod dying;
mod engines;
pub mod explorer;
mod exposing;
mod faults;
mod invariants;
mod liveness;
mod membership;
mod memo;
mod meter;
mod network;
mod node;
mod pace;
mod post;
mod rejoining;
mod roster;
mod sending;
mod shrinking;
mod strikes;
pub mod tape;
mod timeline;
pub mod twins;
mod violation;
pub mod wan;
mod world;

pub use byzantine::Kind;
pub use faults::{Fault, Fired};
pub use invariants::Breach;
pub use membership::membership;
pub use meter::Traffic;
pub use rejoining::{Loss, rejoin};
pub use shrinking::{Shrunk, Telling, Without, retell, shrink};
pub use timeline::{Deed, Line, Timeline};
pub use violation::{Run, Violation};
pub use world::{Crash, Report, Sabotage, drill, misbehave, simulate};
