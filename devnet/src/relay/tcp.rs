//! Carries TCP connections over one directed pair's port.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Route;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Bytes that wait in the relay in one direction of one connection; above it the relay stops reading, and the sender's
/// own TCP window holds it back. 4 MiB let 80 MB/s pass a link of 50 ms.
const WAITING_MAX: usize = 4 * 1024 * 1024;
/// Connections of one directed pair. Validators keep one or two.
const CONNECTIONS_MAX: usize = 32;
/// How long a new connection over a cut link is kept without an answer. The dialler gave up long before.
const UNANSWERED_MAX: Duration = Duration::from_secs(20);

/// Accepts connections until the relay is dropped.
pub(super) async fn serve(listener: TcpListener, route: Route) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((near, _)) => {
                let route = route.clone();
                connections.spawn(async move {
                    // An error of either side ends the connection, which is what it would do without a relay.
                    let _ = carry(near, route).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, or the peer went away before it was accepted.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(mut near: TcpStream, mut route: Route) -> std::io::Result<()> {
    if !matches!(tokio::time::timeout(UNANSWERED_MAX, route.healed()).await, Ok(Some(_))) {
        return Ok(());
    }
    let target = *route.target.borrow();
    let mut far = TcpStream::connect(target).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    let there = pump(near_read, far_write, route.clone());
    let back = pump(far_read, near_write, route);
    tokio::try_join!(there, back).map(|_| ())
}

/// Bytes that are due at a time.
struct Waiting {
    due: Instant,
    bytes: Vec<u8>,
}

/// Copies one direction until its end, then shuts the other side down.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut route: Route) -> std::io::Result<()> {
    let mut buffer = vec![0u8; CHUNK];
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    let mut waiting_bytes = 0;
    let mut ended = false;
    loop {
        if ended && waiting.is_empty() {
            // The end of the stream is held back by a cut as its bytes are.
            let _ = route.healed().await;
            return to.shutdown().await;
        }
        let due = waiting.front().map(|front| front.due);
        tokio::select! {
            // Due bytes first, so that a busy reader cannot starve them.
            biased;
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                if route.healed().await.is_none() {
                    return Ok(());
                }
                if let Some(front) = waiting.pop_front() {
                    waiting_bytes -= front.bytes.len();
                    to.write_all(&front.bytes).await?;
                }
            }
            count = from.read(&mut buffer), if !ended && waiting_bytes < WAITING_MAX => {
                let count = count?;
                let bytes = buffer.get(..count).unwrap_or_default();
                let link = *route.link.borrow();
                if count == 0 {
                    ended = true;
                } else if waiting.is_empty() && !link.cut && link.delay.is_zero() {
                    to.write_all(bytes).await?;
                } else {
                    waiting_bytes += count;
                    waiting.push_back(Waiting { due: Instant::now() + link.delay, bytes: bytes.to_vec() });
                }
            }
        }
    }
}
