//! Proof of misbehaviour: two things that one validator signed and no honest validator signs both of. It verifies with
//! the chain's genesis digest alone, anywhere and at any time.
//!
//! ```text
//! tag        22   "tonle/v1/misbehaviour\0"
//! form        1   1 statements of consensus, 2 batches
//! body            form 1: a contradiction, drawn in consensus/src/contradiction.rs
//!                 form 2: lane     32   the author's key
//!                         seq       8   from 1
//!                         first         digest of a batch 32, signature of its head 64
//!                         second        likewise; the lower digest comes first
//! ```
//!
//! The genesis digest is not in it: it is in what was signed, so a proof of another chain does not verify here. An
//! [`Offence`] names what was done, whichever messages show it.
//!
//! Must not know: who validates, what becomes of the accused.

use tonle_consensus::{Contradiction, Epoch, Statement, ValidatorSet};
use tonle_crypto::{
    Canonical, CodecError, Digest, Domain, PublicKey, Reader, Signature, SignatureInvalid, Verifier, Verify, Writer,
};

use crate::RawBatch;
use crate::batch::head;

static OFFENCE: Domain = Domain::new("tonle v1 offence");
const TAG: &[u8; 22] = b"tonle/v1/misbehaviour\0";

/// Most bytes of a proof: tag, form, and two proposals, which are longer than a lane's fork.
pub const MISBEHAVIOUR_BYTES_MAX: usize = 22 + 1 + Contradiction::BYTES_MAX;

/// A proof of misbehaviour. See the module for its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehaviour {
    /// Two votes, timeouts or proposals.
    Consensus(Contradiction),
    /// Two batches at one place of a lane.
    Lane(LaneFork),
}

/// The heads of two batches at one place of a lane. A lane goes on across epochs, so there is none in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneFork {
    lane: PublicKey,
    seq: u64,
    first: (Digest, Signature),
    second: (Digest, Signature),
}

/// The ways to misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OffenceKind {
    /// Two proposals in one view.
    Proposals,
    /// Two Notarize votes in one view.
    Notarizes,
    /// Two Finalize votes in one view.
    Finalizes,
    /// R2: a Finalize, and a Timeout of that view or a later one that does not know its certificate.
    FinalizeAndTimeout,
    /// Two batches at one place of the lane.
    Batches,
}

impl OffenceKind {
    /// All of them.
    pub const ALL: [OffenceKind; 5] = [
        OffenceKind::Proposals,
        OffenceKind::Notarizes,
        OffenceKind::Finalizes,
        OffenceKind::FinalizeAndTimeout,
        OffenceKind::Batches,
    ];

    /// Its number wherever it is encoded: 1 to 5, in the order of declaration.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            OffenceKind::Proposals => 1,
            OffenceKind::Notarizes => 2,
            OffenceKind::Finalizes => 3,
            OffenceKind::FinalizeAndTimeout => 4,
            OffenceKind::Batches => 5,
        }
    }

    /// The kind of this number.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        OffenceKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Its name for people and metrics, such as `two_notarizes`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            OffenceKind::Proposals => "two_proposals",
            OffenceKind::Notarizes => "two_notarizes",
            OffenceKind::Finalizes => "two_finalizes",
            OffenceKind::FinalizeAndTimeout => "finalize_and_timeout",
            OffenceKind::Batches => "two_batches",
        }
    }
}

/// What was done, by whom and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offence {
    /// The key that signed both.
    pub accused: PublicKey,
    /// What.
    pub kind: OffenceKind,
    /// The epoch; 0 for batches, whose lane goes on across epochs.
    pub epoch: Epoch,
    /// The view, for [`OffenceKind::FinalizeAndTimeout`] that of the Finalize; for batches the number in the lane.
    pub place: u64,
}

impl Offence {
    /// Its identity: BLAKE3 in the domain `tonle v1 offence` over accused 32, kind 1, epoch 8, place 8. One offence has
    /// one, whichever pair of messages shows it.
    #[must_use]
    pub fn id(&self) -> Digest {
        let mut writer = Writer::new();
        writer.key(&self.accused).u8(self.kind.code()).value(&self.epoch).u64(self.place);
        OFFENCE.digest(&writer.finish())
    }
}

impl LaneFork {
    /// The fork that two batches of one place show; `None` when they are one batch, or of two places.
    #[must_use]
    pub fn new(one: &RawBatch, other: &RawBatch) -> Option<Self> {
        let signed = |batch: &RawBatch| (batch.digest(), batch.signature());
        let same_place = one.lane() == other.lane() && one.seq() == other.seq();
        let (lower, higher) = if one.digest() < other.digest() { (one, other) } else { (other, one) };
        same_place.then(|| LaneFork::ordered(*one.lane(), one.seq(), signed(lower), signed(higher)))?
    }

    fn ordered(lane: PublicKey, seq: u64, first: (Digest, Signature), second: (Digest, Signature)) -> Option<Self> {
        (seq != 0 && first.0 < second.0).then_some(LaneFork { lane, seq, first, second })
    }
}

impl Misbehaviour {
    /// What the proof shows, if its signatures hold.
    #[must_use]
    pub fn offence(&self) -> Offence {
        match self {
            Misbehaviour::Lane(fork) => {
                Offence { accused: fork.lane, kind: OffenceKind::Batches, epoch: Epoch::ZERO, place: fork.seq }
            }
            Misbehaviour::Consensus(contradiction) => {
                let (first, second) = (contradiction.first().statement, contradiction.second().statement);
                let kind = match (first, second) {
                    (Statement::Proposal { .. }, _) => OffenceKind::Proposals,
                    (Statement::Notarize { .. }, _) => OffenceKind::Notarizes,
                    (Statement::Finalize { .. }, Statement::Timeout { .. }) => OffenceKind::FinalizeAndTimeout,
                    (Statement::Finalize { .. } | Statement::Timeout { .. }, _) => OffenceKind::Finalizes,
                };
                let (accused, epoch) = (contradiction.accused(), contradiction.epoch());
                Offence { accused, kind, epoch, place: first.view().get() }
            }
        }
    }

    /// Checks both signatures, the most that a proof costs, and says what they show. Whether the accused is a validator
    /// is another question: anybody can contradict himself with a key of his own.
    ///
    /// # Errors
    /// [`SignatureInvalid`]: it proves nothing on the chain of this genesis digest.
    pub fn verify(&self, genesis: Digest, verifier: &dyn Verifier) -> Result<Offence, SignatureInvalid> {
        match self {
            Misbehaviour::Consensus(contradiction) => contradiction.verify(&genesis, verifier)?,
            Misbehaviour::Lane(fork) => {
                for (digest, signature) in [&fork.first, &fork.second] {
                    verifier.verify(&fork.lane, &head(&genesis, &fork.lane, fork.seq, digest), signature)?;
                }
            }
        }
        Ok(self.offence())
    }

    /// Is the accused one of these validators?
    #[must_use]
    pub fn concerns(&self, set: &ValidatorSet) -> bool {
        set.index_of(&self.offence().accused).is_some()
    }
}

impl Canonical for Misbehaviour {
    fn encode_to(&self, writer: &mut Writer) {
        writer.raw(TAG);
        match self {
            Misbehaviour::Consensus(contradiction) => writer.u8(1).value(contradiction),
            Misbehaviour::Lane(fork) => writer.u8(2).value(fork),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if reader.raw(TAG.len())? != TAG {
            return Err(CodecError::Invalid("misbehaviour tag"));
        }
        match reader.u8()? {
            1 => reader.value().map(Misbehaviour::Consensus),
            2 => reader.value().map(Misbehaviour::Lane),
            _ => Err(CodecError::Invalid("misbehaviour")),
        }
    }
}

impl Canonical for LaneFork {
    fn encode_to(&self, writer: &mut Writer) {
        writer.key(&self.lane).u64(self.seq);
        for (digest, signature) in [&self.first, &self.second] {
            writer.digest(digest).signature(signature);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (lane, seq) = (reader.key()?, reader.u64()?);
        let first = (reader.digest()?, reader.signature()?);
        let second = (reader.digest()?, reader.signature()?);
        LaneFork::ordered(lane, seq, first, second).ok_or(CodecError::Invalid("lane fork"))
    }
}

#[cfg(test)]
#[path = "misbehaviour_tests.rs"]
mod tests;
