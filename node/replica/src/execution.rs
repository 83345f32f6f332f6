//! The order of execution (section 6 of the design): final blocks wait here for their data, go to the executor in height
//! order, each exactly once, and the roots that come back are what headers are judged by.
//!
//! Must not know: votes, how data is fetched (it says what it misses), what executing does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tonle_consensus::{Block, Checkpoint, Header, Height, QuorumCertificate, ValidatorIndex};
use tonle_crypto::Canonical;

use crate::bounds::{CHECKPOINTS_MAX, CLAIMS_MAX, EXECUTING_MAX, FINAL_QUEUE_MAX, GATHER_AHEAD};
use crate::lanes::{Lanes, Walk, Want, want};
use crate::{Cut, FinalBlock, Halt};

/// How far a moving cut's checkpoint stays behind what is executed here: a validator that executes a little later can
/// vote at once. Blocks without data name the newest.
const CHECKPOINT_SLACK: u64 = 1;

#[derive(Debug)]
struct Waiting {
    block: Block,
    certificate: Option<QuorumCertificate>,
    tip_certificate: QuorumCertificate,
    from: Cut,
    to: Cut,
}

#[derive(Debug)]
struct Running {
    height: Height,
    cut: Cut,
    moved: bool,
}

/// What a proposal's checkpoint is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// It agrees with execution here.
    Agrees,
    /// It is not executed here yet.
    Wait,
    /// It disagrees: withhold the vote, for it may be this node that is wrong.
    Withhold,
    /// It breaks the rules of headers.
    Invalid,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Execution {
    tip: Block,
    cut: Cut,
    waiting: VecDeque<Waiting>,
    running: VecDeque<Running>,
    executed: Height,
    roots: BTreeMap<Height, Checkpoint>,
    /// Roots that certified headers name for heights not executed here.
    claims: BTreeMap<Height, Header>,
    /// The highest executed height whose block carried data.
    data: Height,
    /// The highest checkpoint that a final header names.
    named: Height,
    epoch_length: u64,
}

impl Execution {
    /// Everything up to `tip` is executed; `checkpoints` are the roots from the one that its header names on.
    pub(crate) fn new(tip: Block, cut: Cut, checkpoints: &[Checkpoint], epoch_length: u64) -> Self {
        Execution {
            epoch_length,
            executed: tip.height(),
            // Whether the tip carried data is not recorded; taking it for so costs one empty block after a start.
            data: tip.height(),
            named: tip.header().checkpoint().height,
            tip,
            cut,
            waiting: VecDeque::new(),
            running: VecDeque::new(),
            roots: checkpoints.iter().map(|checkpoint| (checkpoint.height, *checkpoint)).collect(),
            claims: BTreeMap::new(),
        }
    }

    /// The last final block known here in order, executed or not.
    pub(crate) fn tip(&self) -> &Block {
        &self.tip
    }
    /// Its cut.
    pub(crate) fn cut(&self) -> &Cut {
        &self.cut
    }
    /// The highest executed height.
    pub(crate) fn executed(&self) -> Height {
        self.executed
    }
    /// Is there room for more final blocks?
    pub(crate) fn room(&self) -> usize {
        FINAL_QUEUE_MAX.saturating_sub(self.waiting.len())
    }

    /// The lanes are others from the tip on, and this is its cut among them. Nothing waits, nothing runs.
    pub(crate) fn relocate(&mut self, cut: Cut) {
        self.cut = cut;
    }
    /// The lowest checkpoint that a header still to come may name.
    pub(crate) fn named(&self) -> Height {
        self.named
    }

    /// Takes the next final block. Says whether it was: what is known already, or does not fit any more, is left to
    /// catch-up.
    ///
    /// # Errors
    /// [`Halt`] when a quorum finalized what the rules forbid.
    pub(crate) fn push(
        &mut self,
        block: Block,
        certificate: Option<QuorumCertificate>,
        tip_certificate: QuorumCertificate,
    ) -> Result<bool, Halt> {
        if Some(block.height()) != self.tip.height().next() || self.room() == 0 {
            return Ok(false);
        }
        let broken = Halt::Rules(block.header().clone());
        if block.header().parent() != self.tip.digest() {
            return Err(broken);
        }
        let Some(to) = self.cut_after(&block) else { return Err(broken) };
        self.named = self.named.max(block.header().checkpoint().height);
        self.claim(block.header())?;
        let from = std::mem::replace(&mut self.cut, to.clone());
        self.tip = block.clone();
        self.waiting.push_back(Waiting { block, certificate, tip_certificate, from, to });
        Ok(true)
    }

    fn cut_after(&self, block: &Block) -> Option<Cut> {
        let cut = Cut::decode(block.payload()).ok()?;
        let lanes = self.cut.tips();
        let ascends = cut.tips().iter().zip(lanes).all(|(after, before)| after.seq >= before.seq);
        (cut.tips().len() == lanes.len() && ascends).then_some(cut)
    }

    /// The blocks whose turn it is and whose data is here.
    ///
    /// # Errors
    /// [`Halt`] when a quorum finalized a cut that does not descend.
    pub(crate) fn ready(&mut self, lanes: &Lanes) -> Result<Vec<FinalBlock>, Halt> {
        let mut ready = Vec::new();
        while self.running.len() < EXECUTING_MAX {
            let Some(next) = self.waiting.front() else { break };
            let Some(batches) = gather(next, lanes)? else { break };
            let Some(next) = self.waiting.pop_front() else { break };
            let moved = next.from != next.to;
            self.running.push_back(Running { height: next.block.height(), cut: next.to, moved });
            ready.push(FinalBlock {
                block: next.block,
                certificate: next.certificate,
                tip_certificate: next.tip_certificate,
                batches,
            });
        }
        Ok(ready)
    }

    /// The data that the next blocks miss.
    pub(crate) fn wants(&self, lanes: &Lanes) -> Vec<Want> {
        let mut wants = Vec::new();
        for next in self.waiting.iter().take(GATHER_AHEAD) {
            let tips = next.from.tips().iter().zip(next.to.tips()).zip(0u16..);
            for ((from, to), index) in tips.filter(|((from, to), _)| from != to) {
                let lane = ValidatorIndex::new(index);
                if let Walk::Missing(tip) = lanes.walk(lane, *from, *to) {
                    wants.push(want(lane, tip, *from, &[]));
                }
            }
        }
        wants
    }

    /// A block is executed. Gives its cut, which is the database's from here on.
    ///
    /// # Errors
    /// [`Halt::Diverged`] when a certified header names other roots.
    pub(crate) fn executed_block(&mut self, checkpoint: Checkpoint) -> Result<Option<Cut>, Halt> {
        let Some(done) = self.running.front().filter(|running| running.height == checkpoint.height) else {
            return Ok(None);
        };
        let (cut, moved) = (done.cut.clone(), done.moved);
        self.running.pop_front();
        self.executed = checkpoint.height;
        if moved {
            self.data = checkpoint.height;
        }
        self.roots.insert(checkpoint.height, checkpoint);
        let kept = self.roots.split_off(&self.named);
        self.roots = kept;
        while self.roots.len() > CHECKPOINTS_MAX {
            self.roots.pop_first();
        }
        match self.claims.remove(&checkpoint.height) {
            Some(header) if header.checkpoint() != checkpoint => Err(Halt::Diverged { ours: checkpoint, header }),
            Some(_) | None => Ok(Some(cut)),
        }
    }

    /// A certified header names a checkpoint: it must agree, now or once it is executed here.
    ///
    /// # Errors
    /// [`Halt::Diverged`] when it does not.
    pub(crate) fn claim(&mut self, header: &Header) -> Result<(), Halt> {
        let theirs = header.checkpoint();
        match self.roots.get(&theirs.height) {
            Some(ours) if *ours != theirs => Err(Halt::Diverged { ours: *ours, header: header.clone() }),
            Some(_) => Ok(()),
            None => {
                if theirs.height > self.executed && self.claims.len() < CLAIMS_MAX {
                    self.claims.insert(theirs.height, header.clone());
                }
                Ok(())
            }
        }
    }

    /// Judges a proposed header's checkpoint.
    pub(crate) fn judge(&self, header: &Header, parent: &Header) -> Judged {
        let (named, before) = (header.checkpoint(), parent.checkpoint());
        let descends = named.height < before.height || (named.height == before.height && named != before);
        if descends || named.height >= header.height() || named.height > self.ceiling(before.height) {
            return Judged::Invalid;
        }
        if named == before {
            // The quorum that certified the parent has confirmed these roots; `claim` compares them with one's own.
            return Judged::Agrees;
        }
        if named.height > self.executed {
            return Judged::Wait;
        }
        match self.roots.get(&named.height) {
            Some(ours) if *ours == named => Judged::Agrees,
            Some(_) | None => Judged::Withhold,
        }
    }

    /// The checkpoint for a block after `parent`: the newest, or a little older when the cut moves.
    pub(crate) fn checkpoint(&self, parent: &Header, moves: bool) -> Checkpoint {
        let slack = if moves { CHECKPOINT_SLACK } else { 0 };
        let highest = self.executed.saturating_sub(slack).min(self.ceiling(parent.checkpoint().height));
        let newest = self.roots.range(..=highest).next_back();
        match newest {
            Some((height, checkpoint)) if *height > parent.checkpoint().height => *checkpoint,
            Some(_) | None => parent.checkpoint(),
        }
    }

    /// The highest checkpoint that may follow one of height `before`: none skips an epoch's last height.
    fn ceiling(&self, before: Height) -> Height {
        let epoch = before.get().checked_div(self.epoch_length).unwrap_or(0);
        Height::new(epoch.saturating_add(1).saturating_mul(self.epoch_length))
    }

    /// The highest height with data that is executed and that no final header names as checkpoint or below it. Blocks
    /// without data call for none.
    pub(crate) fn checkpoint_due(&self) -> Option<Height> {
        (self.data > self.named).then_some(self.data)
    }
}

/// All data of a block in the order to execute: lane by lane, batch by batch; `None` while some is missing.
fn gather(next: &Waiting, lanes: &Lanes) -> Result<Option<Vec<Arc<crate::Batch>>>, Halt> {
    let mut all = Vec::new();
    for ((from, to), index) in next.from.tips().iter().zip(next.to.tips()).zip(0u16..) {
        match lanes.walk(ValidatorIndex::new(index), *from, *to) {
            Walk::Complete { batches, .. } => all.extend(batches),
            Walk::Missing(_) => return Ok(None),
            Walk::Broken => return Err(Halt::Rules(next.block.header().clone())),
        }
    }
    Ok(Some(all))
}

/// The cut that a block names.
pub(crate) fn cut_of(block: &Block, lanes: usize) -> Option<Cut> {
    Cut::decode(block.payload()).ok().filter(|cut| cut.tips().len() == lanes)
}
