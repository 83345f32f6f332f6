//! Offences of validators that were reported to the ledger: each stands in the state once, for good. What proves an
//! offence is another's business, a [`Judge`]'s; the ledger decides who may be accused, how often, and what is kept.
//!
//! Must not know: what validators sign, what a proof consists of, what becomes of the accused.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, CodecError, Digest, PublicKey, Reader, Writer};

use crate::{ReceiptLocation, RejectionCode};

/// Most bytes of a proof.
pub const PROOF_BYTES_MAX: usize = 321;
/// Most offences of one key that stand in the state.
pub const OFFENCES_PER_KEY_MAX: usize = 64;
/// Most offences that stand in the state.
pub const OFFENCES_MAX: usize = 10_000;
/// Most proofs of one block whose signatures are checked: about 10 ms of execution.
pub const JUDGED_PER_BLOCK_MAX: usize = 64;

/// Who says what a proof proves. Its answers depend on its arguments alone, for they become state: every node must give
/// the same, at any time.
pub trait Judge: std::fmt::Debug + Send + Sync {
    /// What a proof claims, without a look at its signatures; `None` when the bytes are no proof. Two proofs of one
    /// offence claim the same.
    fn claim(&self, proof: &[u8]) -> Option<Claim>;

    /// Do the signatures in a proof hold on this chain? Costs two signature checks at most.
    fn holds(&self, chain: &Digest, proof: &[u8]) -> bool;
}

/// An offence, as a proof claims it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Its identity: the same for every proof of it, and for no other offence.
    pub id: Digest,
    /// The key that is said to have signed.
    pub accused: PublicKey,
    /// What kind of offence, by the judge's numbers.
    pub kind: u8,
    /// The epoch, as far as the kind has one; else 0.
    pub epoch: u64,
    /// Where in the epoch: a view; for kinds that know no views, a number of their own.
    pub place: u64,
}

/// An offence that stands in the state, under its id.
///
/// ```text
/// accused 32 B ‖ kind u8 ‖ epoch u64 ‖ place u64 ‖ height u64 ‖ index u32
/// ```
/// The proof itself is in the transaction whose receipt stands at that height and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OffenceRecord {
    /// The key that broke the rules.
    pub accused: PublicKey,
    /// See [`Claim::kind`].
    pub kind: u8,
    /// See [`Claim::epoch`].
    pub epoch: u64,
    /// See [`Claim::place`].
    pub place: u64,
    /// The height at which it was reported.
    pub height: u64,
    /// Index, among the receipts of that height, of the transaction that reported it.
    pub index: u32,
}

impl Canonical for OffenceRecord {
    fn encode_to(&self, writer: &mut Writer) {
        writer.key(&self.accused).u8(self.kind).u64(self.epoch).u64(self.place);
        writer.u64(self.height).u32(self.index);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(OffenceRecord {
            accused: reader.key()?,
            kind: reader.u8()?,
            epoch: reader.u64()?,
            place: reader.u64()?,
            height: reader.u64()?,
            index: reader.u32()?,
        })
    }
}

/// Offences by id, counted by accused.
#[derive(Debug, Default)]
pub(crate) struct Offences {
    records: BTreeMap<Digest, OffenceRecord>,
    of: BTreeMap<PublicKey, usize>,
}

impl Offences {
    pub(crate) fn get(&self, id: &Digest) -> Option<&OffenceRecord> {
        self.records.get(id)
    }
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &OffenceRecord)> {
        self.records.iter()
    }
    fn of(&self, accused: &PublicKey) -> usize {
        self.of.get(accused).copied().unwrap_or(0)
    }
    pub(crate) fn insert(&mut self, id: Digest, record: OffenceRecord) {
        if self.records.insert(id, record).is_none() {
            let count = self.of.entry(record.accused).or_insert(0);
            *count = count.saturating_add(1);
        }
    }
    pub(crate) fn remove(&mut self, id: &Digest) {
        if let Some(record) = self.records.remove(id)
            && let Some(count) = self.of.get_mut(&record.accused)
        {
            *count = count.saturating_sub(1);
        }
    }
    /// Adds all of another's.
    pub(crate) fn extend(&mut self, other: Offences) {
        other.records.into_iter().for_each(|(id, record)| self.insert(id, record));
    }
}

impl FromIterator<(Digest, OffenceRecord)> for Offences {
    fn from_iter<T: IntoIterator<Item = (Digest, OffenceRecord)>>(records: T) -> Self {
        let mut offences = Offences::default();
        records.into_iter().for_each(|(id, record)| offences.insert(id, record));
        offences
    }
}

/// The offences while a block executes.
#[derive(Debug)]
pub(crate) struct Docket<'a> {
    judge: &'a dyn Judge,
    chain: Digest,
    standing: &'a Offences,
    /// Those that the block reports.
    reported: Offences,
    /// Proofs of the block whose signatures were checked. What is taken back was checked all the same.
    judged: usize,
}

impl<'a> Docket<'a> {
    pub(crate) fn new(judge: &'a dyn Judge, chain: Digest, standing: &'a Offences) -> Self {
        Docket { judge, chain, standing, reported: Offences::default(), judged: 0 }
    }

    /// Judges a proof, cheapest first: its signatures come last. Gives the id that it now stands under.
    pub(crate) fn report(
        &mut self,
        proof: &[u8],
        was_validator: impl Fn(&PublicKey) -> bool,
        place: ReceiptLocation,
    ) -> Result<Digest, RejectionCode> {
        let Claim { id, accused, kind, epoch, place: at } =
            self.judge.claim(proof).ok_or(RejectionCode::EvidenceMalformed)?;
        if !was_validator(&accused) {
            return Err(RejectionCode::AccusedUnknown);
        }
        if self.standing.get(&id).or_else(|| self.reported.get(&id)).is_some() {
            return Err(RejectionCode::AlreadyReported);
        }
        let of_it = self.standing.of(&accused).saturating_add(self.reported.of(&accused));
        let all = self.standing.records.len().saturating_add(self.reported.records.len());
        if of_it >= OFFENCES_PER_KEY_MAX || all >= OFFENCES_MAX {
            return Err(RejectionCode::OffencesFull);
        }
        if self.judged >= JUDGED_PER_BLOCK_MAX {
            return Err(RejectionCode::ReportsBusy);
        }
        self.judged = self.judged.saturating_add(1);
        if !self.judge.holds(&self.chain, proof) {
            return Err(RejectionCode::EvidenceInvalid);
        }
        let (height, index) = (place.height, place.index);
        self.reported.insert(id, OffenceRecord { accused, kind, epoch, place: at, height, index });
        Ok(id)
    }

    /// Takes a report of this block back.
    pub(crate) fn take_back(&mut self, id: &Digest) {
        self.reported.remove(id);
    }

    /// What the block reported.
    pub(crate) fn finish(self) -> Offences {
        self.reported
    }
}
