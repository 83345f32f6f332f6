//! `tonle evidence`: lists what nodes hold against validators and puts it on the ledger (the devnet library asks them),
//! and checks a proof offline.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;
use tonle_consensus::{Signed, Statement};
use tonle_crypto::{Canonical as _, Strict};
use tonle_devnet::evidence::{ListArguments, ReportArguments, list, report};
use tonle_ledger::Genesis;
use tonle_node::key_file;
use tonle_replica::{MISBEHAVIOUR_BYTES_MAX, Misbehaviour, Offence, OffenceKind};

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle evidence list                                                       what the devnet's nodes hold
  tonle evidence list --node 127.0.0.1:50051 --json
  tonle evidence report --key auditor.key                                   put it all on the ledger, once
  tonle evidence verify offence.hex --genesis genesis.json

Evidence is two things that one validator signed and no honest validator signs both of: two blocks proposed or voted
for in one view, a vote to finalize a view together with the claim not to have known its certificate, or two batches at
one place of its lane. It proves that the validator's key was used against the rules: by its bank, by a thief of the
key, by a second machine that runs with it, or from an old copy of its files. docs/evidence.md says what to do.";

const VERIFY_HELP: &str = "\
Examples:
  tonle evidence verify offence.hex --genesis genesis.json
  tonle evidence verify offence.hex --genesis genesis.json --json

FILE holds the proof as bytes or in hexadecimal: the field `proof` of `tonle evidence list --json`, or of the call
ListMisbehaviour. Nothing is asked of any node; the genesis file alone says for which chain the signatures count. Exit
status 0: the file proves what is printed. 1: it does not; the reason stands on standard error.";

/// Subcommands of `tonle evidence`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// List the offences that nodes hold proof of.
    List(ListArguments),
    /// Put offences on the ledger.
    Report(ReportArguments),
    /// Check a proof offline.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// The proof.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The chain's genesis file.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::List(arguments) => tonle_devnet::block_on(list(arguments)),
        Command::Report(arguments) => {
            let load = |path: &PathBuf| key_file::load(path, || key_file::passphrase(None, "passphrase: "));
            tonle_devnet::block_on(report(arguments, arguments.key.as_ref().map(load).transpose()?))
        }
        Command::Verify { file, genesis, json } => verify(file, &tonle_devnet::genesis::read(genesis)?, *json),
    }
}

fn verify(file: &Path, genesis: &Genesis, json: bool) -> anyhow::Result<()> {
    let nothing = || format!("{} proves nothing", file.display());
    let proof = Misbehaviour::decode(&read(file)?).with_context(nothing)?;
    let offence = proof.verify(genesis.digest(), &Strict).with_context(nothing)?;
    let validator = genesis.validators.iter().find(|validator| validator.key == offence.accused);
    let name = validator.map(|validator| validator.participant.to_string());
    if json {
        print_json(&as_json(&offence, name.as_deref()))
    } else {
        print(&as_text(&proof, &offence, name.as_deref()))
    }
}

/// Reads a proof, as bytes or in hexadecimal.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("cannot read {}", path.display());
    // Hexadecimal, and a line end in either style.
    let bound = 2 * MISBEHAVIOUR_BYTES_MAX + 2;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(unreadable)?;
    file.take(u64::try_from(bound)?.saturating_add(1)).read_to_end(&mut bytes).with_context(unreadable)?;
    if bytes.len() > bound {
        bail!("{} is longer than any proof of misbehaviour", path.display());
    }
    Ok(hex::decode(bytes.trim_ascii_end()).unwrap_or(bytes))
}

fn as_text(proof: &Misbehaviour, offence: &Offence, validator: Option<&str>) -> String {
    let who = validator.unwrap_or("somebody who is no validator in this genesis file");
    let (epoch, place) = (offence.epoch.get(), offence.place);
    let did = match offence.kind {
        OffenceKind::Proposals => format!("proposed two blocks in view {place} of epoch {epoch}"),
        OffenceKind::Notarizes => format!("notarized two blocks in view {place} of epoch {epoch}"),
        OffenceKind::Finalizes => format!("voted to finalize two blocks in view {place} of epoch {epoch}"),
        OffenceKind::FinalizeAndTimeout => {
            format!("voted to finalize view {place} of epoch {epoch}, and denied its certificate in a time-out")
        }
        OffenceKind::Batches => format!("signed two batches with number {place} in its lane"),
    };
    let mut lines = vec![format!("OK  2 signatures: {who} {did}")];
    if let Misbehaviour::Consensus(contradiction) = proof {
        lines.extend([contradiction.first(), contradiction.second()].map(said));
    }
    lines.push(format!("key {}", offence.accused));
    lines.push(format!("offence {}", offence.id()));
    lines.join("\n")
}

fn said(signed: &Signed) -> String {
    match signed.statement {
        Statement::Proposal { view, parent_view, block } => {
            format!("  proposal, view {}, upon view {}: block {block}", view.get(), parent_view.get())
        }
        Statement::Notarize { view, block } => format!("  notarize, view {}: block {block}", view.get()),
        Statement::Finalize { view, block } => format!("  finalize, view {}: block {block}", view.get()),
        Statement::Timeout { view, high_view } => {
            format!("  timeout, view {}: highest certificate known is of view {}", view.get(), high_view.get())
        }
    }
}

fn as_json(offence: &Offence, validator: Option<&str>) -> serde_json::Value {
    json!({
        "ok": true,
        "offence": offence.id().to_string(),
        "validator": validator,
        "key": offence.accused.to_string(),
        "kind": offence.kind.name(),
        "epoch": offence.epoch.get(),
        "place": offence.place,
    })
}
