//! Free ports on loopback. A port is probed by binding it for TCP and UDP, and stays bound until the process that will
//! use it is about to start, so that several devnets that start together do not pick the same one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};

use anyhow::{Result, bail};

/// First port of the range that replacements come from. Below the range that Linux gives to outgoing connections
/// (32768 to 60999), which could take a port while its node is down.
const RANGE_FIRST: u16 = 20_000;
/// Ports in that range.
const RANGE_LENGTH: u16 = 12_000;

/// Loopback with `port`.
#[must_use]
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))
}

/// Is nobody listening on `port`, neither TCP nor UDP?
#[must_use]
pub fn is_free(port: u16) -> bool {
    Held::bind(port).is_some()
}

/// A port kept from others by being bound.
#[derive(Debug)]
struct Held {
    _tcp: TcpListener,
    _udp: UdpSocket,
}

impl Held {
    fn bind(port: u16) -> Option<Self> {
        Some(Held { _tcp: TcpListener::bind(loopback(port)).ok()?, _udp: UdpSocket::bind(loopback(port)).ok()? })
    }
}

/// Chooses ports; holds what it chose until dropped or released.
#[derive(Debug)]
pub struct Ports {
    next: u16,
    held: Vec<Held>,
    chosen: BTreeSet<u16>,
}

impl Ports {
    /// Replacements are looked for from a place in the range that `seed` (such as the process id) picks.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        // A multiplicative hash (Knuth), so that neighbouring process ids start far apart.
        let offset = seed.wrapping_mul(2_654_435_761) % u32::from(RANGE_LENGTH);
        Ports { next: u16::try_from(offset).unwrap_or(0), held: Vec::new(), chosen: BTreeSet::new() }
    }

    /// `preferred` when it is free, else another.
    ///
    /// # Errors
    /// When every port of the range is taken.
    pub fn choose(&mut self, preferred: Option<u16>) -> Result<u16> {
        let preferred = preferred.filter(|port| !self.chosen.contains(port));
        if let Some(port) = preferred
            && let Some(held) = Held::bind(port)
        {
            return Ok(self.keep(port, held));
        }
        for _ in 0..RANGE_LENGTH {
            let port = RANGE_FIRST + self.next;
            self.next = (self.next + 1) % RANGE_LENGTH;
            if self.chosen.contains(&port) {
                continue;
            }
            if let Some(held) = Held::bind(port) {
                return Ok(self.keep(port, held));
            }
        }
        bail!("no free port between {RANGE_FIRST} and {} on 127.0.0.1", RANGE_FIRST + RANGE_LENGTH - 1)
    }

    /// Frees what is held; the ports are still never chosen again.
    pub fn release(&mut self) {
        self.held.clear();
    }

    fn keep(&mut self, port: u16, held: Held) -> u16 {
        self.held.push(held);
        self.chosen.insert(port);
        port
    }
}

#[cfg(test)]
mod tests {
    use super::{Ports, is_free, loopback};
    use std::net::TcpListener;

    #[test]
    fn a_taken_port_is_replaced() {
        let taken = TcpListener::bind(loopback(0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let chosen = Ports::new(1).choose(Some(port)).unwrap();
        assert_ne!(chosen, port);
    }

    #[test]
    fn ports_held_by_one_devnet_are_not_chosen_by_another() {
        let mut first = Ports::new(7);
        let mut second = Ports::new(7);
        let left: Vec<u16> = (0..40).map(|_| first.choose(None).unwrap()).collect();
        let right: Vec<u16> = (0..40).map(|_| second.choose(None).unwrap()).collect();
        assert!(left.iter().all(|port| !right.contains(port)));
        assert!(left.iter().all(|port| !is_free(*port)));
        first.release();
        assert!(!left.contains(&first.choose(None).unwrap()));
    }
}
