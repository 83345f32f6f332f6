//! Messages as they travel: whoever sends one encodes it; its bytes are decoded and checked once, however many receive
//! them and however often they are sent. Whatever could be checked at all would be found the same a second time.
//!
//! Must not know: who sends what to whom.

use std::collections::HashMap;
use std::rc::Rc;

use tonle_consensus::Message;
use tonle_crypto::Canonical;
use tonle_replica::{CheckedMessage, PeerMessage};

use crate::network::Fate;
use crate::world::{Happening, World};

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

impl World {
    /// What a receiver makes of a message: its bytes, decoded and checked; or why it is refused.
    pub(crate) fn check(&mut self, message: &PeerMessage) -> Result<Rc<Delivery>, String> {
        let bytes = message.encode();
        let is_repeated = Post::is_repeated(message);
        if is_repeated && let Some((number, delivery)) = self.post.known(&bytes) {
            self.trace.update(&number.to_be_bytes());
            return Ok(delivery);
        }
        self.trace.update(&bytes);
        let message = PeerMessage::decode(&bytes).map_err(|error| error.to_string())?;
        let checked = CheckedMessage::check(message.clone(), &self.context, &self.memo);
        let delivery =
            Rc::new(Delivery { message, checked: checked.map_err(|error| error.to_string())?, bytes: bytes.len() });
        if is_repeated {
            self.post.remember(bytes, &delivery);
        }
        Ok(delivery)
    }

    /// Puts a message on a link.
    pub(crate) fn transmit(&mut self, from: usize, to: usize, delivery: &Rc<Delivery>) {
        if !self.nodes[from].connected[to] {
            return;
        }
        if let Some(meter) = &mut self.meter {
            meter.sends(self.now_us, &delivery.message, delivery.bytes);
        }
        let boot = self.nodes[to].boot;
        let fate = self.network.fate(self.now_us, from, to, &mut self.dice, &mut self.fired);
        let Fate::Arrives(delay, again) = fate else { return };
        for delay in std::iter::once(delay).chain(again) {
            self.after(delay, Happening::Deliver { from, to, boot, message: Rc::clone(delivery) });
        }
    }
}
