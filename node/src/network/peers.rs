//! What the network knows about each peer on its list: its connections and which of them is in use, when it is dialed
//! next, and whether it is shut out. Decides; does no I/O, and is given the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::Peer;
use super::direct::Mailbox;

/// First wait before a dial, and its cap. Each failure doubles the wait; a greeted peer resets it.
const REDIAL_FIRST: Duration = Duration::from_millis(50);
const REDIAL_MAX: Duration = Duration::from_secs(2);

/// How much later the peer with the larger identity dials first, so that mostly one of the two does.
const YIELD: Duration = Duration::from_millis(150);

/// Two connections established closer together than this come from both dialing at once; a later one means that the
/// peer lost the earlier one.
const SIMULTANEOUS: Duration = Duration::from_secs(2);

/// First time that a peer is shut out for an offence, and its cap. Each offence doubles it.
const PENALTY_FIRST: Duration = Duration::from_secs(1);
const PENALTY_MAX: Duration = Duration::from_secs(60);

/// After so long without an offence the next one counts as the first again.
const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

/// Ends a task when it is dropped.
#[derive(Debug)]
pub(super) struct Task(pub(super) AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Link {
    since: Instant,
    dialed_by_me: bool,
    /// The peer's hello came on the consensus stream.
    pub(super) greeted: bool,
    /// The consensus stream to the peer is open.
    pub(super) opened: bool,
    /// The event loop was told that the peer is connected by this link.
    pub(super) announced: bool,
    /// Readers that wait for the announcement.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
    /// The readers' and writers' tasks, by class.
    pub(super) readers: [Option<Task>; 3],
    pub(super) writers: [Option<Task>; 3],
}

/// What to do about a connection that was just established.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Established {
    /// Use it; there was none.
    First,
    /// Use it, and close the one before.
    Replaces(ConnectionId),
    /// Close it.
    Surplus,
}

/// A peer that may be announced.
#[derive(Debug)]
pub(super) struct Greeted {
    /// The event loop takes it for connected already, by an earlier connection.
    pub(super) renewed: bool,
    /// The readers that wait.
    pub(super) waiting: Vec<oneshot::Sender<()>>,
}

/// What the end of a connection means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// Nothing: another one is in use.
    Surplus,
    /// There is none, but the event loop never heard of one.
    Attempt,
    /// A peer that the event loop takes for connected is gone.
    Peer,
}

/// One peer on the list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: PeerId,
    pub(super) name: String,
    pub(super) peer: Peer,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) links: BTreeMap<ConnectionId, Link>,
    pub(super) active: Option<ConnectionId>,
    /// The event loop was told that the peer is connected, and not yet that it is gone.
    connected: bool,
    /// This node's identity is the smaller one: its dial is the one that is kept.
    i_am_smaller: bool,
    dialing: Option<ConnectionId>,
    /// Which address is dialed next: the one that worked last, or the next after one that did not.
    next_address: usize,
    dial_at: Instant,
    failures: u32,
    offences: u32,
    last_offence: Option<Instant>,
    pub(super) shut_out_until: Option<Instant>,
    /// When a mismatch was last logged.
    pub(super) complained: Option<Instant>,
}

impl Entry {
    /// A peer that is to be dialed soon, if it has an address.
    pub(super) fn new(id: PeerId, name: String, peer: Peer, mailbox: Mailbox, me: PeerId, now: Instant) -> Self {
        Entry {
            id,
            name,
            peer,
            addresses: Vec::new(),
            mailbox: Arc::new(mailbox),
            links: BTreeMap::new(),
            active: None,
            connected: false,
            i_am_smaller: me < id,
            dialing: None,
            next_address: 0,
            dial_at: if me < id { now } else { now + YIELD },
            failures: 0,
            offences: 0,
            last_offence: None,
            shut_out_until: None,
            complained: None,
        }
    }

    /// A connection was established.
    pub(super) fn established(&mut self, id: ConnectionId, dialed_by_me: bool, now: Instant) -> Established {
        if self.dialing == Some(id) {
            self.dialing = None;
        }
        let link = Link {
            since: now,
            dialed_by_me,
            greeted: false,
            opened: false,
            announced: false,
            waiting: Vec::new(),
            readers: [None, None, None],
            writers: [None, None, None],
        };
        self.links.insert(id, link);
        let before = self.active.and_then(|active| Some((active, self.links.get(&active)?)));
        let Some((before, older)) = before else {
            self.active = Some(id);
            return Established::First;
        };
        // Both sides see the same two connections and who dialed them, so both keep the same one.
        let crossed = older.dialed_by_me != dialed_by_me && now.duration_since(older.since) < SIMULTANEOUS;
        if crossed && dialed_by_me != self.i_am_smaller {
            return Established::Surplus;
        }
        self.active = Some(id);
        if let Some(older) = self.links.get_mut(&before) {
            // What is still queued waits for the new connection's writers.
            older.writers = [None, None, None];
        }
        Established::Replaces(before)
    }

    /// A connection was closed.
    pub(super) fn closed(&mut self, id: ConnectionId, jitter: u32, now: Instant) -> Closed {
        self.links.remove(&id);
        if self.active != Some(id) {
            return Closed::Surplus;
        }
        self.active = None;
        self.schedule(jitter, now);
        if std::mem::take(&mut self.connected) { Closed::Peer } else { Closed::Attempt }
    }

    /// Is the peer on this chain, with both directions of its consensus streams open, by the connection in use? Then
    /// the event loop is to be told, once for each connection; the readers that wait for that are handed out.
    pub(super) fn greet(&mut self, id: ConnectionId) -> Option<Greeted> {
        let link = self.links.get_mut(&id).filter(|_| self.active == Some(id))?;
        if link.announced || !link.greeted || !link.opened {
            return None;
        }
        link.announced = true;
        // The next dial, whenever it comes, is quick.
        self.failures = 0;
        let renewed = std::mem::replace(&mut self.connected, true);
        Some(Greeted { renewed, waiting: std::mem::take(&mut link.waiting) })
    }

    /// When to dial next; `None` while there is nothing to dial.
    pub(super) fn dial_at(&self) -> Option<Instant> {
        let idle = self.active.is_none() && self.dialing.is_none() && !self.addresses.is_empty();
        (idle && self.shut_out_until.is_none()).then_some(self.dial_at)
    }

    /// Was the event loop told that the peer is connected, and not yet that it is gone?
    pub(super) fn is_connected(&self) -> bool {
        self.connected
    }

    /// The address to dial. One at a time: of two at once, the peer might keep the one that is given up here.
    pub(super) fn address(&self) -> Option<&Multiaddr> {
        self.addresses.get(self.next_address.checked_rem(self.addresses.len())?)
    }

    /// A dial was begun.
    pub(super) fn dialing(&mut self, id: ConnectionId) {
        self.dialing = Some(id);
    }

    /// A dial failed. False when it was not this peer's.
    pub(super) fn dial_failed(&mut self, id: ConnectionId, jitter: u32, now: Instant) -> bool {
        if self.dialing != Some(id) {
            return false;
        }
        self.dialing = None;
        self.next_address = self.next_address.wrapping_add(1);
        self.schedule(jitter, now);
        true
    }

    /// Sets the time of the next dial: the back-off, of which the upper half is random.
    pub(super) fn schedule(&mut self, jitter: u32, now: Instant) {
        let wait = REDIAL_FIRST.saturating_mul(1 << (self.failures + 1).min(16)).min(REDIAL_MAX);
        let half = wait / 2;
        let random = half.mul_f64(f64::from(jitter) / f64::from(u32::MAX));
        let yielding = if self.failures == 0 && !self.i_am_smaller { YIELD } else { Duration::ZERO };
        self.failures = self.failures.saturating_add(1);
        self.dial_at = now + half + random + yielding;
    }

    /// The peer did what no honest peer does: it is shut out for a while. Says for how long.
    pub(super) fn offended(&mut self, now: Instant) -> Duration {
        if self.last_offence.is_some_and(|last| now.duration_since(last) > FORGIVEN_AFTER) {
            self.offences = 0;
        }
        let penalty = PENALTY_FIRST.saturating_mul(1 << self.offences.min(16)).min(PENALTY_MAX);
        self.offences = self.offences.saturating_add(1);
        self.last_offence = Some(now);
        self.shut_out_until = Some(now + penalty);
        penalty
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::metrics::NetworkMetrics;

    fn entry(i_am_smaller: bool, now: Instant) -> Entry {
        let (one, other) = (PeerId::random(), PeerId::random());
        let (smaller, larger) = if one < other { (one, other) } else { (other, one) };
        let (me, id) = if i_am_smaller { (smaller, larger) } else { (larger, smaller) };
        let mailbox = Mailbox::new(NetworkMetrics::default());
        let mut entry = Entry::new(id, "aba".to_owned(), Peer::Observer, mailbox, me, now);
        entry.addresses = vec![Multiaddr::empty()];
        entry
    }

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    #[test]
    fn both_sides_of_crossed_dials_keep_the_dial_of_the_smaller_identity() {
        let now = Instant::now();
        for smaller_first in [true, false] {
            let (mut smaller, mut larger) = (entry(true, now), entry(false, now));
            // Connection 1 is dialed by the smaller, 2 by the larger; each side may see them in either order.
            let order = if smaller_first { [1, 2] } else { [2, 1] };
            for number in order {
                let later = now + Duration::from_millis(5);
                smaller.established(connection(number), number == 1, later);
                larger.established(connection(number), number == 2, later);
            }
            assert_eq!((smaller.active, larger.active), (Some(connection(1)), Some(connection(1))));
        }
    }

    #[test]
    fn a_later_connection_replaces_the_one_that_its_peer_lost() {
        let now = Instant::now();
        let mut entry = entry(true, now);
        assert_eq!(entry.established(connection(1), true, now), Established::First);
        let later = now + Duration::from_secs(60);
        assert_eq!(entry.established(connection(2), false, later), Established::Replaces(connection(1)));
        assert_eq!(entry.closed(connection(1), 0, later), Closed::Surplus);
        assert_eq!(entry.closed(connection(2), 0, later), Closed::Attempt);
    }

    #[test]
    fn a_peer_counts_as_gone_only_when_its_last_connection_is() {
        let now = Instant::now();
        let mut entry = entry(true, now);
        let greet = |entry: &mut Entry, number: usize| {
            let link = entry.links.get_mut(&connection(number)).expect("established");
            (link.greeted, link.opened) = (true, true);
            entry.greet(connection(number)).map(|greeted| greeted.renewed)
        };
        entry.established(connection(1), true, now);
        assert!(entry.greet(connection(1)).is_none(), "neither direction stands");
        assert_eq!(greet(&mut entry, 1), Some(false));
        assert_eq!(greet(&mut entry, 1), None, "once for each connection");
        // A new connection takes over, and the old one closes before the new one's greeting, which never comes.
        let later = now + Duration::from_secs(60);
        entry.established(connection(2), false, later);
        assert_eq!(entry.closed(connection(1), 0, later), Closed::Surplus);
        assert_eq!(entry.closed(connection(2), 0, later), Closed::Peer);
        entry.established(connection(3), false, later);
        assert_eq!(greet(&mut entry, 3), Some(false));
        entry.established(connection(4), false, later + Duration::from_secs(60));
        assert_eq!(greet(&mut entry, 4), Some(true));
    }

    #[test]
    fn addresses_take_turns_until_one_works() {
        let now = Instant::now();
        let mut entry = entry(true, now);
        let addresses: Vec<Multiaddr> =
            ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/2"].map(|address| address.parse().expect("an address")).into();
        entry.addresses.clone_from(&addresses);
        assert_eq!(entry.address(), Some(&addresses[0]));
        entry.dialing(connection(1));
        entry.dial_failed(connection(1), 0, now);
        assert_eq!(entry.address(), Some(&addresses[1]));
        entry.dialing(connection(2));
        entry.established(connection(2), true, now);
        entry.closed(connection(2), 0, now);
        assert_eq!(entry.address(), Some(&addresses[1]));
    }

    #[test]
    fn redialing_backs_off_to_its_cap_and_starts_quickly_after_a_greeting() {
        let now = Instant::now();
        for jitter in [0, u32::MAX] {
            let mut entry = entry(true, now);
            entry.schedule(jitter, now);
            let first = entry.dial_at().expect("due").duration_since(now);
            assert!((Duration::from_millis(50)..=Duration::from_millis(100)).contains(&first), "{first:?}");
            (0..100).for_each(|_| entry.schedule(jitter, now));
            let last = entry.dial_at().expect("due").duration_since(now);
            assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&last), "{last:?}");
            entry.established(connection(1), true, now);
            let link = entry.links.get_mut(&connection(1)).expect("established");
            (link.greeted, link.opened) = (true, true);
            assert!(entry.greet(connection(1)).is_some());
            assert_eq!(entry.closed(connection(1), jitter, now), Closed::Peer);
            assert_eq!(entry.dial_at().expect("due").duration_since(now), first);
        }
    }

    #[test]
    fn a_peer_is_dialed_only_when_it_is_absent_and_has_an_address() {
        let now = Instant::now();
        let mut entry = entry(true, now);
        assert!(entry.dial_at().is_some());
        entry.dialing(connection(1));
        assert_eq!(entry.dial_at(), None);
        assert!(entry.dial_failed(connection(1), 0, now));
        assert!(entry.dial_at().is_some());
        entry.established(connection(2), false, now);
        assert_eq!(entry.dial_at(), None);
        entry.closed(connection(2), 0, now);
        entry.addresses.clear();
        assert_eq!(entry.dial_at(), None);
    }

    #[test]
    fn penalties_double_to_their_cap_and_are_forgiven() {
        let now = Instant::now();
        let mut entry = entry(true, now);
        assert_eq!(entry.offended(now), PENALTY_FIRST);
        assert_eq!(entry.offended(now), PENALTY_FIRST * 2);
        (0..100).for_each(|_| assert!(entry.offended(now) <= PENALTY_MAX));
        assert_eq!(entry.offended(now + FORGIVEN_AFTER + Duration::from_secs(1)), PENALTY_FIRST);
    }
}
