//! Names for what is said in an exploration: blocks, what a vote says, what a Timeout says, proposals, and what can
//! happen to a machine, each by a small number; and the messages that stand for them.
//!
//! A certificate that a machine receives is signed by all others: who signed it makes no difference to an engine,
//! except that it looks for itself among them.
//!
//! Must not know: which messages exist in a state, what must hold.

use std::collections::HashMap;

use tonle_consensus::{
    Bitmap, Block, Certificate, Epoch, Header, HeaderFields, Message, Proposal, QuorumCertificate, QuorumKind,
    Statement, Timeout, TimeoutCertificate, TimeoutVote, ValidatorIndex, View, Vote, payload_digest,
};
use tonle_crypto::{Digest, Signature, Verified};

use super::{Breach, Fault};
use crate::chain::{Chain, START_MS};
use crate::memo::Memo;
use crate::node::validator;

/// A set of numbers below 128.
pub(super) type Bits = u128;
const NUMBERS: usize = 128;

/// A block in a view: what a Notarize or a Finalize is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Choice {
    pub(super) view: u64,
    /// Number of the block.
    pub(super) block: usize,
}

/// What a Timeout says, or a TC of that highest certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Surrender {
    pub(super) view: u64,
    /// The highest quorum certificate: number of its choice, or none for the anchor.
    pub(super) high: Option<usize>,
}

/// A proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Proposed {
    pub(super) view: u64,
    /// The certificate that it builds upon: number of its choice, or none for the anchor.
    pub(super) parent: Option<usize>,
    pub(super) block: usize,
    /// The TC attached: number of a surrender.
    pub(super) timeout: Option<usize>,
}

/// What is on the disk when a machine starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Database {
    /// All that was final.
    Kept,
    /// Nothing: it lagged behind the guard and the journal.
    Behind,
}

/// What can happen to a machine. Numbers are those of [`Names`]; signers are validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum What {
    Proposal(usize),
    Quorum(QuorumName),
    Abandoned(usize),
    Notarize {
        signer: usize,
        choice: usize,
    },
    Finalize {
        signer: usize,
        choice: usize,
    },
    Timeout {
        signer: usize,
        surrender: usize,
    },
    /// The timers of its view end.
    TimeOut,
    /// Its replica answers with a payload.
    Built,
    /// R9: a quorum has said how far it is.
    Greeted,
    Restart(Database),
}

/// A QC or an FC of a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct QuorumName {
    pub(super) is_final: bool,
    pub(super) choice: usize,
}

/// Something that happens to a machine, which may crash meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stimulus {
    pub(super) what: What,
    /// It crashes right after the so many-th write to its disk is durable, before anything that waits for it; 0: not.
    pub(super) torn: u8,
}

struct Named {
    block: Block,
    parent: usize,
}

/// All that has a number.
pub(super) struct Names {
    pub(super) chain: Chain,
    pub(super) memo: Memo,
    /// Who is Byzantine.
    pub(super) byzantine: Vec<usize>,
    /// What is wrong with the machines.
    pub(super) fault: Option<Fault>,
    blocks: Vec<Named>,
    block_numbers: HashMap<Digest, usize>,
    choices: Vec<Choice>,
    choice_numbers: HashMap<Choice, usize>,
    /// For each choice, those of the same view or a later one whose block does not descend from its.
    conflicts: Vec<Bits>,
    surrenders: Vec<Surrender>,
    surrender_numbers: HashMap<Surrender, usize>,
    proposals: Vec<Proposed>,
    proposal_numbers: HashMap<Proposed, usize>,
    proposal_stimuli: Vec<usize>,
    stimuli: Vec<Stimulus>,
    stimulus_numbers: HashMap<Stimulus, usize>,
}

fn number<K: Copy + Eq + std::hash::Hash>(
    values: &mut Vec<K>,
    numbers: &mut HashMap<K, usize>,
    value: K,
    bound: usize,
) -> Result<usize, Breach> {
    if let Some(number) = numbers.get(&value) {
        return Ok(*number);
    }
    if values.len() == bound {
        return Err(Breach::Bound);
    }
    numbers.insert(value, values.len());
    values.push(value);
    Ok(values.len() - 1)
}

impl Names {
    pub(super) fn new(chain: Chain, byzantine: Vec<usize>, fault: Option<Fault>) -> Self {
        let anchor = chain.block.clone();
        Names {
            block_numbers: HashMap::from([(anchor.digest(), 0)]),
            blocks: vec![Named { block: anchor, parent: 0 }],
            chain,
            memo: Memo::imitating(),
            byzantine,
            fault,
            choices: Vec::new(),
            choice_numbers: HashMap::new(),
            conflicts: Vec::new(),
            surrenders: Vec::new(),
            surrender_numbers: HashMap::new(),
            proposals: Vec::new(),
            proposal_numbers: HashMap::new(),
            proposal_stimuli: Vec::new(),
            stimuli: Vec::new(),
            stimulus_numbers: HashMap::new(),
        }
    }

    pub(super) fn block(&self, number: usize) -> &Block {
        &self.blocks[number].block
    }
    /// The view that the block was proposed in, and which of that view's two it is; none for the anchor.
    pub(super) fn origin(&self, number: usize) -> Option<(u64, u8)> {
        match self.blocks[number].block.payload().as_ref() {
            [view, which] if number > 0 => Some((u64::from(*view), *which)),
            _ => None,
        }
    }
    pub(super) fn parent(&self, number: usize) -> usize {
        self.blocks[number].parent
    }
    pub(super) fn choice(&self, number: usize) -> Choice {
        self.choices[number]
    }
    pub(super) fn conflicts(&self, choice: usize) -> Bits {
        self.conflicts[choice]
    }
    pub(super) fn surrender(&self, number: usize) -> Surrender {
        self.surrenders[number]
    }
    pub(super) fn proposal(&self, number: usize) -> Proposed {
        self.proposals[number]
    }
    pub(super) fn stimulus(&self, number: usize) -> Stimulus {
        self.stimuli[number]
    }

    /// The payload that a leader builds. `which` tells a Byzantine leader's blocks apart.
    pub(super) fn payload(view: u64, which: u8) -> Vec<u8> {
        vec![u8::try_from(view).unwrap_or(u8::MAX), which]
    }

    pub(super) fn name_block(&mut self, block: &Block) -> Result<usize, Breach> {
        if let Some(number) = self.block_numbers.get(&block.digest()) {
            return Ok(*number);
        }
        let parent = *self.block_numbers.get(&block.header().parent()).ok_or(Breach::Orphan)?;
        self.block_numbers.insert(block.digest(), self.blocks.len());
        self.blocks.push(Named { block: block.clone(), parent });
        Ok(self.blocks.len() - 1)
    }

    pub(super) fn number_of(&self, digest: &Digest) -> Option<usize> {
        self.block_numbers.get(digest).copied()
    }

    /// Is `block` the block `ancestor` or above it?
    pub(super) fn descends(&self, block: usize, ancestor: usize) -> bool {
        let mut at = block;
        while at != ancestor && at != 0 {
            at = self.blocks[at].parent;
        }
        at == ancestor
    }

    pub(super) fn name_choice(&mut self, view: View, block: &Digest) -> Result<usize, Breach> {
        let block = self.number_of(block).ok_or(Breach::Orphan)?;
        let known = self.choices.len();
        let choice = Choice { view: view.get(), block };
        let number = number(&mut self.choices, &mut self.choice_numbers, choice, NUMBERS)?;
        if number == known {
            self.conflicts.push(0);
            for other in 0..=number {
                for (below, above) in [(other, number), (number, other)] {
                    let (lower, higher) = (self.choices[below], self.choices[above]);
                    if higher.view >= lower.view && !self.descends(higher.block, lower.block) {
                        self.conflicts[below] |= 1 << above;
                    }
                    // In one view there is one block.
                    if higher.view == lower.view && higher.block != lower.block {
                        self.conflicts[below] |= 1 << above;
                    }
                }
            }
        }
        Ok(number)
    }

    pub(super) fn name_certificate(
        &mut self,
        certificate: Option<&QuorumCertificate>,
    ) -> Result<Option<usize>, Breach> {
        certificate.map(|certificate| self.name_choice(certificate.view, &certificate.block)).transpose()
    }

    pub(super) fn name_surrender(&mut self, surrender: Surrender) -> Result<usize, Breach> {
        number(&mut self.surrenders, &mut self.surrender_numbers, surrender, NUMBERS)
    }

    pub(super) fn name_proposal(&mut self, proposal: Proposed) -> Result<usize, Breach> {
        number(&mut self.proposals, &mut self.proposal_numbers, proposal, usize::MAX)
    }

    pub(super) fn name_stimulus(&mut self, stimulus: Stimulus) -> Result<usize, Breach> {
        number(&mut self.stimuli, &mut self.stimulus_numbers, stimulus, usize::MAX)
    }

    /// The arrival of a proposal.
    pub(super) fn proposal_stimulus(&mut self, proposal: usize) -> Result<usize, Breach> {
        if let Some(number) = self.proposal_stimuli.get(proposal) {
            return Ok(*number);
        }
        while self.proposal_stimuli.len() <= proposal {
            let what = What::Proposal(self.proposal_stimuli.len());
            let number = self.name_stimulus(Stimulus { what, torn: 0 })?;
            self.proposal_stimuli.push(number);
        }
        Ok(self.proposal_stimuli[proposal])
    }

    /// The proposal that an engine sent.
    pub(super) fn name_sent(&mut self, sent: &Proposal) -> Result<usize, Breach> {
        let block = self.name_block(&sent.block)?;
        let parent = self.name_certificate(sent.parent_qc.as_ref())?;
        let timeout = match &sent.timeout {
            None => None,
            Some(certificate) => {
                let high = self.name_certificate(certificate.high_qc.as_ref())?;
                Some(self.name_surrender(Surrender { view: certificate.view.get(), high })?)
            }
        };
        self.name_proposal(Proposed { view: sent.view.get(), parent, block, timeout })
    }

    /// A block of a Byzantine leader upon a certificate's block.
    pub(super) fn forge_block(&mut self, view: u64, parent: Option<usize>, which: u8) -> Result<usize, Breach> {
        let parent = self.block(parent.map_or(0, |choice| self.choices[choice].block)).clone();
        let payload = Names::payload(view, which);
        let earliest = parent.header().timestamp().saturating_add(1);
        let header = Header::new(HeaderFields {
            parent: parent.digest(),
            height: parent.height().saturating_add(1),
            timestamp: earliest.max(tonle_consensus::Timestamp::new(START_MS + 1)),
            protocol_version: 1,
            payload: payload_digest(&payload),
            checkpoint: parent.header().checkpoint(),
            next_set: None,
        });
        let block = Block::new(header, payload).ok_or(Breach::Bound)?;
        self.name_block(&block)
    }

    fn sign(&self, signer: usize, statement: Statement) -> Signature {
        self.memo.sign(&self.chain.validator_keys[signer], &statement.preimage(&self.chain.opening))
    }

    /// All validators but the receiver.
    fn others(&self, receiver: usize) -> impl Iterator<Item = usize> {
        (0..self.chain.validator_keys.len()).filter(move |at| *at != receiver)
    }

    fn quorum(&self, is_final: bool, choice: usize, receiver: usize) -> QuorumCertificate {
        let Choice { view, block } = self.choices[choice];
        let (view, block) = (View::new(view), self.block(block).digest());
        let kind = if is_final { QuorumKind::Finalized } else { QuorumKind::Notarized };
        let mut signers = Bitmap::new(self.chain.validator_keys.len());
        self.others(receiver).for_each(|signer| {
            signers.insert(validator(signer));
        });
        let mut certificate =
            QuorumCertificate { kind, epoch: Epoch::ZERO, view, block, signers, signatures: Vec::new() };
        let statement = certificate.statement();
        certificate.signatures = self.others(receiver).map(|signer| self.sign(signer, statement)).collect();
        certificate
    }

    /// The FC of a choice, as a database keeps it.
    pub(super) fn finality(&self, choice: usize, receiver: usize) -> QuorumCertificate {
        self.quorum(true, choice, receiver)
    }

    fn abandoned(&self, surrender: usize, receiver: usize) -> TimeoutCertificate {
        let Surrender { view, high } = self.surrenders[surrender];
        let (view, high_view) = (View::new(view), View::new(high.map_or(0, |choice| self.choices[choice].view)));
        let vote = |signer| TimeoutVote {
            signer: validator(signer),
            high_view,
            signature: self.sign(signer, Statement::Timeout { view, high_view }),
        };
        TimeoutCertificate {
            epoch: Epoch::ZERO,
            view,
            votes: self.others(receiver).map(vote).collect(),
            high_qc: high.map(|choice| self.quorum(false, choice, receiver)),
        }
    }

    fn proposal_message(&self, number: usize, receiver: usize) -> (ValidatorIndex, Message) {
        let Proposed { view, parent, block, timeout } = self.proposals[number];
        let parent_view = View::new(parent.map_or(0, |choice| self.choices[choice].view));
        let (view, block) = (View::new(view), self.block(block).clone());
        let leader = self.chain.set.leader(view);
        let statement = Statement::Proposal { view, parent_view, block: block.digest() };
        let proposal = Proposal {
            epoch: Epoch::ZERO,
            view,
            parent_view,
            block,
            parent_qc: parent.map(|choice| self.quorum(false, choice, receiver)),
            timeout: timeout.map(|surrender| self.abandoned(surrender, receiver)),
            signature: self.sign(leader.index(), statement),
            sidecar: [].into(),
        };
        (leader, Message::Proposal(proposal.into()))
    }

    fn vote(&self, signer: usize, choice: usize, statement: impl Fn(View, Digest) -> Statement) -> Vote {
        let Choice { view, block } = self.choices[choice];
        let (view, block) = (View::new(view), self.block(block).digest());
        let signature = self.sign(signer, statement(view, block));
        Vote { epoch: Epoch::ZERO, view, block, signer: validator(signer), signature }
    }

    /// The message that `what` is, if it is one, as it reaches `receiver`.
    pub(super) fn message(
        &self,
        what: What,
        receiver: usize,
    ) -> Result<Option<(ValidatorIndex, Verified<Message>)>, Breach> {
        let relay = || validator(self.others(receiver).last().unwrap_or(receiver));
        let (from, message) = match what {
            What::Proposal(number) => self.proposal_message(number, receiver),
            What::Quorum(QuorumName { is_final, choice }) => {
                (relay(), Message::Certificate(Certificate::Quorum(self.quorum(is_final, choice, receiver))))
            }
            What::Abandoned(surrender) => {
                (relay(), Message::Certificate(Certificate::Timeout(self.abandoned(surrender, receiver))))
            }
            What::Notarize { signer, choice } => {
                let vote = self.vote(signer, choice, |view, block| Statement::Notarize { view, block });
                (validator(signer), Message::Notarize(vote))
            }
            What::Finalize { signer, choice } => {
                let vote = self.vote(signer, choice, |view, block| Statement::Finalize { view, block });
                (validator(signer), Message::Finalize(vote))
            }
            What::Timeout { signer, surrender } => {
                let certificate = self.abandoned(surrender, receiver);
                let (view, high_view) = (certificate.view, certificate.high_view());
                let signature = self.sign(signer, Statement::Timeout { view, high_view });
                let (epoch, signer, high_qc) = (Epoch::ZERO, validator(signer), certificate.high_qc);
                (signer, Message::Timeout(Timeout { epoch, view, high_view, signer, signature, high_qc }))
            }
            What::TimeOut | What::Built | What::Greeted | What::Restart(_) => return Ok(None),
        };
        let verified = Verified::check(message, &self.chain.opening, &self.memo).map_err(Breach::Refused)?;
        Ok(Some((from, verified)))
    }
}
