//! The safety rules: the one place that decides on a consensus signature. Check, then Persist, then Sign.
//!
//! Every other module may be wrong without harm to safety: what this one refuses is never signed. It reads nothing but
//! the guard record, which only grows.
//!
//! Must not know: timers, queues, peers, whether a vote is useful, whether a proposal is valid (its caller says).

use tonle_crypto::Writer;

use crate::engine::{imprint_certificate, imprint_quorum};
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
#[derive(Clone)]
pub(crate) struct Safety {
    context: SigningContext,
    /// Who signs; `None` for an observer, or with the guard lost (R9): nothing is signed.
    signer: Option<ValidatorIndex>,
    record: GuardRecord,
    changed: bool,
    blocks: Vec<Block>,
    requests: Vec<SignRequest>,
    /// R9: nothing new is signed yet. See [`crate::Consensus::hold`].
    suspended: bool,
    /// See [`crate::Consensus::ignore_witnesses`].
    heeds_witnesses: bool,
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
            suspended: false,
            heeds_witnesses: true,
        }
    }

    /// See [`crate::Consensus::ignore_witnesses`].
    pub(crate) fn ignore_witnesses(&mut self) {
        self.heeds_witnesses = false;
    }

    /// R9: nothing new is signed until the release.
    pub(crate) fn suspend(&mut self) {
        self.suspended = true;
    }
    pub(crate) fn release(&mut self) {
        self.suspended = false;
    }
    pub(crate) fn is_suspended(&self) -> bool {
        self.suspended
    }
    /// May something new be signed now?
    fn decides(&self) -> bool {
        self.signs() && !self.suspended
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
        if !allowed || !self.decides() {
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
        if !allowed || !self.decides() {
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
        if !allowed || !self.decides() {
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
        if !allowed || !self.decides() {
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
        let lost = unknown && self.heeds_witnesses && self.signer.take().is_some();
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

    /// The record, and whether anything may be signed, into an engine's fingerprint.
    pub(crate) fn imprint(&self, writer: &mut Writer) {
        let record = &self.record;
        writer.bool(self.signs()).bool(self.suspended).option(record.last_proposal.as_ref());
        writer.option(record.last_notarize.as_ref()).option(record.last_finalize.as_ref());
        writer.option(record.last_timeout.as_ref());
        imprint_quorum(writer, record.high_qc.as_ref());
        imprint_certificate(writer, record.entry.as_ref());
    }
}

/// Is `view` above the last one, if there is one?
fn above(view: View, last: Option<View>) -> bool {
    last.is_none_or(|last| view > last)
}

#[cfg(test)]
mod tests {
    use tonle_crypto::{Digest, SecretKey};

    use super::*;
    use crate::{
        Bitmap, Checkpoint, Epoch, Header, HeaderFields, Height, QuorumKind, Timestamp, Validator, ValidatorSet,
        payload_digest,
    };

    /// The rules on their own: no other module stands between a mistake and a signature.
    fn safety() -> Safety {
        let validator = Validator {
            name: "bank".to_owned(),
            key: SecretKey::from_seed(&[1; 32]).public(),
            network_key: SecretKey::from_seed(&[2; 32]).public(),
        };
        let set = ValidatorSet::new(Epoch::ZERO, vec![validator]).unwrap();
        let context = SigningContext { genesis: Digest::ZERO, set };
        Safety::new(context, Some(ValidatorIndex::new(0)), None)
    }

    fn block(number: u8) -> Block {
        let header = Header::new(HeaderFields {
            parent: Digest::from_bytes([number; 32]),
            height: Height::new(1),
            timestamp: Timestamp::new(1),
            protocol_version: 1,
            payload: payload_digest(&[]),
            checkpoint: Checkpoint { height: Height::ZERO, state_root: Digest::ZERO, results_root: Digest::ZERO },
            next_set: None,
        });
        Block::new(header, Vec::new()).unwrap()
    }

    fn qc(view: u64) -> QuorumCertificate {
        QuorumCertificate {
            kind: QuorumKind::Notarized,
            epoch: Epoch::ZERO,
            view: View::new(view),
            block: block(1).digest(),
            signers: Bitmap::new(1),
            signatures: Vec::new(),
        }
    }

    fn at(view: u64, high_qc: &Option<QuorumCertificate>) -> Grounds<'_> {
        Grounds::new(View::new(view), high_qc, &None)
    }

    #[test]
    fn notarizes_rising_current_views_that_were_not_given_up() {
        let mut safety = safety();
        let mut notarize = |current, view| safety.notarize(at(current, &None), View::new(view), &block(1), Vec::new());
        assert!(notarize(5, 5));
        assert!(!notarize(5, 5), "twice");
        assert!(!notarize(5, 6), "not current");
        assert!(!notarize(4, 4), "lower");
        assert!(safety.timeout(at(7, &None)));
        let mut notarize = |view| safety.notarize(at(view, &None), View::new(view), &block(1), Vec::new());
        assert!(!notarize(6) && !notarize(7), "given up");
        assert!(notarize(8));
    }

    #[test]
    fn finalizes_rising_views_above_every_view_given_up() {
        let mut safety = safety();
        assert!(safety.finalize(at(5, &None), &qc(4)));
        assert!(!safety.finalize(at(5, &None), &qc(4)), "twice");
        assert!(!safety.finalize(at(5, &None), &qc(3)), "lower");
        assert!(safety.timeout(at(9, &Some(qc(4)))));
        assert!(!safety.finalize(at(9, &None), &qc(9)), "given up");
        assert!(!safety.finalize(at(9, &None), &qc(6)), "below a view given up");
        assert!(safety.finalize(at(11, &None), &qc(10)));
    }

    #[test]
    fn gives_up_once_above_what_it_finalized_and_never_forgets_its_certificate() {
        let mut safety = safety();
        assert!(safety.finalize(at(5, &None), &qc(5)));
        assert!(!safety.timeout(at(5, &Some(qc(4)))), "finalized");
        assert!(!safety.timeout(at(6, &Some(qc(4)))), "knows less than it finalized");
        assert!(!safety.timeout(at(6, &None)), "knows less than it finalized");
        assert!(!safety.timeout(at(6, &Some(qc(6)))), "holds the view's own certificate");
        assert!(safety.timeout(at(6, &Some(qc(5)))));
        assert!(!safety.timeout(at(6, &Some(qc(5)))), "twice");
        assert!(!safety.timeout(at(5, &None)), "lower");
    }

    #[test]
    fn proposes_once_on_its_highest_certificate_and_not_after_giving_up() {
        let mut safety = safety();
        let mut propose =
            |view, parent, high: Option<u64>| safety.propose(at(view, &high.map(qc)), View::new(parent), &block(1));
        assert!(!propose(5, 3, Some(4)), "not the highest");
        assert!(propose(5, 4, Some(4)));
        assert!(!propose(5, 4, Some(4)), "twice");
        assert!(!propose(4, 3, Some(3)), "lower");
        assert!(safety.timeout(at(6, &Some(qc(4)))));
        assert!(!safety.propose(at(6, &Some(qc(4))), View::new(4), &block(1)), "given up");
    }

    #[test]
    fn every_decision_is_persisted_before_it_is_signed_and_only_grows() {
        let mut safety = safety();
        let mut last = safety.record().clone();
        for view in 1..20u64 {
            let high = (view > 1).then(|| qc(view - 1));
            if let Some(certificate) = &high {
                safety.finalize(at(view, &high), certificate);
            }
            safety.notarize(at(view, &high), View::new(view), &block(1), vec![block(1)]);
            let mut outputs = Vec::new();
            safety.flush(&mut outputs);
            assert!(matches!(outputs.first(), Some(Output::Persist { .. })));
            assert!(outputs.iter().skip(1).all(|output| matches!(output, Output::Sign(_))));
            assert!(safety.record().continues(&last));
            last = safety.record().clone();
        }
        assert_eq!(last.high_qc.map(|certificate| certificate.view), Some(View::new(18)));
    }
}
