//! A peer whose event loop does not move: nobody's memory grows, nobody else is slowed. A process of its own, since it
//! measures one.

#[path = "network/fixture.rs"]
#[allow(dead_code, reason = "shared with the other network tests")]
mod fixture;

use tonle_node::network::{Destination, Event};
use tonle_replica::PeerMessage;

use fixture::{Transport, batch, lane_key, mesh, name, tip};

/// Memory the process holds, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line");
    let kilobytes: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stalls_costs_bounded_memory_and_nobody_else() {
    let mut nodes = mesh(3, Transport::Tcp).await;
    let large = PeerMessage::Batch(batch(&lane_key(0).public(), 1, 1024 * 1024));
    let before = resident();
    // 2 GiB towards node 1, which takes no event; node 2 answers in between.
    for round in 0..200 {
        for _ in 0..10 {
            nodes[0].network.send(&Destination::Validators(vec![name(1)]), &large);
        }
        nodes[0].network.send(&Destination::Validators(vec![name(2)]), &tip(round));
        assert_eq!(nodes[2].message().await, (name(0), tip(round)));
    }
    assert!(nodes[0].network.metrics().frames_dropped() > 1_000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 96 * 1024 * 1024, "grew by {grown} bytes");
    // Urgent messages do not wait behind the bulk that node 1 did not take.
    nodes[0].network.send(&Destination::Validators(vec![name(1)]), &tip(1));
    nodes[1].until(|event| matches!(event, Event::Message { message, .. } if message == tip(1)).then_some(())).await;
}
