//! Proposals and votes: R4, R5, and what a quorum of votes leads to.

use std::sync::Arc;

use tonle_crypto::Digest;

use super::{Candidate, Consensus, Stage};
use crate::safety::Grounds;
use crate::{
    Block, Certificate, Evidence, Header, Output, Proposal, Signed, Statement, Timeout, ValidatorIndex, Verdict, View,
    Vote,
};

impl Consensus {
    /// A proposal, maybe of a later view: it carries the certificates that let one into its view.
    pub(super) fn handle_proposal(&mut self, from: ValidatorIndex, proposal: &Arc<Proposal>) {
        if let Some(certificate) = &proposal.parent_qc {
            self.learn_quorum(certificate.clone());
        }
        if let Some(certificate) = &proposal.timeout {
            self.learn(Certificate::Timeout(certificate.clone()));
        }
        if Some(self.context.set.leader(proposal.view)) == self.me {
            self.witness(&proposal.statement());
        }
        // Only the leader itself is believed to have chosen what is attached beside the signature.
        if proposal.view != self.view || from != self.leader() || Some(from) == self.me {
            return;
        }
        if let Some(candidate) = &self.candidate {
            let first = candidate.proposal.clone();
            self.compare_proposals(from, &first, proposal);
            return;
        }
        self.tree.insert(proposal.block.clone(), proposal.view, false);
        self.pacemaker.proposal_seen(self.now.monotonic_us);
        self.candidate = Some(Candidate { proposal: proposal.clone(), stage: Stage::Arrived });
        self.commit(); // The block may be one that was missing below the highest FC.
        self.consider_candidate();
    }

    fn compare_proposals(&mut self, signer: ValidatorIndex, first: &Proposal, second: &Proposal) {
        let signed = |proposal: &Proposal| Signed { statement: proposal.statement(), signature: proposal.signature };
        let (first, second) = (signed(first), signed(second));
        if crate::contradict(&first.statement, &second.statement) {
            let epoch = self.context.set.epoch();
            self.outputs.push(Output::Evidence(Evidence { epoch, signer, first, second }));
        }
    }

    /// Takes the current proposal as far as it goes.
    pub(super) fn consider_candidate(&mut self) {
        let Some(candidate) = &self.candidate else { return };
        let (proposal, stage) = (candidate.proposal.clone(), candidate.stage);
        match stage {
            Stage::Arrived => self.judge(&proposal),
            Stage::Valid => self.notarize(&proposal),
            Stage::Checking | Stage::Done | Stage::Invalid => {}
        }
    }

    /// R4, as far as consensus can tell; the payload is the replica's to judge.
    fn judge(&mut self, proposal: &Arc<Proposal>) {
        if !self.is_justified(proposal) {
            self.reject();
            return;
        }
        let block = &proposal.block;
        let Some(parent) = self.tree.get(&block.header().parent()).cloned() else { return };
        if !self.follows(block.header(), parent.header()) {
            self.reject();
            return;
        }
        // R5 wants every unfinalized ancestor here: what is missing is fetched, and this is called again.
        if self.tree.path(&block.digest()).is_err() {
            return;
        }
        self.advance_candidate(Stage::Checking);
        self.outputs.push(Output::Check { proposal: proposal.clone(), parent });
    }

    /// R4: are the attached certificates the ones that allow this block in this view? (The leader, and that the
    /// parent's certificate is of the parent view, were checked with the signatures.)
    fn is_justified(&self, proposal: &Proposal) -> bool {
        let (view, parent_view) = (proposal.view, proposal.parent_view);
        let direct = view.previous() == Some(parent_view);
        let after_timeout = proposal.timeout.as_ref().is_some_and(|certificate| {
            Some(certificate.view) == view.previous() && parent_view >= certificate.high_view()
        });
        let certified = proposal.parent_qc.as_ref().map_or(self.anchor, |certificate| certificate.block);
        let (header, digest) = (proposal.block.header(), proposal.block.digest());
        let extends = header.parent() == certified && header.height() <= self.last_height;
        let again = digest == certified && header.height() == self.last_height;
        parent_view < view && (direct || after_timeout) && (extends || again)
    }

    /// R4: what a header must be, given its parent's.
    fn follows(&self, header: &Header, parent: &Header) -> bool {
        parent.height().next() == Some(header.height())
            && header.timestamp() > parent.timestamp()
            && header.protocol_version() == self.config.protocol_version
            && header.next_set().is_some() == (header.height() == self.last_height)
            && header.checkpoint().height >= parent.checkpoint().height
            && header.checkpoint().height < header.height()
    }

    /// R6: a provably invalid proposal ends the wait for its view.
    fn reject(&mut self) {
        self.advance_candidate(Stage::Invalid);
        self.give_up();
    }

    fn advance_candidate(&mut self, stage: Stage) {
        if let Some(candidate) = &mut self.candidate {
            candidate.stage = stage;
        }
    }

    pub(super) fn handle_checked(&mut self, block: Digest, view: View, verdict: Verdict) {
        let Some(candidate) = &self.candidate else { return };
        let current = candidate.proposal.view == view && candidate.proposal.block.digest() == block;
        if !current || candidate.stage != Stage::Checking {
            return;
        }
        match verdict {
            Verdict::Valid => {
                self.advance_candidate(Stage::Valid);
                self.consider_candidate();
            }
            Verdict::Invalid => self.reject(),
        }
    }

    /// R4: a timestamp too far ahead of one's clock means wait. When it will do, in monotonic time.
    pub(super) fn drift_over_at_us(&self) -> Option<u64> {
        let ready = |candidate: &&Candidate| candidate.stage == Stage::Valid && !self.safety.is_suspended();
        let candidate = self.candidate.as_ref().filter(ready)?;
        let timestamp = candidate.proposal.block.header().timestamp().get();
        let ahead_ms = timestamp.saturating_sub(self.now.wall_ms.saturating_add(self.config.max_drift_ms));
        Some(self.now.monotonic_us.saturating_add(ahead_ms.saturating_mul(1_000)))
    }

    /// R5.
    fn notarize(&mut self, proposal: &Proposal) {
        if self.drift_over_at_us().is_none_or(|at| at > self.now.monotonic_us) {
            return;
        }
        self.advance_candidate(Stage::Done);
        let Ok(path) = self.tree.path(&proposal.block.digest()) else { return };
        let undurable = self.undurable(&path);
        let grounds = Grounds::new(self.view, &self.high_qc, &self.entry);
        if self.safety.notarize(grounds, proposal.view, &proposal.block, undurable) {
            self.tree.make_durable(&path);
        }
    }

    fn undurable(&self, path: &[Block]) -> Vec<Block> {
        path.iter().filter(|block| !self.tree.is_durable(&block.digest())).cloned().collect()
    }

    pub(super) fn handle_notarize(&mut self, vote: &Vote) {
        self.witness_vote(vote.signer, &vote.notarize());
        let counted = self.tally.notarize(vote);
        self.accuse(counted.evidence);
        if let Some(certificate) = counted.certificate {
            self.learn_quorum(certificate);
        }
    }

    pub(super) fn handle_finalize(&mut self, vote: &Vote) {
        self.witness_vote(vote.signer, &vote.finalize());
        let counted = self.tally.finalize(vote);
        self.accuse(counted.evidence);
        if let Some(certificate) = counted.certificate {
            self.learn_quorum(certificate);
        }
    }

    pub(super) fn handle_timeout(&mut self, timeout: &Timeout) {
        self.witness_vote(timeout.signer, &timeout.statement());
        if let Some(certificate) = &timeout.high_qc {
            self.learn_quorum(certificate.clone());
        }
        let counted = self.tally.timeout(timeout);
        self.accuse(counted.evidence);
        match counted.certificate {
            Some(certificate) => self.learn(Certificate::Timeout(certificate)),
            None => self.consider_timeouts(),
        }
    }

    /// R6: f+1 Timeouts for the view, or its leader's own, are reason enough to give up as well.
    pub(super) fn consider_timeouts(&mut self) {
        let many = self.tally.surrenders(self.view) > self.context.set.faults();
        let leader = self.leader();
        let own = Some(leader) != self.me && self.tally.has_surrendered(self.view, leader);
        if many || own {
            self.give_up();
        }
    }

    fn witness_vote(&mut self, signer: ValidatorIndex, statement: &Statement) {
        if Some(signer) == self.me {
            self.witness(statement);
        }
    }

    fn accuse(&mut self, evidence: Option<Evidence>) {
        self.outputs.extend(evidence.map(Output::Evidence));
    }
}
