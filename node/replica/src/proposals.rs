//! Proposals under judgement, and the one to be built: what consensus asked and what is not answered yet.
//!
//! Must not know: votes. A question stands until it can be answered or its view is over.

use std::collections::VecDeque;
use std::sync::Arc;

use tonle_consensus::{Block, Checkpoint, Input, Proposal, ValidatorIndex, ValidatorSet, Verdict, View};
use tonle_crypto::{Canonical, Digest};

use crate::Batch;
use crate::Cut;
use crate::bounds::BLOCK_INTERVAL_MIN_US;
use crate::execution::{Execution, Judged, cut_of};
use crate::lanes::{Judgement, Lanes, Limits, Want};
use crate::message::encode_sidecar;

/// Proposals judged at once: those of the last few views.
const CHECKS_MAX: usize = 4;
/// Proposals whose inline batches are kept until consensus asks about them.
const INLINE_KEPT: usize = 8;

/// The rules of headers that lie outside consensus.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// New data of a block.
    pub(crate) limits: Limits,
    /// Lag of the checkpoint beyond which a block carries no data.
    pub(crate) max_lag: u64,
    /// Heights of an epoch.
    pub(crate) epoch_length: u64,
    /// Digest of the next epoch's validators.
    pub(crate) next_set: Option<Digest>,
}

impl Rules {
    fn next_set_at(&self, height: u64) -> Option<Digest> {
        self.next_set.filter(|_| height.checked_rem(self.epoch_length) == Some(0))
    }
    fn lags(&self, height: u64, checkpoint: &Checkpoint) -> bool {
        height.saturating_sub(checkpoint.height.get()) > self.max_lag
    }
}

#[derive(Debug)]
struct Check {
    proposal: Arc<Proposal>,
    parent: Block,
    leader: ValidatorIndex,
    cuts: Option<(Cut, Cut)>,
    wants: Vec<Want>,
}

#[derive(Debug)]
struct Build {
    view: View,
    parent: Block,
    may_be_empty: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Proposals {
    checks: VecDeque<Check>,
    build: Option<Build>,
    inline: VecDeque<(Digest, Vec<Arc<Batch>>)>,
    /// No payload is built before this, after a proposal.
    wait_until_us: Option<u64>,
}

impl Proposals {
    /// Keeps the batches that came beside a proposal until it is asked about.
    pub(crate) fn keep_inline(&mut self, block: Digest, batches: Vec<Arc<Batch>>) {
        if self.inline.len() >= INLINE_KEPT {
            self.inline.pop_front();
        }
        self.inline.push_back((block, batches));
    }

    /// Consensus asks about a proposal. Gives the batches that came beside it.
    pub(crate) fn ask(&mut self, proposal: Arc<Proposal>, parent: Block, set: &ValidatorSet) -> Vec<Arc<Batch>> {
        let (lanes, leader) = (set.len(), set.leader(proposal.view));
        let digest = proposal.block.digest();
        let inline = self.inline.iter().position(|(block, _)| *block == digest);
        let inline = inline.and_then(|at| self.inline.remove(at)).map(|(_, batches)| batches).unwrap_or_default();
        let cuts = cut_of(&parent, lanes).zip(cut_of(&proposal.block, lanes));
        self.checks.retain(|check| check.proposal.view != proposal.view || check.proposal.block.digest() != digest);
        if self.checks.len() >= CHECKS_MAX {
            self.checks.pop_front();
        }
        self.checks.push_back(Check { proposal, parent, leader, cuts, wants: Vec::new() });
        inline
    }

    /// Consensus asks for a payload.
    pub(crate) fn ask_to_build(&mut self, view: View, parent: Block, may_be_empty: bool) {
        self.build = Some(Build { view, parent, may_be_empty });
    }
    /// A view began: a payload for an earlier one is of no use.
    pub(crate) fn entered(&mut self, view: View) {
        self.build = self.build.take().filter(|build| build.view >= view);
    }
    /// The epoch is over: nothing of it needs an answer.
    pub(crate) fn clear(&mut self) {
        *self = Proposals::default();
    }

    /// The answers that can be given by now, and for each valid proposal its cut.
    pub(crate) fn judge(&mut self, rules: &Rules, execution: &Execution, lanes: &Lanes) -> Vec<(Input, Option<Cut>)> {
        let mut answers = Vec::new();
        self.checks.retain_mut(|check| {
            let (block, view) = (check.proposal.block.digest(), check.proposal.view);
            if check.proposal.block.height() <= execution.tip().height() {
                return false;
            }
            let verdict = check.judge(rules, execution, lanes);
            if let Some(verdict) = verdict {
                let cut = check.cuts.take().map(|(_, cut)| cut).filter(|_| verdict == Verdict::Valid);
                answers.push((Input::Checked { block, view, verdict }, cut));
            }
            verdict.is_none()
        });
        answers
    }

    /// The payload, when there is one to propose.
    pub(crate) fn build(&mut self, rules: &Rules, execution: &Execution, lanes: &Lanes) -> Option<Input> {
        let build = self.build.as_ref()?;
        let parent = build.parent.header();
        let before = cut_of(&build.parent, execution.cut().tips().len())?;
        let height = parent.height().next()?.get();
        let lags = rules.lags(height, &execution.checkpoint(parent, true));
        let (cut, inline) =
            if lags { (before.clone(), Vec::new()) } else { lanes.build(&before, build.view.get(), rules.limits) };
        let moves = cut != before;
        if !moves && !build.may_be_empty {
            return None;
        }
        let input = Input::Built {
            view: build.view,
            payload: cut.encode(),
            sidecar: encode_sidecar(&inline),
            checkpoint: execution.checkpoint(parent, moves),
            next_set: rules.next_set_at(height),
            moves,
        };
        self.build = None;
        Some(input)
    }

    /// A proposal was seen, of one's own too: the next one waits for a while.
    pub(crate) fn seen(&mut self, now_us: u64) {
        self.wait_until_us = Some(now_us.saturating_add(BLOCK_INTERVAL_MIN_US));
    }
    /// Is it too soon to build?
    pub(crate) fn wait(&mut self, now_us: u64) -> bool {
        self.wait_until_us = self.wait_until_us.filter(|until| *until > now_us);
        self.wait_until_us.is_some()
    }
    /// When the payload that is asked for may be built.
    pub(crate) fn deadline(&self) -> Option<u64> {
        self.build.as_ref().and(self.wait_until_us)
    }

    /// The data that proposals under judgement miss.
    pub(crate) fn wants(&self) -> impl Iterator<Item = &Want> {
        self.checks.iter().flat_map(|check| &check.wants)
    }
}

impl Check {
    fn judge(&mut self, rules: &Rules, execution: &Execution, lanes: &Lanes) -> Option<Verdict> {
        self.wants.clear();
        let Some((before, cut)) = &self.cuts else { return Some(Verdict::Invalid) };
        let (header, parent) = (self.proposal.block.header(), self.parent.header());
        let height = header.height().get();
        let lags = rules.lags(height, &header.checkpoint()) && cut != before;
        if lags || header.next_set() != rules.next_set_at(height) {
            return Some(Verdict::Invalid);
        }
        let checkpoint = execution.judge(header, parent);
        if checkpoint == Judged::Invalid {
            return Some(Verdict::Invalid);
        }
        match lanes.judge((execution.cut(), before, cut), rules.limits, &[self.leader]) {
            Judgement::Invalid => Some(Verdict::Invalid),
            Judgement::Valid => (checkpoint == Judged::Agrees).then_some(Verdict::Valid),
            Judgement::Wait(wants) => {
                self.wants = wants;
                None
            }
        }
    }
}
