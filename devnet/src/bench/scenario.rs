//! The scenarios by their letters.
//!
//! Must not know: how they are run.

use std::fmt;

/// One of the scenarios.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(super) enum Scenario {
    A,
    B,
    C,
    D,
    E,
    F,
    G,
    H,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Scenario::A => "a",
            Scenario::B => "b",
            Scenario::C => "c",
            Scenario::D => "d",
            Scenario::E => "e",
            Scenario::F => "f",
            Scenario::G => "g",
            Scenario::H => "h",
        })
    }
}

impl Scenario {
    pub(super) const ALL: [Scenario; 8] =
        [Scenario::A, Scenario::B, Scenario::C, Scenario::D, Scenario::E, Scenario::F, Scenario::G, Scenario::H];
    pub(super) const QUICK: [Scenario; 5] = [Scenario::A, Scenario::B, Scenario::C, Scenario::G, Scenario::H];
    /// Validators of scenario f's networks.
    pub(super) const SIZES: [usize; 4] = [4, 7, 10, 16];

    /// In one line.
    pub(super) fn what(self) -> &'static str {
        match self {
            Scenario::A => "finality latency at fixed rates, one transfer in a transaction",
            Scenario::B => "highest rate of one-transfer transactions with p99 under 1 s",
            Scenario::C => "highest rate in transactions of 1,000 transfers with p99 under 1 s",
            Scenario::D => "a and b with one validator killed",
            Scenario::E => "a with round trips of 50 ms, and with every link cut for 5 % of the time",
            Scenario::F => "100 transfers/s, and the highest rate, with 4, 7, 10 and 16 validators",
            Scenario::G => {
                "millions of transfers in transactions of 1,000, skewed: rate, memory, disk and start-up as it grows"
            }
            Scenario::H => "explorer reads beside half of b's highest rate, skewed: their latency, and finality's",
        }
    }
}
