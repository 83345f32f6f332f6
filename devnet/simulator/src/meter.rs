//! What a run costs and how long it takes: messages and bytes sent, and the times from proposal and from submission to
//! finality. It only watches.
//!
//! Must not know: faults, how a node works inside.

use std::collections::BTreeMap;

use tonle_consensus::Message;
use tonle_crypto::Digest;
use tonle_ledger::TransactionId;
use tonle_replica::PeerMessage;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Traffic {
    /// Proposals, with the batches that ride beside them.
    Proposals,
    /// Notarize, Finalize and Timeout.
    Votes,
    /// Certificates passed on.
    Certificates,
    /// Batches.
    Batches,
    /// Acknowledgements of batches.
    Acknowledgements,
    /// Announcements of heights; requests and their answers.
    Others,
}

impl Traffic {
    /// All kinds.
    pub const ALL: [Traffic; 6] = [
        Traffic::Proposals,
        Traffic::Votes,
        Traffic::Certificates,
        Traffic::Batches,
        Traffic::Acknowledgements,
        Traffic::Others,
    ];

    fn of(message: &PeerMessage) -> Traffic {
        match message {
            PeerMessage::Consensus(Message::Proposal(_)) => Traffic::Proposals,
            PeerMessage::Consensus(Message::Notarize(_) | Message::Finalize(_) | Message::Timeout(_)) => Traffic::Votes,
            PeerMessage::Consensus(Message::Certificate(_)) => Traffic::Certificates,
            PeerMessage::Batch(_) => Traffic::Batches,
            PeerMessage::Acknowledge(_) => Traffic::Acknowledgements,
            PeerMessage::Request(_)
            | PeerMessage::Response(_)
            | PeerMessage::FinalTip { .. }
            | PeerMessage::Misbehaviour(_)
            | PeerMessage::MisbehaviourKnown { .. } => Traffic::Others,
        }
    }
}

/// See the module. Times are virtual, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// What happened before counts for nothing.
    pub(crate) since_us: u64,
    proposed: BTreeMap<Digest, u64>,
    submitted: BTreeMap<TransactionId, (usize, u64)>,
    /// From a block's first proposal until a node knew it to be final, for each block and node.
    pub(crate) from_proposal: Vec<u64>,
    /// From a transaction's submission until its bank's node had executed it, for each transaction.
    pub(crate) from_submission: Vec<u64>,
    /// Messages and bytes, each message once for every receiver.
    pub(crate) sent: BTreeMap<Traffic, (u64, u64)>,
}

impl Meter {
    /// One that counts from a time on.
    pub(crate) fn since(since_us: u64) -> Self {
        Meter { since_us, ..Meter::default() }
    }

    /// A message leaves for one receiver.
    pub(crate) fn sends(&mut self, now_us: u64, message: &PeerMessage, bytes: usize) {
        if now_us < self.since_us {
            return;
        }
        if let PeerMessage::Consensus(Message::Proposal(proposal)) = message {
            self.proposed.entry(proposal.block.digest()).or_insert(now_us);
        }
        let (messages, sum) = self.sent.entry(Traffic::of(message)).or_default();
        *messages += 1;
        *sum += u64::try_from(bytes).unwrap_or(u64::MAX);
    }

    /// A client submits to a node.
    pub(crate) fn submits(&mut self, now_us: u64, node: usize, transaction: TransactionId) {
        if now_us >= self.since_us {
            self.submitted.entry(transaction).or_insert((node, now_us));
        }
    }

    /// A node knows that a block is final.
    pub(crate) fn finalizes(&mut self, now_us: u64, block: &Digest) {
        self.from_proposal.extend(self.proposed.get(block).map(|proposed| now_us - proposed));
    }

    /// A node has executed a transaction, and its database has it.
    pub(crate) fn executes(&mut self, now_us: u64, node: usize, transaction: &TransactionId) {
        let due = self.submitted.get(transaction).filter(|(bank, _)| *bank == node);
        self.from_submission.extend(due.map(|(_, submitted)| now_us - submitted));
    }
}
