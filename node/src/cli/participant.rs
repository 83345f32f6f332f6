//! `tonle participant`: who participates. The devnet library signs and sends.

use clap::ValueEnum;
use tonle_devnet::membership::{self, Admission, Signing};
use tonle_ledger::Role;

use super::validator::{public_key, secret};

const AFTER_HELP: &str = "\
Examples:
  tonle key new wb.key
  tonle participant add wb --name \"Wing Bank (Cambodia) Plc.\" --bic WIGCKHPP --participant-key wb.key
  tonle participant add audit --name \"Auditor\" --role auditor --key operator.key --node 127.0.0.1:50051

The participant is active at once: it can open accounts, and validate once the operator makes it a validator
(tonle validator set). Exit status: 0 final; 1 rejected, or not known to be final.";

/// Subcommands of `tonle participant`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Admit a participant.
    Add(Box<Add>),
}

/// Arguments of `tonle participant add`.
#[derive(Debug, clap::Args)]
pub(crate) struct Add {
    /// Its id: what stands after the @ of its accounts
    participant: String,
    /// Its name in law
    #[arg(long)]
    name: String,
    /// Its business identifier code (ISO 9362)
    #[arg(long, default_value = "")]
    bic: String,
    /// What it is
    #[arg(long, value_enum, default_value_t = RoleName::Bank)]
    role: RoleName,
    /// A key of its own, which may pay and open accounts: 64 hexadecimal digits, or a key file; may be repeated
    #[arg(long = "participant-key", value_name = "KEY|FILE")]
    keys: Vec<String>,
    /// How many of its keys must sign
    #[arg(long, default_value_t = 1)]
    threshold: u8,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// What a participant can be admitted as.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum RoleName {
    Bank,
    PaymentProvider,
    Auditor,
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    let Command::Add(add) = command;
    let admission = Admission {
        participant: add.participant.clone(),
        legal_name: add.name.clone(),
        bic: add.bic.clone(),
        role: match add.role {
            RoleName::Bank => Role::Bank,
            RoleName::PaymentProvider => Role::PaymentProvider,
            RoleName::Auditor => Role::Auditor,
        },
        keys: add.keys.iter().map(|key| public_key(key)).collect::<anyhow::Result<_>>()?,
        threshold: add.threshold,
    };
    tonle_devnet::block_on(membership::admit(&add.signing, secret(&add.signing)?, &admission))
}
