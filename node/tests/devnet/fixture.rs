//! A network of real validator processes, and waiting for what should happen in it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tonle_devnet::directory::Directory;

/// Long enough for anything that should happen, on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
/// One devnet at a time: each has four processes, and the machine may have two cores.
static TURN: Mutex<()> = Mutex::new(());

/// Waits for one's turn to run a network.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The program, run in `folder`.
pub(crate) fn command_in(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tonle"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

/// A devnet of four validators in a folder of its own.
pub(crate) struct Devnet {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) description: Value,
    _turn: MutexGuard<'static, ()>,
}

impl Devnet {
    pub(crate) fn up() -> Self {
        Self::up_with(&[])
    }

    /// A devnet with further arguments of `devnet up`.
    pub(crate) fn up_with(arguments: &[&str]) -> Self {
        let turn = turn();
        let folder = tempfile::tempdir().unwrap();
        let mut devnet = Devnet { folder, description: Value::Null, _turn: turn };
        devnet.start_with(arguments);
        devnet
    }

    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, arguments: &[&str]) {
        let output = self.done(&[&["devnet", "up", "--detach", "--wait", "--json"], arguments].concat());
        self.description = serde_json::from_str(&output).unwrap();
        assert_eq!(self.description["dir"], self.dir().to_str().unwrap());
        assert_eq!(self.description["validators"].as_array().unwrap().len(), 4);
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command_in(self.folder.path(), arguments);
        command.arg("--dir").arg(self.dir());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs a command that must fail with status 1; its standard error.
    pub(crate) fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
        text(&output.stderr)
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        let validators = self.description["validators"].as_array().unwrap();
        validators.iter().map(|validator| validator["pid"].as_u64().unwrap().try_into().unwrap()).collect()
    }

    pub(crate) fn supervisor(&self) -> u32 {
        Directory::new(&self.dir()).unwrap().read_state().unwrap().supervisor
    }

    /// The latest height of every node that answers.
    pub(crate) fn heights(&self) -> Vec<u64> {
        let output = self.run(&["status", "--json"]);
        text(&output.stdout)
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["height"].as_u64().unwrap())
            .collect()
    }

    pub(crate) fn highest(&self) -> u64 {
        self.heights().into_iter().max().unwrap_or(0)
    }

    pub(crate) fn khr(&self, account: &str) -> u64 {
        let report: Value = serde_json::from_str(&self.done(&["balance", account, "--json"])).unwrap();
        let balances = report["balances"].as_array().unwrap();
        balances
            .iter()
            .find(|balance| balance["asset"] == "KHR")
            .map_or(0, |khr| khr["available_minor"].as_u64().unwrap())
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the nodes say of themselves, and their logs, are all there is to find the cause by.
            let status = self.command(&["devnet", "status"]).output();
            let status = status.map(|output| text(&[output.stdout, output.stderr].concat()));
            eprintln!("{}\nlogs are kept: {}/nodes/*/node.log", status.unwrap_or_default(), self.dir().display());
            self.folder.disable_cleanup(true);
        }
        // A test that failed must not leave processes behind; one that ended them already has none to end.
        let _ = self.command(&["devnet", "down"]).output();
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Polls until `condition` holds.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

/// Is there a process, other than one that only waits to be collected?
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state follows the name, which stands in parentheses.
    stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next()).is_some_and(|state| state != 'Z')
}

pub(crate) fn wait_until_gone(pids: &[u32]) {
    wait_for("the processes to end", || pids.iter().all(|pid| !runs(*pid)));
}

/// Resident memory of a process, in MiB.
pub(crate) fn rss_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// The port in a configuration's listen address that holds `protocol`.
pub(crate) fn listen_port(config: &Path, protocol: &str) -> u16 {
    let config: toml::Table = std::fs::read_to_string(config).unwrap().parse().unwrap();
    let addresses = config["network"]["listen"].as_array().unwrap();
    let ports = addresses.iter().find_map(|address| {
        let mut parts = address.as_str().unwrap().split('/').skip_while(|part| *part != protocol);
        parts.nth(1).map(|port| port.parse().unwrap())
    });
    ports.unwrap()
}

/// The value of a counter or gauge at a node's metrics address.
pub(crate) fn counter(address: &str, name: &str) -> u64 {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}
