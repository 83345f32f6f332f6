//! What happens to the replica, what it wants done, and what it is started with. Closed enums, matched without `_`.
//!
//! Must not know: how an effect is carried out.

use std::sync::Arc;

use tonle_consensus::{
    Anchor, Block, Checkpoint, GuardRecord, HaltReason, Header, Height, QuorumCertificate, Recipients, SignRequest,
    SigningContext, Statement, Tip as FinalTip, ValidatorIndex, ValidatorSet,
};
use tonle_crypto::{Digest, PublicKey, Signature, Verified};
use tonle_ledger::SignedTransaction;

use crate::{Batch, CheckedMessage, Members, Misbehaviour, PeerMessage, Request};

/// What happens to the replica.
#[derive(Debug, Clone)]
pub enum Event {
    /// First, once.
    Start,
    /// [`crate::Replica::deadline`] has passed. Harmless at any other time.
    Tick,
    /// A connection to a validator is new or renewed.
    Connected(ValidatorIndex),
    /// The last connection to a validator is gone.
    Disconnected(ValidatorIndex),
    /// A validator's message, checked in the signature pool.
    Peer {
        /// Whose connection it came over; for a gossiped batch, whoever passed it on.
        from: ValidatorIndex,
        /// The message.
        message: CheckedMessage,
    },
    /// A client of this node submits.
    Submitted {
        /// The transaction, its signatures checked.
        transaction: Arc<Verified<SignedTransaction>>,
        /// Names the submission in [`Effect::Accepted`] and [`Effect::Refused`].
        ticket: u64,
    },
    /// The signer's answer to [`Effect::Sign`].
    Signed {
        /// The request.
        request: SignRequest,
        /// Over [`SignRequest::message`].
        signature: Signature,
    },
    /// The signer's answer to [`Effect::SignBatch`].
    BatchSigned {
        /// The batch's number.
        seq: u64,
        /// Over [`Effect::SignBatch`]'s message.
        signature: Signature,
    },
    /// The batch is durable in the batch log: the answer to [`Effect::StoreBatch`].
    BatchStored {
        /// Its lane.
        lane: PublicKey,
        /// Its digest.
        digest: Digest,
    },
    /// The block of this height is executed, and durable in the database: the answer to [`Effect::Execute`].
    Executed {
        /// Height and roots after it.
        checkpoint: Checkpoint,
        /// The ledger's list of validators, when the block changed it.
        members: Option<Members>,
    },
}

/// What the replica wants done, in this order. An effect after a [`Effect::Persist`] waits until that is on disk.
#[derive(Debug, Clone)]
pub enum Effect {
    /// R8: append to the guard file and sync. Those of one turn may be merged into one append: the last record and
    /// all blocks.
    Persist {
        /// The whole guard record.
        record: GuardRecord,
        /// Blocks to keep until they are final and executed.
        blocks: Vec<Block>,
    },
    /// Sign with the consensus key, and answer [`Event::Signed`].
    Sign(SignRequest),
    /// Sign with the lane key, and answer [`Event::BatchSigned`].
    SignBatch {
        /// The batch's number.
        seq: u64,
        /// The bytes to sign.
        message: Vec<u8>,
    },
    /// Append to the batch log and sync, then answer [`Event::BatchStored`]. Many may share a sync.
    StoreBatch(Arc<Batch>),
    /// Send over a direct stream. Lost when there is no connection.
    Send {
        /// To whom.
        to: Recipients,
        /// What.
        message: PeerMessage,
    },
    /// Publish a batch of one's own to all.
    Gossip(Arc<Batch>),
    /// Answer a peer's request with [`crate::serve`] from the database, off the voting thread.
    Serve {
        /// Who asks.
        to: ValidatorIndex,
        /// What for.
        request: Request,
    },
    /// Execute a final block and write it, then answer [`Event::Executed`]. In height order, each exactly once.
    Execute(FinalBlock),
    /// The transaction is durable in this node's lane.
    Accepted {
        /// The submission.
        ticket: u64,
    },
    /// The transaction was not taken.
    Refused {
        /// The submission.
        ticket: u64,
        /// Why.
        reason: Refusal,
    },
    /// The batch log may drop every lane's batches up to here: they are in the database.
    ReleaseBatches {
        /// For each lane, by its key, the number of its last batch that is executed; the highest number there is for a
        /// lane that has ended.
        up_to: Vec<(PublicKey, u64)>,
    },
    /// Blocks of the guard file at or below this height may be dropped: they are in the database.
    ReleaseBlocks {
        /// The height.
        up_to: Height,
    },
    /// A new epoch began. Places in later effects, and in events from now on, are those of its validators, and
    /// [`crate::PeerContext::begin`] is to be told. When its set is another than before, nobody counts as connected:
    /// [`Event::Connected`] comes again for each validator that is.
    EpochBegan {
        /// The anchor, to be found again at a restart: [`Recovered::anchor`].
        anchor: Anchor,
        /// The epoch's validators.
        set: ValidatorSet,
    },
    /// A validator contradicted itself, which was not known here: keep the proof and show it.
    Misbehaviour(Arc<Misbehaviour>),
    /// R9: replace the lost guard by this record, which forbids every signature before its epoch, and mark it lost no
    /// more.
    GuardRenewed {
        /// Nothing signed yet, in an epoch to come.
        record: GuardRecord,
    },
    /// R9: mark the guard lost on disk. Nothing is signed any more.
    GuardLost {
        /// What was signed without knowing.
        statement: Statement,
    },
    /// Stop taking part, and say why. Reads may be served.
    Halt(Halt),
}

/// A block to execute.
#[derive(Debug, Clone)]
pub struct FinalBlock {
    /// The block.
    pub block: Block,
    /// Its own FC; `None` when it is final through a later block. Then the proof is the headers up to the next block
    /// that has one.
    pub certificate: Option<QuorumCertificate>,
    /// An FC of this block or of a descendant: with the block, what [`Recovered::tip`] needs after a restart.
    pub tip_certificate: QuorumCertificate,
    /// Its data, in the order to execute.
    pub batches: Vec<Arc<Batch>>,
}

impl FinalBlock {
    /// All transactions, in the order to execute.
    pub fn transactions(&self) -> impl Iterator<Item = &Arc<Verified<SignedTransaction>>> {
        self.batches.iter().flat_map(|batch| batch.transactions())
    }
}

/// Why a submission was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too much is waiting. Try again later, or at another bank.
    Backpressure {
        /// After this many milliseconds.
        retry_ms: u64,
    },
    /// This node has no lane: it only observes, or it may not sign.
    NoLane,
    /// The transaction fits in no batch.
    TooLarge,
}

/// Why the replica stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The protocol itself was broken.
    #[error("{0}")]
    Consensus(HaltReason),
    /// A quorum certified roots that execution here does not confirm.
    #[error("state diverged: {ours:?} here, {:?} in certified header {header:?}", header.checkpoint())]
    Diverged {
        /// What execution here gave.
        ours: Checkpoint,
        /// The header that says otherwise.
        header: Header,
    },
    /// A quorum certified a block that breaks the rules.
    #[error("certified block {0:?} breaks the rules of lanes")]
    Rules(Header),
    /// A quorum certified other validators for the next epoch than execution here gives.
    #[error("validators diverged: {ours:?} here, {:?} in certified header {header:?}", header.next_set())]
    Members {
        /// Digest of the set that execution here gives.
        ours: Option<Digest>,
        /// The header that says otherwise.
        header: Header,
    },
}

/// Parameters. Those marked *chain* come from genesis and are equal on all validators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Consensus's parameters.
    pub consensus: tonle_consensus::Config,
    /// *chain*: most bytes of new batches in a block; at least one batch must fit.
    pub max_block_bytes: u64,
    /// *chain*: most operations of new batches in a block; at least one batch must fit.
    pub max_block_operations: u64,
    /// *chain*: how far the checkpoint may lag behind its header before blocks carry no data.
    pub max_lag: u64,
}

impl Default for Config {
    /// Blocks of 4 MiB and 32,768 operations; 64 heights of lag.
    fn default() -> Self {
        Config {
            consensus: tonle_consensus::Config::default(),
            max_block_bytes: 4 * 1024 * 1024,
            max_block_operations: 32_768,
            max_lag: 64,
        }
    }
}

/// What the node knows when it starts: all of it from disk.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// The epoch's anchor: genesis, or the last block of the epoch before with its FC.
    pub anchor: Anchor,
    /// The lanes that the anchor's cut is of, in order: the validators of its own epoch.
    pub anchor_lanes: Vec<PublicKey>,
    /// The ledger's lists of validators that a header to come may commit, each with the height since which it stands.
    pub members: Vec<(Height, Members)>,
    /// The last guard record; `None` when nothing was ever signed.
    pub guard: Option<GuardRecord>,
    /// The guard file is missing, damaged or restored: sign nothing.
    pub guard_lost: bool,
    /// Journalled blocks of the guard file, in any order.
    pub blocks: Vec<Block>,
    /// The last block in the database.
    pub tip: FinalTip,
    /// Roots of executed heights, ascending: from the checkpoint that the tip's header names up to the tip itself.
    pub checkpoints: Vec<Checkpoint>,
    /// The batch log's batches in the order written, checked again.
    pub batches: Vec<Arc<Batch>>,
    /// The batch log was not there although this node has signed before: where its own lane stands is asked of peers.
    pub lane_lost: bool,
}

/// Who this node is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The chain and the validators of the epoch that [`Recovered::anchor`] opens.
    pub context: SigningContext,
    /// Its consensus keys: one, or two while it goes from one to the next; none for one that only observes.
    pub keys: Vec<PublicKey>,
}

impl Identity {
    /// Its place among the epoch's validators; `None` for an observer.
    #[must_use]
    pub fn me(&self) -> Option<ValidatorIndex> {
        self.keys.iter().find_map(|key| self.context.set.index_of(key))
    }
}

/// A snapshot for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaStatus {
    /// Consensus.
    pub consensus: tonle_consensus::Status,
    /// The highest height ordered here.
    pub ordered: Height,
    /// The highest height executed here.
    pub executed: Height,
    /// Each lane, in validator order.
    pub lanes: Vec<LaneStatus>,
    /// Clients' transactions that wait to be packed.
    pub pool_transactions: usize,
    /// Their bytes.
    pub pool_bytes: usize,
    /// Data that is wanted and not here.
    pub missing: usize,
    /// How often the longest wanted was asked for in vain.
    pub missing_attempts: u32,
    /// The highest final height that a connected peer claims.
    pub claimed: Height,
    /// Why it halted.
    pub halted: Option<Halt>,
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaneStatus {
    /// Last batch held durably in chain.
    pub held: u64,
    /// Last batch that a quorum acknowledged, as far as is known here.
    pub acknowledged: u64,
    /// Last final batch.
    pub last_final: u64,
    /// Bytes held above it.
    pub bytes: usize,
    /// Did its author contradict itself?
    pub equivocating: bool,
}
