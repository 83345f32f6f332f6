//! Sends the planned transactions when they are meant to be sent, and follows each to its receipt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until, timeout};
use tonic::Status;
use tonic::transport::Channel;
use tonle_proto::v1::SubmitAndWaitRequest;
use tonle_proto::v1::ledger_service_client::LedgerServiceClient;

use super::plan::Plan;
use super::tally::Tally;
use crate::client::{Advice, Client, Node, advice, final_rejection, reason, timed};

/// Connections to each node: one carries a bounded number of calls at a time.
const CHANNELS: usize = 4;
/// How long one node may take to answer before another is asked the same.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// How long after its intended moment a transaction without a receipt is given up.
const GIVE_UP: Duration = Duration::from_mins(1);
/// How long a node that did not answer is left out.
const LEFT_OUT: Duration = Duration::from_millis(500);
/// Pause when every node was asked in vain.
const ROUND_PAUSE: Duration = Duration::from_millis(50);

/// One node, and whether it answers.
struct Route {
    channels: Vec<LedgerServiceClient<Channel>>,
    /// Left out until so many milliseconds after the start.
    out_until_ms: AtomicU64,
}

struct Routes {
    start: Instant,
    nodes: Vec<Route>,
}

impl Routes {
    fn open(client: &Client) -> Result<Self> {
        let open = |node: &Node| {
            let channels =
                (0..CHANNELS).map(|_| Ok(Node::new(None, &node.address)?.ledger())).collect::<Result<_>>()?;
            Ok(Route { channels, out_until_ms: AtomicU64::new(0) })
        };
        let nodes: Vec<Route> = client.nodes().iter().map(open).collect::<Result<_>>()?;
        ensure!(!nodes.is_empty(), "there is no node to submit to");
        Ok(Routes { start: Instant::now(), nodes })
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The node to try: the preferred one, or the next that is not left out; the preferred one when all are.
    fn choose(&self, preferred: usize) -> Option<&Route> {
        let now = self.now_ms();
        let order = (0..self.nodes.len()).filter_map(|step| self.nodes.get((preferred + step) % self.nodes.len()));
        let answering = order.clone().find(|route| route.out_until_ms.load(Ordering::Relaxed) <= now);
        answering.or_else(|| order.clone().next())
    }

    fn leave_out(&self, route: &Route) {
        let until = self.now_ms() + u64::try_from(LEFT_OUT.as_millis()).unwrap_or(0);
        route.out_until_ms.store(until, Ordering::Relaxed);
    }
}

/// Runs the plan: every transaction is answered or given up when this returns.
///
/// # Errors
/// When there is no node, or signing fails.
pub(super) async fn drive(plan: &Plan, client: &Client, tally: &Arc<Tally>, in_flight: u32) -> Result<()> {
    let routes = Arc::new(Routes::open(client)?);
    let mut signed = plan.sign_ahead()?;
    let permits = Arc::new(Semaphore::new(usize::try_from(in_flight)?));
    let transfers = u64::try_from(plan.batch)?;
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    tally.begin(start);
    for number in 0..plan.transactions() {
        let Some(transaction) = signed.next().await else { break };
        let transaction = transaction?;
        let intended = plan.intended(number).map(|after| start + after);
        if let Some(intended) = intended.filter(|intended| *intended > Instant::now()) {
            sleep_until(intended.into()).await;
        }
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let intended = intended.unwrap_or_else(Instant::now);
        let (routes, tally) = (Arc::clone(&routes), Arc::clone(tally));
        let place = usize::try_from(number)?;
        tasks.spawn(async move {
            submit(&routes, place, transaction, intended, transfers, &tally).await;
            drop(permit);
        });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    Ok(())
}

/// Follows one transaction, from node to node if need be. The same bytes go everywhere, so it executes once.
async fn submit(routes: &Routes, place: usize, transaction: Bytes, intended: Instant, transfers: u64, tally: &Tally) {
    let deadline = intended + GIVE_UP;
    let mut last = Status::unavailable("not sent");
    let mut tried = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Some(route) = routes.choose(place + tried).filter(|_| !left.is_zero()) else {
            tally.failed(format!("{} ({})", reason(&last), last.message()), transfers, Instant::now());
            return;
        };
        tried += 1;
        match call(route, place / routes.nodes.len(), &transaction, left.min(ANSWER_PATIENCE)).await {
            Ok(receipt) => return tally.answered(&receipt, transfers, intended, Instant::now()),
            Err(status) => last = status,
        }
        if let Some(rejection) = final_rejection(&last) {
            return tally.rejected(rejection, transfers);
        }
        match advice(&last) {
            Advice::Final => {
                tally.failed(format!("{} ({})", reason(&last), last.message()), transfers, Instant::now());
                return;
            }
            Advice::Later(pause) => {
                tally.turned_away(transfers);
                sleep(pause.min(left)).await;
            }
            Advice::Elsewhere => {
                routes.leave_out(route);
                if tried.is_multiple_of(routes.nodes.len()) {
                    sleep(ROUND_PAUSE).await;
                }
            }
        }
    }
}

async fn call(
    route: &Route,
    channel: usize,
    transaction: &Bytes,
    patience: Duration,
) -> Result<tonle_proto::v1::Receipt, Status> {
    let channel = route.channels.get(channel % CHANNELS).ok_or_else(|| Status::internal("no connection"))?;
    let mut ledger = channel.clone();
    let request = SubmitAndWaitRequest { transaction: transaction.clone(), prove: false };
    // The deadline is kept here too: a node that hangs does not keep its side of it.
    let answer = timeout(patience, ledger.submit_and_wait(timed(request, patience))).await;
    let answer = answer.map_err(|_| Status::deadline_exceeded("the node does not answer"))??;
    answer.into_inner().receipt.ok_or_else(|| Status::internal("the node answered without a receipt"))
}
