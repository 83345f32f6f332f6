//! Paying to an account that a bank keeps in its own books. The money stays on the payer's account, held, until the bank
//! says that its customer has it, or that he cannot have it.
//!
//! Must not know: who signed.

use tonle_crypto::Digest;

use super::fields::{Named, Parsed, text_bytes};
use super::money::{capture, check_accounts, hold, unhold};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::timed::{BankTransfer, Stage, Timed, TimedContent, TimedKind};
use crate::{AccountId, Amount, Asset, Reference, Rejection, RejectionCode, Sealed, Text};

/// Pays to a bank, for an account in the bank's own books.
///
/// ```text
/// message SendToBank { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                      string instruction_ref = 5;      // names the transfer; required
///                      uint64 expires_ms = 6;           // block time; at most 90 days ahead
///                      string purpose = 7;              // 0 to 35 printable ASCII
///                      string external_ref = 8;         // 0 to 64 printable ASCII
///                      bytes sealed = 9; }              // whose account; see `Sealed`
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendToBank {
    /// Who pays.
    pub from: AccountId,
    /// The bank's account on the ledger.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The payer's reference: names the transfer, and is unique per debited account for 7 days.
    pub instruction_ref: Reference,
    /// First block time at which the money goes back, if the bank has not said anything, ms since the Unix epoch.
    pub expires_ms: u64,
    /// The purpose code.
    pub purpose: Option<Text<35>>,
    /// A reference of another system.
    pub external_ref: Option<Reference>,
    /// The account in the bank's books and whatever else the bank must know. Not part of what makes two instructions the
    /// same.
    pub sealed: Sealed,
}

/// What a bank says of a transfer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has it, and has not decided.
    Received,
    /// Its customer has the money: ACKNOWLEDGED_BY_FI.
    Acknowledged,
    /// The money goes back: REFUNDED_BY_RECEIVER.
    Refused,
}

impl Progress {
    /// The number on the wire: 1 to 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Progress::Received => 1,
            Progress::Acknowledged => 2,
            Progress::Refused => 3,
        }
    }
    /// The progress of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Progress::Received),
            2 => Some(Progress::Acknowledged),
            3 => Some(Progress::Refused),
            _ => None,
        }
    }
}

/// Says how far a transfer to a bank has come.
///
/// ```text
/// message TrackTransfer { string from = 1; string to = 2; string transfer_ref = 3;
///                         TransferProgress progress = 4;   // RECEIVED 1, ACKNOWLEDGED 2, REFUSED 3
///                         string reason = 5; }             // why it is refused: 0 to 35 printable ASCII
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackTransfer {
    /// Who pays.
    pub from: AccountId,
    /// The bank's account.
    pub to: AccountId,
    /// The reference that names the transfer.
    pub transfer_ref: Reference,
    /// How far it has come.
    pub progress: Progress,
    /// Why it is refused (ISO 20022 ExternalStatusReason1Code or a short text).
    pub reason: Option<Text<35>>,
}

impl Decode for SendToBank {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(SendToBank {
            from: fields.account(1, "send_to_bank.from")?,
            to: fields.account(2, "send_to_bank.to")?,
            asset: fields.asset(3, "send_to_bank.asset")?,
            amount: fields.amount(4, "send_to_bank.amount_minor")?,
            instruction_ref: fields.reference(5, "send_to_bank.instruction_ref")?,
            expires_ms: fields.uint(6).named("send_to_bank.expires_ms")?,
            purpose: fields.optional(7, "send_to_bank.purpose")?,
            external_ref: fields.optional(8, "send_to_bank.external_ref")?,
            sealed: Sealed::required(fields.bytes(9).named("send_to_bank.sealed")?, "send_to_bank.sealed")?,
        })
    }
}

impl Act for SendToBank {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::BankTransfer.id(&self.from, &self.instruction_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let SendToBank { from, to, asset, amount, instruction_ref, expires_ms, purpose, external_ref, sealed: _ } =
            self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref, |writer| {
            writer.u8(7).value(from).value(to).value(asset).value(amount).u64(*expires_ms);
            writer.bytes(text_bytes(purpose.as_ref())).bytes(text_bytes(external_ref.as_ref()));
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [payer, _] = scene.touched.accounts;
        let place = scene.check_agreement([self.from, self.to], (self.asset, self.amount), self.expires_ms)?;
        let (working, begun_ms) = (&mut *scene.working, scene.now_ms);
        let SendToBank { from, to, asset, amount, .. } = *self;
        let content = TimedContent::BankTransfer(BankTransfer { from, to, asset, amount, stage: Stage::Received });
        let reference = self.instruction_ref.clone();
        working.begin(place, Timed { ends_ms: self.expires_ms, begun_ms, account: from, reference, content })?;
        Ok(vec![hold(working, payer, asset, amount)?])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).bytes(3, self.asset.as_bytes());
        message.uint(4, self.amount.minor()).reference(5, &self.instruction_ref).uint(6, self.expires_ms);
        message.optional(7, self.purpose.as_ref()).optional(8, self.external_ref.as_ref());
        message.bytes(9, self.sealed.as_bytes());
    }
}

impl Decode for TrackTransfer {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let track = TrackTransfer {
            from: fields.account(1, "track_transfer.from")?,
            to: fields.account(2, "track_transfer.to")?,
            transfer_ref: fields.reference(3, "track_transfer.transfer_ref")?,
            progress: fields.choice(4, "track_transfer.progress", Progress::from_number)?,
            reason: fields.optional(5, "track_transfer.reason")?,
        };
        if track.reason.is_some() && track.progress != Progress::Refused {
            return Err(Rejection::malformed("track_transfer.reason"));
        }
        Ok(track)
    }
}

impl Act for TrackTransfer {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::BankTransfer.id(&self.from, &self.transfer_ref))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        if self.progress == Progress::Acknowledged {
            check_accounts(scene.working, from, to)?;
        }
        let (place, timed) = scene.standing(RejectionCode::TransferNotFound)?;
        let transfer = timed.content.bank_transfer();
        let transfer = transfer.filter(|transfer| transfer.from == self.from && transfer.to == self.to);
        let transfer = transfer.ok_or(RejectionCode::TransferNotFound)?;
        scene.check_not_over(&timed, RejectionCode::TransferOver)?;
        let working = &mut *scene.working;
        match self.progress {
            Progress::Received if transfer.stage == Stage::AtBank => Err(RejectionCode::StageReached),
            Progress::Received => {
                let content = TimedContent::BankTransfer(BankTransfer { stage: Stage::AtBank, ..transfer.clone() });
                working.change_timed(place, Some(Timed { content, ..timed }));
                Ok(Vec::new())
            }
            Progress::Acknowledged => {
                let moved = capture(working, from, to, transfer.asset, transfer.amount)?;
                working.change_timed(place, None);
                Ok(moved.to_vec())
            }
            Progress::Refused => {
                let payer = unhold(working, from, transfer.asset, transfer.amount, timed.begun_ms)?;
                working.change_timed(place, None);
                Ok(vec![payer])
            }
        }
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).reference(3, &self.transfer_ref);
        message.uint(4, u64::from(self.progress.number())).optional(5, self.reason.as_ref());
    }
}
