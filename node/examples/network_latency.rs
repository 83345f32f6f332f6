//! Measures the network alone: how long a small consensus message takes from `Network::send` at one node to the event
//! at another, for all of `PEERS` others, on loopback. Speed is printed, not asserted.
//!
//! `cargo run --release -p tonle-node --example network_latency`

#![allow(clippy::print_stdout, reason = "it is a measuring tool")]

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use tokio::sync::mpsc;
use tonle_consensus::{Epoch, Message, Validator, ValidatorIndex, View, Vote};
use tonle_crypto::{Digest, SecretKey, Signature};
use tonle_node::network::{self, Config, Destination, Event, Member, Network};
use tonle_replica::PeerMessage;

const PEERS: u8 = 3;
const MESSAGES: u64 = 2_000;

/// A network key for kind 1, a consensus key for kind 2.
fn key(kind: u8, index: u8) -> SecretKey {
    SecretKey::from_seed(&[kind.wrapping_mul(100).wrapping_add(index); 32])
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn main() -> Result<()> {
    for (name, listen) in [("tcp", "/ip4/127.0.0.1/tcp/0"), ("quic", "/ip4/127.0.0.1/udp/0/quic-v1")] {
        measure(name, listen).await?;
    }
    Ok(())
}

async fn measure(name: &str, listen: &str) -> Result<()> {
    let validator = |index: u8| Validator {
        name: format!("bank{index}"),
        key: key(2, index).public(),
        network_key: key(1, index).public(),
    };
    let mut nodes: Vec<(Network, mpsc::Receiver<Event>)> = Vec::new();
    for index in 0..=PEERS {
        let started = nodes.iter().map(|(network, _)| network.listeners().to_vec());
        let addresses = started.chain(std::iter::repeat(Vec::new()));
        let members = (0..=PEERS).map(validator).zip(addresses);
        let members = members.map(|(validator, addresses)| Member { validator, addresses }).collect();
        nodes.push(
            network::start(Config {
                identity: key(1, index),
                genesis: Digest::ZERO,
                protocol_version: 1,
                members,
                observers: Vec::new(),
                listen: vec![listen.parse()?],
                memory_bytes_max: None,
            })
            .await?,
        );
    }
    let (sender, mut greeted) = nodes.remove(0);
    for _ in 0..PEERS {
        greeted.recv().await.context("connected")?;
    }
    let (arrived, mut arrivals) = mpsc::channel(64);
    let mut running = Vec::new();
    for (network, mut events) in nodes {
        // A network ends with its last handle.
        running.push(network);
        let arrived = arrived.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                if matches!(event, Event::Message { .. }) && arrived.send(Instant::now()).await.is_err() {
                    return;
                }
            }
        });
    }
    let mut latency_us = Histogram::<u64>::new(3)?;
    for number in 0..MESSAGES {
        let message = vote(number);
        let sent = Instant::now();
        sender.send(&Destination::All, &message);
        for _ in 0..PEERS {
            let at = arrivals.recv().await.context("arrived")?;
            latency_us.record(u64::try_from(at.duration_since(sent).as_micros())?)?;
        }
        // Messages that follow each other at once would ride in one packet; votes do not.
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    for network in running {
        network.shutdown().await;
    }
    println!(
        "network::send/transport={name}/peers={PEERS}: p50 {} us, p99 {} us, max {} us",
        latency_us.value_at_quantile(0.5),
        latency_us.value_at_quantile(0.99),
        latency_us.max()
    );
    Ok(())
}

fn vote(number: u64) -> PeerMessage {
    PeerMessage::Consensus(Message::Notarize(Vote {
        epoch: Epoch::ZERO,
        view: View::new(number),
        block: Digest::ZERO,
        signer: ValidatorIndex::new(0),
        signature: Signature::from_bytes([0; 64]),
    }))
}
