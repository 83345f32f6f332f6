//! The BFT protocol as a pure engine: `handle(now, input) -> outputs`. SPEC.md states its rules R1 to R9.
//!
//! Must not know: sockets, files, clocks, tasks, randomness, what a payload means, who executes it.

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

mod bitmap;
mod boundary;
mod certificate;
mod config;
mod contradiction;
mod engine;
mod evidence;
mod guard;
mod header;
mod ids;
mod interface;
mod invalid;
mod message;
mod pacemaker;
mod preimage;
mod proposal;
mod safety;
mod status;
mod tally;
mod tree;
mod validators;

pub use bitmap::Bitmap;
pub use boundary::{Boundary, BoundaryInvalid};
pub use certificate::{Certificate, QuorumCertificate, QuorumKind, TimeoutCertificate, TimeoutVote};
pub use config::Config;
pub use contradiction::Contradiction;
pub use engine::Consensus;
pub use evidence::{Evidence, Signed, contradict};
pub use guard::{Choice, GuardRecord, Surrender};
pub use header::{Block, Checkpoint, Header, HeaderFields, PAYLOAD_BYTES_MAX, payload_digest};
pub use ids::{Epoch, Height, Time, Timestamp, ValidatorIndex, View};
pub use interface::{Anchor, Demand, HaltReason, Input, Output, Recipients, Recovered, Tip, Verdict};
pub use invalid::Invalid;
pub use message::{Message, Timeout, Vote};
pub use preimage::{SigningContext, Statement};
pub use proposal::{Proposal, SIDECAR_BYTES_MAX};
pub use safety::SignRequest;
pub use status::{Status, Step};
pub use validators::{NAME_BYTES_MAX, VALIDATORS_MAX, Validator, ValidatorSet, ValidatorSetError};
