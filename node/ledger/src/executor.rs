//! The executor: finalized transactions in, receipts and state changes out.
//!
//! Must not know: where the state is stored.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

use crate::{Asset, BlockInput, Change, Executed, Fatal, Genesis, ProofSource, StateKey, StateReader};

/// The last executed block, as stored with the state under [`StateKey::Point`].
///
/// ```text
/// chain digest 32 B ‖ height u64 ‖ time u64 (ms) ‖ state root 32 B ‖ results root 32 B
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The chain.
    pub chain: Digest,
    /// Its height; 0 is genesis.
    pub height: u64,
    /// Its time, ms since the Unix epoch.
    pub time_ms: u64,
    /// Root of the state after it.
    pub state_root: Digest,
    /// Chained root of all receipts up to it.
    pub results_root: Digest,
}

impl Canonical for Point {
    fn encode_to(&self, writer: &mut Writer) {
        writer.digest(&self.chain).u64(self.height).u64(self.time_ms);
        writer.digest(&self.state_root).digest(&self.results_root);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Point {
            chain: reader.digest()?,
            height: reader.u64()?,
            time_ms: reader.u64()?,
            state_root: reader.digest()?,
            results_root: reader.digest()?,
        })
    }
}

/// What a full scan found: supply and sum of balances agree for every asset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The last executed block.
    pub point: Point,
    /// Supply of each asset, in minor units.
    pub supply: BTreeMap<Asset, u128>,
    /// How many accounts there are.
    pub accounts: u64,
}

/// Scans a state and compares, for every asset, its supply with the sum of all balances and holds.
///
/// `values` are all values under the keys of [`StateKey::SCAN`], of one consistent snapshot.
///
/// # Errors
/// [`Fatal::SupplyMismatch`], [`Fatal::Corrupt`], [`Fatal::NoPoint`].
pub fn audit(values: impl Iterator<Item = (StateKey, Vec<u8>)>) -> Result<Audit, Fatal> {
    let _ = values;
    Err(Fatal::NoPoint)
}

/// Executes blocks in order of height.
#[derive(Debug)]
pub struct Executor {
    point: Point,
}

impl Executor {
    /// Founds a ledger: the executor at height 0, and the changes that make an empty storage its state.
    ///
    /// # Errors
    /// [`Fatal::Genesis`].
    pub fn create(genesis: &Genesis) -> Result<(Self, Vec<Change>), Fatal> {
        genesis.check()?;
        Err(Fatal::NoPoint)
    }

    /// Opens a stored state: rebuilds the tree, compares it with the recorded root, and audits the supply.
    ///
    /// `values` are all values under the keys of [`StateKey::SCAN`].
    ///
    /// # Errors
    /// [`Fatal`] when the state is of another chain, damaged, or does not add up.
    pub fn open(genesis: &Genesis, values: impl Iterator<Item = (StateKey, Vec<u8>)>) -> Result<Self, Fatal> {
        let _ = (genesis, values);
        Err(Fatal::NoPoint)
    }

    /// The last executed block.
    #[must_use]
    pub fn point(&self) -> &Point {
        &self.point
    }

    /// Supply of every asset, in minor units.
    #[must_use]
    pub fn supply(&self) -> BTreeMap<Asset, u128> {
        BTreeMap::new()
    }

    /// The keys whose values [`Executor::execute`] will ask for, sorted, each once.
    #[must_use]
    pub fn keys(&self, block: &BlockInput) -> Vec<StateKey> {
        let _ = block;
        Vec::new()
    }

    /// Executes the next block.
    ///
    /// # Errors
    /// [`Fatal`]: the state is wrong, and the process must stop. Never for what a transaction says.
    pub fn execute(&mut self, block: &BlockInput, state: &dyn StateReader) -> Result<Executed, Fatal> {
        let _ = (block, state);
        Err(Fatal::NoPoint)
    }

    /// What proofs of the last executed heights are made from.
    #[must_use]
    pub fn proofs(&self) -> ProofSource {
        ProofSource::default()
    }
}
