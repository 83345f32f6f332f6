//! The merchant gateway: what a shop's software asks a bank's node over HTTP, as it asks Bakong's Open API. Off unless
//! the configuration gives it an address.
//!
//! ```text
//!  HTTP (http/) ──▶ tokens (tokens/) ──▶ look-ups (lookup) ──▶ the node's database (read only)
//!      │                                     │
//!      │        hooks/ ──(webhooks: what is final, to addresses that the bank configured)──▶ shops
//!      └──▶ deep links (links/)              └──▶ index of enrolled accounts (index/) ──▶ merchants' store (store)
//!  administration: a socket of this machine ──▶ tokens
//!  execution ──(which accounts a final block touched)──▶ index
//! ```
//!
//! It only reads what is final. Its own state (tokens, index, links) lies in a database of its own, so that nothing it
//! writes shares a log, a memtable or a compaction with blocks; what follows from blocks there can be made again from
//! them. All its queues are bounded, and a full one never makes the node wait.
//!
//! Must not know: consensus, the network between nodes, gRPC.

pub mod administration;
mod hooks;
pub mod http;
mod index;
mod links;
mod lookup;
mod number;
mod payment;
mod reads;
mod statement;
mod store;
pub mod tokens;

pub use index::Touched;
pub use store::StoreError;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tokio_util::sync::CancellationToken;
use tonle_crypto::Digest;
use tonle_ledger::{Genesis, ParticipantId};

use crate::config::Merchant;
use crate::grpc::Finality;
use crate::storage::Database;
use hooks::Hooks;
use index::Index;
use links::Links;
use lookup::Lookup;
use reads::Reads;
use store::Store;
use tokens::Book;

/// The parts of the node that the gateway reads.
#[derive(Debug, Clone)]
pub struct Node {
    /// What is final.
    pub database: Arc<Database>,
    /// The latest block on disk.
    pub finality: Arc<Finality>,
    /// The chain's founding document: which assets there are.
    pub genesis: Arc<Genesis>,
    /// The chain's digest.
    pub chain: Digest,
    /// Whose node this is: tokens reach this bank's accounts only.
    pub bank: ParticipantId,
}

/// What has begun before the node executes its first block: the store is open, the index follows.
#[derive(Debug)]
pub struct Opened {
    store: Arc<Store>,
    index: Arc<Index>,
}

impl Opened {
    /// Opens the store under `data` and starts the index.
    ///
    /// # Errors
    /// [`StoreError`] as a message, when the store is another chain's, of another version, or damaged.
    pub fn open(data: &Path, database: Arc<Database>, chain: Digest) -> Result<Self> {
        let store = Arc::new(Store::open(data, chain)?);
        let index = Arc::new(Index::start(Arc::clone(&store), database)?);
        Ok(Opened { store, index })
    }

    /// Whom to tell of final blocks.
    #[must_use]
    pub fn touched(&self) -> Touched {
        self.index.touched()
    }
}

/// The gateway as it serves.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens: the real port when port 0 was asked for.
    pub address: SocketAddr,
}

/// Starts to serve until `shutdown`.
///
/// # Errors
/// When an address, a certificate or the socket of administration is refused.
pub async fn serve(
    opened: Opened,
    node: Node,
    data: &Path,
    config: &Merchant,
    shutdown: CancellationToken,
) -> Result<Serving> {
    let Opened { store, index } = opened;
    let book = Arc::new(Book::load(Arc::clone(&store)).context("the merchants' tokens cannot be read")?);
    let listening = http::Listening::at(config).await?;
    let address = listening.address();
    let url = config.url.clone().unwrap_or_else(|| listening.url());
    let reads = Reads::default();
    let lookup = Lookup::new(node.clone(), Arc::clone(&store));
    let links =
        Links::start(Arc::clone(&store), lookup.clone(), reads.clone(), node.finality.follow(), url, &shutdown)?;
    let hooks = Hooks::start(
        store,
        lookup.clone(),
        reads.clone(),
        index.followed(),
        &config.webhook_certificates,
        shutdown.clone(),
    )?;
    administration::start(
        &data.join(store::FOLDER),
        administration::Desk {
            book: Arc::clone(&book),
            index: Arc::clone(&index),
            hooks: Arc::new(hooks),
            node: node.clone(),
        },
        shutdown.clone(),
    )?;
    let gateway = http::Gateway::new(http::Parts { node, book, index, lookup, links, reads }, config);
    tokio::spawn(listening.serve(gateway, shutdown));
    tracing::info!(%address, "the merchant gateway listens");
    Ok(Serving { address })
}
