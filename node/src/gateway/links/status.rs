//! How a code stands.
//!
//! Must not know: who asks.

use tonle_khqr::{Terms, parse};

use super::record::Link;
use crate::gateway::lookup::Lookup;
use crate::gateway::store::StoreError;

/// How long after a code's time it still counts as waiting: a block of that time may be on its way.
const LATE_MS: u64 = 5_000;

/// How a code stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Status {
    /// A static code: anybody may pay any number of times.
    Open,
    /// Nobody has paid yet.
    Waiting,
    /// It is paid, and that is final.
    Paid,
    /// Its time is over, and nobody paid.
    Expired,
}

impl Status {
    pub(in crate::gateway) const fn name(self) -> &'static str {
        match self {
            Status::Open => "OPEN",
            Status::Waiting => "WAITING",
            Status::Paid => "PAID",
            Status::Expired => "EXPIRED",
        }
    }

    /// May it become another?
    pub(in crate::gateway) const fn is_waiting(self) -> bool {
        matches!(self, Status::Waiting)
    }
}

/// How the code of `link` stands at `now_ms`.
pub(super) fn of(lookup: &Lookup, link: &Link, now_ms: u64) -> Result<Status, StoreError> {
    let Ok(khqr) = parse(&link.payload) else { return Ok(Status::Expired) };
    match khqr.terms {
        Terms::Static { .. } => Ok(Status::Open),
        Terms::Dynamic { expires_ms, .. } => {
            if lookup.is_paid(&link.payload)? {
                return Ok(Status::Paid);
            }
            let is_over = now_ms > expires_ms.saturating_add(LATE_MS);
            Ok(if is_over { Status::Expired } else { Status::Waiting })
        }
    }
}
