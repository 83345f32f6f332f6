//! `--config` and `--set`: how the commands of a node are told its configuration.
//!
//! Must not know: what the commands do with it.

use std::path::PathBuf;

use tonle_node::config::{Config, Overrides, Problems};

/// The configuration's file, and what stands over it.
#[derive(Debug, clap::Args)]
pub(super) struct Configuration {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Set one key over file and environment; may be repeated.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

impl Configuration {
    /// Reads it.
    ///
    /// # Errors
    /// [`Problems`]: every key that does not hold.
    pub(super) fn load(&self) -> Result<Config, Problems> {
        Config::load(&self.config, &Overrides::from_process(&self.set))
    }
}
