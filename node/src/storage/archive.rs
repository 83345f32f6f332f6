//! The database as what the services read: [`Archive`]. It must not know gRPC, nor what a query means.

use tonle_consensus::QuorumCertificate;
use tonle_ledger::{Account, AccountId, AccountProof, Asset, Receipt, TransactionId};

use super::{Database, Error};
use crate::grpc::{Archive, ArchiveFailed, StoredBlock};

impl Archive for Database {
    fn earliest(&self) -> u64 {
        // Nothing is pruned: genesis is always here.
        0
    }

    fn block(&self, height: u64) -> Result<Option<StoredBlock>, ArchiveFailed> {
        let view = self.view();
        let (block, outcome) = (view.block(height).map_err(failed)?, view.outcome(height).map_err(failed)?);
        Ok(block.zip(outcome).map(|(block, outcome)| StoredBlock {
            header: block.block.header().clone(),
            receipts: outcome.receipts,
            state_root: outcome.state_root,
            receipts_root: outcome.receipts_root,
            results_root: outcome.results_root,
        }))
    }

    fn certificate(&self, height: u64) -> Result<Option<QuorumCertificate>, ArchiveFailed> {
        Ok(self.view().block(height).map_err(failed)?.and_then(|block| block.certificate))
    }

    fn locate(&self, transaction: TransactionId) -> Result<Option<(u64, u32)>, ArchiveFailed> {
        self.view().locate(&transaction).map_err(failed)
    }

    fn receipts(&self, height: u64, from: u32, max: usize) -> Result<Vec<Receipt>, ArchiveFailed> {
        self.view().receipts(height, from, max).map_err(failed)
    }

    fn transaction(&self, height: u64, index: u32) -> Result<Option<Vec<u8>>, ArchiveFailed> {
        self.view().transaction(height, index).map_err(failed)
    }

    fn history(&self, account: AccountId, before: (u64, u32), max: usize) -> Result<Vec<(u64, u32)>, ArchiveFailed> {
        self.view().history(&account, before, max).map_err(failed)
    }

    fn account(&self, account: AccountId) -> Result<(Option<Account>, u64), ArchiveFailed> {
        let view = self.view();
        Ok((view.account(account).map_err(failed)?, view.tip().map_err(failed)?.height))
    }

    fn prove_account(&self, account: AccountId, height: u64) -> Result<Option<AccountProof>, ArchiveFailed> {
        Database::prove_account(self, height, account).map_err(failed)
    }

    fn supply(&self) -> Result<Vec<(Asset, u128)>, ArchiveFailed> {
        let view = self.view();
        let height = view.tip().map_err(failed)?.height;
        Ok(view.outcome(height).map_err(failed)?.map(|outcome| outcome.supply).unwrap_or_default())
    }
}

/// The operator reads what failed in the log; a client learns only that it did.
fn failed(error: Error) -> ArchiveFailed {
    tracing::error!(%error, "cannot answer a query from disk");
    ArchiveFailed
}
