//! `tonle govern`: what the operator decides of limits, participants and the protocol.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{Activation, Amount, Operation, RemoveParticipant, SetLimits, SetParticipantMode};

use super::words::{Taking, Tier as KnownAs};
use super::{Signing, Terms, subcommands};

const AFTER_HELP: &str = "\
Examples:
  tonle govern limits KHR basic --daily 2000000 --hourly 120
  tonle govern mode wing pay-out-only              the first step of winding a bank down: its customers pay out
  tonle govern remove wing                         the last, once it has no money and no validator
  tonle govern protocol 2 --height 100000
  tonle govern mode wing suspended --propose       with one key of several: others approve (tonle proposal approve)

Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Replace what accounts of a tier may spend of an asset.
    Limits(Box<Limits>),
    /// Say what the accounts of a participant may take part in.
    Mode(Box<Mode>),
    /// End a participant that was wound down.
    Remove(Box<Remove>),
    /// Say when a version of the protocol comes into force.
    Protocol(Box<Protocol>),
}

/// Arguments of `tonle govern limits`.
#[derive(Debug, clap::Args)]
pub struct Limits {
    /// The asset
    asset: String,
    /// The tier
    #[arg(value_enum)]
    tier: KnownAs,
    /// Most in a day; without it, no limit
    #[arg(long, value_name = "AMOUNT")]
    daily: Option<String>,
    /// How many times in an hour at most; 0: no limit
    #[arg(long, default_value_t = 0)]
    hourly: u32,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle govern mode`.
#[derive(Debug, clap::Args)]
pub struct Mode {
    /// The participant
    participant: String,
    /// What its accounts may take part in
    #[arg(value_enum)]
    mode: Taking,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle govern remove`.
#[derive(Debug, clap::Args)]
pub struct Remove {
    /// The participant
    participant: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle govern protocol`.
#[derive(Debug, clap::Args)]
pub struct Protocol {
    /// The version
    version: u16,
    /// The first height at which it is in force
    #[arg(long)]
    height: u64,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Limits, Mode, Remove, Protocol);

impl Limits {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let daily = match &self.daily {
            Some(amount) => terms.money(amount, &self.asset)?.1,
            None => Amount::ZERO,
        };
        Ok(Operation::SetLimits(SetLimits {
            asset: terms.asset(&self.asset)?,
            tier: self.tier.into(),
            daily_minor: daily.minor(),
            hourly: self.hourly,
        }))
    }
}

impl Mode {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (participant, mode) = (terms.participant(&self.participant)?, self.mode.into());
        Ok(Operation::SetParticipantMode(SetParticipantMode { participant, mode }))
    }
}

impl Remove {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::RemoveParticipant(RemoveParticipant { participant: terms.participant(&self.participant)? }))
    }
}

impl Protocol {
    fn operation(&self, _: &Terms) -> Result<Operation> {
        Ok(Operation::ActivateProtocol(Activation { height: self.height, version: self.version }))
    }
}
