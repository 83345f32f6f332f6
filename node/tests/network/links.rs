//! Direct streams, greetings, reconnection, observers, sync.

use std::sync::Arc;

use tonle_consensus::Height;
use tonle_crypto::{Digest, SecretKey};
use tonle_node::network::{Destination, Event, Peer};
use tonle_replica::{Found, PeerMessage, Query, Request, Response};

use crate::fixture::{
    Node, Transport, batch, config, counted, dial, lane_key, member, mesh, name, network_key, tip, within,
};

async fn check_order(transport: Transport) {
    let mut nodes = mesh(4, transport).await;
    for number in 0..500 {
        nodes[0].network.send(&Destination::All, &tip(number));
        nodes[0].network.send(&Destination::Validators(vec![name(1)]), &tip(1_000 + number));
    }
    for (me, node) in (0..).zip(&mut nodes).skip(1) {
        for number in 0..500 {
            assert_eq!(node.message().await, (name(0), tip(number)), "at {me}");
            if me == 1 {
                assert_eq!(node.message().await, (name(0), tip(1_000 + number)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_over_tcp() {
    check_order(Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_arrive_in_order_over_quic() {
    check_order(Transport::Quic).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_largest_batch_travels_directly_and_urgent_messages_pass_it() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut nodes = mesh(2, transport).await;
        let large = batch(&lane_key(0).public(), 1, tonle_replica::bounds::BATCH_CONTENT_BYTES_MAX);
        nodes[0].network.send(&Destination::Validators(vec![name(1)]), &PeerMessage::Batch(Arc::clone(&large)));
        nodes[0].network.send(&Destination::Validators(vec![name(1)]), &tip(1));
        // Which of the two comes first is up to the scheduler; neither waits for the other to be read.
        let received = [nodes[1].message().await.1, nodes[1].message().await.1];
        assert!(received.contains(&PeerMessage::Batch(large)) && received.contains(&tip(1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_dial_each_other_keep_one_stable_connection() {
    // Ports that were free a moment ago: each must know the other's before it starts.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    let ports = [free(), free()];
    let mut configs: Vec<_> = (0..2).map(|me| config(me, 2, Transport::Tcp.port(ports[usize::from(me)]))).collect();
    dial(&mut configs[0], 1, Transport::Tcp.port(ports[1]));
    dial(&mut configs[1], 0, Transport::Tcp.port(ports[0]));
    let mut nodes = Vec::new();
    for config in configs {
        nodes.push(Node::start(config).await);
    }
    nodes[0].until_connected(1).await;
    nodes[1].until_connected(0).await;
    for number in 0..200 {
        nodes[0].network.send(&Destination::All, &tip(number));
        nodes[1].network.send(&Destination::All, &tip(number));
    }
    // A renewed connection may swallow what was under way, but what is sent last arrives.
    for node in &mut nodes {
        node.until(|event| match event {
            Event::Message { message, .. } if message == tip(199) => Some(()),
            Event::Disconnected(_) => panic!("the connection did not last"),
            _ => None,
        })
        .await;
    }
    assert_eq!(nodes[0].network.metrics().peers.get(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_went_away_is_reconnected_when_it_is_back() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut first = Node::start(config(0, 2, transport.any_port())).await;
        let dials_first = || {
            let mut config = config(1, 2, transport.any_port());
            dial(&mut config, 0, first.address());
            config
        };
        let restart = dials_first();
        let second = Node::start(dials_first()).await;
        first.until_connected(1).await;
        second.network.shutdown().await;
        drop(second);
        first.until_disconnected(1).await;
        let mut second = Node::start(restart).await;
        second.until_connected(0).await;
        first.until_connected(1).await;
        first.network.send(&Destination::Validators(vec![name(1)]), &tip(5));
        assert_eq!(second.message().await, (name(0), tip(5)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dialer_tries_again_until_its_peer_listens() {
    let listener = Node::start(config(0, 2, Transport::Tcp.any_port())).await;
    let address = listener.address();
    listener.network.shutdown().await;
    let mut dialing = config(1, 2, Transport::Tcp.any_port());
    dial(&mut dialing, 0, address.clone());
    let mut dialer = Node::start(dialing).await;
    counted(&dialer.network.metrics().dials_failed, 2).await;
    let mut listener = Node::start(config(0, 2, address)).await;
    dialer.until_connected(0).await;
    listener.until_connected(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_penalised_peer_is_disconnected_and_let_in_again_later() {
    let mut nodes = mesh(2, Transport::Tcp).await;
    nodes[0].network.penalise(name(1), "test");
    nodes[0].until_disconnected(1).await;
    assert_eq!(nodes[0].network.metrics().penalties.get(), 1);
    nodes[0].until_connected(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_answered_to_whoever_asked() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut nodes = mesh(3, transport).await;
        let request = Request { id: 9, query: Query::FinalBlocks { from: Height::new(4) } };
        nodes[2].network.send(&Destination::Validators(vec![name(0)]), &PeerMessage::Request(request.clone()));
        let (from, asked, responder) = nodes[0]
            .until(|event| match event {
                Event::SyncRequest { from, request, responder, .. } => Some((from, request, responder)),
                _ => None,
            })
            .await;
        assert_eq!((from, asked), (Peer::Validator(name(2)), request));
        let lane = lane_key(1).public();
        let batches = vec![batch(&lane, 2, 2 * 1024 * 1024), batch(&lane, 1, 2 * 1024 * 1024)];
        let response = Response { id: 9, found: Found::Batches(batches) };
        responder.respond(response.clone());
        assert_eq!(nodes[2].message().await, (name(0), PeerMessage::Response(response)));
    }
}

/// An observer with `key` that dials `node`.
async fn observer(key: SecretKey, node: &Node) -> Node {
    let mut observing = config(0, 2, Transport::Tcp.any_port());
    observing.identity = key;
    dial(&mut observing, 0, node.address());
    Node::start(observing).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listed_observer_hears_everything_and_may_ask_but_has_no_say() {
    let mut listing = config(0, 2, Transport::Tcp.any_port());
    listing.observers.push(("nbc".to_owned(), network_key(50).public()));
    let mut validator = Node::start(listing).await;
    let mut observer = observer(network_key(50), &validator).await;
    observer.until_connected(0).await;
    // What an observer says is dropped: only the request after it is heard.
    observer.network.send(&Destination::All, &tip(1));
    let request = Request { id: 1, query: Query::Block { digest: Digest::ZERO } };
    observer.network.send(&Destination::All, &PeerMessage::Request(request));
    let event = validator.next().await;
    let Event::SyncRequest { from: Peer::Observer, responder, .. } = event else { panic!("{event:?}") };
    responder.respond(Response { id: 1, found: Found::Block(None) });
    let answer = PeerMessage::Response(Response { id: 1, found: Found::Block(None) });
    assert_eq!(observer.message().await, (name(0), answer));
    validator.network.send(&Destination::All, &tip(2));
    assert_eq!(observer.message().await, (name(0), tip(2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_on_no_list_is_refused_and_counted() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut nodes = mesh(2, transport).await;
        let mut strange = config(9, 2, Transport::Tcp.any_port());
        dial(&mut strange, 0, nodes[0].address());
        let stranger = Node::start(strange).await;
        counted(&nodes[0].network.metrics().refused, 2).await;
        assert_eq!(stranger.network.metrics().peers.get(), 0);
        nodes[1].network.send(&Destination::All, &tip(3));
        assert_eq!(nodes[0].message().await, (name(1), tip(3)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_on_another_chain_or_version_is_refused() {
    let check = async |change: fn(&mut tonle_node::network::Config)| {
        let mut first = Node::start(config(0, 3, Transport::Tcp.any_port())).await;
        let mut other = config(1, 3, Transport::Tcp.any_port());
        change(&mut other);
        dial(&mut other, 0, first.address());
        let other = Node::start(other).await;
        counted(&first.network.metrics().mismatched, 1).await;
        counted(&other.network.metrics().mismatched, 1).await;
        // A peer on the right chain is the first to be connected.
        let mut third = config(2, 3, Transport::Tcp.any_port());
        dial(&mut third, 0, first.address());
        let _third = Node::start(third).await;
        let event = first.next().await;
        assert!(matches!(event, Event::Connected(who) if who == name(2)), "{event:?}");
    };
    check(|config| config.genesis = Digest::from_bytes([8; 32])).await;
    check(|config| config.protocol_version = 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_connect_changes_while_the_network_runs() {
    let mut nodes = mesh(3, Transport::Tcp).await;
    // The fourth knows all; nobody knows it.
    let mut joining = config(3, 4, Transport::Tcp.any_port());
    for (peer, node) in (0..).zip(&nodes) {
        dial(&mut joining, peer, node.address());
    }
    let mut joining = Node::start(joining).await;
    counted(&nodes[0].network.metrics().refused, 1).await;
    for node in &nodes {
        node.network.admit((0..4).map(member).collect());
    }
    for node in &mut nodes {
        node.until_connected(3).await;
    }
    let mut missing = vec![0, 1, 2];
    while !missing.is_empty() {
        if let Event::Connected(who) = joining.next().await {
            missing.retain(|peer| name(*peer) != who);
        }
    }
    joining.network.send(&Destination::All, &tip(1));
    nodes[2].network.send(&Destination::Validators(vec![name(3)]), &tip(2));
    assert_eq!(nodes[1].message().await, (name(3), tip(1)));
    assert_eq!(joining.message().await, (name(2), tip(2)));
    // The second leaves: its connections end, those of the others do not.
    let staying = || [0, 2, 3].map(member).to_vec();
    for at in [0, 2] {
        nodes[at].network.admit(staying());
    }
    joining.network.admit(staying());
    nodes[0].until_disconnected(1).await;
    let mut left = vec![0, 2, 3];
    while !left.is_empty() {
        if let Event::Disconnected(who) = nodes[1].next().await {
            left.retain(|peer| name(*peer) != who);
        }
    }
    joining.network.send(&Destination::All, &tip(3));
    assert_eq!(
        nodes[0]
            .until(|event| match event {
                Event::Message { from, message, .. } if message == tip(3) => Some(from),
                Event::Disconnected(who) => panic!("{who:?} is listed"),
                _ => None,
            })
            .await,
        name(3)
    );
    assert_eq!(nodes[0].network.metrics().peers.get(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_fails_for_a_taken_port() {
    let node = Node::start(config(0, 2, Transport::Tcp.any_port())).await;
    let taken = tonle_node::network::start(config(1, 2, node.address())).await;
    assert!(matches!(taken, Err(tonle_node::network::NetworkError::Listen { .. })), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_end_after_shutdown() {
    let mut nodes = mesh(2, Transport::Tcp).await;
    nodes[0].network.shutdown().await;
    while within(nodes[0].events.recv()).await.is_some() {}
    nodes[1].until_disconnected(0).await;
}
