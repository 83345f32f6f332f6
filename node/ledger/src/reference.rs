//! Instruction references: unique per debited account (for an issue: per issuer) for 7 days.
//!
//! A reference that was used by an operation that took effect is taken until the end of the hour that is 7 days after
//! the hour in which it was taken. Within that time the same content under the same reference is answered with the
//! first operation's place, and other content is refused. An operation that was rejected leaves its reference free,
//! so that a bank can send the same instruction again once the account has cover.
//!
//! Must not know: the state, or how operations are executed.

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use crate::{AccountId, Asset, ParticipantId, REFERENCE_LIFE_MS, ReceiptLocation, Reference, StateKey};

static SCOPE: Domain = Domain::new("tonle v1 instruction reference");
static CONTENT: Domain = Domain::new("tonle v1 instruction content");

const HOUR_MS: u64 = 3_600_000;

/// The hour since the Unix epoch of a time in ms.
pub(crate) const fn hour(time_ms: u64) -> u64 {
    time_ms.saturating_div(HOUR_MS)
}

/// The end of an hour, in ms since the Unix epoch: the first time that is not in it.
pub(crate) const fn hour_end_ms(hour: u64) -> u64 {
    hour.saturating_add(1).saturating_mul(HOUR_MS)
}

/// Are the references that were taken in this hour free again?
pub(crate) const fn references_expired(taken_hour: u64, now_ms: u64) -> bool {
    now_ms >= hour_end_ms(taken_hour).saturating_add(REFERENCE_LIFE_MS)
}

/// A taken reference, as the state records it.
///
/// ```text
/// time taken u64 (ms) ‖ content digest 32 B ‖ transaction id 32 B ‖ height u64 ‖ index u32 ‖ operation u32
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReferenceRecord {
    pub(crate) taken_ms: u64,
    pub(crate) content: Digest,
    pub(crate) first: ReceiptLocation,
}

impl Canonical for ReferenceRecord {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.taken_ms).digest(&self.content).value(&self.first);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(ReferenceRecord { taken_ms: reader.u64()?, content: reader.digest()?, first: reader.value()? })
    }
}

/// Within what a reference is unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The account that the instruction is about: the one that money leaves.
    Account(AccountId),
    /// The issuer of an asset.
    Issuer(Asset),
}

impl Scope {
    /// The digest of scope and reference: the key under which it is taken. `issuer` is that of an asset.
    ///
    /// ```text
    /// 1 ‖ account ‖ reference
    /// 2 ‖ issuer ‖ reference              (texts: u32 length, then ASCII)
    /// ```
    pub(crate) fn digest(
        self,
        reference: &Reference,
        issuer: impl Fn(Asset) -> Option<ParticipantId>,
    ) -> Option<Digest> {
        let mut writer = Writer::with_room();
        match self {
            Scope::Account(account) => writer.u8(1).value(&account),
            Scope::Issuer(asset) => writer.u8(2).value(&issuer(asset)?),
        };
        writer.bytes(reference.as_str().as_bytes());
        Some(SCOPE.digest(&writer.finish()))
    }
}

/// Where the state records which instruction of an account took a reference. The value is there for at least 7 days of block
/// time.
#[must_use]
pub fn instruction_key(account: AccountId, reference: &Reference) -> Option<StateKey> {
    Scope::Account(account).digest(reference, |_| None).map(StateKey::Reference)
}

/// Where the result stands of the instruction that a value under an [`instruction_key`] is about.
///
/// # Errors
/// [`CodecError`] for bytes that are no such value.
pub fn instruction_location(value: &[u8]) -> Result<ReceiptLocation, CodecError> {
    ReferenceRecord::decode(value).map(|record| record.first)
}

/// What an operation with a reference is known by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instruction<'a> {
    pub(crate) scope: Scope,
    pub(crate) reference: &'a Reference,
    /// The digest of what makes two instructions the same: everything but the reference and encrypted data, whose
    /// encryption gives other bytes each time.
    pub(crate) content: Digest,
}

impl<'a> Instruction<'a> {
    /// `content` writes a number that is the kind's alone, then what makes two of them the same.
    pub(crate) fn new(scope: Scope, reference: &'a Reference, content: impl FnOnce(&mut Writer)) -> Self {
        let mut writer = Writer::with_room();
        content(&mut writer);
        Instruction { scope, reference, content: CONTENT.digest(&writer.finish()) }
    }
}
