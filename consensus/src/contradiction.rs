//! A contradiction: evidence that stands by itself. Who has the genesis digest needs nothing else to check it, however
//! long ago the epoch ended and whoever validates today.
//!
//! Must not know: whether the accused is a validator, what becomes of it.

use tonle_crypto::{Canonical, CodecError, Digest, PublicKey, Reader, SignatureInvalid, Verifier, Verify, Writer};

use crate::evidence::{Evidence, Signed, contradict};
use crate::{Epoch, Statement, ValidatorSet, View};

/// Two statements of one key in one epoch that no honest validator signs both of, and the signatures.
///
/// ```text
/// accused    32   the consensus key
/// epoch       8
/// set        32   digest of the epoch's validator set
/// first           kind 1, view 8, body as in the preimage, signature 64
/// second          likewise
/// ```
///
/// Of two statements of one kind the one with the lower block digest comes first; a Finalize comes before a Timeout. So
/// two statements have one contradiction, and it has one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    accused: PublicKey,
    epoch: Epoch,
    set: Digest,
    first: Signed,
    second: Signed,
}

impl Contradiction {
    /// Most bytes of its encoding: two proposals.
    pub const BYTES_MAX: usize = 32 + 8 + 32 + 2 * (1 + 8 + 8 + 32 + 64);

    /// The contradiction between two statements, in whichever order; `None` when there is none. No message of view 0
    /// is valid, so there is none in it. The signatures are not looked at.
    #[must_use]
    pub fn new(accused: PublicKey, (epoch, set): (Epoch, Digest), one: Signed, other: Signed) -> Option<Self> {
        let ordered = |first: &Signed, second: &Signed| {
            let known = first.statement.view() != View::ZERO;
            known && contradict(&first.statement, &second.statement) && in_order(&first.statement, &second.statement)
        };
        let (first, second) = if ordered(&one, &other) {
            (one, other)
        } else if ordered(&other, &one) {
            (other, one)
        } else {
            return None;
        };
        Some(Contradiction { accused, epoch, set, first, second })
    }

    /// Whose key signed both.
    #[must_use]
    pub fn accused(&self) -> PublicKey {
        self.accused
    }
    /// The epoch of both.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// Digest of the validator set that both were signed for.
    #[must_use]
    pub fn set(&self) -> Digest {
        self.set
    }
    /// The first statement.
    #[must_use]
    pub fn first(&self) -> &Signed {
        &self.first
    }
    /// The second.
    #[must_use]
    pub fn second(&self) -> &Signed {
        &self.second
    }
}

impl Evidence {
    /// The evidence with all that it needs to be checked elsewhere and later. `set` is the epoch's; `None` when this
    /// evidence does not hold in it.
    #[must_use]
    pub fn contradiction(&self, set: &ValidatorSet) -> Option<Contradiction> {
        let accused = set.get(self.signer)?.key;
        (set.epoch() == self.epoch)
            .then(|| Contradiction::new(accused, (self.epoch, set.digest()), self.first, self.second))?
    }
}

/// Of two that contradict each other, is this their place in the encoding?
fn in_order(first: &Statement, second: &Statement) -> bool {
    use Statement::{Finalize, Notarize, Proposal, Timeout};
    let block = |statement: &Statement| match statement {
        Proposal { block, .. } | Notarize { block, .. } | Finalize { block, .. } => Some(*block),
        Timeout { .. } => None,
    };
    match (block(first), block(second)) {
        (Some(first), Some(second)) => first < second,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

impl Verify for Contradiction {
    /// The digest of the genesis document.
    type Context = Digest;
    type Error = SignatureInvalid;

    fn verify(&self, genesis: &Digest, verifier: &dyn Verifier) -> Result<(), SignatureInvalid> {
        for signed in [&self.first, &self.second] {
            let preimage = signed.statement.preimage_in(genesis, self.epoch, &self.set);
            verifier.verify(&self.accused, &preimage, &signed.signature)?;
        }
        Ok(())
    }
}

impl Canonical for Contradiction {
    fn encode_to(&self, writer: &mut Writer) {
        writer.key(&self.accused).value(&self.epoch).digest(&self.set).value(&self.first).value(&self.second);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (accused, epoch, set) = (reader.key()?, reader.value()?, reader.digest()?);
        let (first, second): (Signed, Signed) = (reader.value()?, reader.value()?);
        let made = Contradiction::new(accused, (epoch, set), first, second);
        // `new` would put them in order; bytes have to be.
        made.filter(|made| made.first == first).ok_or(CodecError::Invalid("contradiction"))
    }
}
