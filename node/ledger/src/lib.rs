//! The ledger: participants, assets, accounts, signed transactions, receipts and the roots that prove them. Pure.
//!
//! Finalized transactions go in, in order; receipts, state changes and two roots come out ([`Executor::execute`]).
//! Executing never errors on what a client sent: it rejects, with a receipt. The only error is [`Fatal`]: the state
//! itself is wrong, and the process must stop.
//!
//! Must not know: consensus, sockets, files, clocks, random sources, protobuf libraries. Block time and the values
//! that are read from disk are arguments.

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

mod account;
mod alias;
mod apply;
mod asset;
mod audit;
mod authority;
mod block;
mod buckets;
mod executor;
mod fatal;
mod genesis;
mod ids;
mod khqr;
mod mandate;
mod memory;
mod offence;
mod operation;
mod parameters;
mod participant;
mod plan;
mod proof;
mod proposal;
mod protobuf;
mod protocol;
mod receipt;
mod reference;
mod rejection;
mod results;
mod run;
mod sealed;
mod slots;
mod snapshot;
mod state;
mod timed;
mod transaction;
mod tree;
mod validators;
mod wire;
mod working;

pub use account::{Account, AccountKind, AccountStatus, Balance, FREEZE_ORDERS_MAX, FreezeOrder, Spent};
pub use alias::{Alias, DisplayName};
pub use asset::AssetRecord;
pub use audit::{Audit, audit};
pub use authority::{Rule, Signer, dual_control, proposable, rule};
pub use block::{BlockInput, Duplicate, Executed, HistoryEntry};
pub use executor::{Executor, Point};
pub use fatal::Fatal;
pub use genesis::{Genesis, GenesisAccount, GenesisAsset, GenesisInvalid, GenesisValidator};
pub use ids::{AccountId, Amount, Asset, NameInvalid, ParticipantId, Reference, Text, TransactionId};
pub use khqr::KhqrPayment;
pub use mandate::{MANDATES_MAX, Mandate, Period};
pub use memory::MemoryState;
pub use offence::{
    Claim, JUDGED_PER_BLOCK_MAX, Judge, OFFENCES_MAX, OFFENCES_PER_KEY_MAX, OffenceRecord, PROOF_BYTES_MAX,
};
pub use operation::{
    AcceptRequest, AddParticipant, Approve, CancelRequest, CaptureHold, CloseAccount, Collect, DeclineRequest,
    FreezeAccount, GrantMandate, Issue, KHQR_BYTES_MAX, KHQR_LIFE_MAX_MS, MoveAlias, Moves, OfferQuote, OpenAccount,
    Operation, OperationKind, PayKhqr, PaymentKind, PlaceHold, Progress, Propose, Redeem, ReleaseHold, RemoveAlias,
    RemoveParticipant, RemoveValidator, ReportMisbehaviour, RequestToPay, Return, RevokeMandate, Seize, SendToBank,
    SetAccountKeys, SetAccountStatus, SetAlias, SetEncryptionKey, SetLimits, SetParticipantKeys, SetParticipantMode,
    SetTier, TakeQuote, TrackTransfer, Transfer, Withdraw, khqr_id,
};
pub use parameters::{DAILY_MAX, HOURLY_MAX, KycTier, Limit, LocalHour, Parameters};
pub use participant::{Mode, Participant, ParticipantKey, Permission, Permissions, Role, Thresholds};
pub use plan::Plan;
pub use proof::{AccountProof, ProofInvalid, ProofSource, StateProof, Terminal};
pub use proposal::{PROPOSAL_LIFE_MAX_MS, PROPOSALS_MAX, PROPOSALS_PER_PARTICIPANT_MAX, PROPOSED_BYTES_MAX, Proposal};
pub use protocol::{ACTIVATIONS_MAX, Activation, Protocol};
pub use receipt::{BalanceAfter, OperationResult, Receipt, ReceiptLocation, TransactionResult};
pub use reference::{instruction_key, instruction_location};
pub use rejection::{Fault, Rejection, RejectionCode};
pub use results::{ReceiptProof, ReceiptsTree, first_results_root, next_results_root};
pub use sealed::{SEALED_BUCKETS, SEALED_OVERHEAD, SEALED_RECIPIENTS, Sealed};
pub use snapshot::{
    BUCKET_GROUP_BYTES_MAX, Bucket, BucketChunk, BucketGroup, BucketOrder, BucketPart, CHUNK_BYTES, Outline, Region,
    StateChunk,
};
pub use state::{Change, StateKey};
pub use timed::{
    BankTransfer, ENDINGS_PER_BLOCK_MAX, Hold, PaymentRequest, Quote, Returned, Stage, TIMED_LIFE_MAX_MS, TIMED_MAX,
    TIMED_PER_PARTICIPANT_MAX, Timed, TimedContent, TimedKind,
};
pub use transaction::{SignedTransaction, TransactionBody};
pub use validators::{
    Member, QuorumKept, SetVersion, VALIDATOR_KEYS_MAX, VALIDATOR_VERSIONS_MAX, VALIDATORS_FLOOR, VALIDATORS_MAX,
    Validators, quorum, window,
};

/// Most operations in one transaction.
pub const MAX_OPERATIONS: usize = 8_190;
/// Most bytes of one signed transaction: 2 MiB.
pub const MAX_TRANSACTION_BYTES: usize = 2 * 1024 * 1024;
/// Most signatures on one transaction, and most keys of one account or participant.
pub const MAX_SIGNATURES: usize = 16;
/// Longest validity window of a transaction, in milliseconds of block time: 24 hours.
pub const MAX_WINDOW_MS: u64 = 24 * 3_600_000;
/// How long an instruction reference stays taken, in milliseconds of block time: 7 days.
pub const REFERENCE_LIFE_MS: u64 = 7 * 24 * 3_600_000;
/// Most bytes of a transaction's nonce.
pub const MAX_NONCE_BYTES: usize = 32;
/// How many executed heights a proof of state can be made against, at most: the last ones. Fewer, and at least 24, when
/// they changed many values.
pub const STATE_VERSIONS: usize = 64;
