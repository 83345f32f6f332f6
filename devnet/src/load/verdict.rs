//! After the load: is every transfer's block on every running node, with the same roots, and is the money all there?

use std::time::{Duration, Instant};

use futures::future::join_all;
use tokio::time::sleep;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;
use tonle_proto::v1::{GetBlockRequest, VerifySupplyRequest};

use crate::client::{Client, Node, timed};
use crate::directory::{Directory, ValidatorProcess};
use crate::process::resident_mib;

/// How long a node that is behind is waited for.
pub(super) const STRAGGLER_PATIENCE: Duration = Duration::from_mins(1);
/// How long a full scan may take.
const SCAN_PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// What the nodes say after the load.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Validators of the network.
    pub(super) validators: usize,
    /// Those that do not run or do not answer.
    pub(super) down: Vec<String>,
    /// A full scan on every running node found the supply.
    pub(super) supply_ok: bool,
    /// Every running node has the same roots at `height`.
    pub(super) roots_agree: bool,
    /// The height that was compared.
    pub(super) height: u64,
    /// Resident memory of the running validators, MiB.
    pub(super) rss_mb: Vec<u64>,
    /// What is not as it should be, for people.
    pub(super) complaints: Vec<String>,
}

/// Asks every node about the network at `height`, the last block of the load, or at the newest one when that is 0.
pub(super) async fn judge(directory: &Directory, client: &Client, height: u64) -> Verdict {
    let processes = directory.read_state().map(|state| state.devnet.validators).unwrap_or_default();
    let mut verdict = Verdict { validators: processes.len(), ..Verdict::default() };
    let mut nodes = Vec::new();
    for (name, node) in present(&processes, client, &mut verdict) {
        match node.status().await {
            Ok(status) => {
                verdict.validators = verdict.validators.max(status.validators.len());
                nodes.push((name, node, status.latest_height));
            }
            Err(_) => verdict.down.push(name),
        }
    }
    verdict.rss_mb = processes.iter().filter_map(|process| process.pid).filter_map(resident_mib).collect();
    let newest = nodes.iter().map(|(_, _, height)| *height).max().unwrap_or(0);
    verdict.height = if height == 0 { newest } else { height };
    if nodes.is_empty() {
        verdict.complaints.push("no node answers".to_owned());
        return verdict;
    }
    let roots = join_all(nodes.iter().map(|(_, node, _)| roots(node, verdict.height))).await;
    let first = roots.iter().flatten().next().cloned();
    verdict.roots_agree = first.is_some();
    for ((name, _, _), roots) in nodes.iter().zip(roots) {
        match roots {
            Ok(roots) if first.as_ref() == Some(&roots) => {}
            Ok(_) => {
                verdict.roots_agree = false;
                verdict.complaints.push(format!("{name} has other roots at block {}", verdict.height));
            }
            Err(why) => {
                verdict.roots_agree = false;
                verdict.complaints.push(format!("{name}: {why}"));
            }
        }
    }
    let supplies = join_all(nodes.iter().map(|(_, node, _)| supply(node))).await;
    verdict.supply_ok = supplies.iter().all(Result::is_ok);
    for ((name, _, _), supply) in nodes.iter().zip(supplies) {
        if let Err(why) = supply {
            verdict.complaints.push(format!("{name}: {why}"));
        }
    }
    verdict
}

/// The nodes to ask: the devnet's that run, as the state file has them now; without one, the client's.
fn present(processes: &[ValidatorProcess], client: &Client, verdict: &mut Verdict) -> Vec<(String, Node)> {
    if processes.is_empty() {
        return client.nodes().iter().map(|node| (node.label().to_owned(), node.clone())).collect();
    }
    let mut nodes = Vec::new();
    for process in processes {
        let node = process.pid.and_then(|_| Node::new(Some(process.name.clone()), &process.grpc).ok());
        match node {
            Some(node) => nodes.push((process.name.clone(), node)),
            None => verdict.down.push(process.name.clone()),
        }
    }
    nodes
}

/// Block digest, state root and results root at `height`, once the node has it.
async fn roots(node: &Node, height: u64) -> Result<Vec<u8>, String> {
    let deadline = Instant::now() + STRAGGLER_PATIENCE;
    loop {
        let reached = match node.status().await {
            Ok(status) if status.latest_height >= height => break,
            Ok(status) => format!("is at block {}", status.latest_height),
            Err(status) => format!("does not answer: {}", status.message()),
        };
        if Instant::now() > deadline {
            return Err(format!("{reached} and not at {height}, {} s after the load", STRAGGLER_PATIENCE.as_secs()));
        }
        sleep(LOOK_AGAIN).await;
    }
    let request = GetBlockRequest { height, include_certificate: false };
    let answer = node.ledger().get_block(timed(request, Duration::from_secs(10))).await;
    let block = answer.map_err(|status| status.message().to_owned())?.into_inner().block.ok_or("no block")?;
    Ok([block.digest, block.state_root, block.results_root].concat())
}

async fn supply(node: &Node) -> Result<(), String> {
    let mut operator = OperatorServiceClient::new(node.channel());
    let answer = operator.verify_supply(timed(VerifySupplyRequest {}, SCAN_PATIENCE)).await;
    let answer = answer.map_err(|status| format!("no supply scan: {}", status.message()))?.into_inner();
    if answer.ok { Ok(()) } else { Err(format!("the supply does not add up at block {}", answer.height)) }
}
