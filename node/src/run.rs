//! Wires one node together and runs it to its end. The only file that knows every part; it decides nothing.
//!
//! ```text
//!  network ─▶ intake ─▶ signature pool ─▶ event loop ─▶ network
//!  gRPC ─────▶ signature pool ───────────▶     │  ├──▶ batch log ──▶ (stored) ─▶ event loop
//!    ▲                                         │  └──▶ execution ──▶ (executed) ─▶ event loop
//!    └────────── archive, finality ◀───────────┼─────────┘
//!  peers' requests ◀── sync server ◀───────────┘
//! ```

use std::path::Path;
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tonle_consensus::{Epoch, Validator, ValidatorSet};
use tonle_crypto::{PublicKey, SecretKey};
use tonle_ledger::{Executed, OperationResult, ParticipantId, RejectionCode, TransactionResult};
use tonle_replica::{Replica, validators};

use crate::archive::DatabaseArchive;
use crate::backend::{Peers, Running};
use crate::batch_log::BatchLogEvent;
use crate::bootstrap::{Bootstrap, Stage};
use crate::config::{Config, Grpc, Role};
use crate::data_directory::DataDirectory;
use crate::event_loop::{Arrival, EventLoop, Inbox, Parts, Roster, Shared};
use crate::evidence::Evidence;
use crate::executor::{Execution, ExecutionEvent};
use crate::gateway;
use crate::grpc::{self, Finality, ServerConfig, Service, Serving, TlsConfig};
use crate::intake::Intake;
use crate::key_file;
use crate::metrics::{self, Metrics, Reason};
use crate::network;
use crate::recovery::{Chain, Opened, Opening};
use crate::snapshots::Snapshots;
use crate::storage::{Error, Import, PeerSource};
use crate::sync_server::SyncServer;

/// The node's keys, opened.
struct Keys {
    validators: Vec<SecretKey>,
    network: SecretKey,
}

/// Runs the node that `config` describes until SIGTERM, Ctrl-C or a failed disk.
///
/// # Errors
/// Why it could not start, or stopped.
pub fn run(config: Config) -> Result<()> {
    let genesis = tonle_devnet::genesis::read(&config.genesis)?;
    let chain = Chain::new(genesis);
    let keys = open_keys(&config)?;
    let directory = DataDirectory::open(&config.data_dir)?;
    let cache_bytes = usize::try_from(config.limits.cache_mib)?.saturating_mul(1 << 20);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("node").build()?;
    if !runtime.block_on(bootstrap(&config, &chain, &keys, directory.path(), cache_bytes))? {
        return Ok(());
    }
    let (inbox, arrivals) = Inbox::new();
    let stored = inbox.clone();
    let opened = Opening {
        data: directory.path(),
        chain: &chain,
        keys: keys.validators.iter().map(SecretKey::public).collect(),
        cache_bytes,
        signature_threads: usize::try_from(config.limits.signature_threads)?,
    }
    .open(move |event| {
        stored.send(match event {
            BatchLogEvent::Stored(batches) => Arrival::Stored(batches),
            BatchLogEvent::Failed(error) => Arrival::Failed(error),
        });
    })?;
    let ended = runtime.block_on(serve(&config, &chain, keys, opened, inbox, arrivals));
    // Nothing that runs on the runtime needs to end in order: what must be durable is.
    runtime.shutdown_background();
    drop(directory);
    ended
}

fn open_keys(config: &Config) -> Result<Keys> {
    let passphrase = || key_file::passphrase(config.passphrase_file.as_deref(), "passphrase of the node's keys: ");
    let validators = match &config.role {
        Role::Validator { key_file } => vec![key_file::load(key_file, passphrase)?],
        Role::Observer => Vec::new(),
    };
    Ok(Keys { validators, network: key_file::load(&config.network.key_file, passphrase)? })
}

/// Fills an empty disk from a snapshot if that is wanted. Its progress stands in the metrics meanwhile, and in the answer
/// to every call of gRPC. False when the process was told to stop.
async fn bootstrap(config: &Config, chain: &Chain, keys: &Keys, data: &Path, cache_bytes: usize) -> Result<bool> {
    Import::clear(data)?;
    let metrics = Metrics::new();
    let (stage, seen) = watch::channel(Stage::Asking { peers: 0 });
    let bootstrap = Bootstrap {
        data,
        chain,
        mode: config.sync,
        cache_bytes,
        addresses: &config.network.peers,
        metrics: Arc::clone(&metrics),
        stage,
    };
    if !bootstrap.is_wanted() {
        return Ok(true);
    }
    let shutdown = CancellationToken::new();
    let serving = serve_metrics(config, metrics, &shutdown).await?;
    let starting = grpc::serve_starting(server_config(config), seen, shutdown.clone()).await?;
    // It only dials: the node itself listens.
    let founders = ValidatorSet::new(Epoch::ZERO, validators(&chain.genesis.validators))?;
    let network =
        network::Config { listen: Vec::new(), ..network_config(config, chain, keys, &Shared::new(founders), &[]) };
    let begun = tokio::select! {
        begun = bootstrap.run(network) => begun.map(|_| true),
        () = told_to_stop() => Ok(false),
    };
    // The ports are free again for the node itself once the tasks are gone.
    shutdown.cancel();
    starting.task.await?;
    if let Some(serving) = serving {
        serving.abort();
        let _ = serving.await;
    }
    begun
}

/// Starts everything, waits for the end, and stops everything.
async fn serve(
    config: &Config,
    chain: &Chain,
    keys: Keys,
    opened: Opened,
    inbox: Inbox,
    arrivals: std::sync::mpsc::Receiver<Arrival>,
) -> Result<()> {
    let database = Arc::clone(&opened.database);
    let observed = Arc::clone(&database);
    let set = Shared::new(opened.identity.context.set.clone());
    let listed = opened.recovered.members.last().map(|(_, members)| members.to_vec()).unwrap_or_default();
    let (network, events) = network::start(network_config(config, chain, &keys, &set, &listed)).await?;
    let metrics = Metrics::with(|registry| network.metrics().register(registry));
    metrics.observe_database(Box::new(move |name| observed.property(name)));
    let finality = Arc::new(Finality::new(tip(&opened)?).measured(metrics.finality_seconds.clone()));
    let snapshots = snapshots(&opened, chain, &metrics)?;
    let merchants = open_merchants(config, &database, chain)?;
    let told = Told {
        inbox: inbox.clone(),
        finality: Arc::clone(&finality),
        metrics: Arc::clone(&metrics),
        snapshots: snapshots.clone(),
        touched: merchants.as_ref().map(gateway::Opened::touched),
    };
    let execution = start_execution(&opened.database, opened.ledger, told)?;
    let source = PeerSource::new(Arc::clone(&database), opened.batch_log.reader());
    let sync_server = SyncServer::start(source, snapshots, network.clone())?;
    let peers = Peers::default();
    let intake = Intake {
        pool: opened.pool.clone(),
        inbox: inbox.clone(),
        network: network.clone(),
        observers: sync_server.observers(),
        peers: Arc::clone(&peers),
        metrics: Arc::clone(&metrics),
    };
    let (evidence, kept) = Evidence::start(Arc::clone(&database), Arc::clone(&metrics), set.clone())?;
    let mut replica = Replica::new(opened.identity, chain.replica_config(), opened.recovered);
    replica.remember(&kept);
    let status = Arc::new(RwLock::new(replica.status()));
    let backend = Running {
        pool: opened.pool,
        inbox: inbox.clone(),
        status: Arc::clone(&status),
        peers,
        database: Arc::clone(&database),
        metrics: Arc::clone(&metrics),
    };
    let own: Vec<PublicKey> = keys.validators.iter().map(SecretKey::public).collect();
    let parts = Parts {
        keys: keys.validators,
        replica,
        guard: opened.guard,
        roster: Roster::new(set.clone(), listed, config.network.peers.clone(), network.clone()),
        context: opened.context,
        batch_log: opened.batch_log,
        execution,
        network: network.clone(),
        sync_server,
        evidence,
        status,
        metrics: Arc::clone(&metrics),
    };
    let shutdown = CancellationToken::new();
    let clients = Clients { chain: api_chain(config, chain, set, own)?, backend, database, finality, merchants };
    let serving = clients.serve(config, &shutdown).await?;
    drop(serve_metrics(config, metrics, &shutdown).await?);
    let (thread, ended) = start_loop(EventLoop::new(parts, arrivals))?;
    tokio::spawn(intake.run(events));
    tracing::info!(grpc = %serving.address, network = ?network.listeners(), "the node runs");
    let result = until_ended(ended, serving, &inbox, &shutdown).await;
    shutdown.cancel();
    network.shutdown().await;
    join(thread).await?;
    why_ended(result)
}

/// Waits for the event loop's thread. Its parts end with it: the batch log and execution finish what they hold.
async fn join(thread: JoinHandle<()>) -> Result<()> {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await?;
    ensure!(joined.is_ok(), "the event loop panicked; the node signs nothing more");
    Ok(())
}

/// What clients are answered from.
struct Clients {
    chain: grpc::Chain,
    backend: Running,
    database: Arc<crate::storage::Database>,
    finality: Arc<Finality>,
    merchants: Option<gateway::Opened>,
}

impl Clients {
    /// Serves shops' software, where that is configured, and gRPC.
    async fn serve(self, config: &Config, shutdown: &CancellationToken) -> Result<Serving> {
        let Clients { chain, backend, database, finality, merchants } = self;
        if let (Some(opened), Some(merchant)) = (merchants, &config.merchant) {
            let node = gateway::Node {
                database: Arc::clone(&database),
                finality: Arc::clone(&finality),
                genesis: Arc::clone(&chain.genesis),
                chain: chain.digest,
                bank: chain.node,
            };
            gateway::serve(opened, node, &config.data_dir, merchant, shutdown.clone()).await?;
        }
        let archive = Arc::new(DatabaseArchive::new(database)?);
        let service = Service::new(chain, Arc::new(backend), archive, finality, grpc::Limits::default());
        Ok(grpc::serve(server_config(config), service, shutdown.clone()).await?)
    }
}

/// The gateway's store and index, where it is configured: it follows blocks from the first that is executed.
fn open_merchants(
    config: &Config,
    database: &Arc<crate::storage::Database>,
    chain: &Chain,
) -> Result<Option<gateway::Opened>> {
    let open = |_| gateway::Opened::open(&config.data_dir, Arc::clone(database), chain.digest);
    config.merchant.as_ref().map(open).transpose()
}

/// Waits until the event loop ends, by itself or because the process was told to stop: then clients are answered first.
async fn until_ended(
    mut ended: Ended,
    serving: Serving,
    inbox: &Inbox,
    shutdown: &CancellationToken,
) -> Result<Result<(), Error>, oneshot::error::RecvError> {
    tokio::select! {
        result = &mut ended => result,
        () = told_to_stop() => {
            tracing::info!("stopping");
            shutdown.cancel();
            if let Err(error) = serving.task.await {
                tracing::warn!(%error, "gRPC did not end in order");
            }
            inbox.send(Arrival::Stop);
            ended.await
        }
    }
}

fn why_ended(result: Result<Result<(), Error>, oneshot::error::RecvError>) -> Result<()> {
    match result {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(anyhow!(error).context("storage failed, so the node stopped")),
        Err(_) => bail!("the event loop ended without a word"),
    }
}

async fn serve_metrics(
    config: &Config,
    metrics: Arc<Metrics>,
    shutdown: &CancellationToken,
) -> Result<Option<tokio::task::JoinHandle<std::io::Result<()>>>> {
    let Some(address) = config.metrics else { return Ok(None) };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen for metrics on {address}: set metrics.listen to a free port"))?;
    Ok(Some(tokio::spawn(metrics::serve(listener, metrics, shutdown.clone()))))
}

/// The snapshots that peers are served from: one at once, if the database stands at an epoch's end.
fn snapshots(opened: &Opened, chain: &Chain, metrics: &Metrics) -> Result<Snapshots> {
    let lowest = opened.database.view().lowest()?;
    metrics.snapshot_height.set(lowest);
    let snapshots = Snapshots::new(Arc::clone(&opened.database), chain.clone());
    let header = opened.recovered.tip.block.header();
    // The snapshot that it began from cannot be offered: what led to its results root is not here.
    if header.fields().next_set.is_some() && header.height().get() > lowest {
        snapshots.capture(header.height().get())?;
    }
    Ok(snapshots)
}

/// What gRPC tells about the chain and this node.
fn api_chain(config: &Config, chain: &Chain, validators: Shared, own: Vec<PublicKey>) -> Result<grpc::Chain> {
    Ok(grpc::Chain {
        genesis: Arc::clone(&chain.genesis),
        digest: chain.digest,
        node: node_name(config, chain, &validators, &own)?,
        validators,
        own,
    })
}

type Ended = oneshot::Receiver<Result<(), Error>>;

fn start_loop(event_loop: EventLoop) -> Result<(JoinHandle<()>, Ended)> {
    let (sender, ended) = oneshot::channel();
    let thread = std::thread::Builder::new().name("event-loop".to_owned()).spawn(move || {
        let result = event_loop.run();
        // Whoever waits for it may be gone with the process.
        let _ = sender.send(result);
    })?;
    Ok((thread, ended))
}

/// Whom the execution thread tells of a block.
struct Told {
    inbox: Inbox,
    finality: Arc<Finality>,
    metrics: Arc<Metrics>,
    snapshots: Snapshots,
    touched: Option<gateway::Touched>,
}

fn start_execution(
    database: &Arc<crate::storage::Database>,
    ledger: tonle_ledger::Executor,
    told: Told,
) -> Result<Execution> {
    let Told { inbox, finality, metrics, snapshots, touched } = told;
    let tell = move |event| match event {
        ExecutionEvent::Executed(block) => {
            if block.ends_epoch()
                && let Err(error) = snapshots.capture(block.executed.height)
            {
                tracing::warn!(%error, "the state after the epoch's last block is not kept for peers");
            }
            tracing::trace!(target: "tonle::departure", height = block.executed.height, "receipts leave");
            let members = block.executed.validators.as_ref().map(|version| validators(&version.members).into());
            inbox.send(Arrival::Executed { checkpoint: block.checkpoint, members });
            finality.executed(&block.input, &block.executed, block.provable);
            if let Some(touched) = &touched {
                touched.block(block.executed.height, &block.executed.history);
            }
            count(&metrics, &block.executed);
        }
        ExecutionEvent::Failed(error) => inbox.send(Arrival::Failed(error)),
    };
    Ok(Execution::start(Arc::clone(database), ledger, tell)?)
}

fn count(metrics: &Metrics, executed: &Executed) {
    metrics.operations_applied.inc_by(executed.applied);
    let rejected = |code: &RejectionCode| {
        metrics.operations_rejected.get_or_create(&Reason::new(code.name())).inc();
    };
    for receipt in &executed.receipts {
        match &receipt.result {
            TransactionResult::Executed(operations) => {
                for operation in operations {
                    if let OperationResult::Rejected(code) = operation {
                        rejected(code);
                    }
                }
            }
            TransactionResult::Rejected { code, .. } => rejected(code),
        }
    }
}

/// Where the database stands, for calls that wait.
fn tip(opened: &Opened) -> Result<grpc::Tip> {
    let block = &opened.recovered.tip.block;
    Ok(grpc::Tip {
        height: block.height().get(),
        time_ms: block.header().timestamp().get(),
        provable: block.header().checkpoint().height.get(),
    })
}

fn network_config(config: &Config, chain: &Chain, keys: &Keys, set: &Shared, listed: &[Validator]) -> network::Config {
    let members = Roster::members(&set.get(), listed, &config.network.peers);
    for name in config.network.peers.keys() {
        if !members.iter().any(|member| member.validator.name == *name) {
            tracing::warn!(
                name,
                "network.peers names a participant that is no validator yet: it is dialed once it is one"
            );
        }
    }
    network::Config {
        identity: keys.network.clone(),
        genesis: chain.digest,
        protocol_version: chain.genesis.protocol_version,
        members,
        observers: Vec::new(),
        listen: config.network.listen.clone(),
        memory_bytes_max: None,
    }
}

fn server_config(config: &Config) -> ServerConfig {
    let mut server = ServerConfig::new(config.grpc.listen());
    server.connections_max = usize::try_from(config.limits.connections_max).unwrap_or(usize::MAX);
    server.streams_per_connection_max = config.limits.grpc_calls_max;
    server.tls = match &config.grpc {
        Grpc::Loopback(_) => None,
        Grpc::Tls(_, tls) => {
            Some(TlsConfig { certificate: tls.certificate.clone(), key: tls.key.clone(), client_ca: None })
        }
    };
    server
}

/// Whose node this is: its validator's participant; for an observer, the operator.
fn node_name(config: &Config, chain: &Chain, validators: &Shared, own: &[PublicKey]) -> Result<ParticipantId> {
    let set = validators.get();
    if let Some((_, validator)) = set.iter().find(|(_, validator)| own.contains(&validator.key)) {
        return ParticipantId::new(&validator.name).context("a validator's name is no participant's");
    }
    let operator =
        chain.genesis.participants.iter().find(|participant| participant.role == tonle_ledger::Role::Operator);
    operator.map(|operator| operator.id).with_context(|| format!("{} names no operator", config.genesis.display()))
}

/// Completes on SIGTERM or SIGINT.
async fn told_to_stop() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be watched: end the process by SIGKILL; nothing durable is lost");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
