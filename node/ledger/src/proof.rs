//! Proofs of state: that a value stands, or that none stands, under a state root.
//!
//! ```text
//! path   = derive_key("tonle v1 state key",   key bytes)                 256 bits, taken from the top bit down
//! value  = derive_key("tonle v1 state value", value bytes)
//! leaf   = derive_key("tonle v1 state leaf",  path 32 ‖ value 32)
//! node   = derive_key("tonle v1 state node",  left 32 ‖ right 32)        bit 0 goes left, bit 1 right
//! empty  = 32 zero bytes
//! ```
//!
//! A subtree with one value is that value's leaf, at whatever depth. The walk down a path therefore ends at the
//! path's own leaf, at nothing, or at the leaf of another path: the last two show that the value is absent.
//!
//! Must not know: the tree that makes them.

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use crate::{Account, AccountId, StateKey};

static VALUE: Domain = Domain::new("tonle v1 state value");
static LEAF: Domain = Domain::new("tonle v1 state leaf");
static NODE: Domain = Domain::new("tonle v1 state node");

/// Largest value that a proof carries.
pub(crate) const MAX_VALUE_BYTES: usize = 64 * 1024;

/// The proof does not lead to the root, or is not about what it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root")]
pub struct ProofInvalid;

pub(crate) fn value_digest(value: &[u8]) -> Digest {
    VALUE.digest(value)
}
pub(crate) fn leaf_digest(path: &Digest, value: &Digest) -> Digest {
    LEAF.digest_parts(&[path.as_bytes(), value.as_bytes()])
}
pub(crate) fn node_digest(left: &Digest, right: &Digest) -> Digest {
    NODE.digest_parts(&[left.as_bytes(), right.as_bytes()])
}

/// The bit of a path at a depth, from the top bit of its first byte.
pub(crate) fn bit(path: &Digest, depth: usize) -> bool {
    let byte = path.as_bytes().get(depth >> 3).copied().unwrap_or(0);
    byte.wrapping_shl(u32::try_from(depth & 7).unwrap_or(0)) & 0x80 != 0
}

/// Reads a list of digests.
pub(crate) fn digests(reader: &mut Reader<'_>, what: &'static str, max: usize) -> Result<Vec<Digest>, CodecError> {
    let count = reader.length(what, max)?;
    let mut digests = Vec::with_capacity(count.min(reader.remaining().len() >> 5));
    for _ in 0..count {
        digests.push(reader.digest()?);
    }
    Ok(digests)
}

/// Where the walk down a path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terminal {
    /// At the path's own leaf: the value.
    Value(Vec<u8>),
    /// At nothing.
    Empty,
    /// At the leaf of another path.
    Other {
        /// That path.
        path: Digest,
        /// The digest of its value.
        value: Digest,
    },
}

/// Shows the value under a key, or that there is none.
///
/// ```text
/// terminal ‖ u32 n ‖ n × sibling 32 B (root to leaf)
/// terminal = 1 ‖ u32 length ‖ value | 2 | 3 ‖ path 32 B ‖ value digest 32 B
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateProof {
    /// Where the walk ends.
    pub terminal: Terminal,
    /// Siblings along the walk, from the root down.
    pub siblings: Vec<Digest>,
}

impl StateProof {
    /// Checks it against a state root, and gives the value under `key`; `None` when the proof shows that there is none.
    ///
    /// # Errors
    /// [`ProofInvalid`] when it does not lead to that root.
    pub fn verify(&self, key: &StateKey, state_root: &Digest) -> Result<Option<&[u8]>, ProofInvalid> {
        let path = key.path();
        let (mut digest, value) = match &self.terminal {
            Terminal::Value(value) => (leaf_digest(&path, &value_digest(value)), Some(value.as_slice())),
            Terminal::Empty => (Digest::ZERO, None),
            Terminal::Other { path: other, value } => {
                let shared = (0..self.siblings.len()).all(|depth| bit(other, depth) == bit(&path, depth));
                if !shared || *other == path {
                    return Err(ProofInvalid);
                }
                (leaf_digest(other, value), None)
            }
        };
        if self.siblings.len() > 256 {
            return Err(ProofInvalid);
        }
        for (depth, sibling) in self.siblings.iter().enumerate().rev() {
            digest = if bit(&path, depth) { node_digest(sibling, &digest) } else { node_digest(&digest, sibling) };
        }
        if digest == *state_root { Ok(value) } else { Err(ProofInvalid) }
    }
}

impl Canonical for StateProof {
    fn encode_to(&self, writer: &mut Writer) {
        match &self.terminal {
            Terminal::Value(value) => writer.u8(1).bytes(value),
            Terminal::Empty => writer.u8(2),
            Terminal::Other { path, value } => writer.u8(3).digest(path).digest(value),
        };
        writer.length(self.siblings.len());
        for sibling in &self.siblings {
            writer.digest(sibling);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let terminal = match reader.u8()? {
            1 => Terminal::Value(reader.bytes("state value", MAX_VALUE_BYTES)?.to_vec()),
            2 => Terminal::Empty,
            3 => Terminal::Other { path: reader.digest()?, value: reader.digest()? },
            _ => return Err(CodecError::Invalid("terminal")),
        };
        Ok(StateProof { terminal, siblings: digests(reader, "siblings", 256)? })
    }
}

/// Shows an account's record at a height, or that there is no such account: the name, then the [`StateProof`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// The account.
    pub account: AccountId,
    /// The proof.
    pub proof: StateProof,
}

impl AccountProof {
    /// Checks it against a state root, and gives the account; `None` when the proof shows that there is none.
    ///
    /// # Errors
    /// [`ProofInvalid`] when it does not lead to that root.
    pub fn verify(&self, state_root: &Digest) -> Result<Option<Account>, ProofInvalid> {
        match self.proof.verify(&StateKey::Account(self.account), state_root)? {
            None => Ok(None),
            Some(value) => Account::decode(value).map(Some).map_err(|_| ProofInvalid),
        }
    }
}

impl Canonical for AccountProof {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.account).value(&self.proof);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(AccountProof { account: reader.value()?, proof: reader.value()? })
    }
}

/// What proofs of the last executed heights are made from: a cheap copy to hand to another thread.
#[derive(Debug, Clone, Default)]
pub struct ProofSource {
    pub(crate) versions: std::sync::Arc<crate::tree::Versions>,
}

impl ProofSource {
    /// The heights it can prove against, ascending, at most [`crate::STATE_VERSIONS`].
    #[must_use]
    pub fn heights(&self) -> Vec<u64> {
        self.versions.heights()
    }
    /// Proves the value under `key` as of the state after `height`.
    ///
    /// `current` reads the stored value as of any executed height at or after `height`; `None` when `height` is out
    /// of reach, or when what was read is of another height than this source knows (take a new source, and ask again).
    #[must_use]
    pub fn prove(&self, height: u64, key: &StateKey, current: Option<&[u8]>) -> Option<StateProof> {
        self.versions.prove(height, key, current)
    }
    /// Proves an account as of the state after `height`. See [`ProofSource::prove`].
    #[must_use]
    pub fn prove_account(&self, height: u64, account: AccountId, current: Option<&[u8]>) -> Option<AccountProof> {
        let proof = self.prove(height, &StateKey::Account(account), current)?;
        Some(AccountProof { account, proof })
    }
}
