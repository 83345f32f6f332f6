//! Commands that ask for one operation of the ledger. The devnet library says what each asks for, signs and sends it; here
//! is what it must not know: encrypted key files.

use tonle_devnet::orders::{self, Order};
use tonle_node::key_file;

/// Asks for it.
pub(crate) fn run(order: &impl Order) -> anyhow::Result<()> {
    let mut keys = Vec::new();
    for path in &order.signing().keys {
        keys.push(key_file::load(path, || key_file::passphrase(None, &format!("passphrase of {}: ", path.display())))?);
    }
    tonle_devnet::block_on(orders::run(order, keys))
}
