//! The two clocks that the replica is told of. It reads neither itself.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tonle_consensus::Time;

/// Monotonic time since the start, which drives timers, and wall time, which drives timestamps.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that begins at zero.
    #[must_use]
    pub fn start() -> Self {
        Clock { start: Instant::now() }
    }

    /// Microseconds since the start.
    #[must_use]
    pub fn monotonic_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Both clocks.
    #[must_use]
    pub fn now(&self) -> Time {
        // A wall clock before 1970 is wrong, and the replica's rules on timestamps bear a wrong clock.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time { monotonic_us: self.monotonic_us(), wall_ms: u64::try_from(wall.as_millis()).unwrap_or(u64::MAX) }
    }
}
