//! The gRPC server: address, TLS, limits, health, reflection and shutdown.
//!
//! Must not know: what the services do.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Router;
use tonic::transport::{Certificate, Identity as Certified, Server, ServerTlsConfig};
use tonic_health::server::HealthReporter;
use tonle_proto::v1::ledger_service_server::LedgerServiceServer;
use tonle_proto::v1::operator_service_server::OperatorServiceServer;
use tonle_proto::v1::register_service_server::RegisterServiceServer;
use tower::layer::util::{Identity, Stack};

use super::connections::{Connections, ConnectionsConfig};
use super::refusal::RefusalLayer;
use super::{Ledger, Operator, Register, Service};
use crate::bootstrap::Stage;

/// Largest request that is decoded, in bytes: a transaction of at most 2 MiB and its envelope. A longer one is refused
/// by its length prefix, before it is read.
pub const REQUEST_BYTES_MAX: usize = 2 * 1024 * 1024 + 4 * 1024;
/// Largest answer, in bytes: a page of 1,000 receipts of large transactions stays under it, because pages end early.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest header list of a request, in bytes.
const HEADER_LIST_BYTES_MAX: u32 = 16 * 1024;
/// How long calls under way may take to end after shutdown began.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(5);

/// Where and how the server listens.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Address. Without TLS only a loopback address is accepted; port 0 takes a free one.
    pub address: SocketAddr,
    /// TLS, without which only this machine may call.
    pub tls: Option<TlsConfig>,
    /// Connections at once; further ones are closed at once. Default 256.
    pub connections_max: usize,
    /// Calls at once on one connection; a client queues further ones. Default 1,024.
    pub streams_per_connection_max: u32,
}

impl ServerConfig {
    /// The defaults, at `address`, without TLS.
    #[must_use]
    pub const fn new(address: SocketAddr) -> Self {
        ServerConfig { address, tls: None, connections_max: 256, streams_per_connection_max: 1_024 }
    }
}

/// PEM files for TLS.
#[derive(Debug, Clone)]
pub struct TlsConfig {
    /// The server's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates that clients must be signed by; without it, clients need none.
    pub client_ca: Option<PathBuf>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Payments would travel in the clear.
    #[error("gRPC address {0} is not a loopback address: set grpc.tls, or listen on 127.0.0.1")]
    PlaintextAddress(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen for gRPC on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A PEM file cannot be read.
    #[error("cannot read {path}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or key does not serve, or reflection does not build.
    #[error("cannot set up the gRPC server")]
    Setup(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl ServeError {
    fn setup(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        ServeError::Setup(source.into())
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens: the real port when port 0 was asked for.
    pub address: SocketAddr,
    /// Ends when the server has shut down.
    pub task: JoinHandle<()>,
}

/// Starts the server. It shuts down when `shutdown` is cancelled: no new connections, streams end with UNAVAILABLE and
/// a place to resume at, calls under way have five seconds.
///
/// # Errors
/// [`ServeError`] when the address, a PEM file or the TLS set-up is refused.
pub async fn serve(config: ServerConfig, service: Service, shutdown: CancellationToken) -> Result<Serving, ServeError> {
    let listening = Listening::at(&config).await?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<LedgerServiceServer<Ledger>>().await;
    health.set_serving::<OperatorServiceServer<Operator>>().await;
    health.set_serving::<RegisterServiceServer<Register>>().await;
    let ledger = LedgerServiceServer::new(Ledger::new(service.clone(), shutdown.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX)
        .max_encoding_message_size(RESPONSE_BYTES_MAX);
    let register =
        RegisterServiceServer::new(Register::new(service.clone())).max_decoding_message_size(REQUEST_BYTES_MAX);
    let operator = OperatorServiceServer::new(Operator::new(service)).max_decoding_message_size(REQUEST_BYTES_MAX);
    let mut builder = builder(&config, RefusalLayer::default()).await?;
    let router = builder.add_service(ledger).add_service(operator).add_service(register).add_service(health_service);
    listening.serve(config, router, health, shutdown)
}

/// Serves a node that has not begun, until `shutdown` is cancelled: health says that nothing is served, and every call is
/// answered with how far the node is ([`super::ApiError::Starting`]).
///
/// # Errors
/// As for [`serve`].
pub async fn serve_starting(
    config: ServerConfig,
    stage: watch::Receiver<Stage>,
    shutdown: CancellationToken,
) -> Result<Serving, ServeError> {
    let listening = Listening::at(&config).await?;
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_not_serving::<LedgerServiceServer<Ledger>>().await;
    health.set_not_serving::<OperatorServiceServer<Operator>>().await;
    health.set_not_serving::<RegisterServiceServer<Register>>().await;
    health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
    let router = builder(&config, RefusalLayer { stage: Some(stage) }).await?.add_service(health_service);
    listening.serve(config, router, health, shutdown)
}

/// A socket that clients may connect to.
struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listening {
    async fn at(config: &ServerConfig) -> Result<Self, ServeError> {
        if config.tls.is_none() && !config.address.ip().is_loopback() {
            return Err(ServeError::PlaintextAddress(config.address));
        }
        let listen_error = |source| ServeError::Listen { address: config.address, source };
        let listener = TcpListener::bind(config.address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        Ok(Listening { listener, address })
    }

    /// Serves what `router` holds, and reflection.
    fn serve(
        self,
        config: ServerConfig,
        router: Router<Stack<RefusalLayer, Identity>>,
        health: HealthReporter,
        shutdown: CancellationToken,
    ) -> Result<Serving, ServeError> {
        let Listening { listener, address } = self;
        let router = router
            .add_service(reflection()?.build_v1().map_err(ServeError::setup)?)
            .add_service(reflection()?.build_v1alpha().map_err(ServeError::setup)?);
        let incoming = Connections::new(listener, ConnectionsConfig { connections_max: config.connections_max });
        let task = tokio::spawn(async move {
            let ended = shutdown.clone().cancelled_owned();
            let drain = async {
                shutdown.cancelled().await;
                health.set_not_serving::<LedgerServiceServer<Ledger>>().await;
                health.set_not_serving::<OperatorServiceServer<Operator>>().await;
                tokio::time::sleep(DRAIN_TIME_MAX).await;
            };
            tokio::select! {
                result = router.serve_with_incoming_shutdown(incoming, ended) => {
                    if let Err(error) = result {
                        tracing::error!(%error, "gRPC server ended");
                    }
                }
                () = drain => tracing::info!("gRPC calls cut off at shutdown"),
            }
        });
        tracing::info!(%address, tls = config.tls.is_some(), "gRPC listens");
        Ok(Serving { address, task })
    }
}

/// A server with the limits and the TLS of `config`.
async fn builder(
    config: &ServerConfig,
    refusals: RefusalLayer,
) -> Result<Server<Stack<RefusalLayer, Identity>>, ServeError> {
    let builder = Server::builder()
        .max_concurrent_streams(config.streams_per_connection_max)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .http2_max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(4 * 1024 * 1024)
        .layer(refusals);
    match &config.tls {
        Some(tls) => builder.tls_config(tls_config(tls).await?).map_err(ServeError::setup),
        None => Ok(builder),
    }
}

fn reflection() -> Result<tonic_reflection::server::Builder<'static>, ServeError> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(tonle_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET))
}

async fn tls_config(tls: &TlsConfig) -> Result<ServerTlsConfig, ServeError> {
    // libp2p's QUIC brings a second implementation of TLS's cryptography into the program, and rustls wants to be told
    // which one to use. Whoever told it before has the say.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::debug!("TLS cryptography was chosen before");
    }
    let identity = Certified::from_pem(pem(&tls.certificate).await?, pem(&tls.key).await?);
    let mut config = ServerTlsConfig::new().identity(identity);
    if let Some(path) = &tls.client_ca {
        config = config.client_ca_root(Certificate::from_pem(pem(path).await?));
    }
    Ok(config)
}

async fn pem(path: &PathBuf) -> Result<Vec<u8>, ServeError> {
    tokio::fs::read(path).await.map_err(|source| ServeError::Pem { path: path.clone(), source })
}
