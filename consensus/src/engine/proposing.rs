//! The leader's part: R3.

use std::sync::Arc;

use tonle_crypto::{Digest, Signature};

use super::{Candidate, Consensus, Lead, Phase, Stage, UNSIGNED};
use crate::safety::Grounds;
use crate::{
    Block, Certificate, Checkpoint, Header, HeaderFields, Message, Output, PAYLOAD_BYTES_MAX, Proposal, Recipients,
    SIDECAR_BYTES_MAX, Timestamp, View, payload_digest,
};

/// The replica's answer to [`Output::Build`].
pub(super) struct Contents {
    pub(super) payload: Vec<u8>,
    pub(super) sidecar: Vec<u8>,
    pub(super) checkpoint: Checkpoint,
    pub(super) next_set: Option<Digest>,
    pub(super) moves: bool,
}

impl Consensus {
    /// If one leads the view and has not proposed: ask the replica for a payload, or, at an epoch's last height,
    /// propose that block again. Called whenever something of it may have changed.
    pub(super) fn lead(&mut self) {
        let running = self.phase == Phase::Running;
        if !running
            || !self.is_leader()
            || self.safety.is_suspended()
            || self.retry_at_us.is_some()
            || self.lead == Lead::Done
        {
            return;
        }
        let (digest, parent_view) = self.high_block();
        // Without the chain down to the final block nobody here could vote for it.
        if self.tree.path(&digest).is_err() {
            self.lead = Lead::Waiting;
            return;
        }
        let Some(parent) = self.tree.get(&digest).cloned() else { return };
        if parent.height() >= self.last_height {
            self.propose(parent, parent_view, Arc::from([]));
            return;
        }
        let may_be_empty = self.now.monotonic_us >= self.pacemaker.empty_at_us();
        let wanted = Lead::Asked { parent: digest, parent_view, may_be_empty };
        let better = match self.lead {
            Lead::Waiting => true,
            Lead::Asked { parent, parent_view: before, may_be_empty: empty } => {
                parent != digest || before != parent_view || (may_be_empty && !empty)
            }
            Lead::Done => false,
        };
        if better {
            self.lead = wanted;
            self.outputs.push(Output::Build { view: self.view, parent, may_be_empty });
        }
    }

    /// When the leader stops waiting for data; `None` when it is not waiting, or may not sign any more.
    pub(super) fn empty_block_at_us(&self) -> Option<u64> {
        let waiting = match self.lead {
            Lead::Asked { may_be_empty, .. } => !may_be_empty,
            Lead::Waiting | Lead::Done => false,
        };
        let leads = waiting && self.is_leader() && self.retry_at_us.is_none();
        leads.then(|| self.pacemaker.empty_at_us())
    }

    pub(super) fn handle_built(&mut self, view: View, contents: Contents) {
        let Lead::Asked { parent, parent_view, may_be_empty } = self.lead else { return };
        // An answer to an older question; the newer one is still to be answered.
        if view != self.view || (parent, parent_view) != self.high_block() || self.retry_at_us.is_some() {
            return;
        }
        let fits = contents.payload.len() <= PAYLOAD_BYTES_MAX && contents.sidecar.len() <= SIDECAR_BYTES_MAX;
        if !fits || (!contents.moves && !may_be_empty) {
            return;
        }
        let Some(parent) = self.tree.get(&parent).cloned() else { return };
        let height = parent.height().saturating_add(1);
        if contents.next_set.is_some() != (height == self.last_height) {
            return;
        }
        let earliest = parent.header().timestamp().saturating_add(1);
        let header = Header::new(HeaderFields {
            parent: parent.digest(),
            height,
            timestamp: earliest.max(Timestamp::new(self.now.wall_ms)),
            protocol_version: self.config.protocol_version,
            payload: payload_digest(&contents.payload),
            checkpoint: contents.checkpoint,
            next_set: contents.next_set,
        });
        if let Some(block) = Block::new(header, contents.payload) {
            self.propose(block, parent_view, contents.sidecar.into());
        }
    }

    /// R3: once a view, extending the highest QC, with TC(v-1) unless that QC is of v-1.
    fn propose(&mut self, block: Block, parent_view: View, sidecar: Arc<[u8]>) {
        self.lead = Lead::Done;
        let grounds = Grounds::new(self.view, &self.high_qc, &self.entry);
        if !self.safety.propose(grounds, parent_view, &block) {
            return;
        }
        self.tree.insert(block.clone(), self.view, true);
        // A block proposed again may have come from the journal or a peer: the Persist covers it now.
        self.tree.make_durable(std::slice::from_ref(&block));
        self.draft(block, parent_view, sidecar);
    }

    /// The proposal without its signature: it is judged at once, so that proposing and notarizing share one Persist.
    pub(super) fn draft(&mut self, block: Block, parent_view: View, sidecar: Arc<[u8]>) {
        let timeout = match &self.entry {
            Some(Certificate::Timeout(certificate)) if Some(parent_view) != self.view.previous() => {
                Some(certificate.clone())
            }
            Some(Certificate::Timeout(_) | Certificate::Quorum(_)) | None => None,
        };
        let proposal = Arc::new(Proposal {
            epoch: self.context.set.epoch(),
            view: self.view,
            parent_view,
            block,
            parent_qc: self.high_qc.clone(),
            timeout,
            signature: UNSIGNED,
            sidecar,
        });
        self.drafts.proposal = Some(proposal.clone());
        self.pacemaker.proposal_seen(self.now.monotonic_us);
        self.candidate = Some(Candidate { proposal, stage: Stage::Arrived });
        self.consider_candidate();
    }

    pub(super) fn send_proposal(&mut self, view: View, block: Digest, signature: Signature) {
        let same = |draft: &mut Arc<Proposal>| draft.view == view && draft.block.digest() == block;
        let Some(draft) = self.drafts.proposal.take_if(same) else { return };
        let proposal = Arc::new(Proposal { signature, ..draft.as_ref().clone() });
        self.own.proposal = Some(proposal.clone());
        self.send(Recipients::All, Message::Proposal(proposal));
    }
}
