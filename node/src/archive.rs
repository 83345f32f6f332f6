//! What is final, as the gRPC services read it: their interface over the database. Every call reads one snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use tonle_consensus::{QuorumCertificate, Validator};
use tonle_crypto::Digest;
use tonle_khqr::Md5;
use tonle_ledger::{
    Account, AccountId, AccountProof, Alias, Asset, KhqrPayment, Parameters, Participant, ParticipantId, Proposal,
    Receipt, ReceiptLocation, Reference, Role, Timed, TransactionId, Validators,
};

use crate::grpc::{Archive, ArchiveFailed, KnownOffence, StoredBlock};
use crate::storage::{Database, Error, PaymentPlace, ReceiptPlace, View};

/// The archive of one database.
#[derive(Debug, Clone)]
pub struct DatabaseArchive {
    database: Arc<Database>,
    earliest: u64,
}

impl DatabaseArchive {
    /// Reads from `database`.
    ///
    /// # Errors
    /// [`Error`] when it cannot be read where it begins.
    pub fn new(database: Arc<Database>) -> Result<Self, Error> {
        let lowest = database.view().lowest()?;
        // Of the block that a snapshot begins with, receipts are not here.
        let earliest = if lowest == 0 { 0 } else { lowest.saturating_add(1) };
        Ok(DatabaseArchive { database, earliest })
    }
}

impl DatabaseArchive {
    /// What stands after the last block, and its height: both of one snapshot.
    fn standing<T>(&self, read: impl FnOnce(&View<'_>) -> Result<T, Error>) -> Result<(T, u64), ArchiveFailed> {
        let view = self.database.view();
        let height = view.tip().map_err(|error| failed(&error))?.height;
        Ok((read(&view).map_err(|error| failed(&error))?, height))
    }
}

/// The operator reads the cause in the log; a client learns only that it is the node's trouble.
fn failed(error: &Error) -> ArchiveFailed {
    tracing::error!(%error, "a query could not read the database");
    ArchiveFailed
}

impl Archive for DatabaseArchive {
    fn misbehaviour(&self, after: Option<Digest>, max: usize) -> Result<Vec<KnownOffence>, ArchiveFailed> {
        let kept = self.database.misbehaviour(after, max).map_err(|error| failed(&error))?;
        let landed = self.database.view().offences(after, max).map_err(|error| failed(&error))?;
        let mut known: BTreeMap<Digest, KnownOffence> = BTreeMap::new();
        for kept in kept {
            let offence = kept.proof.offence();
            known.insert(offence.id(), KnownOffence { offence, kept: Some(kept), landed: None });
        }
        for (offence, place) in landed {
            let new = KnownOffence { offence, kept: None, landed: None };
            known.entry(offence.id()).or_insert(new).landed = Some(place);
        }
        // The first of both together are among the first of each.
        Ok(known.into_values().take(max).collect())
    }

    fn earliest(&self) -> u64 {
        self.earliest
    }

    fn block(&self, height: u64) -> Result<Option<StoredBlock>, ArchiveFailed> {
        let view = self.database.view();
        let block = view.block(height).map_err(|error| failed(&error))?;
        let outcome = view.outcome(height).map_err(|error| failed(&error))?;
        Ok(block.zip(outcome).map(|(block, outcome)| StoredBlock {
            header: block.block.header().clone(),
            receipts: outcome.receipts,
            state_root: outcome.state_root,
            receipts_root: outcome.receipts_root,
            results_root: outcome.results_root,
        }))
    }

    fn certificate(&self, height: u64) -> Result<Option<QuorumCertificate>, ArchiveFailed> {
        let block = self.database.view().block(height).map_err(|error| failed(&error))?;
        Ok(block.and_then(|block| block.certificate))
    }

    fn locate(&self, transaction: TransactionId) -> Result<Option<(u64, u32)>, ArchiveFailed> {
        self.database.view().locate(&transaction).map_err(|error| failed(&error))
    }

    fn receipts(&self, height: u64, from: u32, max: usize) -> Result<Vec<Receipt>, ArchiveFailed> {
        self.database.view().receipts(height, from, max).map_err(|error| failed(&error))
    }

    fn transaction(&self, height: u64, index: u32) -> Result<Option<Vec<u8>>, ArchiveFailed> {
        self.database.view().transaction(height, index).map_err(|error| failed(&error))
    }

    fn history(&self, account: AccountId, before: (u64, u32), max: usize) -> Result<Vec<(u64, u32)>, ArchiveFailed> {
        self.database.view().history(&account, before, max).map_err(|error| failed(&error))
    }

    fn khqr_payments(
        &self,
        md5: Md5,
        before: Option<PaymentPlace>,
        max: usize,
    ) -> Result<Vec<KhqrPayment>, ArchiveFailed> {
        self.database.view().khqr_payments(md5, before, max).map_err(|error| failed(&error))
    }

    fn khqr_payments_after(
        &self,
        md5: Md5,
        after: Option<PaymentPlace>,
        max: usize,
    ) -> Result<Vec<KhqrPayment>, ArchiveFailed> {
        self.database.view().khqr_payments_after(md5, after, max).map_err(|error| failed(&error))
    }

    fn history_after(
        &self,
        account: AccountId,
        after: ReceiptPlace,
        max: usize,
    ) -> Result<Vec<ReceiptPlace>, ArchiveFailed> {
        self.database.view().history_after(&account, after, max).map_err(|error| failed(&error))
    }

    fn instruction(&self, account: AccountId, reference: &Reference) -> Result<Option<ReceiptLocation>, ArchiveFailed> {
        self.database.view().instruction(account, reference).map_err(|error| failed(&error))
    }

    fn account(&self, account: AccountId) -> Result<(Option<Account>, u64), ArchiveFailed> {
        self.standing(|view| view.account(account))
    }

    fn timed(&self, id: Digest) -> Result<(Option<Timed>, u64), ArchiveFailed> {
        self.standing(|view| view.timed(id))
    }

    fn alias(&self, alias: Digest) -> Result<(Option<Alias>, u64), ArchiveFailed> {
        self.standing(|view| view.alias(alias))
    }

    fn parameters(&self) -> Result<(Parameters, u64), ArchiveFailed> {
        self.standing(|view| view.parameters())
    }

    fn proposals(&self, after: Option<Digest>, max: usize) -> Result<Vec<Proposal>, ArchiveFailed> {
        self.database.view().proposals(after, max).map_err(|error| failed(&error))
    }

    fn executed(&self, height: u64, from: u32, max: usize) -> Result<Vec<(Receipt, Vec<u8>)>, ArchiveFailed> {
        self.database.view().executed(height, from, max).map_err(|error| failed(&error))
    }

    fn participant(&self, id: ParticipantId) -> Result<(Option<Participant>, u64), ArchiveFailed> {
        self.standing(|view| view.participant(id))
    }

    fn participants(
        &self,
        role: Option<Role>,
        after: Option<ParticipantId>,
        max: usize,
    ) -> Result<(Vec<Participant>, u64), ArchiveFailed> {
        let wanted = |participant: &Participant| role.is_none_or(|role| participant.role == role);
        self.standing(|view| view.participants(after, max, wanted))
    }

    fn prove_account(&self, account: AccountId, height: u64) -> Result<Option<AccountProof>, ArchiveFailed> {
        self.database.prove_account(height, account).map_err(|error| failed(&error))
    }

    fn sets(&self, epoch: u64) -> Result<Vec<(u64, Vec<Validator>)>, ArchiveFailed> {
        self.database.view().sets(epoch).map_err(|error| failed(&error))
    }

    fn validators(&self) -> Result<(Validators, u64), ArchiveFailed> {
        self.standing(|view| view.validators())
    }

    fn supply(&self) -> Result<Vec<(Asset, u128)>, ArchiveFailed> {
        let view = self.database.view();
        let height = view.tip().map_err(|error| failed(&error))?.height;
        let outcome = view.outcome(height).map_err(|error| failed(&error))?;
        Ok(outcome.map(|outcome| outcome.supply).unwrap_or_default())
    }
}
