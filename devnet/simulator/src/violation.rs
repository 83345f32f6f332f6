//! A breach, and which run it came from: every kind of run says how it is run again.
//!
//! Must not know: how a run is made.

use std::fmt;

use crate::byzantine::Kind;
use crate::invariants::Breach;
use crate::membership::membership;
use crate::rejoining::{Loss, rejoin};
use crate::wan::{Wan, measure};
use crate::world::{Crash, drill, misbehave, simulate};

/// One run, which can be written as the command line's arguments and read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// What a seed draws: `--seed SEED`.
    Seed(u64),
    /// What a seed draws, but for one Byzantine validator of a kind: `--byzantine SEED,Twins` for example.
    Byzantine(u64, Kind),
    /// Good weather and one crash: `--drill SEED,NODE,SYNC,made` or `…,lost`; `--drill SEED` without a crash.
    Drill(u64, Option<Crash>),
    /// Good weather and one loss: `--rejoin SEED,guard`, or `disk`, `backup`, `old-guard`.
    Rejoin(u64, Loss),
    /// Validators change, in good weather or not: `--membership SEED,calm` or `…,rough`.
    Membership(u64, bool),
    /// Figures: `--wan SEED,NODES,DELAY_US,DEAD,FOR_US`.
    Wan(u64, Wan),
}

impl Run {
    /// Reads a flag of the command line and its value.
    #[must_use]
    pub fn parse(flag: &str, value: &str) -> Option<Run> {
        let fields: Vec<&str> = value.split(',').collect();
        let seed = fields.first()?.parse().ok()?;
        match (flag, fields.as_slice()) {
            ("--seed", [_]) => Some(Run::Seed(seed)),
            ("--byzantine", [_, name]) => {
                let kind = Kind::ALL.into_iter().find(|kind| format!("{kind:?}") == *name)?;
                Some(Run::Byzantine(seed, kind))
            }
            ("--drill", [_]) => Some(Run::Drill(seed, None)),
            ("--drill", [_, node, sync, made]) => {
                let made = ["lost", "made"].iter().position(|word| word == made)? == 1;
                Some(Run::Drill(seed, Some(Crash { node: node.parse().ok()?, sync: sync.parse().ok()?, made })))
            }
            ("--rejoin", [_, name]) => {
                let loss = Loss::ALL.into_iter().find(|loss| loss.name() == *name)?;
                Some(Run::Rejoin(seed, loss))
            }
            ("--membership", [_, sky]) => {
                let calm = ["rough", "calm"].iter().position(|word| word == sky)? == 1;
                Some(Run::Membership(seed, calm))
            }
            ("--wan", [_, nodes, delay_us, dead, for_us]) => {
                let (nodes, dead) = (nodes.parse().ok()?, dead.parse().ok()?);
                let sound = (2..=100).contains(&nodes) && dead < nodes;
                let wan = Wan { nodes, delay_us: delay_us.parse().ok()?, dead, for_us: for_us.parse().ok()? };
                sound.then_some(Run::Wan(seed, wan))
            }
            _ => None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Violation`]: the first invariant that did not hold.
    #[allow(clippy::result_large_err, reason = "one, at the end of a failed run")]
    pub fn again(self) -> Result<(), Violation> {
        match self {
            Run::Seed(seed) => simulate(seed, None).map(|_| ()),
            Run::Byzantine(seed, kind) => misbehave(seed, kind).map(|_| ()),
            Run::Drill(seed, crash) => drill(seed, crash).map(|_| ()),
            Run::Rejoin(seed, loss) => rejoin(seed, loss).map(|_| ()),
            Run::Membership(seed, calm) => membership(seed, calm).map(|_| ()),
            Run::Wan(seed, wan) => measure(seed, wan).map(|_| ()),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Run::Seed(seed) => write!(f, "--seed {seed}"),
            Run::Byzantine(seed, kind) => write!(f, "--byzantine {seed},{kind:?}"),
            Run::Drill(seed, None) => write!(f, "--drill {seed}"),
            Run::Drill(seed, Some(crash)) => {
                let made = if crash.made { "made" } else { "lost" };
                write!(f, "--drill {seed},{},{},{made}", crash.node, crash.sync)
            }
            Run::Rejoin(seed, loss) => write!(f, "--rejoin {seed},{}", loss.name()),
            Run::Membership(seed, calm) => write!(f, "--membership {seed},{}", if *calm { "calm" } else { "rough" }),
            Run::Wan(seed, wan) => {
                write!(f, "--wan {seed},{},{},{},{}", wan.nodes, wan.delay_us, wan.dead, wan.for_us)
            }
        }
    }
}

impl Loss {
    /// All of them.
    pub const ALL: [Loss; 4] = [Loss::Guard, Loss::Disk, Loss::Backup, Loss::OldGuard];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Loss::Guard => "guard",
            Loss::Disk => "disk",
            Loss::Backup => "backup",
            Loss::OldGuard => "old-guard",
        }
    }
}

/// A breach, and how to see it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What ran.
    pub run: Run,
    /// Virtual time, in microseconds.
    pub at_us: u64,
    /// What.
    pub breach: Box<Breach>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (run, ms) = (self.run, self.at_us / 1_000);
        writeln!(f, "{run} at {ms} ms: {}", self.breach)?;
        write!(f, "reproduce: cargo run --release -p tonle-simulator --bin simulate -- {run}")?;
        if let Run::Seed(seed) = run { write!(f, " (or --shrink {seed})") } else { Ok(()) }
    }
}

impl std::error::Error for Violation {}
