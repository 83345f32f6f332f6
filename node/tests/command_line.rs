//! The binary as an operator's shell sees it: what is printed where, the exit status, the files it leaves.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Shell(TempDir);

struct Outcome {
    status: i32,
    out: String,
    error: String,
}

impl Shell {
    fn new() -> Self {
        let shell = Shell(tempfile::tempdir().unwrap());
        shell.write("passphrase", "tonle sap\n");
        shell
    }
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonle"));
        command.args(line.split_whitespace()).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TONLE_") {
                command.env_remove(name);
            }
        }
        command
    }
    fn outcome(mut command: Command) -> Outcome {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Outcome { status: output.status.code().unwrap(), out: text(output.stdout), error: text(output.stderr) }
    }
    fn tonle(&self, line: &str) -> Outcome {
        Shell::outcome(self.command(line))
    }
    fn done(&self, line: &str) -> String {
        let outcome = self.tonle(line);
        assert_eq!((outcome.status, outcome.error.as_str()), (0, ""), "{line}");
        outcome.out
    }
    fn failed(&self, line: &str) -> String {
        let outcome = self.tonle(line);
        assert_eq!(outcome.status, 1, "{line}: {}", outcome.out);
        assert!(outcome.error.starts_with("error: "), "{line}: {}", outcome.error);
        outcome.error
    }
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(line)).unwrap()
    }
    fn key(&self, name: &str) -> String {
        let key = self.json(&format!("key new {name} --unencrypted --json"));
        key["public"].as_str().unwrap().to_owned()
    }
}

#[test]
fn every_command_explains_itself() {
    let shell = Shell::new();
    for line in [
        "",
        "run",
        "key",
        "key new",
        "genesis new",
        "config",
        "config check",
        "pay",
        "devnet",
        "devnet up",
        "validator",
        "validator list",
        "validator set",
        "validator remove",
        "participant",
        "participant add",
    ] {
        let help = shell.done(&format!("{line} --help"));
        assert!(help.contains("Usage: tonle"), "{line}: {help}");
    }
    for line in ["", "run", "key", "genesis", "config", "validator", "participant", "evidence", "evidence verify"] {
        assert!(shell.done(&format!("{line} --help")).contains("Examples:"), "{line} has no examples");
    }
    assert!(shell.done("--version").starts_with("tonle "));
}

#[test]
fn wrong_usage_is_status_2_and_names_the_argument() {
    let shell = Shell::new();
    for (line, said) in
        [("key new", "<FILE>"), ("run", "--config"), ("fly", "fly"), ("key new k --passwort x", "--passwort")]
    {
        let outcome = shell.tonle(line);
        assert_eq!((outcome.status, outcome.out.as_str()), (2, ""), "{line}");
        assert!(outcome.error.contains(said), "{line}: {}", outcome.error);
    }
}

#[test]
fn a_key_is_made_once_encrypted_and_shown_without_its_passphrase() {
    let shell = Shell::new();
    let made = shell.json("key new k --passphrase-file passphrase --json");
    let shown = shell.json("key show k --json");
    assert_eq!((&made, &made["encrypted"]), (&shown, &Value::Bool(true)));
    assert!(shell.done("key show k").contains(made["public"].as_str().unwrap()));
    assert!(shell.failed("key new k --passphrase-file passphrase").contains("--force overwrites it"));
    assert_eq!(shell.json("key show k --json"), made, "the key was overwritten");
    shell.done("key show k --verify --passphrase-file passphrase");
    shell.write("wrong", "tonle sup\n");
    assert!(shell.failed("key show k --verify --passphrase-file wrong").contains("the passphrase does not open it"));
    shell.done("key new k --passphrase-file passphrase --force");
    assert_ne!(shell.json("key show k --json"), made);
}

#[test]
fn a_passphrase_comes_from_a_file_the_environment_or_a_terminal_and_nowhere_else() {
    let shell = Shell::new();
    let asked = shell.failed("key new k");
    assert!(asked.contains("TONLE_PASSPHRASE") && asked.contains("--passphrase-file"), "{asked}");
    assert!(!shell.path("k").exists());
    let mut command = shell.command("key new k");
    command.env("TONLE_PASSPHRASE", "mekong");
    assert_eq!(Shell::outcome(command).status, 0);
    let mut command = shell.command("key show k --verify");
    command.env("TONLE_PASSPHRASE", "mekong");
    assert_eq!(Shell::outcome(command).status, 0);
    let mut command = shell.command("key new empty");
    command.env("TONLE_PASSPHRASE", "");
    assert!(Shell::outcome(command).error.contains("the passphrase is empty"));
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let shell = Shell::new();
    shell.key("k");
    std::fs::set_permissions(shell.path("k"), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(shell.failed("key show k").contains("chmod 600"));
}

#[test]
fn genesis_is_made_shown_and_never_overwritten() {
    let shell = Shell::new();
    for name in ["nbc.key", "aba.key", "v.key", "n.key"] {
        shell.key(name);
    }
    let wing: Vec<String> = ["w1", "w2", "w3"].iter().map(|name| shell.key(name)).collect();
    let line = format!(
        "genesis new g.json --chain riel-test --operator nbc=nbc.key --bank aba=aba.key --bank wing={} \
         --validator aba=v.key,n.key --validator wing={},{} --account alice@aba=1,000KHR --account alice@aba=2.50USD \
         --account bob@wing",
        wing[0], wing[1], wing[2]
    );
    let made = shell.json(&format!("{line} --json"));
    let shown = shell.json("genesis show g.json --json");
    assert_eq!(made, shown);
    assert_eq!(shown["chain"], "riel-test");
    assert_eq!((&shown["quorum"], &shown["faults_tolerated"]), (&Value::from(2), &Value::from(0)));
    assert_eq!((&shown["participants"], &shown["accounts"]), (&Value::from(3), &Value::from(2)));
    assert_eq!(shown["words"].as_str().unwrap().split(' ').count(), 16);
    let text = shell.done("genesis show g.json");
    assert!(text.contains(shown["digest"].as_str().unwrap()) && text.contains(&wing[1]), "{text}");
    assert!(shell.failed(&line).contains("--force"));
    // The digest is over what stands there, not over the text.
    let file = std::fs::read_to_string(shell.path("g.json")).unwrap();
    shell.write("spaced.json", &file.replace(": ", " :  "));
    assert_eq!(shell.json("genesis show spaced.json --json")["digest"], shown["digest"]);
    shell.write("changed.json", &file.replacen("riel-test", "riel-text", 1));
    assert_ne!(shell.json("genesis show changed.json --json")["digest"], shown["digest"]);
    shell.write("unknown.json", &file.replacen("{", "{\"surprise\": 1, ", 1));
    assert!(shell.failed("genesis show unknown.json").contains("surprise"));
}

#[test]
fn genesis_says_what_is_wrong_with_an_argument() {
    let shell = Shell::new();
    for name in ["a.key", "b.key", "c.key"] {
        shell.key(name);
    }
    let start = "genesis new g.json --chain c --operator nbc=a.key";
    for (rest, said) in [
        ("--validator nbc=b.key", "ID=KEY,NETWORK-KEY"),
        ("--validator nbc=b.key,none.key", "neither 64 hexadecimal digits nor a key file"),
        ("--validator nbc=b.key,0000000000000000000000000000000000000000000000000000000000000000", "no usable key"),
        ("--validator nbc=b.key,c.key --account alice=5KHR", "alice"),
        ("--validator nbc=b.key,c.key --account alice@nbc=5EUR", "KHR or USD"),
        ("--validator nbc=b.key,c.key --account alice@nbc=1.234KHR", "1.234KHR"),
        ("--validator nbc=b.key,c.key --account alice@aba=5KHR", "aba"),
    ] {
        let error = shell.failed(&format!("{start} {rest}"));
        assert!(error.contains(said), "{rest}: {error}");
        assert!(!shell.path("g.json").exists(), "{rest}");
    }
}

#[test]
fn a_configuration_is_checked_with_every_problem_named() {
    let shell = Shell::new();
    shell.write("tonle.toml", &shell.done("config example"));
    shell.write("genesis.json", "{}");
    shell.key("validator.key");
    assert!(shell.failed("config check tonle.toml").contains("keys.network"));
    shell.key("network.key");
    assert!(shell.done("config check tonle.toml").starts_with("OK  validator with 0 peers, gRPC 127.0.0.1:50051"));
    assert_eq!(shell.json("config check tonle.toml --json")["ok"], true);
    let outcome = shell.tonle("config check tonle.toml --json --set grpc.listen=0.0.0.0:1 --set log.format=xml");
    assert_eq!(outcome.status, 1);
    let report: Value = serde_json::from_str(&outcome.out).unwrap();
    let keys: Vec<&str> =
        report["problems"].as_array().unwrap().iter().map(|problem| problem["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["grpc.listen", "log.format"]);
    let mut command = shell.command("config check tonle.toml");
    command.env("TONLE_GRPC_LISTEN", "[::1]:7");
    assert!(Shell::outcome(command).out.contains("gRPC [::1]:7"));
}

#[test]
fn a_node_does_not_start_on_what_does_not_hold() {
    let shell = Shell::new();
    assert!(shell.failed("run --config none.toml").contains("tonle config example"));
    shell.key("validator.key");
    shell.key("network.key");
    shell.write("genesis.json", "{}");
    shell.write("tonle.toml", &shell.done("config example"));
    let error = shell.failed("run --config tonle.toml --set grpc.listen=0.0.0.0:50051");
    assert!(error.contains("set grpc.tls_certificate and grpc.tls_key"), "{error}");
    let outcome = shell.tonle("run --config tonle.toml");
    assert_eq!(outcome.status, 1);
    assert!(outcome.error.contains("genesis.json"), "{}", outcome.error);
    assert!(!Path::new(&shell.path("data")).exists(), "a data folder was made for no chain");
}
