//! What the operator does under an order, such as a court's: freezing an account, and seizing money. Neither asks for its
//! keeper's will, and its keeper cannot undo either.
//!
//! Must not know: who signed.

use super::account::{first, open_status, standing};
use super::fields::Parsed;
use super::money::{check_amount, check_seizure, credit, take};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::{AccountId, AccountStatus, Amount, Asset, FreezeOrder, Reference, RejectionCode};

/// Puts an order on an account that freezes it, changes the order of the same reference, or lifts it. What an account may
/// do is what its keeper and all orders allow together.
///
/// ```text
/// message FreezeAccount { string account = 1;
///                         AccountStatus status = 2;     // DEBITS_FROZEN 2, CREDITS_FROZEN 3, FROZEN 4; ACTIVE 1 lifts it
///                         string order_ref = 3; }       // 1 to 64 printable ASCII
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeAccount {
    /// Which.
    pub account: AccountId,
    /// What the order freezes; active lifts it.
    pub status: AccountStatus,
    /// What the order is known by; of the orders on one account each has its own.
    pub order_ref: Reference,
}

impl Decode for FreezeAccount {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "freeze_account.account")?;
        let status = open_status(fields, 2, "freeze_account.status")?;
        Ok(FreezeAccount { account, status, order_ref: fields.reference(3, "freeze_account.order_ref")? })
    }
}

impl Act for FreezeAccount {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, account) = standing(scene, first(scene), |_| true)?;
        let mut changed = account.clone();
        if self.status == AccountStatus::Active {
            if !changed.lift_order(&self.order_ref) {
                return Err(RejectionCode::OrderNotFound);
            }
        } else if !changed.put_order(FreezeOrder { reference: self.order_ref.clone(), status: self.status }) {
            return Err(RejectionCode::OrdersFull);
        }
        scene.working.put_account(place, changed);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).uint(2, u64::from(self.status.number()));
        message.bytes(3, self.order_ref.as_str().as_bytes());
    }
}

/// Moves available money of an account, frozen or not, to a named account. What holds keep stays theirs. No limit counts it.
///
/// ```text
/// message Seize { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                 string order_ref = 5;             // 1 to 64 printable ASCII
///                 string instruction_ref = 6; }     // unique per issuer of the asset for 7 days; may be empty
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seize {
    /// Whose money it is.
    pub from: AccountId,
    /// Where it goes: an account that money may enter.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// What the order is known by. One order may ask for many seizures.
    pub order_ref: Reference,
    /// The operator's reference: unique per issuer of the asset for 7 days, so that the debtor cannot take it first.
    pub instruction_ref: Option<Reference>,
}

impl Decode for Seize {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Seize {
            from: fields.account(1, "seize.from")?,
            to: fields.account(2, "seize.to")?,
            asset: fields.asset(3, "seize.asset")?,
            amount: fields.amount(4, "seize.amount_minor")?,
            order_ref: fields.reference(5, "seize.order_ref")?,
            instruction_ref: fields.optional(6, "seize.instruction_ref")?,
        })
    }
}

impl Act for Seize {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let Seize { from, to, asset, amount, order_ref, instruction_ref } = self;
        Some(Instruction::new(Scope::Issuer(*asset), instruction_ref.as_ref()?, |writer| {
            writer.u8(25).value(from).value(to).value(asset).value(amount).bytes(order_ref.as_str().as_bytes());
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        if self.from == self.to {
            return Err(RejectionCode::SameAccount);
        }
        check_seizure(working, from, to)?;
        let payer = take(working, from, self.asset, self.amount)?;
        let payee = credit(working, to, self.asset, self.amount)?;
        Ok(vec![payer, payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor());
        message.bytes(5, self.order_ref.as_str().as_bytes()).optional(6, self.instruction_ref.as_ref());
    }
}
