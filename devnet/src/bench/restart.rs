//! How long a validator that was killed takes to be of use again.
//!
//! Must not know: why it is asked.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::network::Network;
use crate::client::Node;
use crate::control::Request;

/// How long it may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long one question may take.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);
/// Counts what this process appended to the guard: each is a vote, a proposal or a timeout that it signed.
const SIGNED: &str = "tonle_guard_sync_seconds_count";
/// Longest page of metrics.
const PAGE_MAX: u64 = 4 << 20;

/// From the start of the process, in seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Restart {
    /// Until it answered a client.
    pub(super) serves_s: f64,
    /// Until it had executed what the others had when it was started.
    pub(super) caught_up_s: f64,
    /// Until it had signed in consensus. An idle network makes a block a second, so this may be a second late.
    pub(super) signs_s: f64,
}

/// Kills a validator (SIGKILL).
pub(super) async fn kill(network: &Network, name: &str) -> Result<()> {
    network.disturb(&Request::Kill { name: name.to_owned(), wipe: false }).await
}

/// Starts a validator that is down, and waits until it signs.
///
/// # Errors
/// When it ends, or takes longer than five minutes.
pub(super) async fn start(network: &Network, name: &str) -> Result<Restart> {
    let others = network.client()?.status().await?.latest_height;
    let start = Instant::now();
    network.disturb(&Request::Restart { name: name.to_owned(), snapshot: false }).await?;
    let (mut serves, mut caught_up, mut signs) = (None, None, None);
    loop {
        let validator = network.described().into_iter().find(|validator| validator.name == name);
        let validator = validator.context("the supervisor forgot a validator")?;
        let node = Node::new(None, &validator.grpc)?;
        if let Ok(Ok(status)) = timeout(ANSWER_PATIENCE, node.status()).await {
            serves.get_or_insert_with(|| start.elapsed());
            if status.latest_height >= others {
                caught_up.get_or_insert_with(|| start.elapsed());
            }
        }
        if signs.is_none() && counted(&validator.metrics, SIGNED).await.is_some_and(|count| count > 0.0) {
            signs = Some(start.elapsed());
        }
        if let (Some(serves), Some(caught_up), Some(signs)) = (serves, caught_up, signs) {
            let seconds = |span: Duration| (span.as_secs_f64() * 100.0).round() / 100.0;
            return Ok(Restart { serves_s: seconds(serves), caught_up_s: seconds(caught_up), signs_s: seconds(signs) });
        }
        if validator.pid.is_none() {
            bail!("{name} ended: {}", crate::directory::tail(&network.directory.log(name), 15));
        }
        if start.elapsed() > PATIENCE {
            bail!("{name} is not of use after {} s: serves {serves:?}, signs {signs:?}", PATIENCE.as_secs());
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// A number on a page of metrics; none while there is no such page.
async fn counted(address: &str, name: &str) -> Option<f64> {
    let page = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut text = String::new();
        stream.take(PAGE_MAX).read_to_string(&mut text).await.ok()?;
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    timeout(ANSWER_PATIENCE, page).await.ok()?
}
