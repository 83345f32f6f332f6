//! `tonle.v1.LedgerService`: each method converts, asks, and converts back.
//!
//! Must not know: storage, consensus.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonle_ledger::TransactionId;
use tonle_proto::v1;
use tonle_proto::v1::ledger_service_server::LedgerService;

use super::{ApiError, Service, convert, payments, proof, reads, submit, watch, watch_payment};
use crate::finality_receipt::Subject;

/// The service for clients.
#[derive(Debug, Clone)]
pub struct Ledger {
    service: Service,
    shutdown: CancellationToken,
}

impl Ledger {
    pub(super) const fn new(service: Service, shutdown: CancellationToken) -> Self {
        Ledger { service, shutdown }
    }

    fn latest(&self) -> u64 {
        self.service.0.finality.tip().height
    }

    async fn transaction(&self, request: v1::GetTransactionRequest) -> Result<v1::GetTransactionResponse, ApiError> {
        let id: TransactionId = convert::transaction_id(&request.transaction_id)?;
        let include = request.include_transaction;
        let found = self.service.read(move |archive| {
            let (height, index) = archive.locate(id)?.ok_or(ApiError::TransactionNotFound)?;
            let receipt = reads::receipt(archive, height, index)?;
            let transaction = if include { reads::sent(archive, height, index)? } else { bytes::Bytes::new() };
            Ok((receipt, transaction))
        });
        let (receipt, transaction) = found.await?;
        let finality_receipt =
            if request.prove { self.service.prove(&receipt).await?.into() } else { bytes::Bytes::new() };
        Ok(v1::GetTransactionResponse { receipt: Some(convert::receipt(&receipt)), transaction, finality_receipt })
    }

    async fn account(&self, request: v1::GetAccountRequest) -> Result<v1::GetAccountResponse, ApiError> {
        let name = convert::account_id(&request.account)?;
        if !request.prove {
            let (account, height) = self.service.read(move |archive| Ok(archive.account(name)?)).await?;
            let account = account.ok_or(ApiError::AccountNotFound)?;
            return Ok(v1::GetAccountResponse {
                account: Some(convert::account(name, &account)),
                height,
                finality_receipt: bytes::Bytes::new(),
            });
        }
        let (chain, provable) = (self.service.proof_chain(), self.service.0.finality.tip().provable);
        let proven = self.service.read(move |archive| {
            let (document, file) = proof::prove_account(archive, chain, provable, name)?;
            let root = document.headers.first().map(|header| header.checkpoint().state_root);
            let Subject::Account { height, proof } = document.subject else { return Err(ApiError::Internal) };
            // Checked before it is sent: a proof that does not hold is this node's failure, not the client's puzzle.
            let account = root.and_then(|root| proof.verify(&root).ok()).ok_or(ApiError::Internal)?;
            Ok((account.ok_or(ApiError::AccountNotFound)?, height, file))
        });
        let (account, height, file) = proven.await?;
        Ok(v1::GetAccountResponse {
            account: Some(convert::account(name, &account)),
            height,
            finality_receipt: file.into(),
        })
    }

    async fn validators(&self) -> Result<v1::ListValidatorsResponse, ApiError> {
        let length = self.service.0.chain.genesis.epoch_length;
        let read = self.service.read(move |archive| {
            let (record, height) = archive.validators()?;
            let (_, set) = archive.sets(height.checked_div(length).unwrap_or(0))?.pop().ok_or(ApiError::Internal)?;
            Ok((record, height, set))
        });
        let (record, height, set) = read.await?;
        Ok(convert::validator_sets(&self.service.0.chain, height, &set, &record))
    }

    async fn status(&self) -> Result<v1::GetStatusResponse, ApiError> {
        let tip = self.service.0.finality.tip();
        let read = self.service.read(move |archive| {
            let latest = archive.block(tip.height)?;
            Ok((archive.earliest(), latest, archive.supply()?))
        });
        let (earliest, latest, supply) = read.await?;
        let network = self.service.0.backend.network();
        Ok(convert::status(&self.service.0.chain, &network, tip, earliest, latest.as_ref(), &supply))
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitResponse>, Status> {
        Ok(Response::new(self.service.submit(&request.get_ref().transaction).await?))
    }

    async fn submit_and_wait(
        &self,
        request: Request<v1::SubmitAndWaitRequest>,
    ) -> Result<Response<v1::SubmitAndWaitResponse>, Status> {
        let header = request.metadata().get("grpc-timeout").and_then(|value| value.to_str().ok());
        let deadline = submit::deadline(header, Instant::now());
        let answer = self.service.submit_and_wait(request.into_inner(), deadline, &self.shutdown).await?;
        Ok(Response::new(answer))
    }

    async fn get_transaction(
        &self,
        request: Request<v1::GetTransactionRequest>,
    ) -> Result<Response<v1::GetTransactionResponse>, Status> {
        Ok(Response::new(self.transaction(request.into_inner()).await?))
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Result<Response<v1::GetAccountResponse>, Status> {
        Ok(Response::new(self.account(request.into_inner()).await?))
    }

    async fn get_agreement(
        &self,
        request: Request<v1::GetAgreementRequest>,
    ) -> Result<Response<v1::GetAgreementResponse>, Status> {
        let id = convert::agreement_id(request.get_ref())?;
        let (timed, height) = self.service.read(move |archive| Ok(archive.timed(id)?)).await?;
        let agreement = Some(convert::agreement(&timed.ok_or(ApiError::AgreementNotFound)?));
        Ok(Response::new(v1::GetAgreementResponse { agreement, height }))
    }

    async fn list_transactions(
        &self,
        request: Request<v1::ListTransactionsRequest>,
    ) -> Result<Response<v1::ListTransactionsResponse>, Status> {
        let (request, latest) = (request.into_inner(), self.latest());
        let answer = self.service.read(move |archive| reads::list_transactions(archive, &request, latest)).await?;
        Ok(Response::new(answer))
    }

    async fn get_block(&self, request: Request<v1::GetBlockRequest>) -> Result<Response<v1::GetBlockResponse>, Status> {
        let (request, latest) = (request.into_inner(), self.latest());
        let height = if request.height == 0 { latest } else { request.height };
        let answer = self.service.read(move |archive| {
            if request.include_certificate {
                return reads::certified_block(archive, height, latest);
            }
            let block = reads::block(archive, height, latest)?;
            Ok(v1::GetBlockResponse {
                block: Some(convert::block(&block)),
                headers: Vec::new(),
                certificate: bytes::Bytes::new(),
            })
        });
        Ok(Response::new(answer.await?))
    }

    async fn list_blocks(
        &self,
        request: Request<v1::ListBlocksRequest>,
    ) -> Result<Response<v1::ListBlocksResponse>, Status> {
        let (request, latest) = (request.into_inner(), self.latest());
        let answer = self.service.read(move |archive| reads::list_blocks(archive, &request, latest)).await?;
        Ok(Response::new(answer))
    }

    type WatchBlocksStream = watch::Blocks;

    async fn watch_blocks(
        &self,
        request: Request<v1::WatchBlocksRequest>,
    ) -> Result<Response<Self::WatchBlocksStream>, Status> {
        Ok(Response::new(self.service.watch_blocks(request.into_inner(), self.shutdown.clone()).await?))
    }

    async fn get_khqr_payment(
        &self,
        request: Request<v1::GetKhqrPaymentRequest>,
    ) -> Result<Response<v1::GetKhqrPaymentResponse>, Status> {
        let request = request.into_inner();
        let answer = self.service.read(move |archive| payments::of_code(archive, &request)).await?;
        Ok(Response::new(answer))
    }

    async fn list_khqr_payments(
        &self,
        request: Request<v1::ListKhqrPaymentsRequest>,
    ) -> Result<Response<v1::ListKhqrPaymentsResponse>, Status> {
        let (request, latest) = (request.into_inner(), self.latest());
        let answer = self.service.read(move |archive| payments::list(archive, &request, latest)).await?;
        Ok(Response::new(answer))
    }

    type WatchPaymentStream = watch_payment::Payments;

    async fn watch_payment(
        &self,
        request: Request<v1::WatchPaymentRequest>,
    ) -> Result<Response<Self::WatchPaymentStream>, Status> {
        Ok(Response::new(self.service.watch_payment(request.get_ref(), self.shutdown.clone()).await?))
    }

    async fn list_validators(
        &self,
        _request: Request<v1::ListValidatorsRequest>,
    ) -> Result<Response<v1::ListValidatorsResponse>, Status> {
        Ok(Response::new(self.validators().await?))
    }

    async fn get_status(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Ok(Response::new(self.status().await?))
    }
}
