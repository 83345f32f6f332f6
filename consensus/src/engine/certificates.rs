//! What follows from a certificate: enter the next view (R1), finalize (R2), commit (R7).

use super::{Consensus, Lead, Phase};
use crate::pacemaker::Ended;
use crate::safety::Grounds;
use crate::tree::NoPath;
use crate::{
    Certificate, HaltReason, Message, Output, QuorumCertificate, QuorumKind, Recipients, Statement, TimeoutCertificate,
    View,
};

impl Consensus {
    /// A certificate that is known to hold: received and verified, or assembled from verified votes.
    pub(super) fn learn(&mut self, certificate: Certificate) {
        match certificate {
            Certificate::Quorum(certificate) => self.learn_quorum(certificate),
            Certificate::Timeout(certificate) => self.learn_timeout(certificate),
        }
    }

    pub(super) fn learn_quorum(&mut self, certificate: QuorumCertificate) {
        let is_final = certificate.kind == QuorumKind::Finalized;
        let known_final = self.final_certificate.as_ref().map_or(View::ZERO, |known| known.view);
        let higher = certificate.view > self.high_view();
        let finalizes = is_final && certificate.view > known_final;
        if !higher && !finalizes && certificate.view < self.view {
            return;
        }
        if certificate.view >= self.view {
            certificate.signers.iter().for_each(|signer| self.pacemaker.heard(signer));
        }
        if let Some(me) = self.me
            && certificate.signers.contains(me)
        {
            self.witness(&certificate.statement());
        }
        if higher {
            self.high_qc = Some(certificate.clone());
            if self.tree.certify(&certificate.block)
                && let Some(block) = self.tree.get(&certificate.block)
            {
                self.outputs.push(Output::Notarized { block: block.clone() });
            }
            // R2: as soon as the QC is learnt, and before the next view is entered, whose leader may be skipped.
            let grounds = Grounds::new(self.view, &self.high_qc, &self.entry);
            self.safety.finalize(grounds, &certificate);
        }
        if higher {
            self.weigh_demand();
        }
        if finalizes {
            self.tally.finalized(certificate.view);
            self.final_certificate = Some(certificate.clone());
            self.commit();
        }
        if certificate.view >= self.view {
            self.enter(Certificate::Quorum(certificate), Ended::Quorum);
        } else if higher {
            self.lead(); // R3: the highest QC has changed under the leader.
        }
    }

    fn learn_timeout(&mut self, certificate: TimeoutCertificate) {
        if let Some(high_qc) = &certificate.high_qc {
            self.learn_quorum(high_qc.clone());
        }
        if certificate.view < self.view {
            return;
        }
        let leader = self.context.set.leader(certificate.view);
        let mut leader_signed = false;
        for vote in &certificate.votes {
            self.pacemaker.heard(vote.signer);
            leader_signed |= vote.signer == leader;
            if self.me == Some(vote.signer) {
                self.witness(&Statement::Timeout { view: certificate.view, high_view: vote.high_view });
            }
        }
        self.enter(Certificate::Timeout(certificate), Ended::Timeout { leader_signed });
    }

    /// R9: an own signature that a peer shows.
    pub(super) fn witness(&mut self, statement: &Statement) {
        if self.safety.witness(statement) {
            self.outputs.push(Output::GuardLost { statement: *statement });
        }
    }

    /// R1: on QC(v), FC(v) or TC(v), enter v + 1, and pass the certificate on to its leader.
    fn enter(&mut self, certificate: Certificate, ended: Ended) {
        let Some(view) = certificate.view().next() else { return };
        if self.phase != Phase::Running || view <= self.view {
            return;
        }
        self.view = view;
        self.entry = Some(certificate.clone());
        self.candidate = None;
        self.lead = Lead::Waiting;
        self.retry_at_us = None;
        self.relay_due = true;
        self.tally.enter(view);
        self.pacemaker.enter(self.now.monotonic_us, view, ended);
        let leader = self.leader();
        let next_leader = self.context.set.leader(view.saturating_add(1));
        self.outputs.push(Output::Entered { view, leader, next_leader });
        if Some(leader) != self.me && Some(leader) != self.source {
            self.send(Recipients::One(leader), Message::Certificate(certificate));
        }
        if self.pacemaker.is_skipping() {
            // A dead bank's turn must not cost the others their cadence.
            self.give_up();
        } else {
            self.consider_timeouts();
        }
        self.lead();
    }

    /// R7: the highest FC finalizes its block and all ancestors, oldest first. What is missing is fetched first.
    pub(super) fn commit(&mut self) {
        let Some(certificate) = self.final_certificate.clone() else { return };
        match self.tree.path(&certificate.block) {
            Ok(blocks) => {
                if let Some(last) = blocks.last() {
                    self.tree.advance(last.clone());
                    self.outputs.push(Output::Finalized { blocks, certificate });
                }
                self.end_epoch();
            }
            Err(NoPath::Missing { .. }) => {}
            Err(NoPath::Fork) => {
                let root = self.tree.root();
                let reason = HaltReason::Fork { height: root.height(), known: root.digest(), other: certificate.block };
                self.outputs.push(Output::Halt(reason));
                self.phase = Phase::Halted;
            }
        }
    }

    /// The epoch's last height is final: the next epoch starts from it.
    pub(super) fn end_epoch(&mut self) {
        if self.tree.root().height() < self.last_height || self.phase != Phase::Running {
            return;
        }
        if let Some(certificate) = self.final_certificate.clone() {
            self.phase = Phase::Ended;
            self.outputs.push(Output::EpochEnded { block: self.tree.root().clone(), certificate });
        }
    }
}
