//! Renewing a token.
//!
//! Must not know: how tokens are kept.

use std::sync::Arc;

use axum::response::Response;
use serde::Serialize;

use super::answer::{Refusal, answer};
use super::body::{self, Renewal};
use super::{Gateway, now_ms};
use crate::gateway::reads::Unread;
use crate::gateway::tokens::IssueError;

#[derive(Serialize)]
struct Renewed {
    token: String,
}

/// A new token for the shown one.
pub(super) async fn renew(gateway: &Gateway, shown: Option<String>, body: &[u8]) -> Result<Response, Refusal> {
    let Renewal { email } = body::parse(body, "email, a string")?;
    let book = Arc::clone(&gateway.parts().book);
    // It writes, and waits for the disk.
    let renewed = gateway.parts().reads.run(move || Ok(book.renew(shown.as_deref(), &email, now_ms()))).await?;
    let secret = renewed.map_err(|error| match error {
        IssueError::NotRegistered | IssueError::NoSuchToken => Refusal::NotRegistered,
        IssueError::Denied(denied) => Refusal::Unauthorized(denied),
        IssueError::Field(expected) => Refusal::Field(expected),
        IssueError::Full | IssueError::Random(_) | IssueError::Store(_) => {
            tracing::error!(%error, "a token could not be renewed");
            Refusal::from(Unread::Failed)
        }
    })?;
    Ok(answer("Token has been issued", Renewed { token: secret.reveal() }))
}
