//! What passes between machines: to whom a node's messages go, what each must be able to vouch for, and who takes what.
//!
//! Must not know: what an effect is, or what a message means.

use tonle_consensus::{Block, Certificate, GuardRecord, Message, Recipients, ValidatorIndex};
use tonle_crypto::{Canonical, Digest};
use tonle_replica::{Cut, Event, PeerMessage, serve};

use crate::invariants::Breach;
use crate::post::Delivery;
use crate::world::{Happening, World};

impl World {
    /// A message reaches a node. Of one that does not serve in its epoch it takes requests only, like any shell.
    pub(crate) fn deliver(&mut self, from: usize, to: usize, delivery: &Delivery) -> Result<(), Breach> {
        match (self.place(from, to), &delivery.message) {
            (Some(from), _) => self.feed(to, Event::Peer { from, message: delivery.checked.clone() }),
            (None, PeerMessage::Request(request)) => {
                let response = PeerMessage::Response(serve(request, &self.nodes[to].disk));
                self.send_to(to, &[from], response)
            }
            (None, _) => Ok(()),
        }
    }

    /// Sends over a real wire format.
    pub(crate) fn send(&mut self, from: usize, to: &Recipients, message: PeerMessage) -> Result<(), Breach> {
        let epoch = self.nodes[from].running.as_ref().map_or(0, |running| running.epoch);
        let owner = |place: &ValidatorIndex| self.rosters.owner(epoch, *place);
        let wanted: Vec<usize> = match to {
            Recipients::One(one) => owner(one).into_iter().collect(),
            Recipients::Many(many) => many.iter().filter_map(owner).collect(),
            // Those too who are to serve, or did: a shell does not know them apart.
            Recipients::All => (0..self.chain.validator_keys.len()).collect(),
        };
        // An owner's own machine, and its twin's.
        let of = |owner: &usize| {
            let twins =
                (self.chain.validator_keys.len()..self.nodes.len()).filter(|at| self.nodes[*at].owner == *owner);
            std::iter::once(*owner).chain(twins).collect::<Vec<_>>()
        };
        let me = self.owner(from);
        let receivers: Vec<usize> = wanted.iter().filter(|owner| **owner != me).flat_map(of).collect();
        self.send_to(from, &receivers, message)
    }

    fn send_to(&mut self, from: usize, receivers: &[usize], message: PeerMessage) -> Result<(), Breach> {
        if !self.is_honest(from) {
            return self.misbehave(from, receivers, &message);
        }
        self.vouches(from, &message)?;
        let delivery = self.check(&message).map_err(|why| Breach::HonestRefused { node: from, why })?;
        if let PeerMessage::Consensus(message) = &message {
            let me = self.rosters.place(message.epoch().get(), self.owner(from));
            if let Some(me) = me {
                self.invariants.says(from, me, message);
            }
        }
        if let PeerMessage::Consensus(Message::Certificate(Certificate::Timeout(certificate))) = &message {
            self.timeouts.insert((certificate.epoch, certificate.view));
        }
        for receiver in receivers.iter().copied() {
            self.invariants.pace.sends(self.now_us, from, receiver, &message)?;
            self.transmit(from, receiver, &delivery);
        }
        Ok(())
    }

    /// R8 for data: what leaves a node as its own, or as held by it, is on its disk.
    fn vouches(&self, from: usize, message: &PeerMessage) -> Result<(), Breach> {
        let node = &self.nodes[from];
        let lane = &self.chain.validator_keys[node.owner];
        let digests: Vec<_> = match message {
            PeerMessage::Acknowledge(acknowledgement) => {
                acknowledgement.lanes.iter().map(|line| (line.lane.index(), line.tip.seq, line.tip.digest)).collect()
            }
            PeerMessage::Batch(batch) if *batch.lane() == lane.public() => {
                let place = self.place(from, from).map_or(usize::MAX, ValidatorIndex::index);
                vec![(place, batch.seq(), batch.digest())]
            }
            _ => Vec::new(),
        };
        self.holds(from, digests)
    }

    /// R5: a node notarizes a block, which it writes to its disk with the record: the data is there already.
    pub(crate) fn notarizes(&self, at: usize, record: &GuardRecord, blocks: &[Block]) -> Result<(), Breach> {
        let notarized = record.last_notarize.map(|choice| choice.block);
        let block = blocks.iter().find(|block| Some(block.digest()) == notarized);
        let cut = block.and_then(|block| Cut::decode(block.payload()).ok());
        let tips = cut.iter().flat_map(Cut::tips).enumerate();
        self.holds(at, tips.map(|(lane, tip)| (lane, tip.seq, tip.digest)).collect())
    }

    /// These batches, by the place of their lane, are on a node's disk.
    fn holds(&self, at: usize, batches: Vec<(usize, u64, Digest)>) -> Result<(), Breach> {
        let node = &self.nodes[at];
        for (lane, seq, digest) in batches {
            if seq > 0 && !node.disk.holds(&digest) {
                let lanes = node.running.as_ref().map(|running| running.replica.status().lanes).unwrap_or_default();
                // What is final is held by others for ever; that it is still to be fetched here does not matter.
                if lanes.get(lane).is_none_or(|lane| lane.last_final < seq) {
                    return Err(Breach::NotDurable { node: at, digest });
                }
            }
        }
        Ok(())
    }

    pub(crate) fn disconnect(&mut self, one: usize, other: usize) {
        if let Some(connected) = self.nodes[one].connected.get_mut(other) {
            *connected = false;
        }
        let was = std::mem::replace(&mut self.nodes[other].connected[one], false);
        // A validator that runs twice is gone when both are.
        let gone = self.owner(one);
        let still = (0..self.nodes.len()).any(|at| self.nodes[other].connected[at] && self.owner(at) == gone);
        if was && !still && self.nodes[other].running.is_some() {
            let boot = self.nodes[other].boot;
            self.after(1_000, Happening::Gone { node: other, boot, owner: gone });
        }
    }
}
