//! A peer that says what it is told to: a libp2p node that opens the protocol's streams and writes any bytes to them.

use std::time::Duration;

use futures::{AsyncWriteExt as _, StreamExt as _};
use libp2p::identity::{Keypair, ed25519};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Stream, StreamProtocol, SwarmBuilder, noise, ping, tcp, yamux};
use prost::Message as _;
use tonle_crypto::{Digest, PublicKey, SecretKey};
use tonle_node::network::peer_id;
use tonle_proto::peer::v1::{Frame, Hello, frame::Body};

/// Names of the direct streams, as they stand in their protocol: consensus, data, sync.
pub(crate) const DIRECT: [&str; 3] = ["/tonle/consensus/1", "/tonle/data/1", "/tonle/sync/1"];

/// A version of gossipsub that nodes speak.
pub(crate) const GOSSIPSUB: &str = "/meshsub/1.1.0";

/// What the actor shares with an honest node: it answers pings.
#[derive(NetworkBehaviour)]
struct Manners {
    streams: libp2p_stream::Behaviour,
    ping: ping::Behaviour,
}

/// A libp2p node that says what it is told to.
pub(crate) struct Actor {
    control: libp2p_stream::Control,
    victim: PeerId,
    /// Streams that the victim opens to the actor: accepted, so that it takes the actor for a proper peer, never read.
    _accepted: Vec<libp2p_stream::IncomingStreams>,
}

impl Actor {
    /// Connects to the node with the network key `victim` at `address`, with the identity of `key`. None when it does
    /// not take the connection.
    pub(crate) async fn dial(key: &SecretKey, address: Multiaddr, victim: &PublicKey) -> Option<Actor> {
        let secret = ed25519::SecretKey::try_from_bytes(key.seed().as_mut_slice()).expect("a seed");
        let mut swarm = SwarmBuilder::with_existing_identity(Keypair::from(ed25519::Keypair::from(secret)))
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .expect("noise")
            .with_behaviour(|_| Manners { streams: libp2p_stream::Behaviour::new(), ping: ping::Behaviour::default() })
            .expect("a behaviour")
            .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        let mut control = swarm.behaviour().streams.new_control();
        let accept = |protocol| control.accept(StreamProtocol::new(protocol)).expect("accepted once");
        let accepted = DIRECT.into_iter().chain([GOSSIPSUB]).map(accept).collect();
        swarm.dial(address).expect("a dial");
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { .. } => break,
                SwarmEvent::OutgoingConnectionError { .. } => return None,
                _ => {}
            }
        }
        tokio::spawn(async move {
            loop {
                let _ = swarm.next().await;
            }
        });
        Some(Actor { control, victim: peer_id(victim).expect("a key"), _accepted: accepted })
    }

    /// Opens a stream. None when the victim does not take it.
    pub(crate) async fn open(&mut self, protocol: &'static str) -> Option<Stream> {
        self.control.open_stream(self.victim, StreamProtocol::new(protocol)).await.ok()
    }
}

/// Writes until all is written or the victim hangs up; says which.
pub(crate) async fn write(stream: &mut Stream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok()
}

/// A frame as it travels.
pub(crate) fn framed(body: Body) -> Vec<u8> {
    prefixed(&Frame { body: Some(body) }.encode_to_vec())
}

/// `bytes` after their length.
pub(crate) fn prefixed(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a short frame");
    [length.to_be_bytes().as_slice(), bytes].concat()
}

/// What a peer says first on each stream.
pub(crate) fn hello(genesis: Digest) -> Vec<u8> {
    let genesis = genesis.as_bytes().to_vec().into();
    framed(Body::Hello(Hello { protocol_version: 1, genesis }))
}

/// A length-delimited protobuf field.
pub(crate) fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    prost::encoding::encode_varint(bytes.len() as u64, &mut out);
    [out, bytes.to_vec()].concat()
}

/// A gossipsub RPC as it travels: its length, then what is in it.
pub(crate) fn rpc(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    let body = parts.concat();
    prost::encoding::encode_varint(body.len() as u64, &mut out);
    [out, body].concat()
}
