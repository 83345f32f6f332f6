//! Free ports on loopback. A port is probed by binding it for TCP and UDP, and reserved among the devnets of one user by
//! a locked file, since between the probe and the start of the node that binds it another devnet could choose it.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, File};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

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
    TcpListener::bind(loopback(port)).is_ok() && UdpSocket::bind(loopback(port)).is_ok()
}

/// The folder of the files that reserve ports, one for each user.
fn reservations() -> Option<PathBuf> {
    let folder = std::env::temp_dir().join(format!("tonle-ports-{}", rustix::process::getuid().as_raw()));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.ok().map(|()| folder)
}

/// Chooses ports; they stay reserved until it is dropped.
#[derive(Debug)]
pub struct Ports {
    next: u16,
    reservations: Option<PathBuf>,
    reserved: Vec<File>,
    chosen: BTreeSet<u16>,
}

impl Ports {
    /// Replacements are looked for from a place in the range that `seed` (such as the process id) picks.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        // A multiplicative hash (Knuth), so that neighbouring process ids start far apart.
        let offset = seed.wrapping_mul(2_654_435_761) % u32::from(RANGE_LENGTH);
        Ports {
            next: u16::try_from(offset).unwrap_or(0),
            reservations: reservations(),
            reserved: Vec::new(),
            chosen: BTreeSet::new(),
        }
    }

    /// `preferred` when it is free, else another.
    ///
    /// # Errors
    /// When every port of the range is taken.
    pub fn choose(&mut self, preferred: Option<u16>) -> Result<u16> {
        if let Some(port) = preferred
            && self.take(port)
        {
            return Ok(port);
        }
        for _ in 0..RANGE_LENGTH {
            let port = RANGE_FIRST + self.next;
            self.next = (self.next + 1) % RANGE_LENGTH;
            if self.take(port) {
                return Ok(port);
            }
        }
        bail!("no free port between {RANGE_FIRST} and {} on 127.0.0.1", RANGE_FIRST + RANGE_LENGTH - 1)
    }

    /// Reserves `port` if nobody has it.
    fn take(&mut self, port: u16) -> bool {
        if self.chosen.contains(&port) {
            return false;
        }
        if let Some(folder) = &self.reservations {
            let Ok(file) = File::create(folder.join(port.to_string())) else { return false };
            if file.try_lock().is_err() {
                return false;
            }
            self.reserved.push(file);
        }
        // What is reserved and not free belongs to another program; the reservation does no harm.
        is_free(port) && self.chosen.insert(port)
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
    fn ports_that_one_devnet_reserved_are_not_chosen_by_another() {
        let (mut first, mut second) = (Ports::new(7), Ports::new(7));
        let choose = |ports: &mut Ports| (0..40).map(|_| ports.choose(None).unwrap()).collect::<Vec<u16>>();
        let (left, right) = (choose(&mut first), choose(&mut second));
        assert!(left.iter().all(|port| is_free(*port) && !right.contains(port)));
        assert!(choose(&mut first).iter().all(|port| !left.contains(port) && !right.contains(port)));
        drop(first);
        assert_eq!(second.choose(left.first().copied()).unwrap(), left[0]);
    }
}
