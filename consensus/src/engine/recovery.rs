//! Start, connections and catch-up: R9.

use super::{Consensus, Lead, Phase};
use crate::safety::Grounds;
use crate::{Block, Certificate, Message, Output, QuorumCertificate, QuorumKind, Recipients, ValidatorIndex, View};

impl Consensus {
    /// R9: the current view is the one that the guard's certificates open, or 1; one's own last votes are signed again
    /// and fed to one's own tally; what the database certifies is learnt.
    pub(super) fn start(&mut self) {
        self.phase = Phase::Running;
        let record = self.safety.record().clone();
        self.high_qc.clone_from(&record.high_qc);
        // Finalize(v) is signed on QC(v), before view v + 1 is entered: then that certificate is the entry (R1).
        let high = record.high_qc.map(Certificate::Quorum);
        self.entry = record.entry.into_iter().chain(high).max_by_key(Certificate::view);
        self.view = self.entry.as_ref().map_or(View::ZERO, Certificate::view).saturating_add(1);
        if let Some(certificate) = &self.high_qc {
            self.tree.certify(&certificate.block);
        }
        self.relay_due = true;
        self.tally.enter(self.view);
        self.pacemaker.start(self.now.monotonic_us, self.view);
        let next_leader = self.context.set.leader(self.view.saturating_add(1));
        self.outputs.push(Output::Entered { view: self.view, leader: self.leader(), next_leader });
        self.safety.sign_again();
        if let Some(surrender) = record.last_timeout {
            self.resume_timeout(surrender.view);
        }
        self.propose_again();
        if let Some(certificate) = self.final_certificate.take() {
            self.learn_quorum(certificate);
        }
        self.end_epoch();
        self.lead();
    }

    /// The proposal that the guard holds for the current view is sent again, identically: its parent is the block of
    /// the highest certificate, which cannot have changed in this view.
    fn propose_again(&mut self) {
        let Some(choice) = self.safety.record().last_proposal else { return };
        if choice.view != self.view || !self.is_leader() {
            return;
        }
        let (parent, parent_view) = self.high_block();
        let Some(block) = self.tree.get(&choice.block).cloned() else { return };
        let extends = block.header().parent() == parent || block.digest() == parent;
        if extends && self.retry_at_us.is_none() && self.safety.propose_again(self.view, parent_view, &block) {
            self.lead = Lead::Done;
            self.draft(block, parent_view, std::sync::Arc::from([]));
        }
    }

    /// R9: on every connection, new or renewed, one's last votes, entry, highest QC and highest FC.
    pub(super) fn handle_connected(&mut self, peer: ValidatorIndex) {
        let mut messages: Vec<Message> = Vec::new();
        let quorum = [&self.high_qc, &self.final_certificate].into_iter().flatten().cloned().map(Certificate::Quorum);
        let mut certificates: Vec<Certificate> = self.entry.iter().cloned().chain(quorum).collect();
        certificates.dedup();
        messages.extend(certificates.into_iter().map(Message::Certificate));
        let proposal = self.own.proposal.iter().filter(|proposal| proposal.view == self.view);
        messages.extend(proposal.cloned().map(Message::Proposal));
        messages.extend(self.own.notarize.map(Message::Notarize));
        messages.extend(self.own.finalize.map(Message::Finalize));
        messages.extend(self.own.timeout.clone().map(Message::Timeout));
        // What one holds of the peer's own signatures: it may have come back with an old guard.
        let led = self.candidate.iter().filter(|_| self.leader() == peer);
        messages.extend(led.map(|candidate| Message::Proposal(candidate.proposal.clone())));
        messages.extend(self.tally.votes_of(peer));
        for message in messages {
            self.send(Recipients::One(peer), message);
        }
    }

    /// R9: what waited for the greeting goes on. A view that was given up meanwhile is given up for good.
    pub(super) fn handle_greeted(&mut self) {
        self.safety.release();
        let grounds = Grounds::new(self.view, &self.high_qc, &self.entry);
        if let Some(certificate) = self.high_qc.as_ref().filter(|known| known.kind == QuorumKind::Notarized) {
            self.safety.finalize(grounds, certificate);
        }
        if self.retry_at_us.is_some() && self.safety.timeout(grounds) {
            self.drafts.timeout = Some((self.view, self.high_qc.clone()));
        }
        self.resume();
    }

    /// A block that was asked for: its digest proves it.
    pub(super) fn handle_fetched(&mut self, block: Block) {
        if self.requested.remove(&block.digest()).is_none() {
            return;
        }
        // Certified, for it was wanted: such blocks are not dropped before they are final.
        let digest = block.digest();
        self.tree.insert(block, View::ZERO, false);
        self.tree.certify(&digest);
        self.commit();
        self.weigh_demand();
        self.resume();
    }

    /// Catch-up took the database further than this engine knew.
    pub(super) fn handle_advanced(&mut self, block: Block, certificate: QuorumCertificate) {
        if block.height() > self.tree.root().height() {
            self.tree.advance(block);
        }
        self.learn_quorum(certificate);
        self.commit();
        self.end_epoch();
        self.weigh_demand();
        self.resume();
    }

    /// What waited for a block may go on.
    fn resume(&mut self) {
        if self.phase == Phase::Running {
            self.consider_candidate();
            self.lead();
        }
    }
}
