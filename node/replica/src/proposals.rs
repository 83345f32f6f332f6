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
use crate::membership::Membership;
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
    /// The epoch's validators.
    pub(crate) set: ValidatorSet,
    /// The block that the epoch starts from, and its cut among the epoch's lanes.
    pub(crate) anchor: (Digest, Cut),
}

/// What a header says of the next epoch's validators, or has to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextSet {
    /// It is not an epoch's last.
    Silent,
    /// Their digest.
    Digest(Digest),
    /// Its checkpoint is not executed here.
    Unknown,
}

impl Rules {
    fn next_set(&self, height: u64, checkpoint: &Checkpoint, execution: &Execution, members: &Membership) -> NextSet {
        if height.checked_rem(self.epoch_length) != Some(0) {
            return NextSet::Silent;
        }
        if checkpoint.height > execution.executed() {
            return NextSet::Unknown;
        }
        let next = self.set.epoch().next().and_then(|epoch| members.set(epoch, checkpoint.height));
        // A list that no set can be made of changes nothing: the present one stays.
        NextSet::Digest(next.unwrap_or_else(|| self.set.clone()).digest())
    }
    /// The cut of a proposal's parent, which may be of the epoch before.
    fn cut_of_parent(&self, parent: &Block) -> Option<Cut> {
        let (anchor, cut) = &self.anchor;
        if parent.digest() == *anchor { Some(cut.clone()) } else { cut_of(parent, self.set.len()) }
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
    pub(crate) fn ask(&mut self, proposal: Arc<Proposal>, parent: Block, rules: &Rules) -> Vec<Arc<Batch>> {
        let (lanes, leader) = (rules.set.len(), rules.set.leader(proposal.view));
        let digest = proposal.block.digest();
        let inline = self.inline.iter().position(|(block, _)| *block == digest);
        let inline = inline.and_then(|at| self.inline.remove(at)).map(|(_, batches)| batches).unwrap_or_default();
        let cuts = rules.cut_of_parent(&parent).zip(cut_of(&proposal.block, lanes));
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
    pub(crate) fn judge(
        &mut self,
        rules: &Rules,
        execution: &Execution,
        members: &Membership,
        lanes: &Lanes,
    ) -> Vec<(Input, Option<Cut>)> {
        let mut answers = Vec::new();
        self.checks.retain_mut(|check| {
            let (block, view) = (check.proposal.block.digest(), check.proposal.view);
            if check.proposal.block.height() <= execution.tip().height() {
                return false;
            }
            let verdict = check.judge(rules, execution, members, lanes);
            if let Some(verdict) = verdict {
                let cut = check.cuts.take().map(|(_, cut)| cut).filter(|_| verdict == Verdict::Valid);
                answers.push((Input::Checked { block, view, verdict }, cut));
            }
            verdict.is_none()
        });
        answers
    }

    /// The payload, when there is one to propose.
    pub(crate) fn build(
        &mut self,
        rules: &Rules,
        execution: &Execution,
        members: &Membership,
        lanes: &Lanes,
    ) -> Option<Input> {
        let build = self.build.as_ref()?;
        let parent = build.parent.header();
        let before = rules.cut_of_parent(&build.parent)?;
        let height = parent.height().next()?.get();
        let lags = rules.lags(height, &execution.checkpoint(parent, true));
        let (cut, inline) =
            if lags { (before.clone(), Vec::new()) } else { lanes.build(&before, build.view.get(), rules.limits) };
        let moves = cut != before;
        if !moves && !build.may_be_empty {
            return None;
        }
        let checkpoint = execution.checkpoint(parent, moves);
        let next_set = match rules.next_set(height, &checkpoint, execution, members) {
            NextSet::Silent => None,
            NextSet::Digest(digest) => Some(digest),
            NextSet::Unknown => return None,
        };
        let input = Input::Built {
            view: build.view,
            payload: cut.encode(),
            sidecar: encode_sidecar(&inline),
            checkpoint,
            next_set,
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
    fn judge(&mut self, rules: &Rules, execution: &Execution, members: &Membership, lanes: &Lanes) -> Option<Verdict> {
        self.wants.clear();
        let Some((before, cut)) = &self.cuts else { return Some(Verdict::Invalid) };
        let (header, parent) = (self.proposal.block.header(), self.parent.header());
        let height = header.height().get();
        let lags = rules.lags(height, &header.checkpoint()) && cut != before;
        let checkpoint = execution.judge(header, parent);
        if lags || checkpoint == Judged::Invalid {
            return Some(Verdict::Invalid);
        }
        let roots_agree = checkpoint == Judged::Agrees;
        let set_agrees = match (rules.next_set(height, &header.checkpoint(), execution, members), header.next_set()) {
            (NextSet::Silent, None) => true,
            (NextSet::Silent, Some(_)) | (NextSet::Digest(_), None) => return Some(Verdict::Invalid),
            // With other roots the other set may be right, and this node wrong: withhold.
            (NextSet::Digest(ours), Some(theirs)) if ours != theirs && roots_agree => return Some(Verdict::Invalid),
            (NextSet::Digest(ours), Some(theirs)) => ours == theirs,
            (NextSet::Unknown, _) => false,
        };
        match lanes.judge((execution.cut(), before, cut), rules.limits, &[self.leader]) {
            Judgement::Invalid => Some(Verdict::Invalid),
            Judgement::Valid => (roots_agree && set_agrees).then_some(Verdict::Valid),
            Judgement::Wait(wants) => {
                self.wants = wants;
                None
            }
        }
    }
}
