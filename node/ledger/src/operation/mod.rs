//! What a transaction can ask for.
//!
//! Must not know: the wire form, or how it is executed.

use tonle_crypto::PublicKey;

use crate::{
    AccountId, AccountKind, Amount, Asset, Member, Mode, Participant, ParticipantId, ParticipantKey, Reference, Role,
    Text, Thresholds,
};

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
    /// Add a validator, or change the keys of one. Signed for by the operator. Both keys must be new to the chain, save
    /// one that the participant's validator has already and keeps.
    SetValidator(Box<Member>),
    /// Remove the validator of a participant. Signed for by the operator.
    RemoveValidator(ParticipantId),
    /// Admit a participant. Signed for by the operator.
    AddParticipant(Box<AddParticipant>),
    /// Put an offence of a validator on the ledger, once. Signed for by any one key of any participant.
    ReportMisbehaviour(ReportMisbehaviour),
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

/// Admits a participant that is not there. It is active from then on; it may open accounts, pay, and be made a
/// validator if it is a bank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddParticipant {
    /// Its id.
    pub participant: ParticipantId,
    /// Its name in law: 1 to 140 bytes of UTF-8 without control characters.
    pub legal_name: String,
    /// Its business identifier code; empty without one.
    pub bic: String,
    /// What it is: not an operator, which only genesis names.
    pub role: Role,
    /// Its keys, ascending; at most 16. None may issue.
    pub keys: Vec<ParticipantKey>,
    /// How many keys must sign to pay: 1 to the number of keys that may; 1 when none may.
    pub pay_threshold: u8,
    /// The same to open accounts.
    pub open_accounts_threshold: u8,
}

/// Reports what a validator did against the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportMisbehaviour {
    /// The proof: 1 to [`crate::PROOF_BYTES_MAX`] bytes that a [`crate::Judge`] reads.
    pub proof: Vec<u8>,
}

impl AddParticipant {
    /// The record that it makes.
    #[must_use]
    pub fn record(&self) -> Participant {
        Participant {
            id: self.participant,
            legal_name: self.legal_name.clone(),
            bic: self.bic.clone(),
            role: self.role,
            mode: Mode::Active,
            thresholds: Thresholds { pay: self.pay_threshold, open_accounts: self.open_accounts_threshold, issue: 1 },
            keys: self.keys.clone(),
        }
    }
}
