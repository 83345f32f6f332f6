//! `tonle status`: how nodes stand. The devnet library asks them.

use tonle_devnet::accounts;
pub(crate) use tonle_devnet::accounts::StatusArguments as Arguments;

/// Asks, and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    tonle_devnet::block_on(accounts::status(arguments))
}
