//! `tonle.v1.RegisterService`: what the ledger keeps beside accounts and agreements.
//!
//! Must not know: storage.

use tonic::{Request, Response, Status};
use tonle_crypto::Digest;
use tonle_proto::v1;
use tonle_proto::v1::register_service_server::RegisterService;

use super::backend::Archive;
use super::reads::page_size;
use super::{ApiError, Service, convert};

/// The service for clients and explorers.
#[derive(Debug, Clone)]
pub struct Register {
    service: Service,
}

impl Register {
    pub(super) const fn new(service: Service) -> Self {
        Register { service }
    }
}

#[tonic::async_trait]
impl RegisterService for Register {
    async fn resolve_alias(
        &self,
        request: Request<v1::ResolveAliasRequest>,
    ) -> Result<Response<v1::ResolveAliasResponse>, Status> {
        let bytes: Result<[u8; 32], _> = request.get_ref().alias.as_ref().try_into();
        let alias = bytes.map_err(|_| ApiError::FieldInvalid { field: "alias", expected: "32 bytes" })?;
        let read = self.service.read(move |archive| Ok(archive.alias(Digest::from_bytes(alias))?));
        let (found, height) = read.await?;
        let found = found.ok_or(ApiError::AliasNotFound)?;
        let (account, display_name) = (found.account.to_string(), found.name.as_str().to_owned());
        Ok(Response::new(v1::ResolveAliasResponse { account, display_name, height }))
    }

    async fn get_limits(
        &self,
        _request: Request<v1::GetLimitsRequest>,
    ) -> Result<Response<v1::GetLimitsResponse>, Status> {
        let (parameters, height) = self.service.read(|archive| Ok(archive.parameters()?)).await?;
        Ok(Response::new(convert::limits(&parameters, height)))
    }

    async fn list_proposals(
        &self,
        request: Request<v1::ListProposalsRequest>,
    ) -> Result<Response<v1::ListProposalsResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(self.service.read(move |archive| proposals(archive, &request)).await?))
    }
}

/// A page of proposals. The cursor is the last one's id, in hexadecimal.
fn proposals(archive: &dyn Archive, request: &v1::ListProposalsRequest) -> Result<v1::ListProposalsResponse, ApiError> {
    let size = page_size(request.page_size)?;
    let after = match request.cursor.as_str() {
        "" => None,
        text => Some(Digest::from_hex(text).ok_or(ApiError::CursorInvalid)?),
    };
    // One more than asked for tells whether there is another page.
    let mut found = archive.proposals(after, size.saturating_add(1))?;
    let more = found.len() > size;
    found.truncate(size);
    let last = found.last().filter(|_| more).map(|proposal| proposal.id().to_string());
    let proposals = found.iter().map(convert::proposal).collect::<Option<Vec<_>>>().ok_or(ApiError::Internal)?;
    Ok(v1::ListProposalsResponse { proposals, next_cursor: last.unwrap_or_default() })
}
