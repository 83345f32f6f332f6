//! `tonle evidence`: the offences that nodes hold proof of, each once, with who holds it and since which block it is on
//! the ledger; and putting them there.

mod reporting;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use tonic::Status;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;
use tonle_proto::v1::{ListMisbehaviourRequest, Misbehaviour, MisbehaviourKind};

use crate::client::{Client, Node, Target, timed};
use crate::screen::{print, print_json, table, utc};

pub use reporting::{ReportArguments, report};

/// How long one page may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Offences asked for at once.
const PAGE: u32 = 1_000;

const LIST_HELP: &str = "\
Examples:
  tonle evidence list
  tonle evidence list --node 127.0.0.1:50051 --json
  tonle evidence list --json | head -1 | jq -r .proof > offence.hex     a file for `tonle evidence verify`

Every honest node comes to hold every offence, so what one node alone lists is seconds old, or that node is cut off.
Once it is reported (tonle evidence report), the block by which it is on the ledger is shown; nodes that hold no proof
of their own list it too.
Exit status 0 also when there is none.";

/// Arguments of `tonle evidence list`.
#[derive(Debug, clap::Args)]
#[command(after_help = LIST_HELP)]
pub struct ListArguments {
    /// Print one line of JSON for each offence, with its proof in hexadecimal
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// One offence, and who holds proof of it.
#[derive(Debug, Serialize)]
struct Report {
    offence: String,
    validator: String,
    key: String,
    kind: &'static str,
    epoch: u64,
    place: u64,
    first_seen_ms: u64,
    /// The block by which it is on the ledger.
    landed_height: Option<u64>,
    held_by: Vec<String>,
    proof: String,
}

/// Asks every node, and prints.
///
/// # Errors
/// When no node answers.
pub async fn list(arguments: &ListArguments) -> Result<()> {
    let client = Client::open(&arguments.target)?;
    let (reports, silent) = reports(&client).await?;
    if arguments.json {
        return reports.iter().try_for_each(print_json);
    }
    if reports.is_empty() {
        print("no validator is known to have broken the rules")?;
        return silent.iter().try_for_each(|line| print(line));
    }
    let row = |report: &Report| {
        vec![
            if report.held_by.is_empty() { String::new() } else { utc(report.first_seen_ms) },
            report.validator.clone(),
            report.kind.to_owned(),
            report.epoch.to_string(),
            report.place.to_string(),
            report.offence.chars().take(16).collect(),
            report.landed_height.map_or_else(|| "no".to_owned(), |height| format!("block {height}")),
            report.held_by.join(" "),
        ]
    };
    let headings =
        ["first seen (UTC)", "validator", "what", "epoch", "view or batch", "offence", "on the ledger", "held by"];
    print(&table(&headings, &reports.iter().map(row).collect::<Vec<_>>()))?;
    silent.iter().try_for_each(|line| print(line))
}

/// What all nodes know, by when it was first seen, and a line for each node that does not answer.
async fn reports(client: &Client) -> Result<(Vec<Report>, Vec<String>)> {
    let answers = futures::future::join_all(client.nodes().iter().map(held_by)).await;
    let mut reports: BTreeMap<Vec<u8>, Report> = BTreeMap::new();
    let mut silent = Vec::new();
    for (node, answer) in client.nodes().iter().zip(answers) {
        match answer {
            Ok(offences) => offences.into_iter().for_each(|offence| add(&mut reports, node.label(), &offence)),
            Err(status) => silent.push(format!("{} does not answer: {}", node.label(), status.message())),
        }
    }
    if silent.len() == client.nodes().len() {
        bail!(silent.join("\n"));
    }
    let mut reports: Vec<Report> = reports.into_values().collect();
    reports.sort_by_key(|report| report.first_seen_ms);
    Ok((reports, silent))
}

/// All offences that a node holds proof of or finds on the ledger.
///
/// # Errors
/// What the node, or the connection to it, says.
pub async fn held_by(node: &Node) -> Result<Vec<Misbehaviour>, Status> {
    let mut operator = OperatorServiceClient::new(node.channel());
    let (mut offences, mut cursor) = (Vec::new(), String::new());
    loop {
        let request = ListMisbehaviourRequest { page_size: PAGE, cursor };
        let page = operator.list_misbehaviour(timed(request, PATIENCE)).await?.into_inner();
        offences.extend(page.offences);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            return Ok(offences);
        }
    }
}

fn add(reports: &mut BTreeMap<Vec<u8>, Report>, node: &str, offence: &Misbehaviour) {
    let report = reports.entry(offence.offence_id.to_vec()).or_insert_with(|| Report {
        offence: hex::encode(&offence.offence_id),
        validator: offence.validator.clone(),
        key: hex::encode(&offence.key),
        kind: kind(offence.kind()),
        epoch: offence.epoch,
        place: offence.place,
        first_seen_ms: 0,
        landed_height: None,
        held_by: Vec::new(),
        proof: String::new(),
    });
    if offence.landed_height != 0 {
        report.landed_height = Some(offence.landed_height);
    }
    // Nothing is held by a node that knows of it from the ledger alone.
    if !offence.proof.is_empty() {
        let first = if report.held_by.is_empty() { u64::MAX } else { report.first_seen_ms };
        report.first_seen_ms = first.min(offence.first_seen_ms);
        report.proof = hex::encode(&offence.proof);
        report.held_by.push(node.to_owned());
    }
}

/// A kind's name, as the metric has it.
fn kind(kind: MisbehaviourKind) -> &'static str {
    match kind {
        MisbehaviourKind::Unspecified => "unknown",
        MisbehaviourKind::TwoProposals => "two_proposals",
        MisbehaviourKind::TwoNotarizes => "two_notarizes",
        MisbehaviourKind::TwoFinalizes => "two_finalizes",
        MisbehaviourKind::FinalizeAndTimeout => "finalize_and_timeout",
        MisbehaviourKind::TwoBatches => "two_batches",
    }
}
