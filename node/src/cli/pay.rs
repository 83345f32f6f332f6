//! `tonle pay`: one transfer. The devnet library signs and sends it; here are what it must not know: encrypted key
//! files, and how a finality receipt is checked.

use anyhow::Context;
use tonle_devnet::directory::Directory;
use tonle_devnet::payment;
pub(crate) use tonle_devnet::payment::Arguments;
use tonle_node::finality_receipt::{Document, verify};
use tonle_node::key_file;

/// Pays, and prints.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let key = match &arguments.key {
        None => None,
        Some(path) => Some(key_file::load(path, || key_file::passphrase(None, "passphrase: "))?),
    };
    let genesis = Directory::new(&arguments.target.dir)?.genesis();
    let genesis = if arguments.target.nodes.is_empty() { Some(tonle_devnet::genesis::read(&genesis)?) } else { None };
    tonle_devnet::block_on(payment::pay(arguments, key, |proof| match &genesis {
        Some(genesis) => Ok(verify(proof, genesis)?.signatures),
        // Without the genesis file nothing can be proven; the receipt is for those who have it.
        None => {
            Ok(Document::from_bytes(proof).context("the node sent no finality receipt")?.certificate.signatures.len())
        }
    }))
}
