//! Messages of any validator, made by hand with the toy signature, and one engine under test among them.

use std::sync::Arc;

use tonle_consensus::{
    Anchor, Bitmap, Block, Certificate, Checkpoint, Config, Consensus, Demand, Epoch, GuardRecord, Header,
    HeaderFields, Height, Input, Message, Output, Proposal, QuorumCertificate, QuorumKind, Recovered, SignRequest,
    SigningContext, Statement, Time, Timeout, TimeoutCertificate, TimeoutVote, Timestamp, Tip, ValidatorIndex, Verdict,
    View, Vote, payload_digest,
};
use tonle_crypto::{Digest, Signature, Verified};

use super::{Toy, context, genesis_block, toy_signature};

/// Makes messages for a set of validators.
#[derive(Clone)]
pub struct Forge {
    pub context: SigningContext,
}

pub fn view(number: u64) -> View {
    View::new(number)
}

impl Forge {
    pub fn new(n: u16) -> Self {
        Forge { context: context(n) }
    }
    pub fn leader(&self, number: u64) -> ValidatorIndex {
        self.context.set.leader(view(number))
    }
    pub fn epoch(&self) -> Epoch {
        self.context.set.epoch()
    }
    pub fn sign(&self, signer: ValidatorIndex, statement: &Statement) -> Signature {
        let key = self.context.set.get(signer).expect("in the set").key;
        toy_signature(&key, &statement.preimage(&self.context))
    }
    /// All validators but `me`.
    pub fn others(&self, me: ValidatorIndex) -> Vec<ValidatorIndex> {
        self.context.set.indices().filter(|index| *index != me).collect()
    }
    pub fn vote(&self, statement: &Statement, signer: ValidatorIndex) -> Message {
        let (epoch, signature) = (self.epoch(), self.sign(signer, statement));
        match *statement {
            Statement::Notarize { view, block } => Message::Notarize(Vote { epoch, view, block, signer, signature }),
            Statement::Finalize { view, block } => Message::Finalize(Vote { epoch, view, block, signer, signature }),
            Statement::Proposal { .. } | Statement::Timeout { .. } => panic!("not a vote"),
        }
    }
    pub fn notarize(&self, number: u64, block: &Block, signer: ValidatorIndex) -> Message {
        self.vote(&Statement::Notarize { view: view(number), block: block.digest() }, signer)
    }
    pub fn finalize(&self, number: u64, block: &Block, signer: ValidatorIndex) -> Message {
        self.vote(&Statement::Finalize { view: view(number), block: block.digest() }, signer)
    }
    /// A certificate by the first q validators.
    pub fn quorum(&self, kind: QuorumKind, number: u64, block: &Block) -> QuorumCertificate {
        let signers = self.context.set.indices().take(self.context.set.quorum()).collect();
        self.quorum_of(kind, number, block, signers)
    }
    pub fn quorum_of(
        &self,
        kind: QuorumKind,
        number: u64,
        block: &Block,
        signers: Vec<ValidatorIndex>,
    ) -> QuorumCertificate {
        let mut certificate = QuorumCertificate {
            kind,
            epoch: self.epoch(),
            view: view(number),
            block: block.digest(),
            signers: Bitmap::new(self.context.set.len()),
            signatures: Vec::new(),
        };
        for signer in signers {
            certificate.signers.insert(signer);
            certificate.signatures.push(self.sign(signer, &certificate.statement()));
        }
        certificate
    }
    pub fn qc(&self, number: u64, block: &Block) -> QuorumCertificate {
        self.quorum(QuorumKind::Notarized, number, block)
    }
    pub fn fc(&self, number: u64, block: &Block) -> QuorumCertificate {
        self.quorum(QuorumKind::Finalized, number, block)
    }
    /// A QC that `me` has no part in.
    pub fn qc_without(&self, me: ValidatorIndex, number: u64, block: &Block) -> QuorumCertificate {
        self.quorum_of(QuorumKind::Notarized, number, block, self.others(me))
    }
    /// An FC that `me` has no part in.
    pub fn fc_without(&self, me: ValidatorIndex, number: u64, block: &Block) -> QuorumCertificate {
        self.quorum_of(QuorumKind::Finalized, number, block, self.others(me))
    }
    pub fn timeout(&self, number: u64, signer: ValidatorIndex, high_qc: Option<QuorumCertificate>) -> Timeout {
        let high_view = high_qc.as_ref().map_or(View::ZERO, |certificate| certificate.view);
        let signature = self.sign(signer, &Statement::Timeout { view: view(number), high_view });
        Timeout { epoch: self.epoch(), view: view(number), high_view, signer, signature, high_qc }
    }
    /// A TC by all but `me`, whose highest QC is `high_qc`.
    pub fn tc(&self, me: ValidatorIndex, number: u64, high_qc: Option<QuorumCertificate>) -> TimeoutCertificate {
        let votes = self.others(me).into_iter().map(|signer| {
            let timeout = self.timeout(number, signer, high_qc.clone());
            TimeoutVote { signer, high_view: timeout.high_view, signature: timeout.signature }
        });
        TimeoutCertificate { epoch: self.epoch(), view: view(number), votes: votes.collect(), high_qc }
    }
    pub fn proposal(
        &self,
        number: u64,
        block: Block,
        parent_qc: Option<QuorumCertificate>,
        timeout: Option<TimeoutCertificate>,
    ) -> Proposal {
        let parent_view = parent_qc.as_ref().map_or(View::ZERO, |certificate| certificate.view);
        let statement = Statement::Proposal { view: view(number), parent_view, block: block.digest() };
        let signature = self.sign(self.leader(number), &statement);
        Proposal {
            epoch: self.epoch(),
            view: view(number),
            parent_view,
            block,
            parent_qc,
            timeout,
            signature,
            sidecar: Arc::from([]),
        }
    }
}

/// The fields of an honest child of `parent` that orders `cut` items.
pub fn fields(parent: &Block, cut: u64) -> (HeaderFields, Vec<u8>) {
    let payload = cut.to_be_bytes().to_vec();
    let fields = HeaderFields {
        parent: parent.digest(),
        height: parent.height().next().expect("small"),
        timestamp: parent.header().timestamp().saturating_add(1),
        protocol_version: 1,
        payload: payload_digest(&payload),
        checkpoint: Checkpoint { height: Height::ZERO, state_root: Digest::ZERO, results_root: Digest::ZERO },
        next_set: None,
    };
    (fields, payload)
}

/// An honest child of `parent` that orders `cut` items.
pub fn child(parent: &Block, cut: u64) -> Block {
    let (fields, payload) = fields(parent, cut);
    Block::new(Header::new(fields), payload).expect("the payload fits")
}

/// One engine among forged peers. Signatures asked for are given at once unless `signs` is off.
pub struct Lone {
    pub engine: Consensus,
    pub forge: Forge,
    pub me: ValidatorIndex,
    pub now: Time,
    /// The last record persisted.
    pub record: Option<GuardRecord>,
    /// The blocks persisted.
    pub journal: Vec<Block>,
}

impl Lone {
    /// An engine of the validator that leads view 4 of four, so that views 1 to 3 are others'.
    pub fn new(config: Config) -> (Self, Vec<Output>) {
        let forge = Forge::new(4);
        let me = forge.leader(4);
        Lone::recovered(config, me, empty())
    }
    pub fn recovered(config: Config, me: ValidatorIndex, recovered: Recovered) -> (Self, Vec<Output>) {
        let forge = Forge::new(4);
        let anchor = Anchor { block: genesis_block(), certificate: None };
        let (record, journal) = (recovered.guard.clone(), recovered.blocks.clone());
        let engine = Consensus::new(forge.context.clone(), Some(me), config, anchor, recovered);
        let now = Time { monotonic_us: 1_000_000, wall_ms: 2_000_000 };
        let mut lone = Lone { engine, forge, me, now, record, journal };
        let outputs = lone.give(Input::Start);
        (lone, outputs)
    }
    /// The same validator after a crash.
    pub fn restart(&self, config: Config) -> (Self, Vec<Output>) {
        let recovered = Recovered { guard: self.record.clone(), blocks: self.journal.clone(), ..empty() };
        Lone::recovered(config, self.me, recovered)
    }
    /// Gives an input, and the signatures asked for; all outputs in order.
    pub fn give(&mut self, input: Input) -> Vec<Output> {
        let mut outputs = self.engine.handle(self.now, input);
        let mut done = 0;
        while done < outputs.len() {
            match &outputs[done] {
                Output::Persist { record, blocks } => {
                    self.record = Some(record.clone());
                    self.journal.extend(blocks.iter().cloned());
                }
                Output::Sign(request) => {
                    let answer = self.signed(request);
                    outputs.extend(self.engine.handle(self.now, answer));
                }
                _ => {}
            }
            done += 1;
        }
        outputs
    }
    pub fn signed(&self, request: &SignRequest) -> Input {
        let key = self.forge.context.set.get(self.me).expect("in the set").key;
        Input::Signed { request: request.clone(), signature: toy_signature(&key, request.message()) }
    }
    pub fn receive(&mut self, from: ValidatorIndex, message: Message) -> Vec<Output> {
        let message = Verified::check(message, &self.forge.context, &Toy).expect("valid");
        self.give(Input::Received { from, message })
    }
    pub fn certificate(&mut self, certificate: QuorumCertificate) -> Vec<Output> {
        let from = self.forge.others(self.me)[0];
        self.receive(from, Message::Certificate(Certificate::Quorum(certificate)))
    }
    pub fn timeout_certificate(&mut self, certificate: TimeoutCertificate) -> Vec<Output> {
        let from = self.forge.others(self.me)[0];
        self.receive(from, Message::Certificate(Certificate::Timeout(certificate)))
    }
    /// The leader's proposal of its view.
    pub fn propose(&mut self, proposal: Proposal) -> Vec<Output> {
        let from = self.forge.context.set.leader(proposal.view);
        self.receive(from, Message::Proposal(Arc::new(proposal)))
    }
    pub fn verdict(&mut self, number: u64, block: &Block, verdict: Verdict) -> Vec<Output> {
        self.give(Input::Checked { block: block.digest(), view: view(number), verdict })
    }
    /// A proposal that the replica finds valid.
    pub fn accept(&mut self, proposal: Proposal) -> Vec<Output> {
        let (number, block) = (proposal.view.get(), proposal.block.clone());
        let mut outputs = self.propose(proposal);
        outputs.extend(self.verdict(number, &block, Verdict::Valid));
        outputs
    }
    pub fn pass_ms(&mut self, ms: u64) -> Vec<Output> {
        self.now.monotonic_us += ms * 1_000;
        self.now.wall_ms += ms;
        self.give(Input::Tick)
    }
}

/// Nothing but genesis.
pub fn empty() -> Recovered {
    Recovered {
        guard: None,
        blocks: Vec::new(),
        tip: Tip { block: genesis_block(), certificate: None },
        guard_lost: false,
    }
}

/// The statements that the outputs ask to sign.
pub fn statements(outputs: &[Output]) -> Vec<Statement> {
    let statement = |output: &Output| match output {
        Output::Sign(request) => Some(request.statement()),
        _ => None,
    };
    outputs.iter().filter_map(statement).collect()
}

/// The messages that the outputs send.
pub fn messages(outputs: &[Output]) -> Vec<Message> {
    let message = |output: &Output| match output {
        Output::Send { message, .. } => Some(message.clone()),
        _ => None,
    };
    outputs.iter().filter_map(message).collect()
}

/// The views entered.
pub fn entered(outputs: &[Output]) -> Vec<u64> {
    let view = |output: &Output| match output {
        Output::Entered { view, .. } => Some(view.get()),
        _ => None,
    };
    outputs.iter().filter_map(view).collect()
}

pub fn timeout_of(number: u64, high: u64) -> Statement {
    Statement::Timeout { view: view(number), high_view: view(high) }
}
pub fn notarize_of(number: u64, block: &Block) -> Statement {
    Statement::Notarize { view: view(number), block: block.digest() }
}
pub fn finalize_of(number: u64, block: &Block) -> Statement {
    Statement::Finalize { view: view(number), block: block.digest() }
}
/// The earliest honest timestamp of a clock.
pub fn stamp(ms: u64) -> Timestamp {
    Timestamp::new(ms)
}

/// There is something to order.
pub const DEMAND: Input = Input::Demand(Demand { data: true, checkpoint_due: None });

/// The engine under test, just started.
pub fn lone() -> Lone {
    Lone::new(Config::default()).0
}

/// Blocks of views 1, 2, 3 … in a chain upon genesis.
pub fn chain(length: u64) -> Vec<Block> {
    let mut blocks = vec![genesis_block()];
    for cut in 1..=length {
        blocks.push(child(blocks.last().unwrap(), cut));
    }
    blocks
}

/// The replica's answer to [`Output::Build`]: a cut that moves.
pub fn built(number: u64, cut: u64) -> Input {
    Input::Built {
        view: view(number),
        payload: cut.to_be_bytes().to_vec(),
        sidecar: Vec::new(),
        checkpoint: Checkpoint { height: Height::ZERO, state_root: Digest::ZERO, results_root: Digest::ZERO },
        next_set: None,
        moves: true,
    }
}

/// The proposals sent.
pub fn proposals(outputs: &[Output]) -> Vec<Proposal> {
    let proposal = |message: Message| match message {
        Message::Proposal(proposal) => Some(proposal.as_ref().clone()),
        _ => None,
    };
    messages(outputs).into_iter().filter_map(proposal).collect()
}
