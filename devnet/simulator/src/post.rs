//! Messages as they travel: whoever sends one encodes it; its bytes are decoded and checked once, however many receive
//! them and however often they are sent. Whatever could be checked at all would be found the same a second time.
//!
//! Must not know: who sends what to whom.

use std::collections::HashMap;
use std::rc::Rc;

use tonle_consensus::Message;
use tonle_replica::{CheckedMessage, PeerMessage};

/// Messages remembered; when there are more, all are forgotten.
const KNOWN_MAX: usize = 4_096;

/// A message as it travels, and as its receiver sees it once its signatures are checked.
pub(crate) struct Delivery {
    pub(crate) message: PeerMessage,
    pub(crate) checked: CheckedMessage,
    /// How long it is.
    pub(crate) bytes: usize,
}

/// Messages that held, by their bytes. Those that did not are checked each time.
#[derive(Default)]
pub(crate) struct Post {
    known: HashMap<Vec<u8>, (u64, Rc<Delivery>)>,
    count: u64,
}

impl Post {
    /// Is a message of this kind sent often by several, and dear to check?
    pub(crate) fn is_repeated(message: &PeerMessage) -> bool {
        match message {
            PeerMessage::Consensus(message) => matches!(message, Message::Proposal(_) | Message::Certificate(_)),
            PeerMessage::Batch(_) | PeerMessage::Response(_) | PeerMessage::Misbehaviour(_) => true,
            PeerMessage::Acknowledge(_)
            | PeerMessage::Request(_)
            | PeerMessage::FinalTip { .. }
            | PeerMessage::MisbehaviourKnown { .. } => false,
        }
    }

    /// What these bytes are, and the number that they were given when they were first checked.
    pub(crate) fn known(&self, bytes: &[u8]) -> Option<(u64, Rc<Delivery>)> {
        self.known.get(bytes).map(|(number, delivery)| (*number, Rc::clone(delivery)))
    }

    /// Remembers what was checked. What could not be, for its epoch has begun nowhere yet, may be checked later.
    pub(crate) fn remember(&mut self, bytes: Vec<u8>, delivery: &Rc<Delivery>) {
        if !delivery.checked.counts() {
            return;
        }
        if self.known.len() >= KNOWN_MAX {
            self.known.clear();
        }
        self.count += 1;
        self.known.insert(bytes, (self.count, Rc::clone(delivery)));
    }
}
