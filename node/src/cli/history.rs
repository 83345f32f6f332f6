//! `tonle history`: what touched an account. The devnet library asks the nodes.

use super::order::secrets;
use tonle_devnet::accounts;
pub(crate) use tonle_devnet::accounts::HistoryArguments as Arguments;

/// Asks, and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    tonle_devnet::block_on(accounts::history(arguments, secrets(&arguments.keys)?))
}
