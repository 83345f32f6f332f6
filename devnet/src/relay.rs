//! The network between the validators of a devnet: one loopback port for each directed pair, for TCP and for UDP
//! (QUIC). Validators know only these ports, so what the relay holds back nobody receives.
//!
//! A cut link behaves as a network that loses every packet: datagrams are dropped, a TCP stream stands still (its
//! bytes wait, as they would in the sender's retransmission queue) and goes on when the link heals; a new connection
//! gets no answer until then. A delay holds bytes and datagrams back, each way.
//!
//! Must not know what is in the bytes.

mod tcp;
mod udp;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ports::loopback;

/// What a pair's link does at present; the same in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Link {
    /// Nothing passes.
    pub cut: bool,
    /// What passes arrives this much later, each way.
    pub delay: Duration,
}

/// The end of one directed pair's port.
#[derive(Debug, Clone)]
struct Route {
    link: watch::Receiver<Link>,
    /// Where the dialled validator listens. It changes when a restarted one had to take another port.
    target: watch::Receiver<SocketAddr>,
}

impl Route {
    /// Waits until the link is not cut; ends when the relay is gone.
    async fn healed(&mut self) -> Option<Link> {
        self.link.wait_for(|link| !link.cut).await.ok().map(|link| *link)
    }
}

/// An unordered pair of validators' places.
fn pair(a: usize, b: usize) -> (usize, usize) {
    (a.min(b), a.max(b))
}

/// The relay. Dropping it closes every port and connection.
#[derive(Debug)]
pub struct Relay {
    links: BTreeMap<(usize, usize), watch::Sender<Link>>,
    targets: Vec<watch::Sender<SocketAddr>>,
    ports: BTreeMap<(usize, usize), u16>,
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Opens a port for each directed pair of `targets`, the addresses where the validators listen.
    ///
    /// # Errors
    /// When no port can be bound, such as for want of file descriptors.
    pub async fn start(targets: &[SocketAddr]) -> Result<Self> {
        let targets: Vec<watch::Sender<SocketAddr>> =
            targets.iter().map(|target| watch::Sender::new(*target)).collect();
        let mut relay = Relay { links: BTreeMap::new(), targets, ports: BTreeMap::new(), _tasks: JoinSet::new() };
        for from in 0..relay.targets.len() {
            for to in (0..relay.targets.len()).filter(|to| *to != from) {
                relay.open(from, to).await.context("cannot open a relay port")?;
            }
        }
        Ok(relay)
    }

    async fn open(&mut self, from: usize, to: usize) -> Result<()> {
        let (tcp, udp) = bind_both().await?;
        let link = self.links.entry(pair(from, to)).or_default().subscribe();
        let target = self.targets.get(to).context("no such validator")?.subscribe();
        self.ports.insert((from, to), tcp.local_addr()?.port());
        let route = Route { link, target };
        self._tasks.spawn(tcp::serve(tcp, route.clone()));
        self._tasks.spawn(udp::serve(Arc::new(udp), route));
        Ok(())
    }

    /// The port at which validator `from` dials validator `to`.
    #[must_use]
    pub fn port(&self, from: usize, to: usize) -> Option<u16> {
        self.ports.get(&(from, to)).copied()
    }

    /// Does the relay stand before this validator? Not before one that joined later.
    #[must_use]
    pub fn serves(&self, validator: usize) -> bool {
        validator < self.targets.len()
    }

    /// Validator `to` listens at another address from now on.
    pub fn retarget(&self, to: usize, address: SocketAddr) {
        if let Some(target) = self.targets.get(to) {
            target.send_replace(address);
        }
    }

    /// Cuts every link between different groups and heals all others. Who is in no group reaches everyone.
    pub fn partition(&self, groups: &[BTreeSet<usize>]) {
        let group_of = |validator: usize| groups.iter().position(|group| group.contains(&validator));
        for ((a, b), link) in &self.links {
            let cut = matches!((group_of(*a), group_of(*b)), (Some(left), Some(right)) if left != right);
            link.send_modify(|link| link.cut = cut);
        }
    }

    /// Delays the links of `pairs`, or all links, each way.
    pub fn delay(&self, pairs: Option<&[(usize, usize)]>, delay: Duration) {
        for (key, link) in &self.links {
            if pairs.is_none_or(|pairs| pairs.iter().any(|(a, b)| pair(*a, *b) == *key)) {
                link.send_modify(|link| link.delay = delay);
            }
        }
    }

    /// What the link between two validators does.
    #[must_use]
    pub fn link(&self, a: usize, b: usize) -> Option<Link> {
        self.links.get(&pair(a, b)).map(|link| *link.borrow())
    }
}

/// Binds one port number for TCP and for UDP.
async fn bind_both() -> Result<(TcpListener, UdpSocket)> {
    for _ in 0..64 {
        let tcp = TcpListener::bind(loopback(0)).await?;
        // The number may be taken for UDP alone; then another is tried.
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr()?).await {
            return Ok((tcp, udp));
        }
    }
    bail!("no port is free for both TCP and UDP")
}

#[cfg(test)]
#[path = "relay/tests.rs"]
mod tests;
