//! Whether a code may be paid: what [`parse()`] demands, and that it has not expired.
//!
//! Must not know: where the time comes from.

use crate::payload::Khqr;
use crate::{ErrorCode, parse};

/// Reads a payload as a payer does at `now_ms`, in milliseconds since 1970.
///
/// # Errors
/// The first reason to refuse it; that it has expired is the last.
pub fn verify(payload: &str, now_ms: u64) -> Result<Khqr<'_>, ErrorCode> {
    let khqr = parse(payload)?;
    if khqr.is_expired(now_ms) { Err(ErrorCode::Expired) } else { Ok(khqr) }
}
