//! The gateway over HTTP: a request's way is address limit, endpoint, token, token limit, body, look-up, envelope.
//!
//! Must not know: how payments are found or tokens kept.

mod account;
mod answer;
mod body;
mod deeplink;
mod endpoint;
mod limits;
mod openapi;
mod page;
mod server;
mod stream;
mod token;
mod transaction;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;

use super::Node;
use super::index::Index;
use super::links::Links;
use super::lookup::Lookup;
use super::reads::Reads;
use super::tokens::{Book, Denied, Record};
use crate::config::Merchant;
use answer::{Refusal, refuse};
use endpoint::{Endpoint, NotServed, Page, Target};
use limits::Limits;

pub(super) use server::Listening;

/// How long an answer may wait for the index to reach the block that was the last when the question came.
const CATCH_UP_MAX: Duration = Duration::from_secs(1);

/// What answers are made from.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) node: Node,
    pub(super) book: Arc<Book>,
    pub(super) index: Arc<Index>,
    pub(super) lookup: Lookup,
    pub(super) links: Links,
    pub(super) reads: Reads,
}

/// The gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Gateway(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: Parts,
    limits: Limits,
}

/// Who asks, once the token is good.
#[derive(Debug, Clone)]
struct Caller {
    record: Arc<Record>,
}

impl Gateway {
    pub(super) fn new(parts: Parts, config: &Merchant) -> Self {
        let limits = Limits::new(config.token_requests_per_second, config.address_requests_per_second);
        Gateway(Arc::new(Shared { parts, limits }))
    }

    fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// Answers a request from `address`.
    pub(super) async fn answer(&self, address: IpAddr, request: Request<Body>) -> Response {
        if let Err(retry) = self.0.limits.address(address) {
            return refuse(Refusal::TooMany(retry));
        }
        match endpoint::target(request.method(), request.uri().path()) {
            Ok(Target::Call(endpoint)) => self.call(endpoint, request).await.unwrap_or_else(refuse),
            Ok(Target::Page(page)) => self.page(page, request.headers()).await.unwrap_or_else(page::refuse),
            Ok(Target::Stream) => stream::payments(self, &request).unwrap_or_else(refuse),
            Ok(Target::OpenApi) => openapi::answer(),
            Err(NotServed::Path) => refuse(Refusal::NoSuchPath),
            Err(NotServed::Method(allowed)) => refuse(Refusal::Method(allowed)),
        }
    }

    async fn call(&self, endpoint: Endpoint, request: Request<Body>) -> Result<Response, Refusal> {
        let shown = bearer(&request);
        // A token that is shown must be good, also where none is needed: a shop learns of it at once.
        let caller = match (&shown, endpoint.needs_token()) {
            (None, false) => None,
            (shown, _) => Some(self.caller(shown.as_deref())?),
        };
        let body = body::read(request.into_body()).await?;
        match (endpoint, caller) {
            (Endpoint::CheckAccount, _) => account::check(self, &body).await,
            (Endpoint::GenerateDeepLink, _) => deeplink::generate(self, &body).await,
            (Endpoint::RenewToken, _) => token::renew(self, shown, &body).await,
            (Endpoint::Transaction(by), Some(caller)) => transaction::one(self, &caller, by, &body).await,
            (Endpoint::Md5List, Some(caller)) => transaction::md5_list(self, &caller, &body).await,
            (Endpoint::HashList, Some(caller)) => transaction::hash_list(self, &caller, &body).await,
            (_, None) => Err(Refusal::Unauthorized(Denied::Missing)),
        }
    }

    async fn page(&self, page: Page, headers: &HeaderMap) -> Result<Response, page::Refused> {
        match page {
            Page::Link(id) => page::link(self, &id, now_ms()).await,
            Page::Events(id) => page::events(self, &id, headers, now_ms()).await,
            Page::Script => Ok(page::script()),
            Page::Style => Ok(page::style()),
        }
    }

    fn caller(&self, shown: Option<&str>) -> Result<Caller, Refusal> {
        let (id, record) = self.parts().book.check(shown, now_ms()).map_err(Refusal::Unauthorized)?;
        self.0.limits.token(&id).map_err(Refusal::TooMany)?;
        Ok(Caller { record })
    }

    /// Waits until the index has what was final when this was called, for a moment at most.
    async fn caught_up(&self) {
        let tip = self.parts().node.finality.tip().height;
        let mut followed = self.parts().index.followed();
        let reached = followed.wait_for(|height| *height >= tip);
        // An answer from a moment ago is better than none.
        let _late = tokio::time::timeout(CATCH_UP_MAX, reached).await;
    }
}

/// The token of `Authorization: Bearer …`.
fn bearer(request: &Request<Body>) -> Option<String> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// This machine's time, ms since the Unix epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
