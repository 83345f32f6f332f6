//! The thread that keeps the index: block by block as they are executed; from an account's history where it was away.
//!
//! Must not know: HTTP, tokens.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use tonle_ledger::{AccountId, SignedTransaction};

use super::entry::entries;
use super::touched::{Enrolled, Touched};
use crate::gateway::payment::Settled;
use crate::gateway::store::{Changes, Store, StoreError, Table};
use crate::storage::Database;

/// Blocks and orders that wait; a block that finds no room is read later.
const WAITING_MAX: usize = 1_024;
/// Places of an account's history read at a time.
const HISTORY_AT_ONCE: usize = 512;
/// Most accounts that are enrolled at once: 10,000 tokens of a few each.
const ENROLLED_MAX: usize = 50_000;

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Work {
    /// A block is on disk; the receipts at `indexes` touch enrolled accounts.
    Block { height: u64, indexes: Vec<u32> },
    /// Index these accounts from now on, and their past.
    Enrol { accounts: Vec<AccountId>, done: oneshot::Sender<Result<(), EnrolError>> },
}

/// Why accounts are not indexed.
#[derive(Debug, thiserror::Error)]
pub(in crate::gateway) enum EnrolError {
    /// There are as many as may be.
    #[error("{ENROLLED_MAX} accounts are enrolled already")]
    Full,
    /// The thread has ended.
    #[error("the index has stopped: the log says why")]
    Ended,
    /// A database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The index. Dropping it ends the thread.
#[derive(Debug)]
pub(in crate::gateway) struct Index {
    touched: Touched,
    followed: watch::Receiver<u64>,
    // Held so that the thread is joined by nobody before the process ends; it ends when all senders are gone.
    _thread: JoinHandle<()>,
}

impl Index {
    /// Makes up for what was missed, then follows.
    pub(in crate::gateway) fn start(store: Arc<Store>, database: Arc<Database>) -> anyhow::Result<Self> {
        let (queue, work) = sync_channel(WAITING_MAX);
        let enrolled = Enrolled::default();
        let missed = Arc::new(AtomicBool::new(false));
        let touched = Touched { queue, enrolled: Arc::clone(&enrolled), missed: Arc::clone(&missed) };
        let height = height(&store)?;
        let (told, followed) = watch::channel(height);
        let mut follower = Follower { store, database, enrolled, missed, height, told };
        follower.recall()?;
        follower.catch_up()?;
        let thread = std::thread::Builder::new().name("merchants".to_owned()).spawn(move || follower.run(&work))?;
        Ok(Index { touched, followed, _thread: thread })
    }

    /// Whom to tell of final blocks.
    pub(in crate::gateway) fn touched(&self) -> Touched {
        self.touched.clone()
    }

    /// The height up to which every enrolled account is indexed.
    pub(in crate::gateway) fn followed(&self) -> watch::Receiver<u64> {
        self.followed.clone()
    }

    /// Enrols accounts; their past is indexed when this returns.
    pub(in crate::gateway) async fn enrol(&self, accounts: Vec<AccountId>) -> Result<(), EnrolError> {
        let (done, answer) = oneshot::channel();
        let queue: SyncSender<Work> = self.touched.queue.clone();
        let sent = tokio::task::spawn_blocking(move || queue.send(Work::Enrol { accounts, done })).await;
        sent.map_err(|_| EnrolError::Ended)?.map_err(|_| EnrolError::Ended)?;
        answer.await.map_err(|_| EnrolError::Ended)?
    }
}

fn height(store: &Store) -> Result<u64, StoreError> {
    let Some(bytes) = store.get(Table::About, b"height")? else { return Ok(0) };
    let height = <[u8; 8]>::try_from(bytes.as_slice()).map(u64::from_be_bytes);
    height.map_err(|_| store.damaged("the index's height does not decode"))
}

struct Follower {
    store: Arc<Store>,
    database: Arc<Database>,
    enrolled: Enrolled,
    missed: Arc<AtomicBool>,
    /// Every enrolled account is indexed up to here.
    height: u64,
    told: watch::Sender<u64>,
}

impl Follower {
    /// Reads who is enrolled.
    fn recall(&mut self) -> Result<(), StoreError> {
        let mut accounts = BTreeSet::new();
        self.store.scan(Table::Accounts, &[], &[], |key, _| {
            let account = std::str::from_utf8(key).ok().and_then(|text| AccountId::new(text).ok());
            accounts.insert(account.ok_or_else(|| self.store.damaged("an enrolled account does not decode"))?);
            Ok(true)
        })?;
        *self.enrolled.write().unwrap_or_else(PoisonError::into_inner) = accounts;
        Ok(())
    }

    fn run(mut self, work: &Receiver<Work>) {
        while let Ok(next) = work.recv() {
            let result = match next {
                Work::Block { height, indexes } => self.block(height, &indexes),
                Work::Enrol { accounts, done } => {
                    // Who asked may have left; the accounts are enrolled all the same.
                    let _gone = done.send(self.enrol(&accounts));
                    Ok(())
                }
            };
            if let Err(error) = result {
                // The node goes on without merchants; blocks are indexed again at the next start.
                tracing::error!(error = &error as &dyn std::error::Error, "the merchants' index stops");
                return;
            }
        }
    }

    fn block(&mut self, height: u64, indexes: &[u32]) -> Result<(), StoreError> {
        if height <= self.height {
            return Ok(());
        }
        if self.missed.swap(false, Ordering::AcqRel) || height != self.height.saturating_add(1) {
            return self.catch_up();
        }
        let mut changes = Changes::default();
        for index in indexes {
            self.settled(height, *index, &mut changes)?;
        }
        self.reached(height, changes)
    }

    /// Reads what happened to every enrolled account above the height reached.
    fn catch_up(&mut self) -> Result<(), StoreError> {
        let tip = self.database.view().tip()?.height;
        let accounts: Vec<AccountId> = {
            let enrolled = self.enrolled.read().unwrap_or_else(PoisonError::into_inner);
            enrolled.iter().copied().collect()
        };
        for account in accounts {
            self.history(&account, self.height)?;
        }
        self.reached(tip, Changes::default())
    }

    fn enrol(&mut self, accounts: &[AccountId]) -> Result<(), EnrolError> {
        let new: Vec<AccountId> = {
            let mut enrolled = self.enrolled.write().unwrap_or_else(PoisonError::into_inner);
            let new: Vec<AccountId> = accounts.iter().filter(|account| !enrolled.contains(*account)).copied().collect();
            if enrolled.len().saturating_add(new.len()) > ENROLLED_MAX {
                return Err(EnrolError::Full);
            }
            // From here on blocks name them, so what is read below and what follows leave no gap.
            enrolled.extend(new.iter().copied());
            new
        };
        let mut marks = Changes::default();
        for account in &new {
            self.history(account, 0)?;
            marks.put(Table::Accounts, account.as_bytes(), Vec::new());
        }
        Ok(self.store.write_synced(marks)?)
    }

    /// Indexes the history of `account` above a height, newest first, a piece at a time.
    fn history(&self, account: &AccountId, above: u64) -> Result<(), StoreError> {
        let mut before = (u64::MAX, u32::MAX);
        loop {
            let places = self.database.view().history(account, before, HISTORY_AT_ONCE)?;
            let mut changes = Changes::default();
            for (height, index) in places.iter().copied().take_while(|(height, _)| *height > above) {
                self.settled(height, index, &mut changes)?;
                before = (height, index);
            }
            let whole = changes.len();
            self.store.write(changes)?;
            let last = places.last().copied();
            if places.len() < HISTORY_AT_ONCE || last != Some(before) {
                tracing::trace!(whole, "a history is indexed");
                return Ok(());
            }
        }
    }

    fn settled(&self, height: u64, index: u32, changes: &mut Changes) -> Result<(), StoreError> {
        let view = self.database.view();
        // Below the block that a snapshot began with, receipts are not here.
        let Some(receipt) = view.receipt(height, index)? else { return Ok(()) };
        let bytes = view.transaction(height, index)?.unwrap_or_default();
        let transaction = SignedTransaction::from_bytes(&bytes).ok();
        let enrolled = self.enrolled.read().unwrap_or_else(PoisonError::into_inner);
        let settled = Settled { receipt, transaction };
        for (key, value) in entries(&settled, |account| enrolled.contains(account)) {
            changes.put(Table::Payments, key, value);
        }
        Ok(())
    }

    fn reached(&mut self, height: u64, mut changes: Changes) -> Result<(), StoreError> {
        changes.put(Table::About, *b"height", height.to_be_bytes());
        self.store.write(changes)?;
        self.height = height;
        self.told.send_replace(height);
        Ok(())
    }
}
