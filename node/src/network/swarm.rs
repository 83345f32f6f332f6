//! The libp2p swarm: transports and the behaviours on them. What is absent is on purpose: no identify, no Kademlia, no
//! mDNS, no rendezvous. Peers are known from genesis and configuration, and an address learnt from a peer is never
//! dialed, because there is none.

use std::time::Duration;

use libp2p::allow_block_list::{self, AllowedPeers};
use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{Swarm, SwarmBuilder, memory_connection_limits, noise, ping, tcp, yamux};

use super::config::{
    CONNECT_TIMEOUT, CONNECTIONS_PER_PEER_MAX, Config, MUXER_STREAMS, PENDING_INCOMING_MAX, PING_INTERVAL,
    PING_TIMEOUT, STREAMS_MAX,
};
use super::gossip::{self, Gossip};
use super::identity::keypair;
use super::{NetworkError, streams};

/// Everything that acts on a connection. The first three can refuse it, in this order.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    pub(super) allowed: allow_block_list::Behaviour<AllowedPeers>,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) memory: Toggle<memory_connection_limits::Behaviour>,
    pub(super) streams: streams::Behaviour,
    pub(super) gossip: Gossip,
    pub(super) ping: ping::Behaviour,
}

/// How many connections there may be with so many on the list.
pub(super) fn limits(listed: usize) -> ConnectionLimits {
    let connections = u32::try_from(listed).unwrap_or(u32::MAX).saturating_mul(CONNECTIONS_PER_PEER_MAX);
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_INCOMING_MAX))
        .with_max_pending_outgoing(Some(connections))
        .with_max_established(Some(connections))
        .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
}

/// A swarm that listens on nothing yet and allows nobody yet.
pub(super) fn build(config: &Config) -> Result<Swarm<Behaviour>, NetworkError> {
    let limits = limits(config.members.len() + config.observers.len());
    let behaviour = Behaviour {
        allowed: allow_block_list::Behaviour::default(),
        limits: connection_limits::Behaviour::new(limits),
        memory: config.memory_bytes_max.map(memory_connection_limits::Behaviour::with_max_bytes).into(),
        streams: streams::Behaviour::default(),
        gossip: gossip::behaviour(&config.genesis, config.members.len().saturating_sub(1))?,
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL).with_timeout(PING_TIMEOUT)),
    };
    let muxer = || {
        let mut muxer = yamux::Config::default();
        muxer.set_max_num_streams(MUXER_STREAMS);
        muxer
    };
    let swarm = SwarmBuilder::with_existing_identity(keypair(&config.identity)?)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), noise::Config::new, muxer)
        .map_err(|error| NetworkError::Transport(error.to_string()))?
        .with_quic_config(|mut quic| {
            quic.handshake_timeout = CONNECT_TIMEOUT;
            quic.keep_alive_interval = PING_INTERVAL;
            quic.max_idle_timeout = u32::try_from((PING_INTERVAL + PING_TIMEOUT).as_millis()).unwrap_or(u32::MAX);
            quic.max_concurrent_stream_limit = u32::try_from(STREAMS_MAX).unwrap_or(u32::MAX);
            quic.max_stream_data = 4 * 1024 * 1024;
            quic.max_connection_data = 8 * 1024 * 1024;
            quic
        })
        .with_behaviour(|_| behaviour)
        .map_err(|error| NetworkError::Transport(error.to_string()))?
        // A connection is in use for as long as it lives; its streams say so too.
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(Duration::from_secs(60))
                .with_max_negotiating_inbound_streams(STREAMS_MAX)
        })
        .with_connection_timeout(CONNECT_TIMEOUT)
        .build();
    Ok(swarm)
}
