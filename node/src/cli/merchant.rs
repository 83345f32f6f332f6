//! `tonle merchant`: the tokens of the bank's merchants, on the host of its node.
//!
//! Must not know: how tokens are kept.

use std::path::PathBuf;

use anyhow::{Result, bail};
use tonle_node::gateway::administration::{Reply, Request, Token, ask};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle merchant token new --account coffee@aba --name \"Coffee House\" --email till@coffee.example --data data
  tonle merchant token list --data .devnet/nodes/aba/data
  tonle merchant token revoke 0123456789abcdef --data data

The node must run, with merchant.listen set. Who may write to its data folder may issue tokens. A token is shown once:
the node keeps its digest only.";

/// Subcommands of `tonle merchant`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Issue, list and revoke tokens.
    #[command(subcommand)]
    Token(TokenCommand),
}

/// Where the node keeps its data, and how the answer is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Node {
    /// The data folder of the running node: its node.data_dir.
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Subcommands of `tonle merchant token`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum TokenCommand {
    /// Issue a token, and print it: this once.
    #[command(after_help = AFTER_HELP)]
    New {
        /// An account of this bank that the token reaches; up to 16.
        #[arg(long = "account", value_name = "ACCOUNT", required = true)]
        accounts: Vec<String>,
        /// Who has it, in the bank's words.
        #[arg(long)]
        name: String,
        /// Under which address its owner renews it by /v1/renew_token; without one he cannot.
        #[arg(long, default_value = "")]
        email: String,
        /// For how many days it is good.
        #[arg(long, default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        node: Node,
    },
    /// List tokens, oldest first.
    #[command(after_help = AFTER_HELP)]
    List {
        #[command(flatten)]
        node: Node,
    },
    /// Take a token back, at once.
    #[command(after_help = AFTER_HELP)]
    Revoke {
        /// The token's id, as listed.
        id: String,
        #[command(flatten)]
        node: Node,
    },
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> Result<()> {
    let Command::Token(command) = command;
    let (request, node) = match command {
        TokenCommand::New { accounts, name, email, days, node } => {
            let (name, email, accounts) = (name.clone(), email.clone(), accounts.clone());
            (Request::New { name, email, accounts, days: *days }, node)
        }
        TokenCommand::List { node } => (Request::List, node),
        TokenCommand::Revoke { id, node } => (Request::Revoke { id: id.clone() }, node),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match runtime.block_on(ask(&node.data, &request))? {
        reply @ Reply::Issued { .. } if node.json => print_json(&reply),
        Reply::Issued { secret, token } => {
            print(&secret)?;
            print(&line(&token))
        }
        Reply::Tokens(tokens) => {
            tokens.iter().try_for_each(|token| if node.json { print_json(token) } else { print(&line(token)) })
        }
        Reply::Revoked(token) if node.json => print_json(&token),
        Reply::Revoked(token) => print(&line(&token)),
        Reply::Refused(why) => bail!(why),
    }
}

fn line(token: &Token) -> String {
    let state = match token.revoked_ms {
        Some(revoked_ms) => format!("revoked {revoked_ms}"),
        None => format!("good until {} (ms)", token.expires_ms),
    };
    let email = if token.email.is_empty() { "no address" } else { &token.email };
    format!("{}  {}  {}  {}  {}", token.id, token.accounts.join(","), token.name, email, state)
}
