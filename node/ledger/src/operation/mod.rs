//! What a transaction can ask for: one list of all operations, and one file for each group of them, which says what an
//! operation holds, its wire form, the accounts that it names, and what it does.
//!
//! Must not know: who may ask for it (that is `authority`).

mod account;
mod fields;
mod hold;
mod misbehaviour;
pub(crate) mod money;
mod participant;
mod proposal;
mod protocol;
mod standing;
mod supply;
mod transfer;
mod validator;

pub use account::OpenAccount;
pub use hold::{CaptureHold, PlaceHold, ReleaseHold};
pub use misbehaviour::ReportMisbehaviour;
pub use participant::AddParticipant;
pub(crate) use proposal::Verdict;
pub use proposal::{Approve, Propose, Withdraw};
pub use standing::{RemoveParticipant, SetParticipantKeys, SetParticipantMode};
pub use supply::{Issue, Redeem};
pub use transfer::Transfer;
pub use validator::RemoveValidator;

use tonle_crypto::{Digest, PublicKey, Signature};

use crate::plan::Touched;
use crate::protobuf::{Encoder, Fields};
use crate::protocol::Activation;
use crate::reference::Instruction;
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
                        let operation = <$payload>::decode(&mut inner)?;
                        inner.finish().named($field)?;
                        Ok(Operation::$name(operation))
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
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut inner = Encoder::default();
        self.act().encode(&mut inner);
        let mut message = Encoder::default();
        message.element(self.kind().number(), &inner.finish());
        message.finish()
    }
}
