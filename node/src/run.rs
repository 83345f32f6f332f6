//! Wires one node together and runs it to its end.

use crate::config::Config;

/// Runs the node that `config` describes until it is told to stop.
///
/// # Errors
/// Why it could not start, or stopped.
pub fn run(config: Config) -> anyhow::Result<()> {
    anyhow::bail!("the node of {} is not wired yet", config.data_dir.display())
}
