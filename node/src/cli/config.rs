//! `tonle config`: what stands in a configuration, and what is wrong with it.

use std::path::PathBuf;

use anyhow::bail;
use serde_json::json;
use tonle_node::config::{Config, EXAMPLE, Grpc, Overrides, Role};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle config example > tonle.toml
  tonle config check tonle.toml
  tonle config check tonle.toml --json | jq '.problems[] | .key'";

/// Subcommands of `tonle config`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Check a file, as `tonle run` does before it starts, and print every problem.
    Check {
        /// The configuration file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Set one key over file and environment; may be repeated.
        #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
        set: Vec<String>,
        /// Print one JSON object: {"ok", "problems": [{"key","source","problem","advice"}]}.
        #[arg(long)]
        json: bool,
    },
    /// Print a commented configuration file with every key, its unit, its default and why.
    Example,
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Example => print(EXAMPLE.trim_end()),
        Command::Check { file, set, json } => check(file, set, *json),
    }
}

fn check(file: &std::path::Path, set: &[String], json: bool) -> anyhow::Result<()> {
    match Config::load(file, &Overrides::from_process(set)) {
        Ok(_) if json => print_json(&json!({ "ok": true, "problems": [] })),
        Ok(config) => print(&format!("OK  {}", summary(&config))),
        Err(problems) => {
            if json {
                print_json(&json!({ "ok": false, "problems": problems }))?;
                bail!("{} is not usable", file.display());
            }
            Err(problems.into())
        }
    }
}

fn summary(config: &Config) -> String {
    let role = match &config.role {
        Role::Validator { .. } => "validator",
        Role::Observer => "observer",
    };
    let protection = match &config.grpc {
        Grpc::Loopback(_) => "loopback only",
        Grpc::Tls(..) => "TLS",
    };
    let metrics = config.metrics.map_or_else(|| "off".to_owned(), |address| format!("http://{address}/metrics"));
    format!(
        "{role} with {} peers, gRPC {} ({protection}), metrics {metrics}, data in {}",
        config.network.peers.len(),
        config.grpc.listen(),
        config.data_dir.display()
    )
}
