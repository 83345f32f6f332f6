//! The event loop: the one thread that calls `Replica::handle`, and the one that carries out what it answers.
//!
//! A *turn* takes what has arrived, lets the replica handle it, makes the guard records of the whole turn durable with
//! one append and one fdatasync, and only then carries out the rest in order (R8). It must not verify signatures,
//! execute blocks or wait for the database: others do that on threads of their own.

mod clock;
mod inbox;
mod roster;
mod turn;

pub use clock::Clock;
pub use inbox::{Arrival, Inbox, PeerArrival};
pub use roster::{Roster, Shared};

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tonle_crypto::SecretKey;
use tonle_replica::{Batch, Effect, Event, PeerContext, Refusal, Replica, ReplicaStatus};

use crate::batch_log::BatchLog;
use crate::evidence::Evidence;
use crate::executor::Execution;
use crate::guard_file::GuardFile;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::storage::Error;
use crate::sync_server::SyncServer;

/// Arrivals of one turn. More would make the first of them wait for the last one's handling.
const TURN_ARRIVALS_MAX: usize = 256;
/// The status that operators see is at most this old while anything happens.
const STATUS_INTERVAL: Duration = Duration::from_millis(50);
/// Longest wait for an arrival, so that the clock is looked at even if the replica names no deadline.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What the loop drives. Everything in it is either memory or a handle to a thread of its own.
#[derive(Debug)]
pub struct Parts {
    /// The brain.
    pub replica: Replica,
    /// R8's guard file. The loop owns it: an append and its sync happen on this thread.
    pub guard: GuardFile,
    /// Sign consensus messages and own batches; none for an observer, two while one key follows the other.
    pub keys: Vec<SecretKey>,
    /// Who serves in the epoch, and who may connect.
    pub roster: Roster,
    /// What peers' messages are checked against: told of every epoch.
    pub context: Arc<PeerContext>,
    /// Batches that are not final yet.
    pub batch_log: BatchLog,
    /// Executes final blocks.
    pub execution: Execution,
    /// Validators' links.
    pub network: Network,
    /// Answers peers' requests from disk.
    pub sync_server: SyncServer,
    /// Keeps proofs of misbehaviour.
    pub evidence: Evidence,
    /// Where status is shown.
    pub status: Arc<RwLock<ReplicaStatus>>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// The running loop's state.
#[derive(Debug)]
pub struct EventLoop {
    parts: Parts,
    clock: Clock,
    arrivals: Receiver<Arrival>,
    /// What the replica wants done, not carried out yet.
    effects: Vec<Effect>,
    /// Clients that wait for their transaction to be durable, by ticket. Bounded by the replica's pool.
    waiting: BTreeMap<u64, oneshot::Sender<Result<(), Refusal>>>,
    next_ticket: u64,
    /// Batches that the log's queue refused: handed over again, in order, before newer ones.
    unstored: VecDeque<Arc<Batch>>,
    status_at: Instant,
}

impl EventLoop {
    /// A loop that takes from `arrivals`.
    #[must_use]
    pub fn new(parts: Parts, arrivals: Receiver<Arrival>) -> Self {
        EventLoop {
            parts,
            clock: Clock::start(),
            arrivals,
            effects: Vec::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
            unstored: VecDeque::new(),
            status_at: Instant::now(),
        }
    }

    /// Runs until it is told to stop.
    ///
    /// # Errors
    /// A failed disk: the process must end, and signs nothing more.
    pub fn run(mut self) -> Result<(), Error> {
        self.feed(Event::Start);
        self.carry_out()?;
        self.show_status();
        loop {
            let first = match self.arrivals.recv_timeout(self.wait()) {
                Ok(arrival) => Some(arrival),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            let mut stop = false;
            let mut held = Vec::new();
            let mut next = first;
            let mut taken = 0usize;
            while let Some(arrival) = next {
                stop |= self.arrive(arrival, &mut held)?;
                taken = taken.saturating_add(1);
                next = if taken < TURN_ARRIVALS_MAX { self.arrivals.try_recv().ok() } else { None };
            }
            if self.parts.replica.deadline().is_some_and(|deadline| deadline <= self.clock.monotonic_us()) {
                self.feed(Event::Tick);
            }
            self.carry_out()?;
            drop(held);
            if self.status_at.elapsed() >= STATUS_INTERVAL {
                self.show_status();
            }
            if stop {
                return Ok(());
            }
        }
    }

    /// How long nothing needs doing.
    fn wait(&self) -> Duration {
        let until = |deadline: u64| Duration::from_micros(deadline.saturating_sub(self.clock.monotonic_us()));
        let wait = self.parts.replica.deadline().map_or(WAIT_MAX, until).min(WAIT_MAX);
        if self.unstored.is_empty() { wait } else { wait.min(STATUS_INTERVAL) }
    }

    fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let effects = self.parts.replica.handle(self.clock.now(), event);
            for effect in &effects {
                if let Effect::EpochBegan { set, .. } = effect {
                    // What is fed from here on names validators by their places in this set.
                    self.parts.context.begin(set.clone());
                    events.extend(self.parts.roster.enter(set.clone()).into_iter().map(Event::Connected));
                }
            }
            self.effects.extend(effects);
        }
    }

    /// What a listed validator did, for the replica if it serves in this epoch.
    fn meet(&mut self, what: PeerArrival) {
        let event = match what {
            PeerArrival::Connected(key) => self.parts.roster.connected(key).map(Event::Connected),
            PeerArrival::Disconnected(key) => self.parts.roster.disconnected(&key).map(Event::Disconnected),
            PeerArrival::Message { from, message } => match self.parts.roster.place(&from) {
                Some(from) => Some(Event::Peer { from, message: *message }),
                None => {
                    // One that is to serve, or did, may ask for what is final.
                    if let Some(request) = message.into_request() {
                        self.parts.sync_server.serve(from, request);
                    }
                    None
                }
            },
        };
        if let Some(event) = event {
            self.feed(event);
        }
    }

    /// Takes one arrival; true when it says stop.
    fn arrive(&mut self, arrival: Arrival, held: &mut Vec<crate::network::Held>) -> Result<bool, Error> {
        match arrival {
            Arrival::Peer { what, held: budget } => {
                held.extend(budget);
                self.meet(what);
            }
            Arrival::Submitted { transaction, reply } => {
                let ticket = self.next_ticket;
                self.next_ticket = self.next_ticket.wrapping_add(1);
                self.waiting.insert(ticket, reply);
                self.feed(Event::Submitted { transaction: Arc::new(transaction), ticket });
            }
            Arrival::Stored(batches) => {
                for (lane, _, digest) in batches {
                    self.feed(Event::BatchStored { lane, digest });
                }
            }
            Arrival::Executed { checkpoint, members } => {
                if let Some(members) = &members {
                    self.parts.roster.list(members);
                }
                self.feed(Event::Executed { checkpoint, members });
            }
            Arrival::Failed(error) => return Err(error),
            Arrival::Stop => return Ok(true),
        }
        Ok(false)
    }

    /// Shows operators and metrics where the node stands.
    fn show_status(&mut self) {
        self.status_at = Instant::now();
        let status = self.parts.replica.status();
        let metrics = &self.parts.metrics;
        metrics.view.set(status.consensus.view.get());
        let in_a_row = status.consensus.timeouts_in_a_row.max(metrics.timeouts_in_a_row.get());
        metrics.timeouts_in_a_row.set(in_a_row);
        metrics.signing.set(i64::from(status.consensus.signs));
        metrics.skipped_leaders.set(i64::try_from(status.consensus.skipped.len()).unwrap_or(i64::MAX));
        metrics.finalized_height.set(status.consensus.final_height.get());
        metrics.executed_height.set(status.executed.get());
        metrics.lane_pending_transactions.set(i64::try_from(status.pool_transactions).unwrap_or(i64::MAX));
        let pending: u64 = status.lanes.iter().map(|lane| lane.held.saturating_sub(lane.last_final)).sum();
        metrics.lane_pending_batches.set(i64::try_from(pending).unwrap_or(i64::MAX));
        *self.parts.status.write().unwrap_or_else(std::sync::PoisonError::into_inner) = status;
    }
}
