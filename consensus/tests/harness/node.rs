//! One node: an engine, its toy replica, and a disk of which a crash keeps what was synced.

use std::sync::Arc;

use tonle_consensus::{
    Anchor, Block, Checkpoint, Config, Consensus, Demand, GuardRecord, Height, Input, Output, Proposal,
    QuorumCertificate, Recovered, SigningContext, Time, Tip, ValidatorIndex, Verdict, View,
};
use tonle_crypto::{Digest, Domain};

use super::genesis_block;

static STATE: Domain = Domain::new("tonle test state");

/// A node.
pub struct Node {
    pub me: Option<ValidatorIndex>,
    pub engine: Option<Consensus>,
    /// Counts restarts, so that what was under way before a crash is dropped.
    pub life: u64,
    pub byzantine: bool,
    /// Items that are here.
    pub known: u64,
    pub tick_at: Option<u64>,
    pub disk_free_us: u64,
    pub build: Option<(View, Block, bool)>,
    pub epoch_ended: Option<Height>,
    /// All final blocks, genesis first, and an FC of the last.
    pub database: Vec<Block>,
    pub certificate: Option<QuorumCertificate>,
    checking: Option<(Arc<Proposal>, Block)>,
    view: View,
    /// Final blocks up to here are executed, and durable in the database.
    executed: Height,
    /// The certificate that the database holds with its last durable block.
    durable_certificate: Option<QuorumCertificate>,
    guard: Option<GuardRecord>,
    journal: Vec<Block>,
    told: Demand,
    epoch_length: u64,
}

/// The number in a toy payload.
pub fn cut(block: &Block) -> u64 {
    u64::from_be_bytes(block.payload()[..8].try_into().expect("a toy payload"))
}

impl Node {
    pub fn new(me: Option<ValidatorIndex>, config: &Config) -> Self {
        Node {
            me,
            engine: None,
            life: 0,
            byzantine: false,
            known: 0,
            tick_at: None,
            disk_free_us: 0,
            build: None,
            epoch_ended: None,
            database: vec![genesis_block()],
            certificate: None,
            checking: None,
            view: View::ZERO,
            executed: Height::ZERO,
            durable_certificate: None,
            guard: None,
            journal: Vec::new(),
            told: Demand::default(),
            epoch_length: config.epoch_length,
        }
    }

    pub fn start(&mut self, context: &SigningContext, config: &Config, now: Time) -> Vec<Output> {
        let tip = self.database.last().expect("genesis at least").clone();
        let recovered = Recovered {
            guard: self.guard.clone(),
            blocks: self.journal.clone(),
            tip: Tip { block: tip, certificate: self.certificate.clone() },
            guard_lost: false,
        };
        let anchor = Anchor { block: genesis_block(), certificate: None };
        let mut engine = Consensus::new(context.clone(), self.me, config.clone(), anchor, recovered);
        let outputs = engine.handle(now, Input::Start);
        self.engine = Some(engine);
        self.tick_at = None;
        outputs
    }

    /// The process dies: the guard and the journal keep what was synced, the database a prefix, of which `keep` more
    /// or fewer blocks than executed survive.
    pub fn crash(&mut self, keep: u64) {
        self.engine = None;
        self.life += 1;
        self.build = None;
        self.checking = None;
        self.disk_free_us = 0;
        self.view = View::ZERO;
        let durable = self.executed.saturating_sub(keep);
        // A database that lost blocks also lost the certificate that came with them.
        if self.database.last().expect("genesis").height() > durable {
            self.database.retain(|block| block.height() <= durable);
            self.certificate = None;
        }
        self.executed = self.database.last().expect("genesis").height();
        self.told = Demand::default();
    }

    /// The guard and journal are gone; a Byzantine twin signs on regardless.
    pub fn forget(&mut self) {
        self.guard = None;
        self.journal.clear();
    }

    pub fn guard(&self) -> Option<&GuardRecord> {
        self.guard.as_ref()
    }

    pub fn persist(&mut self, record: GuardRecord, blocks: Vec<Block>) {
        if let Some(earlier) = &self.guard {
            assert!(record.continues(earlier), "the guard went back: {earlier:?} then {record:?}");
        }
        let floor = self.executed;
        self.journal.retain(|block| block.height() > floor.saturating_sub(8));
        self.journal.extend(blocks);
        self.guard = Some(record);
    }

    pub fn height(&self) -> Height {
        self.database.last().expect("genesis").height()
    }

    pub fn final_cut(&self) -> u64 {
        cut(self.database.last().expect("genesis"))
    }

    pub fn enter(&mut self, view: View) {
        self.view = view;
        self.build = None;
        self.checking = None;
    }

    pub fn finalize(&mut self, blocks: Vec<Block>, certificate: QuorumCertificate) {
        for block in blocks {
            assert_eq!(Some(block.height()), self.height().next(), "finalized out of order");
            self.database.push(block);
        }
        self.certificate = Some(certificate);
    }

    pub fn executed(&mut self, height: Height) {
        self.executed = self.executed.max(height);
    }

    pub fn find(&self, digest: &Digest) -> Option<Block> {
        let engine = self.engine.as_ref()?;
        let held = engine.block(digest).cloned();
        held.or_else(|| self.database.iter().find(|block| block.digest() == *digest).cloned())
    }

    /// The checkpoint of an executed height: its state is the digest of its block.
    fn checkpoint(&self, height: Height) -> Checkpoint {
        let index = usize::try_from(height.get()).expect("small");
        let digest = self.database[index].digest();
        let root = if height == Height::ZERO { Digest::ZERO } else { STATE.digest(digest.as_bytes()) };
        Checkpoint { height, state_root: root, results_root: root }
    }

    pub fn demand(&mut self) -> Demand {
        // A height changes something when it orders items; heartbeats call for no trailing block.
        let changed = self
            .database
            .windows(2)
            .rev()
            .find(|pair| pair[1].height() <= self.executed && cut(&pair[1]) != cut(&pair[0]));
        let checkpoint_due = changed.map(|pair| pair[1].height());
        self.told = Demand { data: self.known > self.final_cut(), checkpoint_due };
        self.told
    }

    pub fn changed_demand(&mut self) -> Option<Demand> {
        self.engine.as_ref()?;
        let before = self.told;
        Some(self.demand()).filter(|demand| *demand != before)
    }

    pub fn check(&mut self, proposal: Arc<Proposal>, parent: &Block) {
        self.checking = Some((proposal, parent.clone()));
    }

    /// What the replica can answer.
    pub fn answers(&mut self) -> Vec<Input> {
        if self.engine.is_none() {
            return Vec::new();
        }
        let mut answers = Vec::new();
        answers.extend(self.verdict());
        answers.extend(self.built());
        answers
    }

    fn verdict(&mut self) -> Option<Input> {
        let (proposal, parent) = self.checking.as_ref()?;
        let block = &proposal.block;
        let checkpoint = block.header().checkpoint();
        let verdict = if block.payload().len() != 8 || cut(block) < cut(parent) {
            Verdict::Invalid
        } else if cut(block) > self.known || checkpoint.height > self.executed {
            return None;
        } else if checkpoint != self.checkpoint(checkpoint.height) {
            Verdict::Invalid
        } else {
            Verdict::Valid
        };
        let (block, view) = (block.digest(), proposal.view);
        self.checking = None;
        Some(Input::Checked { block, view, verdict })
    }

    fn built(&mut self) -> Option<Input> {
        let (view, parent, may_be_empty) = self.build.as_ref()?;
        let moves = self.known > cut(parent);
        if !moves && !may_be_empty {
            return None;
        }
        let height = self.executed.max(parent.header().checkpoint().height).min(parent.height());
        let checkpoint = if height > self.executed { parent.header().checkpoint() } else { self.checkpoint(height) };
        let last = parent.height().get() + 1 == self.epoch_length;
        let next_set = last.then_some(Digest::from_bytes([5; 32]));
        let payload = self.known.max(cut(parent)).to_be_bytes().to_vec();
        let input = Input::Built { view: *view, payload, sidecar: Vec::new(), checkpoint, next_set, moves };
        self.build = None;
        Some(input)
    }
}
