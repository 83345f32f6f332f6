//! Which instruction references compaction may drop: those that the ledger has let go of, unless somebody still reads an
//! older view. RocksDB's compaction filters see through snapshots, so a view alone does not keep them.
//!
//! It must not know what a reference is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Forgetting {
    /// References taken before this time, ms since the Unix epoch, may go.
    allowed_ms: Arc<AtomicU64>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    let_go_ms: u64,
    /// What was let go of when each holder began. At most one for each view that is served.
    held: Vec<u64>,
}

/// Keeps references; see [`super::Database::hold_references`].
#[derive(Debug)]
pub struct HeldReferences {
    forgetting: Arc<Forgetting>,
    since_ms: u64,
}

impl Forgetting {
    /// What compaction reads.
    pub(super) fn allowed(&self) -> &Arc<AtomicU64> {
        &self.allowed_ms
    }

    /// The ledger lets go of references taken before this time.
    pub(super) fn let_go(&self, before_ms: u64) {
        let mut state = self.lock();
        state.let_go_ms = state.let_go_ms.max(before_ms);
        self.allow(&state);
    }

    /// Keeps what is there.
    pub(super) fn hold(self: &Arc<Self>) -> HeldReferences {
        let mut state = self.lock();
        let since_ms = state.let_go_ms;
        state.held.push(since_ms);
        self.allow(&state);
        HeldReferences { forgetting: Arc::clone(self), since_ms }
    }

    fn allow(&self, state: &State) {
        let allowed = state.held.iter().copied().fold(state.let_go_ms, u64::min);
        self.allowed_ms.store(allowed, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HeldReferences {
    fn drop(&mut self) {
        let mut state = self.forgetting.lock();
        if let Some(at) = state.held.iter().position(|held| *held == self.since_ms) {
            state.held.swap_remove(at);
        }
        self.forgetting.allow(&state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_holder_may_still_read_is_kept_until_the_last_one_ends() {
        let forgetting = Arc::<Forgetting>::default();
        let allowed = || forgetting.allowed().load(Ordering::Relaxed);
        forgetting.let_go(10);
        assert_eq!(allowed(), 10);
        let first = forgetting.hold();
        forgetting.let_go(20);
        let second = forgetting.hold();
        forgetting.let_go(30);
        forgetting.let_go(25);
        assert_eq!(allowed(), 10);
        drop(first);
        assert_eq!(allowed(), 20);
        drop(second);
        assert_eq!(allowed(), 30);
    }
}
