//! All tokens of this bank: in memory to be looked up, on disk before anyone learns of one.
//!
//! Must not know: HTTP; who may issue (whoever reaches this may).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tonle_crypto::{Canonical, Digest};
use tonle_ledger::AccountId;

use super::record::{ACCOUNTS_MAX, EMAIL_BYTES_MAX, NAME_BYTES_MAX};
use super::secret::same;
use super::{Record, Secret};
use crate::gateway::store::{Changes, Store, StoreError, Table};

/// Most tokens that are kept, ended ones included until their place is needed.
const TOKENS_MAX: usize = 10_000;
/// Longest life of a token: ten years.
const LIFE_DAYS_MAX: u32 = 3_650;
/// How long a token stays good after it was renewed, so that all tills of a shop can change over: an hour.
const OVERLAP_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * 3_600_000;

/// What a token's id is: the first eight bytes of its digest. Public.
type Id = [u8; 8];

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// None was shown.
    Missing,
    /// There is none such.
    Unknown,
    /// Its time is over.
    Expired,
    /// The bank took it back.
    Revoked,
}

/// What a new token is to be.
#[derive(Debug, Clone)]
pub struct Issue {
    /// Who has it, in the bank's words: 1 to 64 bytes.
    pub name: String,
    /// Under which address its owner renews it; empty when he may not.
    pub email: String,
    /// The accounts that it reaches: 1 to 16.
    pub accounts: Vec<AccountId>,
    /// For how many days: 1 to 3,650.
    pub days: u32,
}

/// Why no token was issued, renewed or revoked.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A field is not what it must be.
    #[error("{0}")]
    Field(&'static str),
    /// There are as many as may be.
    #[error("there are {TOKENS_MAX} tokens already: revoke some")]
    Full,
    /// No token has this id.
    #[error("no token has this id: see `tonle merchant token list`")]
    NoSuchToken,
    /// The token's address is another, or it has none.
    #[error("the token is not registered under this address")]
    NotRegistered,
    /// The token is not good.
    #[error("the token is not good")]
    Denied(Denied),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A token as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its public id: 16 hexadecimal digits.
    pub id: String,
    /// What is kept of it.
    pub record: Record,
}

/// The tokens.
#[derive(Debug)]
pub struct Book {
    store: Arc<Store>,
    tokens: RwLock<BTreeMap<Id, (Digest, Arc<Record>)>>,
}

impl Book {
    /// Reads what is kept.
    pub(in crate::gateway) fn load(store: Arc<Store>) -> Result<Self, StoreError> {
        let mut tokens = BTreeMap::new();
        store.scan(Table::Tokens, &[], &[], |key, value| {
            let digest = <[u8; 32]>::try_from(key).map(Digest::from_bytes);
            let digest = digest.map_err(|_| store.damaged("a token's digest does not decode"))?;
            let record = Record::decode(value).map_err(|_| store.damaged("a token's record does not decode"))?;
            tokens.insert(id_of(&digest), (digest, Arc::new(record)));
            Ok(true)
        })?;
        Ok(Book { store, tokens: RwLock::new(tokens) })
    }

    /// Which record the shown token has, if it is good at `now_ms`; with its id.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(&self, shown: Option<&str>, now_ms: u64) -> Result<(String, Arc<Record>), Denied> {
        let secret = Secret::parse(shown.ok_or(Denied::Missing)?).ok_or(Denied::Unknown)?;
        let digest = secret.digest();
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        // The id is found by the digest of what was shown, which its sender cannot steer; the rest is compared whole.
        let (kept, record) = tokens.get(&id_of(&digest)).ok_or(Denied::Unknown)?;
        if !same(kept, &digest) {
            return Err(Denied::Unknown);
        }
        if record.revoked_ms.is_some() {
            return Err(Denied::Revoked);
        }
        if !record.is_good(now_ms) {
            return Err(Denied::Expired);
        }
        Ok((hex::encode(id_of(&digest)), Arc::clone(record)))
    }

    /// Issues a token; it is on disk when this returns.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(&self, issue: Issue, now_ms: u64) -> Result<(Secret, Listed), IssueError> {
        let Issue { name, email, mut accounts, days } = issue;
        accounts.sort_unstable();
        accounts.dedup();
        let printable = |text: &str| text.chars().all(|letter| !letter.is_control());
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !printable(&name) {
            return Err(IssueError::Field("a name has 1 to 64 bytes"));
        }
        if email.len() > EMAIL_BYTES_MAX || !printable(&email) || !(email.is_empty() || email.contains('@')) {
            return Err(IssueError::Field("an address is like shop@example.com, of at most 254 bytes"));
        }
        if accounts.is_empty() || accounts.len() > ACCOUNTS_MAX {
            return Err(IssueError::Field("a token reaches 1 to 16 accounts"));
        }
        if days == 0 || days > LIFE_DAYS_MAX {
            return Err(IssueError::Field("a token is good for 1 to 3,650 days"));
        }
        let expires_ms = now_ms.saturating_add(u64::from(days).saturating_mul(DAY_MS));
        self.add(Record { name, email, issued_ms: now_ms, expires_ms, revoked_ms: None, accounts }, None)
    }

    /// A new token in place of a good one, which ends in an hour. `email` must be the one that it is registered under.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn renew(&self, shown: Option<&str>, email: &str, now_ms: u64) -> Result<Secret, IssueError> {
        let (id, record) = self.check(shown, now_ms).map_err(IssueError::Denied)?;
        if record.email.is_empty() || !record.email.eq_ignore_ascii_case(email) {
            return Err(IssueError::NotRegistered);
        }
        let life_ms = record.expires_ms.saturating_sub(record.issued_ms);
        let renewed =
            Record { issued_ms: now_ms, expires_ms: now_ms.saturating_add(life_ms), ..record.as_ref().clone() };
        let expires_ms = record.expires_ms.min(now_ms.saturating_add(OVERLAP_MS));
        // A renewed token cannot be renewed again: its owner has the new one for that.
        let old = Record { expires_ms, email: String::new(), ..record.as_ref().clone() };
        self.add(renewed, Some((&id, old))).map(|(secret, _)| secret)
    }

    /// Takes a token back.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn revoke(&self, id: &str, now_ms: u64) -> Result<Listed, IssueError> {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        let (digest, record) = parse_id(id).and_then(|id| tokens.get(&id)).ok_or(IssueError::NoSuchToken)?;
        let revoked_ms = Some(record.revoked_ms.unwrap_or(now_ms));
        let (digest, record) = (*digest, Record { revoked_ms, ..record.as_ref().clone() });
        let mut changes = Changes::default();
        changes.put(Table::Tokens, *digest.as_bytes(), record.encode());
        self.store.write_synced(changes)?;
        tokens.insert(id_of(&digest), (digest, Arc::new(record.clone())));
        Ok(Listed { id: id.to_owned(), record })
    }

    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let listed = |(id, (_, record)): (&Id, &(Digest, Arc<Record>))| Listed {
            id: hex::encode(id),
            record: record.as_ref().clone(),
        };
        let mut all: Vec<Listed> = tokens.iter().map(listed).collect();
        all.sort_by_key(|listed| listed.record.issued_ms);
        all
    }

    /// Keeps a new record, and the changed one that it replaces.
    fn add(&self, record: Record, replaced: Option<(&str, Record)>) -> Result<(Secret, Listed), IssueError> {
        let secret = Secret::generate().map_err(IssueError::Random)?;
        let digest = secret.digest();
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::default();
        let ended: Vec<Id> = if tokens.len() < TOKENS_MAX {
            Vec::new()
        } else {
            tokens.iter().filter(|(_, (_, old))| !old.is_good(record.issued_ms)).map(|(id, _)| *id).collect()
        };
        if tokens.len().saturating_sub(ended.len()) >= TOKENS_MAX {
            return Err(IssueError::Full);
        }
        for (kept, _) in ended.iter().filter_map(|id| tokens.get(id)) {
            changes.delete(Table::Tokens, *kept.as_bytes());
        }
        let old = replaced.and_then(|(id, record)| Some((tokens.get(&parse_id(id)?)?.0, record)));
        if let Some((kept, record)) = &old {
            changes.put(Table::Tokens, *kept.as_bytes(), record.encode());
        }
        changes.put(Table::Tokens, *digest.as_bytes(), record.encode());
        self.store.write_synced(changes)?;
        tokens.retain(|id, _| !ended.contains(id));
        if let Some((kept, record)) = old {
            tokens.insert(id_of(&kept), (kept, Arc::new(record)));
        }
        tokens.insert(id_of(&digest), (digest, Arc::new(record.clone())));
        Ok((secret, Listed { id: hex::encode(id_of(&digest)), record }))
    }
}

fn id_of(digest: &Digest) -> Id {
    let [a, b, c, d, e, f, g, h, ..] = *digest.as_bytes();
    [a, b, c, d, e, f, g, h]
}

fn parse_id(text: &str) -> Option<Id> {
    let mut id = [0; 8];
    hex::decode_to_slice(text, &mut id).ok().map(|()| id)
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
