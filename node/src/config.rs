//! The node's configuration: one typed value, read once from a file, the environment and flags, and checked as a
//! whole before anything starts. Must not know what the rest of the node does with it.
//!
//! Precedence, weakest first: defaults, the TOML file, `TONLE_<SECTION>_<KEY>` variables, `--set section.key=value`.
//! Relative paths are relative to the configuration file's folder. Every key, with unit, default and reason, stands
//! in `config/example.toml`, which `tonle config example` prints.

mod fields;
mod problem;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;

use fields::Fields;
pub use problem::{Problem, Problems};

/// The commented example file; its values are the defaults wherever there is one.
pub const EXAMPLE: &str = include_str!("config/example.toml");

/// Variables that belong to commands and not to the configuration.
const RESERVED_VARIABLES: [&str; 4] = ["TONLE_PASSPHRASE", "TONLE_DIR", "TONLE_GRPC", "TONLE_LOG"];

/// What the node is in its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Votes and orders its clients' transactions with the key in this file.
    Validator {
        /// The file of the validator key (consensus and lane).
        key_file: PathBuf,
    },
    /// Follows the chain and answers queries; signs nothing.
    Observer,
}

/// The libp2p side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The file of the key that authenticates connections.
    pub key_file: PathBuf,
    /// Where this node listens: TCP (Noise, Yamux) and QUIC.
    pub listen: Vec<Multiaddr>,
    /// Where each participant's node is dialled. Nobody is dialled at an address learnt from a peer.
    pub peers: BTreeMap<String, Vec<Multiaddr>>,
}

/// Certificate and key of a TLS server, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Where gRPC listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grpc {
    /// Plain text; the address is a loopback one.
    Loopback(SocketAddr),
    /// TLS, on any address.
    Tls(SocketAddr, Tls),
}

impl Grpc {
    /// The address, whatever protects it.
    #[must_use]
    pub fn listen(&self) -> SocketAddr {
        match self {
            Grpc::Loopback(address) | Grpc::Tls(address, _) => *address,
        }
    }
}

/// The merchant gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merchant {
    /// Where shops' software connects. Without TLS a loopback address.
    pub listen: SocketAddr,
    /// TLS.
    pub tls: Option<Tls>,
    /// What stands before `/pay/...` in deep links, such as `https://pay.bank.example`; by default the address.
    pub url: Option<String>,
    /// The certificates (PEM) that servers of webhooks are believed by.
    pub webhook_certificates: PathBuf,
    /// Requests a second of one token; twice as many at once.
    pub token_requests_per_second: u32,
    /// Requests a second of one address; twice as many at once.
    pub address_requests_per_second: u32,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// `tracing` directives, such as `info` or `info,tonle_node::network=debug`.
    pub level: String,
    /// The form of the lines.
    pub format: LogFormat,
}

/// How a node with an empty disk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// With a snapshot, if the chain is more than two epochs long and a peer offers one; else like `Replay`.
    Auto,
    /// With genesis: it fetches and executes every block.
    Replay,
    /// With a snapshot, however long it takes until a peer offers one.
    Snapshot,
}

/// Bounds that depend on the machine. What bounds the protocol stands in genesis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections of gRPC clients, above which new ones are closed at once.
    pub connections_max: u32,
    /// gRPC calls under way on one connection.
    pub grpc_calls_max: u32,
    /// RocksDB's block cache, in mebibytes.
    pub cache_mib: u32,
    /// Threads of the signature pool.
    pub signature_threads: u32,
}

/// A configuration that passed every check that needs no network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Validator or observer.
    pub role: Role,
    /// Where the database, the guard and the batch log live. Created at start.
    pub data_dir: PathBuf,
    /// The genesis file (JSON) of the chain.
    pub genesis: PathBuf,
    /// A file whose first line is the passphrase of the key files.
    pub passphrase_file: Option<PathBuf>,
    /// The libp2p side.
    pub network: Network,
    /// Where clients connect.
    pub grpc: Grpc,
    /// Where Prometheus scrapes (plain HTTP, read only); `None` when switched off.
    pub metrics: Option<SocketAddr>,
    /// The merchant gateway; `None` when switched off.
    pub merchant: Option<Merchant>,
    /// Logging.
    pub log: Log,
    /// How it begins with an empty disk.
    pub sync: SyncMode,
    /// Bounds.
    pub limits: Limits,
}

/// Where values come from, besides the file: given as an argument, so that a test needs no process environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Environment variables; those without the prefix `TONLE_` are ignored.
    pub environment: Vec<(String, String)>,
    /// `section.key=value` pairs of `--set`, in order.
    pub set: Vec<String>,
}

impl Overrides {
    /// The process environment, and `set`.
    #[must_use]
    pub fn from_process(set: &[String]) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Overrides { environment, set: set.to_vec() }
    }
}

impl Config {
    /// Reads and checks `file` under `overrides`.
    ///
    /// # Errors
    /// Every problem found, not only the first, each with its key, its source and what to do.
    pub fn load(file: &Path, overrides: &Overrides) -> Result<Self, Problems> {
        let mut fields = Fields::read(file, overrides)?;
        let config = Config {
            role: role(&mut fields),
            data_dir: fields.path("node.data_dir").unwrap_or_else(|| fields.resolve("data")),
            genesis: fields.required_file(
                "node.genesis",
                "name the genesis file that the operator published; `tonle genesis new` makes one for a new chain",
            ),
            passphrase_file: fields.file("keys.passphrase_file"),
            network: network(&mut fields),
            grpc: grpc(&mut fields),
            metrics: metrics(&mut fields),
            merchant: merchant(&mut fields),
            log: log(&mut fields),
            sync: sync(&mut fields),
            limits: limits(&mut fields),
        };
        if config.metrics.is_some_and(|metrics| metrics == config.grpc.listen() && metrics.port() != 0) {
            fields.problem("metrics.listen", "is grpc.listen too", "give each its own port");
        }
        fields.finish().map(|()| config)
    }
}

fn role(fields: &mut Fields) -> Role {
    let role = fields.choice("node.role", &["validator", "observer"]);
    if role == "observer" {
        if fields.path("keys.validator").is_some() {
            fields.problem(
                "keys.validator",
                "is set, and an observer signs nothing",
                "remove it, or set node.role = \"validator\"",
            );
        }
        return Role::Observer;
    }
    Role::Validator {
        key_file: fields.required_key_file(
            "keys.validator",
            "make one with `tonle key new validator.key`, or set node.role = \"observer\"",
        ),
    }
}

fn network(fields: &mut Fields) -> Network {
    let key_file = fields.required_key_file("keys.network", "make one with `tonle key new network.key`");
    let listen = fields.multiaddresses("network.listen", &["/ip4/0.0.0.0/tcp/7700", "/ip4/0.0.0.0/udp/7700/quic-v1"]);
    let names = fields.peer_names();
    let peers = names
        .into_iter()
        .map(|name| {
            let addresses = fields.multiaddresses(&format!("network.peers.{name}"), &[]);
            (name, addresses)
        })
        .collect();
    Network { key_file, listen, peers }
}

fn grpc(fields: &mut Fields) -> Grpc {
    let listen = fields.socket_address("grpc.listen", "127.0.0.1:50051");
    if let Some(tls) = tls(fields, "grpc") {
        return Grpc::Tls(listen, tls);
    }
    let is_halved = fields.path("grpc.tls_certificate").is_some() || fields.path("grpc.tls_key").is_some();
    if !is_halved && !listen.ip().is_loopback() {
        fields.problem(
            "grpc.listen",
            &format!("{listen} is not a loopback address, and TLS is not configured"),
            "listen on 127.0.0.1 or [::1], or set grpc.tls_certificate and grpc.tls_key",
        );
    }
    Grpc::Loopback(listen)
}

fn metrics(fields: &mut Fields) -> Option<SocketAddr> {
    if fields.is("metrics.listen", "off") {
        return None;
    }
    Some(fields.socket_address("metrics.listen", "127.0.0.1:9100"))
}

fn merchant(fields: &mut Fields) -> Option<Merchant> {
    let tls = tls(fields, "merchant");
    let url = fields.text("merchant.url");
    if url.as_ref().is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        fields.problem("merchant.url", "is no address of the web", "write it like https://pay.bank.example");
    }
    let webhook_certificates = fields.path("merchant.webhook_certificates");
    let webhook_certificates =
        webhook_certificates.unwrap_or_else(|| PathBuf::from("/etc/ssl/certs/ca-certificates.crt"));
    let token_requests_per_second = fields.number("merchant.token_requests_per_second", 50, 1..=100_000);
    let address_requests_per_second = fields.number("merchant.address_requests_per_second", 100, 1..=100_000);
    if fields.text("merchant.listen").is_none_or(|listen| listen == "off") {
        return None;
    }
    let listen = fields.socket_address("merchant.listen", "127.0.0.1:8800");
    if tls.is_none() && !listen.ip().is_loopback() {
        fields.problem(
            "merchant.listen",
            &format!("{listen} is not a loopback address, and TLS is not configured"),
            "listen on 127.0.0.1 or [::1], or set merchant.tls_certificate and merchant.tls_key",
        );
    }
    Some(Merchant { listen, tls, url, webhook_certificates, token_requests_per_second, address_requests_per_second })
}

/// Certificate and key of a section; either is a problem without the other.
fn tls(fields: &mut Fields, section: &str) -> Option<Tls> {
    let (certificate_name, key_name) = (format!("{section}.tls_certificate"), format!("{section}.tls_key"));
    let (certificate, key) = (fields.file(&certificate_name), fields.file(&key_name));
    match (certificate, key) {
        (Some(certificate), Some(key)) => return Some(Tls { certificate, key }),
        (Some(_), None) => {
            fields.problem(&key_name, "is missing", &format!("{certificate_name} is set: name its key"));
        }
        (None, Some(_)) => {
            fields.problem(&certificate_name, "is missing", &format!("{key_name} is set: name its chain"));
        }
        (None, None) => {}
    }
    None
}

fn log(fields: &mut Fields) -> Log {
    let level = fields.text("log.level").unwrap_or_else(|| "info".to_owned());
    if let Err(error) = crate::telemetry::directives(&level) {
        fields.problem(
            "log.level",
            &error.to_string(),
            "write error, warn, info, debug or trace, or directives such as \"info,tonle_node::network=debug\"",
        );
    }
    let format = match fields.choice("log.format", &["text", "json"]) {
        "json" => LogFormat::Json,
        _ => LogFormat::Text,
    };
    Log { level, format }
}

fn sync(fields: &mut Fields) -> SyncMode {
    match fields.choice("sync.mode", &["auto", "replay", "snapshot"]) {
        "replay" => SyncMode::Replay,
        "snapshot" => SyncMode::Snapshot,
        _ => SyncMode::Auto,
    }
}

fn limits(fields: &mut Fields) -> Limits {
    let cores = std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    Limits {
        connections_max: fields.number("limits.connections_max", 256, 8..=4096),
        grpc_calls_max: fields.number("limits.grpc_calls_max", 256, 1..=65_536),
        cache_mib: fields.number("limits.cache_mib", 256, 8..=1_048_576),
        signature_threads: fields.number("limits.signature_threads", cores, 1..=256),
    }
}

#[cfg(test)]
#[path = "config/tests.rs"]
mod tests;
