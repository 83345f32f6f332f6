//! All chance of the runner and of the stable tests: one stream from one seed.
//!
//! Must not know: what is decided.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of choices.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }
    /// Sixty-four bits.
    pub fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }
    /// A byte.
    pub fn byte(&mut self) -> u8 {
        let [first, ..] = self.u64().to_le_bytes();
        first
    }
    /// 0 to below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(u64::MAX);
        usize::try_from(self.u64().checked_rem(bound).unwrap_or(0)).unwrap_or(0)
    }
}
