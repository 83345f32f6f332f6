//! Evidence: proofs of misbehaviour that the replica learns are written down, counted and logged, on a thread of their
//! own, so that a disk that is slow with them delays no vote. What was kept is given back to the replica at the next
//! start.
//!
//! Must not know: how misbehaviour is found or passed on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use tonle_crypto::PublicKey;
use tonle_replica::{Misbehaviour, bounds};

use crate::event_loop::Shared;
use crate::metrics::{Metrics, Offender};
use crate::storage::{Database, Error, KeptMisbehaviour};

/// Proofs that wait to be written. One that finds no room is logged with its id, and peers show it again after a
/// restart.
const WAITING_MAX: usize = 1_024;

/// Hands proofs to the thread; dropping it ends the thread once it has written what waits.
#[derive(Debug)]
pub struct Evidence {
    queue: Option<SyncSender<Arc<Misbehaviour>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread writes to and counts in.
#[derive(Debug)]
struct Keeper {
    database: Arc<Database>,
    metrics: Arc<Metrics>,
    validators: Shared,
}

impl Evidence {
    /// Starts the thread. Gives also what was kept before, which is counted already.
    ///
    /// # Errors
    /// When the database cannot be read, or the system gives no thread.
    pub fn start(
        database: Arc<Database>,
        metrics: Arc<Metrics>,
        validators: Shared,
    ) -> anyhow::Result<(Self, Vec<Arc<Misbehaviour>>)> {
        let keeper = Keeper { database, metrics, validators };
        let mut kept = keeper.database.misbehaviour(None, bounds::OFFENCES_MAX)?;
        // In the order learnt, so that peers see it in that order again.
        kept.sort_by_key(|kept| kept.first_seen_ms);
        kept.iter().for_each(|kept| keeper.count(&kept.proof));
        let (queue, found) = sync_channel(WAITING_MAX);
        let thread = std::thread::Builder::new().name("evidence".to_owned()).spawn(move || keeper.run(&found))?;
        let evidence = Evidence { queue: Some(queue), thread: Some(thread) };
        Ok((evidence, kept.into_iter().map(|kept| Arc::new(kept.proof)).collect()))
    }

    /// Keeps a proof of an offence that was not known. Never waits.
    pub fn keep(&self, proof: Arc<Misbehaviour>) {
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(proof) | TrySendError::Disconnected(proof)) = queue.try_send(proof) {
            tracing::error!(offence = ?proof.offence(), "evidence is not written down: too much of it waits");
        }
    }
}

impl Drop for Evidence {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the evidence thread panicked");
        }
    }
}

impl Keeper {
    fn run(&self, found: &Receiver<Arc<Misbehaviour>>) {
        while let Ok(proof) = found.recv() {
            // A database that fails ends the process elsewhere, with the block that it cannot write.
            if let Err(error) = self.keep(&proof) {
                tracing::error!(%error, offence = ?proof.offence(), "evidence is not written down");
            }
        }
    }

    fn keep(&self, proof: &Misbehaviour) -> Result<(), Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first_seen_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        if self.database.keep_misbehaviour(&KeptMisbehaviour { first_seen_ms, proof: *proof })? {
            let offence = proof.offence();
            tracing::warn!(
                validator = self.name(&offence.accused),
                kind = offence.kind.name(),
                epoch = offence.epoch.get(),
                place = offence.place,
                offence = %offence.id(),
                "a validator contradicted itself; see `tonle evidence list`"
            );
            self.count(proof);
        }
        Ok(())
    }

    fn count(&self, proof: &Misbehaviour) {
        let offence = proof.offence();
        let offender = Offender { validator: self.name(&offence.accused), kind: offence.kind.name() };
        self.metrics.misbehaviour.get_or_create(&offender).inc();
    }

    /// The participant whose key this is; the key itself when it validates no more.
    fn name(&self, key: &PublicKey) -> String {
        let set = self.validators.get();
        let validator = set.index_of(key).and_then(|index| set.get(index));
        validator.map_or_else(|| key.to_string(), |validator| validator.name.clone())
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
