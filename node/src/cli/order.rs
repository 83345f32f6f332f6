//! Commands that ask for one operation of the ledger. The devnet library says what each asks for, signs and sends it; here
//! is what it must not know: encrypted key files.

use std::path::PathBuf;

use tonle_crypto::SecretKey;
use tonle_devnet::orders::{self, Order};
use tonle_node::key_file;

/// Asks for it.
pub(crate) fn run(order: &impl Order) -> anyhow::Result<()> {
    tonle_devnet::block_on(orders::run(order, secrets(&order.signing().keys)?))
}

/// The secret keys in these files.
pub(super) fn secrets(paths: &[PathBuf]) -> anyhow::Result<Vec<SecretKey>> {
    let load = |path: &PathBuf| -> anyhow::Result<SecretKey> {
        let prompt = format!("passphrase of {}: ", path.display());
        Ok(key_file::load(path, || key_file::passphrase(None, &prompt))?)
    };
    paths.iter().map(load).collect()
}
