//! One file of checksummed records, written by appending and synced by the caller: what the guard file and the batch log
//! are made of. It must not know what a record means.
//!
//! ```text
//! segment   | magic 8 | version u16 | number u64 | salt u64 | crc32c u32 |   30 bytes, then frames
//! frame     | length n u32 | kind u8 | head crc32c u32 | payload n bytes | body crc32c u32 |
//! ```
//! Integers are big-endian. The head's checksum covers salt, offset of the frame, length and kind; the body's continues
//! it over the payload. So a frame is valid at its own place in its own segment only: neither a stale one nor one that
//! a client hides inside a payload can pass for another.
//!
//! A segment gets its name only when its header and first frame are synced. After that the file grows by appends of
//! exactly **one** frame, synced before the next. So a crash can leave the last frame torn, and only that: cut short, or
//! with disk sectors that were never written and read as zero. Such an end is cut off and reported. Anything else that
//! does not check is corruption, and is refused: a bit that flipped in a synced record is not taken for a torn end.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::storage::Error;

const MAGIC: [u8; 8] = *b"TONLESEG";
const VERSION: u16 = 1;
/// Bytes before the first frame.
pub(crate) const HEADER_LENGTH: usize = 30;
/// Bytes of a frame before its payload.
const HEAD_LENGTH: usize = 9;
/// Bytes of a frame that are not payload.
pub(crate) const FRAME_OVERHEAD: usize = HEAD_LENGTH + 4;
/// The smallest unit that a disk writes as a whole.
const SECTOR: usize = 512;
/// No payload is longer: a batch of 2 MiB or a guard append with all its proposals stays far below.
pub(crate) const PAYLOAD_MAX: usize = 256 << 20;

/// An end that a crash left half written, and that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// The offset of the first byte cut off.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
}

/// A frame found in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// What the owner said it is.
    pub(crate) kind: u8,
    /// Where the frame begins.
    pub(crate) offset: u64,
    /// What was written.
    pub(crate) payload: &'a [u8],
}

/// A segment open for appending.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    path: PathBuf,
    number: u64,
    salt: u64,
    length: u64,
    buffer: Vec<u8>,
}

/// The name of segment `number` of the files that begin with `prefix`.
pub(crate) fn segment_name(prefix: &str, number: u64) -> String {
    format!("{prefix}-{number:016}.seg")
}

/// The segments of `prefix` in `directory`, oldest first. Unfinished ones (never synced, so nothing relied on them) are
/// removed.
pub(crate) fn list(directory: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>, Error> {
    let mut found = Vec::new();
    let entries = std::fs::read_dir(directory).map_err(|source| Error::io(directory, "list", source))?;
    for entry in entries {
        let entry = entry.map_err(|source| Error::io(directory, "list", source))?;
        let name = entry.file_name();
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_prefix('-')) else { continue };
        if rest.ends_with(".new") {
            std::fs::remove_file(entry.path()).map_err(|source| Error::io(&entry.path(), "remove", source))?;
        } else if let Some(number) = rest.strip_suffix(".seg").and_then(|number| number.parse().ok()) {
            found.push((number, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// Makes the names in `directory` durable.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Error> {
    let handle = File::open(directory).map_err(|source| Error::io(directory, "open", source))?;
    handle.sync_all().map_err(|source| Error::io(directory, "sync", source))
}

impl Segment {
    /// Creates segment `number` holding one frame; both are durable, under the segment's name, on return.
    pub(crate) fn create(
        directory: &Path,
        prefix: &str,
        number: u64,
        kind: u8,
        parts: &[&[u8]],
    ) -> Result<Self, Error> {
        let path = directory.join(segment_name(prefix, number));
        let unfinished = path.with_extension("new");
        let mut salt = [0u8; 8];
        getrandom::fill(&mut salt).map_err(|error| Error::io(&path, "draw a salt for", error.into()))?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&unfinished)
            .map_err(|source| Error::io(&unfinished, "create", source))?;
        let mut segment = Segment {
            file,
            path: unfinished.clone(),
            number,
            salt: u64::from_be_bytes(salt),
            length: 0,
            buffer: header(number, u64::from_be_bytes(salt)),
        };
        segment.append(kind, parts)?;
        segment.sync()?;
        std::fs::rename(&unfinished, &path).map_err(|source| Error::io(&path, "name", source))?;
        sync_directory(directory)?;
        segment.path = path;
        Ok(segment)
    }

    /// Opens a segment, shows every frame to `visit` in order, and cuts off a torn end.
    pub(crate) fn open(
        path: &Path,
        number: u64,
        advice: &'static str,
        mut visit: impl FnMut(Frame<'_>) -> Result<(), Error>,
    ) -> Result<(Self, Option<TornTail>), Error> {
        let mut file =
            OpenOptions::new().read(true).append(true).open(path).map_err(|source| Error::io(path, "open", source))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|source| Error::io(path, "read", source))?;
        let corrupt =
            |offset: usize, what| Error::Corrupt { path: path.to_path_buf(), offset: wide(offset), what, advice };
        let salt = parse_header(&bytes, number).map_err(|what| corrupt(0, what))?;

        let mut offset = HEADER_LENGTH;
        let mut torn = None;
        while offset < bytes.len() {
            match read_frame(&bytes, offset, salt) {
                Ok((kind, payload)) => {
                    visit(Frame { kind, offset: wide(offset), payload })?;
                    offset += FRAME_OVERHEAD + payload.len();
                }
                Err(Damage::Torn) => {
                    torn = Some(TornTail {
                        path: path.to_path_buf(),
                        offset: wide(offset),
                        bytes: wide(bytes.len() - offset),
                    });
                    break;
                }
                Err(Damage::Corrupt(what)) => return Err(corrupt(offset, what)),
            }
        }
        if torn.is_some() {
            file.set_len(wide(offset)).map_err(|source| Error::io(path, "cut the torn end off", source))?;
            file.sync_all().map_err(|source| Error::io(path, "sync", source))?;
        }
        let segment =
            Segment { file, path: path.to_path_buf(), number, salt, length: wide(offset), buffer: Vec::new() };
        Ok((segment, torn))
    }

    /// Appends one frame, its payload given in parts, in one write. Returns the frame's offset. The caller syncs before
    /// it appends again.
    pub(crate) fn append(&mut self, kind: u8, parts: &[&[u8]]) -> Result<u64, Error> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        if length > PAYLOAD_MAX {
            return Err(Error::RecordTooLong { path: self.path.clone(), length, max: PAYLOAD_MAX });
        }
        let offset = self.length + wide(self.buffer.len());
        let mut head = [0u8; HEAD_LENGTH];
        // The length is at most PAYLOAD_MAX, which fits.
        head[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        head[4] = kind;
        let mut checksum = head_checksum(self.salt, offset, &head[..5]);
        head[5..].copy_from_slice(&checksum.to_be_bytes());
        self.buffer.extend_from_slice(&head);
        for part in parts {
            checksum = crc32c::crc32c_append(checksum, part);
            self.buffer.extend_from_slice(part);
        }
        self.buffer.extend_from_slice(&checksum.to_be_bytes());
        self.file.write_all(&self.buffer).map_err(|source| Error::io(&self.path, "append to", source))?;
        self.length += wide(self.buffer.len());
        self.buffer.clear();
        // One large burst must not hold its memory for ever.
        self.buffer.shrink_to(1 << 20);
        Ok(offset)
    }

    /// fdatasync. After a failure nothing is known about the file: the process must stop.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.file.sync_data().map_err(|source| Error::io(&self.path, "sync", source))
    }

    /// The segment's number.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Its length in bytes.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A second handle, for reading by offset while this one appends.
    pub(crate) fn reader(&self) -> Result<File, Error> {
        self.file.try_clone().map_err(|source| Error::io(&self.path, "share", source))
    }
}

/// Where a frame's payload begins.
pub(crate) fn payload_offset(frame: u64) -> u64 {
    frame + wide(HEAD_LENGTH)
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

fn header(number: u64, salt: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_LENGTH);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&salt.to_be_bytes());
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn parse_header(bytes: &[u8], number: u64) -> Result<u64, &'static str> {
    let found = bytes.get(..HEADER_LENGTH).ok_or("shorter than a segment's header")?;
    let salt = array(found, 18).map(u64::from_be_bytes).ok_or("shorter than a segment's header")?;
    if found == header(number, salt) { Ok(salt) } else { Err("the segment's header does not check") }
}

enum Damage {
    Torn,
    Corrupt(&'static str),
}

fn read_frame(bytes: &[u8], offset: usize, salt: u64) -> Result<(u8, &[u8]), Damage> {
    let Some((kind, length)) = read_head(bytes, offset, salt) else {
        let end = bytes.len().min(offset + HEAD_LENGTH);
        let torn = bytes.len() < offset + HEAD_LENGTH || unwritten_sector(bytes, offset, end);
        return Err(judge(bytes, offset, salt, torn, "a record's head does not check"));
    };
    let end = offset + FRAME_OVERHEAD + length;
    if end > bytes.len() {
        return Err(Damage::Torn);
    }
    if let Some(payload) = read_body(bytes, offset, salt, length) {
        return Ok((kind, payload));
    }
    let torn = unwritten_sector(bytes, offset, end);
    Err(judge(bytes, offset, salt, torn, "a record's checksum does not match"))
}

/// Torn, if it looks torn and nothing whole comes after it: each frame is synced before the next, so a whole one proves
/// that all before it were once durable.
fn judge(bytes: &[u8], offset: usize, salt: u64, looks_torn: bool, what: &'static str) -> Damage {
    let whole_later = || {
        (offset + 1..bytes.len()).any(|at| {
            read_head(bytes, at, salt).is_some_and(|(_, length)| read_body(bytes, at, salt, length).is_some())
        })
    };
    if looks_torn && !whole_later() { Damage::Torn } else { Damage::Corrupt(what) }
}

fn read_head(bytes: &[u8], offset: usize, salt: u64) -> Option<(u8, usize)> {
    let head = bytes.get(offset..offset + HEAD_LENGTH)?;
    let checksum = array(head, 5).map(u32::from_be_bytes)?;
    if head_checksum(salt, wide(offset), head.get(..5)?) != checksum {
        return None;
    }
    let length = array(head, 0).map(u32::from_be_bytes)?;
    Some((*head.get(4)?, usize::try_from(length).ok()?))
}

fn read_body(bytes: &[u8], offset: usize, salt: u64, length: usize) -> Option<&[u8]> {
    let start = offset + HEAD_LENGTH;
    let payload = bytes.get(start..start.checked_add(length)?)?;
    let written = array(bytes, start + length).map(u32::from_be_bytes)?;
    let head = head_checksum(salt, wide(offset), bytes.get(offset..offset + 5)?);
    (crc32c::crc32c_append(head, payload) == written).then_some(payload)
}

fn head_checksum(salt: u64, offset: u64, head: &[u8]) -> u32 {
    let seed = crc32c::crc32c_append(crc32c::crc32c(&salt.to_be_bytes()), &offset.to_be_bytes());
    crc32c::crc32c_append(seed, head)
}

/// Is a disk sector's share of `start..end` all zero? A share of fewer than 8 bytes proves nothing: a flipped bit could
/// make it so.
fn unwritten_sector(bytes: &[u8], start: usize, end: usize) -> bool {
    let mut at = start;
    while at < end {
        let next = (at / SECTOR + 1) * SECTOR;
        let share = bytes.get(at..next.min(bytes.len())).unwrap_or_default();
        if share.len() >= 8 && share.iter().all(|byte| *byte == 0) {
            return true;
        }
        at = next;
    }
    false
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
#[path = "segment_tests.rs"]
mod tests;
