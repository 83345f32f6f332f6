//! What a chain leaves behind when a whole quorum of its validators lost their disks: the genesis of a new chain with the
//! same participants, assets, accounts and validators, and what shows where the old one ended. It changes nothing, and
//! decides nothing: whether the old chain has ended is for its banks to agree on.

use anyhow::{Result, ensure};
use serde::Serialize;
use tonle_consensus::Epoch;
use tonle_crypto::Canonical as _;
use tonle_ledger::{Genesis, GenesisAccount, GenesisAsset, GenesisValidator, ParticipantId};

use crate::recovery::Chain;
use crate::storage::Opened;

/// Where the old chain ended, for people and programs to compare. Roots and digests are hexadecimal, headers and
/// certificate their canonical bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastWord {
    /// The old chain's genesis digest.
    pub old_chain: String,
    /// The new chain's.
    pub new_chain: String,
    /// The last final height on this disk.
    pub height: u64,
    /// Its time, ms since the Unix epoch.
    pub time_ms: u64,
    /// Root of the state after it, as executed here.
    pub state_root: String,
    /// Chained root of all receipts up to it, as executed here.
    pub results_root: String,
    /// The highest height whose roots a final header names.
    pub certified_height: u64,
    /// That header, and each child up to one with a certificate.
    pub headers: Vec<String>,
    /// The certificate of finality of the last of them.
    pub certificate: String,
}

/// The genesis of the chain that follows `chain`, made of the database `opened`, and what it is made from. The same last
/// height and `created_ms` (ms since the Unix epoch) give every bank the same genesis.
///
/// # Errors
/// When `created_ms` is not after the last block, or the database has no final checkpoint.
pub fn succeed(chain: &Chain, opened: &Opened, created_ms: u64) -> Result<(Genesis, LastWord)> {
    let (view, point) = (opened.database.view(), opened.executor.point());
    ensure!(
        created_ms > point.time_ms,
        "the new chain cannot begin before the old one's last block: --created-ms must be above {}",
        point.time_ms
    );
    let old = &chain.genesis;
    let epoch = Epoch::new(point.height.checked_div(old.epoch_length).unwrap_or(0));
    let (_, members) = view.set_of(epoch.get())?;
    let validators = members.iter().map(|validator| {
        let participant = ParticipantId::new(&validator.name)?;
        Ok(GenesisValidator { participant, key: validator.key, network_key: validator.network_key })
    });
    let assets = opened.executor.assets().values().map(|record| GenesisAsset {
        asset: record.asset,
        number: record.number,
        exponent: record.exponent,
        issuer: record.issuer,
    });
    let accounts =
        view.accounts()?.into_iter().map(|(id, account)| GenesisAccount { id, account: account.with_nothing_spent() });
    let genesis = Genesis {
        created_ms,
        participants: opened.executor.participants().values().cloned().collect(),
        assets: assets.collect(),
        accounts: accounts.collect(),
        validators: validators.collect::<Result<_>>()?,
        parameters: opened.executor.parameters().clone(),
        ..Genesis::clone(old)
    }
    .sorted();
    genesis.check()?;
    let named = view.block(point.height)?.map_or(0, |entry| entry.block.header().checkpoint().height.get());
    let proof = view.prove_finality(named)?;
    let proof = proof.ok_or_else(|| anyhow::anyhow!("no header here is final: there is nothing to go on from"))?;
    let word = LastWord {
        old_chain: chain.digest.to_string(),
        new_chain: genesis.digest().to_string(),
        height: point.height,
        time_ms: point.time_ms,
        state_root: point.state_root.to_string(),
        results_root: point.results_root.to_string(),
        certified_height: proof.headers.first().map_or(0, |header| header.checkpoint().height.get()),
        headers: proof.headers.iter().map(|header| hex::encode(header.bytes())).collect(),
        certificate: hex::encode(proof.certificate.encode()),
    };
    Ok((genesis, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Database;
    use crate::test_chain::{genesis, genesis_block};

    #[test]
    fn a_chain_that_never_had_a_block_has_nothing_to_go_on_from() {
        let data = tempfile::tempdir().unwrap();
        let opened = Database::open(data.path(), &genesis(), 4 << 20, genesis_block).unwrap();
        let chain = Chain::new(genesis());
        let early = succeed(&chain, &opened, chain.genesis.created_ms).unwrap_err().to_string();
        assert!(early.contains("cannot begin before"), "{early}");
        let empty = succeed(&chain, &opened, chain.genesis.created_ms + 1).unwrap_err().to_string();
        assert!(empty.contains("nothing to go on from"), "{empty}");
    }
}
