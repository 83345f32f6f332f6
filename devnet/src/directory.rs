//! The folder of a devnet: what stands where in it, and the state file by which commands find its live nodes.
//!
//! ```text
//! .devnet/
//!   genesis.json            the chain
//!   keys/<participant>.key  what signs its transactions (development keys, mode 0600)
//!   keys/<participant>-encryption.key  what opens the personal data that is sealed for it
//!   nodes/<validator>/      config.toml, validator.key, network.key, node.log, data/
//!   state.json              processes and ports while it runs; gone when it is down
//!   control.sock            how commands reach the supervisor
//!   lock                    held by the supervisor
//!   supervisor.log          what a detached supervisor had to say
//! ```

use std::fs::{DirBuilder, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

/// How long a lock may be held by commands that only look at it.
const LOCK_PATIENCE: Duration = Duration::from_millis(200);

/// A devnet's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    root: PathBuf,
}

/// One validator process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValidatorProcess {
    /// The participant.
    pub name: String,
    /// The process; none while it is down.
    pub pid: Option<u32>,
    /// Where gRPC listens, `host:port`.
    pub grpc: String,
    /// Where metrics are served, `host:port`.
    pub metrics: String,
    /// Where the merchant gateway listens, `host:port`.
    pub merchant: String,
}

/// What `devnet up --json` and `devnet status --json` print.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Description {
    /// The folder, absolute.
    pub dir: PathBuf,
    /// The genesis file, absolute.
    pub genesis: PathBuf,
    /// The validators, in genesis order.
    pub validators: Vec<ValidatorProcess>,
}

/// The state file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The supervisor's process.
    pub supervisor: u32,
    /// The rest.
    pub devnet: Description,
}

impl Directory {
    /// The folder at `path`, which need not exist.
    ///
    /// # Errors
    /// When the working folder is gone.
    pub fn new(path: &Path) -> Result<Self> {
        let root = std::path::absolute(path).with_context(|| format!("no such folder: {}", path.display()))?;
        Ok(Directory { root })
    }

    /// Makes it, readable by its owner alone, with the folders for keys and nodes.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn create(&self) -> Result<()> {
        for folder in [self.root.clone(), self.root.join("keys"), self.root.join("nodes")] {
            create_private(&folder)?;
        }
        Ok(())
    }

    /// Its absolute path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The genesis file.
    #[must_use]
    pub fn genesis(&self) -> PathBuf {
        self.root.join("genesis.json")
    }
    /// The folder of the participants' keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }
    /// The key that signs a participant's transactions.
    #[must_use]
    pub fn participant_key(&self, participant: &str) -> PathBuf {
        self.keys().join(format!("{participant}.key"))
    }
    /// The key that opens what is sealed for a participant.
    #[must_use]
    pub fn encryption_key(&self, participant: &str) -> PathBuf {
        self.keys().join(format!("{participant}-encryption.key"))
    }
    /// A validator's folder.
    #[must_use]
    pub fn node(&self, validator: &str) -> PathBuf {
        self.root.join("nodes").join(validator)
    }
    /// A validator's configuration.
    #[must_use]
    pub fn config(&self, validator: &str) -> PathBuf {
        self.node(validator).join("config.toml")
    }
    /// A validator's data directory.
    #[must_use]
    pub fn data(&self, validator: &str) -> PathBuf {
        self.node(validator).join("data")
    }
    /// A validator's log.
    #[must_use]
    pub fn log(&self, validator: &str) -> PathBuf {
        self.node(validator).join("node.log")
    }
    /// A detached supervisor's log.
    #[must_use]
    pub fn supervisor_log(&self) -> PathBuf {
        self.root.join("supervisor.log")
    }
    /// The control socket.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }
    fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// Is there a devnet here, running or not?
    #[must_use]
    pub fn exists(&self) -> bool {
        self.genesis().exists()
    }

    /// Takes the supervisor's lock; it is held until the file is dropped, whatever ends the process.
    ///
    /// # Errors
    /// When another supervisor has it.
    pub fn lock(&self) -> Result<File> {
        let file = File::create(self.root.join("lock")).context("cannot open the lock file")?;
        let deadline = Instant::now() + LOCK_PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                // A command that looks whether it is held holds it for a moment itself.
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => std::thread::yield_now(),
                Err(TryLockError::WouldBlock) => bail!(
                    "a devnet runs in {}: `tonle devnet status` shows it, `tonle devnet down` ends it",
                    self.root.display()
                ),
                Err(TryLockError::Error(error)) => return Err(error).context("cannot lock the folder"),
            }
        }
    }

    /// Does a supervisor hold the lock?
    #[must_use]
    pub fn is_running(&self) -> bool {
        let Ok(file) = File::open(self.root.join("lock")) else { return false };
        // Shared, so that two commands that look at once do not take each other for a supervisor.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// Replaces the state file, all or nothing.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn write_state(&self, state: &State) -> Result<()> {
        write_whole(&self.state(), &serde_json::to_vec_pretty(state)?)
    }

    /// Reads the state file of a running devnet.
    ///
    /// # Errors
    /// When none runs here; says how to start one.
    pub fn read_state(&self) -> Result<State> {
        let dir = self.root.display();
        if !self.is_running() {
            if self.exists() {
                bail!("the devnet in {dir} is down: start it with `tonle devnet up --dir {dir}`");
            }
            bail!("no devnet in {dir}: start one with `tonle devnet up`, or name its folder with --dir");
        }
        let text = std::fs::read(self.state()).with_context(|| format!("the devnet in {dir} is still starting"))?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", self.state().display()))
    }

    /// Removes the state file: the devnet is down.
    pub fn remove_state(&self) {
        // What is left of it is ignored without the lock.
        let _ = std::fs::remove_file(self.state());
    }
}

/// Makes a folder, and those above it, that only its owner can enter.
///
/// # Errors
/// When the file system refuses.
pub fn create_private(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Writes a file beside its place and moves it there.
///
/// # Errors
/// When the file system refuses.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = path.with_extension("new");
    let write = || {
        let mut file = File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// The end of a text file, for error messages: at most `lines` lines.
#[must_use]
pub fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read(path).unwrap_or_default();
    let from = text.len().saturating_sub(16 * 1024);
    let text = String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned();
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{Description, Directory, State, ValidatorProcess, tail};

    fn state(directory: &Directory) -> State {
        let validator = ValidatorProcess {
            name: "aba".to_owned(),
            pid: Some(7),
            grpc: "127.0.0.1:50051".to_owned(),
            metrics: "127.0.0.1:9100".to_owned(),
            merchant: "127.0.0.1:8800".to_owned(),
        };
        let devnet =
            Description { dir: directory.root().to_owned(), genesis: directory.genesis(), validators: vec![validator] };
        State { supervisor: 1, devnet }
    }

    #[test]
    fn state_is_read_only_while_a_supervisor_holds_the_lock() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        assert!(directory.read_state().unwrap_err().to_string().contains("no devnet in"));
        directory.create().unwrap();
        let state = state(&directory);
        directory.write_state(&state).unwrap();
        assert!(directory.read_state().is_err());
        let lock = directory.lock().unwrap();
        assert_eq!(directory.read_state().unwrap(), state);
        assert!(directory.lock().unwrap_err().to_string().contains("a devnet runs in"));
        drop(lock);
        assert!(!directory.is_running());
    }

    #[test]
    fn the_description_has_the_documented_shape() {
        let directory = Directory::new(std::path::Path::new("/tmp/net")).unwrap();
        let json = serde_json::to_string(&state(&directory).devnet).unwrap();
        assert_eq!(
            json,
            r#"{"dir":"/tmp/net","genesis":"/tmp/net/genesis.json","validators":[{"name":"aba","pid":7,"grpc":"127.0.0.1:50051","metrics":"127.0.0.1:9100","merchant":"127.0.0.1:8800"}]}"#
        );
    }

    #[test]
    fn the_tail_of_a_file_is_its_last_lines() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("log");
        std::fs::write(&path, "a\nb\nc\n").unwrap();
        assert_eq!(tail(&path, 2), "b\nc");
        assert_eq!(tail(&temporary.path().join("none"), 2), "");
    }
}
