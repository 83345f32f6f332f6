//! What the state keeps until a block time: holds, requests, quotes, and whatever else ends by itself. Each stands under the digest of its
//! kind, of the account whose reference names it, and of that reference. At the first block at or after its time it goes,
//! and money that it kept goes back.
//!
//! Must not know: what operations do with it.

use std::collections::{BTreeMap, BTreeSet};

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

mod records;

pub use records::{BankTransfer, Hold, PaymentRequest, Quote, Returned, Stage};

use crate::{AccountId, Amount, Asset, Fatal, ParticipantId, Reference};

static TIMED: Domain = Domain::new("tonle v1 timed");

/// Most that the state keeps at once: some 200 MB of memory.
pub const TIMED_MAX: usize = 1_000_000;
/// Most of them that one participant began.
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
    /// A [`BankTransfer`].
    BankTransfer,
    /// What was [`Returned`].
    Returned,
    /// A [`PaymentRequest`].
    Request,
    /// A [`Quote`].
    Quote,
}

impl TimedKind {
    /// The number in canonical bytes and on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            TimedKind::Hold => 1,
            TimedKind::BankTransfer => 2,
            TimedKind::Returned => 3,
            TimedKind::Request => 4,
            TimedKind::Quote => 5,
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

/// What is kept, by its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimedContent {
    /// See [`Hold`].
    Hold(Hold),
    /// See [`BankTransfer`].
    BankTransfer(BankTransfer),
    /// See [`Returned`].
    Returned(Returned),
    /// See [`PaymentRequest`].
    Request(PaymentRequest),
    /// See [`Quote`].
    Quote(Quote),
}

impl TimedContent {
    /// The hold, when it is one.
    pub(crate) const fn hold(&self) -> Option<&Hold> {
        if let TimedContent::Hold(hold) = self { Some(hold) } else { None }
    }
    /// The transfer to a bank, when it is one.
    pub(crate) const fn bank_transfer(&self) -> Option<&BankTransfer> {
        if let TimedContent::BankTransfer(transfer) = self { Some(transfer) } else { None }
    }
    /// What was returned, when it is that.
    pub(crate) const fn returned(&self) -> Option<&Returned> {
        if let TimedContent::Returned(returned) = self { Some(returned) } else { None }
    }
    /// The request, when it is one.
    pub(crate) const fn request(&self) -> Option<&PaymentRequest> {
        if let TimedContent::Request(request) = self { Some(request) } else { None }
    }
    /// The quote, when it is one.
    pub(crate) const fn quote(&self) -> Option<&Quote> {
        if let TimedContent::Quote(quote) = self { Some(quote) } else { None }
    }
}

/// Something that ends at a block time, as the state records it.
///
/// ```text
/// end u64 (ms) ‖ begun u64 (ms) ‖ account ‖ reference ‖ kind u8 ‖ what is drawn at the kind
///                                                                                (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timed {
    /// First block time at which it is no more, ms since the Unix epoch.
    pub ends_ms: u64,
    /// The block time at which it began, ms since the Unix epoch: what it keeps counts in that day.
    pub begun_ms: u64,
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
            TimedContent::BankTransfer(_) => TimedKind::BankTransfer,
            TimedContent::Returned(_) => TimedKind::Returned,
            TimedContent::Request(_) => TimedKind::Request,
            TimedContent::Quote(_) => TimedKind::Quote,
        }
    }
    /// Where it stands.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.kind().id(&self.account, &self.reference)
    }
    /// The participant that it is counted for: the one that began it.
    #[must_use]
    pub fn owner(&self) -> ParticipantId {
        match &self.content {
            TimedContent::Returned(returned) => returned.from.participant(),
            TimedContent::Hold(_)
            | TimedContent::BankTransfer(_)
            | TimedContent::Request(_)
            | TimedContent::Quote(_) => self.account.participant(),
        }
    }
    /// Money of its account that goes back when it ends.
    pub(crate) const fn kept(&self) -> Option<(Asset, Amount)> {
        match &self.content {
            TimedContent::Hold(hold) => Some((hold.asset, hold.amount)),
            TimedContent::BankTransfer(transfer) => Some((transfer.asset, transfer.amount)),
            TimedContent::Quote(quote) => Some(quote.sold),
            TimedContent::Returned(_) | TimedContent::Request(_) => None,
        }
    }
}

impl Canonical for Timed {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.ends_ms).u64(self.begun_ms).value(&self.account).value(&self.reference);
        writer.u8(self.kind().number());
        match &self.content {
            TimedContent::Hold(hold) => writer.value(hold),
            TimedContent::BankTransfer(transfer) => writer.value(transfer),
            TimedContent::Returned(returned) => writer.value(returned),
            TimedContent::Request(request) => writer.value(request),
            TimedContent::Quote(quote) => writer.value(quote),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (ends_ms, begun_ms) = (reader.u64()?, reader.u64()?);
        let (account, reference) = (reader.value()?, reader.value()?);
        let content = match reader.u8()? {
            1 => TimedContent::Hold(reader.value()?),
            2 => TimedContent::BankTransfer(reader.value()?),
            3 => TimedContent::Returned(reader.value()?),
            4 => TimedContent::Request(reader.value()?),
            5 => TimedContent::Quote(reader.value()?),
            _ => return Err(CodecError::Invalid("timed")),
        };
        Ok(Timed { ends_ms, begun_ms, account, reference, content })
    }
}

/// When everything ends that is kept, and how much is kept for whom.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines {
    by_end: BTreeSet<(u64, Digest)>,
    /// By id: the end, the account whose reference names it, and whom it is counted for.
    all: BTreeMap<Digest, (u64, AccountId, ParticipantId)>,
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
        due.filter_map(|(_, id)| self.all.get(id).map(|(_, account, _)| (*id, *account)))
    }

    /// The value of `id` is this from here on.
    pub(crate) fn set(&mut self, id: Digest, value: Option<&Timed>) {
        if let Some((end, _, owner)) = self.all.remove(&id) {
            self.by_end.remove(&(end, id));
            if let Some(count) = self.counts.get_mut(&owner) {
                *count = count.saturating_sub(1);
            }
        }
        if let Some(timed) = value {
            self.by_end.insert((timed.ends_ms, id));
            self.all.insert(id, (timed.ends_ms, timed.account, timed.owner()));
            let count = self.counts.entry(timed.owner()).or_insert(0);
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
