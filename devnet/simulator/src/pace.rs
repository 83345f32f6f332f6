//! How often a node may say the same to one peer. However many validators there are, these bounds stay the same, and
//! they hold whatever the peer says: each is the sum of what the product's own bounds for one peer allow.
//!
//! Must not know: why something is sent.

use std::collections::BTreeMap;

use tonle_consensus::Message;
use tonle_crypto::Digest;
use tonle_replica::bounds::{
    BLOCK_INTERVAL_MIN_US, ENDINGS_PER_SECOND, FETCH_ROUND_US, GREET_US, GREETINGS_PER_SECOND,
};
use tonle_replica::{PeerMessage, Query};

use crate::invariants::Breach;

const SECOND_US: u64 = 1_000_000;

/// What is paced by an allowance for each peer: in any second all of it at once, and as much again as it fills.
const fn paced(per_second: u64) -> u64 {
    2 * per_second
}

/// Certificates that a node sends another in a second, at most, on a connection that stays.
const CERTIFICATES_PER_SECOND_MAX: u64 =
    // R9, three each, the entry, the highest QC and the highest FC: when asked for, and when an epoch begins.
    3 * (paced(GREETINGS_PER_SECOND) + 1)
    // To a peer that works in an ended epoch.
    + paced(ENDINGS_PER_SECOND)
    // R1, two each: to a peer that says old things, in half of the base timeout, which is 300 ms at least.
    + 2 * 7
    // The same after an epoch's end.
    + 7
    // R6: with a Timeout that is repeated, in a base timeout.
    + 4
    // R1: to the leader of a view that begins, and to the silent, half of the base timeout later.
    + LED_PER_SECOND_MAX + 7;

/// And for each connection: three of R9, and whoever has just started gives each peer all allowances anew.
const CERTIFICATES_PER_CONNECTION_MAX: u64 = 3 * (1 + GREETINGS_PER_SECOND) + ENDINGS_PER_SECOND;

/// Views that one peer leads in a second, at most. Between two of them come all the others' turns, one or more of
/// honest leaders: such a one proposes no sooner than this after the proposal before.
const LED_PER_SECOND_MAX: u64 = SECOND_US / BLOCK_INTERVAL_MIN_US;

/// Requests of a node to another for the same thing in a second, at most, on connections that stay: once in a round
/// over all peers, or in the time after which a greeting is asked for again. Once more for each that begins, which
/// forgets what was asked, or ends, and its peer's turn is another's.
const REQUESTS_PER_SECOND_MAX: u64 =
    SECOND_US.div_ceil(if FETCH_ROUND_US < GREET_US { FETCH_ROUND_US } else { GREET_US }) + 1;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Certificate,
    /// A request, by what it names; the one for greetings names nothing.
    Asked(Option<Digest>),
}

/// What each node has sent each other in the second that it is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    second: u64,
    counts: BTreeMap<(usize, usize, Said), u64>,
    /// Connections that began, by node and peer.
    begun: BTreeMap<(usize, usize), u64>,
    /// Connections that ended, by node.
    ended: BTreeMap<usize, u64>,
}

impl Pace {
    /// A node is told of a connection.
    pub(crate) fn connected(&mut self, now_us: u64, node: usize, to: usize) {
        self.turn(now_us);
        *self.begun.entry((node, to)).or_default() += 1;
    }

    /// A node is told that a peer is gone.
    pub(crate) fn disconnected(&mut self, now_us: u64, node: usize) {
        self.turn(now_us);
        *self.ended.entry(node).or_default() += 1;
    }

    /// A node sends another a message.
    pub(crate) fn sends(&mut self, now_us: u64, node: usize, to: usize, message: &PeerMessage) -> Result<(), Breach> {
        let Some(said) = said(message) else { return Ok(()) };
        self.turn(now_us);
        let count = self.counts.entry((node, to, said)).or_default();
        *count += 1;
        let begun = self.begun.get(&(node, to)).copied().unwrap_or(0);
        let ended = self.ended.get(&node).copied().unwrap_or(0);
        let (most, breach) = match said {
            Said::Certificate => {
                let most = CERTIFICATES_PER_SECOND_MAX + begun * CERTIFICATES_PER_CONNECTION_MAX;
                (most, Breach::Storm { node, to })
            }
            Said::Asked(_) => (REQUESTS_PER_SECOND_MAX + begun + ended, Breach::Begs { node, to }),
        };
        if *count > most { Err(breach) } else { Ok(()) }
    }

    /// Another second is counted by itself.
    fn turn(&mut self, now_us: u64) {
        let second = now_us / SECOND_US;
        if second != self.second {
            *self = Pace { second, ..Pace::default() };
        }
    }
}

fn said(message: &PeerMessage) -> Option<Said> {
    match message {
        PeerMessage::Consensus(Message::Certificate(_)) => Some(Said::Certificate),
        PeerMessage::Request(request) => match request.query {
            Query::Block { digest } | Query::Batches { digest, .. } => Some(Said::Asked(Some(digest))),
            Query::Epoch => Some(Said::Asked(None)),
            Query::FinalBlocks { .. } | Query::Snapshot(_) => None,
        },
        PeerMessage::Consensus(_)
        | PeerMessage::Batch(_)
        | PeerMessage::Acknowledge(_)
        | PeerMessage::Response(_)
        | PeerMessage::FinalTip { .. }
        | PeerMessage::Misbehaviour(_)
        | PeerMessage::MisbehaviourKnown { .. } => None,
    }
}
