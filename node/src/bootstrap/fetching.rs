//! Which piece of a snapshot is asked of whom: several peers at once, each piece of one peer at a time. What comes back is
//! verified before it is given on; who gives anything else is asked for nothing more.
//!
//! Bounds: [`UNDER_WAY_MAX`] answers of at most `bounds::MESSAGE_BYTES_MAX` each (35 MiB in all), 17 stretches of the tree,
//! and one task for each hour of ids, references or paid codes that the state has (at most 195, and 2,161 for codes that
//! expire within 90 days).
//!
//! It must not know the network, the disk or a clock: time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use tonle_consensus::Checkpoint;
use tonle_crypto::{Digest, PublicKey};
use tonle_ledger::{Bucket, StateKey};
use tonle_replica::{SnapshotFound, SnapshotQuery};

/// Requests under way at once, over all peers.
const UNDER_WAY_MAX: usize = 8;
/// Requests under way at one peer: it reads the next chunk while the one before travels.
const PER_PEER_MAX: usize = 2;
/// A request that is not answered within this time goes to another peer. The first of a peer may have to wait until it
/// has read its whole state.
const PATIENCE: Duration = Duration::from_secs(20);
/// A silent peer is not asked for this long.
const REST: Duration = Duration::from_secs(10);
/// When nothing new came for this long, one begins again with whatever snapshot is offered then.
const STALL_MAX: Duration = Duration::from_secs(90);
/// Stretches that the state tree is fetched in, side by side: two to the power of this.
const STRETCH_BITS: u8 = 4;

/// A piece that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Task {
    /// The state tree from one path up to another; to its end without one.
    State { from: Digest, to: Option<Digest> },
    /// A bucket up to the digest `link`.
    Bucket { bucket: Bucket, link: Digest },
}

#[derive(Debug)]
struct UnderWay {
    task: Task,
    peer: PublicKey,
    due: Instant,
}

/// What an answer was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// Verified values.
    Values(Vec<(StateKey, Vec<u8>)>),
    /// Not what was asked for, or late: ignored.
    Unasked,
    /// The peer has the snapshot no more, and is not asked again.
    Gone,
    /// The peer lied, and is not asked again.
    Lie,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Chunks verified.
    pub(super) chunks: u64,
    /// Values in them.
    pub(super) values: u64,
    /// Share of the state tree that is covered, in 256ths.
    pub(super) covered: u64,
    /// Buckets known of, and those that are complete.
    pub(super) buckets: u64,
    pub(super) buckets_done: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Fetching {
    checkpoint: Checkpoint,
    /// Those who hold the snapshot, and until when each rests.
    holders: BTreeMap<PublicKey, Option<Instant>>,
    waiting: VecDeque<Task>,
    under_way: BTreeMap<u64, UnderWay>,
    buckets: BTreeSet<Bucket>,
    next_id: u64,
    split: bool,
    progress: Progress,
    progressed: Instant,
}

impl Fetching {
    /// Fetches the state at `checkpoint`. Requests bear ids from `first_id` on.
    pub(super) fn new(checkpoint: Checkpoint, first_id: u64, now: Instant) -> Self {
        Fetching {
            checkpoint,
            holders: BTreeMap::new(),
            waiting: VecDeque::from([Task::State { from: Digest::ZERO, to: None }]),
            under_way: BTreeMap::new(),
            buckets: BTreeSet::new(),
            next_id: first_id,
            split: false,
            progress: Progress::default(),
            progressed: now,
        }
    }

    /// The roots that it fetches the state of.
    pub(super) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// A peer holds the snapshot.
    pub(super) fn holds(&mut self, peer: PublicKey) {
        self.holders.entry(peer).or_insert(None);
    }

    /// A peer is not to be asked any more; what was asked of it others are asked for.
    pub(super) fn lose(&mut self, peer: PublicKey) {
        self.holders.remove(&peer);
        let lost: Vec<u64> = self.under_way.iter().filter(|(_, way)| way.peer == peer).map(|(id, _)| *id).collect();
        for id in lost {
            self.put_back(id);
        }
    }

    /// Is everything here?
    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Is there nobody left to ask, or has nothing come for too long?
    pub(super) fn is_stranded(&self, now: Instant) -> bool {
        self.holders.is_empty() || now.saturating_duration_since(self.progressed) > STALL_MAX
    }

    /// Peers that hold the snapshot.
    pub(super) fn holders(&self) -> usize {
        self.holders.len()
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// What to ask of whom now.
    pub(super) fn poll(&mut self, now: Instant) -> Vec<(PublicKey, u64, SnapshotQuery)> {
        let late: Vec<u64> = self.under_way.iter().filter(|(_, way)| way.due <= now).map(|(id, _)| *id).collect();
        for id in late {
            if let Some(peer) = self.put_back(id)
                && let Some(rests) = self.holders.get_mut(&peer)
            {
                *rests = Some(now + REST);
            }
        }
        let mut asked = Vec::new();
        while self.under_way.len() < UNDER_WAY_MAX
            && let Some(peer) = self.idlest(now)
            && let Some(task) = self.waiting.pop_front()
        {
            let id = self.next_id;
            self.next_id = self.next_id.saturating_add(1);
            let height = self.checkpoint.height;
            let query = match &task {
                Task::State { from, .. } => SnapshotQuery::State { height, path: *from },
                Task::Bucket { bucket, link } => SnapshotQuery::Bucket { height, bucket: *bucket, link: *link },
            };
            self.under_way.insert(id, UnderWay { task, peer, due: now + PATIENCE });
            asked.push((peer, id, query));
        }
        asked
    }

    /// A peer's answer.
    pub(super) fn answered(&mut self, now: Instant, from: PublicKey, id: u64, found: SnapshotFound) -> Answered {
        if self.under_way.get(&id).is_none_or(|way| way.peer != from) {
            return Answered::Unasked;
        }
        let Some(UnderWay { task, .. }) = self.under_way.remove(&id) else { return Answered::Unasked };
        let taken = match (&task, found) {
            (_, SnapshotFound::State(None) | SnapshotFound::Bucket(None)) => {
                self.waiting.push_front(task);
                self.lose(from);
                return Answered::Gone;
            }
            (Task::State { from, to }, SnapshotFound::State(Some(chunk))) => {
                let behind = chunk.verify(from, &self.checkpoint.state_root);
                behind.map(|behind| {
                    self.state_arrived(behind, *to, &chunk.values);
                    chunk.values
                })
            }
            (Task::Bucket { bucket, link }, SnapshotFound::Bucket(Some(chunk))) => {
                chunk.verify(*bucket, link).map(|(values, before)| {
                    match before {
                        // The same peer has it in order already, mostly.
                        Some(link) => self.waiting.push_front(Task::Bucket { bucket: *bucket, link }),
                        None => self.progress.buckets_done = self.progress.buckets_done.saturating_add(1),
                    }
                    values
                })
            }
            (_, _) => Err(tonle_ledger::ProofInvalid),
        };
        let Ok(values) = taken else {
            self.waiting.push_front(task);
            self.lose(from);
            return Answered::Lie;
        };
        self.progressed = now;
        self.progress.chunks = self.progress.chunks.saturating_add(1);
        self.progress.values = self.progress.values.saturating_add(u64::try_from(values.len()).unwrap_or(u64::MAX));
        self.progress.covered = 256u64.saturating_sub(self.uncovered());
        Answered::Values(values)
    }

    /// A region was verified: what lies behind it is next, and the buckets that it names.
    fn state_arrived(&mut self, behind: Option<Digest>, to: Option<Digest>, values: &[(StateKey, Vec<u8>)]) {
        for (key, value) in values {
            let link = <[u8; 32]>::try_from(value.as_slice()).map(Digest::from_bytes);
            if let (Some(bucket), Ok(link)) = (Bucket::of(key), link)
                && self.buckets.insert(bucket)
            {
                self.progress.buckets = self.progress.buckets.saturating_add(1);
                self.waiting.push_back(Task::Bucket { bucket, link });
            }
        }
        let Some(next) = behind.filter(|next| to.is_none_or(|to| *next < to)) else { return };
        if std::mem::replace(&mut self.split, true) {
            self.waiting.push_front(Task::State { from: next, to });
            return;
        }
        // The first answer tells that there is more than one: from here on, stretches side by side.
        let mut starts = vec![next];
        starts.extend(stretches().filter(|start| *start > next));
        let ends = starts.iter().copied().skip(1).map(Some).chain([None]);
        for (from, to) in starts.iter().copied().zip(ends) {
            self.waiting.push_back(Task::State { from, to });
        }
    }

    /// The part of the tree that tasks still stand for, in 256ths, rounded up for each.
    fn uncovered(&self) -> u64 {
        let first = |path: &Digest| u64::from(path.as_bytes()[0]);
        let tasks = self.waiting.iter().chain(self.under_way.values().map(|way| &way.task));
        tasks.fold(0, |sum, task| match task {
            Task::State { from, to } => sum + to.as_ref().map_or(256, first).saturating_sub(first(from)),
            Task::Bucket { .. } => sum,
        })
    }

    /// Who has the least to do, among those who may be asked.
    fn idlest(&self, now: Instant) -> Option<PublicKey> {
        let load = |peer: PublicKey| self.under_way.values().filter(|way| way.peer == peer).count();
        let able = self.holders.iter().filter(|(_, rests)| rests.is_none_or(|until| until <= now));
        let idlest = able.map(|(peer, _)| (load(*peer), *peer)).min();
        idlest.filter(|(load, _)| *load < PER_PEER_MAX).map(|(_, peer)| peer)
    }

    /// What was asked waits again; says whom it was asked of.
    fn put_back(&mut self, id: u64) -> Option<PublicKey> {
        let UnderWay { task, peer, .. } = self.under_way.remove(&id)?;
        self.waiting.push_front(task);
        Some(peer)
    }
}

/// Where the stretches of the state tree begin.
fn stretches() -> impl Iterator<Item = Digest> {
    (0..1u8 << STRETCH_BITS).map(|stretch| {
        let mut path = [0u8; 32];
        path[0] = stretch << (8 - STRETCH_BITS);
        Digest::from_bytes(path)
    })
}

#[cfg(test)]
#[path = "fetching_tests.rs"]
mod tests;
