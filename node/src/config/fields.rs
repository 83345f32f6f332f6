//! Reads single keys out of the merged layers, and collects what is wrong with them instead of stopping at the first.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::{Overrides, Problem, Problems, RESERVED_VARIABLES};

/// Every key there is; `network.peers` holds one key for each participant.
const KEYS: [&str; 26] = [
    "node.role",
    "node.data_dir",
    "node.genesis",
    "keys.validator",
    "keys.network",
    "keys.passphrase_file",
    "network.listen",
    "network.peers",
    "grpc.listen",
    "grpc.tls_certificate",
    "grpc.tls_key",
    "metrics.listen",
    "merchant.listen",
    "merchant.tls_certificate",
    "merchant.tls_key",
    "merchant.url",
    "merchant.webhook_certificates",
    "merchant.token_requests_per_second",
    "merchant.address_requests_per_second",
    "log.level",
    "log.format",
    "sync.mode",
    "limits.connections_max",
    "limits.grpc_calls_max",
    "limits.cache_mib",
    "limits.signature_threads",
];

/// The merged layers, and what was found wrong so far.
pub(super) struct Fields {
    figment: Figment,
    folder: PathBuf,
    problems: Vec<Problem>,
}

/// One value from a variable or a flag, as a layer that knows its name.
struct Single {
    name: String,
    key: String,
    value: Value,
}

impl Provider for Single {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

pub(super) fn known_keys() -> impl Iterator<Item = &'static str> {
    KEYS.into_iter()
}

/// `grpc.listen` -> `TONLE_GRPC_LISTEN`.
fn variable(key: &str) -> String {
    format!("TONLE_{}", key.to_uppercase().replace('.', "_"))
}

fn parse_value(text: &str) -> Value {
    // The parser refuses nothing: what is no number, boolean, list or table is a string.
    Value::from_str(text).unwrap_or_else(|never| match never {})
}

impl Fields {
    /// Merges the layers. A file that is missing or is no TOML ends here, since nothing else can be judged.
    pub(super) fn read(file: &Path, overrides: &Overrides) -> Result<Self, Problems> {
        let whole_file = |problem: String, advice: &str| {
            Problems(vec![Problem { key: String::new(), source: None, problem, advice: advice.to_owned() }])
        };
        let text = std::fs::read_to_string(file).map_err(|error| {
            whole_file(
                format!("cannot read {}: {error}", file.display()),
                "name an existing file; `tonle config example > tonle.toml` writes a commented one",
            )
        })?;
        if let Err(error) = toml::from_str::<toml::Table>(&text) {
            let problem = format!("{} is not TOML: {}", file.display(), error.to_string().trim_end());
            return Err(whole_file(problem, "mend the line; strings need quotes, see `tonle config example`"));
        }
        let folder = file.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
        let mut fields = Fields { figment: Figment::from(Toml::string(&text)), folder, problems: Vec::new() };
        fields.add_environment(&overrides.environment);
        fields.add_set(&overrides.set);
        fields.refuse_unknown_keys(&text);
        Ok(fields)
    }

    fn add(&mut self, name: String, key: &str, value: &str) {
        let layer = Single { name, key: key.to_owned(), value: parse_value(value) };
        self.figment = std::mem::take(&mut self.figment).merge(layer);
    }

    fn add_environment(&mut self, environment: &[(String, String)]) {
        for (name, value) in environment.iter().filter(|(name, _)| name.starts_with("TONLE_")) {
            if RESERVED_VARIABLES.contains(&name.as_str()) {
                continue;
            }
            match known_keys().find(|key| variable(key) == *name) {
                Some(key) => self.add(format!("the variable {name}"), key, value),
                None => self.problem(
                    "",
                    &format!("the variable {name} names no key"),
                    &format!("unset it{}", suggestion(name, known_keys().map(variable))),
                ),
            }
        }
    }

    fn add_set(&mut self, set: &[String]) {
        for pair in set {
            let Some((key, value)) = pair.split_once('=') else {
                self.problem("", &format!("--set {pair} has no `=`"), "write --set section.key=value");
                continue;
            };
            if is_known(key) {
                self.add("--set".to_owned(), key, value);
            } else {
                let advice = format!("see `tonle config example`{}", suggestion(key, known_keys().map(str::to_owned)));
                self.problem(key, "is no key", &advice);
            }
        }
    }

    fn refuse_unknown_keys(&mut self, text: &str) {
        let Ok(table) = toml::from_str::<toml::Table>(text) else { return };
        for (section, value) in &table {
            let Some(keys) = value.as_table() else {
                self.problem(section, "stands outside any section", "see `tonle config example`");
                continue;
            };
            for key in keys.keys().map(|key| format!("{section}.{key}")) {
                if !is_known(&key) {
                    let advice = format!("remove it{}", suggestion(&key, known_keys().map(str::to_owned)));
                    self.problem(&key, "is no key", &advice);
                }
            }
        }
    }

    /// Notes a problem with `key`.
    pub(super) fn problem(&mut self, key: &str, problem: &str, advice: &str) {
        let source = self.figment.find_metadata(key).filter(|_| !key.is_empty()).map(|metadata| {
            if metadata.name.starts_with("TOML") { "the file".to_owned() } else { metadata.name.to_string() }
        });
        self.problems.push(Problem {
            key: key.to_owned(),
            source,
            problem: problem.to_owned(),
            advice: advice.to_owned(),
        });
    }

    /// Ends the reading.
    pub(super) fn finish(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }

    /// `path` against the configuration file's folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn value(&self, key: &str) -> Option<Value> {
        self.figment.find_value(key).ok()
    }

    /// A string.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.value(key)? {
            Value::String(_, text) => Some(text),
            other => {
                self.problem(key, &format!("is {}, not a string", other.to_actual()), "write it in quotes");
                None
            }
        }
    }

    /// Is the key set to exactly this text?
    pub(super) fn is(&self, key: &str, text: &str) -> bool {
        self.value(key).and_then(Value::into_string).is_some_and(|found| found == text)
    }

    /// One of `choices`; the first is the default.
    pub(super) fn choice(&mut self, key: &str, choices: &[&'static str]) -> &'static str {
        let default = choices.first().copied().unwrap_or_default();
        let Some(text) = self.text(key) else { return default };
        choices.iter().copied().find(|choice| *choice == text).unwrap_or_else(|| {
            self.problem(key, &format!("is \"{text}\""), &format!("write one of: {}", choices.join(", ")));
            default
        })
    }

    /// A whole number within `range`.
    pub(super) fn number(&mut self, key: &str, default: u32, range: RangeInclusive<u32>) -> u32 {
        let Some(value) = self.value(key) else { return default };
        let number = value.to_i128().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| range.contains(number)) {
            Some(number) => number,
            None => {
                let advice = format!("write a whole number from {} to {}", range.start(), range.end());
                self.problem(key, "is no number within its range", &advice);
                default
            }
        }
    }

    /// `host:port` with a numeric host.
    pub(super) fn socket_address(&mut self, key: &str, default: &str) -> SocketAddr {
        let fallback = SocketAddr::from(([127, 0, 0, 1], 0));
        let text = self.text(key).unwrap_or_else(|| default.to_owned());
        text.parse().unwrap_or_else(|_| {
            self.problem(key, &format!("\"{text}\" is no address"), &format!("write IP:PORT, such as {default}"));
            fallback
        })
    }

    /// A path.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|text| self.resolve(&text))
    }

    /// A path of a file that exists, when the key is set.
    pub(super) fn file(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.path(key)?;
        if !path.is_file() {
            let problem = format!("{} is not there, or is no file", path.display());
            self.problem(key, &problem, "correct the path; it is relative to the configuration file's folder");
        }
        Some(path)
    }

    /// A path of a file that must be named and exist.
    pub(super) fn required_file(&mut self, key: &str, advice: &str) -> PathBuf {
        self.file(key).unwrap_or_else(|| {
            if self.value(key).is_none() {
                self.problem(key, "is missing", advice);
            }
            PathBuf::new()
        })
    }

    /// A key file that must be named, exist, and be readable by its owner alone.
    pub(super) fn required_key_file(&mut self, key: &str, advice: &str) -> PathBuf {
        let path = self.required_file(key, advice);
        if path.is_file()
            && let Err(error) = crate::key_file::check_permissions(&path)
        {
            self.problem(key, &error.to_string(), &format!("run: chmod 600 {}", path.display()));
        }
        path
    }

    /// The participants under `network.peers`.
    pub(super) fn peer_names(&mut self) -> BTreeSet<String> {
        match self.value("network.peers") {
            None => BTreeSet::new(),
            Some(Value::Dict(_, peers)) => peers.into_keys().collect(),
            Some(_) => {
                self.problem(
                    "network.peers",
                    "is no table",
                    "write [network.peers], then acleda = [\"/ip4/…/tcp/7700\"]",
                );
                BTreeSet::new()
            }
        }
    }

    /// A list of libp2p addresses this node can listen on or dial, one at least.
    pub(super) fn multiaddresses(&mut self, key: &str, default: &[&str]) -> Vec<Multiaddr> {
        let texts: Vec<String> = match self.value(key) {
            None => default.iter().map(|text| (*text).to_owned()).collect(),
            Some(Value::Array(_, values)) if values.is_empty() => {
                self.problem(key, "is empty", "write one address at least, such as [\"/ip4/192.0.2.7/tcp/7700\"]");
                Vec::new()
            }
            Some(Value::Array(_, values)) => {
                values.into_iter().map(|value| value.into_string().unwrap_or_default()).collect()
            }
            Some(_) => {
                self.problem(key, "is no list", "write [\"/ip4/192.0.2.7/tcp/7700\"], with the brackets");
                Vec::new()
            }
        };
        let mut addresses = Vec::new();
        for text in texts {
            match text.parse::<Multiaddr>() {
                Ok(address) if is_usable(&address) => addresses.push(address),
                _ => self.problem(
                    key,
                    &format!("\"{text}\" is no address of TCP or QUIC"),
                    "write /ip4/A.B.C.D/tcp/PORT or /ip4/A.B.C.D/udp/PORT/quic-v1 (ip6 likewise), without /p2p",
                ),
            }
        }
        addresses
    }
}

fn is_known(key: &str) -> bool {
    known_keys().any(|known| known == key)
        || key.strip_prefix("network.peers.").is_some_and(|participant| !participant.is_empty())
}

/// TCP or QUIC over a numeric address: what the network's transports can open. Peers' identities come from genesis.
fn is_usable(address: &Multiaddr) -> bool {
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    matches!(
        parts.as_slice(),
        [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Tcp(_)]
            | [Protocol::Ip4(_) | Protocol::Ip6(_), Protocol::Udp(_), Protocol::QuicV1]
    )
}

/// `; did you mean …?` when a known name is close.
fn suggestion(found: &str, known: impl Iterator<Item = String>) -> String {
    known
        .map(|name| (distance(found, &name), name))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, name)| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// The least number of insertions, deletions and replacements (Levenshtein) between two names.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row.first().copied().unwrap_or(0);
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, b) in right.chars().enumerate() {
            let above = row[j + 1];
            let replaced = diagonal + usize::from(a != b);
            row[j + 1] = replaced.min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row.last().copied().unwrap_or(0)
}
