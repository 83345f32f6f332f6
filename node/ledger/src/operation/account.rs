//! Opening accounts.
//!
//! Must not know: who signed.

use tonle_crypto::PublicKey;

use super::fields::Parsed;
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::{Account, AccountId, AccountKind, RejectionCode};

/// Opens `account` without money.
///
/// ```text
/// message OpenAccount { string account = 1;
///                       AccountKind kind = 2;          // WALLET 1, MERCHANT 2, SETTLEMENT 3, RESERVE 4
///                       repeated bytes key = 3;        // 32 bytes each, ascending; 0 to 16
///                       uint32 threshold = 4; }        // 1 to the number of keys; 0 without keys
/// ```
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

impl Decode for OpenAccount {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "open_account.account")?;
        let kind = fields.choice(2, "open_account.kind", AccountKind::from_number)?;
        let keys = fields.keys(3, "open_account.key")?;
        let threshold = fields.threshold(4, "open_account.threshold", keys.len())?;
        Ok(OpenAccount { account, kind, keys, threshold })
    }
}

impl Act for OpenAccount {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let participant = self.account.participant();
        let participant = scene.working.participant(participant).ok_or(RejectionCode::UnknownParticipant)?;
        if !participant.mode.can_credit() {
            return Err(RejectionCode::ParticipantSuspended);
        }
        let [place, _] = scene.touched.accounts;
        let place = place.ok_or(RejectionCode::UnknownAccount)?;
        if scene.working.account(place).is_some() {
            return Err(RejectionCode::AccountExists);
        }
        scene.working.open(place, Account::new(self.kind, &self.keys, self.threshold));
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).uint(2, u64::from(self.kind.number()));
        for key in &self.keys {
            message.element(3, key.as_bytes());
        }
        message.uint(4, u64::from(self.threshold));
    }
}
