//! Who validates.
//!
//! Must not know: who signed, what a change is judged against (that is `validators`).

use super::fields::Parsed;
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::{Member, Mode, ParticipantId, Rejection, RejectionCode, Role};

/// Removes the validator of a participant.
///
/// ```text
/// message RemoveValidator { string participant = 1; }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveValidator {
    /// The participant.
    pub participant: ParticipantId,
}

/// ```text
/// message SetValidator { string participant = 1; bytes key = 2; bytes network_key = 3; }   // 32 bytes each
/// ```
impl Decode for Member {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let member = Member {
            participant: fields.participant(1, "set_validator.participant")?,
            key: fields.key(2, "set_validator.key")?,
            network_key: fields.key(3, "set_validator.network_key")?,
        };
        if member.key == member.network_key {
            return Err(Rejection::malformed("set_validator.network_key"));
        }
        Ok(member)
    }
}

impl Act for Member {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let participant = scene.working.participant(self.participant).ok_or(RejectionCode::UnknownParticipant)?;
        if participant.mode == Mode::Removed {
            return Err(RejectionCode::ParticipantSuspended);
        }
        match participant.role {
            Role::Operator | Role::Bank => {}
            Role::PaymentProvider | Role::Auditor => return Err(RejectionCode::CannotValidate),
        }
        scene.working.set_validator(*self)?;
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes());
        message.bytes(2, self.key.as_bytes()).bytes(3, self.network_key.as_bytes());
    }
}

impl Decode for RemoveValidator {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(RemoveValidator { participant: fields.participant(1, "remove_validator.participant")? })
    }
}

impl Act for RemoveValidator {
    fn subject(&self) -> Option<ParticipantId> {
        Some(self.participant)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        scene.working.participant(self.participant).ok_or(RejectionCode::UnknownParticipant)?;
        scene.working.remove_validator(self.participant)?;
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.participant.as_bytes());
    }
}
