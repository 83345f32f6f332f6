//! Money kept for a payee until he captures it, gives it back, or its time is over.
//!
//! Must not know: who signed.

use super::fields::{Named, Parsed};
use super::money::{capture, check_accounts, check_amount, hold, unhold};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::timed::{Hold, Timed, TimedContent, TimedKind};
use crate::{AccountId, Amount, Asset, Reference, RejectionCode};
use tonle_crypto::Digest;

/// Keeps `amount` of `asset` on one account for another, until a block time at most.
///
/// ```text
/// message PlaceHold { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                     string instruction_ref = 5;     // names the hold; required
///                     uint64 expires_ms = 6; }        // block time; at most 90 days ahead
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceHold {
    /// Whose money it is.
    pub from: AccountId,
    /// Who may capture it.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The payer's reference: names the hold, and is unique per debited account for 7 days.
    pub instruction_ref: Reference,
    /// First block time at which what is left of it goes back, ms since the Unix epoch.
    pub expires_ms: u64,
}

/// Moves money of a hold to its payee.
///
/// ```text
/// message CaptureHold { string from = 1; string to = 2;
///                       string asset = 3;             // the hold's
///                       uint64 amount_minor = 4;      // at most what is left
///                       string hold_ref = 5;
///                       string instruction_ref = 6;   // unique per payee for 7 days; may be empty
///                       bool last = 7; }              // what is left after it goes back
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureHold {
    /// Whose money it is.
    pub from: AccountId,
    /// Who gets it.
    pub to: AccountId,
    /// In what: the hold's.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The reference that names the hold.
    pub hold_ref: Reference,
    /// The payee's reference: unique per payee's account for 7 days.
    pub instruction_ref: Option<Reference>,
    /// Does what is left after it go back?
    pub last: bool,
}

/// Gives back what is left of a hold.
///
/// ```text
/// message ReleaseHold { string from = 1; string to = 2; string hold_ref = 3; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseHold {
    /// Whose money it is.
    pub from: AccountId,
    /// Who might have captured it.
    pub to: AccountId,
    /// The reference that names the hold.
    pub hold_ref: Reference,
}

impl Decode for PlaceHold {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(PlaceHold {
            from: fields.account(1, "place_hold.from")?,
            to: fields.account(2, "place_hold.to")?,
            asset: fields.asset(3, "place_hold.asset")?,
            amount: fields.amount(4, "place_hold.amount_minor")?,
            instruction_ref: fields.reference(5, "place_hold.instruction_ref")?,
            expires_ms: fields.uint(6).named("place_hold.expires_ms")?,
        })
    }
}

impl Act for PlaceHold {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Hold.id(&self.from, &self.instruction_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let PlaceHold { from, to, asset, amount, instruction_ref, expires_ms } = self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref, |writer| {
            writer.u8(5).value(from).value(to).value(asset).value(amount).u64(*expires_ms);
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [payer, _] = scene.touched.accounts;
        let place = scene.check_agreement([self.from, self.to], (self.asset, self.amount), self.expires_ms)?;
        let working = &mut *scene.working;
        let content = Hold { from: self.from, to: self.to, asset: self.asset, amount: self.amount };
        working.begin(
            place,
            Timed {
                ends_ms: self.expires_ms,
                begun_ms: scene.now_ms,
                account: self.from,
                reference: self.instruction_ref.clone(),
                content: TimedContent::Hold(content),
            },
        )?;
        Ok(vec![hold(working, payer, self.asset, self.amount)?])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).bytes(3, self.asset.as_bytes());
        message.uint(4, self.amount.minor()).reference(5, &self.instruction_ref);
        message.uint(6, self.expires_ms);
    }
}

/// The hold that is named, if it is between these accounts, in this asset where one is said, and not over.
fn standing(
    scene: &Scene<'_, '_>,
    [from, to]: [&AccountId; 2],
    asset: Option<Asset>,
) -> Result<(usize, Timed, Hold), RejectionCode> {
    let (place, timed) = scene.standing(RejectionCode::HoldNotFound)?;
    let hold = timed.content.hold().filter(|hold| hold.from == *from && hold.to == *to);
    let hold = hold.filter(|hold| asset.is_none_or(|asset| asset == hold.asset));
    let hold = hold.ok_or(RejectionCode::HoldNotFound)?.clone();
    scene.check_not_over(&timed, RejectionCode::HoldExpired)?;
    Ok((place, timed, hold))
}

impl Decode for CaptureHold {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(CaptureHold {
            from: fields.account(1, "capture_hold.from")?,
            to: fields.account(2, "capture_hold.to")?,
            asset: fields.asset(3, "capture_hold.asset")?,
            amount: fields.amount(4, "capture_hold.amount_minor")?,
            hold_ref: fields.reference(5, "capture_hold.hold_ref")?,
            instruction_ref: fields.optional(6, "capture_hold.instruction_ref")?,
            last: fields.flag(7).named("capture_hold.last")?,
        })
    }
}

impl Act for CaptureHold {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Hold.id(&self.from, &self.hold_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let CaptureHold { from, to, asset, amount, hold_ref, instruction_ref, last } = self;
        Some(Instruction::new(Scope::Account(*to), instruction_ref.as_ref()?, |writer| {
            writer.u8(6).value(from).value(to).value(asset).value(amount);
            writer.bytes(hold_ref.as_str().as_bytes()).u8(u8::from(*last));
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        check_amount(scene.working, self.amount, self.asset)?;
        check_accounts(scene.working, from, to)?;
        let (place, timed, hold) = standing(scene, [&self.from, &self.to], Some(self.asset))?;
        let left = hold.amount.checked_sub(self.amount).ok_or(RejectionCode::HoldExceeded)?;
        let working = &mut *scene.working;
        let [payer, payee] = capture(working, from, to, hold.asset, self.amount)?;
        let payer =
            if self.last && !left.is_zero() { unhold(working, from, hold.asset, left, timed.begun_ms)? } else { payer };
        let rest = (!self.last && !left.is_zero()).then_some(TimedContent::Hold(Hold { amount: left, ..hold }));
        working.change_timed(place, rest.map(|content| Timed { content, ..timed }));
        Ok(vec![payer, payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor()).reference(5, &self.hold_ref);
        message.optional(6, self.instruction_ref.as_ref()).uint(7, u64::from(self.last));
    }
}

impl Decode for ReleaseHold {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(ReleaseHold {
            from: fields.account(1, "release_hold.from")?,
            to: fields.account(2, "release_hold.to")?,
            hold_ref: fields.reference(3, "release_hold.hold_ref")?,
        })
    }
}

impl Act for ReleaseHold {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Hold.id(&self.from, &self.hold_ref))
    }

    /// Whatever the accounts may do otherwise: money that nobody claims goes back.
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, _] = scene.touched.accounts;
        let (place, timed, hold) = standing(scene, [&self.from, &self.to], None)?;
        let payer = unhold(scene.working, from, hold.asset, hold.amount, timed.begun_ms)?;
        scene.working.change_timed(place, None);
        Ok(vec![payer])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.reference(3, &self.hold_ref);
    }
}
