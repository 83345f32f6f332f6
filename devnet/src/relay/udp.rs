//! Carries datagrams over one directed pair's port. Each source gets a socket of its own towards the target, so that
//! answers find their way back, and a QUIC endpoint sees one stable address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Route;
use crate::ports::loopback;

/// Longest datagram.
const DATAGRAM_MAX: usize = 65_536;
/// Sources of one directed pair; the one unused for longest makes room. A validator has one or two.
const SOURCES_MAX: usize = 16;
/// Delayed datagrams in one direction of one source; what is above is lost, as on a real link.
const WAITING_MAX: usize = 4_096;

/// One source's way through the relay.
struct Flow {
    last_used: Instant,
    there: Sender,
    _back: JoinSet<()>,
}

/// Sends datagrams at once, or through a queue when the link is slow.
struct Sender {
    socket: Arc<UdpSocket>,
    /// `None`: the socket is connected.
    to: Option<SocketAddr>,
    queue: mpsc::Sender<(Instant, Vec<u8>)>,
}

/// Forwards datagrams until the relay is dropped.
pub(super) async fn serve(near: Arc<UdpSocket>, mut route: Route) {
    let mut flows: BTreeMap<SocketAddr, Flow> = BTreeMap::new();
    let mut buffer = vec![0u8; DATAGRAM_MAX];
    loop {
        // An error here is a report of an earlier datagram that found nobody: nothing was received.
        let Ok((count, source)) = near.recv_from(&mut buffer).await else { continue };
        if route.link.has_changed().is_err() {
            return;
        }
        if route.target.has_changed().unwrap_or(false) {
            route.target.mark_unchanged();
            flows.clear();
        }
        if !flows.contains_key(&source) {
            let Ok(flow) = Flow::open(Arc::clone(&near), source, &route).await else { continue };
            make_room(&mut flows);
            flows.insert(source, flow);
        }
        if let (Some(flow), Some(datagram)) = (flows.get_mut(&source), buffer.get(..count)) {
            flow.last_used = Instant::now();
            flow.there.send(datagram, &route).await;
        }
    }
}

fn make_room(flows: &mut BTreeMap<SocketAddr, Flow>) {
    while flows.len() >= SOURCES_MAX {
        let oldest = flows.iter().min_by_key(|(_, flow)| flow.last_used).map(|(source, _)| *source);
        if let Some(source) = oldest {
            flows.remove(&source);
        }
    }
}

impl Flow {
    async fn open(near: Arc<UdpSocket>, source: SocketAddr, route: &Route) -> std::io::Result<Self> {
        let far = Arc::new(UdpSocket::bind(loopback(0)).await?);
        let target = *route.target.borrow();
        far.connect(target).await?;
        let mut tasks = JoinSet::new();
        let there = Sender::start(Arc::clone(&far), None, route.clone(), &mut tasks);
        let back = Sender::start(near, Some(source), route.clone(), &mut tasks);
        let route = route.clone();
        tasks.spawn(async move {
            let mut buffer = vec![0u8; DATAGRAM_MAX];
            loop {
                match far.recv(&mut buffer).await {
                    Ok(count) => back.send(buffer.get(..count).unwrap_or_default(), &route).await,
                    // Connection refused: the validator is down. The next datagram may find it up again.
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        });
        Ok(Flow { last_used: Instant::now(), there, _back: tasks })
    }
}

impl Sender {
    fn start(socket: Arc<UdpSocket>, to: Option<SocketAddr>, route: Route, tasks: &mut JoinSet<()>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tasks.spawn(send_when_due(Arc::clone(&socket), to, route, waiting));
        Sender { socket, to, queue }
    }

    async fn send(&self, datagram: &[u8], route: &Route) {
        let link = *route.link.borrow();
        if link.cut {
            return;
        }
        let queue_empty = self.queue.capacity() == self.queue.max_capacity();
        if link.delay.is_zero() && queue_empty {
            deliver(&self.socket, self.to, datagram).await;
        } else {
            // A full queue loses the datagram.
            let _ = self.queue.try_send((Instant::now() + link.delay, datagram.to_vec()));
        }
    }
}

async fn send_when_due(
    socket: Arc<UdpSocket>,
    to: Option<SocketAddr>,
    route: Route,
    mut waiting: mpsc::Receiver<(Instant, Vec<u8>)>,
) {
    while let Some((due, datagram)) = waiting.recv().await {
        tokio::time::sleep_until(due).await;
        if !route.link.borrow().cut {
            deliver(&socket, to, &datagram).await;
        }
    }
}

async fn deliver(socket: &UdpSocket, to: Option<SocketAddr>, datagram: &[u8]) {
    // A datagram that cannot be sent is lost.
    let _ = match to {
        Some(address) => socket.send_to(datagram, address).await,
        None => socket.send(datagram).await,
    };
}
