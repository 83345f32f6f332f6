//! Who participates.
//!
//! Must not know: who signed.

use tonle_crypto::EncryptionKey;

use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::genesis::MAX_PARTICIPANTS;
use crate::participant::{LEGAL_NAME_BYTES_MAX, holders, is_bic};
use crate::protobuf::{Encoder, Fields};
use crate::{Mode, Participant, ParticipantId, ParticipantKey, Permission, Rejection, RejectionCode, Role, Thresholds};

/// Admits a participant that is not there. It is active from then on; it may open accounts, pay, and be made a
/// validator if it is a bank.
///
/// ```text
/// message AddParticipant { string participant = 1;
///                          string legal_name = 2;            // 1 to 140 bytes, no control characters
///                          string bic = 3;                   // 0 to 11 of A-Z 0-9
///                          ParticipantRole role = 4;         // BANK 2, PAYMENT_PROVIDER 3, AUDITOR 4
///                          repeated ParticipantKey keys = 5; // ascending by key; 0 to 16; none with what is the
///                                                            // operator's alone
///                          uint32 pay_threshold = 6;         // 1 to the number of keys that may; 1 when none may
///                          uint32 open_accounts_threshold = 7;     // the same
///                          uint32 manage_keys_threshold = 8;       // 1 to the number of keys that may; 0 when none may
///                          bytes encryption_key = 9; }             // X25519, 32 bytes
/// ```
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
    /// Its keys, ascending; at most 16. None may do what is the operator's alone: issue, freeze, seize, govern.
    pub keys: Vec<ParticipantKey>,
    /// How many keys must sign to pay: 1 to the number of keys that may; 1 when none may.
    pub pay_threshold: u8,
    /// The same to open accounts.
    pub open_accounts_threshold: u8,
    /// How many keys must sign to replace them: 1 to the number of keys that may; 0 when none may, and only the operator
    /// can.
    pub manage_keys_threshold: u8,
    /// Personal data for it is encrypted to this key.
    pub encryption_key: EncryptionKey,
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
            thresholds: Thresholds {
                pay: self.pay_threshold,
                open_accounts: self.open_accounts_threshold,
                manage_keys: self.manage_keys_threshold.max(1),
                ..Thresholds::default()
            },
            keys: self.keys.clone(),
            encryption_key: self.encryption_key,
        }
    }
}

impl Decode for AddParticipant {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let participant = fields.participant(1, "add_participant.participant")?;
        let name = fields.text(2).named("add_participant.legal_name")?;
        if name.is_empty() || name.len() > LEGAL_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(Rejection::malformed("add_participant.legal_name"));
        }
        let bic = fields.text(3).named("add_participant.bic")?;
        if !is_bic(bic) {
            return Err(Rejection::malformed("add_participant.bic"));
        }
        let role = fields.choice(4, "add_participant.role", Role::from_number)?;
        if role == Role::Operator {
            return Err(Rejection::malformed("add_participant.role"));
        }
        let keys = fields.participant_keys(5, "add_participant.keys")?;
        if keys.iter().any(|entry| entry.permissions.iter().any(Permission::is_operators)) {
            return Err(Rejection::malformed("add_participant.keys"));
        }
        let mut threshold = |number, permission, field| {
            let stated = fields.uint(number).named(field)?;
            let may = holders(&keys, permission).max(1);
            let stated = u8::try_from(stated).ok().filter(|stated| *stated > 0 && usize::from(*stated) <= may);
            stated.ok_or(Rejection::malformed(field))
        };
        let pay_threshold = threshold(6, Permission::Pay, "add_participant.pay_threshold")?;
        let open_accounts_threshold =
            threshold(7, Permission::OpenAccounts, "add_participant.open_accounts_threshold")?;
        let may = holders(&keys, Permission::ManageKeys);
        let manage_keys_threshold = fields.threshold(8, "add_participant.manage_keys_threshold", may)?;
        Ok(AddParticipant {
            participant,
            legal_name: name.to_owned(),
            bic: bic.to_owned(),
            role,
            keys,
            pay_threshold,
            open_accounts_threshold,
            manage_keys_threshold,
            encryption_key: fields.encryption_key(9, "add_participant.encryption_key")?,
        })
    }
}

impl Act for AddParticipant {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        if scene.working.participant(self.participant).is_some() {
            return Err(RejectionCode::ParticipantExists);
        }
        if scene.working.participant_count() >= MAX_PARTICIPANTS {
            return Err(RejectionCode::ParticipantsFull);
        }
        scene.working.set_participant(self.record());
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes()).bytes(2, self.legal_name.as_bytes());
        message.bytes(3, self.bic.as_bytes()).uint(4, u64::from(self.role.number()));
        message.participant_keys(5, &self.keys);
        message.uint(6, u64::from(self.pay_threshold)).uint(7, u64::from(self.open_accounts_threshold));
        message.uint(8, u64::from(self.manage_keys_threshold)).bytes(9, self.encryption_key.as_bytes());
    }
}
