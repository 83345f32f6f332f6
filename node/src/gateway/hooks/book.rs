//! All webhooks: as the bank configured them, and how far each has come; on disk with every step.
//!
//! ```text
//! hooks     | 1 u8 | id 8 |                               -> | record |         drawn in hooks/record.rs
//!           | 2 u8 | id 8 | height u64 | index u32 | operation u32 | -> | batch given up |      likewise
//! about     "webhook key" -> | seed of the ed25519 key that signs 32 |
//! ```
//!
//! Must not know: how a batch is delivered.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tonle_crypto::{Canonical, PublicKey, SecretKey};
use tonle_ledger::AccountId;

use super::delivery::Delivery;
use super::destination::{Destination, roots};
use super::record::{ACCOUNTS_MAX, Dead, Form, Hook, TEXT_BYTES_MAX};
use crate::gateway::lookup::Lookup;
use crate::gateway::payment::Place;
use crate::gateway::reads::Reads;
use crate::gateway::store::{Changes, Store, StoreError, Table};

/// Most webhooks: each has a task and a connection.
const HOOKS_MAX: usize = 64;
/// Most batches given up that are kept for one webhook; with as many, its next batch is tried on and on.
const DEAD_MAX: usize = 1_000;

/// Names a webhook.
pub(super) type Id = [u8; 8];

/// Why a webhook is not as asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum HookError {
    /// The address or another field is refused.
    #[error("{0}")]
    Field(String),
    /// There are as many as may be.
    #[error("there are {HOOKS_MAX} webhooks already")]
    Full,
    /// There is none such.
    #[error("no webhook has this id: see `tonle merchant webhook list`")]
    NoSuchHook,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A webhook's record, shared between its task and the bank's desk.
#[derive(Debug, Clone)]
pub(super) struct State(Arc<Mutex<Hook>>);

impl State {
    pub(super) fn get(&self) -> Hook {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[derive(Debug)]
struct Running {
    state: State,
    changed: Arc<Notify>,
    removed: CancellationToken,
}

/// What all webhooks share.
#[derive(Debug)]
pub(super) struct Kept {
    store: Arc<Store>,
    pub(super) lookup: Lookup,
    pub(super) reads: Reads,
    pub(super) followed: watch::Receiver<u64>,
    pub(super) key: SecretKey,
    pub(super) roots: Arc<rustls::ClientConfig>,
    pub(super) shutdown: CancellationToken,
}

/// All webhooks.
#[derive(Debug)]
pub(in crate::gateway) struct Hooks {
    kept: Arc<Kept>,
    running: Mutex<BTreeMap<Id, Running>>,
}

impl Hooks {
    /// Reads what is kept and starts to deliver. `certificates` are whom TLS believes.
    pub(in crate::gateway) fn start(
        store: Arc<Store>,
        lookup: Lookup,
        reads: Reads,
        followed: watch::Receiver<u64>,
        certificates: &Path,
        shutdown: CancellationToken,
    ) -> anyhow::Result<Self> {
        let key = key(&store)?;
        let mut found = Vec::new();
        store.scan(Table::Hooks, &[1], &[1], |key, value| {
            let id = key.get(1..).and_then(|id| Id::try_from(id).ok()).zip(Hook::decode(value).ok());
            found.push(id.ok_or_else(|| store.damaged("a webhook does not decode"))?);
            Ok(true)
        })?;
        let roots = roots(certificates)?;
        let kept = Arc::new(Kept { store, lookup, reads, followed, key, roots, shutdown });
        let hooks = Hooks { kept, running: Mutex::new(BTreeMap::new()) };
        found.into_iter().for_each(|(id, hook)| hooks.run(id, hook));
        Ok(hooks)
    }

    fn run(&self, id: Id, hook: Hook) {
        let state = State(Arc::new(Mutex::new(hook)));
        let (changed, removed) = (Arc::new(Notify::new()), CancellationToken::new());
        let delivery = Delivery {
            kept: Arc::clone(&self.kept),
            id,
            state: state.clone(),
            changed: Arc::clone(&changed),
            removed: removed.clone(),
        };
        tokio::spawn(delivery.run());
        self.lock().insert(id, Running { state, changed, removed });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Id, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that messages are signed with.
    pub(in crate::gateway) fn public(&self) -> PublicKey {
        self.kept.key.public()
    }

    /// Adds a webhook that tells what is final from now on. Blocks.
    pub(in crate::gateway) fn add(
        &self,
        url: String,
        is_private: bool,
        form: Form,
        mut accounts: Vec<AccountId>,
    ) -> Result<(String, Hook), HookError> {
        accounts.sort_unstable();
        accounts.dedup();
        let refused = |error: &dyn std::fmt::Display| HookError::Field(error.to_string());
        Destination::parse(&url, is_private).map_err(|error| refused(&error))?;
        let bearer = match &form {
            Form::Bakong { bearer } => bearer.as_str(),
            Form::Signed => "",
        };
        let is_long = url.len() > TEXT_BYTES_MAX || bearer.len() > TEXT_BYTES_MAX;
        if is_long || !bearer.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(refused(&"an address and a bearer token have at most 512 printable characters"));
        }
        if accounts.is_empty() || accounts.len() > ACCOUNTS_MAX {
            return Err(refused(&"a webhook has 1 to 16 accounts"));
        }
        if self.lock().len() >= HOOKS_MAX {
            return Err(HookError::Full);
        }
        let mut id = Id::default();
        getrandom::fill(&mut id).map_err(|error| refused(&error))?;
        let told = Place::after(*self.kept.followed.borrow());
        let hook = Hook { url, is_private, form, accounts, told, under_way: None, attempts: 0, not_before_ms: 0 };
        let mut changes = Changes::default();
        changes.put(Table::Hooks, hook_key(id), hook.encode());
        self.kept.store.write_synced(changes)?;
        self.run(id, hook.clone());
        Ok((hex::encode(id), hook))
    }

    /// All of them.
    pub(in crate::gateway) fn list(&self) -> Vec<(String, Hook)> {
        self.lock().iter().map(|(id, running)| (hex::encode(id), running.state.get())).collect()
    }

    /// Removes one, and what it gave up. Blocks.
    pub(in crate::gateway) fn remove(&self, id: &str) -> Result<(), HookError> {
        let id = parse_id(id)?;
        let running = self.lock().remove(&id).ok_or(HookError::NoSuchHook)?;
        running.removed.cancel();
        let mut changes = Changes::default();
        changes.delete(Table::Hooks, hook_key(id));
        for (before, _) in self.kept.dead(id, Place::default())? {
            changes.delete(Table::Hooks, dead_key(id, before));
        }
        // The task may be about to keep a step; under this lock it finds that the webhook is gone.
        let mut hook = running.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        hook.told = Place::after(u64::MAX);
        Ok(self.kept.store.write_synced(changes)?)
    }

    /// What was given up, oldest first: the place before each batch, and the batch. Blocks.
    pub(in crate::gateway) fn dead(&self, id: &str) -> Result<Vec<(Place, Dead)>, HookError> {
        let id = parse_id(id)?;
        if !self.lock().contains_key(&id) {
            return Err(HookError::NoSuchHook);
        }
        Ok(self.kept.dead(id, Place::default())?)
    }

    /// Tells everything after a place again, what was given up too. Blocks.
    pub(in crate::gateway) fn replay(&self, id: &str, after: Place) -> Result<(), HookError> {
        let id = parse_id(id)?;
        let (state, changed) = {
            let running = self.lock();
            let found = running.get(&id).ok_or(HookError::NoSuchHook)?;
            (found.state.clone(), Arc::clone(&found.changed))
        };
        let mut changes = Changes::default();
        for (before, _) in self.kept.dead(id, after)? {
            changes.delete(Table::Hooks, dead_key(id, before));
        }
        let mut hook = state.0.lock().unwrap_or_else(PoisonError::into_inner);
        if after > hook.told {
            return Err(HookError::Field(format!("only what came after {} is still to be told", hook.told)));
        }
        let next = Hook { told: after, under_way: None, attempts: 0, not_before_ms: 0, ..hook.clone() };
        changes.put(Table::Hooks, hook_key(id), next.encode());
        self.kept.store.write_synced(changes)?;
        *hook = next;
        changed.notify_one();
        Ok(())
    }
}

impl Kept {
    /// Keeps a step of a webhook, unless the bank changed it since: then it was at another place.
    pub(super) fn keep(
        &self,
        id: Id,
        state: &State,
        before: Place,
        next: Hook,
        dead: Option<Dead>,
    ) -> Result<(), StoreError> {
        let mut hook = state.0.lock().unwrap_or_else(PoisonError::into_inner);
        if hook.told != before {
            return Ok(());
        }
        let mut changes = Changes::default();
        changes.put(Table::Hooks, hook_key(id), next.encode());
        if let Some(dead) = dead {
            changes.put(Table::Hooks, dead_key(id, before), dead.encode());
        }
        // Not synced: what power takes back is told again, under the same id.
        self.store.write(changes)?;
        *hook = next;
        Ok(())
    }

    /// May another batch be given up?
    pub(super) async fn has_room(self: &Arc<Self>, id: Id) -> bool {
        let kept = Arc::clone(self);
        let count = self.reads.run(move || Ok(kept.dead(id, Place::default())?.len())).await;
        count.is_ok_and(|count| count < DEAD_MAX)
    }

    fn dead(&self, id: Id, from: Place) -> Result<Vec<(Place, Dead)>, StoreError> {
        let mut found = Vec::new();
        let prefix = [&[2], id.as_slice()].concat();
        self.store.scan(Table::Hooks, &prefix, &dead_key(id, from), |key, value| {
            let entry = crate::gateway::index::place_of(key).zip(Dead::decode(value).ok());
            found.push(entry.ok_or_else(|| self.store.damaged("a batch given up does not decode"))?);
            Ok(true)
        })?;
        Ok(found)
    }
}

fn key(store: &Store) -> anyhow::Result<SecretKey> {
    const NAME: &[u8] = b"webhook key";
    if let Some(seed) = store.get(Table::About, NAME)? {
        let seed =
            <[u8; 32]>::try_from(seed.as_slice()).map_err(|_| store.damaged("the webhook key does not decode"))?;
        return Ok(SecretKey::from_seed(&seed));
    }
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut_slice())?;
    let mut changes = Changes::default();
    changes.put(Table::About, NAME, seed.as_slice());
    store.write_synced(changes)?;
    Ok(SecretKey::from_seed(&seed))
}

fn hook_key(id: Id) -> Vec<u8> {
    [&[1], id.as_slice()].concat()
}

fn dead_key(id: Id, before: Place) -> Vec<u8> {
    crate::gateway::index::at([&[2], id.as_slice()].concat(), before)
}

fn parse_id(text: &str) -> Result<Id, HookError> {
    let mut id = Id::default();
    hex::decode_to_slice(text, &mut id).map_err(|_| HookError::NoSuchHook)?;
    Ok(id)
}

/// This machine's time, ms since the Unix epoch.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
