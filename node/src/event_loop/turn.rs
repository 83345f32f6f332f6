//! Carrying out a turn's effects: first the guard, then everything else in order.

use std::time::Instant;

use tonle_consensus::Message;
use tonle_crypto::SecretKey;
use tonle_replica::{Effect, Event, PeerMessage};

use super::EventLoop;
use crate::batch_log::{Refused, Released};
use crate::storage::Error;

impl EventLoop {
    /// Carries out all effects, and those that follow from the signer's answers.
    pub(super) fn carry_out(&mut self) -> Result<(), Error> {
        self.store_again();
        while !self.effects.is_empty() {
            let effects = std::mem::take(&mut self.effects);
            self.persist(&effects)?;
            for effect in effects {
                self.apply(effect)?;
            }
        }
        Ok(())
    }

    /// R8: one append and one sync cover every record of the turn, before anything of the turn is done. Records only
    /// grow, so the last one covers all.
    fn persist(&mut self, effects: &[Effect]) -> Result<(), Error> {
        let mut last = None;
        let mut journal = Vec::new();
        for effect in effects {
            if let Effect::Persist { record, blocks } = effect {
                last = Some(record);
                journal.extend(blocks.iter().cloned());
            }
        }
        let Some(record) = last else { return Ok(()) };
        let begin = Instant::now();
        self.parts.guard.persist(record.clone(), journal)?;
        self.parts.metrics.guard_sync_seconds.observe(begin.elapsed().as_secs_f64());
        Ok(())
    }

    #[allow(clippy::too_many_lines, reason = "the one dispatch over effects")]
    fn apply(&mut self, effect: Effect) -> Result<(), Error> {
        match effect {
            // Done for the whole turn by `persist`.
            Effect::Persist { .. } => {}
            Effect::Sign(request) => {
                if let Some(key) = self.key() {
                    let signature = key.sign(request.message());
                    self.feed(Event::Signed { request, signature });
                }
            }
            Effect::SignBatch { seq, message } => {
                if let Some(key) = self.key() {
                    let signature = key.sign(&message);
                    self.feed(Event::BatchSigned { seq, signature });
                }
            }
            Effect::StoreBatch(batch) => {
                self.unstored.push_back(batch);
                self.store_again();
            }
            Effect::Send { to, message } => {
                trace_departure(&message);
                self.parts.network.send(&self.parts.roster.destination(&to), &message);
            }
            Effect::Gossip(batch) => self.parts.network.gossip(batch.raw()),
            Effect::Serve { to, request } => {
                if let Some(to) = self.parts.roster.key(to) {
                    self.parts.sync_server.serve(to, request);
                }
            }
            Effect::Execute(block) => {
                if let Err(error) = self.parts.execution.execute(block) {
                    // The replica keeps fewer under way than the queue takes; a thread that ended has sent its error.
                    tracing::error!(%error, "a final block was not taken for execution");
                }
            }
            Effect::Accepted { ticket } => self.answer(ticket, Ok(())),
            Effect::Refused { ticket, reason } => self.answer(ticket, Err(reason)),
            Effect::ReleaseBatches { up_to } => {
                // A refused release is covered by the next one.
                if let Err(error) = self.parts.batch_log.release(Released(up_to)) {
                    tracing::debug!(%error, "release put off");
                }
            }
            Effect::ReleaseBlocks { up_to } => self.parts.guard.release(up_to),
            Effect::EpochBegan { anchor, set } => {
                tracing::info!(
                    epoch = set.epoch().get(),
                    after = anchor.block.height().get(),
                    validators = set.len(),
                    serves = self.parts.keys.iter().any(|key| set.index_of(&key.public()).is_some()),
                    "epoch began"
                );
                self.parts.roster.carry_on(set);
            }
            Effect::Misbehaviour(proof) => self.parts.evidence.keep(proof),
            Effect::GuardRenewed { record } => {
                tracing::info!(
                    epoch = record.epoch.get(),
                    "the guard was lost: this validator signs again from here on"
                );
                self.parts.guard.renew(record)?;
            }
            Effect::GuardLost { statement } => {
                tracing::error!(?statement, "a peer proved a signature of ours that the guard does not know");
                self.parts.guard.mark_lost()?;
            }
            Effect::Halt(reason) => {
                tracing::error!(%reason, "halted: no more votes; reads are still served");
            }
        }
        Ok(())
    }

    /// What signs in the epoch whose effects are carried out.
    fn key(&self) -> Option<&SecretKey> {
        self.parts.keys.iter().find(|key| self.parts.roster.serves(&key.public()))
    }

    fn answer(&mut self, ticket: u64, answer: Result<(), tonle_replica::Refusal>) {
        if let Some(reply) = self.waiting.remove(&ticket) {
            // The client may have gone; its transaction has not.
            let _ = reply.send(answer);
        }
    }

    /// Hands batches to the log, oldest first, as far as its queue takes them. An acknowledgement follows only from
    /// [`Event::BatchStored`], so a batch that waits here is not promised to anybody.
    fn store_again(&mut self) {
        while let Some(batch) = self.unstored.front() {
            match self.parts.batch_log.store(batch) {
                Ok(()) => {
                    self.unstored.pop_front();
                }
                Err(Refused::Full) => {
                    tracing::warn!(waiting = self.unstored.len(), "the batch log's disk does not keep up");
                    return;
                }
                Err(Refused::Ended) => return,
            }
        }
    }
}

/// One line for each message that R8 covers, written before it leaves: a system call trace shows it after the sync.
fn trace_departure(message: &PeerMessage) {
    if !tracing::enabled!(target: "tonle::departure", tracing::Level::TRACE) {
        return;
    }
    match message {
        PeerMessage::Consensus(message) => {
            let kind = match message {
                Message::Proposal(_) => "proposal",
                Message::Notarize(_) => "notarize",
                Message::Finalize(_) => "finalize",
                Message::Timeout(_) => "timeout",
                Message::Certificate(_) => return,
            };
            tracing::trace!(target: "tonle::departure", kind, "vote leaves");
        }
        PeerMessage::Acknowledge(acknowledgement) => {
            let lanes: Vec<_> = acknowledgement.lanes.iter().map(|line| (line.lane.get(), line.tip.seq)).collect();
            tracing::trace!(target: "tonle::departure", ?lanes, "acknowledgement leaves");
        }
        PeerMessage::Batch(_)
        | PeerMessage::Request(_)
        | PeerMessage::Response(_)
        | PeerMessage::FinalTip { .. }
        | PeerMessage::Misbehaviour(_)
        | PeerMessage::MisbehaviourKnown { .. } => {}
    }
}
