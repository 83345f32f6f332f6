//! Gives the refusals that gRPC's transport makes by itself the same form as the services' own errors.
//!
//! tonic refuses a request that is too long, does not decode, or names no method before a service sees it, with a
//! status that carries no details. Every status of ours carries details, so a status without them is the transport's,
//! and its code says which refusal it was.
//!
//! A node that has not begun serves no service at all: there, every call is one for which there is no method, and is
//! answered with how far the node is.
//!
//! Must not know: any message of tonle.v1.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::watch;
use tonic::codegen::{Service, http};
use tonic::{Code, Status};
use tower::Layer;

use super::error::ApiError;
use crate::bootstrap::Stage;

/// Puts [`Refusal`] around the services.
#[derive(Debug, Clone, Default)]
pub(super) struct RefusalLayer {
    /// How far a node is that has not begun.
    pub(super) stage: Option<watch::Receiver<Stage>>,
}

impl<S> Layer<S> for RefusalLayer {
    type Service = Refusal<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Refusal { inner, stage: self.stage.clone() }
    }
}

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Refusal<S> {
    inner: S,
    stage: Option<watch::Receiver<Stage>>,
}

impl<S, Request, Body> Service<Request> for Refusal<S>
where
    S: Service<Request, Response = http::Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let answer = self.inner.call(request);
        let stage = self.stage.as_ref().map(|stage| *stage.borrow());
        Box::pin(async move {
            let mut response = answer.await?;
            if let Some(status) = Status::from_header_map(response.headers())
                && status.details().is_empty()
                && let Some(error) = named(status.code(), stage)
            {
                // `add_header` writes every header of a status but keeps the response's own content type.
                if Status::from(error).add_header(response.headers_mut()).is_err() {
                    tracing::debug!("a refusal did not fit in headers");
                }
            }
            Ok(response)
        })
    }
}

/// The error that the transport's `code` stands for.
fn named(code: Code, stage: Option<Stage>) -> Option<ApiError> {
    match code {
        Code::Internal | Code::InvalidArgument => Some(ApiError::Malformed),
        Code::OutOfRange | Code::ResourceExhausted => Some(ApiError::MessageTooLarge),
        Code::Unimplemented => Some(stage.map_or(ApiError::UnknownMethod, ApiError::Starting)),
        Code::Cancelled => Some(ApiError::Cancelled),
        _ => None,
    }
}
