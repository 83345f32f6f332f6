//! The envelope of every answer, and what stands in it when the answer is no.
//!
//! Clients of Bakong read the envelope only of answers with status 200, so what they must understand has that status;
//! what stops a request before it is understood has HTTP's own.
//!
//! Must not know: how an answer was found.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;

use crate::gateway::reads::Unread;
use crate::gateway::tokens::Denied;

/// An answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<T> {
    /// 0: as asked; 1: not.
    response_code: u8,
    response_message: String,
    /// 1 to 12; null when there is none for it.
    error_code: Option<u8>,
    data: Option<T>,
}

/// Why a request was not answered as asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No payment that this token may see.
    NotFound,
    /// By MD5, static codes are not tracked: many payments share one.
    StaticCode,
    /// The transaction moved nothing.
    Failed,
    /// The code is none that can be paid.
    Code(tonle_khqr::ErrorCode),
    /// No further links can be kept.
    LinksFull,
    /// The body lacks a field, or a field is not what it must be.
    Field(&'static str),
    /// The token is missing or not good.
    Unauthorized(Denied),
    /// The address is not the token's.
    NotRegistered,
    /// There is no such account.
    AccountNotFound,
    /// The text is no account's name.
    AccountInvalid,
    /// Too many requests.
    TooMany(Duration),
    /// The body is too long.
    BodyTooLarge,
    /// The body did not come in time.
    BodyLate,
    /// The node cannot answer now.
    Unavailable,
    /// The path is not served.
    NoSuchPath,
    /// The path is served under another method.
    Method(&'static str),
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Busy => Refusal::TooMany(Duration::from_secs(1)),
            Unread::Failed => Refusal::Unavailable,
        }
    }
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Refusal::NotFound
            | Refusal::StaticCode
            | Refusal::Failed
            | Refusal::Code(_)
            | Refusal::LinksFull
            | Refusal::Field(_)
            | Refusal::NotRegistered
            | Refusal::AccountNotFound
            | Refusal::AccountInvalid => StatusCode::OK,
            Refusal::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Refusal::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Refusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::BodyLate => StatusCode::REQUEST_TIMEOUT,
            Refusal::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::NoSuchPath => StatusCode::NOT_FOUND,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// The error code of Bakong's table.
    const fn error_code(self) -> Option<u8> {
        match self {
            Refusal::NotFound => Some(1),
            Refusal::StaticCode => Some(2),
            Refusal::Failed => Some(3),
            Refusal::LinksFull => Some(4),
            Refusal::Field(_) | Refusal::Code(_) => Some(5),
            Refusal::Unauthorized(_) => Some(6),
            Refusal::Unavailable => Some(9),
            Refusal::NotRegistered => Some(10),
            Refusal::AccountNotFound => Some(11),
            Refusal::AccountInvalid => Some(12),
            Refusal::TooMany(_)
            | Refusal::BodyTooLarge
            | Refusal::BodyLate
            | Refusal::NoSuchPath
            | Refusal::Method(_) => None,
        }
    }

    fn message(self) -> String {
        match self {
            Refusal::NotFound => "Transaction could not be found. Please check and try again.".to_owned(),
            Refusal::StaticCode => "A static QR is not tracked by its MD5.".to_owned(),
            Refusal::Failed => "Transaction failed.".to_owned(),
            Refusal::Code(code) => format!("The QR cannot be paid: {} ({})", code.message(), code.number()),
            Refusal::LinksFull => "No further deep links can be kept now.".to_owned(),
            Refusal::Field(expected) => format!("Missing or invalid field: {expected}."),
            Refusal::Unauthorized(Denied::Missing) => "Unauthorized: no token was sent.".to_owned(),
            Refusal::Unauthorized(Denied::Unknown) => "Unauthorized: the token is not known.".to_owned(),
            Refusal::Unauthorized(Denied::Expired) => "Unauthorized: the token has expired.".to_owned(),
            Refusal::Unauthorized(Denied::Revoked) => "Unauthorized: the token was revoked.".to_owned(),
            Refusal::NotRegistered => "The token is not registered under this address.".to_owned(),
            Refusal::AccountNotFound => "Account ID could not be found.".to_owned(),
            Refusal::AccountInvalid => "Account ID is invalid.".to_owned(),
            Refusal::TooMany(_) => "Too many requests. Please wait before trying again.".to_owned(),
            Refusal::BodyTooLarge => "The body is longer than 65,536 bytes.".to_owned(),
            Refusal::BodyLate => "The body did not come in time.".to_owned(),
            Refusal::Unavailable => "The node cannot answer now. Please try again.".to_owned(),
            Refusal::NoSuchPath => "There is nothing under this path.".to_owned(),
            Refusal::Method(allowed) => format!("This path takes {allowed}."),
        }
    }
}

/// The answer `data`, as asked.
pub(super) fn answer(message: &str, data: impl Serialize) -> Response {
    let message = message.to_owned();
    let envelope = Envelope { response_code: 0, response_message: message, error_code: None, data: Some(data) };
    json(StatusCode::OK, &envelope)
}

/// The answer that it is so, without data.
pub(super) fn confirm(message: &str) -> Response {
    answer(message, None::<()>)
}

/// The answer no.
pub(super) fn refuse(refusal: Refusal) -> Response {
    let envelope: Envelope<()> = Envelope {
        response_code: 1,
        response_message: refusal.message(),
        error_code: refusal.error_code(),
        data: None,
    };
    let mut response = json(refusal.status(), &envelope);
    let headers = response.headers_mut();
    match refusal {
        Refusal::TooMany(retry) => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(retry.as_secs().saturating_add(1)));
        }
        Refusal::Unauthorized(_) => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Refusal::Method(allowed) => {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        _ => {}
    }
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let Ok(text) = serde_json::to_vec(value) else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    with_type(status, "application/json", text)
}

/// An answer of this type, which nothing on its way may keep.
pub(super) fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
