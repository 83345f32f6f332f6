//! The files of the batch log and the index of what lives in them. It must not know threads or queues.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tonle_crypto::{Canonical, CodecError, Digest, PublicKey, Reader};
use tonle_replica::RawBatch;

use crate::segment::{self, Segment, TornTail};
use crate::storage::Error;

const PREFIX: &str = "log";
const KIND_BATCHES: u8 = 1;
const KIND_LOST: u8 = 2;
/// Segments older than the newest that may linger for a few live batches each; with more, the oldest is copied away.
const OLD_SEGMENTS_MAX: usize = 4;
const FRAME_BATCHES_MAX: usize = 1 << 20;

const ADVICE: &str = "Other validators rely on what this one acknowledged. Move the batches directory away and start the \
    node: it asks its peers for the batches that are not final, and for its own lane, before it seals another";

/// What a start finds.
#[derive(Debug)]
pub struct RecoveredBatches {
    /// The live batches, ascending by number, so that each comes after its parent.
    pub batches: Vec<Arc<RawBatch>>,
    /// The node ran before, and what it knew of its own lane is gone: it must learn its lane's tip from its peers before
    /// it seals another batch (R9).
    pub lost: bool,
    /// A torn end that was cut off.
    pub torn: Option<TornTail>,
}

#[derive(Debug, Clone)]
struct Place {
    file: Arc<File>,
    path: Arc<Path>,
    segment: u64,
    offset: u64,
    length: usize,
    lane: PublicKey,
    seq: u64,
}

type Index = Arc<RwLock<HashMap<Digest, Place>>>;

/// Reads live batches, from any thread.
#[derive(Debug, Clone)]
pub struct BatchLogReader(Index);

impl BatchLogReader {
    /// The live batch with this digest.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when the disk does not give back what was written.
    pub fn get(&self, digest: &Digest) -> Result<Option<RawBatch>, Error> {
        let place = self.0.read().unwrap_or_else(PoisonError::into_inner).get(digest).cloned();
        place.map(|place| place.read(digest)).transpose()
    }

    /// How many batches live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Does none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Place {
    fn read(&self, digest: &Digest) -> Result<RawBatch, Error> {
        let mut bytes = vec![0u8; self.length];
        self.file
            .read_exact_at(&mut bytes, self.offset)
            .map_err(|source| Error::io(&self.path, "read a batch from", source))?;
        RawBatch::decode(&bytes).ok().filter(|batch| batch.digest() == *digest).ok_or_else(|| Error::Corrupt {
            path: self.path.to_path_buf(),
            offset: self.offset,
            what: "a batch is not the one that was written",
            advice: ADVICE,
        })
    }
}

/// One segment that is still needed.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    live: usize,
}

/// The log's files, owned by one thread.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    me: Option<PublicKey>,
    active: Segment,
    active_file: Arc<File>,
    segments: BTreeMap<u64, Kept>,
    segment_bytes: u64,
    index: Index,
    released: HashMap<PublicKey, u64>,
    lost: bool,
}

/// What replaying the segments gathers.
#[derive(Default)]
struct Replay {
    places: HashMap<Digest, Place>,
    order: Vec<Arc<RawBatch>>,
    lost: bool,
}

impl Replay {
    fn frame(
        &mut self,
        kind: u8,
        payload: &[u8],
        me: Option<PublicKey>,
        mut place: impl FnMut(&RawBatch, usize) -> Option<Place>,
    ) -> Result<(), CodecError> {
        match kind {
            KIND_BATCHES => {}
            KIND_LOST => self.lost = true,
            _ => return Err(CodecError::Invalid("kind of batch record")),
        }
        let mut reader = Reader::new(payload);
        for _ in 0..reader.length("batches", FRAME_BATCHES_MAX)? {
            let offset = payload.len() - reader.remaining().len();
            let batch: RawBatch = reader.value()?;
            // An own batch is stored only once one's own lane is known again.
            self.lost &= Some(*batch.lane()) != me;
            if let Some(place) = place(&batch, offset)
                && self.places.insert(batch.digest(), place).is_none()
            {
                self.order.push(Arc::new(batch));
            }
        }
        reader.finish()
    }
}

impl Store {
    /// Opens the log under `data`, or begins one. `released` tells how far each lane is final and executed.
    pub(super) fn open(
        data: &Path,
        expected: bool,
        me: Option<PublicKey>,
        released: HashMap<PublicKey, u64>,
        segment_bytes: u64,
    ) -> Result<(Self, RecoveredBatches), Error> {
        let directory = data.join("batches");
        std::fs::create_dir_all(&directory).map_err(|source| Error::io(&directory, "create", source))?;
        segment::sync_directory(data)?;
        let found = segment::list(&directory, PREFIX)?;
        if found.is_empty() {
            return Self::begin(directory, expected, me, released, segment_bytes);
        }
        let mut replay = Replay::default();
        let mut kept = BTreeMap::new();
        let mut last = None;
        for (number, path) in found {
            let file = Arc::new(File::open(&path).map_err(|source| Error::io(&path, "open", source))?);
            let shared: Arc<Path> = Arc::from(path.as_path());
            let (opened, torn) = Segment::open(&path, number, ADVICE, |frame| {
                let place = |batch: &RawBatch, offset: usize| {
                    (batch.seq() > released.get(batch.lane()).copied().unwrap_or(0)).then(|| Place {
                        file: Arc::clone(&file),
                        path: Arc::clone(&shared),
                        segment: number,
                        offset: segment::payload_offset(frame.offset) + wide(offset),
                        length: batch.bytes().len(),
                        lane: *batch.lane(),
                        seq: batch.seq(),
                    })
                };
                replay.frame(frame.kind, frame.payload, me, place).map_err(|source| Error::Unreadable {
                    path: path.clone(),
                    offset: frame.offset,
                    source,
                })
            })?;
            kept.insert(number, Kept { path: path.clone(), live: 0 });
            if let Some((_, _, Some(torn))) = last.replace((opened, file, torn)) {
                // A later segment is begun only after the last sync of this one.
                let TornTail { path, offset, .. } = torn;
                return Err(Error::Corrupt { path, offset, what: "a finished segment is torn", advice: ADVICE });
            }
        }
        let Some((active, active_file, torn)) = last else {
            return Self::begin(directory, expected, me, released, segment_bytes);
        };
        for place in replay.places.values() {
            if let Some(segment) = kept.get_mut(&place.segment) {
                segment.live += 1;
            }
        }
        // Copied stragglers stand behind what came after them.
        replay.order.sort_by_key(|batch| batch.seq());
        let recovered = RecoveredBatches { batches: replay.order, lost: replay.lost, torn };
        let index = Arc::new(RwLock::new(replay.places));
        let lost = replay.lost;
        let mut store =
            Store { directory, me, active, active_file, segments: kept, segment_bytes, index, released, lost };
        store.remove_dead()?;
        Ok((store, recovered))
    }

    fn begin(
        directory: PathBuf,
        lost: bool,
        me: Option<PublicKey>,
        released: HashMap<PublicKey, u64>,
        segment_bytes: u64,
    ) -> Result<(Self, RecoveredBatches), Error> {
        let active = Segment::create(&directory, PREFIX, 1, kind(lost), &[&0u32.to_be_bytes()])?;
        let active_file = Arc::new(active.reader()?);
        let segments = BTreeMap::from([(1, Kept { path: active.path().to_path_buf(), live: 0 })]);
        let index = Index::default();
        let store = Store { directory, me, active, active_file, segments, segment_bytes, index, released, lost };
        Ok((store, RecoveredBatches { batches: Vec::new(), lost, torn: None }))
    }

    pub(super) fn reader(&self) -> BatchLogReader {
        BatchLogReader(Arc::clone(&self.index))
    }

    /// Makes `batches` durable: one append, one fdatasync.
    pub(super) fn store(&mut self, batches: &[Arc<RawBatch>]) -> Result<(), Error> {
        if self.active.length() > self.segment_bytes {
            self.roll()?;
        }
        self.lost &= !batches.iter().any(|batch| Some(*batch.lane()) == self.me);
        self.append(batches)
    }

    fn append(&mut self, batches: &[Arc<RawBatch>]) -> Result<(), Error> {
        let count = u32::try_from(batches.len()).unwrap_or(u32::MAX).to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![&count];
        parts.extend(batches.iter().map(|batch| batch.bytes()));
        let frame = self.active.append(kind(self.lost), &parts)?;
        self.active.sync()?;
        let path: Arc<Path> = Arc::from(self.active.path());
        let mut offset = segment::payload_offset(frame) + 4;
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for batch in batches {
            let length = batch.bytes().len();
            let place = Place {
                file: Arc::clone(&self.active_file),
                path: Arc::clone(&path),
                segment: self.active.number(),
                offset,
                length,
                lane: *batch.lane(),
                seq: batch.seq(),
            };
            offset += wide(length);
            // One that was released while it waited is on disk and not live.
            if batch.seq() <= self.released.get(batch.lane()).copied().unwrap_or(0) {
                continue;
            }
            let before = index.insert(batch.digest(), place);
            count_live(&mut self.segments, self.active.number(), before.map(|place| place.segment));
        }
        Ok(())
    }

    /// Every batch up to these numbers is final and executed: their segments go once nothing else lives in them.
    pub(super) fn release(&mut self, lanes: &[(PublicKey, u64)]) -> Result<(), Error> {
        for (lane, seq) in lanes {
            let released = self.released.entry(*lane).or_insert(0);
            *released = (*released).max(*seq);
        }
        let (segments, released) = (&mut self.segments, &self.released);
        self.index.write().unwrap_or_else(PoisonError::into_inner).retain(|_, place| {
            let live = place.seq > released.get(&place.lane).copied().unwrap_or(0);
            if !live && let Some(segment) = segments.get_mut(&place.segment) {
                segment.live = segment.live.saturating_sub(1);
            }
            live
        });
        self.remove_dead()
    }

    fn roll(&mut self) -> Result<(), Error> {
        let number = self.active.number() + 1;
        let next = Segment::create(&self.directory, PREFIX, number, kind(self.lost), &[&0u32.to_be_bytes()])?;
        self.active_file = Arc::new(next.reader()?);
        self.segments.insert(number, Kept { path: next.path().to_path_buf(), live: 0 });
        self.active = next;
        while self.segments.len() > OLD_SEGMENTS_MAX + 1 {
            self.copy_oldest()?;
            self.remove_dead()?;
        }
        Ok(())
    }

    /// Copies what lives in the oldest segment to the newest.
    fn copy_oldest(&mut self) -> Result<(), Error> {
        let Some(oldest) = self.segments.keys().next().copied() else { return Ok(()) };
        let places: Vec<(Digest, Place)> = self
            .index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|(_, place)| place.segment == oldest)
            .map(|(digest, place)| (*digest, place.clone()))
            .collect();
        let batches = places.iter().map(|(digest, place)| place.read(digest).map(Arc::new));
        let batches: Vec<_> = batches.collect::<Result<_, _>>()?;
        self.append(&batches)
    }

    fn remove_dead(&mut self) -> Result<(), Error> {
        let active = self.active.number();
        let dead: Vec<u64> = self
            .segments
            .iter()
            .filter(|(number, kept)| **number != active && kept.live == 0)
            .map(|(n, _)| *n)
            .collect();
        for number in dead {
            if let Some(kept) = self.segments.remove(&number) {
                std::fs::remove_file(&kept.path).map_err(|source| Error::io(&kept.path, "remove", source))?;
            }
        }
        Ok(())
    }
}

fn count_live(segments: &mut BTreeMap<u64, Kept>, now_in: u64, before_in: Option<u64>) {
    if let Some(segment) = segments.get_mut(&now_in) {
        segment.live += 1;
    }
    if let Some(segment) = before_in.and_then(|number| segments.get_mut(&number)) {
        segment.live = segment.live.saturating_sub(1);
    }
}

const fn kind(lost: bool) -> u8 {
    if lost { KIND_LOST } else { KIND_BATCHES }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
