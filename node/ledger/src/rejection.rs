//! Why the ledger refuses: one numbered code each. **The number is the precedence**: of several reasons that hold,
//! the lowest number is given.
//!
//! Must not know: gRPC.

use tonle_crypto::CodecError;

/// A stable reason. Numbers are never reused.
///
/// | numbers | judged | when refused |
/// |---|---|---|
/// | 1 to 19 | by the bytes alone, before anything is queued or ordered | no receipt; the id stays free |
/// | 20 to 29 | for the whole transaction, at execution | receipt; the id stays free |
/// | 30 and up | for each operation, at execution | receipt; the id is taken |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectionCode {
    /// Larger than 2 MiB.
    TransactionTooLarge,
    /// Not the canonical protobuf form: an unknown, repeated, misplaced or misformed field; no signature, too many,
    /// their keys not in ascending order or weak.
    Malformed,
    /// No operation.
    NoOperations,
    /// More than 8,190 operations.
    TooManyOperations,
    /// Signed for another chain.
    WrongChain,
    /// The window is empty or ends before it begins.
    WindowEmpty,
    /// The window is longer than 24 hours.
    WindowTooLong,
    /// A signature does not hold for its key, the chain and the body.
    SignatureInvalid,
    /// The block's time is before `not_before_ms`.
    NotYetValid,
    /// The block's time is at or after `not_after_ms`.
    Expired,
    /// No signing key may do what an operation asks.
    NotAuthorized,
    /// Fewer signing keys than the threshold.
    ThresholdNotMet,
    /// The reference was used by the same debited account for something else in the last 7 days.
    DuplicateReference,
    /// The amount is zero.
    AmountZero,
    /// There is no such asset.
    AssetUnknown,
    /// Payer and payee are one account.
    SameAccount,
    /// The time is not after the block's, or more than 90 days after it.
    DeadlineInvalid,
    /// There is no such participant.
    UnknownParticipant,
    /// A participant's mode forbids it.
    ParticipantSuspended,
    /// There is no such account.
    UnknownAccount,
    /// There is such an account already.
    AccountExists,
    /// The account is closed.
    AccountClosed,
    /// The account's status forbids it.
    AccountFrozen,
    /// The account has less than the amount available.
    InsufficientFunds,
    /// The balance or the supply would pass its bound (64 and 128 bits).
    AmountOverflow,
    /// There is such a participant already.
    ParticipantExists,
    /// There are 10,000 participants already.
    ParticipantsFull,
    /// The participant is neither a bank nor the operator.
    CannotValidate,
    /// The participant has no validator.
    NotValidator,
    /// A key was a validator's before, the two are one, or neither of them changes.
    ValidatorKeyUsed,
    /// Validators of this chain have used 16,384 keys already.
    ValidatorKeysFull,
    /// The set would have no member, more than 100, or fewer than 4 after it had 4 or more.
    ValidatorSetSize,
    /// There are 64 versions of the set that may still be in force already.
    ValidatorChangesFull,
    /// Of a set that may still be in force too few members stay, with their keys, to make a quorum of the new set.
    QuorumLost,
    /// The proof is none by its form.
    EvidenceMalformed,
    /// The accused key was never a validator's.
    AccusedUnknown,
    /// The offence is on the ledger already.
    AlreadyReported,
    /// The ledger holds 64 offences of the key already, or 10,000 in all.
    OffencesFull,
    /// The signatures of 64 proofs were checked in this block already: one more can wait for the next.
    ReportsBusy,
    /// A signature in the proof does not hold on this chain.
    EvidenceInvalid,
    /// There is no such hold between these accounts.
    HoldNotFound,
    /// The hold's time is over.
    HoldExpired,
    /// More than what is left of the hold.
    HoldExceeded,
    /// The state keeps 1,000,000 holds and the like already, or 100,000 of this participant.
    TimedFull,
}

impl RejectionCode {
    /// All codes in order of precedence.
    pub const ALL: [RejectionCode; 44] = [
        RejectionCode::TransactionTooLarge,
        RejectionCode::Malformed,
        RejectionCode::NoOperations,
        RejectionCode::TooManyOperations,
        RejectionCode::WrongChain,
        RejectionCode::WindowEmpty,
        RejectionCode::WindowTooLong,
        RejectionCode::SignatureInvalid,
        RejectionCode::NotYetValid,
        RejectionCode::Expired,
        RejectionCode::NotAuthorized,
        RejectionCode::ThresholdNotMet,
        RejectionCode::DuplicateReference,
        RejectionCode::AmountZero,
        RejectionCode::AssetUnknown,
        RejectionCode::SameAccount,
        RejectionCode::DeadlineInvalid,
        RejectionCode::UnknownParticipant,
        RejectionCode::ParticipantSuspended,
        RejectionCode::UnknownAccount,
        RejectionCode::AccountExists,
        RejectionCode::AccountClosed,
        RejectionCode::AccountFrozen,
        RejectionCode::InsufficientFunds,
        RejectionCode::AmountOverflow,
        RejectionCode::ParticipantExists,
        RejectionCode::ParticipantsFull,
        RejectionCode::CannotValidate,
        RejectionCode::NotValidator,
        RejectionCode::ValidatorKeyUsed,
        RejectionCode::ValidatorKeysFull,
        RejectionCode::ValidatorSetSize,
        RejectionCode::ValidatorChangesFull,
        RejectionCode::QuorumLost,
        RejectionCode::EvidenceMalformed,
        RejectionCode::AccusedUnknown,
        RejectionCode::AlreadyReported,
        RejectionCode::OffencesFull,
        RejectionCode::ReportsBusy,
        RejectionCode::EvidenceInvalid,
        RejectionCode::HoldNotFound,
        RejectionCode::HoldExpired,
        RejectionCode::HoldExceeded,
        RejectionCode::TimedFull,
    ];

    /// The stable number.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            RejectionCode::TransactionTooLarge => 1,
            RejectionCode::Malformed => 2,
            RejectionCode::NoOperations => 3,
            RejectionCode::TooManyOperations => 4,
            RejectionCode::WrongChain => 10,
            RejectionCode::WindowEmpty => 11,
            RejectionCode::WindowTooLong => 12,
            RejectionCode::SignatureInvalid => 13,
            RejectionCode::NotYetValid => 20,
            RejectionCode::Expired => 21,
            RejectionCode::NotAuthorized => 22,
            RejectionCode::ThresholdNotMet => 23,
            RejectionCode::DuplicateReference => 30,
            RejectionCode::AmountZero => 31,
            RejectionCode::AssetUnknown => 32,
            RejectionCode::SameAccount => 33,
            RejectionCode::DeadlineInvalid => 34,
            RejectionCode::UnknownParticipant => 40,
            RejectionCode::ParticipantSuspended => 41,
            RejectionCode::UnknownAccount => 42,
            RejectionCode::AccountExists => 43,
            RejectionCode::AccountClosed => 44,
            RejectionCode::AccountFrozen => 45,
            RejectionCode::InsufficientFunds => 50,
            RejectionCode::AmountOverflow => 51,
            RejectionCode::ParticipantExists => 60,
            RejectionCode::ParticipantsFull => 61,
            RejectionCode::CannotValidate => 62,
            RejectionCode::NotValidator => 63,
            RejectionCode::ValidatorKeyUsed => 64,
            RejectionCode::ValidatorKeysFull => 65,
            RejectionCode::ValidatorSetSize => 66,
            RejectionCode::ValidatorChangesFull => 67,
            RejectionCode::QuorumLost => 68,
            RejectionCode::EvidenceMalformed => 70,
            RejectionCode::AccusedUnknown => 71,
            RejectionCode::AlreadyReported => 72,
            RejectionCode::OffencesFull => 73,
            RejectionCode::ReportsBusy => 74,
            RejectionCode::EvidenceInvalid => 75,
            RejectionCode::HoldNotFound => 80,
            RejectionCode::HoldExpired => 81,
            RejectionCode::HoldExceeded => 82,
            RejectionCode::TimedFull => 83,
        }
    }

    /// The code of a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        RejectionCode::ALL.into_iter().find(|code| code.number() == number)
    }

    /// The stable name, as in google.rpc.ErrorInfo's `reason`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            RejectionCode::TransactionTooLarge => "TRANSACTION_TOO_LARGE",
            RejectionCode::Malformed => "MALFORMED",
            RejectionCode::NoOperations => "NO_OPERATIONS",
            RejectionCode::TooManyOperations => "TOO_MANY_OPERATIONS",
            RejectionCode::WrongChain => "WRONG_CHAIN",
            RejectionCode::WindowEmpty => "WINDOW_EMPTY",
            RejectionCode::WindowTooLong => "WINDOW_TOO_LONG",
            RejectionCode::SignatureInvalid => "SIGNATURE_INVALID",
            RejectionCode::NotYetValid => "NOT_YET_VALID",
            RejectionCode::Expired => "EXPIRED",
            RejectionCode::NotAuthorized => "NOT_AUTHORIZED",
            RejectionCode::ThresholdNotMet => "THRESHOLD_NOT_MET",
            RejectionCode::DuplicateReference => "DUPLICATE_REFERENCE",
            RejectionCode::AmountZero => "AMOUNT_ZERO",
            RejectionCode::AssetUnknown => "ASSET_UNKNOWN",
            RejectionCode::SameAccount => "SAME_ACCOUNT",
            RejectionCode::DeadlineInvalid => "DEADLINE_INVALID",
            RejectionCode::UnknownParticipant => "UNKNOWN_PARTICIPANT",
            RejectionCode::ParticipantSuspended => "PARTICIPANT_SUSPENDED",
            RejectionCode::UnknownAccount => "UNKNOWN_ACCOUNT",
            RejectionCode::AccountExists => "ACCOUNT_EXISTS",
            RejectionCode::AccountClosed => "ACCOUNT_CLOSED",
            RejectionCode::AccountFrozen => "ACCOUNT_FROZEN",
            RejectionCode::InsufficientFunds => "INSUFFICIENT_FUNDS",
            RejectionCode::AmountOverflow => "AMOUNT_OVERFLOW",
            RejectionCode::ParticipantExists => "PARTICIPANT_EXISTS",
            RejectionCode::ParticipantsFull => "PARTICIPANTS_FULL",
            RejectionCode::CannotValidate => "CANNOT_VALIDATE",
            RejectionCode::NotValidator => "NOT_VALIDATOR",
            RejectionCode::ValidatorKeyUsed => "VALIDATOR_KEY_USED",
            RejectionCode::ValidatorKeysFull => "VALIDATOR_KEYS_FULL",
            RejectionCode::ValidatorSetSize => "VALIDATOR_SET_SIZE",
            RejectionCode::ValidatorChangesFull => "VALIDATOR_CHANGES_FULL",
            RejectionCode::QuorumLost => "QUORUM_LOST",
            RejectionCode::EvidenceMalformed => "EVIDENCE_MALFORMED",
            RejectionCode::AccusedUnknown => "ACCUSED_UNKNOWN",
            RejectionCode::AlreadyReported => "ALREADY_REPORTED",
            RejectionCode::OffencesFull => "OFFENCES_FULL",
            RejectionCode::ReportsBusy => "REPORTS_BUSY",
            RejectionCode::EvidenceInvalid => "EVIDENCE_INVALID",
            RejectionCode::HoldNotFound => "HOLD_NOT_FOUND",
            RejectionCode::HoldExpired => "HOLD_EXPIRED",
            RejectionCode::HoldExceeded => "HOLD_EXCEEDED",
            RejectionCode::TimedFull => "TIMED_FULL",
        }
    }

    /// Does a transaction that is rejected as a whole with this code take its id? What is judged for the whole
    /// transaction leaves it free: a window that has not come may come, and a stranger who signs another's body
    /// with his own key must not use up its id.
    #[must_use]
    pub const fn takes_id(self) -> bool {
        self.number() >= 30
    }

    pub(crate) fn decode(number: u16) -> Result<Self, CodecError> {
        RejectionCode::from_number(number).ok_or(CodecError::Invalid("rejection code"))
    }
}

/// A refusal by the bytes alone, naming what is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {field}{}", code.name(), operation.map(|number| format!(" of operation {number}")).unwrap_or_default())]
pub struct Rejection {
    /// The reason.
    pub code: RejectionCode,
    /// The field at fault, such as `body.chain` or `transfer.from`.
    pub field: &'static str,
    /// The operation at fault, from 0; `None` when the fault is not inside one.
    pub operation: Option<u32>,
}

impl Rejection {
    pub(crate) const fn new(code: RejectionCode, field: &'static str) -> Self {
        Rejection { code, field, operation: None }
    }
    pub(crate) const fn malformed(field: &'static str) -> Self {
        Rejection::new(RejectionCode::Malformed, field)
    }
}
