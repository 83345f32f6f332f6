//! What must hold after every step, and what a simulation that breaks it says.
//!
//! Must not know: how nodes work; it sees what they write, sign and execute.

use std::collections::{BTreeMap, BTreeSet};

use tonle_consensus::{GuardRecord, Message, Statement, ValidatorIndex};
use tonle_crypto::Digest;
use tonle_ledger::{Asset, Executed, TransactionId};

use crate::pace::Pace;

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Two blocks are final at one height.
    #[error("node {node}: height {height} is {here:?}, elsewhere {there:?}")]
    TwoFinal {
        /// Who.
        node: usize,
        /// Where.
        height: u64,
        /// Its block.
        here: Digest,
        /// Another's.
        there: Digest,
    },
    /// A height was executed twice, or one was left out.
    #[error("node {node} executes height {height} after {after}")]
    Order {
        /// Who.
        node: usize,
        /// What.
        height: u64,
        /// After what.
        after: u64,
    },
    /// Two nodes began one epoch with other validators.
    #[error("node {node}: epoch {epoch} begins with other validators than elsewhere")]
    Members {
        /// Who.
        node: usize,
        /// Which.
        epoch: u64,
    },
    /// Roots of one height differ.
    #[error("node {node}: another root at height {height}")]
    Roots {
        /// Who.
        node: usize,
        /// Where.
        height: u64,
    },
    /// Money was made or lost.
    #[error("node {node}: supply changed at height {height}")]
    Supply {
        /// Who.
        node: usize,
        /// Where.
        height: u64,
    },
    /// The guard went back.
    #[error("node {node}: its guard went back")]
    GuardWentBack {
        /// Who.
        node: usize,
    },
    /// A validator signed two things that contradict each other.
    #[error("node {node} signed {first:?} and {second:?}")]
    Contradiction {
        /// Who.
        node: usize,
        /// One.
        first: Statement,
        /// The other.
        second: Statement,
    },
    /// A statement was signed before the guard that covers it was durable.
    #[error("node {node} signs {statement:?}, which its guard does not cover")]
    Unguarded {
        /// Who.
        node: usize,
        /// What.
        statement: Statement,
    },
    /// A node signs in an epoch whose anchor is not on its disk: if all did, and crashed, nobody could prove where the epoch
    /// starts, and nobody may sign in the one before.
    #[error("node {node} signs in epoch {epoch}, and its disk ends before it")]
    Unanchored {
        /// Who.
        node: usize,
        /// Where.
        epoch: u64,
    },
    /// Data was acknowledged or sent before it was durable.
    #[error("node {node} vouches for batch {digest:?} that is not on its disk")]
    NotDurable {
        /// Who.
        node: usize,
        /// What.
        digest: Digest,
    },
    /// A transaction left two receipts.
    #[error("transaction {transaction} executed at heights {first} and {second}")]
    Twice {
        /// Which.
        transaction: TransactionId,
        /// Where.
        first: u64,
        /// And where.
        second: u64,
    },
    /// A node refused what an honest one sent.
    #[error("node {node}'s message is refused: {why}")]
    HonestRefused {
        /// Whose.
        node: usize,
        /// Why.
        why: String,
    },
    /// A certificate that does not hold was accepted.
    #[error("node {node}'s forgery is accepted: {what}")]
    Forged {
        /// Whose.
        node: usize,
        /// What.
        what: String,
    },
    /// A node stopped.
    #[error("node {node} halted: {why}")]
    Halted {
        /// Who.
        node: usize,
        /// Why.
        why: String,
    },
    /// Time does not go on.
    #[error("node {node} asks for a tick again and again at the same moment")]
    Spins {
        /// Who.
        node: usize,
    },
    /// A node may sign, and does not.
    #[error("node {node} may sign, and does not")]
    Silent {
        /// Who.
        node: usize,
    },
    /// A node repeats itself without end.
    #[error("node {node} sends node {to} certificates again and again")]
    Storm {
        /// Who.
        node: usize,
        /// To whom.
        to: usize,
    },
    /// A node asks for one thing without end.
    #[error("node {node} asks node {to} for the same thing again and again")]
    Begs {
        /// Who.
        node: usize,
        /// Whom.
        to: usize,
    },
    /// An honest node could prove a validator's misbehaviour, and another still knows of none of it.
    #[error("node {node} knows of no misbehaviour of validator {accused}")]
    Unexposed {
        /// Who does not know.
        node: usize,
        /// Whose.
        accused: usize,
    },
    /// No new block although the faults had ended and an honest validator had led.
    #[error("no block above {height} in view {view}; it was due by view {due}")]
    Slow {
        /// The highest final height.
        height: u64,
        /// Where an honest node is.
        view: u64,
        /// By when a block was due.
        due: u64,
    },
    /// Not everything became final after all faults had ended.
    #[error("{missing} of {submitted} transactions are not final everywhere; executed heights {heights:?}")]
    NotLive {
        /// How many.
        missing: usize,
        /// Of how many.
        submitted: usize,
        /// By node.
        heights: Vec<u64>,
    },
    /// The simulator itself failed.
    #[error("simulator: {0}")]
    Simulator(String),
}

impl Breach {
    /// Its kind, as one word.
    #[must_use]
    pub fn name(&self) -> String {
        let debug = format!("{self:?}");
        debug.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
    }
}

/// What all nodes together have shown so far.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    finals: BTreeMap<u64, Digest>,
    roots: BTreeMap<u64, (Digest, Digest)>,
    supply: Option<BTreeMap<Asset, u128>>,
    receipts: BTreeMap<TransactionId, u64>,
    said: BTreeMap<usize, Said>,
    /// The highest view signed in, by epoch.
    views: BTreeMap<u64, u64>,
    /// How often each tells each other the same.
    pub(crate) pace: Pace,
}

/// What one validator has signed, over all its restarts.
#[derive(Debug, Default)]
struct Said {
    blocks: BTreeMap<(u8, u64, u64), Statement>,
    timeouts: BTreeMap<(u64, u64), Statement>,
    finalized: BTreeMap<(u64, u64), Statement>,
    /// What left it, by epoch.
    sent: BTreeSet<(u64, Statement)>,
}

impl Invariants {
    /// Where a transaction's receipt is.
    pub(crate) fn receipt(&self, transaction: &TransactionId) -> Option<u64> {
        self.receipts.get(transaction).copied()
    }
    /// The highest final height of any node.
    pub(crate) fn highest(&self) -> u64 {
        self.finals.last_key_value().map_or(0, |(height, _)| *height)
    }

    /// Views in which anything was signed, over all epochs.
    pub(crate) fn views(&self) -> u64 {
        self.views.values().sum()
    }

    /// A node sends a message of consensus.
    pub(crate) fn says(&mut self, node: usize, me: ValidatorIndex, message: &Message) {
        let statement = match message {
            Message::Proposal(proposal) => Some(proposal.statement()),
            Message::Notarize(vote) => (vote.signer == me).then(|| vote.notarize()),
            Message::Finalize(vote) => (vote.signer == me).then(|| vote.finalize()),
            Message::Timeout(timeout) => (timeout.signer == me).then(|| timeout.statement()),
            Message::Certificate(_) => None,
        };
        let entry = statement.map(|statement| (message.epoch().get(), statement));
        self.said.entry(node).or_default().sent.extend(entry);
    }

    /// A node is told to execute a block, after the given height.
    pub(crate) fn finalized(&mut self, node: usize, after: u64, height: u64, block: Digest) -> Result<(), Breach> {
        if height != after + 1 {
            return Err(Breach::Order { node, height, after });
        }
        let there = *self.finals.entry(height).or_insert(block);
        if there == block { Ok(()) } else { Err(Breach::TwoFinal { node, height, here: block, there }) }
    }

    /// A node executed a block.
    pub(crate) fn executed(&mut self, node: usize, executed: &Executed) -> Result<(), Breach> {
        let height = executed.height;
        let roots = (executed.state_root, executed.results_root);
        let first = !self.roots.contains_key(&height);
        if *self.roots.entry(height).or_insert(roots) != roots {
            return Err(Breach::Roots { node, height });
        }
        if *self.supply.get_or_insert_with(|| executed.supply.clone()) != executed.supply {
            return Err(Breach::Supply { node, height });
        }
        for receipt in executed.receipts.iter().filter(|_| first) {
            if let Some(before) = self.receipts.insert(receipt.transaction, height) {
                let transaction = receipt.transaction;
                return Err(Breach::Twice { transaction, first: before, second: height });
            }
        }
        Ok(())
    }

    /// The supply that must never change.
    pub(crate) fn set_supply(&mut self, supply: BTreeMap<Asset, u128>) {
        self.supply = Some(supply);
    }

    /// A node replaces its guard.
    pub(crate) fn guarded(node: usize, before: Option<&GuardRecord>, after: &GuardRecord) -> Result<(), Breach> {
        if before.is_none_or(|before| after.continues(before)) { Ok(()) } else { Err(Breach::GuardWentBack { node }) }
    }

    /// A node signs a statement in an epoch, with this guard on its disk.
    pub(crate) fn signs(
        &mut self,
        (node, forgets): (usize, bool),
        guard: Option<&GuardRecord>,
        epoch: u64,
        statement: Statement,
    ) -> Result<(), Breach> {
        if !guard.is_some_and(|guard| guard.epoch.get() > epoch || covers(guard, &statement)) {
            return Err(Breach::Unguarded { node, statement });
        }
        let highest = self.views.entry(epoch).or_default();
        *highest = statement.view().get().max(*highest);
        let said = self.said.entry(node).or_default();
        let contradiction = match statement {
            Statement::Proposal { view, block, .. } => said.block(1, (epoch, view.get()), block, statement),
            Statement::Notarize { view, block } => said.block(2, (epoch, view.get()), block, statement),
            Statement::Finalize { view, block } => {
                said.finalized.insert((epoch, view.get()), statement);
                let later = said.timeouts.range((epoch, view.get())..=(epoch, u64::MAX));
                let broken = later.map(|(_, timeout)| timeout).find(|timeout| high(timeout) < view.get());
                broken.copied().or_else(|| said.block(3, (epoch, view.get()), block, statement))
            }
            Statement::Timeout { view, high_view } => {
                said.timeouts.insert((epoch, view.get()), statement);
                let above = (epoch, high_view.get() + 1)..=(epoch, view.get());
                (high_view < view).then(|| said.finalized.range(above).next().map(|(_, first)| *first)).flatten()
            }
        };
        // Of a node with an old guard only what had left it counts: nobody can show it the rest.
        let contradiction = contradiction.filter(|first| !forgets || said.sent.contains(&(epoch, *first)));
        contradiction.map_or(Ok(()), |first| Err(Breach::Contradiction { node, first, second: statement }))
    }
}

impl Said {
    fn block(&mut self, kind: u8, at: (u64, u64), block: Digest, statement: Statement) -> Option<Statement> {
        let first = *self.blocks.entry((kind, at.0, at.1)).or_insert(statement);
        (block_of(&first) != Some(block)).then_some(first)
    }
}

fn high(timeout: &Statement) -> u64 {
    match timeout {
        Statement::Timeout { high_view, .. } => high_view.get(),
        Statement::Proposal { .. } | Statement::Notarize { .. } | Statement::Finalize { .. } => u64::MAX,
    }
}

fn block_of(statement: &Statement) -> Option<Digest> {
    match statement {
        Statement::Proposal { block, .. } | Statement::Notarize { block, .. } | Statement::Finalize { block, .. } => {
            Some(*block)
        }
        Statement::Timeout { .. } => None,
    }
}

/// Does the record say that this was signed, or something later?
fn covers(guard: &GuardRecord, statement: &Statement) -> bool {
    let last = match statement {
        Statement::Proposal { .. } => guard.last_proposal.map(|choice| choice.view),
        Statement::Notarize { .. } => guard.last_notarize.map(|choice| choice.view),
        Statement::Finalize { .. } => guard.last_finalize.map(|choice| choice.view),
        Statement::Timeout { .. } => guard.last_timeout.map(|surrender| surrender.view),
    };
    last.is_some_and(|last| last >= statement.view())
}
