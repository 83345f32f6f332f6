//! Timers, giving up (R6), relays and answers (R1). Every timer belongs to the current view and is derived from when
//! it began, so that a jump over views leaves none behind.

use super::{Consensus, Stage};
use crate::pacemaker::Wanted;
use crate::safety::Grounds;
use crate::{Certificate, Input, Message, Output, Recipients, ValidatorIndex, View};

impl Consensus {
    /// Does what is due.
    pub(super) fn run_timers(&mut self) {
        let now_us = self.now.monotonic_us;
        if self.drift_over_at_us().is_some_and(|at| at <= now_us) {
            self.consider_candidate();
        }
        if self.empty_block_at_us().is_some_and(|at| at <= now_us) {
            self.lead();
        }
        if self.relay_due && self.pacemaker.relay_at_us() <= now_us {
            self.relay_entry();
        }
        match self.retry_at_us {
            None if self.pacemaker.gives_up_at_us() <= now_us => self.give_up(),
            Some(at) if at <= now_us => self.repeat_timeout(),
            None | Some(_) => {}
        }
    }

    /// The next moment at which something is due.
    pub(super) fn next_timer(&self) -> Option<u64> {
        let give_up = self.retry_at_us.unwrap_or_else(|| self.pacemaker.gives_up_at_us());
        let relay = self.relay_due.then(|| self.pacemaker.relay_at_us());
        let fetch = self.requested.values().min().copied();
        [Some(give_up), relay, fetch, self.empty_block_at_us(), self.drift_over_at_us()].into_iter().flatten().min()
    }

    /// Is there anything to order on top of the highest certified block? An executed checkpoint is, until that block
    /// names it.
    pub(super) fn weigh_demand(&mut self) {
        let (digest, _) = self.high_block();
        let certified = self.tree.get(&digest).unwrap_or_else(|| self.tree.root());
        let named = certified.header().checkpoint().height;
        let checkpoint = self.demand.checkpoint_due.is_some_and(|height| height > named);
        self.pacemaker.set_wanted(self.now.monotonic_us, Wanted { data: self.demand.data, checkpoint });
    }

    /// R6: give up on the current view, once. An observer only stops waiting.
    pub(super) fn give_up(&mut self) {
        if self.retry_at_us.is_some() {
            return;
        }
        self.retry_at_us = Some(self.now.monotonic_us.saturating_add(self.pacemaker.base_us()));
        if let Some(candidate) = &mut self.candidate
            && candidate.stage != Stage::Invalid
        {
            candidate.stage = Stage::Done; // R5: nothing is notarized in a view that was given up.
        }
        let grounds = Grounds::new(self.view, &self.high_qc, &self.entry);
        if self.safety.timeout(grounds) {
            self.drafts.timeout = Some((self.view, self.high_qc.clone()));
        }
    }

    /// R6: retries repeat the identical message with the certificate that opened the view.
    fn repeat_timeout(&mut self) {
        self.retry_at_us = Some(self.now.monotonic_us.saturating_add(self.pacemaker.base_us()));
        if let Some(certificate) = self.entry.clone() {
            self.send(Recipients::All, Message::Certificate(certificate));
        }
        let timeout = self.own.timeout.clone().filter(|timeout| timeout.view == self.view);
        if let Some(timeout) = timeout {
            self.send(Recipients::All, Message::Timeout(timeout));
        }
    }

    /// R1: the certificate that opened the view goes to those of whom nothing of the view was heard.
    fn relay_entry(&mut self) {
        self.relay_due = false;
        // One that has no vote in this epoch may be a validator all the same, and would send to itself.
        if self.me.is_none() {
            return;
        }
        let (view, me, leader) = (self.view, self.me, self.leader());
        let indices = self.context.set.indices().zip(&self.peers);
        let silent = indices.filter(|(index, peer)| peer.view < view && Some(*index) != me && *index != leader);
        let silent: Vec<ValidatorIndex> = silent.map(|(index, _)| index).collect();
        if let Some(certificate) = self.entry.clone()
            && !silent.is_empty()
        {
            self.send(Recipients::Many(silent), Message::Certificate(certificate));
        }
    }

    /// A message shows how far its sender is.
    pub(super) fn note_progress(&mut self, from: ValidatorIndex, message: &Message) {
        let reached = match message {
            Message::Proposal(proposal) => proposal.view,
            Message::Notarize(vote) => vote.view,
            // Whoever finalizes a view holds its certificate.
            Message::Finalize(vote) => vote.view.saturating_add(1),
            Message::Timeout(timeout) => timeout.view,
            Message::Certificate(certificate) => certificate.view().saturating_add(1),
        };
        if let Some(peer) = self.peers.get_mut(from.index()) {
            peer.view = peer.view.max(reached);
        }
    }

    /// A message of an older view is answered, rate-limited, with the certificate that opened the current one. A vote
    /// of the view just left is no sign of being behind: the quorum was faster.
    pub(super) fn answer_if_old(&mut self, from: ValidatorIndex, message: &Message) {
        let behind = match message {
            Message::Proposal(proposal) => proposal.view.saturating_add(1) < self.view,
            Message::Notarize(vote) => vote.view.saturating_add(1) < self.view,
            Message::Finalize(_) => false,
            Message::Timeout(timeout) => timeout.view < self.view,
            Message::Certificate(certificate) => certificate.view().saturating_add(2) < self.view,
        };
        // Who gives up on a view in which one sees nothing to order probably lacks the last finality certificate.
        let unfinal = match message {
            Message::Timeout(timeout) => timeout.view == self.view && !self.pacemaker.wanted(),
            Message::Proposal(_) | Message::Notarize(_) | Message::Finalize(_) | Message::Certificate(_) => false,
        };
        if !behind && !unfinal {
            return;
        }
        if behind && let Some(entry) = self.entry.clone().filter(|_| self.may_answer(from)) {
            self.send(Recipients::One(from), Message::Certificate(entry));
            self.send_final_certificate(from);
        } else if unfinal && self.may_answer(from) {
            self.send_final_certificate(from);
        }
    }

    pub(super) fn send_final_certificate(&mut self, to: ValidatorIndex) {
        if let Some(certificate) = self.final_certificate.clone() {
            self.send(Recipients::One(to), Message::Certificate(Certificate::Quorum(certificate)));
        }
    }

    /// Once for each peer in half of the base timeout.
    fn may_answer(&mut self, to: ValidatorIndex) -> bool {
        let (now_us, pause_us) = (self.now.monotonic_us, self.pacemaker.relay_pause_us());
        let Some(peer) = self.peers.get_mut(to.index()).filter(|peer| peer.answer_at_us <= now_us) else {
            return false;
        };
        peer.answer_at_us = now_us.saturating_add(pause_us);
        true
    }

    /// After the epoch's end: whoever still works in it is told its last finality certificate.
    pub(super) fn tell_the_end(&mut self, input: &Input) {
        match input {
            Input::Connected(peer) => self.send_final_certificate(*peer),
            Input::Received { from, message } if !message.certifies_finality() && self.may_answer(*from) => {
                self.send_final_certificate(*from);
            }
            Input::Received { .. }
            | Input::Start
            | Input::Greeted
            | Input::Tick
            | Input::Signed { .. }
            | Input::Checked { .. }
            | Input::Built { .. }
            | Input::Demand(_)
            | Input::Fetched { .. }
            | Input::Advanced { .. } => {}
        }
    }

    /// Asks for certified blocks that are not here, again and again while they are missing. At most three are wanted
    /// at a time: below the highest QC, below the highest FC, and below the proposal.
    pub(super) fn pursue_missing(&mut self) {
        let mut wanted = Vec::new();
        for certificate in [&self.high_qc, &self.final_certificate].into_iter().flatten() {
            if let Some((block, above)) = self.tree.missing(&certificate.block) {
                wanted.push((block, above, certificate.signers.iter().collect::<Vec<_>>()));
            }
        }
        if let Some(candidate) = self.candidate.as_ref().filter(|candidate| candidate.stage == Stage::Arrived)
            && let Some((block, above)) = self.tree.missing(&candidate.proposal.block.digest())
        {
            wanted.push((block, above, vec![self.leader()]));
        }
        self.requested.retain(|digest, _| wanted.iter().any(|(block, _, _)| block == digest));
        let (now_us, again_us) =
            (self.now.monotonic_us, self.now.monotonic_us.saturating_add(self.pacemaker.base_us()));
        let gap = self.tree.root().height().saturating_add(self.config.catch_up_gap);
        for (block, above, mut hint) in wanted {
            if self.requested.get(&block).is_some_and(|at| *at > now_us) {
                continue;
            }
            self.requested.insert(block, again_us);
            hint.retain(|index| Some(*index) != self.me);
            self.outputs.push(match above.filter(|height| *height > gap) {
                Some(height) => Output::Behind { height, hint },
                None => Output::FetchBlock { block, hint },
            });
        }
    }

    /// The current view was given up before a restart: go on repeating that.
    pub(super) fn resume_timeout(&mut self, view: View) {
        if view == self.view {
            self.drafts.timeout = Some((self.view, self.high_qc.clone()));
            self.retry_at_us = Some(self.now.monotonic_us.saturating_add(self.pacemaker.base_us()));
        }
    }
}
