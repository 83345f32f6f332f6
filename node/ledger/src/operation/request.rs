//! Asking to be paid, and what the one who is asked says.
//!
//! Must not know: who signed.

use tonle_crypto::Digest;

use super::fields::{Named, Parsed, text_bytes};
use super::money::{check_accounts, check_amount, credit, debit};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::timed::{PaymentRequest, Timed, TimedContent, TimedKind};
use crate::{AccountId, Amount, Asset, Reference, RejectionCode, Sealed, Text};

/// Asks an account to pay.
///
/// ```text
/// message RequestToPay { string from = 1;               // who is asked
///                        string to = 2;                 // who asks
///                        string asset = 3; uint64 amount_minor = 4;
///                        string instruction_ref = 5;    // the payee's; names the request; required
///                        uint64 expires_ms = 6;         // block time; at most 90 days ahead
///                        string purpose = 7;            // 0 to 35 printable ASCII
///                        string external_ref = 8;       // 0 to 64 printable ASCII
///                        bytes sealed = 9; }            // what for; see `Sealed`; may be empty
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestToPay {
    /// Who is asked.
    pub from: AccountId,
    /// Who asks.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The payee's reference: names the request, and is unique per payee's account for 7 days.
    pub instruction_ref: Reference,
    /// First block time at which it cannot be accepted any more, ms since the Unix epoch.
    pub expires_ms: u64,
    /// The purpose code.
    pub purpose: Option<Text<35>>,
    /// A reference of another system, such as an invoice number.
    pub external_ref: Option<Reference>,
    /// What for. Not part of what makes two requests the same.
    pub sealed: Option<Sealed>,
}

/// Pays what was asked for.
///
/// ```text
/// message AcceptRequest { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                         string request_ref = 5;
///                         string instruction_ref = 6; }  // the payer's; 0 to 64 printable ASCII
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcceptRequest {
    /// Who pays.
    pub from: AccountId,
    /// Who asked.
    pub to: AccountId,
    /// In what: as was asked.
    pub asset: Asset,
    /// How much: as was asked.
    pub amount: Amount,
    /// The reference that names the request.
    pub request_ref: Reference,
    /// The payer's reference: unique per debited account for 7 days.
    pub instruction_ref: Option<Reference>,
}

/// Refuses to pay what was asked for.
///
/// ```text
/// message DeclineRequest { string from = 1; string to = 2; string request_ref = 3; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeclineRequest {
    /// Who was asked.
    pub from: AccountId,
    /// Who asked.
    pub to: AccountId,
    /// The reference that names the request.
    pub request_ref: Reference,
}

/// Asks no longer.
///
/// ```text
/// message CancelRequest { string from = 1; string to = 2; string request_ref = 3; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelRequest {
    /// Who was asked.
    pub from: AccountId,
    /// Who asked.
    pub to: AccountId,
    /// The reference that names the request.
    pub request_ref: Reference,
}

/// The request that is named, if it is between these accounts and not over.
fn standing(scene: &Scene<'_, '_>, from: &AccountId, to: &AccountId) -> Result<(usize, PaymentRequest), RejectionCode> {
    let (place, timed) = scene.standing(RejectionCode::RequestNotFound)?;
    let request = timed.content.request().filter(|request| request.from == *from && request.to == *to);
    let request = request.ok_or(RejectionCode::RequestNotFound)?.clone();
    scene.check_not_over(&timed, RejectionCode::RequestExpired)?;
    Ok((place, request))
}

impl Decode for RequestToPay {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(RequestToPay {
            from: fields.account(1, "request_to_pay.from")?,
            to: fields.account(2, "request_to_pay.to")?,
            asset: fields.asset(3, "request_to_pay.asset")?,
            amount: fields.amount(4, "request_to_pay.amount_minor")?,
            instruction_ref: fields.reference(5, "request_to_pay.instruction_ref")?,
            expires_ms: fields.uint(6).named("request_to_pay.expires_ms")?,
            purpose: fields.optional(7, "request_to_pay.purpose")?,
            external_ref: fields.optional(8, "request_to_pay.external_ref")?,
            sealed: Sealed::optional(fields.bytes(9).named("request_to_pay.sealed")?, "request_to_pay.sealed")?,
        })
    }
}

impl Act for RequestToPay {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Request.id(&self.to, &self.instruction_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let RequestToPay { from, to, asset, amount, instruction_ref, expires_ms, purpose, external_ref, sealed: _ } =
            self;
        Some(Instruction::new(Scope::Account(*to), instruction_ref, |writer| {
            writer.u8(11).value(from).value(to).value(asset).value(amount).u64(*expires_ms);
            writer.bytes(text_bytes(purpose.as_ref())).bytes(text_bytes(external_ref.as_ref()));
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let place = scene.check_agreement([self.from, self.to], (self.asset, self.amount), self.expires_ms)?;
        let RequestToPay { from, to, asset, amount, .. } = *self;
        let content = TimedContent::Request(PaymentRequest { from, to, asset, amount });
        let reference = self.instruction_ref.clone();
        let (ends_ms, begun_ms) = (self.expires_ms, scene.now_ms);
        scene.working.begin(place, Timed { ends_ms, begun_ms, account: to, reference, content })?;
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).bytes(3, self.asset.as_bytes());
        message.uint(4, self.amount.minor()).reference(5, &self.instruction_ref).uint(6, self.expires_ms);
        message.optional(7, self.purpose.as_ref()).optional(8, self.external_ref.as_ref());
        message.sealed(9, self.sealed.as_ref());
    }
}

impl Decode for AcceptRequest {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(AcceptRequest {
            from: fields.account(1, "accept_request.from")?,
            to: fields.account(2, "accept_request.to")?,
            asset: fields.asset(3, "accept_request.asset")?,
            amount: fields.amount(4, "accept_request.amount_minor")?,
            request_ref: fields.reference(5, "accept_request.request_ref")?,
            instruction_ref: fields.optional(6, "accept_request.instruction_ref")?,
        })
    }
}

impl Act for AcceptRequest {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Request.id(&self.to, &self.request_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let AcceptRequest { from, to, asset, amount, request_ref, instruction_ref } = self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref.as_ref()?, |writer| {
            writer.u8(8).value(from).value(to).value(asset).value(amount).bytes(request_ref.as_str().as_bytes());
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        check_amount(scene.working, self.amount, self.asset)?;
        check_accounts(scene.working, from, to)?;
        let (place, request) = standing(scene, &self.from, &self.to)?;
        if (request.asset, request.amount) != (self.asset, self.amount) {
            return Err(RejectionCode::RequestMismatch);
        }
        let working = &mut *scene.working;
        let payer = debit(working, from, self.asset, self.amount)?;
        let payee = credit(working, to, self.asset, self.amount)?;
        working.change_timed(place, None);
        Ok(vec![payer, payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor());
        message.reference(5, &self.request_ref).optional(6, self.instruction_ref.as_ref());
    }
}

impl Decode for DeclineRequest {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(DeclineRequest {
            from: fields.account(1, "decline_request.from")?,
            to: fields.account(2, "decline_request.to")?,
            request_ref: fields.reference(3, "decline_request.request_ref")?,
        })
    }
}

impl Act for DeclineRequest {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Request.id(&self.to, &self.request_ref))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, _) = standing(scene, &self.from, &self.to)?;
        scene.working.change_timed(place, None);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).reference(3, &self.request_ref);
    }
}

impl Decode for CancelRequest {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(CancelRequest {
            from: fields.account(1, "cancel_request.from")?,
            to: fields.account(2, "cancel_request.to")?,
            request_ref: fields.reference(3, "cancel_request.request_ref")?,
        })
    }
}

impl Act for CancelRequest {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Request.id(&self.to, &self.request_ref))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, _) = standing(scene, &self.from, &self.to)?;
        scene.working.change_timed(place, None);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).reference(3, &self.request_ref);
    }
}
