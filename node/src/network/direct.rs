//! The tasks that read and write direct streams: one for each stream. A task knows its stream and its peer's queues;
//! what follows from its end is decided by the network's task, which it tells.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::AsyncWriteExt as _;
use libp2p::PeerId;
use libp2p::swarm::{ConnectionId, Stream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tonle_crypto::Canonical as _;
use tonle_proto::peer::v1::frame::Body;
use tonle_replica::{Found, PeerMessage, Response};

use super::config::{Class, STALL_MAX};
use super::frame::{self, Budget, Failure, HELLO_BYTES_MAX, Hello, Room};
use super::metrics::NetworkMetrics;
use super::outbox::Outbox;
use super::{Event, Held, Peer, Responder};

/// What a stream's task tells the network's task.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) peer: PeerId,
    pub(super) connection: ConnectionId,
    pub(super) class: Class,
    pub(super) what: Told,
}

/// What it tells.
#[derive(Debug)]
pub(super) enum Told {
    /// The peer's hello fits. The task waits for `proceed` before it reads on, so that no message of a connection
    /// overtakes the event that announces it.
    Greeted { proceed: oneshot::Sender<()> },
    /// The stream is over.
    Ended(Failure),
}

/// What both tasks of a peer need.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Queues to the peer, by class.
    pub(super) outboxes: [Outbox; 3],
    /// Room for what comes from the peer, by class.
    budgets: [Budget; 3],
    /// Room for what comes from the peer by gossip.
    pub(super) gossip: Budget,
    /// Sync requests of the peer that may be served at once.
    requests: Arc<Semaphore>,
    pub(super) metrics: NetworkMetrics,
}

impl Mailbox {
    /// Empty queues for one peer.
    pub(super) fn new(metrics: NetworkMetrics) -> Self {
        Mailbox {
            outboxes: Class::ALL.map(Outbox::new),
            budgets: Class::ALL.map(|class| Budget::new(class.inbound_bytes_max())),
            gossip: Budget::new(Class::Data.inbound_bytes_max()),
            requests: Arc::new(Semaphore::new(super::config::REQUESTS_MAX)),
            metrics,
        }
    }

    /// Queues a frame for the peer.
    pub(super) fn push(&self, class: Class, frame: Bytes) {
        let [consensus, data, sync] = &self.outboxes;
        let outbox = match class {
            Class::Consensus => consensus,
            Class::Data => data,
            Class::Sync => sync,
        };
        outbox.push(frame, &self.metrics);
    }

    /// Lets frames in.
    pub(super) fn open(&self) {
        self.outboxes.iter().for_each(Outbox::open);
    }

    /// Drops what waits for the peer.
    pub(super) fn close(&self) {
        self.outboxes.iter().for_each(Outbox::close);
    }
}

/// The class a message travels on.
pub(super) const fn class_of(message: &PeerMessage) -> Class {
    match message {
        PeerMessage::Consensus(_) | PeerMessage::Acknowledge(_) | PeerMessage::FinalTip { .. } => Class::Consensus,
        // R9: it must not overtake the consensus messages that were sent before it.
        PeerMessage::Response(Response { found: Found::Epoch(_), .. }) => Class::Consensus,
        PeerMessage::Batch(_) | PeerMessage::Misbehaviour(_) | PeerMessage::MisbehaviourKnown { .. } => Class::Data,
        PeerMessage::Request(_) | PeerMessage::Response(_) => Class::Sync,
    }
}

/// One stream, for its task.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) peer: Peer,
    pub(super) id: PeerId,
    pub(super) connection: ConnectionId,
    pub(super) class: Class,
    /// What is said to the peer, or expected from it.
    pub(super) hello: Hello,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) notices: mpsc::Sender<Notice>,
}

impl Lane {
    async fn tell(&self, what: Told) {
        let notice = Notice { peer: self.id, connection: self.connection, class: self.class, what };
        // An error means that the network has shut down; then there is nobody to tell.
        let _ = self.notices.send(notice).await;
    }
}

/// Writes the hello, then what the peer's queue holds, for as long as the stream takes it.
pub(super) async fn write(lane: Lane, stream: Stream) {
    let Err(failure) = write_on(&lane, stream).await;
    lane.tell(Told::Ended(failure)).await;
}

async fn write_on(lane: &Lane, mut stream: Stream) -> Result<std::convert::Infallible, Failure> {
    write_all(&mut stream, &[lane.hello.to_frame()]).await?;
    let outbox = &lane.mailbox.outboxes[lane.class.index()];
    loop {
        let frames = outbox.take().await;
        write_all(&mut stream, &frames).await?;
        frames.iter().for_each(|frame| lane.mailbox.metrics.sent(lane.class, frame.len()));
    }
}

async fn write_all(stream: &mut Stream, frames: &[Bytes]) -> Result<(), Failure> {
    for frame in frames {
        timeout(STALL_MAX, stream.write_all(frame)).await.map_err(|_| Failure::Stalled)??;
    }
    timeout(STALL_MAX, stream.flush()).await.map_err(|_| Failure::Stalled)??;
    Ok(())
}

/// Reads the hello, then messages, and hands them to the event loop. When that is busy, or the peer's earlier messages
/// still take up its budget, it reads no further, and the stream's flow control slows the peer down.
pub(super) async fn read(lane: Lane, stream: Stream, events: mpsc::Sender<Event>) {
    let Err(failure) = read_on(&lane, stream, &events).await;
    lane.tell(Told::Ended(failure)).await;
}

async fn read_on(
    lane: &Lane,
    mut stream: Stream,
    events: &mpsc::Sender<Event>,
) -> Result<std::convert::Infallible, Failure> {
    let budget = &lane.mailbox.budgets[lane.class.index()];
    let hello = timeout(STALL_MAX, frame::read(&mut stream, HELLO_BYTES_MAX, budget));
    match hello.await.map_err(|_| Failure::Stalled)?? {
        (Body::Hello(said), ..) => lane.hello.check(&said)?,
        (Body::Message(_), ..) => return Err(Failure::Frame),
    }
    let (proceed, may_proceed) = oneshot::channel();
    lane.tell(Told::Greeted { proceed }).await;
    may_proceed.await.map_err(|_| aborted())?;
    loop {
        let (body, length, room) = frame::read(&mut stream, lane.class.frame_bytes_max(), budget).await?;
        let Body::Message(canonical) = body else { return Err(Failure::Frame) };
        lane.mailbox.metrics.received(lane.class, length);
        let message = PeerMessage::decode(&canonical)?;
        if class_of(&message) != lane.class {
            return Err(Failure::Misplaced);
        }
        if let Some(event) = to_event(lane, message, room).await? {
            events.send(event).await.map_err(|_| aborted())?;
        }
    }
}

/// What the event loop is told of a message; `None` for one that an observer has no say in.
async fn to_event(lane: &Lane, message: PeerMessage, room: Room) -> Result<Option<Event>, Failure> {
    let held = Held::new(room);
    match (message, lane.peer) {
        (PeerMessage::Request(request), from) => {
            let slot = Arc::clone(&lane.mailbox.requests).acquire_owned().await.map_err(|_| aborted())?;
            let responder = Responder::new(Arc::clone(&lane.mailbox), slot);
            Ok(Some(Event::SyncRequest { from, request, responder, held }))
        }
        (message, Peer::Validator(from)) => Ok(Some(Event::Message { from, message, held })),
        (_, Peer::Observer) => Ok(None),
    }
}

fn aborted() -> Failure {
    Failure::Ended(io::ErrorKind::ConnectionAborted.into())
}
