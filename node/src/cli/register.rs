//! Questions about what the ledger keeps beside accounts, next to the commands that change it. The devnet library asks the
//! nodes.

use tonle_devnet::orders;
use tonle_devnet::register::{self, AliasArguments, Asking, LargeArguments};

use super::order;

/// `tonle alias`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = orders::ALIAS_HELP)]
pub(crate) enum Alias {
    #[command(flatten)]
    Change(orders::Alias),
    /// Show whom a payer would pay.
    Show(AliasArguments),
}

/// `tonle proposal`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = orders::PROPOSAL_HELP)]
pub(crate) enum Proposal {
    #[command(flatten)]
    Change(orders::Proposal),
    /// List what waits for more keys or for a height.
    List(Asking),
}

/// `tonle report`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Report {
    /// List payments from an amount on.
    Large(LargeArguments),
}

pub(crate) fn alias(command: &Alias) -> anyhow::Result<()> {
    match command {
        Alias::Change(change) => order::run(change),
        Alias::Show(arguments) => tonle_devnet::block_on(register::alias(arguments)),
    }
}

pub(crate) fn proposal(command: &Proposal) -> anyhow::Result<()> {
    match command {
        Proposal::Change(change) => order::run(change),
        Proposal::List(asking) => tonle_devnet::block_on(register::proposals(asking)),
    }
}

pub(crate) fn report(command: &Report) -> anyhow::Result<()> {
    match command {
        Report::Large(arguments) => tonle_devnet::block_on(register::large(arguments)),
    }
}

pub(crate) fn limits(asking: &Asking) -> anyhow::Result<()> {
    tonle_devnet::block_on(register::limits(asking))
}
