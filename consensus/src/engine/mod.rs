//! The engine: one match over the inputs, and the state that its parts share.
//!
//! - `certificates`: what follows from a certificate: enter (R1), finalize (R2), commit (R7).
//! - `proposing`: the leader's part (R3).
//! - `voting`: proposals and votes of others (R4, R5).
//! - `timing`: timers, timeouts (R6), relays.
//! - `recovery`: start, connections, catch-up (R9).
//! - `fingerprint`: which states answer alike, for an explorer.
//!
//! Must not know: sockets, files, clocks, what a payload means.

mod certificates;
mod fingerprint;
mod proposing;
mod recovery;
mod timing;
mod voting;

pub(crate) use fingerprint::{imprint_certificate, imprint_quorum};

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_crypto::{Digest, Signature};

use crate::pacemaker::Pacemaker;
use crate::safety::Safety;
use crate::tally::Tally;
use crate::tree::Tree;
use crate::{
    Anchor, Certificate, Config, Demand, Height, Input, Message, Output, Proposal, QuorumCertificate, Recipients,
    Recovered, SignRequest, SigningContext, Statement, Status, Step, Time, Timeout, ValidatorIndex, View, Vote,
};

/// The consensus protocol of one validator in one epoch, or of an observer.
///
/// To drive it: [`Consensus::new`] with what was recovered, then [`Input::Start`], then every input as it comes; carry
/// out the outputs in order, those after an [`Output::Persist`] once that is on disk; and give it [`Input::Tick`] when
/// [`Consensus::deadline`] has passed. It has no clock: time is an argument. A clone goes on from the same state by itself:
/// for exploring what may come, never for signing twice.
#[derive(Clone)]
pub struct Consensus {
    context: SigningContext,
    me: Option<ValidatorIndex>,
    config: Config,
    anchor: Digest,
    /// The epoch's last height.
    last_height: Height,
    safety: Safety,
    tally: Tally,
    pacemaker: Pacemaker,
    tree: Tree,
    view: View,
    entry: Option<Certificate>,
    high_qc: Option<QuorumCertificate>,
    final_certificate: Option<QuorumCertificate>,
    /// The current view's proposal.
    candidate: Option<Candidate>,
    lead: Lead,
    own: Own,
    drafts: Drafts,
    peers: Vec<Peer>,
    /// This view was given up, as far as one can (an observer only stops waiting); when to say so again.
    retry_at_us: Option<u64>,
    /// R1's relay to those not heard of is still to come.
    relay_due: bool,
    /// Blocks asked for, and when to ask again.
    requested: BTreeMap<Digest, u64>,
    /// What the replica wants ordered.
    demand: Demand,
    /// Whose message is being handled.
    source: Option<ValidatorIndex>,
    phase: Phase,
    now: Time,
    outputs: Vec<Output>,
}

/// Does the engine run?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Before [`Input::Start`].
    Fresh,
    Running,
    /// The epoch's last height is final: others are told so, nothing else.
    Ended,
    Halted,
}

/// The current view's proposal and how far it got.
#[derive(Clone)]
struct Candidate {
    proposal: Arc<Proposal>,
    stage: Stage,
}

/// How far a proposal got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its parent, or a block below, is not here.
    Arrived,
    /// The replica judges it, or waits for what it refers to.
    Checking,
    /// Valid: to be voted for once its timestamp is no more than `max_drift` ahead.
    Valid,
    /// Voted for, or not to be voted for any more.
    Done,
    /// Provably invalid.
    Invalid,
}

/// The leader's part in the current view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    /// Not leading, or nothing asked for yet.
    Waiting,
    /// The replica was asked for a payload.
    Asked { parent: Digest, parent_view: View, may_be_empty: bool },
    /// Proposed.
    Done,
}

/// One's own last messages, to be sent again on every connection: R9.
#[derive(Clone, Default)]
struct Own {
    proposal: Option<Arc<Proposal>>,
    notarize: Option<Vote>,
    finalize: Option<Vote>,
    timeout: Option<Timeout>,
}

/// Messages that wait for their signature and cannot be made from the statement alone.
#[derive(Clone, Default)]
struct Drafts {
    proposal: Option<Arc<Proposal>>,
    timeout: Option<(View, Option<QuorumCertificate>)>,
}

/// What is known of a peer.
#[derive(Debug, Clone, Copy, Default)]
struct Peer {
    /// The highest view it is known to have reached.
    view: View,
    /// When an old message of it may be answered again.
    answer_at_us: u64,
}

/// Stands for a signature that is not there yet.
const UNSIGNED: Signature = Signature::from_bytes([0; Signature::LENGTH]);

impl Consensus {
    /// An engine that starts at [`Input::Start`]. `me` is `None` for an observer, who follows and signs nothing.
    #[must_use]
    pub fn new(
        context: SigningContext,
        me: Option<ValidatorIndex>,
        config: Config,
        anchor: Anchor,
        recovered: Recovered,
    ) -> Self {
        let set = context.set.clone();
        let signer = me.filter(|_| !recovered.guard_lost); // R9
        let mut tree = Tree::new(recovered.tip.block);
        for block in recovered.blocks {
            tree.insert(block, View::ZERO, true);
        }
        let epoch = set.epoch();
        Consensus {
            safety: Safety::new(context.clone(), signer, recovered.guard),
            tally: Tally::new(set.clone()),
            pacemaker: Pacemaker::new(config.clone(), set.clone()),
            me,
            anchor: anchor.block.digest(),
            last_height: anchor.block.height().saturating_add(config.epoch_length),
            config,
            tree,
            view: View::ZERO,
            entry: None,
            high_qc: None,
            // A certificate of the epoch before belongs to the anchor; it is no certificate of a view of this one.
            final_certificate: recovered.tip.certificate.filter(|certificate| certificate.epoch == epoch),
            candidate: None,
            lead: Lead::Waiting,
            own: Own::default(),
            drafts: Drafts::default(),
            peers: vec![Peer::default(); set.len()],
            retry_at_us: None,
            relay_due: false,
            requested: BTreeMap::new(),
            demand: Demand::default(),
            source: None,
            phase: Phase::Fresh,
            now: Time::default(),
            outputs: Vec::new(),
            context,
        }
    }

    /// R9: signs nothing new until [`Input::Greeted`]. For an engine that starts with its process: its guard may be an old
    /// one, which it cannot know and its peers can show.
    pub fn hold(&mut self) {
        self.safety.suspend();
    }

    /// For a Byzantine validator of a simulation: it goes on signing when a peer shows it what it signed and forgot
    /// (R9). The tidy suite keeps this out of the node.
    pub fn ignore_witnesses(&mut self) {
        self.safety.ignore_witnesses();
    }

    /// Takes an input and says what to do, in order.
    pub fn handle(&mut self, now: Time, input: Input) -> Vec<Output> {
        self.now = Time { monotonic_us: now.monotonic_us.max(self.now.monotonic_us), wall_ms: now.wall_ms };
        match (self.phase, &input) {
            (Phase::Fresh, Input::Start) => self.start(),
            (Phase::Running, _) => self.dispatch(input),
            (Phase::Ended, _) => self.tell_the_end(&input),
            // Nothing is handled before the guard is: bug 6 of SPEC.md section 9.
            (Phase::Fresh | Phase::Halted, _) => {}
        }
        if self.phase == Phase::Running {
            self.run_timers();
            self.pursue_missing();
        }
        let mut outputs = std::mem::take(&mut self.outputs);
        // R8: one Persist covers all that this turn signs.
        self.safety.flush(&mut outputs);
        outputs
    }

    fn dispatch(&mut self, input: Input) {
        match input {
            // A second Start is a mistake of the shell without consequence; timers run after every input.
            Input::Start | Input::Tick => {}
            Input::Connected(peer) => self.handle_connected(peer),
            Input::Greeted => self.handle_greeted(),
            Input::Received { from, message } => self.handle_message(from, message.into_inner()),
            Input::Signed { request, signature } => self.handle_signed(&request, signature),
            Input::Checked { block, view, verdict } => self.handle_checked(block, view, verdict),
            Input::Built { view, payload, sidecar, checkpoint, next_set, moves } => {
                self.handle_built(view, proposing::Contents { payload, sidecar, checkpoint, next_set, moves });
            }
            Input::Demand(demand) => {
                self.demand = demand;
                self.weigh_demand();
                self.lead();
            }
            Input::Fetched { block } => self.handle_fetched(block),
            Input::Advanced { block, certificate } => self.handle_advanced(block, certificate),
        }
    }

    fn handle_message(&mut self, from: ValidatorIndex, message: Message) {
        if self.peers.get(from.index()).is_none() || Some(from) == self.me {
            return;
        }
        self.source = Some(from);
        self.pacemaker.heard(from);
        self.note_progress(from, &message);
        self.answer_if_old(from, &message);
        match message {
            Message::Proposal(proposal) => self.handle_proposal(from, &proposal),
            Message::Notarize(vote) => self.handle_notarize(&vote),
            Message::Finalize(vote) => self.handle_finalize(&vote),
            Message::Timeout(timeout) => self.handle_timeout(&timeout),
            Message::Certificate(certificate) => self.learn(certificate),
        }
        self.source = None;
    }

    /// A signature arrived, so what covers it is on disk: the message goes out, and to one's own tally.
    fn handle_signed(&mut self, request: &SignRequest, signature: Signature) {
        let Some(signer) = self.me.filter(|_| self.safety.signs()) else { return };
        // An answer to the engine of the epoch before: its signature means nothing in this one.
        if request.message() != request.statement().preimage(&self.context) {
            return;
        }
        let epoch = self.context.set.epoch();
        match request.statement() {
            Statement::Proposal { view, block, .. } => self.send_proposal(view, block, signature),
            Statement::Notarize { view, block } => {
                let vote = Vote { epoch, view, block, signer, signature };
                self.own.notarize = Some(vote);
                self.send(Recipients::All, Message::Notarize(vote));
                self.handle_notarize(&vote);
            }
            Statement::Finalize { view, block } => {
                let vote = Vote { epoch, view, block, signer, signature };
                self.own.finalize = Some(vote);
                self.send(Recipients::All, Message::Finalize(vote));
                self.handle_finalize(&vote);
            }
            Statement::Timeout { view, high_view } => {
                // A view left meanwhile needs no Timeout: whoever is still in it gets the certificate that ended it.
                let Some((_, high_qc)) = self.drafts.timeout.take_if(|(drafted, _)| *drafted == view) else { return };
                let timeout = Timeout { epoch, view, high_view, signer, signature, high_qc };
                self.own.timeout = Some(timeout.clone());
                self.send(Recipients::All, Message::Timeout(timeout.clone()));
                self.handle_timeout(&timeout);
            }
        }
    }

    /// The block that the next proposal extends, and the view of its certificate.
    fn high_block(&self) -> (Digest, View) {
        self.high_qc.as_ref().map_or((self.anchor, View::ZERO), |certificate| (certificate.block, certificate.view))
    }

    fn high_view(&self) -> View {
        self.high_block().1
    }

    fn leader(&self) -> ValidatorIndex {
        self.context.set.leader(self.view)
    }

    fn is_leader(&self) -> bool {
        self.me == Some(self.leader()) && self.safety.signs()
    }

    fn send(&mut self, to: Recipients, message: Message) {
        if self.context.set.len() > 1 {
            self.outputs.push(Output::Send { to, message });
        }
    }

    /// When [`Input::Tick`] is due, in microseconds of the monotonic clock.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        (self.phase == Phase::Running).then(|| self.next_timer()).flatten()
    }

    /// The current view; 0 before the start.
    #[must_use]
    pub fn view(&self) -> View {
        self.view
    }

    /// The last final block known here.
    #[must_use]
    pub fn final_block(&self) -> &crate::Block {
        self.tree.root()
    }

    /// The highest FC of this epoch known here.
    #[must_use]
    pub fn final_certificate(&self) -> Option<&QuorumCertificate> {
        self.final_certificate.as_ref()
    }

    /// An unfinalized or the last final block, for serving peers who lack it.
    #[must_use]
    pub fn block(&self, digest: &Digest) -> Option<&crate::Block> {
        self.tree.get(digest)
    }

    /// A picture for operators.
    #[must_use]
    pub fn status(&self) -> Status {
        let (notarized, timed_out) = (self.tally.notarizers(self.view), self.tally.surrendered(self.view));
        let voted = |index: &ValidatorIndex| notarized.contains(index) || timed_out.contains(index);
        let missing = self.context.set.indices().filter(|index| !voted(index)).collect();
        Status {
            epoch: self.context.set.epoch(),
            view: self.view,
            leader: self.leader(),
            step: self.step(),
            notarized,
            timed_out,
            missing,
            high_view: self.high_view(),
            final_height: self.tree.root().height(),
            final_view: self.final_certificate.as_ref().map_or(View::ZERO, |certificate| certificate.view),
            timeout_ms: self.pacemaker.timeout_us().checked_div(1_000).unwrap_or(0),
            timeouts_in_a_row: self.pacemaker.most_timeouts_in_a_row(),
            skipped: self.pacemaker.skipped(),
            signs: self.safety.signs(),
        }
    }

    fn step(&self) -> Step {
        match (self.phase, self.candidate.as_ref().map(|candidate| candidate.stage)) {
            (Phase::Halted, _) => Step::Halted,
            (Phase::Ended, _) => Step::EpochEnd,
            (Phase::Fresh | Phase::Running, _) if self.retry_at_us.is_some() => Step::Timeouts,
            (Phase::Fresh | Phase::Running, Some(Stage::Arrived | Stage::Checking | Stage::Valid)) => Step::Data,
            (Phase::Fresh | Phase::Running, Some(Stage::Done | Stage::Invalid)) => Step::Quorum,
            (Phase::Fresh | Phase::Running, None) if self.pacemaker.wanted() => Step::Proposal,
            (Phase::Fresh | Phase::Running, None) => Step::Idle,
        }
    }
}
