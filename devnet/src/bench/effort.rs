//! How thoroughly to measure, and how long that takes.
//!
//! Must not know: how anything is measured.

use std::time::Duration;

use super::growth::Extent;
use super::idle::SETTLING;
use super::scenario::Scenario;
use crate::load::Law;

/// What a network takes to come up, and three rates to be judged, beside the time of sending; the same for a quick run,
/// whose transfers and accounts are few.
const AROUND: Duration = Duration::from_secs(5);
const QUICK_AROUND: Duration = Duration::from_secs(2);
/// How long a network is left alone after a validator was killed.
pub(super) const AFTER_KILL: Duration = Duration::from_secs(5);
/// What a machine of two cores does in a second, for how long things take: accounts opened, and transfers in large
/// transactions.
const OPENED_PER_SECOND: u32 = 5_000;
const BATCHED_PER_SECOND: u32 = 10_000;
/// Accounts of a quick run, and of its scenario g: more than genesis has, so that some are opened.
const QUICK_ACCOUNTS: usize = 1_000;
const QUICK_GROWTH_ACCOUNTS: usize = 12_000;
/// Transfers of a quick scenario g, and in how many parts.
const QUICK_TRANSFERS: u64 = 20_000;
const QUICK_PARTS: u64 = 2;
/// Accounts of scenario g at least, and in how many parts it is told.
const GROWTH_ACCOUNTS: usize = 1_000_000;
const PARTS: u64 = 10;
/// Transfers in a transaction of scenarios c and g.
pub(super) const BATCH: usize = 1_000;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) runs: u8,
    /// None for as many as each scenario has.
    pub(super) accounts: Option<usize>,
    pub(super) law: Law,
    /// Of scenario g.
    pub(super) transfers: Option<u64>,
}

/// How thoroughly to measure.
#[derive(Debug, Clone)]
pub(super) struct Effort {
    /// Accounts of a network, and of scenario g's; how they are drawn, where a scenario does not say.
    pub(super) accounts: usize,
    pub(super) growth_accounts: usize,
    pub(super) law: Law,
    /// One run at a rate.
    pub(super) span: Duration,
    pub(super) runs: usize,
    /// Rates that a search tries at most.
    pub(super) tries: u32,
    /// One try.
    pub(super) try_span: Duration,
    /// Rates of scenario a.
    pub(super) rates: &'static [u32],
    /// Of scenario g.
    pub(super) extent: Extent,
    around: Duration,
}

impl Effort {
    /// For figures.
    pub(super) fn full(asked: Asked, accounts: usize) -> Self {
        let (span, try_span) = (Duration::from_secs(10), Duration::from_secs(6));
        Effort {
            accounts: asked.accounts.unwrap_or(accounts),
            growth_accounts: asked.accounts.unwrap_or(GROWTH_ACCOUNTS),
            law: asked.law,
            span,
            runs: usize::from(asked.runs),
            tries: 12,
            try_span,
            rates: &[100, 1_000, 5_000],
            extent: Extent { transfers: asked.transfers.unwrap_or(10_000_000), batch: BATCH, parts: PARTS },
            around: AROUND,
        }
    }

    /// For the shape.
    pub(super) fn quick(asked: Asked) -> Self {
        let span = Duration::from_secs(2);
        Effort {
            accounts: asked.accounts.unwrap_or(QUICK_ACCOUNTS),
            growth_accounts: asked.accounts.unwrap_or(QUICK_GROWTH_ACCOUNTS),
            law: asked.law,
            span,
            runs: 1,
            tries: 3,
            try_span: Duration::from_millis(1_500),
            rates: &[100],
            extent: Extent { transfers: asked.transfers.unwrap_or(QUICK_TRANSFERS), batch: BATCH, parts: QUICK_PARTS },
            around: QUICK_AROUND,
        }
    }

    fn at_rate(&self) -> Duration {
        (self.span + self.around / 3) * u32::try_from(self.runs).unwrap_or(1)
    }

    fn search(&self) -> Duration {
        (self.try_span + self.around / 3) * self.tries
    }

    fn opening(accounts: usize) -> Duration {
        Duration::from_secs(1) * u32::try_from(accounts).unwrap_or(u32::MAX) / OPENED_PER_SECOND
    }

    /// About how long these scenarios take at most, on a machine that is not overloaded.
    pub(super) fn takes(&self, scenarios: &[Scenario]) -> Duration {
        scenarios.iter().map(|scenario| self.takes_one(*scenario, scenarios.contains(&Scenario::B))).sum()
    }

    /// `known`: the highest rate of single transfers was found before.
    fn takes_one(&self, scenario: Scenario, known: bool) -> Duration {
        let at_rates = self.at_rate() * u32::try_from(self.rates.len()).unwrap_or(1);
        let highest = self.search() + self.at_rate();
        let network = self.around + Self::opening(self.accounts);
        match scenario {
            Scenario::A => network + SETTLING + self.span + at_rates,
            // Overload takes as long again to be worked off.
            Scenario::B => network + highest + self.at_rate() + self.span * u32::try_from(self.runs).unwrap_or(1),
            Scenario::C => network + highest,
            Scenario::D => network + self.at_rate() * 2 + AFTER_KILL + at_rates + highest,
            Scenario::E => network + at_rates * 2,
            Scenario::F => (network + self.at_rate() + highest) * 4,
            Scenario::G => {
                let sending = u32::try_from(self.extent.transfers).unwrap_or(u32::MAX) / BATCHED_PER_SECOND;
                // Four starts, and compactions that take about a tenth of the time of writing.
                let started = self.around * 4 + Duration::from_secs(u64::from(sending) / 10);
                self.around + Self::opening(self.growth_accounts) + Duration::from_secs(u64::from(sending)) + started
            }
            Scenario::H => network + self.at_rate() * 2 + if known { Duration::ZERO } else { self.search() },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Asked, Effort};
    use crate::bench::scenario::Scenario;
    use crate::load::Law;

    #[test]
    fn a_quick_run_is_said_to_stay_under_a_minute_and_a_full_one_under_an_hour() {
        let asked = Asked { runs: 3, accounts: None, law: Law::Even, transfers: None };
        assert!(Effort::quick(asked).takes(&Scenario::QUICK) < Duration::from_mins(1));
        let full = Effort::full(asked, 10_000);
        assert!(full.takes(&Scenario::ALL) < Duration::from_hours(1));
        // What h needs to know of b is looked for when b is not run.
        assert!(full.takes(&[Scenario::H]) > full.takes(&[Scenario::B, Scenario::H]) - full.takes(&[Scenario::B]));
    }
}
