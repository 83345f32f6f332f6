//! Twice the rate that a network carries: what it still carries, and what it turns away.
//!
//! Must not know: how the highest rate was found.

use serde::Serialize;

use super::measure::Point;
use crate::amount::separated;

/// How many times the highest rate is sent.
pub(super) const TIMES: u32 = 2;
/// Most transactions without an answer: more than four nodes let wait at once, so that they decide and not the load.
pub(super) const IN_FLIGHT: u32 = 100_000;

/// What became of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Overload {
    #[serde(flatten)]
    pub(super) point: Point,
    /// The part of the highest rate's transfers a second that became final all the same.
    pub(super) kept: f64,
}

impl Overload {
    /// Compares with the highest rate that held.
    pub(super) fn of(point: Point, best: &Point) -> Self {
        let kept = if best.tps > 0.0 { (point.tps / best.tps * 1_000.0).round() / 1_000.0 } else { 0.0 };
        Overload { point, kept }
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        format!(
            "At twice the highest rate {:.0} % of the highest became final; {} transfers were turned away at first, {} were lost sight of",
            self.kept * 100.0,
            separated(self.point.turned_away),
            separated(self.point.failed)
        )
    }
}
