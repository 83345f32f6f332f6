//! Peers that do not keep to the protocol: bytes that are no libp2p, and a listed validator that sends garbage.

use std::io::Write as _;

use libp2p::{Multiaddr, PeerId, Stream};
use prost::Message as _;
use tonle_crypto::{Canonical as _, SecretKey};
use tonle_node::network::Destination;
use tonle_proto::peer::v1::{Frame, frame::Body};

use crate::actor::{self, Actor, DIRECT, GOSSIPSUB, field, prefixed, rpc};
use crate::fixture::{GENESIS, Node, Transport, counted, is_counted, mesh, name, network_key, tip, within};

/// What validator 1 says first.
fn hello() -> Vec<u8> {
    actor::hello(GENESIS)
}

/// A peer with the identity of `key`, connected to `victim`.
async fn dial(key: &SecretKey, victim: &Node) -> Actor {
    within(Actor::dial(key, victim.address(), &network_key(0).public())).await.expect("a connection")
}

/// Opens a stream and writes `bytes`. The stream stays open for as long as it is held.
async fn say(actor: &mut Actor, protocol: &'static str, bytes: &[u8]) -> Stream {
    let mut stream = within(actor.open(protocol)).await.expect("the victim speaks the protocol");
    // The victim may hang up while it is written to: what it counted says whether it heard enough.
    actor::write(&mut stream, bytes).await;
    stream
}

/// Nodes 0, 2 and 3 of four, all connected; validator 1 is left to the actor.
async fn victims() -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for me in [0, 2, 3] {
        let mut config = crate::fixture::config(me, 4, Transport::Tcp.any_port());
        if let Some(first) = nodes.first() {
            crate::fixture::dial(&mut config, 0, first.address());
        }
        let mut node = Node::start(config).await;
        if me != 0 {
            node.until_connected(0).await;
            nodes[0].until_connected(me).await;
        }
        nodes.push(node);
    }
    nodes
}

/// The victim still works for its other peers.
async fn check_alive(nodes: &mut [Node]) {
    let [victim, peer, ..] = nodes else { panic!("two nodes") };
    peer.network.send(&Destination::Validators(vec![name(0)]), &tip(77));
    assert_eq!(victim.message().await, (name(2), tip(77)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_garbage_closes_the_connection_and_is_counted() {
    let message = |bytes: Vec<u8>| Frame { body: Some(Body::Message(bytes.into())) }.encode_to_vec();
    let [consensus, data, sync] = DIRECT;
    let twice = [message(tip(1).encode()), message(tip(2).encode())].concat();
    let unknown_field = [message(tip(1).encode()), vec![0x78, 0x01]].concat();
    let cases: [(&str, &str, Vec<u8>); 9] = [
        ("a hello that is no frame", data, prefixed(&[0xff; 40])),
        ("a message before the hello", data, prefixed(&message(tip(1).encode()))),
        ("a hello of 4 GiB", data, vec![0xff; 64]),
        ("a frame of 100 MB", data, [hello(), vec![0x06, 0x00, 0x00, 0x00]].concat()),
        ("a second hello", consensus, [hello(), hello()].concat()),
        ("bytes that are no message", sync, [hello(), prefixed(&message(vec![9; 9]))].concat()),
        ("a message on the wrong stream", sync, [hello(), prefixed(&message(tip(1).encode()))].concat()),
        ("a repeated field", consensus, [hello(), prefixed(&twice)].concat()),
        ("an unknown field", consensus, [hello(), prefixed(&unknown_field)].concat()),
    ];
    for (case, protocol, bytes) in cases {
        let mut nodes = victims().await;
        let metrics = nodes[0].network.metrics().clone();
        let mut actor = dial(&network_key(1), &nodes[0]).await;
        // What follows a hello is read only once both consensus streams stand.
        let _greeting = if protocol == consensus { None } else { Some(say(&mut actor, consensus, &hello()).await) };
        let _stream = say(&mut actor, protocol, &bytes).await;
        assert!(is_counted(&metrics.malformed, 1).await, "{case}");
        assert!(is_counted(&metrics.penalties, 1).await, "{case}");
        check_alive(&mut nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_libp2p_identity_on_no_list_gets_no_stream() {
    let mut nodes = victims().await;
    let mut actor = dial(&network_key(66), &nodes[0]).await;
    let opened = within(actor.open(DIRECT[0])).await;
    assert!(opened.is_none());
    counted(&nodes[0].network.metrics().refused, 1).await;
    check_alive(&mut nodes).await;
}

/// PRUNE of the chain's topic, with a back-off in seconds and an unknown peer to connect to instead.
fn prune(topic: &str, back_off: u64) -> Vec<u8> {
    let mut seconds = vec![3 << 3];
    prost::encoding::encode_varint(back_off, &mut seconds);
    let exchange = field(2, &field(1, &PeerId::random().to_bytes()));
    field(3, &field(4, &[field(1, topic.as_bytes()), exchange, seconds].concat()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_prune_back_off_and_no_garbage_in_gossip_stops_a_node() {
    let mut nodes = victims().await;
    let dials = nodes[0].network.metrics().dials.get();
    let topic = format!("tonle/batches/1/{GENESIS}");
    let subscription = field(1, &[vec![1 << 3, 1], field(2, topic.as_bytes())].concat());
    let graft = field(3, &field(3, &field(1, topic.as_bytes())));
    let back_offs = [0, 1, 60, 1 << 31, 1 << 32, u64::MAX / 1_000_000_000, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX];
    for back_off in back_offs {
        let mut actor = dial(&network_key(1), &nodes[0]).await;
        let _greeting = say(&mut actor, DIRECT[0], &hello()).await;
        let join = rpc(&[subscription.clone(), graft.clone()]);
        let leave = rpc(&[prune(&topic, back_off), prune("another topic", back_off)]);
        let _stream = say(&mut actor, GOSSIPSUB, &[join, leave.clone(), leave].concat()).await;
        check_alive(&mut nodes).await;
    }
    for (seed, first) in (0..).zip([vec![0xff; 16], rpc(&[vec![0xff; 9]]), vec![0x80, 0x80, 0x80, 0x80, 0x01]]) {
        let mut actor = dial(&network_key(1), &nodes[0]).await;
        let _greeting = say(&mut actor, DIRECT[0], &hello()).await;
        let _stream = say(&mut actor, GOSSIPSUB, &[first, noise_bytes(seed, 5_000)].concat()).await;
        check_alive(&mut nodes).await;
    }
    assert_eq!(nodes[0].network.metrics().dials.get(), dials, "peers to connect to instead are not dialed");
}

/// Bytes that look random and are the same in every run.
fn noise_bytes(seed: u8, length: usize) -> Vec<u8> {
    let mut reader = blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof();
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    bytes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_bytes_on_the_tcp_port_are_refused_and_counted() {
    let mut nodes = victims().await;
    let address = socket(&nodes[0].address());
    for seed in 0..20 {
        let mut stream = std::net::TcpStream::connect(address).expect("the port is open");
        // The node may close before it has read everything.
        let _ = stream.write_all(&noise_bytes(seed, 4096));
    }
    counted(&nodes[0].network.metrics().handshakes_failed, 20).await;
    check_alive(&mut nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_datagrams_on_the_quic_port_change_nothing() {
    let mut nodes = mesh(2, Transport::Quic).await;
    let address = socket(&nodes[0].address());
    let sender = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    for seed in 0..200 {
        sender.send_to(&noise_bytes(seed, 1200), address).expect("sent");
    }
    nodes[1].network.send(&Destination::All, &tip(4));
    assert_eq!(nodes[0].message().await, (name(1), tip(4)));
}

fn socket(address: &Multiaddr) -> std::net::SocketAddr {
    use libp2p::multiaddr::Protocol;
    let port = address.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    });
    (std::net::Ipv4Addr::LOCALHOST, port.expect("a port")).into()
}
