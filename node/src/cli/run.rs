//! `tonle run`: one node, from its configuration to its end.

use super::configuration::Configuration;

const AFTER_HELP: &str = "\
Examples:
  tonle run --config tonle.toml
  TONLE_LOG_LEVEL=debug tonle run --config tonle.toml --set grpc.listen=127.0.0.1:50052

The passphrase of encrypted keys: keys.passphrase_file, else the variable TONLE_PASSPHRASE, else a prompt.
SIGTERM or Ctrl-C stops it in order. Status 0: stopped so; 1: it could not start, or stopped for a stated reason.";

/// Arguments of `tonle run`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    configuration: Configuration,
    /// End when the process that started this one ends: for supervisors.
    #[arg(long, hide = true)]
    exit_with_parent: bool,
}

/// Runs the node.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.exit_with_parent {
        tonle_devnet::lifeline::exit_with_parent()?;
    }
    let config = arguments.configuration.load()?;
    tonle_node::telemetry::start(&config.log)?;
    tonle_node::run::run(config)
}
