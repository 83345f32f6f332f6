//! Which version of the protocol comes into force, and when.
//!
//! Must not know: who signed, what a version changes.

use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::Rejection;
use crate::protobuf::{Encoder, Fields};
use crate::protocol::Activation;

/// Says at which height a version of the protocol comes into force, in place of one that is still to come. With the
/// version that is in force, it takes that one away.
///
/// ```text
/// message ActivateProtocol { uint32 version = 1;       // 1 to 65,535; not below the one in force
///                            uint64 height = 2; }      // above that of the block
/// ```
impl Decode for Activation {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let version = u16::try_from(fields.uint(1).named("activate_protocol.version")?).ok();
        let version =
            version.filter(|version| *version > 0).ok_or(Rejection::malformed("activate_protocol.version"))?;
        Ok(Activation { version, height: fields.uint(2).named("activate_protocol.height")? })
    }
}

impl Act for Activation {
    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let protocol = scene.working.protocol().activate(*self, scene.place.height)?;
        scene.working.set_protocol(protocol);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.uint(1, u64::from(self.version)).uint(2, self.height);
    }
}
