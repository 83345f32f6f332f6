//! A validator process: started from this same binary, killed, stopped, and seen to end.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

/// How long a stopped process may take to write what it holds before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// The program that this process runs, also when a build replaced the file since.
///
/// # Errors
/// When the system does not say.
pub fn own_binary() -> Result<PathBuf> {
    let path = std::env::current_exe().context("cannot find the path of this program")?;
    Ok(if path.exists() { path } else { PathBuf::from("/proc/self/exe") })
}

/// What configures a node stands in its file; a variable meant for another node must not reach it. How much all of them
/// log is another matter.
fn foreign() -> impl Iterator<Item = std::ffi::OsString> {
    let names = std::env::vars_os().map(|(name, _)| name);
    names.filter(|name| name.to_str().is_some_and(|name| name.starts_with("TONLE_") && !name.starts_with("TONLE_LOG_")))
}

/// Founds the data directory of a new validator: `binary init --config config`.
///
/// # Errors
/// When the program cannot be started, or fails.
pub fn found(binary: &Path, config: &Path) -> Result<()> {
    let mut command = std::process::Command::new(binary);
    command.arg("init").arg("--config").arg(config).stdin(Stdio::null());
    foreign().for_each(|name| {
        command.env_remove(name);
    });
    let output = command.output().with_context(|| format!("cannot start {}", binary.display()))?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A running validator process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: u32,
    /// The child ends when this end of its standard input closes.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `binary run --config config`, its log appended to `log`.
    ///
    /// The kernel ties the child's life to the *thread* that starts it: call this on the main thread.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(binary: &Path, config: &Path, log: &Path) -> Result<Self> {
        let log_file = OpenOptions::new().create(true).append(true).open(log);
        let log_file = log_file.with_context(|| format!("cannot open {}", log.display()))?;
        let mut command = Command::new(binary);
        command.arg0("tonle").arg("run").arg("--config").arg(config).arg("--exit-with-parent");
        command.stdin(Stdio::piped()).stdout(log_file.try_clone()?).stderr(log_file);
        // A group of its own: Ctrl-C at the terminal reaches the supervisor, which stops its children in order.
        command.process_group(0).kill_on_drop(true);
        foreign().for_each(|name| {
            command.env_remove(name);
        });
        let mut child = command.spawn().with_context(|| format!("cannot start {}", binary.display()))?;
        let pid = child.id().context("the child ended at once")?;
        let lifeline = child.stdin.take();
        Ok(Process { child, pid, _lifeline: lifeline })
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its status, once it has ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// SIGKILL: what a power failure of that machine would be to the others.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, then SIGKILL when it does not end in time. Tells whether it ended by itself.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub async fn stop(&mut self) -> Result<bool> {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            // It may have ended since; the wait below tells.
            let _ = kill_process(pid, Signal::TERM);
        }
        if let Ok(status) = tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await {
            status?;
            return Ok(true);
        }
        self.kill().await?;
        Ok(false)
    }
}

/// The resident memory of a process, in MiB; none when there is no such process.
#[must_use]
pub fn resident_mib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib.div_ceil(1024))
}

/// What /proc counts processor time in: USER_HZ is 100 on every architecture that this runs on.
const TICK_MS: u64 = 10;

/// The processor time that a process has used so far, all its threads together; none when there is no such process.
#[must_use]
pub fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let used = ticks(11)?.checked_add(ticks(12)?)?;
    Some(Duration::from_millis(used.checked_mul(TICK_MS)?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{cpu_time, own_binary, resident_mib};

    #[test]
    fn processor_time_goes_on() {
        let before = cpu_time(std::process::id()).unwrap();
        while cpu_time(std::process::id()).unwrap() < before + Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        assert_eq!(cpu_time(0), None);
    }

    #[test]
    fn this_process_has_memory_and_a_binary() {
        assert!(resident_mib(std::process::id()).unwrap() > 0);
        assert_eq!(resident_mib(0), None);
        assert!(own_binary().unwrap().exists());
    }
}
