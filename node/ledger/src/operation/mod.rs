//! What a transaction can ask for: one list of all operations, and one file for each group of them, which says what an
//! operation holds, its wire form, the accounts that it names, and what it does.
//!
//! Must not know: who may ask for it (that is `authority`).

mod account;
mod alias;
mod bank_transfer;
mod exchange;
mod fields;
mod hold;
mod khqr;
mod limits;
mod mandate;
mod misbehaviour;
pub(crate) mod money;
mod moves;
mod order;
mod participant;
mod proposal;
mod protocol;
mod request;
mod returns;
mod standing;
mod supply;
mod transfer;
mod validator;

pub use account::{CloseAccount, OpenAccount, SetAccountKeys, SetAccountStatus, SetTier};
pub use alias::{MoveAlias, RemoveAlias, SetAlias};
pub use bank_transfer::{Progress, SendToBank, TrackTransfer};
pub use exchange::{OfferQuote, TakeQuote};
pub use hold::{CaptureHold, PlaceHold, ReleaseHold};
pub use khqr::{KHQR_BYTES_MAX, KHQR_LIFE_MAX_MS, PayKhqr, khqr_id};
pub use limits::SetLimits;
pub use mandate::{Collect, GrantMandate, RevokeMandate};
pub use misbehaviour::ReportMisbehaviour;
pub use moves::Moves;
pub use order::{FreezeAccount, Seize};
pub use participant::AddParticipant;
pub(crate) use proposal::Verdict;
pub use proposal::{Approve, Propose, Withdraw};
pub use request::{AcceptRequest, CancelRequest, DeclineRequest, RequestToPay};
pub use returns::{PaymentKind, Return};
pub use standing::{RemoveParticipant, SetEncryptionKey, SetParticipantKeys, SetParticipantMode};
pub use supply::{Issue, Redeem};
pub use transfer::Transfer;
pub use validator::RemoveValidator;

use tonle_crypto::{Digest, PublicKey, Signature};

use crate::plan::Touched;
use crate::protobuf::{Encoder, Fields};
use crate::protocol::Activation;
use crate::reference::{Instruction, Scope};
use crate::timed::{TIMED_LIFE_MAX_MS, Timed};
use crate::working::Working;
use crate::{
    AccountId, Amount, Asset, BalanceAfter, Member, ParticipantId, ReceiptLocation, Reference, Rejection, RejectionCode,
};
pub(crate) use fields::{Named, Parsed};

/// What an operation leaves: the balances that it changed, payer before payee.
pub(crate) type Applied = Result<Vec<BalanceAfter>, RejectionCode>;

/// Where an operation is executed.
pub(crate) struct Scene<'a, 'b> {
    pub(crate) working: &'a mut Working<'b>,
    /// The places of what it names.
    pub(crate) touched: &'a Touched,
    /// Where its result will stand.
    pub(crate) place: ReceiptLocation,
    /// The block's time.
    pub(crate) now_ms: u64,
    /// The keys that signed, ascending.
    pub(crate) signatures: &'a [(PublicKey, Signature)],
    /// What a proposal came to, when the operation is about one.
    pub(crate) verdict: Option<Verdict>,
}

impl Scene<'_, '_> {
    /// The place of the timed value that the operation names.
    fn timed(&self) -> Result<usize, RejectionCode> {
        self.touched.timed.ok_or(RejectionCode::HoldNotFound)
    }

    /// The timed value that the operation names, if it is there. Whether it is the one that is meant comes before
    /// [`Scene::check_not_over`], because the codes' numbers say so.
    fn standing(&self, missing: RejectionCode) -> Result<(usize, Timed), RejectionCode> {
        let place = self.timed()?;
        let timed = self.working.timed(place).ok_or(missing)?;
        Ok((place, timed.clone()))
    }

    /// Is its time still to come?
    const fn check_not_over(&self, timed: &Timed, over: RejectionCode) -> Result<(), RejectionCode> {
        if timed.ends_ms <= self.now_ms { Err(over) } else { Ok(()) }
    }

    /// May something begin that ends at `ends_ms`?
    const fn check_deadline(&self, ends_ms: u64) -> Result<(), RejectionCode> {
        if ends_ms <= self.now_ms || ends_ms > self.now_ms.saturating_add(TIMED_LIFE_MAX_MS) {
            Err(RejectionCode::DeadlineInvalid)
        } else {
            Ok(())
        }
    }

    /// Is the reference of what would begin free? The ledger forgets references after 7 days; what has one longer still
    /// has it.
    fn check_free(&self) -> Result<usize, RejectionCode> {
        let place = self.timed()?;
        if self.working.timed(place).is_some() { Err(RejectionCode::DuplicateReference) } else { Ok(place) }
    }

    /// May an agreement begin, until `ends_ms`, in which the first of the accounts pays `amount` to the second? Says where
    /// it will stand.
    fn check_agreement(
        &self,
        accounts: [AccountId; 2],
        (asset, amount): (Asset, Amount),
        ends_ms: u64,
    ) -> Result<usize, RejectionCode> {
        let place = self.check_free()?;
        money::check_amount(self.working, amount, asset)?;
        let [payer, payee] = accounts;
        if payer == payee {
            return Err(RejectionCode::SameAccount);
        }
        self.check_deadline(ends_ms)?;
        let [payer, payee] = self.touched.accounts;
        money::check_accounts(self.working, payer, payee)?;
        Ok(place)
    }
}

/// What every operation says of itself.
pub(crate) trait Act {
    /// The accounts that it names; what money leaves comes first.
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [None, None]
    }
    /// How much of what it is about.
    fn money(&self) -> Option<(Asset, Amount)> {
        None
    }
    /// The participant that it concerns: that of its first account, or the one that it names.
    fn subject(&self) -> Option<ParticipantId> {
        let [first, _] = self.accounts();
        first.map(|account| account.participant())
    }
    /// The asset whose issuer must sign, where that is the rule.
    fn asset(&self) -> Option<Asset> {
        None
    }
    /// The timed value that it begins, changes or ends.
    fn timed(&self) -> Option<Digest> {
        None
    }
    /// The earlier instruction that it goes back to.
    fn original(&self) -> Option<(Scope, &Reference)> {
        None
    }
    /// The alias that it sets, moves or removes.
    fn alias(&self) -> Option<Digest> {
        None
    }
    /// The KHQR code that it pays, when that can be paid once only: the hour since the Unix epoch in which it expires, and
    /// its digest.
    fn code(&self) -> Option<(u64, Digest)> {
        None
    }
    /// Its reference, when it has one, and what makes another operation with this reference the same.
    fn instruction(&self) -> Option<Instruction<'_>> {
        None
    }
    /// Does it. Checks stand in the order of the codes' numbers. On `Err` the caller takes back what was changed.
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied;
    /// Writes its message.
    fn encode(&self, message: &mut Encoder);
}

/// Reads an operation's message, all but its end.
trait Decode: Sized {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self>;
}

impl<T: Act> Act for Box<T> {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        self.as_ref().accounts()
    }
    fn money(&self) -> Option<(Asset, Amount)> {
        self.as_ref().money()
    }
    fn subject(&self) -> Option<ParticipantId> {
        self.as_ref().subject()
    }
    fn asset(&self) -> Option<Asset> {
        self.as_ref().asset()
    }
    fn timed(&self) -> Option<Digest> {
        self.as_ref().timed()
    }
    fn original(&self) -> Option<(Scope, &Reference)> {
        self.as_ref().original()
    }
    fn alias(&self) -> Option<Digest> {
        self.as_ref().alias()
    }
    fn code(&self) -> Option<(u64, Digest)> {
        self.as_ref().code()
    }
    fn instruction(&self) -> Option<Instruction<'_>> {
        self.as_ref().instruction()
    }
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        self.as_ref().apply(scene)
    }
    fn encode(&self, message: &mut Encoder) {
        self.as_ref().encode(message);
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        T::decode(fields).map(Box::new)
    }
}

/// The list. Each has its field number in the message `Operation`, its type, and the field's name.
macro_rules! operations {
    ($($(#[$doc:meta])* $number:literal $name:ident($payload:ty) = $field:literal,)*) => {
        /// One thing that a transaction asks for.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Operation {
            $($(#[$doc])* $name($payload),)*
        }

        /// What an operation is, without what it says.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum OperationKind {
            $($(#[$doc])* $name,)*
        }

        impl OperationKind {
            /// All of them, by number.
            pub const ALL: &'static [OperationKind] = &[$(OperationKind::$name,)*];

            /// The field number in the message `Operation`.
            #[must_use]
            pub const fn number(self) -> u32 {
                match self { $(OperationKind::$name => $number,)* }
            }
            /// The field's name in the message `Operation`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(OperationKind::$name => $field,)* }
            }
        }

        impl Operation {
            /// What it is.
            #[must_use]
            pub const fn kind(&self) -> OperationKind {
                match self { $(Operation::$name(_) => OperationKind::$name,)* }
            }
            /// What it says of itself.
            pub(crate) fn act(&self) -> &dyn Act {
                match self { $(Operation::$name(operation) => operation,)* }
            }
            /// Reads the message `Operation`: a oneof, of which exactly one is there.
            pub(crate) fn decode(bytes: &[u8]) -> Parsed<Self> {
                let mut fields = Fields::new(bytes);
                let (number, inner) = fields.alternative().named("operation")?;
                fields.finish().named("operation")?;
                let mut inner = Fields::new(inner);
                match number {
                    $($number => {
                        let operation = <$payload>::decode(&mut inner);
                        match operation {
                            // A misformed message comes first, and sealed bytes are the last field of theirs.
                            Err(fault) if fault.code != RejectionCode::SealedInvalid => return Err(fault),
                            Ok(_) | Err(_) => inner.finish().named($field)?,
                        }
                        operation.map(Operation::$name)
                    })*
                    _ => Err(Rejection::malformed("operation")),
                }
            }
        }
    };
}

operations! {
    /// Move money between two accounts.
    1 Transfer(Box<Transfer>) = "transfer",
    /// Open an account.
    2 OpenAccount(OpenAccount) = "open_account",
    /// Create money.
    3 Issue(Issue) = "issue",
    /// Destroy money.
    4 Redeem(Redeem) = "redeem",
    /// Add a validator, or change the keys of one. Both keys must be new to the chain, save one that the participant's
    /// validator has already and keeps.
    5 SetValidator(Box<Member>) = "set_validator",
    /// Remove the validator of a participant.
    6 RemoveValidator(RemoveValidator) = "remove_validator",
    /// Admit a participant.
    7 AddParticipant(Box<AddParticipant>) = "add_participant",
    /// Put an offence of a validator on the ledger, once.
    8 ReportMisbehaviour(ReportMisbehaviour) = "report_misbehaviour",
    /// Keep money on an account for another, until a block time at most.
    9 PlaceHold(Box<PlaceHold>) = "place_hold",
    /// Move money of a hold to its payee.
    10 CaptureHold(Box<CaptureHold>) = "capture_hold",
    /// Give back what is left of a hold.
    11 ReleaseHold(Box<ReleaseHold>) = "release_hold",
    /// Pay to an account that a bank keeps in its own books: money that is kept until the bank acknowledges or refuses it.
    12 SendToBank(Box<SendToBank>) = "send_to_bank",
    /// Say how far a transfer to a bank has come: received, acknowledged or refused.
    13 TrackTransfer(Box<TrackTransfer>) = "track_transfer",
    /// Give back a transfer or a part of it.
    14 Return(Box<Return>) = "return",
    /// Ask to be paid.
    15 RequestToPay(Box<RequestToPay>) = "request_to_pay",
    /// Pay what was asked for.
    16 AcceptRequest(Box<AcceptRequest>) = "accept_request",
    /// Refuse to pay what was asked for.
    17 DeclineRequest(Box<DeclineRequest>) = "decline_request",
    /// Ask no longer.
    18 CancelRequest(Box<CancelRequest>) = "cancel_request",
    /// Close an account without money.
    20 CloseAccount(CloseAccount) = "close_account",
    /// Replace an account's own keys.
    21 SetAccountKeys(SetAccountKeys) = "set_account_keys",
    /// Say what may leave and enter an account, as far as its keeper is concerned.
    22 SetAccountStatus(SetAccountStatus) = "set_account_status",
    /// Say how well an account's keeper knows whose it is.
    23 SetTier(SetTier) = "set_tier",
    /// Put an order on an account that freezes it, or lift one.
    24 FreezeAccount(FreezeAccount) = "freeze_account",
    /// Move money of an account to another under an order.
    25 Seize(Box<Seize>) = "seize",
    /// Make an alias stand for an account.
    26 SetAlias(Box<SetAlias>) = "set_alias",
    /// Make an alias stand for another account of the same participant.
    27 MoveAlias(Box<MoveAlias>) = "move_alias",
    /// End an alias.
    28 RemoveAlias(RemoveAlias) = "remove_alias",
    /// Replace what accounts of a tier may spend of an asset.
    29 SetLimits(SetLimits) = "set_limits",
    /// Replace the keys of a participant.
    30 SetParticipantKeys(Box<SetParticipantKeys>) = "set_participant_keys",
    /// Say what the accounts of a participant may take part in.
    31 SetParticipantMode(SetParticipantMode) = "set_participant_mode",
    /// End a participant that was wound down.
    32 RemoveParticipant(RemoveParticipant) = "remove_participant",
    /// Propose what is under dual control.
    33 Propose(Box<Propose>) = "propose",
    /// Approve a proposal.
    34 Approve(Approve) = "approve",
    /// Withdraw a proposal.
    35 Withdraw(Withdraw) = "withdraw",
    /// Say when a version of the protocol comes into force.
    36 ActivateProtocol(Activation) = "activate_protocol",
    /// Let an account collect, up to a cap in each period.
    40 GrantMandate(Box<GrantMandate>) = "grant_mandate",
    /// Collect under a mandate.
    41 Collect(Box<Collect>) = "collect",
    /// Take a mandate back.
    42 RevokeMandate(Box<RevokeMandate>) = "revoke_mandate",
    /// Offer to exchange one asset for another; what is sold is kept until the quote is taken or over.
    43 OfferQuote(Box<OfferQuote>) = "offer_quote",
    /// Take a quote: both sides pay at once or neither.
    44 TakeQuote(Box<TakeQuote>) = "take_quote",
    /// Pay by a KHQR code; a dynamic one is paid once.
    50 PayKhqr(Box<PayKhqr>) = "pay_khqr",
    /// Replace the key that personal data for a participant is encrypted to.
    55 SetEncryptionKey(SetEncryptionKey) = "set_encryption_key",
}

impl Operation {
    /// The accounts that it names; what money leaves comes first.
    #[must_use]
    pub fn accounts(&self) -> [Option<AccountId>; 2] {
        self.act().accounts()
    }
    /// How much of what it is about; `None` when it names no amount.
    #[must_use]
    pub fn money(&self) -> Option<(Asset, Amount)> {
        self.act().money()
    }
    /// Its instruction reference, when it has one.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        self.act().instruction().map(|instruction| instruction.reference)
    }
    /// The message `Operation`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut inner = Encoder::default();
        self.act().encode(&mut inner);
        let mut message = Encoder::default();
        message.element(self.kind().number(), &inner.finish());
        message.finish()
    }
}
