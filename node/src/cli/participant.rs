//! `tonle participant`: who participates. The devnet library signs and sends.

use anyhow::Context;
use clap::ValueEnum;
use tonle_crypto::{EncryptionKey, PublicKey};
use tonle_devnet::client::Target;
use tonle_devnet::membership::{self, Admission, Signing};
use tonle_devnet::participants::{self, Keys, ReadKeys};
use tonle_ledger::Role;

use super::genesis::recipient;
use super::order;
use super::validator::{public_key, secret};

const AFTER_HELP: &str = "\
Examples:
  tonle key new wb.key
  tonle participant add wb --name \"Wing Bank (Cambodia) Plc.\" --bic WIGCKHPP --participant-key wb.key
  tonle participant show wing                                        its keys, and what each may do
  tonle participant keys aba --encryption-key aba-encryption-2.key   what is sealed for aba from now on
  tonle participant keys aba --pay new.key --open-accounts new.key --manage-keys boss.key
  tonle participant add audit --name \"Auditor\" --role auditor --key operator.key --node 127.0.0.1:50051

The participant is active at once: it can open accounts, and validate once the operator makes it a validator
(tonle validator set). Keys are replaced as a whole: --pay, --open-accounts, --manage-keys and so on
each name a key, 64 hexadecimal digits or a key file, and may be repeated. New keys count for what
follows; old encryption keys still open what was sealed for them, so keep them. Exit status: 0 final; 1 rejected, or not known to be final.";

/// Subcommands of `tonle participant`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Admit a participant.
    Add(Box<Add>),
    /// Show participants: what they are, their keys and what each may do.
    Show(Show),
    /// Replace a participant's keys, or the key that personal data is encrypted to.
    Keys(Box<Keys>),
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
    /// What is sealed for it is encrypted to this key: 64 hexadecimal digits, age1..., or a key file; without it, to the
    /// key that follows from the first participant key
    #[arg(long, value_name = "KEY|FILE")]
    encryption_key: Option<String>,
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

/// Arguments of `tonle participant show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The participant; without it, all of them
    participant: Option<String>,
    /// Print one line of JSON for each
    #[arg(long)]
    json: bool,
    /// Whom to ask
    #[command(flatten)]
    target: Target,
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Add(add) => admit(add),
        Command::Show(show) => {
            tonle_devnet::block_on(participants::show(&show.target, show.participant.as_deref(), show.json))
        }
        Command::Keys(change) => order::run(&change.order(&Files)?),
    }
}

/// Reads the public halves of keys.
struct Files;

impl ReadKeys for Files {
    fn public_key(&self, text: &str) -> anyhow::Result<PublicKey> {
        public_key(text)
    }
    fn encryption_key(&self, text: &str) -> anyhow::Result<EncryptionKey> {
        recipient(text)
    }
}

fn admit(add: &Add) -> anyhow::Result<()> {
    let keys: Vec<PublicKey> = add.keys.iter().map(|key| public_key(key)).collect::<anyhow::Result<_>>()?;
    let follows = keys.first().map(PublicKey::encryption_key);
    let encryption_key = add.encryption_key.as_deref().map(recipient).transpose()?.or(follows);
    let admission = Admission {
        participant: add.participant.clone(),
        legal_name: add.name.clone(),
        bic: add.bic.clone(),
        role: match add.role {
            RoleName::Bank => Role::Bank,
            RoleName::PaymentProvider => Role::PaymentProvider,
            RoleName::Auditor => Role::Auditor,
        },
        keys,
        threshold: add.threshold,
        encryption_key: encryption_key.context("it has no key: name one with --encryption-key or --participant-key")?,
    };
    tonle_devnet::block_on(membership::admit(&add.signing, secret(&add.signing)?, &admission))
}
