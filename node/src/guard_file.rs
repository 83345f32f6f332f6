//! The guard file (R8): what this validator has signed, on disk before the signature leaves. It decides nothing; the
//! safety rules do, and this keeps what they say.
//!
//! Its own small file, apart from the database: `guard/guard-<number>.seg` (frames as in `segment`). One call of
//! [`GuardFile::persist`] is one frame and one fdatasync.
//!
//! ```text
//! kind      1 append, 2 append with the guard lost, 3 the guard is lost no more: what it signs from here on, it keeps
//! payload   | 0, or 1 and the guard record | count u32 | blocks ... |     canonical bytes
//! ```
//! The record is the whole guard record of the time, so the last frame alone tells the maxima. The blocks are those
//! first noted with it, header and payload; they live until their height is executed. A full segment is replaced by one
//! whose first frame holds the last record and every live block; it is synced, and the directory too, before the old
//! one goes.
//!
//! A failed call leaves the file unknown: the process stops, and finds out at its next start.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use tonle_consensus::{Block, GuardRecord, Height};
use tonle_crypto::{CodecError, Reader, Writer};

use crate::segment::{self, Segment};
use crate::storage::Error;

pub use crate::segment::TornTail;

const PREFIX: &str = "guard";
const KIND_APPEND: u8 = 1;
const KIND_LOST: u8 = 2;
const KIND_RENEWED: u8 = 3;
/// A segment is replaced once it is longer than this and than twice what lives in it.
const SEGMENT_BYTES: u64 = 4 << 20;
/// Blocks kept above the executed height: one for each view that a partition lasted. Beyond, the oldest go, which as
/// many later views have given up on.
const BLOCKS_MAX: usize = 1024;

const ADVICE: &str = "A validator must not guess what it signed. Restore nothing from a backup: move the guard directory \
    away and start the node; it then signs nothing until it has rejoined, two epochs later (R9)";

/// What a start finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredGuard {
    /// The last record; `None` when nothing was ever signed.
    pub record: Option<GuardRecord>,
    /// The live blocks, oldest first.
    pub blocks: Vec<Block>,
    /// R9: there is no telling what was signed. Sign nothing.
    pub lost: bool,
    /// A torn end that was cut off.
    pub torn: Option<TornTail>,
}

/// The open guard file. One thread owns it.
#[derive(Debug)]
pub struct GuardFile {
    directory: PathBuf,
    segment: Segment,
    segment_bytes: u64,
    live: Live,
}

/// What the next segment must begin with.
#[derive(Debug, Clone, Default)]
struct Live {
    record: Option<GuardRecord>,
    blocks: VecDeque<Block>,
    lost: bool,
}

impl GuardFile {
    /// Begins the guard of a validator that has never signed anything, under `data`.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is one, and what the system says.
    pub fn found(data: &Path) -> Result<(), Error> {
        let directory = data.join("guard");
        std::fs::create_dir_all(&directory).map_err(|source| Error::io(&directory, "create", source))?;
        segment::sync_directory(data)?;
        if let Some((_, path)) = segment::list(&directory, PREFIX)?.pop() {
            return Err(Error::Exists { path });
        }
        Self::begin(directory, false, SEGMENT_BYTES).map(drop)
    }

    /// Opens the guard file under `data`, or begins one. `expected`: this node signs, so that a missing guard is a lost
    /// one. A loss is written down and outlives restarts.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when a synced record does not check, and what the system says.
    pub fn open(data: &Path, expected: bool) -> Result<(Self, RecoveredGuard), Error> {
        Self::open_sized(data, expected, SEGMENT_BYTES)
    }

    fn open_sized(data: &Path, expected: bool, segment_bytes: u64) -> Result<(Self, RecoveredGuard), Error> {
        let directory = data.join("guard");
        std::fs::create_dir_all(&directory).map_err(|source| Error::io(&directory, "create", source))?;
        segment::sync_directory(data)?;
        let mut segments = segment::list(&directory, PREFIX)?;
        let Some((number, path)) = segments.pop() else {
            return Self::begin(directory, expected, segment_bytes);
        };
        let mut live = Live::default();
        let mut frames = 0u64;
        let (segment, torn) = Segment::open(&path, number, ADVICE, |frame| {
            frames += 1;
            let (path, offset) = (path.clone(), frame.offset);
            live.replay(frame.kind, frame.payload).map_err(|source| Error::Unreadable { path, offset, source })
        })?;
        if frames == 0 {
            // A segment has its name only once its first frame is synced.
            let offset = segment.length();
            return Err(Error::Corrupt { path, offset, what: "the first record is missing", advice: ADVICE });
        }
        // What an interrupted rotation left: the newest segment holds all of it.
        for (_, old) in segments {
            std::fs::remove_file(&old).map_err(|source| Error::io(&old, "remove", source))?;
        }
        let recovered = live.recovered(torn);
        Ok((GuardFile { directory, segment, segment_bytes, live }, recovered))
    }

    fn begin(directory: PathBuf, lost: bool, segment_bytes: u64) -> Result<(Self, RecoveredGuard), Error> {
        let live = Live { lost, ..Live::default() };
        let segment = Segment::create(&directory, PREFIX, 1, live.kind(), &[&live.payload()])?;
        let recovered = live.recovered(None);
        Ok((GuardFile { directory, segment, segment_bytes, live }, recovered))
    }

    /// Makes `record`, and blocks not persisted before, durable: one append and one fdatasync. What they cover may
    /// leave once this returns.
    ///
    /// # Errors
    /// What the system says; the process must then stop.
    pub fn persist(&mut self, record: GuardRecord, blocks: Vec<Block>) -> Result<(), Error> {
        self.append(Some(record), blocks)
    }

    /// Blocks up to this executed height are in the database: the next segment leaves them out.
    pub fn release(&mut self, executed: Height) {
        self.live.blocks.retain(|block| block.height() > executed);
    }

    /// Writes down that there is no telling what was signed, such as after a peer's proof of an own signature above the
    /// guard (R9). It outlives restarts.
    ///
    /// # Errors
    /// What the system says; the process must then stop.
    pub fn mark_lost(&mut self) -> Result<(), Error> {
        self.live.lost = true;
        self.append(self.live.record.clone(), Vec::new())
    }

    /// R9: one may sign again, what `record` does not forbid. It outlives restarts.
    ///
    /// # Errors
    /// What the system says; the process must then stop.
    pub fn renew(&mut self, record: GuardRecord) -> Result<(), Error> {
        self.segment.append(KIND_RENEWED, &[&payload(Some(&record), std::iter::empty())])?;
        self.segment.sync()?;
        self.live.lost = false;
        self.live.note(Some(record), Vec::new());
        Ok(())
    }

    fn append(&mut self, record: Option<GuardRecord>, blocks: Vec<Block>) -> Result<(), Error> {
        self.segment.append(self.live.kind(), &[&payload(record.as_ref(), blocks.iter())])?;
        self.segment.sync()?;
        self.live.note(record, blocks);
        if self.segment.length() > self.segment_bytes { self.rotate() } else { Ok(()) }
    }

    fn rotate(&mut self) -> Result<(), Error> {
        let (kind, payload) = (self.live.kind(), self.live.payload());
        let next = Segment::create(&self.directory, PREFIX, self.segment.number() + 1, kind, &[&payload])?;
        // Live blocks alone may fill a segment; it then grows to twice their size.
        self.segment_bytes = self.segment_bytes.max(2 * next.length());
        let old = std::mem::replace(&mut self.segment, next);
        std::fs::remove_file(old.path()).map_err(|source| Error::io(old.path(), "remove", source))
    }
}

impl Live {
    fn kind(&self) -> u8 {
        if self.lost { KIND_LOST } else { KIND_APPEND }
    }

    fn payload(&self) -> Vec<u8> {
        payload(self.record.as_ref(), self.blocks.iter())
    }

    fn note(&mut self, record: Option<GuardRecord>, blocks: Vec<Block>) {
        self.record = record;
        self.blocks.extend(blocks);
        let excess = self.blocks.len().saturating_sub(BLOCKS_MAX);
        self.blocks.drain(..excess);
    }

    fn replay(&mut self, kind: u8, payload: &[u8]) -> Result<(), CodecError> {
        match kind {
            KIND_APPEND => {}
            KIND_LOST => self.lost = true,
            KIND_RENEWED => self.lost = false,
            _ => return Err(CodecError::Invalid("kind of guard record")),
        }
        let mut reader = Reader::new(payload);
        let record = reader.option()?;
        // One turn notes a block or two; a rotation all that live.
        let blocks = reader.list("blocks", 2 * BLOCKS_MAX)?;
        reader.finish()?;
        self.note(record, blocks);
        Ok(())
    }

    fn recovered(&self, torn: Option<TornTail>) -> RecoveredGuard {
        let blocks = self.blocks.iter().cloned().collect();
        RecoveredGuard { record: self.record.clone(), blocks, lost: self.lost, torn }
    }
}

fn payload<'a>(record: Option<&GuardRecord>, blocks: impl ExactSizeIterator<Item = &'a Block>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.option(record).length(blocks.len());
    for block in blocks {
        writer.value(block);
    }
    writer.finish()
}

#[cfg(test)]
#[path = "guard_file_tests.rs"]
mod tests;
