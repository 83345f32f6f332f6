//! What the services need of the rest of the node, as two small interfaces: [`Backend`] for what is under way,
//! [`Archive`] for what is final.
//!
//! Must not know: gRPC.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tonle_consensus::{Epoch, Header, QuorumCertificate, Validator, ValidatorIndex, View};
use tonle_crypto::{Digest, PublicKey, Verified};
use tonle_khqr::Md5;
use tonle_ledger::{
    Account, AccountId, AccountProof, Alias, Asset, Genesis, KhqrPayment, Parameters, ParticipantId, Proposal, Receipt,
    ReceiptLocation, Reference, Rejection, SignedTransaction, Timed, TransactionId, Validators,
};
use tonle_replica::Offence;

use crate::event_loop::Shared;
use crate::storage::{KeptMisbehaviour, PaymentPlace, ReceiptPlace};

/// What does not change while the node runs.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The genesis document.
    pub genesis: Arc<Genesis>,
    /// Its digest: the chain.
    pub digest: Digest,
    /// The participant whose node this is.
    pub node: ParticipantId,
    /// The validators of the epoch that the node is in.
    pub validators: Shared,
    /// This node's consensus keys; none for an observer.
    pub own: Vec<PublicKey>,
}

/// The node's running parts.
#[tonic::async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Checks chain, window form and signatures on the signature pool.
    ///
    /// # Errors
    /// [`Rejection`] with a code below 20.
    async fn verify(&self, transaction: SignedTransaction) -> Result<Verified<SignedTransaction>, Rejection>;

    /// Hands a transaction to this node's own lane. Answers when its batch is durable here.
    ///
    /// # Errors
    /// [`Refused`]: nothing was queued.
    async fn submit(&self, transaction: Verified<SignedTransaction>) -> Result<(), Refused>;

    /// What consensus and network are doing.
    fn network(&self) -> NetworkStatus;

    /// Adds up all balances and holds of the state on disk, on a thread that may block.
    ///
    /// # Errors
    /// [`ArchiveFailed`] when the state cannot be read.
    async fn audit_supply(&self) -> Result<SupplyAudit, ArchiveFailed>;
}

/// Why a transaction was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The lane is full.
    Backpressure {
        /// When to try again.
        retry: Duration,
    },
    /// The node has halted.
    Halted,
    /// The node does not validate, or its guard is lost.
    NotTaking,
    /// The transaction fits in no batch.
    TooLarge,
    /// The node is shutting down.
    ShuttingDown,
}

/// Consensus and network at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkStatus {
    /// The epoch.
    pub epoch: Epoch,
    /// The view that this node is in.
    pub view: View,
    /// Who leads it.
    pub leader: ValidatorIndex,
    /// Peers by consensus key; this node's own is not among them.
    pub peers: BTreeMap<PublicKey, PeerStatus>,
    /// Why the node has halted.
    pub halted: Option<String>,
}

/// A peer at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PeerStatus {
    /// Whether there is a connection.
    pub connected: bool,
    /// When its last message came, ms since the Unix epoch; 0 for never.
    pub last_seen_ms: u64,
}

/// What a full scan of the state found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupplyAudit {
    /// The height of the state scanned.
    pub height: u64,
    /// Its root.
    pub state_root: Digest,
    /// Each asset: its recorded supply, and the sum of all balances and holds.
    pub assets: Vec<(Asset, u128, u128)>,
    /// Accounts scanned.
    pub accounts: u64,
}

/// The database failed; what failed is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the database could not be read")]
pub struct ArchiveFailed;

/// A block as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// Its header.
    pub header: Header,
    /// How many receipts it has.
    pub receipts: u32,
    /// State root after it.
    pub state_root: Digest,
    /// Root of its receipts.
    pub receipts_root: Digest,
    /// Chained results root after it.
    pub results_root: Digest,
}

/// An offence of a validator that is proved here, on the ledger, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownOffence {
    /// What was done.
    pub offence: Offence,
    /// The proof that is kept here.
    pub kept: Option<KeptMisbehaviour>,
    /// Where the receipt stands by which it is on the ledger: height and index.
    pub landed: Option<crate::storage::ReceiptPlace>,
}

/// What is final and on disk. Every method blocks.
pub trait Archive: Send + Sync + 'static {
    /// The earliest height whose block is here.
    fn earliest(&self) -> u64;

    /// The block at `height`; `None` above the latest and below the earliest.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn block(&self, height: u64) -> Result<Option<StoredBlock>, ArchiveFailed>;

    /// The finality certificate of exactly the block at `height`; `None` when it is final by a descendant's.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn certificate(&self, height: u64) -> Result<Option<QuorumCertificate>, ArchiveFailed>;

    /// Where the receipt of a transaction stands: height and index.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn locate(&self, transaction: TransactionId) -> Result<Option<(u64, u32)>, ArchiveFailed>;

    /// The receipts at `height` from index `from` on, at most `max`.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn receipts(&self, height: u64, from: u32, max: usize) -> Result<Vec<Receipt>, ArchiveFailed>;

    /// The signed transaction, as it was sent, whose receipt is at `height` and `index`.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn transaction(&self, height: u64, index: u32) -> Result<Option<Vec<u8>>, ArchiveFailed>;

    /// Where the receipts that concern `account` stand: newest first, at most `max`, all strictly before `before`.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn history(&self, account: AccountId, before: (u64, u32), max: usize) -> Result<Vec<(u64, u32)>, ArchiveFailed>;

    /// Payments by KHQR codes of this MD5, newest first, at most `max`: those strictly before `before`, or all.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn khqr_payments(
        &self,
        md5: Md5,
        before: Option<PaymentPlace>,
        max: usize,
    ) -> Result<Vec<KhqrPayment>, ArchiveFailed>;

    /// The same oldest first: those strictly after `after`, or all.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn khqr_payments_after(
        &self,
        md5: Md5,
        after: Option<PaymentPlace>,
        max: usize,
    ) -> Result<Vec<KhqrPayment>, ArchiveFailed>;

    /// Where the receipts that concern `account` stand: oldest first, at most `max`, all strictly after `after`.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn history_after(
        &self,
        account: AccountId,
        after: ReceiptPlace,
        max: usize,
    ) -> Result<Vec<ReceiptPlace>, ArchiveFailed>;

    /// Where the result stands of the instruction that took a reference of an account.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn instruction(&self, account: AccountId, reference: &Reference) -> Result<Option<ReceiptLocation>, ArchiveFailed>;

    /// An account, and the height after which it is so.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn account(&self, account: AccountId) -> Result<(Option<Account>, u64), ArchiveFailed>;

    /// What ends at a block time, by its id, and the height after which it is so.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn timed(&self, id: Digest) -> Result<(Option<Timed>, u64), ArchiveFailed>;

    /// What an alias stands for, and the height after which it is so.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn alias(&self, alias: Digest) -> Result<(Option<Alias>, u64), ArchiveFailed>;

    /// The ledger's parameters, and the height after which they are so.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn parameters(&self) -> Result<(Parameters, u64), ArchiveFailed>;

    /// Proposals that stand, in the order of their ids: those above `after`, at most `max`.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn proposals(&self, after: Option<Digest>, max: usize) -> Result<Vec<Proposal>, ArchiveFailed>;

    /// The receipts at `height` from index `from` on, at most `max`, each with the signed transaction that it is of; a
    /// block's own are left out.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn executed(&self, height: u64, from: u32, max: usize) -> Result<Vec<(Receipt, Vec<u8>)>, ArchiveFailed>;

    /// Proves an account as of the state after `height`; `None` when that height is out of reach.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn prove_account(&self, account: AccountId, height: u64) -> Result<Option<AccountProof>, ArchiveFailed>;

    /// Every validator set up to `epoch`, ascending, with the first epoch that it serves in: that of genesis, then one
    /// for each change.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn sets(&self, epoch: u64) -> Result<Vec<(u64, Vec<Validator>)>, ArchiveFailed>;

    /// The ledger's record of who validates, and the height after which it is so.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn validators(&self) -> Result<(Validators, u64), ArchiveFailed>;

    /// Offences that are proved here or on the ledger, in the order of their ids: those above `after`, at most `max`.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn misbehaviour(&self, after: Option<Digest>, max: usize) -> Result<Vec<KnownOffence>, ArchiveFailed>;

    /// The supply of every asset after the latest height, as block deltas keep it.
    ///
    /// # Errors
    /// [`ArchiveFailed`].
    fn supply(&self) -> Result<Vec<(Asset, u128)>, ArchiveFailed>;
}
