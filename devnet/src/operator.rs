//! The operator that a devnet's genesis names, and its development key.
//!
//! Must not know: what is signed with it.

use anyhow::{Context, Result};
use tonle_crypto::SecretKey;
use tonle_ledger::{ParticipantId, Role};

use crate::directory::Directory;
use crate::{genesis, keys};

/// The operator.
pub(crate) fn operator(directory: &Directory) -> Result<ParticipantId> {
    let genesis = genesis::read(&directory.genesis()).context("no key to sign with: name the operator's with --key")?;
    let mut operators = genesis.participants.iter().filter(|participant| participant.role == Role::Operator);
    Ok(operators.next().context("the genesis names no operator")?.id)
}

/// Its development key.
pub(crate) fn operators_key(directory: &Directory) -> Result<SecretKey> {
    let operator = operator(directory)?;
    let path = directory.participant_key(operator.as_str());
    keys::load(&path).with_context(|| format!("no key to sign for {operator}: name one with --key"))
}
