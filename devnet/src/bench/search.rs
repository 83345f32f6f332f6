//! The highest rate that still holds: up in steps until one fails, then by halves between the last two.
//!
//! Must not know: what is measured.

/// Decides which rate to try next.
#[derive(Debug)]
pub(super) struct Search {
    best: Option<u32>,
    failed: Option<u32>,
    next: u32,
    left: u32,
}

/// How near, in percent of it, a rate that holds must lie to one that fails before the search ends.
const NEAR_PERCENT: u32 = 6;

impl Search {
    /// Begins at `first`, and tries `tries` rates at most.
    pub(super) fn new(first: u32, tries: u32) -> Self {
        Search { best: None, failed: None, next: first.max(1), left: tries }
    }

    /// The rate to try now; none at the end.
    pub(super) fn rate(&self) -> Option<u32> {
        let near = self.best.zip(self.failed).is_some_and(|(best, failed)| {
            failed.saturating_sub(best) <= (best / 100).saturating_mul(NEAR_PERCENT).max(1)
        });
        (self.left > 0 && !near && self.next > 0).then_some(self.next)
    }

    /// That rate held, or did not.
    pub(super) fn tried(&mut self, held: bool) {
        self.left = self.left.saturating_sub(1);
        if held {
            self.best = Some(self.next);
        } else {
            self.failed = Some(self.next);
        }
        self.next = match (self.best, self.failed) {
            (Some(best), None) => best.saturating_mul(2),
            (None, Some(failed)) => failed / 2,
            (Some(best), Some(failed)) => best.midpoint(failed),
            (None, None) => self.next,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::Search;

    /// The highest rate that held, and how many were tried, when everything up to `limit` holds.
    fn search(first: u32, tries: u32, limit: u32) -> (Option<u32>, u32) {
        let mut search = Search::new(first, tries);
        let mut count = 0;
        while let Some(rate) = search.rate() {
            search.tried(rate <= limit);
            count += 1;
        }
        (search.best, count)
    }

    #[test]
    fn the_limit_is_found_to_within_a_few_percent() {
        for limit in [1, 30, 499, 500, 1_866, 6_400, 27_000, 163_000] {
            let (best, tries) = search(500, 40, limit);
            let best = best.unwrap();
            assert!(best <= limit && limit - best <= (limit / 100 * 7).max(1), "{limit}: {best}");
            assert!(tries <= 16, "{limit}: {tries} tries");
        }
    }

    #[test]
    fn it_ends_when_the_tries_are_used_up_and_when_nothing_holds() {
        assert_eq!(search(500, 3, u32::MAX), (Some(2_000), 3));
        assert_eq!(search(500, 40, 0).0, None);
        assert_eq!(search(500, 0, 1_000), (None, 0));
    }
}
