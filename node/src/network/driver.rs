//! The network's task: polls the swarm, dials, greets, resolves double connections, and passes gossip on. It awaits
//! nothing but its own inputs: a slow event loop or peer never stops it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use libp2p::gossipsub::{self, IdentTopic, MessageAcceptance, PublishError};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, ListenError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, allow_block_list, ping};
use tokio::sync::{mpsc, oneshot};
use tonle_crypto::{Canonical as _, PublicKey};
use tonle_replica::RawBatch;

use super::config::{COMMANDS_MAX, Class, Config, EVENTS_MAX, NOTICES_MAX};
use super::direct::{self, Lane, Notice, Told};
use super::frame::{Failure, Hello};
use super::metrics::NetworkMetrics;
use super::peers::{Closed, Entry, Established, Greeted, Task};
use super::streams::{self, Happened};
use super::swarm::{Behaviour, BehaviourEvent, build};
use super::{Command, Event, GossipTicket, Held, Mailboxes, Members, Network, NetworkError, Peer, Verdict, gossip};

/// Between two log lines about the same stranger's or peer's fault.
const COMPLAIN_EVERY: Duration = Duration::from_secs(30);

/// Starts the network on the current tokio runtime: listens, and begins to dial. Returns when every address is
/// listened on. The network ends when its last handle is dropped.
///
/// # Errors
/// [`NetworkError`] when a key or address is not usable.
pub async fn start(config: Config) -> Result<(Network, mpsc::Receiver<Event>), NetworkError> {
    let mut swarm = build(&config)?;
    let mut listeners = Vec::new();
    for address in &config.listen {
        listeners.push(listen(&mut swarm, address).await?);
    }
    let metrics = NetworkMetrics::default();
    let (mailboxes, members) = (Mailboxes::default(), Members::default());
    let hello = Hello { protocol_version: config.protocol_version, genesis: config.genesis };
    let (commands_in, commands) = mpsc::channel(COMMANDS_MAX);
    let (events, events_out) = mpsc::channel(EVENTS_MAX);
    let (notices_in, notices) = mpsc::channel(NOTICES_MAX);
    let mut driver = Driver {
        topic: gossip::topic(&config.genesis),
        swarm,
        peers: BTreeMap::new(),
        mailboxes: Arc::clone(&mailboxes),
        members: Arc::clone(&members),
        hello,
        events,
        backlog: VecDeque::new(),
        notices_in,
        metrics: metrics.clone(),
        complained: None,
    };
    driver.observe(&config.observers)?;
    driver.admit(&config.members)?;
    tokio::spawn(driver.run(commands, notices));
    let network = Network { mailboxes, members, commands: commands_in, listeners: listeners.into(), metrics };
    Ok((network, events_out))
}

/// Listens on an address. Says it with the port that the system chose.
async fn listen(swarm: &mut Swarm<Behaviour>, address: &Multiaddr) -> Result<Multiaddr, NetworkError> {
    let failed = |reason: String| NetworkError::Listen { address: address.clone(), reason };
    // libp2p lets TCP listeners share a port, so a second node by mistake on the same one would take half of the
    // first one's connections. This socket does not share, and is closed at once.
    if let Some(socket) = tcp_socket(address) {
        std::net::TcpListener::bind(socket).map_err(|error| failed(error.to_string()))?;
    }
    let id = swarm.listen_on(address.clone()).map_err(|error| failed(error.to_string()))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { listener_id, address } if listener_id == id => return Ok(address),
            SwarmEvent::ListenerClosed { listener_id, reason, .. } if listener_id == id => {
                return Err(failed(reason.err().map_or_else(String::new, |error| error.to_string())));
            }
            _ => {}
        }
    }
}

/// The socket that a TCP address stands for.
fn tcp_socket(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip = match parts.next()? {
        Protocol::Ip4(ip) => IpAddr::V4(ip),
        Protocol::Ip6(ip) => IpAddr::V6(ip),
        _ => return None,
    };
    match parts.next()? {
        Protocol::Tcp(port) => Some(SocketAddr::new(ip, port)),
        _ => None,
    }
}

/// An event that waits for room, and the readers that wait for it.
#[derive(Debug)]
struct Announcement {
    event: Event,
    waiting: Vec<oneshot::Sender<()>>,
}

pub(super) struct Driver {
    topic: IdentTopic,
    pub(super) swarm: Swarm<Behaviour>,
    pub(super) peers: BTreeMap<PeerId, Entry>,
    pub(super) mailboxes: Mailboxes,
    pub(super) members: Members,
    hello: Hello,
    events: mpsc::Sender<Event>,
    /// Connected and Disconnected that did not fit yet: at most one for each peer, the latest.
    backlog: VecDeque<(PublicKey, Announcement)>,
    notices_in: mpsc::Sender<Notice>,
    pub(super) metrics: NetworkMetrics,
    /// When a stranger was last logged.
    complained: Option<Instant>,
}

impl Driver {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, mut notices: mpsc::Receiver<Notice>) {
        let events = self.events.clone();
        loop {
            let due = self.due();
            tokio::select! {
                event = self.swarm.select_next_some() => self.handle_swarm(event),
                Some(notice) = notices.recv() => self.handle_notice(notice),
                command = commands.recv() => match command {
                    Some(Command::Shutdown { done }) => {
                        drop(self);
                        // Whoever asked may have stopped waiting.
                        let _ = done.send(());
                        return;
                    }
                    Some(command) => {
                        self.handle_command(command);
                        self.take_over();
                    }
                    // Every handle is gone: nobody wants the network any more.
                    None => return,
                },
                permit = events.reserve(), if !self.backlog.is_empty() => match permit {
                    Ok(permit) => if let Some((_, announcement)) = self.backlog.pop_front() {
                        permit.send(announcement.event);
                        proceed(announcement.waiting);
                    },
                    Err(_) => return,
                },
                () = tokio::time::sleep_until(due.into()) => self.handle_due(Instant::now()),
            }
        }
    }

    /// When a peer is to be dialed or let in again; some time later when there is none.
    fn due(&self) -> Instant {
        let later = Instant::now() + Duration::from_secs(60);
        let of = |entry: &Entry| entry.shut_out_until.or(entry.dial_at());
        self.peers.values().filter_map(of).fold(later, Instant::min)
    }

    fn handle_due(&mut self, now: Instant) {
        for entry in self.peers.values_mut() {
            if entry.shut_out_until.is_some_and(|until| until <= now) {
                entry.shut_out_until = None;
                entry.schedule(jitter(), now);
                self.swarm.behaviour_mut().allowed.allow_peer(entry.id);
            }
            if entry.dial_at().is_some_and(|at| at <= now) {
                // Only this address: none that a behaviour might have learnt. A new port, because the listening
                // one would make two simultaneous dials one and the same TCP connection.
                let dial = DialOpts::peer_id(entry.id)
                    .condition(PeerCondition::Always)
                    .addresses(entry.address().cloned().into_iter().collect())
                    .allocate_new_port()
                    .build();
                let id = dial.connection_id();
                entry.dialing(id);
                self.metrics.dials.inc();
                if let Err(error) = self.swarm.dial(dial) {
                    tracing::debug!(peer = entry.name, %error, "dial refused");
                    entry.dial_failed(id, jitter(), now);
                    self.metrics.dials_failed.inc();
                }
            }
        }
    }

    fn handle_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.handle_established(peer_id, connection_id, endpoint.is_dialer());
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                let reason = cause.map_or_else(String::new, |cause| cause.to_string());
                self.handle_closed(peer_id, connection_id, &reason);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, peer_id: Some(peer), error } => {
                self.metrics.dials_failed.inc();
                if let Some(entry) = self.peers.get_mut(&peer) {
                    tracing::debug!(peer = entry.name, %error, "dial failed");
                    entry.dial_failed(connection_id, jitter(), Instant::now());
                }
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                self.handle_refused(&send_back_addr.to_string(), &error);
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "listener closed");
            }
            SwarmEvent::Behaviour(BehaviourEvent::Streams(event)) => self.handle_stream(event),
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.handle_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.handle_ping(event),
            // The rest only tells what is under way; the enum is libp2p's, and open.
            _ => {}
        }
    }

    fn handle_established(&mut self, peer: PeerId, connection: ConnectionId, dialed_by_me: bool) {
        // The allow-list let it in, so it is on the list.
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let surplus = match entry.established(connection, dialed_by_me, Instant::now()) {
            Established::First => None,
            Established::Replaces(before) => Some(before),
            Established::Surplus => Some(connection),
        };
        tracing::debug!(peer = entry.name, dialed_by_me, ?surplus, "connection established");
        if entry.active == Some(connection) {
            self.swarm.behaviour_mut().streams.open(peer, connection);
        }
        if let Some(surplus) = surplus {
            self.swarm.close_connection(surplus);
        }
    }

    fn handle_closed(&mut self, peer: PeerId, connection: ConnectionId, reason: &str) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        tracing::debug!(peer = entry.name, reason, "connection closed");
        match entry.closed(connection, jitter(), Instant::now()) {
            Closed::Surplus | Closed::Attempt => {}
            Closed::Peer => {
                tracing::info!(peer = entry.name, reason, "peer disconnected");
                entry.mailbox.close();
                self.metrics.peers.dec();
                if let Peer::Validator(key) = entry.peer {
                    self.announce(key, Event::Disconnected(key), Vec::new());
                }
            }
        }
    }

    fn handle_refused(&mut self, address: &str, error: &ListenError) {
        let ListenError::Denied { cause } = error else {
            self.metrics.handshakes_failed.inc();
            tracing::debug!(address, %error, "inbound handshake failed");
            return;
        };
        if cause.downcast_ref::<allow_block_list::NotAllowed>().is_none() {
            self.metrics.limited.inc();
            tracing::debug!(address, %error, "inbound connection above a limit");
            return;
        }
        let refused = self.metrics.refused.inc().saturating_add(1);
        let now = Instant::now();
        if self.complained.is_none_or(|last| now.duration_since(last) > COMPLAIN_EVERY) {
            self.complained = Some(now);
            tracing::warn!(address, refused, "refused an identity that is not on the list, or is shut out");
        }
    }

    fn handle_stream(&mut self, event: streams::Event) {
        let streams::Event { peer, connection, class, what } = event;
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let (who, active) = (entry.peer, entry.active == Some(connection));
        let mailbox = Arc::clone(&entry.mailbox);
        let Some(link) = entry.links.get_mut(&connection) else { return };
        let lane =
            |hello| Lane { peer: who, id: peer, connection, class, hello, mailbox, notices: self.notices_in.clone() };
        match what {
            Happened::Accepted(stream) => {
                let reader = direct::read(lane(self.hello), stream, self.events.clone());
                // A second stream of a class takes the place of the first, so a peer has one reader of each.
                link.readers[class.index()] = Some(Task(tokio::spawn(reader).abort_handle()));
            }
            Happened::Opened(stream) if active => {
                let writer = direct::write(lane(self.hello), stream);
                link.writers[class.index()] = Some(Task(tokio::spawn(writer).abort_handle()));
                link.opened |= class == Class::Consensus;
                self.try_announce(peer, connection);
            }
            Happened::Opened(_) => {}
            Happened::Failed => {
                self.swarm.close_connection(connection);
            }
        }
    }

    fn handle_notice(&mut self, notice: Notice) {
        let Notice { peer, connection, class, what } = notice;
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let Some(link) = entry.links.get_mut(&connection) else { return };
        match what {
            Told::Greeted { proceed: waiting } => {
                link.greeted |= class == Class::Consensus;
                link.waiting.push(waiting);
                if link.announced {
                    proceed(std::mem::take(&mut link.waiting));
                } else {
                    self.try_announce(peer, connection);
                }
            }
            Told::Ended(failure) => self.handle_ended(peer, connection, class, &failure),
        }
    }

    /// A direct stream ended, so its connection does: streams are opened once on each connection, and redialing is
    /// what has a back-off.
    fn handle_ended(&mut self, peer: PeerId, connection: ConnectionId, class: Class, failure: &Failure) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        tracing::debug!(peer = entry.name, class = class.label(), %failure, "stream ended");
        let now = Instant::now();
        match failure {
            Failure::Mismatch(mismatch) => {
                self.metrics.mismatched.inc();
                if entry.complained.is_none_or(|last| now.duration_since(last) > COMPLAIN_EVERY) {
                    entry.complained = Some(now);
                    tracing::error!(peer = entry.name, %mismatch, mine = %self.hello.genesis, "refused a peer");
                }
            }
            Failure::Stalled => {
                self.metrics.stalled.inc();
            }
            failure if failure.is_offence() => {
                self.metrics.malformed.inc();
                self.penalise(peer, &failure.to_string());
            }
            _ => {}
        }
        self.swarm.close_connection(connection);
    }

    /// Tells the event loop that a peer is connected, once both directions of its consensus streams are.
    fn try_announce(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        let Some(Greeted { renewed, waiting }) = entry.greet(connection) else { return };
        entry.mailbox.open();
        if !renewed {
            tracing::info!(peer = entry.name, "peer connected");
            self.metrics.peers.inc();
        }
        match entry.peer {
            Peer::Validator(key) => self.announce(key, Event::Connected(key), waiting),
            Peer::Observer => proceed(waiting),
        }
    }

    /// Queues an event about a validator in place of an earlier one that the event loop has not seen.
    pub(super) fn announce(&mut self, key: PublicKey, event: Event, waiting: Vec<oneshot::Sender<()>>) {
        self.backlog.retain(|(about, _)| *about != key);
        self.backlog.push_back((key, Announcement { event, waiting }));
    }

    fn handle_ping(&mut self, event: ping::Event) {
        let Some(entry) = self.peers.get(&event.peer) else { return };
        match event.result {
            Ok(round_trip) => self.metrics.round_trip(&entry.name, round_trip.as_secs_f64()),
            Err(error) => {
                tracing::debug!(peer = entry.name, %error, "ping failed");
                self.metrics.stalled.inc();
                self.swarm.close_connection(event.connection);
            }
        }
    }

    fn handle_gossip(&mut self, event: gossipsub::Event) {
        let gossipsub::Event::Message { propagation_source: source, message_id: id, message } = event else { return };
        self.metrics.gossip_received.inc();
        let ticket = GossipTicket { id, source };
        let Some(entry) = self.peers.get(&source) else { return };
        let Ok(batch) = RawBatch::decode(&message.data) else { return self.report(&ticket, Verdict::Reject) };
        let room = entry.mailbox.gossip.try_room(message.data.len());
        let (Some(room), Ok(slot)) = (room, self.events.try_reserve()) else {
            return self.report(&ticket, Verdict::Ignore);
        };
        let (via, batch, held) = (entry.peer, Arc::new(batch), Held::new(room));
        slot.send(Event::GossipBatch { via, batch, ticket, held });
    }

    fn handle_command(&mut self, command: Command) {
        match command {
            Command::Gossip(batch) => {
                match self.swarm.behaviour_mut().gossip.publish(self.topic.clone(), batch) {
                    Ok(_) => self.metrics.gossip_published.inc(),
                    Err(PublishError::Duplicate) => 0,
                    Err(error) => {
                        tracing::debug!(%error, "batch not gossiped");
                        self.metrics.gossip_dropped.inc()
                    }
                };
            }
            Command::Report { ticket, verdict } => self.report(&ticket, verdict),
            Command::Penalise { validator, reason } => {
                let of = |entry: &&Entry| entry.peer == Peer::Validator(validator);
                if let Some(id) = self.peers.values().find(of).map(|entry| entry.id) {
                    self.penalise(id, reason);
                }
            }
            // Done below, for whichever command comes first.
            Command::Admit | Command::Shutdown { .. } => {}
        }
    }

    fn report(&mut self, ticket: &GossipTicket, verdict: Verdict) {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&ticket.id, &ticket.source, acceptance);
        match verdict {
            Verdict::Accept => {}
            Verdict::Reject => {
                // Honest peers pass on only what they verified, so whoever passed this on is at fault.
                self.metrics.gossip_rejected.inc();
                self.penalise(ticket.source, "passed on an invalid batch");
            }
            Verdict::Ignore => {
                self.metrics.gossip_ignored.inc();
            }
        }
    }

    fn penalise(&mut self, peer: PeerId, reason: &str) {
        let Some(entry) = self.peers.get_mut(&peer) else { return };
        if entry.shut_out_until.is_some() {
            return;
        }
        let penalty = entry.offended(Instant::now());
        tracing::warn!(peer = entry.name, reason, penalty_ms = penalty.as_millis(), "peer shut out");
        self.metrics.penalties.inc();
        // Taking it off the list also closes its connections.
        self.swarm.behaviour_mut().allowed.disallow_peer(peer);
    }
}

fn proceed(waiting: Vec<oneshot::Sender<()>>) {
    for reader in waiting {
        // A reader that is gone has no use for it.
        let _ = reader.send(());
    }
}

/// A random number for back-offs. Without a random source the back-off is merely not spread.
fn jitter() -> u32 {
    getrandom::u32().unwrap_or_default()
}
