//! Why the ledger refuses: one numbered code each. **The number is the precedence**: of several reasons that hold,
//! the lowest number is given.
//!
//! Must not know: gRPC.

use tonle_crypto::CodecError;

/// What kind of reason it is: what a client does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What it asks for can never be done: it must ask otherwise.
    Argument,
    /// A signature does not hold.
    Signature,
    /// The right keys did not sign.
    Permission,
    /// What it would make is there already.
    Exists,
    /// What it names is not there.
    Missing,
    /// The ledger's state forbids it now.
    State,
    /// A bound of the ledger would be passed.
    Bound,
}

/// The list, in order of precedence. Each has its number, its name, what kind of fault it is, the field at fault when it
/// comes of execution, and when it is given.
macro_rules! codes {
    ($($number:literal $code:ident = $name:literal, $fault:ident, $field:literal: $text:literal,)*) => {
        /// A stable reason. Numbers are never reused.
        ///
        /// | numbers | judged | when refused |
        /// |---|---|---|
        /// | 1 to 19 | by the bytes alone, before anything is queued or ordered | no receipt; the id stays free |
        /// | 20 to 29 | for the whole transaction, at execution | receipt; the id stays free |
        /// | 30 and up | for each operation, at execution | receipt; the id is taken |
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum RejectionCode {
            $(#[doc = $text] $code,)*
        }

        impl RejectionCode {
            /// All codes in order of precedence.
            pub const ALL: &'static [RejectionCode] = &[$(RejectionCode::$code,)*];

            /// The stable number.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(RejectionCode::$code => $number,)* }
            }
            /// The stable name, as in google.rpc.ErrorInfo's `reason`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(RejectionCode::$code => $name,)* }
            }
            /// What kind of fault it is.
            #[must_use]
            pub const fn fault(self) -> Fault {
                match self { $(RejectionCode::$code => Fault::$fault,)* }
            }
            /// The field at fault, when nothing more is known of it.
            #[must_use]
            pub const fn field(self) -> &'static str {
                match self { $(RejectionCode::$code => $field,)* }
            }
            /// When it is given: a sentence.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(RejectionCode::$code => $text,)* }
            }
        }
    };
}

codes! {
    1 TransactionTooLarge = "TRANSACTION_TOO_LARGE", Argument, "transaction": "Larger than 2 MiB.",
    2 Malformed = "MALFORMED", Argument, "transaction": "Not the canonical protobuf form: an unknown, repeated, misplaced or misformed field; no signature, too many, their keys not in ascending order or weak.",
    3 NoOperations = "NO_OPERATIONS", Argument, "body.operations": "No operation.",
    4 TooManyOperations = "TOO_MANY_OPERATIONS", Argument, "body.operations": "More than 8,190 operations.",
    10 WrongChain = "WRONG_CHAIN", Argument, "body.chain": "Signed for another chain.",
    11 WindowEmpty = "WINDOW_EMPTY", Argument, "body.not_after_ms": "The window is empty or ends before it begins.",
    12 WindowTooLong = "WINDOW_TOO_LONG", Argument, "body.not_after_ms": "The window is longer than 24 hours.",
    13 SignatureInvalid = "SIGNATURE_INVALID", Signature, "signatures": "A signature does not hold for its key, the chain and the body.",
    20 NotYetValid = "NOT_YET_VALID", State, "body.not_before_ms": "The block's time is before `not_before_ms`.",
    21 Expired = "EXPIRED", State, "body.not_after_ms": "The block's time is at or after `not_after_ms`, or the end of a proposal.",
    22 NotAuthorized = "NOT_AUTHORIZED", Permission, "signatures": "No signing key may do what an operation asks.",
    23 ThresholdNotMet = "THRESHOLD_NOT_MET", Permission, "signatures": "Fewer signing keys than the threshold.",
    30 DuplicateReference = "DUPLICATE_REFERENCE", Exists, "instruction_ref": "The reference was used by the same debited account for something else in the last 7 days.",
    31 AmountZero = "AMOUNT_ZERO", Argument, "amount_minor": "The amount is zero.",
    32 AssetUnknown = "ASSET_UNKNOWN", Missing, "asset": "There is no such asset.",
    33 SameAccount = "SAME_ACCOUNT", Argument, "to": "Payer and payee are one account.",
    34 DeadlineInvalid = "DEADLINE_INVALID", Argument, "expires_ms": "The time is not after the block's, or more than 90 days after it; for a proposal more than 30 days.",
    35 LimitsInvalid = "LIMITS_INVALID", Argument, "daily_minor": "A daily sum above 10^18 minor units or an hourly count above 1,000,000.",
    36 KeepersDiffer = "KEEPERS_DIFFER", Argument, "to": "Two participants keep the two accounts. What moves between them is removed by one and set by the other, in one atomic transaction.",
    37 SameAsset = "SAME_ASSET", Argument, "bought_asset": "An asset is exchanged for itself.",
    39 FreezeAndIssue = "FREEZE_AND_ISSUE", Argument, "keys": "A key may both freeze and issue.",
    40 UnknownParticipant = "UNKNOWN_PARTICIPANT", Missing, "account": "There is no such participant.",
    41 ParticipantSuspended = "PARTICIPANT_SUSPENDED", State, "account": "A participant's mode forbids it.",
    42 UnknownAccount = "UNKNOWN_ACCOUNT", Missing, "account": "There is no such account.",
    43 AccountExists = "ACCOUNT_EXISTS", Exists, "account": "There is such an account already.",
    44 AccountClosed = "ACCOUNT_CLOSED", State, "account": "The account is closed.",
    45 AccountFrozen = "ACCOUNT_FROZEN", State, "account": "The account's status forbids it.",
    46 TierNotAllowed = "TIER_NOT_ALLOWED", Argument, "tier": "Accounts of this kind cannot be of the tier.",
    60 ParticipantExists = "PARTICIPANT_EXISTS", Exists, "participant": "There is such a participant already.",
    61 ParticipantsFull = "PARTICIPANTS_FULL", Bound, "participant": "There are 10,000 participants already.",
    62 CannotValidate = "CANNOT_VALIDATE", Argument, "participant": "The participant is neither a bank nor the operator.",
    63 NotValidator = "NOT_VALIDATOR", Missing, "participant": "The participant has no validator.",
    64 ValidatorKeyUsed = "VALIDATOR_KEY_USED", Exists, "key": "A key was a validator's before, the two are one, or neither of them changes.",
    65 ValidatorKeysFull = "VALIDATOR_KEYS_FULL", Bound, "key": "Validators of this chain have used 16,384 keys already.",
    66 ValidatorSetSize = "VALIDATOR_SET_SIZE", State, "participant": "The set would have no member, more than 100, or fewer than 4 after it had 4 or more.",
    67 ValidatorChangesFull = "VALIDATOR_CHANGES_FULL", State, "participant": "There are 64 versions of the set that may still be in force already.",
    68 QuorumLost = "QUORUM_LOST", State, "participant": "Of a set that may still be in force too few members stay, with their keys, to make a quorum of the new set.",
    70 EvidenceMalformed = "EVIDENCE_MALFORMED", Argument, "proof": "The proof is none by its form.",
    71 AccusedUnknown = "ACCUSED_UNKNOWN", Missing, "proof": "The accused key was never a validator's.",
    72 AlreadyReported = "ALREADY_REPORTED", Exists, "proof": "The offence is on the ledger already.",
    73 OffencesFull = "OFFENCES_FULL", Bound, "proof": "The ledger holds 64 offences of the key already, or 10,000 in all.",
    74 ReportsBusy = "REPORTS_BUSY", State, "proof": "The signatures of 64 proofs were checked in this block already: one more can wait for the next.",
    75 EvidenceInvalid = "EVIDENCE_INVALID", Argument, "proof": "A signature in the proof does not hold on this chain.",
    80 HoldNotFound = "HOLD_NOT_FOUND", Missing, "hold_ref": "There is no such hold between these accounts.",
    81 HoldExpired = "HOLD_EXPIRED", State, "hold_ref": "The hold's time is over.",
    82 HoldExceeded = "HOLD_EXCEEDED", State, "amount_minor": "More than what is left of the hold.",
    84 TransferNotFound = "TRANSFER_NOT_FOUND", Missing, "transfer_ref": "No such transfer to this bank is under way.",
    85 TransferOver = "TRANSFER_OVER", State, "transfer_ref": "The transfer's time is over.",
    86 StageReached = "STAGE_REACHED", State, "progress": "The bank has said so already.",
    90 AccountNotEmpty = "ACCOUNT_NOT_EMPTY", State, "account": "The account has money, available or held.",
    91 OrderNotFound = "ORDER_NOT_FOUND", Missing, "order_ref": "No order of this reference freezes the account.",
    92 OrdersFull = "ORDERS_FULL", Bound, "order_ref": "Eight other orders freeze the account already.",
    93 AliasTaken = "ALIAS_TAKEN", Exists, "alias": "The alias stands for another account.",
    94 AliasNotFound = "ALIAS_NOT_FOUND", Missing, "alias": "The alias does not stand for the account.",
    100 OriginalNotFound = "ORIGINAL_NOT_FOUND", Missing, "original_ref": "No payment of the last 7 days was as the return says.",
    101 ReturnExceedsOriginal = "RETURN_EXCEEDS_ORIGINAL", State, "amount_minor": "More than what is left of the payment.",
    102 RequestNotFound = "REQUEST_NOT_FOUND", Missing, "request_ref": "There is no such request between these accounts.",
    103 RequestExpired = "REQUEST_EXPIRED", State, "request_ref": "The request's time is over.",
    104 RequestMismatch = "REQUEST_MISMATCH", State, "amount_minor": "Something else was asked for.",
    105 MandatesFull = "MANDATES_FULL", Bound, "from": "The account has 32 mandates already.",
    106 MandateNotFound = "MANDATE_NOT_FOUND", Missing, "mandate_ref": "There is no such mandate.",
    107 MandateExpired = "MANDATE_EXPIRED", State, "mandate_ref": "The mandate's time is over.",
    108 MandateExceeded = "MANDATE_EXCEEDED", State, "amount_minor": "More than what may be collected in this period.",
    109 QuoteNotFound = "QUOTE_NOT_FOUND", Missing, "quote_ref": "There is no such quote for this account.",
    110 QuoteExpired = "QUOTE_EXPIRED", State, "quote_ref": "The quote's time is over.",
    111 QuoteMismatch = "QUOTE_MISMATCH", State, "sold_minor": "Something else was offered.",
    119 TimedFull = "TIMED_FULL", Bound, "instruction_ref": "The state keeps 1,000,000 holds, requests and the like already, or 100,000 that this participant began.",
    120 PermissionNotOfRole = "PERMISSION_NOT_OF_ROLE", Argument, "keys": "A key may issue, freeze, seize or govern, and the participant is no operator.",
    121 StillIssues = "STILL_ISSUES", State, "participant": "The participant issues an asset, or is an operator.",
    122 StillValidates = "STILL_VALIDATES", State, "participant": "A set of validators that may still be in force has one of the participant.",
    123 StillHasMoney = "STILL_HAS_MONEY", State, "participant": "There is money on an account of the participant, available or held.",
    124 EffectHeightPassed = "EFFECT_HEIGHT_PASSED", Argument, "effect_height": "The height is not above that of the block.",
    125 ProposalNotFound = "PROPOSAL_NOT_FOUND", Missing, "proposal": "There is no such proposal, or it took effect, was withdrawn or lapsed.",
    126 AlreadyApproved = "ALREADY_APPROVED", Exists, "signatures": "No key that signed may approve it and has not yet.",
    127 ProposalsFull = "PROPOSALS_FULL", Bound, "operation": "There are 1,000 proposals already, or 64 of this participant.",
    128 ActivationInvalid = "ACTIVATION_INVALID", Argument, "version": "The height is not above that of the block, or the version is not above the one in force, nor takes away one that is still to come.",
    129 ActivationsFull = "ACTIVATIONS_FULL", Bound, "version": "256 versions have come into force already.",
    140 KhqrInvalid = "KHQR_INVALID", Argument, "payload": "The payload is no KHQR by its form: its checksum or its elements are wrong (number 8 of the published SDKs).",
    141 KhqrIncomplete = "KHQR_INCOMPLETE", Argument, "payload": "The KHQR lacks a field that it must have.",
    142 KhqrFieldInvalid = "KHQR_FIELD_INVALID", Argument, "payload": "A field of the KHQR is too long, or is not what it must be.",
    143 KhqrPayeeDiffers = "KHQR_PAYEE_DIFFERS", Argument, "to": "The KHQR names another payee.",
    144 KhqrCurrencyDiffers = "KHQR_CURRENCY_DIFFERS", Argument, "asset": "The KHQR names another currency.",
    145 KhqrAmountDiffers = "KHQR_AMOUNT_DIFFERS", Argument, "amount_minor": "The KHQR names another amount.",
    146 KhqrExpired = "KHQR_EXPIRED", State, "payload": "The KHQR's time is over.",
    147 KhqrExpiryTooFar = "KHQR_EXPIRY_TOO_FAR", Argument, "payload": "The KHQR expires more than 90 days after the block.",
    148 KhqrPaid = "KHQR_PAID", State, "payload": "The KHQR is dynamic and was paid already.",
    188 LimitExceeded = "LIMIT_EXCEEDED", State, "amount_minor": "More would leave the account in a day than its tier may spend of the asset.",
    189 VelocityExceeded = "VELOCITY_EXCEEDED", State, "account": "Money would leave the account more often in an hour than its tier may spend of the asset.",
    190 InsufficientFunds = "INSUFFICIENT_FUNDS", State, "amount_minor": "The account has less than the amount available.",
    191 AmountOverflow = "AMOUNT_OVERFLOW", Bound, "amount_minor": "The balance or the supply would pass its bound (64 and 128 bits).",
}

impl RejectionCode {
    /// The code of a number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        RejectionCode::ALL.iter().copied().find(|code| code.number() == number)
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
