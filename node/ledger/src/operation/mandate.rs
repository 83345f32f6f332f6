//! Letting an account collect from another, collecting, and taking the leave back.
//!
//! Must not know: who signed.

use super::fields::{Named, Parsed};
use super::money::{check_accounts, check_amount, credit, debit};
use super::{Act, Applied, Decode, Scene};
use crate::mandate::{MANDATES_MAX, Mandate, Period};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::working::Working;
use crate::{Account, AccountId, Amount, Asset, Reference, RejectionCode};

/// Lets an account collect up to `cap` in each period.
///
/// ```text
/// message GrantMandate { string from = 1; string to = 2; string asset = 3;
///                        uint64 cap_minor = 4;
///                        MandatePeriod period = 5;       // DAY 1, WEEK 2, MONTH 3: of 24 hours, 7 and 30 days
///                        string instruction_ref = 6;     // names the mandate; required
///                        uint64 expires_ms = 7; }        // block time
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantMandate {
    /// Who pays.
    pub from: AccountId,
    /// Who may collect.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// Most in one period.
    pub cap: Amount,
    /// The period.
    pub period: Period,
    /// The payer's reference: names the mandate, and is unique per debited account for 7 days.
    pub instruction_ref: Reference,
    /// First block time at which it is no more, ms since the Unix epoch.
    pub expires_ms: u64,
}

/// Collects under a mandate.
///
/// ```text
/// message Collect { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                   string mandate_ref = 5;
///                   string instruction_ref = 6; }         // the payee's; 0 to 64 printable ASCII
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collect {
    /// Who pays.
    pub from: AccountId,
    /// Who collects.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The reference that names the mandate.
    pub mandate_ref: Reference,
    /// The payee's reference: unique per payee's account for 7 days.
    pub instruction_ref: Option<Reference>,
}

/// Takes a mandate back.
///
/// ```text
/// message RevokeMandate { string from = 1; string to = 2; string mandate_ref = 3; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeMandate {
    /// Who granted it.
    pub from: AccountId,
    /// Who might collect.
    pub to: AccountId,
    /// The reference that names the mandate.
    pub mandate_ref: Reference,
}

/// The payer's place and record.
fn payer(working: &Working<'_>, place: Option<usize>) -> Result<(usize, Account), RejectionCode> {
    let place = place.ok_or(RejectionCode::UnknownAccount)?;
    Ok((place, working.account(place).ok_or(RejectionCode::UnknownAccount)?.clone()))
}

/// The mandate that is named, if it is for `to`, and where it stands in the record.
fn standing(account: &Account, reference: &Reference, to: &AccountId) -> Result<(usize, Mandate), RejectionCode> {
    let found = account.mandates.iter().enumerate().find(|(_, mandate)| mandate.reference == *reference);
    let (at, mandate) = found.filter(|(_, mandate)| mandate.to == *to).ok_or(RejectionCode::MandateNotFound)?;
    Ok((at, mandate.clone()))
}

impl Decode for GrantMandate {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(GrantMandate {
            from: fields.account(1, "grant_mandate.from")?,
            to: fields.account(2, "grant_mandate.to")?,
            asset: fields.asset(3, "grant_mandate.asset")?,
            cap: fields.amount(4, "grant_mandate.cap_minor")?,
            period: fields.choice(5, "grant_mandate.period", Period::from_number)?,
            instruction_ref: fields.reference(6, "grant_mandate.instruction_ref")?,
            expires_ms: fields.uint(7).named("grant_mandate.expires_ms")?,
        })
    }
}

impl Act for GrantMandate {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.cap))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let GrantMandate { from, to, asset, cap, period, instruction_ref, expires_ms } = self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref, |writer| {
            writer.u8(14).value(from).value(to).value(asset).value(cap).u8(period.number()).u64(*expires_ms);
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        let now_ms = scene.now_ms;
        let working = &mut *scene.working;
        let standing = from.and_then(|place| working.account(place)).map(|account| account.mandates.as_slice());
        let live = |mandate: &&Mandate| mandate.expires_ms > now_ms;
        let mandates: Vec<Mandate> = standing.unwrap_or_default().iter().filter(live).cloned().collect();
        // The ledger forgets references after 7 days; a mandate that has one longer still has it.
        if mandates.iter().any(|mandate| mandate.reference == self.instruction_ref) {
            return Err(RejectionCode::DuplicateReference);
        }
        check_amount(working, self.cap, self.asset)?;
        if self.from == self.to {
            return Err(RejectionCode::SameAccount);
        }
        if self.expires_ms <= now_ms {
            return Err(RejectionCode::DeadlineInvalid);
        }
        check_accounts(working, from, to)?;
        if mandates.len() >= MANDATES_MAX {
            return Err(RejectionCode::MandatesFull);
        }
        let (place, mut account) = payer(working, from)?;
        account.mandates = mandates;
        account.mandates.push(Mandate {
            reference: self.instruction_ref.clone(),
            to: self.to,
            asset: self.asset,
            cap: self.cap,
            period: self.period,
            granted_ms: now_ms,
            expires_ms: self.expires_ms,
            number: 0,
            collected: Amount::ZERO,
        });
        working.put_account(place, account);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).bytes(3, self.asset.as_bytes());
        message.uint(4, self.cap.minor()).uint(5, u64::from(self.period.number()));
        message.reference(6, &self.instruction_ref).uint(7, self.expires_ms);
    }
}

impl Decode for Collect {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Collect {
            from: fields.account(1, "collect.from")?,
            to: fields.account(2, "collect.to")?,
            asset: fields.asset(3, "collect.asset")?,
            amount: fields.amount(4, "collect.amount_minor")?,
            mandate_ref: fields.reference(5, "collect.mandate_ref")?,
            instruction_ref: fields.optional(6, "collect.instruction_ref")?,
        })
    }
}

impl Act for Collect {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let Collect { from, to, asset, amount, mandate_ref, instruction_ref } = self;
        Some(Instruction::new(Scope::Account(*to), instruction_ref.as_ref()?, |writer| {
            writer.u8(9).value(from).value(to).value(asset).value(amount).bytes(mandate_ref.as_str().as_bytes());
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        let now_ms = scene.now_ms;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        check_accounts(working, from, to)?;
        let (place, mut account) = payer(working, from)?;
        let (at, mandate) = standing(&account, &self.mandate_ref, &self.to)?;
        if mandate.asset != self.asset {
            return Err(RejectionCode::MandateNotFound);
        }
        if mandate.expires_ms <= now_ms {
            return Err(RejectionCode::MandateExpired);
        }
        let collected = mandate.collect(self.amount, now_ms).ok_or(RejectionCode::MandateExceeded)?;
        if let Some(slot) = account.mandates.get_mut(at) {
            *slot = collected;
        }
        working.put_account(place, account);
        let payer = debit(working, from, self.asset, self.amount)?;
        let payee = credit(working, to, self.asset, self.amount)?;
        Ok(vec![payer, payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor());
        message.reference(5, &self.mandate_ref).optional(6, self.instruction_ref.as_ref());
    }
}

impl Decode for RevokeMandate {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(RevokeMandate {
            from: fields.account(1, "revoke_mandate.from")?,
            to: fields.account(2, "revoke_mandate.to")?,
            mandate_ref: fields.reference(3, "revoke_mandate.mandate_ref")?,
        })
    }
}

impl Act for RevokeMandate {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, _] = scene.touched.accounts;
        let (place, mut account) = payer(scene.working, from)?;
        let (at, _) = standing(&account, &self.mandate_ref, &self.to)?;
        account.mandates.remove(at);
        scene.working.put_account(place, account);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes()).reference(3, &self.mandate_ref);
    }
}
