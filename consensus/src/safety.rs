//! The safety rules: the one place that decides on a consensus signature. Check, then Persist, then Sign.
//!
//! Must not know: timers, queues, peers, whether a vote is useful.

use crate::{SigningContext, Statement};

/// An order to sign, which only this module makes, and only once the guard record that covers it goes out before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignRequest {
    statement: Statement,
    message: Vec<u8>,
}

impl SignRequest {
    /// What is signed.
    #[must_use]
    pub fn statement(&self) -> Statement {
        self.statement
    }
    /// The bytes to sign, as `preimage` draws them.
    #[must_use]
    pub fn message(&self) -> &[u8] {
        &self.message
    }
    pub(crate) fn new(statement: Statement, context: &SigningContext) -> Self {
        SignRequest { statement, message: statement.preimage(context) }
    }
}
