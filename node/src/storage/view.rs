//! Reading: everything a query needs, from one consistent snapshot.

use std::cell::RefCell;

use rocksdb::{DB, Direction, IteratorMode, ReadOptions, SnapshotWithThreadMode};
use tonle_consensus::{Block, Checkpoint, Epoch, Header, Validator};
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::{
    Account, AccountId, Alias, Fatal, OffenceRecord, Parameters, Participant, ParticipantId, Proposal, Receipt,
    StateKey, Timed, TransactionId, Validators,
};
use tonle_replica::{CertifiedBlock, Offence, OffenceKind, RawBatch};

use super::tables::transactions;
use super::tables::{
    Outcome, Tip, batches, blocks, epochs, history, metadata, outcomes, place_key, place_of, receipts, state,
};
use super::{Database, Error};

/// One consistent snapshot of the database.
pub struct View<'a> {
    database: &'a Database,
    snapshot: SnapshotWithThreadMode<'a, DB>,
}

/// Where a receipt stands: its height, and its index there.
pub type ReceiptPlace = (u64, u32);

/// A key and its value.
type Entry = (Box<[u8]>, Box<[u8]>);

impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("sequence", &self.snapshot.sequence_number()).finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    pub(super) fn new(database: &'a Database) -> Self {
        View { database, snapshot: database.rocks.snapshot() }
    }

    /// The last block's height, and a finality certificate of it or of a descendant.
    ///
    /// # Errors
    /// [`Error`]; so all methods here.
    pub fn tip(&self) -> Result<Tip, Error> {
        let value = self.metadata(metadata::TIP)?;
        let tip = value.and_then(|value| Tip::decode(&value).ok());
        tip.ok_or_else(|| self.database.damaged(metadata::METADATA, "the tip is missing or does not decode"))
    }

    /// The block at a height, with its own finality certificate if it has one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn block(&self, height: u64) -> Result<Option<CertifiedBlock>, Error> {
        self.parsed(blocks::BLOCKS, &blocks::key(height), blocks::parse)
    }

    /// The height of the block whose header has this digest.
    ///
    /// # Errors
    /// [`Error`].
    pub fn height_of(&self, digest: &Digest) -> Result<Option<u64>, Error> {
        self.parsed(blocks::DIGESTS, &blocks::digest_key(digest), blocks::parse_height)
    }

    /// The final block whose header has this digest.
    ///
    /// # Errors
    /// [`Error`].
    pub fn block_by_digest(&self, digest: &Digest) -> Result<Option<Block>, Error> {
        let Some(height) = self.height_of(digest)? else { return Ok(None) };
        Ok(self.block(height)?.map(|certified| certified.block))
    }

    /// Up to `max` blocks from a height on, ascending.
    ///
    /// # Errors
    /// [`Error`].
    pub fn blocks(&self, from: u64, max: usize) -> Result<Vec<CertifiedBlock>, Error> {
        let mut found = Vec::new();
        self.each(blocks::BLOCKS, &blocks::key(from), None, |_, value| {
            found.push(blocks::parse(value)?);
            Some(found.len() < max)
        })?;
        found.truncate(max);
        Ok(found)
    }

    /// What executing the block at a height gave.
    ///
    /// # Errors
    /// [`Error`].
    pub fn outcome(&self, height: u64) -> Result<Option<Outcome>, Error> {
        self.parsed(outcomes::OUTCOMES, &blocks::key(height), |value| Outcome::decode(value).ok())
    }

    /// Roots after the heights `from..=to`, ascending; those above the tip are left out.
    ///
    /// # Errors
    /// [`Error`].
    pub fn checkpoints(&self, from: u64, to: u64) -> Result<Vec<Checkpoint>, Error> {
        let mut found = Vec::new();
        for height in from..=to {
            let Some(outcome) = self.outcome(height)? else { break };
            found.push(outcome.checkpoint(height));
        }
        Ok(found)
    }

    /// Receipts roots of the heights `from..=to`, ascending: the links of a receipt's proof.
    ///
    /// # Errors
    /// [`Error::Damaged`] when one of them is above the tip.
    pub fn receipts_roots(&self, from: u64, to: u64) -> Result<Vec<Digest>, Error> {
        (from..=to)
            .map(|height| {
                let missing = || self.database.damaged(outcomes::OUTCOMES, "an executed height has no outcome");
                Ok(self.outcome(height)?.ok_or_else(missing)?.receipts_root)
            })
            .collect()
    }

    /// A batch of a final block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn batch(&self, digest: &Digest) -> Result<Option<RawBatch>, Error> {
        self.parsed(batches::BATCHES, digest.as_bytes(), |value| {
            RawBatch::decode(value).ok().filter(|batch| batch.digest() == *digest)
        })
    }

    /// Where the receipt of a transaction stands: height and index.
    ///
    /// # Errors
    /// [`Error`].
    pub fn locate(&self, transaction: &TransactionId) -> Result<Option<(u64, u32)>, Error> {
        self.parsed(transactions::TRANSACTIONS, transaction.as_bytes(), place_of)
    }

    /// The receipt at a height and index.
    ///
    /// # Errors
    /// [`Error`].
    pub fn receipt(&self, height: u64, index: u32) -> Result<Option<Receipt>, Error> {
        self.parsed(receipts::RECEIPTS, &place_key(height, index), parse_receipt)
    }

    /// Up to `max` receipts of a height, from an index on, ascending.
    ///
    /// # Errors
    /// [`Error`].
    pub fn receipts(&self, height: u64, from: u32, max: usize) -> Result<Vec<Receipt>, Error> {
        let Some(end) = height.checked_add(1) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        self.each(receipts::RECEIPTS, &place_key(height, from), Some(place_key(end, 0).to_vec()), |_, value| {
            found.push(parse_receipt(value)?);
            Some(found.len() < max)
        })?;
        found.truncate(max);
        Ok(found)
    }

    /// The signed transaction, as its client sent it, whose receipt stands at a height and index; empty for a block's own.
    ///
    /// # Errors
    /// [`Error`].
    pub fn transaction(&self, height: u64, index: u32) -> Result<Option<Vec<u8>>, Error> {
        let key = place_key(height, index);
        let place = |value: &[u8]| receipts::parse(value).map(|stored| (stored.batch, stored.position));
        let Some((digest, position)) = self.parsed(receipts::RECEIPTS, &key, place)? else { return Ok(None) };
        if (digest, position) == receipts::OF_THE_BLOCK {
            return Ok(Some(Vec::new()));
        }
        let missing = || self.database.damaged(batches::BATCHES, "the batch of a receipt is missing");
        let batch = self.batch(&digest)?.ok_or_else(missing)?;
        let position = usize::try_from(position).unwrap_or(usize::MAX);
        let transaction = batch.transactions().nth(position).map(<[u8]>::to_vec);
        transaction.map(Some).ok_or_else(missing)
    }

    /// Up to `max` receipts of a height, from an index on, ascending, each with the signed transaction that it is of; a
    /// block's own are left out.
    ///
    /// # Errors
    /// [`Error`].
    pub fn executed(&self, height: u64, from: u32, max: usize) -> Result<Vec<(Receipt, Vec<u8>)>, Error> {
        let Some(end) = height.checked_add(1) else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        self.each(receipts::RECEIPTS, &place_key(height, from), Some(place_key(end, 0).to_vec()), |_, value| {
            let stored = receipts::parse(value)?;
            if (stored.batch, stored.position) != receipts::OF_THE_BLOCK {
                places.push((Receipt::decode(stored.receipt).ok()?, stored.batch, stored.position));
            }
            Some(places.len() < max)
        })?;
        let missing = || self.database.damaged(batches::BATCHES, "the batch of a receipt is missing");
        // Receipts stand in the order of their batches: each batch is read once.
        let (mut held, mut transactions) = (None, Vec::new());
        let mut found = Vec::with_capacity(places.len());
        for (receipt, digest, position) in places {
            if held != Some(digest) {
                transactions = self.batch(&digest)?.ok_or_else(missing)?.transactions().map(<[u8]>::to_vec).collect();
                held = Some(digest);
            }
            let position = usize::try_from(position).unwrap_or(usize::MAX);
            found.push((receipt, transactions.get(position).ok_or_else(missing)?.clone()));
        }
        Ok(found)
    }

    /// Where the receipts that concern an account stand, newest first, at most `max`, all strictly before `before`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn history(&self, account: &AccountId, before: (u64, u32), max: usize) -> Result<Vec<(u64, u32)>, Error> {
        let start = history::key(account, before.0, before.1);
        let end = history::key(account, 0, 0);
        let mut found = Vec::new();
        // The last key of an account, height and index 0, is never used: genesis has no receipts.
        self.each(history::HISTORY, &start, Some(end), |key, _| {
            let place = history::parse(key)?;
            if place < before {
                found.push(place);
            }
            Some(found.len() < max)
        })?;
        found.truncate(max);
        Ok(found)
    }

    /// An account after the view's last block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn account(&self, account: AccountId) -> Result<Option<Account>, Error> {
        let key = StateKey::Account(account).to_bytes();
        self.parsed(state::STATE, &key, |value| Account::decode(value).ok())
    }

    /// What ends at a block time, by its id, after the view's last block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn timed(&self, id: Digest) -> Result<Option<Timed>, Error> {
        self.parsed(state::STATE, &StateKey::Timed(id).to_bytes(), |value| Timed::decode(value).ok())
    }

    /// What an alias stands for, after the view's last block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn alias(&self, alias: Digest) -> Result<Option<Alias>, Error> {
        self.parsed(state::STATE, &StateKey::Alias(alias).to_bytes(), |value| Alias::decode(value).ok())
    }

    /// The ledger's parameters after the view's last block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn parameters(&self) -> Result<Parameters, Error> {
        let found =
            self.parsed(state::STATE, &StateKey::Parameters.to_bytes(), |value| Parameters::decode(value).ok())?;
        found.ok_or_else(|| self.database.damaged(state::STATE, "the parameters are missing"))
    }

    /// Proposals that stand after the view's last block, in the order of their ids: those above `after`, at most `max`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn proposals(&self, after: Option<Digest>, max: usize) -> Result<Vec<Proposal>, Error> {
        let start = StateKey::Proposal(after.unwrap_or(Digest::ZERO)).to_bytes();
        let mut found = Vec::new();
        self.each(state::STATE, &start, Some(vec![StateKey::PROPOSAL_TAG.saturating_add(1)]), |_, value| {
            let proposal = Proposal::decode(value).ok()?;
            if Some(proposal.id()) != after {
                found.push(proposal);
            }
            Some(found.len() < max)
        })?;
        found.truncate(max);
        Ok(found)
    }

    /// The ledger's record of who validates, after the view's last block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn validators(&self) -> Result<Validators, Error> {
        let found =
            self.parsed(state::STATE, &StateKey::Validators.to_bytes(), |value| Validators::decode(value).ok())?;
        found.ok_or_else(|| self.database.damaged(state::STATE, "the validators are missing"))
    }

    /// A participant after the view's last block.
    ///
    /// # Errors
    /// [`Error`].
    pub fn participant(&self, id: ParticipantId) -> Result<Option<Participant>, Error> {
        let key = StateKey::Participant(id).to_bytes();
        self.parsed(state::STATE, &key, |value| Participant::decode(value).ok())
    }

    /// Participants after the view's last block, in the order of their ids: those above `after` of which `wanted` says
    /// yes, at most `max`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn participants(
        &self,
        after: Option<ParticipantId>,
        max: usize,
        wanted: impl Fn(&Participant) -> bool,
    ) -> Result<Vec<Participant>, Error> {
        let tag = StateKey::PARTICIPANT_TAG;
        let start = after.map_or(vec![tag], |id| StateKey::Participant(id).to_bytes());
        let mut found = Vec::new();
        self.each(state::STATE, &start, Some(vec![tag.saturating_add(1)]), |_, value| {
            let participant = Participant::decode(value).ok()?;
            if Some(participant.id) != after && wanted(&participant) {
                found.push(participant);
            }
            Some(found.len() < max)
        })?;
        Ok(found)
    }

    /// Offences on the ledger after the view's last block, in the order of their ids: those above `after`, at most `max`.
    /// With each, where the receipt stands by which it is there.
    ///
    /// # Errors
    /// [`Error`].
    pub fn offences(&self, after: Option<Digest>, max: usize) -> Result<Vec<(Offence, ReceiptPlace)>, Error> {
        let start = StateKey::Offence(after.unwrap_or(Digest::ZERO)).to_bytes();
        let mut found = Vec::new();
        self.each(state::STATE, &start, Some(vec![StateKey::OFFENCE_TAG.saturating_add(1)]), |key, value| {
            let Some(StateKey::Offence(id)) = StateKey::from_bytes(key) else { return None };
            let OffenceRecord { accused, kind, epoch, place, height, index } = OffenceRecord::decode(value).ok()?;
            let offence = Offence { accused, kind: OffenceKind::from_code(kind)?, epoch: Epoch::new(epoch), place };
            if Some(id) != after {
                found.push((offence, (height, index)));
            }
            (offence.id() == id).then_some(found.len() < max)
        })?;
        found.truncate(max);
        Ok(found)
    }

    /// The validators of `epoch` in the order of their indexes, and the first epoch that they serve in. For an epoch
    /// that has not begun here, those of the last one that has.
    ///
    /// # Errors
    /// [`Error`].
    pub fn set_of(&self, epoch: u64) -> Result<(u64, Vec<Validator>), Error> {
        let sets = self.sets(epoch)?;
        sets.into_iter().next_back().ok_or_else(|| self.database.damaged(epochs::EPOCHS, "epoch 0 is missing"))
    }

    /// Every validator set up to `epoch`, ascending, with the first epoch that it serves in: that of genesis, then one
    /// for each change.
    ///
    /// # Errors
    /// [`Error`].
    pub fn sets(&self, epoch: u64) -> Result<Vec<(u64, Vec<Validator>)>, Error> {
        let mut found = Vec::new();
        let end = epoch.checked_add(1).map(|end| epochs::key(end).to_vec());
        self.each(epochs::EPOCHS, &epochs::key(0), end, |key, value| {
            found.push((epochs::parse_key(key)?, epochs::parse(value)?));
            Some(true)
        })?;
        Ok(found)
    }

    /// A header naming a checkpoint at or above `height`: the lowest one.
    ///
    /// # Errors
    /// [`Error`].
    pub fn first_header_covering(&self, height: u64) -> Result<Option<Header>, Error> {
        let Some(from) = height.checked_add(1) else { return Ok(None) };
        let mut found = None;
        // A header's checkpoint lies below it and never below its parent's, so the first hit is the lowest.
        self.each(blocks::BLOCKS, &blocks::key(from), None, |_, value| {
            let header = blocks::parse(value)?.block.header().clone();
            let covers = header.checkpoint().height.get() >= height;
            if covers {
                found = Some(header);
            }
            Some(!covers)
        })?;
        Ok(found)
    }

    pub(super) fn metadata(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.get(metadata::METADATA, name)
    }

    pub(super) fn state_value(&self, key: &StateKey) -> Result<Option<Vec<u8>>, Error> {
        self.get(state::STATE, &key.to_bytes())
    }

    /// Hands all values that the ledger scans to `reader`.
    pub(super) fn scan<T>(
        &self,
        reader: impl FnOnce(&mut dyn Iterator<Item = (StateKey, Vec<u8>)>) -> Result<T, Fatal>,
    ) -> Result<T, Error> {
        let family = self.database.family(state::STATE)?;
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(vec![StateKey::SCAN.start]);
        options.set_iterate_upper_bound(vec![StateKey::SCAN.end]);
        // A scan of everything would push out of the cache what queries use.
        options.fill_cache(false);
        let failure = RefCell::new(None);
        let mut values = self.snapshot.iterator_cf_opt(family, options, IteratorMode::Start).map_while(|entry| {
            let parsed = match entry {
                Ok((key, value)) => StateKey::from_bytes(&key)
                    .map(|key| (key, value.into_vec()))
                    .ok_or_else(|| self.database.damaged(state::STATE, "a key does not decode")),
                Err(source) => Err(self.database.failed("scan the state", source)),
            };
            parsed.map_err(|error| failure.replace(Some(error))).ok()
        });
        let result = reader(&mut values);
        // A scan that was cut short makes the ledger's answer meaningless.
        match failure.take() {
            Some(error) => Err(error),
            None => result.map_err(|source| self.database.ledger(source)),
        }
    }

    /// The entries of a table.
    pub(super) fn entries(
        &self,
        table: &'static str,
        options: ReadOptions,
        mode: IteratorMode<'_>,
    ) -> Result<impl Iterator<Item = Result<Entry, Error>>, Error> {
        let family = self.database.family(table)?;
        let entries = self.snapshot.iterator_cf_opt(family, options, mode);
        Ok(entries.map(|entry| entry.map_err(|source| self.database.failed("read", source))))
    }

    pub(super) fn damaged(&self, table: &'static str, what: &'static str) -> Error {
        self.database.damaged(table, what)
    }

    pub(super) fn ledger(&self, source: Fatal) -> Error {
        self.database.ledger(source)
    }

    fn get(&self, table: &'static str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let family = self.database.family(table)?;
        self.snapshot.get_cf(family, key).map_err(|source| self.database.failed("read", source))
    }

    fn parsed<T>(
        &self,
        table: &'static str,
        key: &[u8],
        parse: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(table, key)? else { return Ok(None) };
        parse(&value).map(Some).ok_or_else(|| self.database.damaged(table, "a value does not decode"))
    }

    /// Shows entries from `start` on, below `end`, until `visit` says `Some(false)`; `None` is a damaged entry.
    fn each(
        &self,
        table: &'static str,
        start: &[u8],
        end: Option<Vec<u8>>,
        mut visit: impl FnMut(&[u8], &[u8]) -> Option<bool>,
    ) -> Result<(), Error> {
        let family = self.database.family(table)?;
        let mut options = ReadOptions::default();
        if let Some(end) = end {
            options.set_iterate_upper_bound(end);
        }
        let entries = self.snapshot.iterator_cf_opt(family, options, IteratorMode::From(start, Direction::Forward));
        for entry in entries {
            let (key, value) = entry.map_err(|source| self.database.failed("read", source))?;
            match visit(&key, &value) {
                Some(true) => {}
                Some(false) => break,
                None => return Err(self.database.damaged(table, "an entry does not decode")),
            }
        }
        Ok(())
    }
}

fn parse_receipt(value: &[u8]) -> Option<Receipt> {
    Receipt::decode(receipts::parse(value)?.receipt).ok()
}
