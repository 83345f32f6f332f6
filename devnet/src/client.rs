//! A client of `tonle.v1` that asks several nodes: when one does not answer, the next is asked the same. Asking twice is
//! safe for everything here, since a transaction has one id and executes once.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;
use tonle_ledger::SignedTransaction;
use tonle_proto::v1::ledger_service_client::LedgerServiceClient;
use tonle_proto::v1::{GetStatusRequest, GetStatusResponse, SubmitAndWaitRequest, SubmitAndWaitResponse};

use crate::directory::Directory;

/// How long a node may take to accept a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);
/// How long one node may take to answer a question before the next is asked.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Pause when every node was asked in vain.
const ROUND_PAUSE: Duration = Duration::from_millis(200);
/// Pause when a node is busy and does not say for how long.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The service for clients, over one connection.
pub type Ledger = LedgerServiceClient<Channel>;

/// Which nodes to ask.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct Target {
    /// The folder of the devnet: its live nodes are found there, and its development keys
    #[arg(long, value_name = "FOLDER", default_value = ".devnet", env = "TONLE_DIR")]
    pub dir: PathBuf,
    /// Ask this node instead of the devnet's; may be repeated
    #[arg(long = "node", value_name = "HOST:PORT", env = "TONLE_GRPC", value_delimiter = ',')]
    pub nodes: Vec<String>,
}

/// One node to ask.
#[derive(Debug, Clone)]
pub struct Node {
    /// The participant, where a devnet's state file names it.
    pub name: Option<String>,
    /// `host:port`.
    pub address: String,
    channel: Channel,
}

impl Node {
    /// A node at `address`; it is connected to when it is first asked.
    ///
    /// # Errors
    /// When `address` is none.
    pub fn new(name: Option<String>, address: &str) -> Result<Self> {
        let endpoint = Endpoint::from_shared(format!("http://{address}"));
        let endpoint = endpoint.with_context(|| format!("{address:?} is not HOST:PORT"))?;
        let channel = endpoint.connect_timeout(CONNECT_PATIENCE).tcp_nodelay(true).connect_lazy();
        Ok(Node { name, address: address.to_owned(), channel })
    }

    /// Its name, else its address.
    #[must_use]
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.address)
    }

    /// The service for clients.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        LedgerServiceClient::new(self.channel.clone())
    }

    /// Its connection, for other services.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// How it stands.
    ///
    /// # Errors
    /// What the node, or the connection to it, says.
    pub async fn status(&self) -> Result<GetStatusResponse, Status> {
        Ok(self.ledger().get_status(timed(GetStatusRequest {}, ANSWER_PATIENCE)).await?.into_inner())
    }
}

/// What to do about a call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Ask another node the same.
    Elsewhere,
    /// The node is busy: ask again after this long.
    Later(Duration),
    /// The answer is no, whoever is asked.
    Final,
}

/// Judges a failed call.
#[must_use]
pub fn advice(status: &Status) -> Advice {
    match status.code() {
        Code::ResourceExhausted => {
            let delay = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
            Advice::Later(delay.unwrap_or(BUSY_PAUSE))
        }
        // What a broken connection, a node that stops, or one that cannot keep up looks like.
        Code::Unavailable
        | Code::Cancelled
        | Code::Unknown
        | Code::Internal
        | Code::DeadlineExceeded
        | Code::Aborted => Advice::Elsewhere,
        _ => Advice::Final,
    }
}

/// The stable reason in a failed call's `google.rpc.ErrorInfo`, else the code.
#[must_use]
pub fn reason(status: &Status) -> String {
    match status.get_details_error_info() {
        Some(info) if !info.reason.is_empty() => info.reason,
        _ => format!("{:?}", status.code()),
    }
}

/// A transaction that is final, and was rejected as a whole: an error of the call, with the block in its metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalRejection {
    /// The code's name.
    pub code: String,
    /// The block that holds its receipt.
    pub height: u64,
}

/// The final rejection that a failed call stands for; none when nothing is final.
#[must_use]
pub fn final_rejection(status: &Status) -> Option<FinalRejection> {
    let info = status.get_details_error_info()?;
    let height = info.metadata.get("height").filter(|_| info.metadata.contains_key("transaction_id"))?;
    Some(FinalRejection { height: height.parse().ok()?, code: info.reason })
}

/// An error for people.
#[must_use]
pub fn describe(status: &Status) -> anyhow::Error {
    anyhow!("{}: {}", reason(status), status.message())
}

/// A request with a deadline that the node sees too.
pub fn timed<T>(message: T, patience: Duration) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(patience);
    request
}

/// The nodes to ask, in the order they are asked.
#[derive(Debug, Clone)]
pub struct Client {
    nodes: Vec<Node>,
}

impl Client {
    /// The nodes that `target` means: those it names, else the devnet's that run.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(target: &Target) -> Result<Self> {
        if !target.nodes.is_empty() {
            let nodes = target.nodes.iter().map(|address| Node::new(None, address)).collect::<Result<_>>()?;
            return Ok(Client { nodes });
        }
        Self::of_devnet(&Directory::new(&target.dir)?)
    }

    /// The running nodes of a devnet.
    ///
    /// # Errors
    /// When none runs.
    pub fn of_devnet(directory: &Directory) -> Result<Self> {
        let state = directory.read_state()?;
        let running = state.devnet.validators.iter().filter(|validator| validator.pid.is_some());
        let nodes: Vec<Node> =
            running.map(|validator| Node::new(Some(validator.name.clone()), &validator.grpc)).collect::<Result<_>>()?;
        if nodes.is_empty() {
            bail!("no validator of the devnet in {} runs: tonle devnet restart NAME", directory.root().display());
        }
        Ok(Client { nodes })
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Asks one node after the other until one answers, round and round until `patience` ends.
    ///
    /// # Errors
    /// The answer no, or what the last node said when nobody answered in time.
    pub async fn ask<T, F, R>(&self, patience: Duration, call: F) -> Result<T, Status>
    where
        F: Fn(Ledger, Duration) -> R,
        R: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        self.ask_over(patience, |channel, share| call(LedgerServiceClient::new(channel), share)).await
    }

    /// The same for any service: `call` gets a connection.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub async fn ask_over<T, F, R>(&self, patience: Duration, call: F) -> Result<T, Status>
    where
        F: Fn(Channel, Duration) -> R,
        R: Future<Output = Result<tonic::Response<T>, Status>>,
    {
        let deadline = Instant::now() + patience;
        let mut last = Status::unavailable("no node was asked");
        loop {
            for node in &self.nodes {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(last);
                }
                // One silent node must not use up the time for all.
                let share = if self.nodes.len() == 1 { left } else { left.min(ANSWER_PATIENCE) };
                // The deadline is kept here too: a node that hangs does not keep its side of it.
                let answer = tokio::time::timeout(share, call(node.channel(), share)).await;
                let status = match answer {
                    Ok(Ok(response)) => return Ok(response.into_inner()),
                    Ok(Err(status)) => status,
                    Err(_) => Status::deadline_exceeded(format!("{} does not answer", node.label())),
                };
                match advice(&status) {
                    Advice::Final => return Err(status),
                    Advice::Later(pause) => sleep(pause.min(left)).await,
                    Advice::Elsewhere => {}
                }
                last = status;
            }
            sleep(ROUND_PAUSE).await;
        }
    }

    /// Sends a signed transaction and waits until it is final; the same bytes go to another node when one does not answer.
    /// With `prove` the answer holds the finality receipt.
    ///
    /// # Errors
    /// The status of a rejection, or the last one when no node answered within `patience`.
    pub async fn submit_and_wait(
        &self,
        transaction: &SignedTransaction,
        prove: bool,
        patience: Duration,
    ) -> Result<SubmitAndWaitResponse, Status> {
        let bytes = Bytes::copy_from_slice(transaction.bytes());
        let call = |mut ledger: Ledger, patience| {
            let request = SubmitAndWaitRequest { transaction: bytes.clone(), prove };
            async move { ledger.submit_and_wait(timed(request, patience)).await }
        };
        self.ask(patience, call).await
    }

    /// How the network stands, as the first node that answers sees it.
    ///
    /// # Errors
    /// When none answers.
    pub async fn status(&self) -> Result<GetStatusResponse> {
        let ask =
            |mut ledger: Ledger, patience| async move { ledger.get_status(timed(GetStatusRequest {}, patience)).await };
        self.ask(ANSWER_PATIENCE, ask).await.map_err(|status| describe(&status))
    }
}

#[cfg(test)]
mod tests {
    use super::{Advice, Client, Node, advice};
    use std::time::Duration;
    use tonic::{Code, Response, Status};
    use tonic_types::{ErrorDetails, StatusExt};

    fn nodes(count: u16) -> Client {
        // Nothing is connected to: the calls below never reach the channel.
        let nodes = (1..=count).map(|port| Node::new(None, &format!("127.0.0.1:{port}")).unwrap()).collect();
        Client { nodes }
    }

    #[test]
    fn a_busy_node_is_asked_again_when_it_says() {
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(70)));
        let busy = Status::with_error_details(Code::ResourceExhausted, "busy", details);
        assert_eq!(advice(&busy), Advice::Later(Duration::from_millis(70)));
        assert_eq!(advice(&Status::unavailable("gone")), Advice::Elsewhere);
        assert_eq!(advice(&Status::invalid_argument("no")), Advice::Final);
        assert_eq!(advice(&Status::not_found("no")), Advice::Final);
    }

    #[tokio::test]
    async fn the_next_node_is_asked_when_one_does_not_answer() {
        let asked = std::cell::Cell::new(0);
        let answer = nodes(3)
            .ask(Duration::from_secs(5), |_, _| {
                asked.set(asked.get() + 1);
                let count = asked.get();
                async move { if count < 3 { Err(Status::unavailable("gone")) } else { Ok(Response::new(count)) } }
            })
            .await;
        assert_eq!(answer.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_no_is_final() {
        let asked = std::cell::Cell::new(0);
        let answer: Result<(), Status> = nodes(3)
            .ask(Duration::from_secs(5), |_, _| {
                asked.set(asked.get() + 1);
                async { Err(Status::invalid_argument("bad signature")) }
            })
            .await;
        assert_eq!(answer.unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(asked.get(), 1);
    }

    #[tokio::test]
    async fn patience_ends() {
        let answer: Result<(), Status> =
            nodes(2).ask(Duration::from_millis(300), |_, _| async { Err(Status::unavailable("gone")) }).await;
        assert_eq!(answer.unwrap_err().message(), "gone");
    }
}
