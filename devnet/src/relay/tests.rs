//! The relay against real sockets.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

use super::Relay;
use crate::ports::loopback;

/// Long enough for anything that should happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long silence is listened to before it counts as silence.
const SILENCE: Duration = Duration::from_millis(150);

/// Two places that send back what they get, over TCP and UDP, and a relay between them.
async fn echoes() -> (Relay, u16) {
    let mut targets = Vec::new();
    for _ in 0..3 {
        let (tcp, udp) = super::bind_both().await.unwrap();
        targets.push(tcp.local_addr().unwrap());
        tokio::spawn(echo_tcp(tcp));
        tokio::spawn(echo_udp(udp));
    }
    let relay = Relay::start(&targets).await.unwrap();
    let port = relay.port(0, 1).unwrap();
    (relay, port)
}

async fn echo_tcp(listener: TcpListener) {
    while let Ok((mut stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await
        });
    }
}

async fn echo_udp(socket: UdpSocket) {
    let mut buffer = [0u8; 2_048];
    while let Ok((count, source)) = socket.recv_from(&mut buffer).await {
        socket.send_to(&buffer[..count], source).await.unwrap();
    }
}

async fn answer(stream: &mut TcpStream, text: &[u8]) -> Vec<u8> {
    stream.write_all(text).await.unwrap();
    let mut got = vec![0u8; text.len()];
    timeout(PATIENCE, stream.read_exact(&mut got)).await.unwrap().unwrap();
    got
}

fn groups() -> [std::collections::BTreeSet<usize>; 2] {
    [[0].into(), [1].into()]
}

#[tokio::test]
async fn carries_a_stream_and_its_end() {
    let (_relay, port) = echoes().await;
    let mut stream = TcpStream::connect(loopback(port)).await.unwrap();
    let long: Vec<u8> = (0..1_000_000u32).map(|i| i.to_le_bytes()[0]).collect();
    let (mut read, mut write) = stream.split();
    let sent = async {
        write.write_all(&long).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut got = Vec::new();
    let received = async { read.read_to_end(&mut got).await.unwrap() };
    timeout(PATIENCE, async { tokio::join!(sent, received) }).await.unwrap();
    assert!(got == long);
}

#[tokio::test]
async fn a_cut_stream_stands_still_and_goes_on_when_healed() {
    let (relay, port) = echoes().await;
    let mut stream = TcpStream::connect(loopback(port)).await.unwrap();
    assert_eq!(answer(&mut stream, b"before").await, b"before");
    relay.partition(&groups());
    stream.write_all(b"during").await.unwrap();
    let mut got = [0u8; 6];
    assert!(timeout(SILENCE, stream.read_exact(&mut got)).await.is_err());
    relay.partition(&[]);
    timeout(PATIENCE, stream.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got, b"during");
}

#[tokio::test]
async fn a_partition_leaves_other_links_alone() {
    let (relay, _) = echoes().await;
    relay.partition(&groups());
    let mut stream = TcpStream::connect(loopback(relay.port(2, 1).unwrap())).await.unwrap();
    assert_eq!(answer(&mut stream, b"x").await, b"x");
    assert!(relay.link(1, 0).unwrap().cut);
    assert!(!relay.link(2, 0).unwrap().cut);
}

#[tokio::test]
async fn a_cut_link_loses_datagrams_and_a_healed_one_carries_them() {
    let (relay, port) = echoes().await;
    let socket = UdpSocket::bind(loopback(0)).await.unwrap();
    socket.connect(loopback(port)).await.unwrap();
    let mut got = [0u8; 16];
    relay.partition(&groups());
    socket.send(b"lost").await.unwrap();
    assert!(timeout(SILENCE, socket.recv(&mut got)).await.is_err());
    relay.partition(&[]);
    socket.send(b"kept").await.unwrap();
    let count = timeout(PATIENCE, socket.recv(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got[..count], b"kept");
}

#[tokio::test]
async fn a_delay_holds_back_each_way() {
    let (relay, port) = echoes().await;
    let delay = Duration::from_millis(40);
    relay.delay(Some(&[(1, 0)]), delay);
    let start = Instant::now();
    let mut stream = TcpStream::connect(loopback(port)).await.unwrap();
    assert_eq!(answer(&mut stream, b"slow").await, b"slow");
    assert!(start.elapsed() >= 2 * delay);

    let socket = UdpSocket::bind(loopback(0)).await.unwrap();
    socket.connect(loopback(port)).await.unwrap();
    let start = Instant::now();
    let mut got = [0u8; 4];
    socket.send(b"slow").await.unwrap();
    timeout(PATIENCE, socket.recv(&mut got)).await.unwrap().unwrap();
    assert!(start.elapsed() >= 2 * delay);
}

#[tokio::test]
async fn a_validator_may_come_back_at_another_address() {
    let (relay, port) = echoes().await;
    let listener = TcpListener::bind(loopback(0)).await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    relay.retarget(1, address);
    let mut stream = TcpStream::connect(loopback(port)).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let (mut accepted, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut got = [0u8; 5];
    timeout(PATIENCE, accepted.read_exact(&mut got)).await.unwrap().unwrap();
    assert_eq!(&got, b"hello");
}
