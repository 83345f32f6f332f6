//! Configuration as an operator meets it: what is right, and for each thing that can be wrong, what is said.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Config, EXAMPLE, Grpc, LogFormat, Overrides, Problem, Role};

/// A folder with the files that a configuration names.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        for name in ["genesis.json", "validator.key", "network.key", "grpc.pem", "grpc.key", "passphrase"] {
            let path = folder.path(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        }
        folder
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn load(&self, text: &str, overrides: &Overrides) -> Result<Config, Vec<Problem>> {
        let file = self.path("tonle.toml");
        std::fs::write(&file, text).unwrap();
        Config::load(&file, overrides).map_err(|problems| problems.0)
    }
}

const LEAST: &str = r#"
[node]
genesis = "genesis.json"
[keys]
validator = "validator.key"
network = "network.key"
"#;

fn variable(name: &str, value: &str) -> Overrides {
    Overrides { environment: vec![(name.to_owned(), value.to_owned())], set: Vec::new() }
}

fn set(pairs: &[&str]) -> Overrides {
    Overrides { environment: Vec::new(), set: pairs.iter().map(|pair| (*pair).to_owned()).collect() }
}

#[test]
fn fills_what_is_left_out_with_the_documented_defaults() {
    let folder = Folder::new();
    let config = folder.load(LEAST, &Overrides::default()).unwrap();
    assert_eq!(config.role, Role::Validator { key_file: folder.path("validator.key") });
    assert_eq!(config.data_dir, folder.path("data"));
    assert_eq!(config.grpc, Grpc::Loopback("127.0.0.1:50051".parse().unwrap()));
    assert_eq!(config.metrics, Some("127.0.0.1:9100".parse().unwrap()));
    assert_eq!(config.network.listen.len(), 2);
    assert_eq!(config.limits.grpc_calls_max, 256);
    assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
}

/// The values that the example shows commented out are the defaults: uncommented, they change nothing.
#[test]
fn the_example_states_the_defaults() {
    let folder = Folder::new();
    let mut uncommented = String::new();
    let mut keys = 0;
    for line in EXAMPLE.lines() {
        let setting = line.strip_prefix("# ").filter(|rest| {
            rest.split_once(" = ")
                .is_some_and(|(key, _)| key.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()))
        });
        match setting {
            // What has no default, and the count that depends on the machine.
            Some(rest)
                if ["tls_", "passphrase_file", "acleda", "signature_threads"]
                    .iter()
                    .any(|key| rest.starts_with(key)) => {}
            Some(rest) => {
                uncommented.push_str(rest);
                uncommented.push('\n');
                keys += 1;
            }
            None => {
                uncommented.push_str(line);
                uncommented.push('\n');
            }
        }
    }
    assert_eq!(keys, 16);
    let least = folder.load(LEAST, &Overrides::default()).unwrap();
    assert_eq!(folder.load(EXAMPLE, &Overrides::default()).unwrap(), least);
    assert_eq!(folder.load(&uncommented, &Overrides::default()).unwrap(), least);
}

#[test]
fn the_example_documents_every_key() {
    for key in super::fields::known_keys() {
        let name = key.rsplit('.').next().unwrap();
        assert!(EXAMPLE.contains(&format!("{name} = ")) || key == "network.peers", "{key} is not documented");
    }
}

#[test]
fn a_flag_wins_over_a_variable_and_a_variable_over_the_file() {
    let folder = Folder::new();
    let file = format!("{LEAST}[grpc]\nlisten = \"127.0.0.1:1\"\n");
    let listen = |overrides| folder.load(&file, &overrides).unwrap().grpc.listen().port();
    assert_eq!(listen(Overrides::default()), 1);
    assert_eq!(listen(variable("TONLE_GRPC_LISTEN", "127.0.0.1:2")), 2);
    let both =
        Overrides { set: vec!["grpc.listen=127.0.0.1:3".to_owned()], ..variable("TONLE_GRPC_LISTEN", "127.0.0.1:2") };
    assert_eq!(listen(both), 3);
    assert_eq!(listen(set(&["grpc.listen=127.0.0.1:4", "grpc.listen=127.0.0.1:5"])), 5);
}

#[test]
fn lists_and_tables_come_from_variables_too() {
    let folder = Folder::new();
    let peers = variable("TONLE_NETWORK_PEERS", r#"{aba=["/ip4/192.0.2.1/tcp/7700"],wing=["/ip6/::1/udp/1/quic-v1"]}"#);
    let config = folder.load(LEAST, &peers).unwrap();
    assert_eq!(config.network.peers.keys().collect::<Vec<_>>(), ["aba", "wing"]);
    let one = set(&[r#"network.peers.aba=["/ip4/192.0.2.1/tcp/7700"]"#, r#"network.listen=["/ip4/127.0.0.1/tcp/0"]"#]);
    let config = folder.load(LEAST, &one).unwrap();
    assert_eq!(config.network.peers["aba"].len(), 1);
    assert_eq!(config.network.listen.len(), 1);
}

#[test]
fn an_observer_needs_no_validator_key() {
    let folder = Folder::new();
    let text = "[node]\nrole = \"observer\"\ngenesis = \"genesis.json\"\n[keys]\nnetwork = \"network.key\"\n";
    assert_eq!(folder.load(text, &Overrides::default()).unwrap().role, Role::Observer);
    let problems = folder.load(text, &set(&["keys.validator=validator.key"])).unwrap_err();
    assert_eq!(problems[0].key, "keys.validator");
}

#[test]
fn tls_opens_other_addresses() {
    let folder = Folder::new();
    let tls = set(&["grpc.listen=0.0.0.0:50051", "grpc.tls_certificate=grpc.pem", "grpc.tls_key=grpc.key"]);
    let config = folder.load(LEAST, &tls).unwrap();
    assert!(matches!(config.grpc, Grpc::Tls(address, _) if address.port() == 50051));
    assert!(matches!(folder.load(LEAST, &set(&["grpc.listen=[::1]:9"])).unwrap().grpc, Grpc::Loopback(_)));
}

#[test]
fn merchants_are_served_where_the_configuration_says_so() {
    let folder = Folder::new();
    let merchant = |pairs: &[&str]| folder.load(LEAST, &set(pairs)).unwrap().merchant;
    assert_eq!(merchant(&[]), None);
    assert_eq!(merchant(&["merchant.listen=off", "merchant.url=https://pay.example"]), None);
    let plain = merchant(&["merchant.listen=127.0.0.1:8800"]).unwrap();
    assert_eq!((plain.tls, plain.token_requests_per_second, plain.address_requests_per_second), (None, 50, 100));
    let pairs = ["merchant.listen=0.0.0.0:443", "merchant.tls_certificate=grpc.pem", "merchant.tls_key=grpc.key"];
    assert!(merchant(&pairs).unwrap().tls.is_some());
}

/// One row for each thing that can be wrong: what is set, the key that is named, and a part of what is said.
#[test]
fn names_the_key_and_the_remedy_of_each_problem() {
    let folder = Folder::new();
    std::fs::set_permissions(folder.path("grpc.key"), Permissions::from_mode(0o644)).unwrap();
    let rows: [(&str, &str, &str); 33] = [
        ("node.role=leader", "node.role", "write one of: validator, observer"),
        ("node.role=1", "node.role", "write it in quotes"),
        ("node.genesis=none.json", "node.genesis", "relative to the configuration file's folder"),
        ("keys.validator=none.key", "keys.validator", "correct the path"),
        ("keys.network=grpc.key", "keys.network", "chmod 600"),
        ("keys.passphrase_file=none", "keys.passphrase_file", "correct the path"),
        ("network.listen=[]", "network.listen", "write one address at least"),
        ("network.listen=/ip4/127.0.0.1/tcp/1", "network.listen", "with the brackets"),
        ("network.listen=[\"127.0.0.1:1\"]", "network.listen", "write /ip4/"),
        ("network.listen=[\"/dns4/example.org/tcp/1\"]", "network.listen", "write /ip4/"),
        ("network.listen=[\"/ip4/127.0.0.1/tcp/1/ws\"]", "network.listen", "write /ip4/"),
        ("network.peers=[]", "network.peers", "write [network.peers]"),
        ("network.peers.aba=[]", "network.peers.aba", "write one address at least"),
        (
            "network.peers.aba=[\"/ip4/192.0.2.1/tcp/1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp\"]",
            "network.peers.aba",
            "without /p2p",
        ),
        ("grpc.listen=localhost:1", "grpc.listen", "write IP:PORT"),
        ("grpc.listen=0.0.0.0:50051", "grpc.listen", "set grpc.tls_certificate and grpc.tls_key"),
        ("grpc.listen=192.0.2.1:50051", "grpc.listen", "set grpc.tls_certificate and grpc.tls_key"),
        ("grpc.tls_key=grpc.pem", "grpc.tls_certificate", "name its chain"),
        ("grpc.tls_certificate=grpc.pem", "grpc.tls_key", "name its key"),
        ("metrics.listen=9100", "metrics.listen", "write it in quotes"),
        ("metrics.listen=127.0.0.1:50051", "metrics.listen", "give each its own port"),
        ("merchant.listen=8800", "merchant.listen", "write it in quotes"),
        ("merchant.listen=0.0.0.0:8800", "merchant.listen", "set merchant.tls_certificate and merchant.tls_key"),
        ("merchant.tls_key=grpc.pem", "merchant.tls_certificate", "name its chain"),
        ("merchant.tls_certificate=grpc.pem", "merchant.tls_key", "name its key"),
        ("merchant.url=ftp://bank.example", "merchant.url", "https://"),
        ("merchant.token_requests_per_second=0", "merchant.token_requests_per_second", "from 1 to 100000"),
        ("log.level=loud=very", "log.level", "write error, warn, info"),
        ("log.format=xml", "log.format", "write one of: text, json"),
        ("limits.connections_max=7", "limits.connections_max", "from 8 to 4096"),
        ("limits.cache_mib=many", "limits.cache_mib", "from 8 to"),
        ("limits.signature_threads=-1", "limits.signature_threads", "from 1 to 256"),
        ("grpc.lisen=127.0.0.1:1", "grpc.lisen", "did you mean grpc.listen?"),
    ];
    for (pair, key, said) in rows {
        let problems = folder.load(LEAST, &set(&[pair])).unwrap_err();
        assert_eq!(problems.len(), 1, "{pair}: {problems:?}");
        assert_eq!(problems[0].key, key, "{pair}");
        assert!(problems[0].advice.contains(said), "{pair}: {}", problems[0]);
        assert!(problems[0].to_string().starts_with(key));
    }
}

#[test]
fn finds_every_problem_at_once_and_where_each_comes_from() {
    let folder = Folder::new();
    let text = "[node]\nrole = \"king\"\n[grpc]\nlisten = \"0.0.0.0:1\"\n[surprise]\nkey = 1\n";
    let overrides = Overrides {
        environment: vec![("TONLE_LOG_FORMAT".to_owned(), "xml".to_owned()), ("HOME".to_owned(), "/".to_owned())],
        set: vec!["limits.cache_mib=1".to_owned()],
    };
    let problems = folder.load(text, &overrides).unwrap_err();
    let found: Vec<_> = problems.iter().map(|problem| (problem.key.as_str(), problem.source.as_deref())).collect();
    assert_eq!(
        found,
        [
            ("surprise.key", Some("the file")),
            ("node.role", Some("the file")),
            ("keys.validator", None),
            ("node.genesis", None),
            ("keys.network", None),
            ("grpc.listen", Some("the file")),
            ("log.format", Some("the variable TONLE_LOG_FORMAT")),
            ("limits.cache_mib", Some("--set")),
        ]
    );
}

#[test]
fn refuses_variables_that_name_no_key_but_leaves_those_of_commands() {
    let folder = Folder::new();
    let problems = folder.load(LEAST, &variable("TONLE_GRPC_LISTN", "x")).unwrap_err();
    assert!(problems[0].advice.contains("did you mean TONLE_GRPC_LISTEN?"), "{}", problems[0]);
    assert!(folder.load(LEAST, &variable("TONLE_PASSPHRASE", "secret")).is_ok());
}

#[test]
fn says_what_is_wrong_with_the_file_as_a_whole() {
    let folder = Folder::new();
    let absent = Config::load(Path::new("/nowhere/tonle.toml"), &Overrides::default()).unwrap_err();
    assert!(absent.to_string().contains("tonle config example"), "{absent}");
    let problems = folder.load("[node]\nrole = validator\n", &Overrides::default()).unwrap_err();
    assert!(problems[0].problem.contains("is not TOML") && problems[0].problem.contains("line 2"), "{}", problems[0]);
    let problems = folder.load("role = \"validator\"\n", &Overrides::default()).unwrap_err();
    assert_eq!(problems[0].problem, "stands outside any section");
}

#[test]
fn refuses_an_override_without_a_value() {
    let folder = Folder::new();
    let problems = folder.load(LEAST, &set(&["grpc.listen"])).unwrap_err();
    assert!(problems[0].advice.contains("section.key=value"));
}
