//! A node's disk: what survives a crash is what was synced, and sometimes what was being synced.
//!
//! Must not know: time, the network.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use tonle_consensus::{Anchor, Block, Checkpoint, GuardRecord, Height, QuorumCertificate, Tip as ConsensusTip};
use tonle_crypto::{Digest, PublicKey};
use tonle_ledger::MemoryState;
use tonle_replica::{Batch, BlockSource, CertifiedBlock, FinalBlock, Members, Misbehaviour, RawBatch, Recovered};

use crate::chain::Chain;

/// See the module.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) guard: Option<GuardRecord>,
    pub(crate) guard_lost: bool,
    pub(crate) journal: BTreeMap<Digest, Block>,
    pub(crate) log: Vec<Arc<Batch>>,
    /// The log was lost, and no batch of one's own was stored since.
    pub(crate) lane_lost: bool,
    blocks: BTreeMap<u64, CertifiedBlock>,
    tip_certificate: Option<QuorumCertificate>,
    batches: BTreeMap<Digest, Arc<RawBatch>>,
    checkpoints: BTreeMap<u64, Checkpoint>,
    /// The ledger's lists of validators, by the height since which each stands.
    members: BTreeMap<u64, Members>,
    pub(crate) state: MemoryState,
    /// Proofs of misbehaviour. Part of the database.
    pub(crate) misbehaviour: Vec<Arc<Misbehaviour>>,
}

impl Disk {
    /// A new node's disk: the chain's genesis.
    pub(crate) fn new(chain: &Chain) -> Self {
        let block = chain.block.clone();
        Disk {
            guard: None,
            guard_lost: false,
            journal: BTreeMap::new(),
            log: Vec::new(),
            lane_lost: false,
            checkpoints: BTreeMap::from([(0, block.header().checkpoint())]),
            blocks: BTreeMap::from([(0, CertifiedBlock { block, certificate: None })]),
            tip_certificate: None,
            batches: BTreeMap::new(),
            members: BTreeMap::from([(0, chain.set.iter().map(|(_, validator)| validator.clone()).collect())]),
            state: chain.state.clone(),
            misbehaviour: Vec::new(),
        }
    }

    /// The database and the batch log are gone; the guard file is not.
    pub(crate) fn wipe(&mut self, chain: &Chain) {
        let guard = self.guard.take();
        let journal = std::mem::take(&mut self.journal);
        let guard_lost = self.guard_lost;
        *self = Disk { lane_lost: guard.is_some(), guard, journal, guard_lost, ..Disk::new(chain) };
    }

    /// The guard is gone, and the node knows it.
    pub(crate) fn lose_guard(&mut self) {
        self.guard = None;
        self.journal.clear();
        self.guard_lost = true;
    }

    /// The batch log is gone, and the node knows it.
    pub(crate) fn lose_log(&mut self) {
        self.log.clear();
        self.lane_lost = true;
    }

    /// The guard and the batch log are gone, and nobody is to know. The database is not.
    pub(crate) fn forget(&mut self) {
        self.guard = None;
        self.journal.clear();
        self.log.clear();
        self.lane_lost = false;
    }

    /// The highest height in the database.
    pub(crate) fn height(&self) -> u64 {
        self.blocks.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// Is this batch durable, in the log or in the database?
    pub(crate) fn holds(&self, digest: &Digest) -> bool {
        self.batches.contains_key(digest) || self.log.iter().any(|batch| batch.digest() == *digest)
    }

    /// One atomic write: block, certificate, data, state and roots.
    pub(crate) fn write_block(&mut self, block: &FinalBlock, checkpoint: Checkpoint, members: Option<Members>) {
        let height = block.block.height().get();
        let entry = CertifiedBlock { block: block.block.clone(), certificate: block.certificate.clone() };
        self.blocks.insert(height, entry);
        self.tip_certificate = Some(block.tip_certificate.clone());
        for batch in &block.batches {
            self.batches.insert(batch.digest(), Arc::clone(batch.raw()));
        }
        self.checkpoints.insert(height, checkpoint);
        self.members.extend(members.map(|members| (height, members)));
    }

    /// The digest of the validators that the last block of the epoch before `epoch` commits.
    pub(crate) fn committed_set(&self, epoch: u64, epoch_length: u64) -> Option<Digest> {
        self.blocks.get(&epoch.saturating_mul(epoch_length))?.block.header().next_set()
    }

    /// Drops batches of the log that the database has.
    pub(crate) fn release_batches(&mut self, up_to: &[(PublicKey, u64)]) {
        let released = |lane: &PublicKey| up_to.iter().find(|(key, _)| key == lane).map_or(0, |(_, seq)| *seq);
        self.log.retain(|batch| batch.seq() > released(batch.lane()));
    }

    /// Drops journalled blocks that the database has.
    pub(crate) fn release_blocks(&mut self, height: Height) {
        self.journal.retain(|_, block| block.height() > height);
    }

    /// What a starting replica gets.
    pub(crate) fn recover(&self, epoch_length: u64, anchor_lanes: Vec<PublicKey>) -> Result<Recovered> {
        let (height, tip) = self.blocks.last_key_value().context("no genesis")?;
        let epoch = height.checked_div(epoch_length).unwrap_or(0);
        let opening = self.blocks.get(&epoch.saturating_mul(epoch_length)).context("no anchor")?;
        let named = tip.block.header().checkpoint().height.get();
        Ok(Recovered {
            anchor: Anchor { block: opening.block.clone(), certificate: opening.certificate.clone() },
            anchor_lanes,
            members: self.members.iter().map(|(height, members)| (Height::new(*height), Arc::clone(members))).collect(),
            guard: self.guard.clone(),
            guard_lost: self.guard_lost,
            blocks: self.journal.values().cloned().collect(),
            tip: ConsensusTip { block: tip.block.clone(), certificate: self.tip_certificate.clone() },
            checkpoints: self.checkpoints.range(named..).map(|(_, checkpoint)| *checkpoint).collect(),
            batches: self.log.clone(),
            lane_lost: self.lane_lost,
        })
    }
}

impl BlockSource for Disk {
    fn final_block(&self, height: Height) -> Option<CertifiedBlock> {
        self.blocks.get(&height.get()).cloned()
    }
    fn block(&self, digest: &Digest) -> Option<Block> {
        let journalled = self.journal.get(digest).cloned();
        journalled.or_else(|| {
            self.blocks.values().rev().map(|entry| &entry.block).find(|block| block.digest() == *digest).cloned()
        })
    }
    fn batch(&self, digest: &Digest) -> Option<Arc<RawBatch>> {
        let logged = || self.log.iter().find(|batch| batch.digest() == *digest).map(|batch| Arc::clone(batch.raw()));
        self.batches.get(digest).cloned().or_else(logged)
    }
}
