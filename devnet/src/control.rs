//! How a command reaches the supervisor of a devnet: one JSON line there, one back, over a Unix socket in the folder.
//! Only the folder's owner can enter it, so nobody else can ask.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

use crate::directory::Directory;

/// Longest line either way.
const LINE_MAX: u64 = 64 * 1024;
/// How long the supervisor may take to answer; stopping 31 validators in order is the longest.
const PATIENCE: Duration = Duration::from_mins(2);

/// What a supervisor can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// SIGKILL one validator.
    Kill {
        /// The validator.
        name: String,
        /// Its data directory goes as well.
        wipe: bool,
    },
    /// Start one that is down, or stop and start one that runs.
    Restart {
        /// The validator.
        name: String,
        /// With an empty disk, it begins with a snapshot: `sync.mode = "snapshot"`. Unsaid: no.
        #[serde(default)]
        snapshot: bool,
    },
    /// Make the keys, the configuration and the disk of a bank's first validator here, and start it.
    Join {
        /// The bank.
        name: String,
    },
    /// Stop a validator for good: its folder goes.
    Leave {
        /// The validator.
        name: String,
    },
    /// Cut the links between groups; names in no group reach everyone. Without groups: heal all.
    Partition {
        /// Validators by group.
        groups: Vec<Vec<String>>,
        /// Heals by itself after this long.
        heal_after_ms: Option<u64>,
    },
    /// Delay a pair's link, or all, each way.
    Delay {
        /// The pair; none means all.
        pair: Option<(String, String)>,
        /// The delay.
        delay_ms: u64,
    },
    /// Say how it stands.
    Status,
    /// Stop everything.
    Down,
}

/// How one validator stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorReport {
    /// The participant.
    pub name: String,
    /// Its process, while it runs.
    pub pid: Option<u32>,
    /// `running`, `killed`, or how it ended.
    pub state: String,
}

/// What a supervisor answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// Done; what happened, for people.
    Done(String),
    /// To `Status`.
    Status {
        /// The validators.
        validators: Vec<ValidatorReport>,
        /// The links that are cut or delayed, for people.
        links: Vec<String>,
    },
    /// Not done; why, for people.
    Failed(String),
}

/// A path to the socket that is short enough for the 108 bytes of a socket address, however deep the folder lies. It
/// holds as long as the file returned with it is open.
fn short_path(directory: &Directory) -> Result<(File, PathBuf)> {
    let socket = directory.control_socket();
    let folder = File::open(directory.root()).with_context(|| format!("no folder {}", directory.root().display()))?;
    let name = socket.file_name().context("the socket has a name")?;
    let path = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((folder, path))
}

/// Opens the socket; only the holder of the folder's lock may.
///
/// # Errors
/// When the file system refuses.
pub fn listen(directory: &Directory) -> Result<UnixListener> {
    // Left behind by a supervisor that was killed; the lock says that there is no other.
    let _ = std::fs::remove_file(directory.control_socket());
    let (_folder, path) = short_path(directory)?;
    UnixListener::bind(&path).with_context(|| format!("cannot open {}", directory.control_socket().display()))
}

/// Reads the request of an accepted connection.
///
/// # Errors
/// When it is no request.
pub async fn receive(stream: &mut UnixStream) -> Result<Request> {
    let line = read_line(stream).await?;
    serde_json::from_str(&line).context("not a request")
}

/// Answers it.
///
/// # Errors
/// When the other side is gone.
pub async fn answer(stream: &mut UnixStream, reply: &Reply) -> Result<()> {
    write_line(stream, reply).await
}

/// Asks the supervisor of `directory`. [`Reply::Failed`] becomes an error.
///
/// # Errors
/// When no devnet runs there, or it says no.
pub async fn ask(directory: &Directory, request: &Request) -> Result<Reply> {
    // Says how to start one when none runs.
    directory.read_state()?;
    let exchange = async {
        let (_folder, path) = short_path(directory)?;
        let mut stream = UnixStream::connect(&path).await.context("the supervisor does not answer")?;
        write_line(&mut stream, request).await?;
        let line = read_line(&mut stream).await?;
        serde_json::from_str::<Reply>(&line).context("the supervisor answered nonsense: is it of another version?")
    };
    match tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| anyhow!("the supervisor does not answer"))?? {
        Reply::Failed(why) => bail!(why),
        reply => Ok(reply),
    }
}

async fn write_line<T: Serialize>(stream: &mut UnixStream, value: &T) -> Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    Ok(())
}

async fn read_line(stream: &mut UnixStream) -> Result<String> {
    let mut line = String::new();
    BufReader::new(stream.take(LINE_MAX)).read_line(&mut line).await?;
    if line.is_empty() {
        bail!("the other side closed the connection");
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::{Reply, Request, answer, ask, listen, receive};
    use crate::directory::{Description, Directory, State};

    #[tokio::test]
    async fn a_question_is_answered_however_deep_the_folder_lies() {
        let temporary = tempfile::tempdir().unwrap();
        let deep = temporary.path().join("a-folder-with-a-long-name".repeat(8));
        let directory = Directory::new(&deep).unwrap();
        directory.create().unwrap();
        let _lock = directory.lock().unwrap();
        let devnet = Description { dir: deep.clone(), genesis: directory.genesis(), validators: vec![] };
        directory.write_state(&State { supervisor: 1, devnet }).unwrap();
        let listener = listen(&directory).unwrap();
        let supervisor = tokio::spawn(async move {
            for reply in [Reply::Done("killed".to_owned()), Reply::Failed("no such validator".to_owned())] {
                let (mut stream, _) = listener.accept().await.unwrap();
                assert_eq!(receive(&mut stream).await.unwrap(), Request::Kill { name: "aba".to_owned(), wipe: false });
                answer(&mut stream, &reply).await.unwrap();
            }
        });
        let request = Request::Kill { name: "aba".to_owned(), wipe: false };
        assert_eq!(ask(&directory, &request).await.unwrap(), Reply::Done("killed".to_owned()));
        assert_eq!(ask(&directory, &request).await.unwrap_err().to_string(), "no such validator");
        supervisor.await.unwrap();
    }
}
