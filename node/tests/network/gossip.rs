//! Batches by gossip: to all, and only what was found valid.

use std::sync::Arc;

use tonle_node::network::{Event, GossipTicket, Verdict};
use tonle_replica::RawBatch;

use crate::fixture::{Node, Transport, batch, config, dial, lane_key, mesh};

/// Skips until a gossiped batch.
async fn gossiped(node: &mut Node) -> (Arc<RawBatch>, GossipTicket) {
    node.until(|event| match event {
        Event::GossipBatch { batch, ticket, .. } => Some((batch, ticket)),
        _ => None,
    })
    .await
}

/// Publishes until the peers' subscriptions have arrived: a batch with no one to go to is dropped and counted.
async fn publish(node: &Node, lane: u16, first_seq: u64) -> Arc<RawBatch> {
    let metrics = node.network.metrics();
    for seq in first_seq.. {
        let (published, dropped) = (metrics.gossip_published.get(), metrics.gossip_dropped.get());
        let batch = batch(&lane_key(lane).public(), seq, 300);
        node.network.gossip(&batch);
        let sum = async {
            while metrics.gossip_published.get() + metrics.gossip_dropped.get() == published + dropped {
                tokio::task::yield_now().await;
            }
        };
        crate::fixture::within(sum).await;
        if metrics.gossip_published.get() > published {
            return batch;
        }
    }
    unreachable!("sequence numbers do not end")
}

/// Three nodes in a line: 0 - 1 - 2. Validators 0 and 2 are not connected.
async fn line() -> Vec<Node> {
    let middle = Node::start(config(1, 3, Transport::Tcp.any_port())).await;
    let mut nodes = vec![middle];
    for me in [0, 2] {
        let mut config = config(me, 3, Transport::Tcp.any_port());
        dial(&mut config, 1, nodes[0].address());
        let mut node = Node::start(config).await;
        node.until_connected(1).await;
        nodes.push(node);
    }
    nodes.swap(0, 1);
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_reaches_every_validator() {
    for transport in [Transport::Tcp, Transport::Quic] {
        let mut nodes = mesh(4, transport).await;
        let sent = publish(&nodes[0], 0, 1).await;
        for node in nodes.iter_mut().skip(1) {
            // The first try may have reached only some; each sees the one that reached them all.
            loop {
                let (received, ticket) = gossiped(node).await;
                node.network.report(ticket, Verdict::Accept);
                if received == sent {
                    break;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_batch_is_passed_on_and_a_rejected_or_ignored_one_is_not() {
    let mut nodes = line().await;
    let passed_on = publish(&nodes[0], 0, 1).await;
    let (received, ticket) = gossiped(&mut nodes[1]).await;
    assert_eq!(received, passed_on);
    nodes[1].network.report(ticket, Verdict::Accept);
    assert_eq!(gossiped(&mut nodes[2]).await.0, passed_on);

    let ignored = publish(&nodes[0], 0, 100).await;
    let (received, ticket) = gossiped(&mut nodes[1]).await;
    assert_eq!(received, ignored);
    nodes[1].network.report(ticket, Verdict::Ignore);
    let rejected = publish(&nodes[0], 0, 200).await;
    let (received, ticket) = gossiped(&mut nodes[1]).await;
    assert_eq!(received, rejected);
    nodes[1].network.report(ticket, Verdict::Reject);
    nodes[1].until_disconnected(0).await;
    assert_eq!(nodes[1].network.metrics().gossip_rejected.get(), 1);
    assert_eq!(nodes[1].network.metrics().penalties.get(), 1);

    // What node 1 sends to node 2 is in order: had the two been passed on, they would come before this one.
    let own = publish(&nodes[1], 1, 1).await;
    assert_eq!(gossiped(&mut nodes[2]).await.0, own);
}
