//! The state tree.
//!
//! Must not know: what the values mean.

use crate::{StateKey, StateProof};
use tonle_crypto::Digest;

/// The last versions of the tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versions {
    roots: std::collections::VecDeque<(u64, Digest)>,
}

impl Versions {
    pub(crate) fn heights(&self) -> Vec<u64> {
        self.roots.iter().map(|(height, _)| *height).collect()
    }
    pub(crate) fn prove(&self, _height: u64, _key: &StateKey, _current: Option<&[u8]>) -> Option<StateProof> {
        None
    }
}
