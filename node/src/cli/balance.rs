//! `tonle balance`: what accounts hold. The devnet library asks the nodes.

use tonle_devnet::accounts;
pub(crate) use tonle_devnet::accounts::BalanceArguments as Arguments;

/// Asks, and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    tonle_devnet::block_on(accounts::balance(arguments))
}
