//! The data directory of one node, locked so that two processes never share it. Its layout:
//!
//! ```text
//! <data>/LOCK        held for as long as the process runs
//! <data>/db/         RocksDB
//! <data>/guard/      the guard file
//! <data>/merchants/  the merchant gateway's RocksDB, where it is on
//! <data>/batches/    the log of unfinalized batches
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::storage::Error;

/// A locked data directory. The lock ends with this value, or with the process however it ends.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    _lock: File,
}

impl DataDirectory {
    /// Creates the directory where it is missing, and locks it.
    ///
    /// # Errors
    /// [`Error::InUse`] when another process holds it, and what the system says.
    pub fn open(path: &Path) -> Result<Self, Error> {
        std::fs::create_dir_all(path).map_err(|source| Error::io(path, "create", source))?;
        let lock_path = path.join("LOCK");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&lock_path)
            .map_err(|source| Error::io(&lock_path, "open", source))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDirectory { path: path.to_path_buf(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse { path: lock_path }),
            Err(TryLockError::Error(source)) => Err(Error::io(&lock_path, "lock", source)),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_at_a_time_and_the_next_one_after_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("not/there/yet");
        let held = DataDirectory::open(&path).unwrap();
        assert_eq!(held.path(), path);
        let refused = DataDirectory::open(&path).unwrap_err();
        assert!(matches!(refused, Error::InUse { .. }), "{refused}");
        assert!(refused.to_string().contains("another tonle process uses this data directory"), "{refused}");
        drop(held);
        DataDirectory::open(&path).unwrap();
    }
}
