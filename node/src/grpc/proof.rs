//! Builds finality receipts from what is stored.
//!
//! Must not know: gRPC messages, or how a receipt is verified.

use tonle_consensus::{Boundary, Header, QuorumCertificate};
use tonle_crypto::Digest;
use tonle_ledger::{AccountId, ReceiptsTree, first_results_root};

use super::backend::{Archive, ArchiveFailed};
use super::error::ApiError;
use crate::finality_receipt::{Document, Subject};

impl From<ArchiveFailed> for ApiError {
    fn from(_: ArchiveFailed) -> Self {
        ApiError::Internal
    }
}

/// What of the genesis a proof needs.
#[derive(Debug, Clone, Copy)]
pub struct ProofChain {
    /// The chain digest.
    pub digest: Digest,
    /// Heights of an epoch.
    pub epoch_length: u64,
}

/// The finality receipt file of the receipt at `height` and `index`.
///
/// # Errors
/// [`ApiError::NotProvableYet`] until a final header names its height; [`ApiError::Pruned`], [`ApiError::Internal`].
pub fn prove_transaction(
    archive: &dyn Archive,
    chain: ProofChain,
    provable: u64,
    height: u64,
    index: u32,
) -> Result<Vec<u8>, ApiError> {
    let (headers, certificate) = finality(archive, provable, height)?;
    let checkpoint = headers.first().map_or(height, |header| header.checkpoint().height.get());
    let receipts = archive.receipts(height, 0, usize::MAX)?;
    let receipt = usize::try_from(index).ok().and_then(|at| receipts.get(at)).cloned().ok_or(ApiError::Internal)?;
    let before = match height.checked_sub(1) {
        None | Some(0) => first_results_root(chain.digest),
        Some(before) => stored(archive, before)?.results_root,
    };
    let after = height.saturating_add(1)..=checkpoint;
    let links: Result<Vec<Digest>, ApiError> = after.map(|height| Ok(stored(archive, height)?.receipts_root)).collect();
    let proof = ReceiptsTree::new(&receipts).prove(receipt, before, links?).ok_or(ApiError::Internal)?;
    let (subject, boundaries) = (Subject::Transaction(Box::new(proof)), boundaries(archive, chain, &certificate)?);
    file(&Document { chain: chain.digest, subject, boundaries, headers, certificate })
}

/// The finality receipt file of an account, as of the highest height that can be proven, with that height. Also proves
/// that there is no such account.
///
/// # Errors
/// [`ApiError::NotProvableYet`], [`ApiError::Internal`].
pub fn prove_account(
    archive: &dyn Archive,
    chain: ProofChain,
    provable: u64,
    account: AccountId,
) -> Result<(Document, Vec<u8>), ApiError> {
    let (headers, certificate) = finality(archive, provable, provable)?;
    let height = headers.first().map_or(provable, |header| header.checkpoint().height.get());
    let proof = archive.prove_account(account, height)?.ok_or(ApiError::NotProvableYet { provable })?;
    let (subject, boundaries) = (Subject::Account { height, proof }, boundaries(archive, chain, &certificate)?);
    let document = Document { chain: chain.digest, subject, boundaries, headers, certificate };
    let bytes = file(&document)?;
    Ok((document, bytes))
}

fn file(document: &Document) -> Result<Vec<u8>, ApiError> {
    document.to_bytes().map_err(|error| {
        tracing::error!(%error, "a finality receipt could not be written");
        ApiError::Internal
    })
}

/// The changes of the validators up to the certificate's epoch.
fn boundaries(
    archive: &dyn Archive,
    chain: ProofChain,
    certificate: &QuorumCertificate,
) -> Result<Vec<Boundary>, ApiError> {
    let changes = archive.sets(certificate.epoch.get())?.into_iter().filter(|(epoch, _)| *epoch > 0);
    let boundary = |(epoch, validators): (u64, _)| {
        let height = epoch.saturating_mul(chain.epoch_length);
        let missing = || ApiError::Pruned { earliest: archive.earliest() };
        let header = archive.block(height)?.ok_or_else(missing)?.header;
        // The last block of an epoch is proposed until it has a certificate of its own.
        let certificate = archive.certificate(height)?.ok_or(ApiError::Internal)?;
        Ok(Boundary { header, certificate, validators })
    };
    changes.map(boundary).collect()
}

/// The first final header that names `height` or a later one, its descendants up to a certified one, and that one's
/// certificate.
fn finality(archive: &dyn Archive, provable: u64, height: u64) -> Result<(Vec<Header>, QuorumCertificate), ApiError> {
    let not_yet = || ApiError::NotProvableYet { provable };
    if height > provable {
        return Err(not_yet());
    }
    let mut at = height.saturating_add(1);
    let mut header = archive.block(at)?.ok_or_else(not_yet)?.header;
    while header.checkpoint().height.get() < height {
        at = at.saturating_add(1);
        header = archive.block(at)?.ok_or_else(not_yet)?.header;
    }
    let mut headers = vec![header];
    loop {
        if let Some(certificate) = archive.certificate(at)? {
            return Ok((headers, certificate));
        }
        at = at.saturating_add(1);
        headers.push(archive.block(at)?.ok_or_else(not_yet)?.header);
    }
}

fn stored(archive: &dyn Archive, height: u64) -> Result<super::backend::StoredBlock, ApiError> {
    archive.block(height)?.ok_or_else(|| ApiError::Pruned { earliest: archive.earliest() })
}
