//! The safety rules: the one place that decides on a consensus signature. Check, then Persist, then Sign.
//!
//! Every other module may be wrong without harm to safety: what this one refuses is never signed. It reads nothing but
//! the guard record, which only grows.
//!
//! Must not know: timers, queues, peers, whether a vote is useful, whether a proposal is valid (its caller says).

use crate::{
    Block, Certificate, Choice, GuardRecord, Output, QuorumCertificate, SigningContext, Statement, Surrender,
    ValidatorIndex, View,
};

/// An order to sign, which only this module makes, and only once the guard record that covers it goes out before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequest {
    statement: Statement,
    message: Vec<u8>,
}

impl SignRequest {
    /// What is signed.
    #[must_use]
    pub fn statement(&self) -> Statement {
        self.statement
    }
    /// The bytes to sign, as `preimage` draws them.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }
}

/// What one holds when signing; it goes into the guard record, so that a restart goes on from there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grounds<'a> {
    /// The current view.
    pub(crate) view: View,
    /// The highest quorum certificate.
    pub(crate) high_qc: Option<&'a QuorumCertificate>,
    /// The certificate that opened the current view.
    pub(crate) entry: Option<&'a Certificate>,
}

impl<'a> Grounds<'a> {
    pub(crate) fn new(view: View, high_qc: &'a Option<QuorumCertificate>, entry: &'a Option<Certificate>) -> Self {
        Grounds { view, high_qc: high_qc.as_ref(), entry: entry.as_ref() }
    }
}

/// The guard record and the decisions it allows.
pub(crate) struct Safety {
    context: SigningContext,
    /// Who signs; `None` for an observer, or with the guard lost (R9): nothing is signed.
    signer: Option<ValidatorIndex>,
    record: GuardRecord,
    changed: bool,
    blocks: Vec<Block>,
    requests: Vec<SignRequest>,
}

impl Safety {
    pub(crate) fn new(context: SigningContext, signer: Option<ValidatorIndex>, guard: Option<GuardRecord>) -> Self {
        let epoch = context.set.epoch();
        // A guard of a later epoch says that the database was rolled back: this epoch is over, sign nothing in it.
        let ahead = guard.as_ref().is_some_and(|record| record.epoch > epoch);
        let record = guard.filter(|record| record.epoch == epoch).unwrap_or_else(|| GuardRecord::empty(epoch));
        Safety {
            context,
            signer: signer.filter(|_| !ahead),
            record,
            changed: false,
            blocks: Vec::new(),
            requests: Vec::new(),
        }
    }

    pub(crate) fn record(&self) -> &GuardRecord {
        &self.record
    }

    pub(crate) fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// R3: the leader of a view proposes once, and not after giving up on it.
    pub(crate) fn propose(&mut self, grounds: Grounds<'_>, parent_view: View, block: &Block) -> bool {
        let view = grounds.view;
        let high_view = grounds.high_qc.map_or(View::ZERO, |certificate| certificate.view);
        let allowed = above(view, self.record.last_proposal.map(|last| last.view))
            && self.not_given_up(view)
            && parent_view == high_view
            && parent_view < view;
        if !allowed || !self.signs() {
            return false;
        }
        self.record.last_proposal = Some(Choice { view, block: block.digest() });
        self.blocks.push(block.clone());
        self.decide(grounds, Statement::Proposal { view, parent_view, block: block.digest() });
        true
    }

    /// R5: Notarize(v, d) iff v is current, v > last_notarize and v > last_timeout. The caller vouches that the
    /// proposal is valid and its data durable; `undurable` (the block and ancestors) goes to disk with the record.
    pub(crate) fn notarize(&mut self, grounds: Grounds<'_>, view: View, block: &Block, undurable: Vec<Block>) -> bool {
        let allowed = view == grounds.view
            && above(view, self.record.last_notarize.map(|last| last.view))
            && self.not_given_up(view);
        if !allowed || !self.signs() {
            return false;
        }
        self.record.last_notarize = Some(Choice { view, block: block.digest() });
        self.blocks.extend(undurable);
        self.decide(grounds, Statement::Notarize { view, block: block.digest() });
        true
    }

    /// R2: Finalize(v, d) iff one holds QC(v, d), v > last_finalize and v > last_timeout over all views.
    pub(crate) fn finalize(&mut self, grounds: Grounds<'_>, certificate: &QuorumCertificate) -> bool {
        let (view, block) = (certificate.view, certificate.block);
        let allowed = above(view, self.record.last_finalize.map(|last| last.view)) && self.not_given_up(view);
        if !allowed || !self.signs() {
            return false;
        }
        self.record.last_finalize = Some(Choice { view, block });
        // Having finalized v, every later Timeout must name QC(v) or higher: hold on to it.
        self.hold(certificate);
        self.decide(grounds, Statement::Finalize { view, block });
        true
    }

    /// R6: Timeout(v) iff v is current and v > last_finalize. A second one for v would be identical, and is not
    /// decided again.
    pub(crate) fn timeout(&mut self, grounds: Grounds<'_>) -> bool {
        let view = grounds.view;
        let high_view = grounds.high_qc.map_or(View::ZERO, |certificate| certificate.view);
        let finalized = self.record.last_finalize.map(|last| last.view);
        let allowed = above(view, finalized)
            && self.not_given_up(view)
            && high_view < view
            && finalized.is_none_or(|finalized| high_view >= finalized);
        if !allowed || !self.signs() {
            return false;
        }
        self.record.last_timeout = Some(Surrender { view, high_view });
        self.decide(grounds, Statement::Timeout { view, high_view });
        true
    }

    /// R9: what was signed last, to be signed again, identically, after a restart. Nothing new is decided, so nothing
    /// is persisted.
    pub(crate) fn sign_again(&mut self) {
        let votes = [
            self.record.last_notarize.map(|last| Statement::Notarize { view: last.view, block: last.block }),
            self.record.last_finalize.map(|last| Statement::Finalize { view: last.view, block: last.block }),
            self.record.last_timeout.map(|last| Statement::Timeout { view: last.view, high_view: last.high_view }),
        ];
        votes.into_iter().flatten().for_each(|statement| self.request(statement));
    }

    /// R9: the proposal that the record holds for this view, to be signed again.
    pub(crate) fn propose_again(&mut self, view: View, parent_view: View, block: &Block) -> bool {
        let same = self.record.last_proposal == Some(Choice { view, block: block.digest() });
        if !same || !self.signs() || !self.not_given_up(view) {
            return false;
        }
        self.request(Statement::Proposal { view, parent_view, block: block.digest() });
        true
    }

    /// R9: a peer shows an own signature. When it is above the record, the record was rolled back: from here on
    /// nothing is signed. True the one time this is found out.
    pub(crate) fn witness(&mut self, statement: &Statement) -> bool {
        let record = &self.record;
        let choice = |last: Option<Choice>, view: View, block| {
            last.is_none_or(|last| view > last.view || (view == last.view && last.block != block))
        };
        let unknown = match *statement {
            Statement::Proposal { view, block, .. } => choice(record.last_proposal, view, block),
            Statement::Notarize { view, block } => choice(record.last_notarize, view, block),
            Statement::Finalize { view, block } => choice(record.last_finalize, view, block),
            Statement::Timeout { view, high_view } => record
                .last_timeout
                .is_none_or(|last| view > last.view || (view == last.view && last.high_view != high_view)),
        };
        let lost = unknown && self.signer.take().is_some();
        if lost {
            self.requests.clear();
        }
        lost
    }

    /// R8: the record and blocks to make durable, then what they cover, to be signed.
    pub(crate) fn flush(&mut self, outputs: &mut Vec<Output>) {
        if std::mem::take(&mut self.changed) {
            let blocks = std::mem::take(&mut self.blocks);
            outputs.push(Output::Persist { record: self.record.clone(), blocks });
        }
        outputs.extend(self.requests.drain(..).map(Output::Sign));
    }

    fn not_given_up(&self, view: View) -> bool {
        above(view, self.record.last_timeout.map(|last| last.view))
    }

    fn hold(&mut self, certificate: &QuorumCertificate) {
        if above(certificate.view, self.record.high_qc.as_ref().map(|held| held.view)) {
            self.record.high_qc = Some(certificate.clone());
        }
    }

    fn decide(&mut self, grounds: Grounds<'_>, statement: Statement) {
        if let Some(certificate) = grounds.high_qc {
            self.hold(certificate);
        }
        if let Some(entry) = grounds.entry
            && above(entry.view(), self.record.entry.as_ref().map(Certificate::view))
        {
            self.record.entry = Some(entry.clone());
        }
        self.changed = true;
        self.request(statement);
    }

    fn request(&mut self, statement: Statement) {
        if self.signs() {
            self.requests.push(SignRequest { statement, message: statement.preimage(&self.context) });
        }
    }
}

/// Is `view` above the last one, if there is one?
fn above(view: View, last: Option<View>) -> bool {
    last.is_none_or(|last| view > last)
}
