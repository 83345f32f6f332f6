//! Checks a finality receipt against the genesis document, offline.
//!
//! The chain of reasons: the genesis names the first validators, and each boundary, which those before it made final,
//! the next ones; a quorum of the last of them signed the certificate; it finalizes the last header; each header
//! names its parent's digest, so the first one is final too; that one names a height's roots;
//! the proof leads from the receipt or account to that root.
//!
//! Must not know: where the file or the genesis came from.

use tonle_consensus::{BoundaryInvalid, Invalid, QuorumKind, SigningContext, ValidatorSetError};
use tonle_crypto::{Digest, Strict, Verify};
use tonle_ledger::{Account, AccountId, Genesis, Receipt};

use super::validators::trusted;
use super::{Document, DocumentInvalid, Subject};

/// What a valid file proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What is final.
    pub proven: Proven,
    /// Validators whose signatures are in the certificate.
    pub signatures: usize,
    /// How many were needed.
    pub quorum: usize,
    /// The participants that signed.
    pub signers: Vec<String>,
}

/// What is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proven {
    /// A transaction's receipt.
    Transaction(Receipt),
    /// An account's state.
    Account {
        /// Its name.
        account: AccountId,
        /// After this height.
        height: u64,
        /// Its record; `None`: there was no such account.
        state: Option<Account>,
    },
}

/// Why a file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is no finality receipt.
    #[error(transparent)]
    Document(#[from] DocumentInvalid),
    /// It is of another chain than the genesis file.
    #[error("the receipt is of chain {found}, the genesis file of chain {expected}")]
    Chain {
        /// The genesis file's.
        expected: Digest,
        /// The receipt's.
        found: Digest,
    },
    /// The genesis names no usable validators.
    #[error("the genesis file's validators: {0}")]
    Validators(#[from] ValidatorSetError),
    /// A change of the validators is not proven.
    #[error("boundary {number}: {reason}")]
    Boundary {
        /// Its place in the file, from 0.
        number: usize,
        /// What is wrong with it.
        reason: BoundaryInvalid,
    },
    /// A boundary changes nothing: the proof would have two forms.
    #[error("boundary {0}: the validators do not change")]
    Unchanged(usize),
    /// The certificate is older than the last change of the validators that the file gives.
    #[error("the certificate is of epoch {certificate}, the last boundary begins epoch {begins}")]
    BeforeBoundary {
        /// The certificate's epoch.
        certificate: u64,
        /// The first epoch of the validators that the last boundary names.
        begins: u64,
    },
    /// There is no header.
    #[error("the receipt has no header")]
    NoHeader,
    /// A header does not follow the one before it.
    #[error("header {0} does not name the header before it as its parent")]
    Broken(u64),
    /// The certificate notarizes only.
    #[error("the certificate does not finalize: it holds Notarize votes")]
    NotFinal,
    /// The certificate is of another block.
    #[error("the certificate is of block {found}, the last header of the receipt is {expected}")]
    OtherBlock {
        /// The last header's digest.
        expected: Digest,
        /// The certificate's.
        found: Digest,
    },
    /// A signature or its count fails.
    #[error("the finality certificate: {0}")]
    Certificate(#[from] Invalid),
    /// The proof does not lead to the root.
    #[error("the inclusion proof does not lead to the {0} that the header names")]
    Proof(&'static str),
    /// The stated height is not the checkpoint's.
    #[error("the account is stated as of height {stated}, the header names height {named}")]
    Height {
        /// In the file.
        stated: u64,
        /// In the header.
        named: u64,
    },
}

/// Checks the content of a finality receipt file.
///
/// # Errors
/// [`VerifyError`]: the first reason why it proves nothing.
pub fn verify(file: &[u8], genesis: &Genesis) -> Result<Report, VerifyError> {
    let document = Document::from_bytes(file)?;
    let chain = genesis.digest();
    if document.chain != chain {
        return Err(VerifyError::Chain { expected: chain, found: document.chain });
    }
    let (Some(first), Some(last)) = (document.headers.first(), document.headers.last()) else {
        return Err(VerifyError::NoHeader);
    };
    for (parent, header) in document.headers.iter().zip(document.headers.iter().skip(1)) {
        if header.parent() != parent.digest() || Some(header.height()) != parent.height().next() {
            return Err(VerifyError::Broken(header.height().get()));
        }
    }
    let certificate = &document.certificate;
    if certificate.kind != QuorumKind::Finalized {
        return Err(VerifyError::NotFinal);
    }
    if certificate.block != last.digest() {
        return Err(VerifyError::OtherBlock { expected: last.digest(), found: certificate.block });
    }
    let set = trusted(genesis, &document.boundaries, certificate.epoch)?;
    let signers = certificate.signers.iter().filter_map(|signer| set.get(signer));
    let signers: Vec<String> = signers.map(|validator| validator.name.clone()).collect();
    let quorum = set.quorum();
    certificate.verify(&SigningContext { genesis: chain, set }, &Strict)?;
    let checkpoint = first.checkpoint();
    let height = checkpoint.height.get();
    let proven = match document.subject {
        Subject::Transaction(proof) => {
            proof.verify(height, &checkpoint.results_root).map_err(|_| VerifyError::Proof("results root"))?;
            Proven::Transaction(proof.receipt)
        }
        Subject::Account { height: stated, proof } => {
            if stated != height {
                return Err(VerifyError::Height { stated, named: height });
            }
            let state = proof.verify(&checkpoint.state_root).map_err(|_| VerifyError::Proof("state root"))?;
            Proven::Account { account: proof.account, height, state }
        }
    };
    Ok(Report { proven, signatures: certificate.signatures.len(), quorum, signers })
}
