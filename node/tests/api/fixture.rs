//! A node's API over a real database, fed by the real execution thread. What is left out is agreement: one sequencer
//! puts each submitted transaction into a block of its own and signs its certificate with the keys of three of the four
//! validators, then one empty block that names the roots, as an idle network would.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonle_consensus::{
    Bitmap, Block, Epoch, Header, HeaderFields, QuorumCertificate, QuorumKind, SigningContext, Statement, Timestamp,
    ValidatorIndex, View, payload_digest,
};
use tonle_crypto::{Canonical, Digest, PublicKey, SecretKey, Signature, Strict, Verified, Writer};
use tonle_devnet::defaults::DevelopmentKeys;
use tonle_devnet::keys::KeySource;
use tonle_ledger::{
    AccountId, Amount, Asset, Genesis, Operation, ParticipantId, Reference, Rejection, SignedTransaction,
    TransactionBody, Transfer,
};
use tonle_node::archive::DatabaseArchive;
use tonle_node::event_loop::Shared;
use tonle_node::executor::{Execution, ExecutionEvent};
use tonle_node::finality_receipt::validators;
use tonle_node::grpc::{
    ArchiveFailed, Backend, Chain, Finality, Limits, NetworkStatus, PeerStatus, Refused, ServerConfig, Service,
    Serving, SupplyAudit, Tip, serve,
};
use tonle_node::storage::Database;
use tonle_proto::v1;
use tonle_proto::v1::ledger_service_client::LedgerServiceClient;
use tonle_replica::{Batch, Cut, FinalBlock, PeerContext, RawBatch, genesis_block};

pub(crate) type Client = LedgerServiceClient<Channel>;

/// The network's secrets.
pub(crate) struct Network {
    pub(crate) genesis: Genesis,
    pub(crate) chain: Digest,
    pub(crate) keys: DevelopmentKeys,
}

impl Network {
    pub(crate) fn new() -> Self {
        let source = KeySource::seeded("api");
        let mut genesis = tonle_devnet::defaults::genesis(4, &source, now_ms() - 1_000).unwrap();
        genesis.accounts.retain(|account| !account.id.name().starts_with(tonle_devnet::defaults::LOAD_PREFIX));
        Network { chain: genesis.digest(), genesis, keys: DevelopmentKeys::new(source) }
    }

    pub(crate) fn context(&self) -> SigningContext {
        SigningContext { genesis: self.chain, set: validators(&self.genesis, Epoch::ZERO).unwrap() }
    }

    /// A finality certificate of `block`, signed by the first three validators.
    fn certificate(&self, view: u64, block: Digest) -> QuorumCertificate {
        let context = self.context();
        let statement = Statement::Finalize { view: View::new(view), block }.preimage(&context);
        let mut signers = Bitmap::new(context.set.len());
        let mut signatures: Vec<Signature> = Vec::new();
        for (index, validator) in context.set.iter().take(context.set.quorum()) {
            assert!(signers.insert(index));
            signatures.push(self.keys.validator(&validator.name).sign(&statement));
        }
        let (kind, epoch, view) = (QuorumKind::Finalized, Epoch::ZERO, View::new(view));
        QuorumCertificate { kind, epoch, view, block, signers, signatures }
    }

    /// A batch in the first validator's lane.
    fn batch(&self, seq: u64, parent: Digest, transaction: &SignedTransaction) -> Arc<Batch> {
        let context = self.context();
        let author = context.set.get(ValidatorIndex::new(0)).unwrap();
        let mut writer = Writer::new();
        writer.raw(b"tonle/v1/batch\0").digest(&self.chain).key(&author.key).u64(seq).digest(&parent);
        writer.u32(1).bytes(transaction.bytes());
        let unsigned = RawBatch::decode(&[&writer.finish()[..], &[0; 64]].concat()).unwrap();
        let signature = self.keys.validator(&author.name).sign(&unsigned.signed_message());
        let raw = Arc::new(unsigned.with_signature(signature));
        Arc::new(Batch::check(raw, &PeerContext::new(self.chain, context.set).batches(), &Strict).unwrap())
    }
}

/// The sequencer: stands for four validators that agree.
struct Sequencer {
    network: Arc<Network>,
    execution: Execution,
    executed: mpsc::Receiver<tonle_consensus::Checkpoint>,
    parent: Header,
    checkpoint: tonle_consensus::Checkpoint,
    lane: (u64, Digest),
}

impl Sequencer {
    fn run(mut self, submitted: &mpsc::Receiver<SignedTransaction>) {
        while let Ok(transaction) = submitted.recv() {
            let (seq, parent) = self.lane;
            let batch = self.network.batch(seq + 1, parent, &transaction);
            self.lane = (seq + 1, batch.digest());
            self.block(vec![batch]);
            self.block(Vec::new());
        }
    }

    fn block(&mut self, batches: Vec<Arc<Batch>>) {
        let payload = Cut::genesis(4).encode();
        let header = Header::new(HeaderFields {
            parent: self.parent.digest(),
            height: self.parent.height().next().unwrap(),
            timestamp: Timestamp::new(now_ms().max(self.parent.timestamp().get() + 1)),
            protocol_version: 1,
            payload: payload_digest(&payload),
            checkpoint: self.checkpoint,
            next_set: None,
        });
        let certificate = self.network.certificate(header.height().get(), header.digest());
        self.parent = header.clone();
        let block = Block::new(header, payload).unwrap();
        let (own, tip_certificate) = (Some(certificate.clone()), certificate);
        self.execution.execute(FinalBlock { block, certificate: own, tip_certificate, batches }).unwrap();
        self.checkpoint = self.executed.recv().unwrap();
    }
}

/// The running parts, as the services see them.
pub(crate) struct Running {
    chain: Digest,
    pub(crate) database: Arc<Database>,
    submitted: Mutex<mpsc::Sender<SignedTransaction>>,
    /// Transactions are taken and never become final.
    pub(crate) stalled: AtomicBool,
    /// What submissions are refused with.
    pub(crate) refused: Mutex<Option<Refused>>,
    /// How many transactions were queued.
    pub(crate) queued: std::sync::atomic::AtomicUsize,
    /// Validators that count as connected, by consensus key.
    connected: Vec<PublicKey>,
}

#[tonic::async_trait]
impl Backend for Running {
    async fn verify(&self, transaction: SignedTransaction) -> Result<Verified<SignedTransaction>, Rejection> {
        Verified::check(transaction, &self.chain, &Strict)
    }

    async fn submit(&self, transaction: Verified<SignedTransaction>) -> Result<(), Refused> {
        if let Some(refused) = *self.refused.lock().unwrap() {
            return Err(refused);
        }
        self.queued.fetch_add(1, Ordering::SeqCst);
        if !self.stalled.load(Ordering::SeqCst) {
            self.submitted.lock().unwrap().send(transaction.into_inner()).unwrap();
        }
        Ok(())
    }

    fn network(&self) -> NetworkStatus {
        NetworkStatus {
            epoch: Epoch::ZERO,
            view: View::new(7),
            leader: ValidatorIndex::new(2),
            peers: self.connected.iter().map(|key| (*key, PeerStatus { connected: true, last_seen_ms: 5 })).collect(),
            halted: None,
        }
    }

    async fn audit_supply(&self) -> Result<SupplyAudit, ArchiveFailed> {
        let database = Arc::clone(&self.database);
        let audit = tokio::task::spawn_blocking(move || database.audit().unwrap()).await.unwrap();
        Ok(SupplyAudit {
            height: audit.point.height,
            state_root: audit.point.state_root,
            assets: audit.supply.into_iter().map(|(asset, supply)| (asset, supply, supply)).collect(),
            accounts: audit.accounts,
        })
    }
}

/// Every test's database, open until the process ends: threads that outlive their test would close it while RocksDB's own
/// statics are going, which aborts the process.
static OPEN: Mutex<Vec<Arc<Database>>> = Mutex::new(Vec::new());

/// A served API.
pub(crate) struct TestNode {
    pub(crate) network: Arc<Network>,
    pub(crate) running: Arc<Running>,
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: Serving,
    pub(crate) client: Client,
    _folder: TempDir,
    service: Service,
}

impl TestNode {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits::default()).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        let network = Arc::new(Network::new());
        let folder = tempfile::tempdir().unwrap();
        let genesis = &network.genesis;
        let found = |checkpoint: tonle_consensus::Checkpoint| {
            let (state_root, results_root) = (checkpoint.state_root, checkpoint.results_root);
            genesis_block(network.chain, 4, genesis.created_ms, 1, state_root, results_root).unwrap()
        };
        let opened = Database::open(folder.path(), genesis, 8 << 20, found).unwrap();
        let database = opened.database;
        OPEN.lock().unwrap().push(Arc::clone(&database));
        let parent = database.view().block(0).unwrap().unwrap().block.header().clone();
        let finality = Arc::new(Finality::new(Tip { height: 0, time_ms: genesis.created_ms, provable: 0 }));
        let (tell_executed, executed) = mpsc::channel();
        let told = Arc::clone(&finality);
        let execution = Execution::start(Arc::clone(&database), opened.executor, move |event| match event {
            ExecutionEvent::Executed(block) => {
                told.executed(&block.input, &block.executed, block.provable);
                // The sequencer may have ended.
                let _ = tell_executed.send(block.checkpoint);
            }
            ExecutionEvent::Failed(error) => panic!("{error}"),
        })
        .unwrap();
        let (submitted, submissions) = mpsc::channel();
        let checkpoint = parent.checkpoint();
        let lane = (0, Digest::ZERO);
        let sequencer = Sequencer { network: Arc::clone(&network), execution, executed, parent, checkpoint, lane };
        std::thread::spawn(move || sequencer.run(&submissions));
        let running = Arc::new(Running {
            chain: network.chain,
            database: Arc::clone(&database),
            submitted: Mutex::new(submitted),
            stalled: AtomicBool::new(false),
            refused: Mutex::new(None),
            queued: std::sync::atomic::AtomicUsize::new(0),
            connected: network.context().set.iter().take(3).map(|(_, validator)| validator.key).collect(),
        });
        let chain = Chain {
            genesis: Arc::new(genesis.clone()),
            digest: network.chain,
            node: ParticipantId::new("aba").unwrap(),
            own: network.context().set.iter().take(1).map(|(_, validator)| validator.key).collect(),
            validators: Shared::new(network.context().set),
        };
        let service =
            Service::new(chain, running.clone(), Arc::new(DatabaseArchive::new(database).unwrap()), finality, limits);
        let shutdown = CancellationToken::new();
        let config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
        let serving = serve(config, service.clone(), shutdown.clone()).await.unwrap();
        let address = serving.address;
        let client = connect(address).await;
        TestNode { network, running, address, shutdown, serving, client, _folder: folder, service }
    }

    /// What the server serves.
    pub(crate) fn service(&self) -> Service {
        self.service.clone()
    }

    /// A body with one transfer, valid now.
    pub(crate) fn body(&self, from: &str, to: &str, minor: u64, nonce: &str) -> TransactionBody {
        self.body_of(vec![transfer(from, to, minor)], nonce)
    }

    pub(crate) fn body_of(&self, operations: Vec<Operation>, nonce: &str) -> TransactionBody {
        let now = now_ms();
        TransactionBody {
            chain: self.network.chain,
            not_before_ms: now - 60_000,
            not_after_ms: now + 600_000,
            independent: false,
            nonce: nonce.as_bytes().to_vec(),
            operations,
        }
    }

    /// Signs with participants' keys.
    pub(crate) fn sign(&self, body: &TransactionBody, participants: &[&str]) -> SignedTransaction {
        let keys: Vec<SecretKey> = participants.iter().map(|id| self.network.keys.participant(id)).collect();
        body.sign(&keys.iter().collect::<Vec<_>>()).unwrap()
    }

    /// A signed transfer from alice@aba to bob@wing.
    pub(crate) fn payment(&self, minor: u64, nonce: &str) -> SignedTransaction {
        self.sign(&self.body("alice@aba", "bob@wing", minor, nonce), &["aba"])
    }

    pub(crate) async fn pay(&mut self, transaction: &SignedTransaction) -> v1::SubmitAndWaitResponse {
        self.submit_and_wait(transaction, false).await.unwrap()
    }

    pub(crate) async fn submit_and_wait(
        &mut self,
        transaction: &SignedTransaction,
        prove: bool,
    ) -> Result<v1::SubmitAndWaitResponse, tonic::Status> {
        let transaction = transaction.bytes().to_vec().into();
        let answer = self.client.submit_and_wait(v1::SubmitAndWaitRequest { transaction, prove }).await?;
        Ok(answer.into_inner())
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Client {
    let channel = Channel::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_timeout(Duration::from_secs(5))
        .connect()
        .await
        .unwrap();
    LedgerServiceClient::new(channel).max_decoding_message_size(64 << 20).max_encoding_message_size(256 << 20)
}

pub(crate) fn transfer(from: &str, to: &str, minor: u64) -> Operation {
    Operation::Transfer(Box::new(Transfer {
        from: AccountId::new(from).unwrap(),
        to: AccountId::new(to).unwrap(),
        asset: Asset::new("KHR").unwrap(),
        amount: Amount::from_minor(minor),
        instruction_ref: None,
        purpose: None,
        external_ref: None,
        sealed: None,
    }))
}

pub(crate) fn transfer_with_ref(from: &str, to: &str, minor: u64, reference: &str) -> Operation {
    let Operation::Transfer(mut operation) = transfer(from, to, minor) else { unreachable!() };
    operation.instruction_ref = Some(Reference::new(reference).unwrap());
    Operation::Transfer(operation)
}

pub(crate) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The error's code, reason, metadata field and whether it says that a retry is safe.
pub(crate) fn details(status: &tonic::Status) -> (tonic::Code, String, String, bool) {
    use tonic_types::StatusExt;
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("no ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "tonle.v1");
    let field = info.metadata.get("field").cloned().unwrap_or_default();
    (status.code(), info.reason.clone(), field, details.retry_info().is_some())
}
