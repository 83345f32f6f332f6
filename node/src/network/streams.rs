//! The libp2p behaviour that opens and accepts the direct streams of a connection, and hands them to the network's
//! task together with the connection they are on. It reads and writes nothing itself, and never dials.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use super::config::Class;

/// Streams accepted on one connection that the network's task has not taken yet. It takes them at once; a peer that
/// opens more has them reset.
const WAITING_MAX: usize = 8;

/// Something that happened to a direct stream.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) peer: PeerId,
    pub(super) connection: ConnectionId,
    pub(super) class: Class,
    pub(super) what: Happened,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Happened {
    /// The peer opened a stream to this node.
    Accepted(Stream),
    /// A stream to the peer that was asked for is open.
    Opened(Stream),
    /// A stream to the peer could not be opened: it does not speak the protocol, or the connection broke.
    Failed,
}

/// Direct streams of every connection.
#[derive(Debug, Default)]
pub(super) struct Behaviour {
    queue: VecDeque<ToSwarm<Event, Class>>,
}

impl Behaviour {
    /// Opens a stream of each class on a connection.
    pub(super) fn open(&mut self, peer_id: PeerId, connection: ConnectionId) {
        for class in Class::ALL {
            let handler = NotifyHandler::One(connection);
            self.queue.push_back(ToSwarm::NotifyHandler { peer_id, handler, event: class });
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, _: FromSwarm<'_>) {}

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (class, what): THandlerOutEvent<Self>,
    ) {
        self.queue.push_back(ToSwarm::GenerateEvent(Event { peer, connection, class, what }));
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        // The queue is filled only from the task that polls, right before it polls again.
        self.queue.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

/// One connection's side of it.
#[derive(Debug, Default)]
pub(super) struct Handler {
    wanted: VecDeque<Class>,
    happened: VecDeque<(Class, Happened)>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Class;
    type ToBehaviour = (Class, Happened);
    type InboundProtocol = Protocols;
    type OutboundProtocol = Protocols;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Class;

    fn listen_protocol(&self) -> SubstreamProtocol<Protocols> {
        SubstreamProtocol::new(Protocols(Class::ALL.to_vec()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Protocols, Class, Self::ToBehaviour>> {
        // Both queues are filled only from the task that polls, right before it polls again.
        if let Some(happened) = self.happened.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(happened));
        }
        let Some(class) = self.wanted.pop_front() else { return Poll::Pending };
        let protocol = SubstreamProtocol::new(Protocols(vec![class]), class);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, class: Class) {
        self.wanted.push_back(class);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Protocols, Protocols, (), Class>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (class, stream), .. })
                if self.happened.len() < WAITING_MAX =>
            {
                self.happened.push_back((class, Happened::Accepted(stream)));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (class, stream), .. }) => {
                self.happened.push_back((class, Happened::Opened(stream)));
            }
            ConnectionEvent::DialUpgradeError(error) => self.happened.push_back((error.info, Happened::Failed)),
            // Surplus streams are dropped, which resets them. Address changes and failed inbound negotiations concern
            // nobody here; the enum is libp2p's, and open.
            _ => {}
        }
    }
}

/// Negotiates one of some classes.
#[derive(Debug, Clone)]
pub(super) struct Protocols(Vec<Class>);

/// A class as libp2p's negotiation names it.
#[derive(Debug, Clone)]
pub(super) struct Named(Class, StreamProtocol);

impl AsRef<str> for Named {
    fn as_ref(&self) -> &str {
        self.1.as_ref()
    }
}

impl UpgradeInfo for Protocols {
    type Info = Named;
    type InfoIter = std::vec::IntoIter<Named>;

    fn protocol_info(&self) -> Self::InfoIter {
        let named = |class: &Class| Named(*class, StreamProtocol::new(class.protocol()));
        self.0.iter().map(named).collect::<Vec<_>>().into_iter()
    }
}

impl InboundUpgrade<Stream> for Protocols {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, named: Named) -> Self::Future {
        ready(Ok((named.0, stream)))
    }
}

impl OutboundUpgrade<Stream> for Protocols {
    type Output = (Class, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, named: Named) -> Self::Future {
        ready(Ok((named.0, stream)))
    }
}
