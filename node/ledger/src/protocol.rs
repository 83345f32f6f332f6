//! Which version of the protocol is in force at a height: that of genesis, and those that were decided since.
//!
//! Must not know: what a version changes.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::RejectionCode;
use crate::account::ascending;

/// Most versions that come to be in force in a chain's life, besides that of genesis.
pub const ACTIVATIONS_MAX: usize = 256;

/// A version that comes into force.
///
/// ```text
/// height u64 ‖ version u16
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Activation {
    /// The first height at which it is in force.
    pub height: u64,
    /// The version.
    pub version: u16,
}

impl Canonical for Activation {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.height).u16(self.version);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Activation { height: reader.u64()?, version: reader.u16()? })
    }
}

/// The protocol's leaf of the state; not there before the first activation is decided.
///
/// ```text
/// version of genesis u16 ‖ u32 n ‖ n × activation        (ascending by height and by version; n at least 1)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protocol {
    first: u16,
    activations: Vec<Activation>,
}

impl Protocol {
    /// That of genesis alone.
    pub(crate) const fn found(first: u16) -> Self {
        Protocol { first, activations: Vec::new() }
    }
    /// What was decided since genesis, ascending: all that came into force, and at most one that is still to come.
    #[must_use]
    pub fn activations(&self) -> &[Activation] {
        &self.activations
    }
    /// The version in force at a height.
    #[must_use]
    pub fn at(&self, height: u64) -> u16 {
        let decided = self.activations.iter().rev().find(|activation| activation.height <= height);
        decided.map_or(self.first, |activation| activation.version)
    }
    /// What it is after the block of height `now` decided `activation`. It takes the place of one that is still to come;
    /// with the version that is in force already, it only takes that one away.
    pub(crate) fn activate(&self, activation: Activation, now: u64) -> Result<Self, RejectionCode> {
        let in_force = self.at(now);
        let mut activations = self.activations.clone();
        activations.retain(|activation| activation.height <= now);
        let changes = activation.version > in_force
            || (activation.version == in_force && activations.len() < self.activations.len());
        if activation.height <= now || !changes {
            return Err(RejectionCode::ActivationInvalid);
        }
        if activations.len() >= ACTIVATIONS_MAX {
            return Err(RejectionCode::ActivationsFull);
        }
        activations.extend((activation.version > in_force).then_some(activation));
        Ok(Protocol { first: self.first, activations })
    }
    /// What stands in the state.
    pub(crate) fn leaf(&self) -> Option<Vec<u8>> {
        (!self.activations.is_empty()).then(|| self.encode())
    }
}

impl Canonical for Protocol {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u16(self.first).list(&self.activations);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let protocol = Protocol { first: reader.u16()?, activations: reader.list("activations", ACTIVATIONS_MAX)? };
        let versions = [protocol.first].into_iter().chain(protocol.activations.iter().map(|entry| entry.version));
        let heights = protocol.activations.iter().map(|entry| entry.height);
        if protocol.activations.is_empty() || !ascending(heights) || !ascending(versions) {
            return Err(CodecError::Invalid("activations"));
        }
        Ok(protocol)
    }
}
