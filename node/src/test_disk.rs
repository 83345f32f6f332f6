//! A full disk for tests, without privileges: a process that may write no file above a limit. A test starts itself again
//! under that limit, with SIGXFSZ ignored, so that a write fails instead of killing.

use std::path::{Path, PathBuf};
use std::process::Command;

const DIRECTORY: &str = "TONLE_TEST_FULL_DISK";

/// The data directory, when this process runs under the limit.
pub(crate) fn limited() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Runs the test `name` again in a process of its own that may write no file above `limit_kib`, and gives what it
/// printed after `marker`.
pub(crate) fn run_limited(name: &str, data: &Path, limit_kib: u32, marker: &str) -> String {
    // POSIX counts in blocks of 512 bytes, bash unless POSIXLY_CORRECT in 1024.
    let limited = format!("trap '' XFSZ; POSIXLY_CORRECT=1; ulimit -f {}; exec \"$@\"", 2 * limit_kib);
    let output = Command::new("sh")
        .args(["-c", &limited, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(DIRECTORY, data)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let found = text.lines().find_map(|line| line.split_once(marker));
    found.unwrap_or_else(|| panic!("the limit had no effect: {text}")).1.trim().to_owned()
}
