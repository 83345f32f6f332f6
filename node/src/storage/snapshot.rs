//! Reading a whole state for peers: its leaves, and the ids and references of an hour. It must not know who asks, or what
//! proves what.

use std::collections::BTreeMap;

use rocksdb::{IteratorMode, ReadOptions};
use tonle_consensus::Boundary;
use tonle_crypto::{Canonical as _, Digest, Reader, Writer};
use tonle_ledger::{Account, AccountId, Bucket, BucketOrder, CHUNK_BYTES, Change, Outline, StateKey};
use tonle_replica::bounds::BOUNDARIES_KEPT_MAX;

use super::tables::{metadata, state};
use super::{Error, View};

/// Values with their keys.
type Values = Vec<(StateKey, Vec<u8>)>;

impl View<'_> {
    /// The outline of the state's leaves. It reads all of them.
    ///
    /// # Errors
    /// [`Error`]; so all methods here.
    pub fn outline(&self) -> Result<Outline, Error> {
        self.scan(|values| Ok(Outline::new(values, CHUNK_BYTES)))
    }

    /// The values under these keys; `None` when one of them is missing.
    ///
    /// # Errors
    /// [`Error`].
    pub fn values(&self, keys: &[StateKey]) -> Result<Option<Values>, Error> {
        keys.iter().map(|key| Ok(self.state_value(key)?.map(|value| (*key, value)))).collect()
    }

    /// All accounts, by name.
    ///
    /// # Errors
    /// [`Error`].
    pub fn accounts(&self) -> Result<Vec<(AccountId, Account)>, Error> {
        let (from, to) = (vec![StateKey::ACCOUNT_TAG], vec![StateKey::ACCOUNT_TAG.saturating_add(1)]);
        let (mut accounts, mut damaged) = (Vec::new(), false);
        self.each_value(from, to, |key, value| {
            match (key, Account::decode(&value)) {
                (StateKey::Account(id), Ok(account)) => accounts.push((id, account)),
                _ => damaged = true,
            }
            !damaged
        })?;
        if damaged { Err(self.damaged(state::STATE, "an account does not decode")) } else { Ok(accounts) }
    }

    /// The order of an hour's ids; `None` when it takes more than `bytes_max` to make. It reads all of them.
    ///
    /// # Errors
    /// [`Error`].
    pub fn id_order(&self, hour: u64, bytes_max: usize) -> Result<Option<BucketOrder>, Error> {
        self.hour_order(Bucket::Ids(hour), Change::id_range(hour), bytes_max)
    }

    /// The same of the KHQR codes that were paid and expire in an hour.
    ///
    /// # Errors
    /// [`Error`].
    pub fn code_order(&self, hour: u64, bytes_max: usize) -> Result<Option<BucketOrder>, Error> {
        self.hour_order(Bucket::Codes(hour), Change::code_range(hour), bytes_max)
    }

    fn hour_order(
        &self,
        bucket: Bucket,
        (from, to): (Vec<u8>, Vec<u8>),
        bytes_max: usize,
    ) -> Result<Option<BucketOrder>, Error> {
        let mut values = Vec::new();
        let max = bytes_max.checked_div(VALUE_BYTES).unwrap_or(0);
        self.each_value(from, to, |key, value| {
            values.push((key, value));
            values.len() <= max
        })?;
        if values.len() > max { Ok(None) } else { self.order(bucket, values).map(Some) }
    }

    /// The orders of the references taken in the hour `first` and in as many after it as take `bytes_max` to make; none
    /// when that hour alone takes more. It reads all references, whatever their hour: they are stored by scope.
    ///
    /// # Errors
    /// [`Error`].
    pub fn reference_orders(&self, first: u64, bytes_max: usize) -> Result<BTreeMap<u64, BucketOrder>, Error> {
        let mut hours: BTreeMap<u64, Vec<(StateKey, Vec<u8>)>> = BTreeMap::new();
        let (mut bytes, mut below) = (0usize, u64::MAX);
        let from: Vec<u8> = StateKey::Reference(Digest::ZERO).to_bytes().into_iter().take(1).collect();
        let to = from.iter().map(|tag| tag.saturating_add(1)).collect();
        self.each_value(from, to, |key, value| {
            if let Some(Bucket::References(hour)) = Bucket::holding(&key, &value)
                && (first..below).contains(&hour)
            {
                bytes = bytes.saturating_add(VALUE_BYTES);
                hours.entry(hour).or_default().push((key, value));
            }
            // The latest hours go first: they are asked for last.
            while bytes > bytes_max {
                let Some((hour, dropped)) = hours.pop_last() else { break };
                bytes = bytes.saturating_sub(dropped.len().saturating_mul(VALUE_BYTES));
                below = hour;
            }
            below > first
        })?;
        hours.into_iter().map(|(hour, values)| Ok((hour, self.order(Bucket::References(hour), values)?))).collect()
    }

    /// The boundaries that this database began from instead of genesis; none when it has all blocks.
    ///
    /// # Errors
    /// [`Error`].
    pub fn begun_from(&self) -> Result<Vec<Boundary>, Error> {
        let Some(bytes) = self.metadata(metadata::BEGUN)? else { return Ok(Vec::new()) };
        let mut reader = Reader::new(&bytes);
        let decoded = reader.list("boundaries", BOUNDARIES_KEPT_MAX).and_then(|found| reader.finish().map(|()| found));
        decoded.map_err(|_| self.damaged(metadata::METADATA, "the boundaries begun from do not decode"))
    }

    /// The height of the lowest block here: 0, or that of the snapshot that the database began from.
    ///
    /// # Errors
    /// [`Error`].
    pub fn lowest(&self) -> Result<u64, Error> {
        Ok(self.begun_from()?.last().map_or(0, |boundary| boundary.header.height().get()))
    }

    fn order(&self, bucket: Bucket, values: Vec<(StateKey, Vec<u8>)>) -> Result<BucketOrder, Error> {
        BucketOrder::new(bucket, values.into_iter()).map_err(|source| self.ledger(source))
    }

    /// Shows the values of the state from one key up to another, until `visit` says false.
    fn each_value(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        mut visit: impl FnMut(StateKey, Vec<u8>) -> bool,
    ) -> Result<(), Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        options.fill_cache(false);
        for entry in self.entries(state::STATE, options, IteratorMode::Start)? {
            let (key, value) = entry?;
            let key = StateKey::from_bytes(&key).ok_or_else(|| self.damaged(state::STATE, "a key does not decode"))?;
            if !visit(key, value.into_vec()) {
                break;
            }
        }
        Ok(())
    }
}

/// What an id or a reference takes in memory while it is ordered, about.
const VALUE_BYTES: usize = 256;

/// Boundaries as they are stored.
pub(super) fn encode_boundaries(boundaries: &[Boundary]) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.list(boundaries);
    writer.finish()
}
