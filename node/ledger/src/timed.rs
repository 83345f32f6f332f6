//! What the state keeps until a block time: holds, and whatever else ends by itself. Each stands under the digest of its
//! kind, of the account whose reference names it, and of that reference. At the first block at or after its time it goes,
//! and money that it kept goes back.
//!
//! Must not know: what operations do with it.

use std::collections::{BTreeMap, BTreeSet};

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use crate::{AccountId, Amount, Asset, Fatal, ParticipantId, Reference};

static TIMED: Domain = Domain::new("tonle v1 timed");

/// Most that the state keeps at once: some 200 MB of memory.
pub const TIMED_MAX: usize = 1_000_000;
/// Most of them whose references are of accounts of one participant.
pub const TIMED_PER_PARTICIPANT_MAX: usize = 100_000;
/// Most that end in one block; the others end in those that follow, and count as ended meanwhile.
pub const ENDINGS_PER_BLOCK_MAX: usize = 4_096;
/// Latest end, from the block on that begins it: 90 days of block time.
pub const TIMED_LIFE_MAX_MS: u64 = 90 * 24 * 3_600_000;

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimedKind {
    /// A [`Hold`].
    Hold,
}

impl TimedKind {
    /// The number in canonical bytes and on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            TimedKind::Hold => 1,
        }
    }

    /// Where the one stands that `reference` of `account` names.
    ///
    /// ```text
    /// kind u8 ‖ account ‖ reference        (texts: u32 length, then ASCII)
    /// ```
    #[must_use]
    pub fn id(self, account: &AccountId, reference: &Reference) -> Digest {
        let mut writer = Writer::with_room();
        writer.u8(self.number()).value(account).bytes(reference.as_str().as_bytes());
        TIMED.digest(&writer.finish())
    }
}

/// Money of one account that is kept for another until it is captured or released, or until a block time.
///
/// ```text
/// payer ‖ payee ‖ asset ‖ amount u64        (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose money it is.
    pub from: AccountId,
    /// Whom it is for.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// What is left of it; never zero.
    pub amount: Amount,
}

impl Canonical for Hold {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.from).value(&self.to).value(&self.asset).value(&self.amount);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Hold { from: reader.value()?, to: reader.value()?, asset: reader.value()?, amount: reader.value()? })
    }
}

/// What is kept, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimedContent {
    /// See [`Hold`].
    Hold(Hold),
}

/// Something that ends at a block time, as the state records it.
///
/// ```text
/// end u64 (ms) ‖ account ‖ reference ‖ kind u8 ‖ what is drawn at the kind      (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// First block time at which it is no more, ms since the Unix epoch.
    pub ends_ms: u64,
    /// The account whose reference names it.
    pub account: AccountId,
    /// The reference.
    pub reference: Reference,
    /// What it is.
    pub content: TimedContent,
}

impl Timed {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> TimedKind {
        match self.content {
            TimedContent::Hold(_) => TimedKind::Hold,
        }
    }
    /// Where it stands.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.kind().id(&self.account, &self.reference)
    }
    /// Money of its account that goes back when it ends.
    pub(crate) const fn kept(&self) -> Option<(Asset, Amount)> {
        match &self.content {
            TimedContent::Hold(hold) => Some((hold.asset, hold.amount)),
        }
    }
}

impl Canonical for Timed {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.ends_ms).value(&self.account).bytes(self.reference.as_str().as_bytes());
        writer.u8(self.kind().number());
        match &self.content {
            TimedContent::Hold(hold) => writer.value(hold),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (ends_ms, account) = (reader.u64()?, reader.value()?);
        let reference = reader.bytes("reference", 64)?;
        let reference = std::str::from_utf8(reference).ok().and_then(|text| Reference::new(text).ok());
        let reference = reference.ok_or(CodecError::Invalid("reference"))?;
        let content = match reader.u8()? {
            1 => TimedContent::Hold(reader.value()?),
            _ => return Err(CodecError::Invalid("timed")),
        };
        Ok(Timed { ends_ms, account, reference, content })
    }
}

/// When everything ends that is kept, and how much is kept for whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines {
    by_end: BTreeSet<(u64, Digest)>,
    /// By id: the end, and the account whose reference names it.
    all: BTreeMap<Digest, (u64, AccountId)>,
    /// How many each participant has.
    counts: BTreeMap<ParticipantId, usize>,
}

impl Deadlines {
    /// How many there are, and how many of `participant`.
    pub(crate) fn counts(&self, participant: ParticipantId) -> (usize, usize) {
        (self.all.len(), self.counts.get(&participant).copied().unwrap_or(0))
    }

    /// What ends at this block time, soonest first, as many as one block ends; with the accounts that name them.
    pub(crate) fn ended(&self, now_ms: u64) -> impl Iterator<Item = (Digest, AccountId)> {
        let due = self.by_end.iter().take_while(move |(end, _)| *end <= now_ms).take(ENDINGS_PER_BLOCK_MAX);
        due.filter_map(|(_, id)| self.all.get(id).map(|(_, account)| (*id, *account)))
    }

    /// The value of `id` is this from here on.
    pub(crate) fn set(&mut self, id: Digest, value: Option<&Timed>) {
        if let Some((end, account)) = self.all.remove(&id) {
            self.by_end.remove(&(end, id));
            if let Some(count) = self.counts.get_mut(&account.participant()) {
                *count = count.saturating_sub(1);
            }
        }
        if let Some(Timed { ends_ms, account, .. }) = value {
            self.by_end.insert((*ends_ms, id));
            self.all.insert(id, (*ends_ms, *account));
            let count = self.counts.entry(account.participant()).or_insert(0);
            *count = count.saturating_add(1);
        }
    }

    /// Takes in a value that was read.
    pub(crate) fn read(&mut self, id: Digest, value: &Timed) -> Result<(), Fatal> {
        if value.id() != id {
            return Err(Fatal::Bound("a timed value under another's key"));
        }
        self.set(id, Some(value));
        Ok(())
    }
}
