//! What stops the process: the state itself is wrong.
//!
//! Must not know: rejections. Nothing that a client sends can cause a `Fatal`.

use tonle_crypto::{CodecError, Digest};

use crate::{Asset, GenesisInvalid, StateKey};

/// The state on disk, or the caller's use of it, is wrong. Going on would let this node diverge from the others.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// The sum of all balances of an asset is not its supply.
    #[error("supply of {asset} is {supply} but its balances and holds sum to {balances} (minor units)")]
    SupplyMismatch {
        /// The asset.
        asset: Asset,
        /// What the asset's record says.
        supply: u128,
        /// What the accounts hold.
        balances: u128,
    },
    /// A block's transfers changed the sum of balances otherwise than its issues and redemptions say.
    #[error(
        "block {height}: {asset} balances went from {balances_before} to {balances_after} while its supply went from \
         {supply_before} to {supply_after} (minor units)"
    )]
    DeltaMismatch {
        /// The block.
        height: u64,
        /// The asset.
        asset: Asset,
        /// Sum over the touched accounts before.
        balances_before: u128,
        /// Sum over the touched accounts after.
        balances_after: u128,
        /// Supply before.
        supply_before: u128,
        /// Supply after.
        supply_after: u128,
    },
    /// A stored value is not the canonical form of what its key names.
    #[error("state value of {key:?}: {error}")]
    Corrupt {
        /// The key.
        key: StateKey,
        /// What is wrong with the bytes.
        error: CodecError,
    },
    /// A value that was read is not the one the state root commits to.
    #[error("state value of {0:?} is not the one that the state root commits to")]
    NotCommitted(StateKey),
    /// The state does not hash to the root that was recorded with it.
    #[error("state root of height {height} is {computed}, recorded {recorded}")]
    RootMismatch {
        /// The height.
        height: u64,
        /// The root of the state as read.
        computed: Digest,
        /// The root that was recorded.
        recorded: Digest,
    },
    /// The state has no record of the last executed block.
    #[error("the state has no execution point")]
    NoPoint,
    /// The state has no record of who validates.
    #[error("the state has no validators")]
    NoValidators,
    /// The state has no record of its parameters.
    #[error("the state has no parameters")]
    NoParameters,
    /// The state belongs to another chain.
    #[error("the state is of chain {found}, the genesis is {expected}")]
    OtherChain {
        /// The chain of the state.
        found: Digest,
        /// The chain of the genesis.
        expected: Digest,
    },
    /// Blocks execute in order of height, each once.
    #[error("block {given} given, {expected} is next")]
    OutOfOrder {
        /// The height that is next.
        expected: u64,
        /// The height given.
        given: u64,
    },
    /// The genesis cannot found a ledger.
    #[error(transparent)]
    Genesis(#[from] GenesisInvalid),
    /// A count or sum passed the bounds that the block limits keep it in.
    #[error("{0} out of bounds")]
    Bound(&'static str),
}
