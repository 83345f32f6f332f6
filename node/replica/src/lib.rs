//! The node's brain, pure: one [`Replica::handle`] joins consensus, lanes, catch-up and the order of execution.
//!
//! The shell (or the simulator) feeds it [`Event`]s and carries out the [`Effect`]s that come back, in their order. Each
//! part is a machine with state of its own; the replica only routes events and orders effects.
//!
//! Must not know: sockets, files, clocks, random sources, protobuf; whether a transaction succeeds.

#![cfg_attr(
    not(test),
    deny(
        clippy::as_conversions,
        clippy::wildcard_enum_match_arm,
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::expect_used,
        clippy::panic
    )
)]

mod answering;
mod batch;
mod blocks;
pub mod bounds;
mod catchup;
mod checked;
mod cut;
mod event;
mod execution;
mod exposure;
mod judge;
mod lanes;
mod members;
mod membership;
mod message;
mod misbehaviour;
mod proposals;
mod rejoin;
mod replica;
mod snapshot;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchContext, InvalidBatch, RawBatch};
pub use catchup::{BlockSource, serve};
pub use checked::{CheckedMessage, InvalidMessage, PeerContext};
pub use cut::{AcknowledgedLane, Acknowledgement, Cut, Tip, genesis_block};
pub use event::{Config, Effect, Event, FinalBlock, Halt, Identity, LaneStatus, Recovered, Refusal, ReplicaStatus};
pub use judge::MisbehaviourJudge;
pub use members::validators;
pub use membership::Members;
pub use message::{CertifiedBlock, Found, PeerMessage, Query, Request, Response};
pub use misbehaviour::{LaneFork, MISBEHAVIOUR_BYTES_MAX, Misbehaviour, Offence, OffenceKind};
pub use replica::Replica;
pub use snapshot::{
    BoundaryHistory, InvalidSnapshot, SnapshotFound, SnapshotOffer, SnapshotQuery, Trust, boundaries, covering,
};
