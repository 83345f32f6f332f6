//! `tonle validator`: who validates, and changes of that. The devnet library signs and sends; here are what it must not
//! know: encrypted key files.

use std::path::PathBuf;

use anyhow::Context;
use tonle_crypto::{PublicKey, SecretKey};
use tonle_devnet::client::Target;
use tonle_devnet::membership::{self, Change, NewKeys, Signing};
use tonle_node::key_file::{self, KeyFile};

const AFTER_HELP: &str = "\
Examples:
  tonle validator list
  tonle validator set wb --validator-key wb/validator.key --network-key wb/network.key
  tonle validator set aba --validator-key 1f0c...      a new key for aba, the other one stays
  tonle validator remove wing --key operator.key --node 127.0.0.1:50051

A change is in force after the end of the epoch in which it is final, or one epoch later. It is
refused when too few of a set that may still be voting stay to make a quorum of the new one; the
command shows the arithmetic, and when to ask again. A key that a validator ever used is never
taken again.
Before you add a validator: admit its bank (tonle participant add). Its node is let in by the others
once the change is final, and catches up until the epoch ends: let it run by then.
Exit status: 0 final; 1 refused, rejected, or not known to be final.";

/// Subcommands of `tonle validator`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Show who validates in this epoch, and what is decided for the next.
    List {
        /// Print one line of JSON
        #[arg(long)]
        json: bool,
        /// Whom to ask
        #[command(flatten)]
        target: Target,
    },
    /// Add a participant's validator, or give it new keys.
    Set {
        /// The participant that runs it: a bank or the operator
        participant: String,
        /// Signs its votes and batches: 64 hexadecimal digits, or a key file; without it, the key stays
        #[arg(long, value_name = "KEY|FILE")]
        validator_key: Option<String>,
        /// Authenticates its connections: 64 hexadecimal digits, or a key file; without it, the key stays
        #[arg(long, value_name = "KEY|FILE")]
        network_key: Option<String>,
        /// Who signs
        #[command(flatten)]
        signing: Signing,
    },
    /// Remove a participant's validator.
    Remove {
        /// The participant that runs it
        participant: String,
        /// Who signs
        #[command(flatten)]
        signing: Signing,
    },
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List { json, target } => tonle_devnet::block_on(membership::list(target, *json)),
        Command::Set { participant, validator_key, network_key, signing } => {
            let key = validator_key.as_deref().map(public_key).transpose()?;
            let network_key = network_key.as_deref().map(public_key).transpose()?;
            let keys = Box::new(NewKeys { key, network_key });
            let change = Change::Set { participant: participant.clone(), keys };
            tonle_devnet::block_on(membership::change(signing, secret(signing)?, &change))
        }
        Command::Remove { participant, signing } => {
            let change = Change::Remove { participant: participant.clone() };
            tonle_devnet::block_on(membership::change(signing, secret(signing)?, &change))
        }
    }
}

/// The key that signs, when one was named.
pub(super) fn secret(signing: &Signing) -> anyhow::Result<Option<SecretKey>> {
    let load = |path: &PathBuf| key_file::load(path, || key_file::passphrase(None, "passphrase: "));
    Ok(signing.key.as_ref().map(load).transpose()?)
}

/// A public key, as digits or as what a key file holds; its secret is not needed.
pub(super) fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !digits {
        return Ok(KeyFile::read(&PathBuf::from(text))?.public);
    }
    let bytes: [u8; 32] = hex::decode(text)?.try_into().ok().context("64 hexadecimal digits are 32 bytes")?;
    PublicKey::from_bytes(&bytes).with_context(|| format!("{text} is no key"))
}
