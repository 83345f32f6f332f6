//! Creating and destroying money: the only operations that change an asset's supply.
//!
//! Must not know: who signed.

use super::fields::Parsed;
use super::money::{check_accounts, check_amount, credit, take};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::{AccountId, Amount, Asset, Reference, RejectionCode};

/// Creates `amount` of `asset` on an account.
///
/// ```text
/// message Issue { string to = 1; string asset = 2; uint64 amount_minor = 3; string instruction_ref = 4; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// Who gets it.
    pub to: AccountId,
    /// What.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The issuer's reference: unique per issuer for 7 days.
    pub instruction_ref: Option<Reference>,
}

impl Decode for Issue {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Issue {
            to: fields.account(1, "issue.to")?,
            asset: fields.asset(2, "issue.asset")?,
            amount: fields.amount(3, "issue.amount_minor")?,
            instruction_ref: fields.optional(4, "issue.instruction_ref")?,
        })
    }
}

impl Act for Issue {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.to), None]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn asset(&self) -> Option<Asset> {
        Some(self.asset)
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let Issue { to, asset, amount, instruction_ref } = self;
        Some(Instruction::new(Scope::Issuer(*asset), instruction_ref.as_ref()?, |writer| {
            writer.u8(3).value(to).value(asset).value(amount);
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [to, _] = scene.touched.accounts;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        check_accounts(working, None, to)?;
        let payee = credit(working, to, self.asset, self.amount)?;
        let supply = working.asset(self.asset).ok_or(RejectionCode::AssetUnknown)?.supply;
        let supply = supply.checked_add(u128::from(self.amount.minor())).ok_or(RejectionCode::AmountOverflow)?;
        working.set_supply(self.asset, supply);
        Ok(vec![payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.to.as_bytes()).bytes(2, self.asset.as_bytes()).uint(3, self.amount.minor());
        message.optional(4, self.instruction_ref.as_ref());
    }
}

/// Destroys `amount` of `asset` on an account.
///
/// ```text
/// message Redeem { string from = 1; string asset = 2; uint64 amount_minor = 3; string instruction_ref = 4; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeem {
    /// Where it is taken.
    pub from: AccountId,
    /// What.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The reference: unique per debited account for 7 days.
    pub instruction_ref: Option<Reference>,
}

impl Decode for Redeem {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Redeem {
            from: fields.account(1, "redeem.from")?,
            asset: fields.asset(2, "redeem.asset")?,
            amount: fields.amount(3, "redeem.amount_minor")?,
            instruction_ref: fields.optional(4, "redeem.instruction_ref")?,
        })
    }
}

impl Act for Redeem {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), None]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn asset(&self) -> Option<Asset> {
        Some(self.asset)
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let Redeem { from, asset, amount, instruction_ref } = self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref.as_ref()?, |writer| {
            writer.u8(4).value(from).value(asset).value(amount);
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, _] = scene.touched.accounts;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        check_accounts(working, from, None)?;
        let payer = take(working, from, self.asset, self.amount)?;
        let supply = working.asset(self.asset).ok_or(RejectionCode::AssetUnknown)?.supply;
        let supply = supply.checked_sub(u128::from(self.amount.minor())).ok_or(RejectionCode::AmountOverflow)?;
        working.set_supply(self.asset, supply);
        Ok(vec![payer])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.asset.as_bytes()).uint(3, self.amount.minor());
        message.optional(4, self.instruction_ref.as_ref());
    }
}
