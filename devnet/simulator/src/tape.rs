//! The bytes of the last record on a simulated disk: framed and checksummed as node/src/segment.rs draws it, with the
//! payload in the codec of the product. A crash cuts them at any byte, or leaves sectors unwritten; a bit of them flips.
//! What a start makes of that is the record, nothing, or damage, and never another record.
//!
//! Must not know: what a record means, when disks fail.

use tonle_consensus::{Block, GuardRecord};
use tonle_crypto::{Canonical, CodecError, Reader, Writer};
use tonle_replica::RawBatch;

use crate::dice::Dice;

/// The first frame's offset in its segment.
const OFFSET: u64 = 30;
const SALT: u64 = 0x746f_6e6c_6500_0001;
const HEAD_LENGTH: usize = 9;
/// What a disk writes as a whole, from the start of the frame.
const SECTOR: usize = 512;
/// A share of a sector that is shorter proves nothing when it is zero.
const SHARE_MIN: usize = 8;

/// A frame as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tape(Vec<u8>);

/// What a start finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The payload.
    Whole(Vec<u8>),
    /// Nothing: the write never ended, so nobody was told of it.
    Torn,
    /// Something that was whole once and is not any more.
    Corrupt,
}

impl Tape {
    /// A frame around this payload.
    #[must_use]
    pub fn frame(payload: &[u8]) -> Tape {
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut bytes = length.to_be_bytes().to_vec();
        bytes.push(1);
        let head = head_checksum(&bytes);
        bytes.extend_from_slice(&head.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes.extend_from_slice(&crc32c::crc32c_append(head, payload).to_be_bytes());
        Tape(bytes)
    }

    /// A guard record with the blocks that were first noted with it.
    pub(crate) fn of_guard(record: &GuardRecord, blocks: &[Block]) -> Tape {
        let mut writer = Writer::new();
        writer.option(Some(record)).list(blocks);
        Tape::frame(&writer.finish())
    }

    /// A batch.
    pub(crate) fn of_batch(batch: &RawBatch) -> Tape {
        Tape::frame(&batch.encode())
    }

    /// What a crash in the middle of the write leaves: as often as not all of it; else it is cut at some byte, and
    /// sometimes one of the sectors was never written.
    pub(crate) fn tear(self, dice: &mut Dice) -> Tape {
        if dice.chance(500) {
            return self;
        }
        // Often nothing of it was written yet.
        if dice.chance(300) {
            return self.cut(0);
        }
        let sector = dice.index(self.0.len().div_ceil(SECTOR)) * SECTOR;
        if dice.chance(250) && self.0.len() - sector >= SHARE_MIN {
            return self.without_sector(sector);
        }
        let end = dice.index(self.0.len());
        self.cut(end)
    }

    /// Flips some bit.
    pub(crate) fn flip(self, dice: &mut Dice) -> Tape {
        let place = dice.index(self.0.len());
        self.flipped(place, 1 << dice.below(8))
    }

    /// How many bytes there are.
    #[must_use]
    pub fn length(&self) -> usize {
        self.0.len()
    }
    /// Only the first so many bytes.
    #[must_use]
    pub fn cut(mut self, end: usize) -> Tape {
        self.0.truncate(end);
        self
    }
    /// The sector that begins here reads as zero.
    #[must_use]
    pub fn without_sector(mut self, sector: usize) -> Tape {
        let end = (sector + SECTOR).min(self.0.len());
        self.0[sector..end].fill(0);
        self
    }
    /// These bits of a byte are flipped.
    #[must_use]
    pub fn flipped(mut self, place: usize, bits: u8) -> Tape {
        if let Some(byte) = self.0.get_mut(place) {
            *byte ^= bits;
        }
        self
    }

    /// What a start finds, where this is the end of the file.
    #[must_use]
    pub fn read(&self) -> Found {
        let bytes = &self.0;
        let Some(head) = bytes.get(..HEAD_LENGTH) else { return Found::Torn };
        let unwritten = |end: usize| if self.has_unwritten_sector(end) { Found::Torn } else { Found::Corrupt };
        let checksum = head_checksum(&head[..5]);
        if head[5..] != checksum.to_be_bytes() {
            return unwritten(HEAD_LENGTH);
        }
        let length = head[..4].iter().fold(0usize, |sum, byte| (sum << 8) | usize::from(*byte));
        let body = HEAD_LENGTH + length;
        let (Some(payload), Some(written)) = (bytes.get(HEAD_LENGTH..body), bytes.get(body..body + 4)) else {
            return Found::Torn;
        };
        if crc32c::crc32c_append(checksum, payload).to_be_bytes() == written {
            return Found::Whole(payload.to_vec());
        }
        unwritten(bytes.len())
    }

    /// Is the share of some sector before `end` all zero?
    fn has_unwritten_sector(&self, end: usize) -> bool {
        let shares = self.0.chunks(SECTOR).take(end.div_ceil(SECTOR));
        shares.filter(|share| share.len() >= SHARE_MIN).any(|share| share.iter().all(|byte| *byte == 0))
    }
}

/// The record and blocks of a payload that [`Tape::of_guard`] framed.
pub(crate) fn guard_of(payload: &[u8]) -> Result<(Option<GuardRecord>, Vec<Block>), CodecError> {
    let mut reader = Reader::new(payload);
    let found = (reader.option()?, reader.list("blocks", usize::MAX)?);
    match reader.remaining().len() {
        0 => Ok(found),
        left => Err(CodecError::Trailing(left)),
    }
}

fn head_checksum(head: &[u8]) -> u32 {
    let seed = crc32c::crc32c_append(crc32c::crc32c(&SALT.to_be_bytes()), &OFFSET.to_be_bytes());
    crc32c::crc32c_append(seed, head)
}
