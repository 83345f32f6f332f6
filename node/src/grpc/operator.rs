//! `tonle.v1.OperatorService`: costly checks, one at a time, and what is proved against validators.
//!
//! Must not know: how the state is scanned.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use tonle_proto::v1;
use tonle_proto::v1::operator_service_server::OperatorService;

use super::{ApiError, Service, convert, reads, report};

/// The service for the node's operator.
#[derive(Debug, Clone)]
pub struct Operator {
    service: Service,
    scans: Arc<Semaphore>,
}

impl Operator {
    pub(super) fn new(service: Service) -> Self {
        Operator { service, scans: Arc::new(Semaphore::new(1)) }
    }

    async fn scan(&self) -> Result<v1::VerifySupplyResponse, ApiError> {
        let overloaded = |_| ApiError::Overloaded { retry: Duration::from_secs(1) };
        let _scan = self.scans.try_acquire().map_err(overloaded)?;
        let audit = self.service.0.backend.audit_supply().await?;
        Ok(convert::supply_audit(&self.service.0.chain, &audit))
    }
}

#[tonic::async_trait]
impl OperatorService for Operator {
    async fn verify_supply(
        &self,
        _request: Request<v1::VerifySupplyRequest>,
    ) -> Result<Response<v1::VerifySupplyResponse>, Status> {
        Ok(Response::new(self.scan().await?))
    }

    async fn list_misbehaviour(
        &self,
        request: Request<v1::ListMisbehaviourRequest>,
    ) -> Result<Response<v1::ListMisbehaviourResponse>, Status> {
        let (service, request) = (self.service.clone(), request.into_inner());
        let found = self.service.read(move |archive| reads::misbehaviour(archive, &service.0.chain, &request));
        Ok(Response::new(found.await?))
    }

    async fn list_large_payments(
        &self,
        request: Request<v1::ListLargePaymentsRequest>,
    ) -> Result<Response<v1::ListLargePaymentsResponse>, Status> {
        let (latest, request) = (self.service.0.finality.tip().height, request.into_inner());
        let found = self.service.read(move |archive| report::large_payments(archive, &request, latest));
        Ok(Response::new(found.await?))
    }
}
