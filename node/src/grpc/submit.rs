//! Submit and SubmitAndWait: everything that can be checked is checked before anything is queued, and a call that
//! waits is answered from what is on disk.
//!
//! Order of checks: form, chain, an earlier receipt of the same id, then by number: the window's form, signatures, the
//! window against the latest block. An earlier receipt comes before EXPIRED, so that a client that lost its answer gets
//! it even late.
//!
//! Must not know: how transactions are ordered.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonle_ledger::{OperationResult, Receipt, Rejection, RejectionCode, SignedTransaction, TransactionResult};
use tonle_proto::v1;

use super::backend::{Archive, Refused};
use super::finality::Answer;
use super::{ApiError, Service, convert, proof, reads};

/// Bounds of waiting.
#[derive(Debug, Clone, Copy)]
pub struct SubmitLimits;

impl SubmitLimits {
    /// How long SubmitAndWait waits when the call has no deadline.
    pub const WAIT_DEFAULT: Duration = Duration::from_secs(30);
    /// How long it waits at most.
    pub const WAIT_MAX: Duration = Duration::from_secs(300);
    /// How much earlier than the call's deadline the answer leaves, so that it arrives before the client gives up.
    pub const ANSWER_MARGIN: Duration = Duration::from_millis(200);
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Backpressure { retry } => ApiError::Overloaded { retry },
            Refused::Halted => ApiError::Halted,
            Refused::NotTaking => ApiError::NotTaking,
            Refused::TooLarge => ApiError::Refused(Rejection {
                code: RejectionCode::TransactionTooLarge,
                field: "transaction",
                operation: None,
            }),
            Refused::ShuttingDown => ApiError::ShuttingDown { resume: None },
        }
    }
}

impl Service {
    /// See `LedgerService.Submit`.
    pub(super) async fn submit(&self, bytes: &bytes::Bytes) -> Result<v1::SubmitResponse, ApiError> {
        let _permit = self.submission()?;
        let transaction = self.decode(bytes)?;
        let id = transaction.id();
        let transaction_id = convert::digest(id.digest());
        if let Some(first) = self.earlier(&transaction).await? {
            return Ok(v1::SubmitResponse { transaction_id, receipt: Some(convert::receipt(&first)) });
        }
        let transaction = self.0.backend.verify(transaction).await?;
        self.check_window(&transaction)?;
        self.0.backend.submit(transaction).await?;
        Ok(v1::SubmitResponse { transaction_id, receipt: None })
    }

    /// See `LedgerService.SubmitAndWait`.
    pub(super) async fn submit_and_wait(
        &self,
        request: v1::SubmitAndWaitRequest,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Result<v1::SubmitAndWaitResponse, ApiError> {
        let _permit = self.submission()?;
        let transaction = self.decode(&request.transaction)?;
        let id = transaction.id();
        // Registered before the look-up, so that a receipt written between the two is not missed.
        let mut waiter = self.0.finality.wait(&transaction);
        let settled = tokio::select! {
            settled = self.settle(transaction, &mut waiter) => settled,
            () = tokio::time::sleep_until(deadline) => Err(ApiError::NotFinalYet { transaction: id }),
            () = shutdown.cancelled() => Err(ApiError::ShuttingDown { resume: None }),
        };
        drop(waiter);
        self.0.finality.forget(id);
        let (receipt, mut duplicate) = settled?;
        if let Some(error) = ApiError::of_receipt(&receipt) {
            return Err(error);
        }
        let receipt = match self.first_of_repeated(&receipt).await? {
            Some(first) => {
                duplicate = true;
                first
            }
            None => receipt,
        };
        let finality_receipt =
            if request.prove { self.prove_by(&receipt, deadline, shutdown).await?.into() } else { bytes::Bytes::new() };
        Ok(v1::SubmitAndWaitResponse { receipt: Some(convert::receipt(&receipt)), duplicate, finality_receipt })
    }

    /// The transaction's receipt, and whether it was final before.
    async fn settle(
        &self,
        transaction: SignedTransaction,
        waiter: &mut oneshot::Receiver<Answer>,
    ) -> Result<(Arc<Receipt>, bool), ApiError> {
        if let Some(first) = self.earlier(&transaction).await? {
            return Ok((Arc::new(first), true));
        }
        let transaction = self.0.backend.verify(transaction).await?;
        self.check_window(&transaction)?;
        self.0.backend.submit(transaction).await?;
        match waiter.await {
            Ok(Answer::Final(receipt)) => Ok((receipt, false)),
            Ok(Answer::Duplicate { height, index }) => {
                let first = self.read(move |archive| reads::receipt(archive, height, index)).await?;
                Ok((Arc::new(first), true))
            }
            Err(_) => Err(ApiError::Internal),
        }
    }

    /// Form and chain.
    fn decode(&self, bytes: &bytes::Bytes) -> Result<SignedTransaction, ApiError> {
        let transaction = convert::transaction(bytes)?;
        if transaction.body().chain != self.0.chain.digest {
            let wrong = Rejection { code: RejectionCode::WrongChain, field: "body.chain", operation: None };
            return Err(ApiError::Refused(wrong));
        }
        Ok(transaction)
    }

    /// The receipt that already answers for this id.
    async fn earlier(&self, transaction: &SignedTransaction) -> Result<Option<Receipt>, ApiError> {
        let id = transaction.id();
        let found = self
            .read_at_once(move |archive: &dyn Archive| match archive.locate(id)? {
                Some((height, index)) => reads::receipt(archive, height, index).map(Some),
                None => Ok(None),
            })
            .await?;
        Ok(found.filter(Receipt::takes_id))
    }

    /// The window against the latest block, and for its begin also against this node's clock: an idle network's latest
    /// block may be old.
    fn check_window(&self, transaction: &SignedTransaction) -> Result<(), ApiError> {
        let body = transaction.body();
        let latest_ms = self.0.finality.tip().time_ms;
        if latest_ms >= body.not_after_ms {
            let expired = Rejection { code: RejectionCode::Expired, field: "body.not_after_ms", operation: None };
            return Err(ApiError::Refused(expired));
        }
        let clock_ms = SystemTime::UNIX_EPOCH.elapsed().map(|time| time.as_millis()).unwrap_or(0);
        let now_ms = latest_ms.max(u64::try_from(clock_ms).unwrap_or(u64::MAX));
        match body.not_before_ms.checked_sub(now_ms) {
            None | Some(0) => Ok(()),
            Some(wait) => Err(ApiError::NotYetValid { wait: Duration::from_millis(wait) }),
        }
    }

    /// The first receipt, when `receipt` says that all its operations repeat those of one earlier transaction.
    async fn first_of_repeated(&self, receipt: &Receipt) -> Result<Option<Arc<Receipt>>, ApiError> {
        let TransactionResult::Executed(results) = &receipt.result else { return Ok(None) };
        let mut first = None;
        for result in results {
            let OperationResult::Repeated(location) = result else { return Ok(None) };
            let place = (location.height, location.index);
            if *first.get_or_insert(place) != place {
                return Ok(None);
            }
        }
        let Some((height, index)) = first else { return Ok(None) };
        self.read(move |archive| reads::receipt(archive, height, index)).await.map(Arc::new).map(Some)
    }

    /// The finality receipt file of a receipt, as soon as there is one.
    async fn prove_by(
        &self,
        receipt: &Receipt,
        deadline: Instant,
        shutdown: &CancellationToken,
    ) -> Result<Vec<u8>, ApiError> {
        let mut tip = self.0.finality.follow();
        loop {
            tip.borrow_and_update();
            let not_yet = match self.prove(receipt).await {
                Err(error @ ApiError::NotProvableYet { .. }) => error,
                settled => return settled,
            };
            tokio::select! {
                changed = tip.changed() => changed.map_err(|_| ApiError::Internal)?,
                () = tokio::time::sleep_until(deadline) => return Err(not_yet),
                () = shutdown.cancelled() => return Err(ApiError::ShuttingDown { resume: None }),
            }
        }
    }

    /// The finality receipt file of a receipt, if its height can be proven.
    pub(super) async fn prove(&self, receipt: &Receipt) -> Result<Vec<u8>, ApiError> {
        let (chain, provable) = (self.proof_chain(), self.0.finality.tip().provable);
        let (height, index) = (receipt.height, receipt.index);
        self.read(move |archive| proof::prove_transaction(archive, chain, provable, height, index)).await
    }

    fn submission(&self) -> Result<tokio::sync::SemaphorePermit<'_>, ApiError> {
        let overloaded = |_| ApiError::Overloaded { retry: Duration::from_millis(100) };
        self.0.submissions.try_acquire().map_err(overloaded)
    }
}

/// When a call must be answered, from its `grpc-timeout` header (gRPC over HTTP/2: at most eight digits, then a unit).
pub(super) fn deadline(header: Option<&str>, now: Instant) -> Instant {
    let asked = header.and_then(timeout).unwrap_or(SubmitLimits::WAIT_DEFAULT).min(SubmitLimits::WAIT_MAX);
    let margin = SubmitLimits::ANSWER_MARGIN.min(asked / 4);
    now + asked.saturating_sub(margin)
}

fn timeout(header: &str) -> Option<Duration> {
    let (digits, unit) = header.split_at_checked(header.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => value.checked_mul(3_600).map(Duration::from_secs),
        "M" => value.checked_mul(60).map(Duration::from_secs),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_read_as_grpc_writes_it_and_kept_in_bounds() {
        let now = Instant::now();
        let wait = |header| deadline(header, now) - now;
        assert_eq!(wait(None), SubmitLimits::WAIT_DEFAULT - SubmitLimits::ANSWER_MARGIN);
        assert_eq!(wait(Some("2S")), Duration::from_millis(1_800));
        assert_eq!(wait(Some("40m")), Duration::from_millis(30));
        assert_eq!(wait(Some("99999999H")), SubmitLimits::WAIT_MAX - SubmitLimits::ANSWER_MARGIN);
        for wrong in ["", "S", "5", "5x", "-5S", "123456789S", "é"] {
            assert_eq!(wait(Some(wrong)), SubmitLimits::WAIT_DEFAULT - SubmitLimits::ANSWER_MARGIN, "{wrong}");
        }
    }
}
