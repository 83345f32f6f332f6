//! What becomes of a participant after it was admitted: its keys, its mode, its end.
//!
//! Must not know: who signed.

use tonle_crypto::EncryptionKey;

use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::authority::panel;
use crate::participant::holders;
use crate::protobuf::{Encoder, Fields};
use crate::{Mode, Participant, ParticipantId, ParticipantKey, Permission, Rejection, RejectionCode, Role, Thresholds};

/// Replaces the keys and thresholds of a participant. The new keys count for the transactions that follow, the old ones
/// no more; what old ones approved is not approved by them any more.
///
/// ```text
/// message SetParticipantKeys { string participant = 1;
///                              repeated ParticipantKey keys = 2;  // ascending by key; 1 to 16
///                              Thresholds thresholds = 3; }
/// message Thresholds { uint32 pay = 1; uint32 open_accounts = 2; uint32 issue = 3; uint32 manage_keys = 4;
///                      uint32 freeze = 5; uint32 seize = 6; uint32 govern = 7; }
/// ```
/// Each threshold is 1 to the number of keys that may; 0 when none may. That of managing keys is at least 1: whoever gets
/// these keys can replace them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetParticipantKeys {
    /// Whose.
    pub participant: ParticipantId,
    /// The keys, ascending; at most 16.
    pub keys: Vec<ParticipantKey>,
    /// How many of them must sign; 1 where none may.
    pub thresholds: Thresholds,
}

/// Replaces the key that personal data for a participant is encrypted to, for the transactions that follow. What was
/// encrypted to the old one is still opened with the old one.
///
/// ```text
/// message SetEncryptionKey { string participant = 1;
///                            bytes encryption_key = 2; }   // X25519, 32 bytes
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetEncryptionKey {
    /// Whose.
    pub participant: ParticipantId,
    /// The key.
    pub encryption_key: EncryptionKey,
}

/// Says what the accounts of a participant may take part in.
///
/// ```text
/// message SetParticipantMode { string participant = 1;
///                              ParticipantMode mode = 2; }   // ACTIVE 1, RECEIVE_ONLY 2, PAY_OUT_ONLY 3, SUSPENDED 4
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetParticipantMode {
    /// Whose.
    pub participant: ParticipantId,
    /// The mode; not [`Mode::Removed`].
    pub mode: Mode,
}

/// Ends a participant that was wound down: it is pay-out-only or suspended, has no validator, and no money on any of its
/// accounts. Its record stays, without keys, and its name is never given again.
///
/// ```text
/// message RemoveParticipant { string participant = 1; }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveParticipant {
    /// Which.
    pub participant: ParticipantId,
}

/// The participant, if there is one and it was not removed.
fn standing(scene: &Scene<'_, '_>, id: ParticipantId) -> Result<Participant, RejectionCode> {
    let participant = scene.working.participant(id).ok_or(RejectionCode::UnknownParticipant)?;
    if participant.mode == Mode::Removed {
        return Err(RejectionCode::ParticipantSuspended);
    }
    Ok(participant.clone())
}

impl Decode for SetParticipantKeys {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let participant = fields.participant(1, "set_participant_keys.participant")?;
        let keys = fields.participant_keys(2, "set_participant_keys.keys")?;
        let stated = fields.element(3).named("set_participant_keys.thresholds")?.unwrap_or_default();
        let mut stated = Fields::new(stated);
        let mut thresholds = [1u8; 7];
        for ((permission, threshold), number) in Permission::ALL.into_iter().zip(&mut thresholds).zip(1..) {
            let may = holders(&keys, permission);
            *threshold = stated.threshold(number, "set_participant_keys.thresholds", may)?.max(1);
        }
        stated.finish().named("set_participant_keys.thresholds")?;
        // Whoever gets keys must be able to replace them.
        if holders(&keys, Permission::ManageKeys) == 0 {
            return Err(Rejection::malformed("set_participant_keys.keys"));
        }
        Ok(SetParticipantKeys { participant, keys, thresholds: Thresholds::from_array(thresholds) })
    }
}

impl Act for SetParticipantKeys {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        if self.keys.iter().any(|entry| entry.permissions.freeze_and_issue()) {
            return Err(RejectionCode::FreezeAndIssue);
        }
        let participant = standing(scene, self.participant)?;
        let is_operators = |entry: &ParticipantKey| entry.permissions.iter().any(Permission::is_operators);
        if participant.role != Role::Operator && self.keys.iter().any(is_operators) {
            return Err(RejectionCode::PermissionNotOfRole);
        }
        let (keys, thresholds) = (self.keys.clone(), self.thresholds);
        scene.working.set_participant(Participant { keys, thresholds, ..participant });
        strike(scene, self.participant);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes()).participant_keys(2, &self.keys);
        let mut thresholds = Encoder::default();
        for (permission, number) in Permission::ALL.into_iter().zip(1..) {
            let may = holders(&self.keys, permission) > 0;
            thresholds.uint(number, if may { u64::from(self.thresholds.of(permission)) } else { 0 });
        }
        message.bytes(3, &thresholds.finish());
    }
}

/// Takes the approvals of keys that may not approve any more off the proposals that the participant decides on. They stay
/// off when the key comes back.
fn strike(scene: &mut Scene<'_, '_>, id: ParticipantId) {
    let working = &*scene.working;
    let struck = working.proposals().filter(|(_, proposal)| proposal.participant == id).filter_map(|(id, proposal)| {
        let panel = panel(working, &proposal.operation, proposal.participant)?;
        let mut left = proposal.clone();
        left.approvals.retain(|key| panel.has(key));
        (left.approvals != proposal.approvals).then_some((*id, left))
    });
    for (id, left) in struck.collect::<Vec<_>>() {
        scene.working.set_proposal(id, Some(left));
    }
}

impl Decode for SetEncryptionKey {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(SetEncryptionKey {
            participant: fields.participant(1, "set_encryption_key.participant")?,
            encryption_key: fields.encryption_key(2, "set_encryption_key.encryption_key")?,
        })
    }
}

impl Act for SetEncryptionKey {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let participant = standing(scene, self.participant)?;
        scene.working.set_participant(Participant { encryption_key: self.encryption_key, ..participant });
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes()).bytes(2, self.encryption_key.as_bytes());
    }
}

impl Decode for SetParticipantMode {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let participant = fields.participant(1, "set_participant_mode.participant")?;
        let settable = |number| Mode::from_number(number).filter(|mode| *mode != Mode::Removed);
        Ok(SetParticipantMode { participant, mode: fields.choice(2, "set_participant_mode.mode", settable)? })
    }
}

impl Act for SetParticipantMode {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let participant = standing(scene, self.participant)?;
        scene.working.set_participant(Participant { mode: self.mode, ..participant });
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes()).uint(2, u64::from(self.mode.number()));
    }
}

impl Decode for RemoveParticipant {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(RemoveParticipant { participant: fields.participant(1, "remove_participant.participant")? })
    }
}

impl Act for RemoveParticipant {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let participant = standing(scene, self.participant)?;
        match participant.mode {
            Mode::PayOutOnly | Mode::Suspended => {}
            Mode::Active | Mode::ReceiveOnly | Mode::Removed => return Err(RejectionCode::ParticipantSuspended),
        }
        // An operator is of genesis, and none can be made anew.
        if participant.role == Role::Operator || scene.working.is_issuer(self.participant) {
            return Err(RejectionCode::StillIssues);
        }
        if scene.working.validates(self.participant) {
            return Err(RejectionCode::StillValidates);
        }
        if scene.working.moneyed(self.participant) > 0 {
            return Err(RejectionCode::StillHasMoney);
        }
        let (mode, keys, thresholds) = (Mode::Removed, Vec::new(), Thresholds::default());
        scene.working.set_participant(Participant { mode, keys, thresholds, ..participant });
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes());
    }
}
