//! Webhooks: payments told to addresses that the bank configured, at least once, in order, in batches, until the shop's
//! server says that it has them.
//!
//! What is to be told follows from the index, so a webhook's whole state is how far it has come: a restart loses
//! nothing. A batch under way is kept as such, so that what is sent again after a crash has the same id.
//!
//! Must not know: HTTP's server side, tokens.

mod book;
mod delivery;
mod destination;
mod message;
mod record;

pub(super) use book::Hooks;
pub(super) use record::{Dead, Form, Hook};
