//! How a child learns that its parent is gone: the parent holds the other end of the child's standard input, and the
//! kernel is asked to kill the child with its parent. Either alone would do; the pipe works across any `exec`, the
//! kernel's signal even when the child hangs.

use std::io::{Error, Read};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Ends this process when its parent ends: for `tonle run --exit-with-parent`, called once at the start.
///
/// # Errors
/// When the parent is gone already, the kernel refuses the request, or no thread can be started.
pub fn exit_with_parent() -> std::io::Result<()> {
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before the request would never be noticed by it.
    if parent.is_none() || getppid() != parent {
        return Err(Error::other("the process that started this one has ended"));
    }
    std::thread::Builder::new().name("lifeline".to_owned()).spawn(|| {
        let mut byte = [0u8; 1];
        // The parent never writes; the read ends when the last writer is gone.
        while matches!(std::io::stdin().read(&mut byte), Ok(1..)) {}
        std::process::exit(1);
    })?;
    Ok(())
}
