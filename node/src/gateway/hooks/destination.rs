//! Where a webhook leads: one address, checked, that is connected to as it was checked. No redirect is followed, and a
//! private network is not entered unless the bank allowed it.
//!
//! Must not know: what is sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Uri, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long a whole delivery may take.
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(10);

/// Why nothing was delivered.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undelivered {
    /// The address is none.
    #[error("{0}")]
    Address(&'static str),
    /// The name leads nowhere.
    #[error("the name of the server leads nowhere")]
    Name,
    /// It leads into a private network.
    #[error("{0} is in a private network, which the bank did not allow")]
    Private(IpAddr),
    /// The server did not take it.
    #[error("status {0}")]
    Status(u16),
    /// No connection, or it broke.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// It took too long.
    #[error("no answer within 10 seconds")]
    Late,
}

fn broken(error: impl std::fmt::Display) -> Undelivered {
    let text: String = error.to_string().chars().filter(|letter| !letter.is_control()).take(200).collect();
    Undelivered::Connection(text)
}

/// An address that may be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    uri: Uri,
    host: String,
    port: u16,
    is_tls: bool,
    is_private: bool,
}

impl Destination {
    /// Reads an address: `https`, or, where private networks are allowed, `http`.
    pub(super) fn parse(url: &str, is_private: bool) -> Result<Self, Undelivered> {
        let uri: Uri = url.parse().map_err(|_| Undelivered::Address("the address is none"))?;
        let authority = uri.authority().ok_or(Undelivered::Address("the address names no server"))?;
        if authority.as_str().contains('@') {
            return Err(Undelivered::Address("an address with a password in it is refused"));
        }
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_private => false,
            _ => return Err(Undelivered::Address("the address is not https://…")),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Destination { uri, host, port, is_tls, is_private })
    }

    /// The socket address to connect to. Every address of the name must be allowed: which one is used is chance.
    async fn resolve(&self) -> Result<SocketAddr, Undelivered> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await.map_err(|_| Undelivered::Name)?;
        let found: Vec<SocketAddr> = found.collect();
        let refused = found.iter().map(SocketAddr::ip).find(|address| !self.is_private && !is_public(*address));
        match (refused, found.first()) {
            (Some(address), _) => Err(Undelivered::Private(address)),
            (None, Some(address)) => Ok(*address),
            (None, None) => Err(Undelivered::Name),
        }
    }

    /// Sends a body with these headers. Only a status of 2xx is a delivery.
    pub(super) async fn post(
        &self,
        roots: &Arc<rustls::ClientConfig>,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<(), Undelivered> {
        tokio::time::timeout(DELIVERY_TIME_MAX, self.send(roots, headers, body)).await.map_err(|_| Undelivered::Late)?
    }

    async fn send(
        &self,
        roots: &Arc<rustls::ClientConfig>,
        headers: &[(&'static str, String)],
        body: Vec<u8>,
    ) -> Result<(), Undelivered> {
        let stream = TcpStream::connect(self.resolve().await?).await.map_err(broken)?;
        stream.set_nodelay(true).map_err(broken)?;
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let host = self.uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder().method(Method::POST).uri(path).header(header::HOST, host);
        for (name, value) in headers {
            request = request.header(*name, value.as_str());
        }
        let request = request.body(Body::from(body)).map_err(broken)?;
        if !self.is_tls {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(self.host.clone()).map_err(broken)?;
        let stream = TlsConnector::from(Arc::clone(roots)).connect(name, stream).await.map_err(broken)?;
        exchange(stream, request).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<(), Undelivered> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends when the answer is dropped; what else the server says is not read.
    let talking = tokio::spawn(connection);
    let answer = sender.send_request(request).await.map_err(broken);
    talking.abort();
    let status = answer?.status();
    if status.is_success() { Ok(()) } else { Err(Undelivered::Status(status.as_u16())) }
}

/// Is it an address of the public internet? By the registries of special-purpose addresses (RFC 6890 and its updates).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => is_public_four(four),
        IpAddr::V6(six) => is_public_six(six),
    }
}

fn is_public_four(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => b & 0xc0 == 64,
        169 => b == 254,
        172 => b & 0xf0 == 16,
        192 => (b == 168) || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        198 => b & 0xfe == 18 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_special
}

/// Of the unicast addresses given out (2000::/3), those that do not stand for others: 2001::/23 holds protocols, such as
/// Teredo, and 2002::/16 wraps addresses of version 4.
fn is_public_six(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    a & 0xe000 == 0x2000 && !is_special
}

/// Whom TLS believes: the certificates in `path`.
pub(super) fn roots(path: &Path) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let mut store = rustls::RootCertStore::empty();
    match CertificateDer::pem_file_iter(path) {
        Ok(found) => {
            store.add_parsable_certificates(found.filter_map(Result::ok));
        }
        Err(error) => tracing::warn!(%error, path = %path.display(), "no webhook over TLS can be delivered"),
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(store).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::{Destination, is_public};

    #[test]
    fn private_and_special_addresses_are_not_public() {
        for text in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "fc00::1",
            "fe80::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:a00:1::",
            "100::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in
            ["1.1.1.1", "100.63.0.1", "172.32.0.1", "192.1.0.1", "223.255.255.255", "2606:4700::1", "2001:4860::1"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn only_addresses_of_the_web_are_destinations() {
        for (url, is_private, is_good) in [
            ("https://shop.example/paid?x=1", false, true),
            ("https://[2606:4700::1]:8443/", false, true),
            ("http://shop.example/", false, false),
            ("http://10.0.0.7:8080/", true, true),
            ("https://user:password@shop.example/", false, false),
            ("ftp://shop.example/", true, false),
            ("/paid", true, false),
            ("", true, false),
            ("https://", true, false),
        ] {
            assert_eq!(Destination::parse(url, is_private).is_ok(), is_good, "{url}");
        }
    }
}
