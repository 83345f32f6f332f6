//! How far a node is that has not begun, as operators see it. Must not know how that is asked for.

use std::fmt;

/// Where a start from a snapshot stands. `Display` says it for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Peers are asked for a snapshot.
    Asking {
        /// Peers connected.
        peers: usize,
    },
    /// The state is fetched. How many chunks there will be nobody can tell before the last one is here; what share of the
    /// state they cover can be told, since its keys are digests.
    Fetching {
        /// The snapshot's height.
        height: u64,
        /// Chunks verified.
        chunks: u64,
        /// Share of the state tree that they cover, in percent.
        percent: u64,
        /// Indexes of transactions' ids and references that are known of.
        indexes: u64,
        /// Those of them that are complete.
        indexes_done: u64,
        /// Peers that serve it.
        peers: usize,
    },
}

impl Stage {
    /// The same for programs: names and numbers.
    #[must_use]
    pub fn figures(&self) -> Vec<(&'static str, String)> {
        match self {
            Stage::Asking { peers } => vec![("peers", peers.to_string())],
            Stage::Fetching { height, chunks, percent, indexes, indexes_done, peers } => vec![
                ("peers", peers.to_string()),
                ("snapshot_height", height.to_string()),
                ("chunks", chunks.to_string()),
                ("percent", percent.to_string()),
                ("indexes", indexes.to_string()),
                ("indexes_done", indexes_done.to_string()),
            ],
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stage::Asking { peers } => write!(f, "asks peers for a snapshot of the state ({peers} connected)"),
            Stage::Fetching { height, chunks, percent, indexes, indexes_done, peers } => write!(
                f,
                "fetches a snapshot of the state at height {height}: {chunks} chunks, {percent} % of the state, \
                 {indexes_done} of {indexes} indexes, from {peers} peers"
            ),
        }
    }
}
