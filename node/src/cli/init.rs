//! `tonle init`: founds the data directory of a validator that has never signed.

use anyhow::{Result, ensure};
use tonle_node::config::Role;
use tonle_node::data_directory::DataDirectory;
use tonle_node::guard_file::GuardFile;

use super::configuration::Configuration;

const AFTER_HELP: &str = "\
Examples:
  tonle init --config tonle.toml      once, before the first `tonle run`

A validator keeps a record of what it has signed, and without that record it signs nothing: `tonle run` on an empty data
directory takes the record for lost, follows the chain, and signs again two epochs after the others have told it where
they are. This command says instead that nothing was ever signed with the key. Never run it for a key that has signed:
two signatures of one view are proof of fraud.
Status 0: founded; 1: it was founded before, or cannot be.";

/// Arguments of `tonle init`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
}

/// Founds the data directory.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let config = arguments.configuration.load()?;
    ensure!(matches!(config.role, Role::Validator { .. }), "an observer signs nothing and needs no founding");
    let directory = DataDirectory::open(&config.data_dir)?;
    GuardFile::found(directory.path())?;
    super::print(&format!("founded {}: nothing was ever signed with this key", config.data_dir.display()))
}
