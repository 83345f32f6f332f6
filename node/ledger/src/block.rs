//! What goes into the executor, and what comes out.
//!
//! Must not know: how it is executed.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_crypto::{Digest, Verified};

use crate::{AccountId, Asset, Change, KhqrPayment, Receipt, SetVersion, SignedTransaction, TransactionId};

/// A finalized block, as far as the ledger is concerned.
#[derive(Debug, Clone)]
pub struct BlockInput {
    /// Its height: one above the last executed.
    pub height: u64,
    /// Its time, ms since the Unix epoch.
    pub timestamp_ms: u64,
    /// Its transactions in their final order.
    pub transactions: Vec<Arc<Verified<SignedTransaction>>>,
}

/// A transaction of a block whose id was taken already: it leaves no receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// Its place in the block's transactions.
    pub position: usize,
    /// Its id.
    pub transaction: TransactionId,
    /// Height of the receipt that answers it.
    pub height: u64,
    /// Index of that receipt.
    pub index: u32,
}

/// An account's history: one entry for each receipt that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HistoryEntry {
    /// The account.
    pub account: AccountId,
    /// The receipt's height.
    pub height: u64,
    /// The receipt's index.
    pub index: u32,
}

/// What executing a block did.
#[derive(Debug, Clone)]
pub struct Executed {
    /// Its height.
    pub height: u64,
    /// Its time, ms since the Unix epoch.
    pub timestamp_ms: u64,
    /// The block's own receipt, when something ended by itself; then one for each transaction that is no duplicate, in
    /// order. `receipts[i].index == i`.
    pub receipts: Vec<Receipt>,
    /// Their canonical bytes.
    pub encoded: Vec<Vec<u8>>,
    /// For each receipt, the place of its transaction in the block; `None` for the block's own.
    pub positions: Vec<Option<u32>>,
    /// The transactions that left none.
    pub duplicates: Vec<Duplicate>,
    /// Changes of the state, all to be applied in one atomic write together with the receipts.
    pub changes: Arc<Vec<Change>>,
    /// Accounts that the receipts concern, sorted.
    pub history: Vec<HistoryEntry>,
    /// Payments by KHQR codes that took effect, in order.
    pub khqr: Vec<KhqrPayment>,
    /// Root of the state after the block.
    pub state_root: Digest,
    /// Root of this height's receipts.
    pub receipts_root: Digest,
    /// Chained root of all receipts up to this height.
    pub results_root: Digest,
    /// Operations executed, rejected ones included.
    pub operations: u64,
    /// Operations that took effect.
    pub applied: u64,
    /// Supply of every asset after the block, in minor units.
    pub supply: BTreeMap<Asset, u128>,
    /// The new version of the validator set, when the block changed it.
    pub validators: Option<SetVersion>,
}
