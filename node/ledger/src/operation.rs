//! What a transaction can ask for.
//!
//! Must not know: the wire form, or how it is executed.

use tonle_crypto::PublicKey;

use crate::{AccountId, AccountKind, Amount, Asset, Reference, Text};

/// One thing that a transaction asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Move money between two accounts. Signed for by the debited account.
    Transfer(Box<Transfer>),
    /// Open an account. Signed for by the account's participant.
    OpenAccount(OpenAccount),
    /// Create money. Signed for by the asset's issuer.
    Issue(Issue),
    /// Destroy money. Signed for by the asset's issuer.
    Redeem(Redeem),
}

/// Moves `amount` of `asset` from one account to another.
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
    /// Remittance data, encrypted by the payer's side; at most 512 bytes. Not part of what makes two instructions
    /// the same, because encrypting the same text twice gives different bytes.
    pub remittance: Vec<u8>,
}

/// Opens `account` without money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAccount {
    /// Its name.
    pub account: AccountId,
    /// What it is for.
    pub kind: AccountKind,
    /// Its own keys, ascending; empty when its participant's keys sign for it.
    pub keys: Vec<PublicKey>,
    /// How many of `keys` must sign: 1 to their number; 0 without keys.
    pub threshold: u8,
}

/// Creates `amount` of `asset` on an account.
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

/// Destroys `amount` of `asset` on an account.
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
