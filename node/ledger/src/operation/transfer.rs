//! Moving money from one account to another.
//!
//! Must not know: who signed.

use super::fields::{Named, Parsed, text_bytes};
use super::money::{check_accounts, check_amount, credit, debit};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::{AccountId, Amount, Asset, Reference, RejectionCode, Sealed, Text};

/// Moves `amount` of `asset` from one account to another.
///
/// ```text
/// message Transfer { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
///                    string instruction_ref = 5;      // 0 to 64 printable ASCII
///                    string purpose = 6;              // 0 to 35 printable ASCII
///                    string external_ref = 7;         // 0 to 64 printable ASCII
///                    bytes sealed = 8; }              // see `Sealed`; may be empty
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Who pays.
    pub from: AccountId,
    /// Who is paid.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// The payer's reference: unique per debited account for 7 days.
    pub instruction_ref: Option<Reference>,
    /// The purpose code (ISO 20022 ExternalPurpose1Code or a short text).
    pub purpose: Option<Text<35>>,
    /// A reference of another system, such as an end-to-end id.
    pub external_ref: Option<Reference>,
    /// Personal data and remittance text, sealed by the payer's side. Not part of what makes two instructions the same,
    /// because sealing the same text twice gives different bytes.
    pub sealed: Option<Sealed>,
}

impl Decode for Transfer {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(Transfer {
            from: fields.account(1, "transfer.from")?,
            to: fields.account(2, "transfer.to")?,
            asset: fields.asset(3, "transfer.asset")?,
            amount: fields.amount(4, "transfer.amount_minor")?,
            instruction_ref: fields.optional(5, "transfer.instruction_ref")?,
            purpose: fields.optional(6, "transfer.purpose")?,
            external_ref: fields.optional(7, "transfer.external_ref")?,
            sealed: Sealed::optional(fields.bytes(8).named("transfer.sealed")?, "transfer.sealed")?,
        })
    }
}

impl Act for Transfer {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some((self.asset, self.amount))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let Transfer { from, to, asset, amount, purpose, external_ref, instruction_ref, sealed: _ } = self;
        Some(Instruction::new(Scope::Account(*from), instruction_ref.as_ref()?, |writer| {
            writer.u8(1).value(from).value(to).value(asset).value(amount);
            writer.bytes(text_bytes(purpose.as_ref())).bytes(text_bytes(external_ref.as_ref()));
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [from, to] = scene.touched.accounts;
        let working = &mut *scene.working;
        check_amount(working, self.amount, self.asset)?;
        if self.from == self.to {
            return Err(RejectionCode::SameAccount);
        }
        check_accounts(working, from, to)?;
        let payer = debit(working, from, self.asset, self.amount)?;
        let payee = credit(working, to, self.asset, self.amount)?;
        Ok(vec![payer, payee])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.asset.as_bytes()).uint(4, self.amount.minor());
        message.optional(5, self.instruction_ref.as_ref()).optional(6, self.purpose.as_ref());
        message.optional(7, self.external_ref.as_ref()).sealed(8, self.sealed.as_ref());
    }
}
