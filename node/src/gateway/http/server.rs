//! The socket: connections at most so many, each with its times; TLS unless only this machine may call.
//!
//! Must not know: what is asked or answered.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Gateway;
use crate::config::{Merchant, Tls};

/// Connections at once; a further one is closed at once.
const CONNECTIONS_MAX: usize = 512;
/// How long a TLS handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a request's head may take to come; on an idle connection, the next one's too.
const HEAD_TIME_MAX: Duration = Duration::from_secs(30);
/// How long one connection lasts.
const CONNECTION_LIFE_MAX: Duration = Duration::from_secs(3_600);
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// After a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A socket that clients may connect to.
pub(in crate::gateway) struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
}

impl Listening {
    /// Binds the configured address.
    pub(in crate::gateway) async fn at(config: &Merchant) -> Result<Self> {
        let listen = config.listen;
        ensure!(
            config.tls.is_some() || listen.ip().is_loopback(),
            "merchants' address {listen} is not a loopback address, and TLS is not configured"
        );
        let tls = match &config.tls {
            Some(tls) => Some(acceptor(tls).await?),
            None => None,
        };
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("cannot listen for merchants on {listen}: set merchant.listen to a free port"))?;
        let address = listener.local_addr()?;
        Ok(Listening { listener, address, tls })
    }

    pub(in crate::gateway) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients of this machine find it.
    pub(in crate::gateway) fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Serves until `shutdown`.
    pub(in crate::gateway) async fn serve(self, gateway: Gateway, shutdown: CancellationToken) {
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = shutdown.cancelled() => return,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%error, "a merchant's connection was not accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
                tracing::debug!(%peer, "a merchant's connection is refused: too many");
                continue;
            };
            let connection = Connection { gateway: gateway.clone(), peer, tls: self.tls.clone(), _permit: permit };
            tokio::spawn(connection.run(stream, shutdown.clone()));
        }
    }
}

/// One connection; it counts until it is dropped.
struct Connection {
    gateway: Gateway,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn run(self, stream: TcpStream, shutdown: CancellationToken) {
        // Small answers must not wait for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let Some(acceptor) = self.tls.clone() else { return self.http(stream, shutdown).await };
        match tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.http(stream, shutdown).await,
            Ok(Err(_)) | Err(_) => tracing::debug!(peer = %self.peer, "no TLS came to be"),
        }
    }

    async fn http(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shutdown: CancellationToken) {
        let (gateway, address) = (self.gateway.clone(), self.peer.ip());
        let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let gateway = gateway.clone();
            async move { Ok::<_, Infallible>(gateway.answer(address, request.map(Body::new)).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            // A client that went away, or spoke no HTTP, has nothing to be told.
            _ = connection.as_mut() => {}
            () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
            () = tokio::time::sleep(CONNECTION_LIFE_MAX) => {}
        }
    }
}

async fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let read = async |path: &std::path::PathBuf| {
        tokio::fs::read(path).await.with_context(|| format!("cannot read {}", path.display()))
    };
    let chain = CertificateDer::pem_slice_iter(&read(&tls.certificate).await?).collect::<Result<Vec<_>, _>>();
    let chain = chain.with_context(|| format!("{} holds no certificates", tls.certificate.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&tls.key).await?);
    let key = key.with_context(|| format!("{} holds no private key", tls.key.display()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .context("the merchants' certificate and key do not serve")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
