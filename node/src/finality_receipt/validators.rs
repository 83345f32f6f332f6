//! Whose signatures count in an epoch: genesis names the first validators, and each boundary the next ones. There is a
//! boundary for each change and for nothing else, so that a proof has one form.
//!
//! Must not know: what the certificate at the end is about.

use tonle_consensus::{Boundary, Epoch, ValidatorSet, ValidatorSetError};
use tonle_crypto::Strict;
use tonle_ledger::Genesis;

use super::VerifyError;

/// The validators of `epoch` when no boundary changed them since genesis.
///
/// # Errors
/// [`ValidatorSetError`] when the genesis lists no usable set.
pub fn validators(genesis: &Genesis, epoch: Epoch) -> Result<ValidatorSet, ValidatorSetError> {
    ValidatorSet::new(epoch, tonle_replica::validators(&genesis.validators))
}

/// Walks the boundaries from genesis, and gives the validators of `epoch`.
///
/// # Errors
/// [`VerifyError`]: the first boundary that proves no change, or an epoch before the last of them.
pub(super) fn trusted(genesis: &Genesis, boundaries: &[Boundary], epoch: Epoch) -> Result<ValidatorSet, VerifyError> {
    let chain = genesis.digest();
    let mut set = validators(genesis, Epoch::ZERO)?;
    for (number, boundary) in boundaries.iter().enumerate() {
        let next = boundary
            .verify(chain, genesis.epoch_length, &set, &Strict)
            .map_err(|reason| VerifyError::Boundary { number, reason })?;
        if next.digest() == set.digest() {
            return Err(VerifyError::Unchanged(number));
        }
        set = next;
    }
    if epoch < set.epoch() {
        return Err(VerifyError::BeforeBoundary { certificate: epoch.get(), begins: set.epoch().get() });
    }
    Ok(set.in_epoch(epoch))
}
