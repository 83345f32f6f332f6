//! From what is on disk to a replica that may begin: opens guard, database and batch log in the order that tells a lost
//! guard from a new node, and checks all of it again. Must not know sockets or clients.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use tonle_consensus::{
    Anchor, Block, Checkpoint, Epoch, Header, HeaderFields, Height, SigningContext, Timestamp, Tip, ValidatorSet,
    payload_digest,
};
use tonle_crypto::{Canonical as _, Digest, PublicKey};
use tonle_ledger::{Executor, Genesis};
use tonle_replica::{
    Batch, Config as ReplicaConfig, Cut, Identity, InvalidBatch, Members, PeerContext, Recovered, validators,
};

use crate::batch_log::{BatchLog, BatchLogEvent, Released};
use crate::guard_file::GuardFile;
use crate::signatures::SignaturePool;
use crate::storage::{Database, View};

/// A node's chain: what its genesis file says, in the types of the protocol.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The genesis document.
    pub genesis: Arc<Genesis>,
    /// Its digest.
    pub digest: Digest,
}

impl Chain {
    /// The chain that this document founds.
    #[must_use]
    pub fn new(genesis: Genesis) -> Self {
        Chain { digest: genesis.digest(), genesis: Arc::new(genesis) }
    }

    /// The block of height 0: nothing is ordered yet, and its checkpoint holds the roots after genesis.
    #[must_use]
    pub fn genesis_block(&self, checkpoint: Checkpoint) -> Block {
        let payload = Cut::genesis(self.genesis.validators.len()).encode();
        let header = Header::new(HeaderFields {
            parent: Digest::ZERO,
            height: Height::new(0),
            timestamp: Timestamp::new(self.genesis.created_ms),
            protocol_version: self.genesis.protocol_version,
            payload: payload_digest(&payload),
            checkpoint,
            next_set: None,
        });
        Block::new(header, payload).expect("the header was made of this payload's digest")
    }

    /// The replica's parameters: the chain's from genesis, the rest at their defaults.
    #[must_use]
    pub fn replica_config(&self) -> ReplicaConfig {
        let genesis = &self.genesis;
        ReplicaConfig {
            consensus: tonle_consensus::Config {
                epoch_length: genesis.epoch_length,
                protocol_version: genesis.protocol_version,
                idle_interval_ms: genesis.idle_interval_ms,
                ..tonle_consensus::Config::default()
            },
            max_block_bytes: genesis.max_block_bytes,
            max_block_operations: genesis.max_block_operations,
            max_lag: genesis.max_lag,
        }
    }
}

/// What stands on disk, opened.
#[derive(Debug)]
pub struct Opened {
    /// Who this node is.
    pub identity: Identity,
    /// What the replica begins with.
    pub recovered: Recovered,
    /// The guard file.
    pub guard: GuardFile,
    /// The database.
    pub database: Arc<Database>,
    /// The ledger at the database's tip.
    pub ledger: Executor,
    /// The batch log.
    pub batch_log: BatchLog,
    /// Checks signatures.
    pub pool: SignaturePool,
    /// What it checks peers' messages against.
    pub context: Arc<PeerContext>,
}

/// How a node is opened.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The data directory, locked by the caller.
    pub data: &'a Path,
    /// The chain.
    pub chain: &'a Chain,
    /// The validator keys' public halves; none for an observer.
    pub keys: Vec<PublicKey>,
    /// Bound of the database's block cache, in bytes.
    pub cache_bytes: usize,
    /// Threads of the signature pool.
    pub signature_threads: usize,
}

impl Opening<'_> {
    /// Opens everything. `tell` hears from the batch log's thread.
    ///
    /// # Errors
    /// What is damaged, foreign or unreadable, and what to do about it.
    pub fn open(self, tell: impl FnMut(BatchLogEvent) + Send + 'static) -> Result<Opened> {
        let existed = Database::exists(self.data);
        let (guard, guard_found) = GuardFile::open(self.data, !self.keys.is_empty())?;
        let opened = Database::open(self.data, &self.chain.genesis, self.cache_bytes, |checkpoint| {
            self.chain.genesis_block(checkpoint)
        })?;
        let database = opened.database;
        let view = database.view();
        let stored = view.tip()?;
        let tip = Tip { block: block_at(&view, stored.height)?.block, certificate: stored.certificate };
        let (epoch, anchor) = self.anchor(&view, stored.height)?;
        let set = set_of(&view, epoch)?;
        let serves = self.keys.iter().any(|key| set.index_of(key).is_some());
        self.tell_role(epoch, serves, guard_found.lost);
        // The lanes of the block that this epoch starts from are those of the epoch before.
        let anchor_lanes = keys_of(&set_of(&view, epoch.previous().unwrap_or(epoch))?);
        let context = Arc::new(PeerContext::new(self.chain.digest, set.clone()));
        let pool = SignaturePool::start(self.signature_threads, Arc::clone(&context))?;
        let cut = Cut::decode(tip.block.payload()).context("the last block's cut does not decode")?;
        let is_anchor = tip.block.digest() == anchor.block.digest();
        let lanes = if is_anchor { anchor_lanes.clone() } else { keys_of(&set) };
        let released = Released(lanes.into_iter().zip(cut.tips().iter().map(|tip| tip.seq)).collect());
        let own = self.keys.iter().find(|key| set.index_of(key).is_some()).or(self.keys.first()).copied();
        let (batch_log, found) = BatchLog::open(self.data, existed, own, &set, released, tell)?;
        if let Some(torn) = guard_found.torn.iter().chain(&found.torn).next() {
            tracing::warn!(?torn, "cut off a record that a crash left half written");
        }
        let memo = pool.memo();
        let lanes = context.batches();
        let checked = found.batches.into_iter().map(|raw| Batch::check(raw, &lanes, memo.as_ref()));
        // A lane that ended may have left batches that no block ordered.
        let batches = checked
            .filter(|batch| !matches!(batch, Err(InvalidBatch::Lane)))
            .map(|batch| batch.map(Arc::new))
            .collect::<Result<Vec<_>, _>>()
            .context("the batch log holds a batch that does not verify; move the batches directory away")?;
        let named = tip.block.header().checkpoint().height.get();
        // Below the snapshot that a database began from there is nothing.
        let checkpoints = view.checkpoints(named.max(view.lowest()?), stored.height)?;
        drop(view);
        tracing::info!(
            height = stored.height,
            epoch = epoch.get(),
            batches = batches.len(),
            guard_lost = guard_found.lost,
            founded = opened.created,
            "recovered"
        );
        let recovered = Recovered {
            anchor,
            anchor_lanes,
            members: lists(&opened.executor),
            guard: guard_found.record,
            guard_lost: guard_found.lost,
            blocks: guard_found.blocks,
            tip,
            checkpoints,
            batches,
            lane_lost: found.lost,
        };
        let identity =
            Identity { context: SigningContext { genesis: self.chain.digest, set }, keys: self.keys.clone() };
        Ok(Opened { identity, recovered, guard, database, ledger: opened.executor, batch_log, pool, context })
    }

    /// Tells the operator of a validator what keeps it from voting.
    fn tell_role(&self, epoch: Epoch, serves: bool, guard_lost: bool) {
        if !self.keys.is_empty() && !serves {
            tracing::warn!(
                epoch = epoch.get(),
                "this node's validator key does not serve in this epoch: it follows the chain, and votes from the epoch on \
                 whose validators list it. If it was to serve by now, check keys.validator and node.genesis"
            );
        }
        if guard_lost && serves {
            tracing::warn!(
                "there is no telling what this validator has signed: it signs nothing until two epochs after a quorum of \
                 the others has said where they are (R9). If it has never signed, stop it, remove its data directory and \
                 run `tonle init`"
            );
        }
    }

    /// The epoch that the block above `tip` is of, and the block that it starts from.
    fn anchor(&self, view: &View<'_>, tip: u64) -> Result<(Epoch, Anchor)> {
        let epoch = tip.checked_div(self.chain.genesis.epoch_length).unwrap_or(0);
        let height = epoch.saturating_mul(self.chain.genesis.epoch_length);
        let found = block_at(view, height)?;
        ensure!(height == 0 || found.certificate.is_some(), "the epoch's first block {height} has no certificate");
        Ok((Epoch::new(epoch), Anchor { block: found.block, certificate: found.certificate }))
    }
}

/// The validators of an epoch that has begun here.
fn set_of(view: &View<'_>, epoch: Epoch) -> Result<ValidatorSet> {
    let (_, members) = view.set_of(epoch.get())?;
    ValidatorSet::new(epoch, members)
        .with_context(|| format!("the database names no usable validators of epoch {epoch:?}"))
}

/// The ledger's lists of validators that a header to come may commit.
fn lists(ledger: &Executor) -> Vec<(Height, Members)> {
    let versions = ledger.validators().versions().iter();
    versions.map(|version| (Height::new(version.since), validators(&version.members).into())).collect()
}

fn keys_of(set: &ValidatorSet) -> Vec<PublicKey> {
    set.iter().map(|(_, validator)| validator.key).collect()
}

fn block_at(view: &View<'_>, height: u64) -> Result<tonle_replica::CertifiedBlock> {
    view.block(height)?.with_context(|| format!("block {height} is not in the database"))
}
