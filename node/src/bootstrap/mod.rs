//! How a node with an empty disk begins: with a snapshot of the state, or with genesis and every block since.
//!
//! Everything here happens before the node itself starts, over connections of its own, and ends with a database at the
//! height of an epoch's last block; from there the node goes on like any other that was away for a while. A guard that was
//! lost stays lost: when this validator may sign again is R9's matter.
//!
//! It must not know votes, clients or the event loop.

mod fetching;
mod members;
mod session;
mod stage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use libp2p::Multiaddr;
use tokio::sync::watch;
use tonle_consensus::{Epoch, Height, ValidatorSet};
use tonle_crypto::{PublicKey, Strict};
use tonle_replica::{SnapshotFound, SnapshotOffer, SnapshotQuery, Trust, validators};

use crate::config::SyncMode;
use crate::metrics::Metrics;
use crate::network;
use crate::recovery::Chain;
use crate::storage::{Begun, Database, Import};
use fetching::{Answered, Fetching};
use members::members;
use session::{Heard, Session, TICK};
pub use stage::Stage;

/// With `sync.mode = "auto"`, a chain with fewer epochs than this is executed from genesis.
const AUTO_EPOCHS: u64 = 2;

/// What a start begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// What is on disk, or genesis.
    AsItIs,
    /// A snapshot of this height, just installed.
    Snapshot(u64),
}

/// What is needed to begin.
#[derive(Debug)]
pub struct Bootstrap<'a> {
    /// The data directory, locked by the caller.
    pub data: &'a Path,
    /// The chain.
    pub chain: &'a Chain,
    /// What the configuration says.
    pub mode: SyncMode,
    /// Bound of the database's block cache, in bytes.
    pub cache_bytes: usize,
    /// Where peers are dialed, by participant.
    pub addresses: &'a BTreeMap<String, Vec<Multiaddr>>,
    /// Where progress is counted.
    pub metrics: Arc<Metrics>,
    /// Where progress is told to whoever asks.
    pub stage: watch::Sender<Stage>,
}

impl Bootstrap<'_> {
    /// Is a snapshot to be looked for? Only with an empty disk; and when left to the node, only on a chain that is old
    /// enough to have two epochs even if nobody paid.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        if Database::exists(self.data) {
            return false;
        }
        match self.mode {
            SyncMode::Replay => false,
            SyncMode::Snapshot => true,
            SyncMode::Auto => {
                let genesis = &self.chain.genesis;
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
                let epochs = genesis.epoch_length.saturating_mul(AUTO_EPOCHS);
                let age = u128::from(epochs.saturating_mul(genesis.idle_interval_ms));
                wall > u128::from(genesis.created_ms).saturating_add(age)
            }
        }
    }

    /// Looks for a snapshot over a network of its own, and installs it. Left to the node, it gives up when nobody offers
    /// one; when the operator wants one, it goes on asking.
    ///
    /// # Errors
    /// When the network cannot start, or the disk fails.
    pub async fn run(&self, config: network::Config) -> Result<Begins> {
        let peers = config.members.len().saturating_sub(1);
        let (network, events) = network::start(config).await?;
        let mut session = Session::new(network, events, peers);
        tracing::info!(mode = ?self.mode, "the disk is empty: asks peers for a snapshot");
        let begins = loop {
            let asking = |peers| self.stage.send_modify(|stage| *stage = Stage::Asking { peers });
            let mut offers = session.offers(asking).await;
            if self.mode == SyncMode::Auto {
                let enough = self.chain.genesis.epoch_length.saturating_mul(AUTO_EPOCHS);
                offers.retain(|(_, offer)| offer.block.height().get() >= enough);
            }
            if offers.is_empty() {
                if self.mode == SyncMode::Auto {
                    tracing::info!("no peer offers a snapshot: begins with genesis");
                    break Begins::AsItIs;
                }
                tracing::warn!("no peer offers a snapshot; asks again (sync.mode = \"replay\" begins with genesis)");
                continue;
            }
            if let Some(height) = self.attempt(&mut session, offers).await? {
                break Begins::Snapshot(height);
            }
        };
        session.end().await;
        Ok(begins)
    }

    /// Installs the newest snapshot that proves itself. `None` when it went away, or none did: begin again.
    async fn attempt(&self, session: &mut Session, mut offers: Vec<(PublicKey, SnapshotOffer)>) -> Result<Option<u64>> {
        offers.sort_by_key(|(_, offer)| std::cmp::Reverse(offer.block.height()));
        let mut trust = self.genesis()?;
        while let Some(height) = offers.first().map(|(_, offer)| offer.block.height()) {
            let older = offers.split_off(offers.iter().take_while(|(_, offer)| offer.block.height() == height).count());
            let of_height = std::mem::replace(&mut offers, older);
            let Some((offer, fetching)) = self.choose(session, &mut trust, height, of_height).await? else { continue };
            tracing::info!(height = height.get(), "fetches the snapshot");
            return self.fetch(session, &trust, &offer, fetching).await;
        }
        Ok(None)
    }

    fn genesis(&self) -> Result<Trust> {
        let set = ValidatorSet::new(Epoch::ZERO, validators(&self.chain.genesis.validators))?;
        Ok(Trust::genesis(self.chain.digest, set, self.chain.genesis.epoch_length))
    }

    /// An offer of this height that is proven, and those who made such a one.
    async fn choose(
        &self,
        session: &mut Session,
        trust: &mut Trust,
        height: Height,
        offers: Vec<(PublicKey, SnapshotOffer)>,
    ) -> Result<Option<(SnapshotOffer, Fetching)>> {
        let epoch = Epoch::new(height.get().checked_div(self.chain.genesis.epoch_length).unwrap_or(0));
        if trust.epoch() > epoch {
            *trust = self.genesis()?;
        }
        let peers: Vec<PublicKey> = offers.iter().map(|(peer, _)| *peer).collect();
        if !session.follow(trust, epoch, &peers).await {
            return Ok(None);
        }
        // Whoever came since genesis is known by now, and may help.
        session.admit(members(trust.set(), validators(&self.chain.genesis.validators), self.addresses));
        let mut chosen: Option<(SnapshotOffer, Fetching)> = None;
        for (peer, offer) in offers {
            match trust.accept(&offer, &Strict) {
                Ok(checkpoint) => {
                    let fetching = || Fetching::new(checkpoint, session.next_id(), Instant::now());
                    chosen.get_or_insert_with(|| (offer, fetching())).1.holds(peer);
                }
                Err(error) => {
                    tracing::warn!(%peer, %error, "an offer of a snapshot does not verify");
                    session.blame(peer, "offered a snapshot that does not verify");
                }
            }
        }
        Ok(chosen)
    }

    /// Fetches all pieces and puts them in place. `None` when nobody holds the snapshot any more.
    async fn fetch(
        &self,
        session: &mut Session,
        trust: &Trust,
        offer: &SnapshotOffer,
        mut fetching: Fetching,
    ) -> Result<Option<u64>> {
        let import = Import::begin(self.data, self.cache_bytes)?;
        let mut joining = std::collections::BTreeMap::new();
        let mut shown = Instant::now();
        while !fetching.is_done() {
            if fetching.is_stranded(Instant::now()) {
                tracing::warn!("nobody serves the snapshot any more: begins again");
                return Ok(None);
            }
            for (peer, id, query) in fetching.poll(Instant::now()) {
                session.ask(peer, id, query);
            }
            match session.hear(Instant::now() + TICK).await {
                Heard::Connected(peer) => {
                    let id = session.next_id();
                    session.ask(peer, id, SnapshotQuery::Offer);
                    joining.insert(peer, id);
                }
                Heard::Disconnected(peer) => fetching.lose(peer),
                Heard::Answer(from, id, SnapshotFound::Offer(Some(other))) if joining.get(&from) == Some(&id) => {
                    if trust.accept(&other, &Strict).is_ok_and(|checkpoint| checkpoint == *fetching.checkpoint()) {
                        fetching.holds(from);
                    }
                }
                Heard::Answer(from, id, found) => match fetching.answered(Instant::now(), from, id, found) {
                    Answered::Values(values) => import.put(values)?,
                    Answered::Lie => session.blame(from, "sent a piece of state that does not verify"),
                    Answered::Gone => tracing::info!(peer = %from, "a peer has let go of the snapshot"),
                    Answered::Unasked => {}
                },
                Heard::Nothing => {}
            }
            self.show(&fetching, &mut shown);
        }
        self.install(import, trust, offer, &fetching).map(Some)
    }

    fn install(&self, import: Import, trust: &Trust, offer: &SnapshotOffer, fetching: &Fetching) -> Result<u64> {
        let last = trust.path().last().context("a snapshot without a boundary")?;
        let begun = Begun {
            block: &offer.block,
            certificate: &last.certificate,
            checkpoint: *fetching.checkpoint(),
            receipts_root: offer.receipts_root,
            boundaries: trust.path(),
        };
        import.finish(&self.chain.genesis, begun)?;
        let (height, progress) = (offer.block.height().get(), fetching.progress());
        tracing::info!(height, chunks = progress.chunks, values = progress.values, "the snapshot is installed");
        Ok(height)
    }

    /// Shows progress: in metrics and to whoever asks always, in the log once a second.
    fn show(&self, fetching: &Fetching, shown: &mut Instant) {
        let progress = fetching.progress();
        let percent = progress.covered.saturating_mul(100) / 256;
        self.stage.send_modify(|stage| {
            *stage = Stage::Fetching {
                height: fetching.checkpoint().height.get(),
                chunks: progress.chunks,
                percent,
                indexes: progress.buckets,
                indexes_done: progress.buckets_done,
                peers: fetching.holders(),
            };
        });
        self.metrics.snapshot_chunks.set(progress.chunks);
        self.metrics.snapshot_covered.set(progress.covered);
        if shown.elapsed() >= std::time::Duration::from_secs(1) {
            *shown = Instant::now();
            tracing::info!(
                height = fetching.checkpoint().height.get(),
                chunks = progress.chunks,
                values = progress.values,
                percent,
                peers = fetching.holders(),
                buckets = format!("{}/{}", progress.buckets_done, progress.buckets),
                "fetches the snapshot"
            );
        }
    }
}
