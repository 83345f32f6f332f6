//! What strangers send, at the validators' port and at the clients'.

use std::io::Write as _;
use std::net::{TcpStream, UdpSocket};

use tonle_devnet::client::{Client, timed};
use tonle_devnet::directory::Directory;
use tonle_proto::v1::SubmitRequest;

use crate::fixture::{Devnet, PATIENCE, listen_port, rss_mib, runs};
use crate::payments::sign_payment;

/// Bytes that are no message of anything, and differ with `seed`.
pub(crate) fn garbage(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(length)
    .collect()
}

/// What the operating system takes of it: the other side may close at any time.
fn pour(port: u16, seed: u64) {
    if let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
        let _ = stream.write_all(&garbage(seed, 64 << 10));
    }
}

#[test]
fn what_strangers_send_costs_a_validator_little_memory_and_no_finality() {
    let devnet = Devnet::up();
    let directory = Directory::new(&devnet.dir()).unwrap();
    let chain = tonle_devnet::genesis::read(&directory.genesis()).unwrap().digest();
    let forged = |seed: u64| {
        let mut transaction = sign_payment(&devnet, chain);
        let last = transaction.len() - 1 - usize::try_from(seed % 64).unwrap();
        transaction[last] ^= 1;
        transaction
    };
    let grpc: u16 =
        devnet.description["validators"][0]["grpc"].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    let config = devnet.dir().join("nodes/aba/config.toml");
    let (tcp, udp) = (listen_port(&config, "tcp"), listen_port(&config, "udp"));
    devnet.done(&["pay", "alice@aba", "bob@wing", "1", "KHR"]);
    let before: Vec<u64> = devnet.pids().into_iter().map(rss_mib).collect();

    // Clients: large, malformed, forged.
    let mut requests: Vec<(Vec<u8>, &str)> = (0..8).map(|_| (vec![0; 100 << 20], "MESSAGE_TOO_LARGE")).collect();
    requests.extend((0..400).map(|seed| (garbage(seed, 16 << 10), "MALFORMED")));
    requests.extend((0..400).map(|seed| (forged(seed), "SIGNATURE_INVALID")));
    tonle_devnet::block_on(async {
        let client = Client::of_devnet(&directory)?;
        for (transaction, reason) in requests {
            let request = SubmitRequest { transaction: transaction.into() };
            let status = client.nodes()[0].ledger().submit(timed(request, PATIENCE)).await.unwrap_err();
            assert_eq!(tonle_devnet::client::reason(&status), reason, "{status}");
        }
        Ok(())
    })
    .unwrap();
    // Strangers at the validators' port and at the clients'.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for seed in 0..300 {
        pour(tcp, seed);
        pour(grpc, seed);
        for part in 0..20 {
            let _ = socket.send_to(&garbage(seed * 20 + part, 1_200), ("127.0.0.1", udp));
        }
    }

    let line = devnet.done(&["pay", "alice@aba", "bob@wing", "1", "KHR"]);
    assert!(line.starts_with("FINAL"), "{line}");
    for (pid, before) in devnet.pids().into_iter().zip(before) {
        assert!(runs(pid), "a validator died");
        let after = rss_mib(pid);
        assert!(after < before + 64, "a validator grew from {before} to {after} MiB");
    }
    assert_eq!(devnet.heights().len(), 4);
}
