//! Why a durable store failed. Every one of these is fatal: the process stops rather than goes on with a disk that did
//! not do what it was told. Each message names the file and says what the operator does next.

use std::io;
use std::path::{Path, PathBuf};

use tonle_crypto::{CodecError, Digest};

/// A disk or a file in the data directory failed, or does not belong to this node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{}: cannot {action}: {source}. Mend the disk or the directory's permissions, then start the node again", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// No space is left, or a quota or size limit is reached.
    #[error("{}: cannot {action}: no space left ({source}). Nothing is lost: free space on this file system, then start the node again", path.display())]
    NoSpace {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// There is one already.
    #[error("{}: exists. This validator was founded before, and may have signed: start it with `tonle run`", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file holds what this program never wrote.
    #[error("{}: corrupt at byte {offset}: {what}. {advice}", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where the first unreadable record begins.
        offset: u64,
        /// What is wrong with it.
        what: &'static str,
        /// What the operator does next.
        advice: &'static str,
    },
    /// A checksummed record does not decode: it was written by another version of the program.
    #[error("{}: the record at byte {offset} is whole but of an unknown form ({source}). Start the version of tonle that wrote it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// What the decoder refused.
        source: CodecError,
    },
    /// Another process has the data directory open.
    #[error("{}: another tonle process uses this data directory. Stop it first, or give this one a directory of its own", path.display())]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A record is longer than any reader accepts.
    #[error("{}: a record of {length} bytes is above the limit of {max}", path.display())]
    RecordTooLong {
        /// The file.
        path: PathBuf,
        /// The record's length in bytes.
        length: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// RocksDB refused an operation.
    #[error("{}: cannot {action}: {source}. If the disk is sound, move this directory away and start the node again: it fetches the blocks from its peers", path.display())]
    Database {
        /// The database's directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// RocksDB's reason.
        source: rocksdb::Error,
    },
    /// A value in the database is missing or does not decode.
    #[error("{}: table `{table}` is damaged: {what}. Move this directory away and start the node again: it fetches the blocks from its peers", path.display())]
    Damaged {
        /// The database's directory.
        path: PathBuf,
        /// The column family.
        table: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// The database was written under another schema.
    #[error("{}: the database has schema version {found}, this program reads {expected}. Start the version of tonle that wrote it, or move this directory away and let the node fetch the blocks from its peers", path.display())]
    SchemaVersion {
        /// The database's directory.
        path: PathBuf,
        /// The version in the database.
        found: u32,
        /// The version of this program.
        expected: u32,
    },
    /// The database belongs to another chain.
    #[error("{}: the database belongs to the chain with genesis {found}, the configuration names {expected}. Give the genesis file of that chain, or another data directory", path.display())]
    GenesisMismatch {
        /// The database's directory.
        path: PathBuf,
        /// The chain digest in the database.
        found: Digest,
        /// The chain digest configured.
        expected: Digest,
    },
    /// A block was handed over out of order.
    #[error("{}: block {found} was handed to storage, {expected} comes next. This is a defect of tonle: report it", path.display())]
    OutOfOrder {
        /// The database's directory.
        path: PathBuf,
        /// The height handed over.
        found: u64,
        /// The height that comes next.
        expected: u64,
    },
    /// An epoch was to begin whose validators are recorded already, as others.
    #[error("{}: epoch {found} was to begin, {expected} is the first that can. This is a defect of tonle: report it", path.display())]
    EpochOutOfOrder {
        /// The database's directory.
        path: PathBuf,
        /// The epoch handed over.
        found: u64,
        /// The first epoch that may begin.
        expected: u64,
    },
    /// The ledger refuses the state that is stored, or what was done with it.
    #[error("{}: the ledger's state is wrong: {source}. If the disk is sound, move this directory away and start the node again: it fetches the blocks from its peers. Keep the directory for analysis", path.display())]
    Ledger {
        /// The database's directory.
        path: PathBuf,
        /// What is wrong.
        source: tonle_ledger::Fatal,
    },
    /// A thread that owns a store has ended; its own error was reported before.
    #[error("the {0} thread has ended")]
    ThreadEnded(&'static str),
}

impl Error {
    /// Wraps a failed file operation, telling a full disk from other failures.
    pub(crate) fn io(path: &Path, action: &'static str, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Error::NoSpace { path, action, source }
            }
            _ => Error::Io { path, action, source },
        }
    }

    /// Wraps a failed database operation, telling a full disk from other failures.
    pub(crate) fn database(path: &Path, action: &'static str, source: rocksdb::Error) -> Self {
        let path = path.to_path_buf();
        // RocksDB reports the system's reason as text only.
        let full = ["No space left on device", "File too large", "Disk quota exceeded"];
        let text: &str = source.as_ref();
        if source.kind() == rocksdb::ErrorKind::IOError && full.iter().any(|reason| text.contains(reason)) {
            return Error::NoSpace { path, action, source: io::Error::new(io::ErrorKind::StorageFull, source) };
        }
        Error::Database { path, action, source }
    }
}
