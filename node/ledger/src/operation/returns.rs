//! Giving back a payment or a part of it, never more than was paid.
//!
//! The ledger does not keep payments; it keeps, for 7 days, the digest of what each instruction reference was used for. So
//! a return says what it goes back to, and the digest shows that this is what was paid. What goes back later than that is a
//! transfer like any other.
//!
//! Must not know: who signed.

use tonle_crypto::Digest;

use super::fields::{Parsed, text_bytes};
use super::money::{check_accounts, check_amount, credit, take};
use super::{AcceptRequest, Act, Applied, Collect, Decode, PayKhqr, Scene, Transfer};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope, hour, hour_end_ms, references_expired};
use crate::timed::{Returned, Timed, TimedContent, TimedKind};
use crate::{AccountId, Amount, Asset, REFERENCE_LIFE_MS, Reference, RejectionCode, Text};

/// What operation a payment was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentKind {
    /// A [`Transfer`].
    Transfer,
    /// An [`AcceptRequest`].
    Request,
    /// A [`Collect`].
    Collection,
    /// A [`PayKhqr`].
    Khqr,
}

impl PaymentKind {
    /// The number on the wire: 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            PaymentKind::Transfer => 1,
            PaymentKind::Request => 2,
            PaymentKind::Collection => 3,
            PaymentKind::Khqr => 4,
        }
    }
    /// The kind of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(PaymentKind::Transfer),
            2 => Some(PaymentKind::Request),
            3 => Some(PaymentKind::Collection),
            4 => Some(PaymentKind::Khqr),
            _ => None,
        }
    }
}

/// Gives back `amount` of a payment of the last 7 days that had an instruction reference.
///
/// ```text
/// message Return { string from = 1;                     // who was paid, and returns
///                  string to = 2;                       // who paid
///                  string asset = 3; uint64 amount_minor = 4;
///                  string instruction_ref = 5;          // of the return; 0 to 64 printable ASCII
///                  string reason = 6;                   // 0 to 35 printable ASCII
///                  PaymentKind original_kind = 7;       // TRANSFER 1, REQUEST 2, COLLECTION 3, KHQR 4
///                  string original_ref = 8;             // the payment's instruction reference
///                  uint64 original_amount_minor = 9;
///                  string original_purpose = 10;        // of a transfer
///                  string original_external_ref = 11;   // of a transfer or a payment by code
///                  string original_agreement_ref = 12; }  // the request's or the mandate's reference; the code's digest
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// Who was paid, and returns.
    pub from: AccountId,
    /// Who paid.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much goes back.
    pub amount: Amount,
    /// The reference of the return: unique per returning account for 7 days.
    pub instruction_ref: Option<Reference>,
    /// Why (ISO 20022 ExternalReturnReason1Code or a short text).
    pub reason: Option<Text<35>>,
    /// What the payment was.
    pub original_kind: PaymentKind,
    /// Its instruction reference.
    pub original_ref: Reference,
    /// Its amount.
    pub original_amount: Amount,
    /// Its purpose, when it was a transfer with one.
    pub original_purpose: Option<Text<35>>,
    /// Its external reference, when it was a transfer or a payment by code with one.
    pub original_external_ref: Option<Reference>,
    /// The reference of the request or mandate that it was under; of a payment by code, the code's [`crate::khqr_id`] in 64
    /// hexadecimal digits; none for a transfer.
    pub original_agreement_ref: Option<Reference>,
}

impl Return {
    /// The account whose reference the payment's was.
    const fn original_account(&self) -> AccountId {
        match self.original_kind {
            PaymentKind::Transfer | PaymentKind::Request | PaymentKind::Khqr => self.to,
            PaymentKind::Collection => self.from,
        }
    }

    /// What the ledger kept of the payment, if it was as this return says.
    fn original_content(&self) -> Option<Digest> {
        let (from, to, asset, amount) = (self.to, self.from, self.asset, self.original_amount);
        let instruction_ref = Some(self.original_ref.clone());
        match self.original_kind {
            PaymentKind::Transfer => {
                let (purpose, external_ref) = (self.original_purpose.clone(), self.original_external_ref.clone());
                let sealed = None;
                let original = Transfer { from, to, asset, amount, instruction_ref, purpose, external_ref, sealed };
                original.instruction().map(|instruction| instruction.content)
            }
            PaymentKind::Request => {
                let request_ref = self.original_agreement_ref.clone()?;
                let original = AcceptRequest { from, to, asset, amount, request_ref, instruction_ref };
                original.instruction().map(|instruction| instruction.content)
            }
            PaymentKind::Collection => {
                let mandate_ref = self.original_agreement_ref.clone()?;
                let original = Collect { from, to, asset, amount, mandate_ref, instruction_ref };
                original.instruction().map(|instruction| instruction.content)
            }
            PaymentKind::Khqr => {
                let khqr = Digest::from_hex(self.original_agreement_ref.as_ref()?.as_str())?;
                let (sides, external_ref) = ([&from, &to], self.original_external_ref.as_ref());
                let original = PayKhqr::instruction_of(sides, (asset, amount), &khqr, external_ref, &self.original_ref);
                Some(original.content)
            }
        }
    }
}

impl Decode for Return {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Return {
            from: fields.account(1, "return.from")?,
            to: fields.account(2, "return.to")?,
            asset: fields.asset(3, "return.asset")?,
            amount: fields.amount(4, "return.amount_minor")?,
            instruction_ref: fields.optional(5, "return.instruction_ref")?,
            reason: fields.optional(6, "return.reason")?,
            original_kind: fields.choice(7, "return.original_kind", PaymentKind::from_number)?,
            original_ref: fields.reference(8, "return.original_ref")?,
            original_amount: fields.amount(9, "return.original_amount_minor")?,
            original_purpose: fields.optional(10, "return.original_purpose")?,
            original_external_ref: fields.optional(11, "return.original_external_ref")?,
            original_agreement_ref: fields.optional(12, "return.original_agreement_ref")?,
        })
    }
}

impl Act for Return {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Returned.id(&self.original_account(), &self.original_ref))
    }

    fn original(&self) -> Option<(Scope, &Reference)> {
        Some((Scope::Account(self.original_account()), &self.original_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let Return { from, to, asset, amount, instruction_ref, reason, original_kind, original_ref, .. } = self;
        let Return { original_amount, original_purpose, original_external_ref, original_agreement_ref, .. } = self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref.as_ref()?, |writer| {
            writer.u8(10).value(from).value(to).value(asset).value(amount).u8(original_kind.number());
            writer.bytes(original_ref.as_str().as_bytes()).bytes(text_bytes(reason.as_ref())).value(original_amount);
            writer.bytes(text_bytes(original_purpose.as_ref())).bytes(text_bytes(original_external_ref.as_ref()));
            writer.bytes(text_bytes(original_agreement_ref.as_ref()));
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        let now_ms = scene.now_ms;
        let place = scene.timed()?;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        if self.from == self.to {
            return Err(RejectionCode::SameAccount);
        }
        check_accounts(working, from, to)?;
        let record = scene.touched.original.and_then(|place| working.reference(place));
        let record = record.filter(|record| !references_expired(hour(record.taken_ms), now_ms));
        let record = record.filter(|record| Some(record.content) == self.original_content());
        let taken_ms = record.ok_or(RejectionCode::OriginalNotFound)?.taken_ms;
        // What is over counts as ended, though the block had others to end: it was of an older payment.
        let standing = working.timed(place);
        let (is_first, standing) = (standing.is_none(), standing.filter(|timed| timed.ends_ms > now_ms));
        let before = standing.and_then(|timed| timed.content.returned());
        let before = before.map_or(Amount::ZERO, |before| before.returned);
        let returned = before.checked_add(self.amount).filter(|returned| *returned <= self.original_amount);
        let returned = returned.ok_or(RejectionCode::ReturnExceedsOriginal)?;
        let timed = Timed {
            ends_ms: hour_end_ms(hour(taken_ms)).saturating_add(REFERENCE_LIFE_MS),
            begun_ms: taken_ms,
            account: self.original_account(),
            reference: self.original_ref.clone(),
            content: TimedContent::Returned(Returned { from: self.from, returned }),
        };
        if is_first {
            working.begin(place, timed)?;
        } else {
            working.change_timed(place, Some(timed));
        }
        // What was paid by mistake goes back whatever the limits of whoever got it.
        let payer = take(working, from, self.asset, self.amount)?;
        Ok(vec![payer, credit(working, to, self.asset, self.amount)?])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor());
        message.optional(5, self.instruction_ref.as_ref()).optional(6, self.reason.as_ref());
        message.uint(7, u64::from(self.original_kind.number())).reference(8, &self.original_ref);
        message.uint(9, self.original_amount.minor()).optional(10, self.original_purpose.as_ref());
        message.optional(11, self.original_external_ref.as_ref());
        message.optional(12, self.original_agreement_ref.as_ref());
    }
}
