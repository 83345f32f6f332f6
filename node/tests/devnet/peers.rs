//! What a validator that is on the list sends when it means harm: here with the keys of a bank whose own node is dead.

use std::time::Duration;

use libp2p::{Multiaddr, Stream};
use tonle_crypto::{Canonical as _, Digest, PublicKey, SecretKey};
use tonle_devnet::directory::Directory;
use tonle_devnet::keys;
use tonle_ledger::Genesis;
use tonle_proto::peer::v1::frame::Body;
use tonle_replica::{PeerMessage, Query, Request};

use crate::actor::{self, Actor, DIRECT, GOSSIPSUB, field, framed, rpc};
use crate::fixture::{Devnet, PATIENCE, counter, listen_port, rss_mib, runs, wait_for};
use crate::strangers::garbage;

const MIB: usize = 1 << 20;

/// An attack on one validator.
pub(crate) struct Attack {
    identity: SecretKey,
    genesis: Digest,
    victim: PublicKey,
    address: Multiaddr,
}

impl Attack {
    /// An attack by `attacker`, whose node is dead, on `victim`.
    pub(crate) fn of(attacker: &str, victim: &str, directory: &Directory, genesis: &Genesis) -> Self {
        let mut validators = genesis.validators.iter();
        let named = validators.find(|validator| validator.participant.as_str() == victim).unwrap();
        Attack {
            identity: keys::load(&directory.node(attacker).join("network.key")).unwrap(),
            genesis: genesis.digest(),
            victim: named.network_key,
            address: format!("/ip4/127.0.0.1/tcp/{}", listen_port(&directory.config(victim), "tcp")).parse().unwrap(),
        }
    }

    /// Connects and says hello on all direct streams. The victim takes no connection for a while after each misdeed.
    pub(crate) async fn connect(&self) -> (Actor, [Stream; 3]) {
        let connected = async {
            loop {
                if let Some(mut actor) = Actor::dial(&self.identity, self.address.clone(), &self.victim).await {
                    let mut streams = Vec::new();
                    for protocol in DIRECT {
                        let Some(mut stream) = actor.open(protocol).await else { break };
                        if !actor::write(&mut stream, &actor::hello(self.genesis)).await {
                            break;
                        }
                        streams.push(stream);
                    }
                    if let Ok(streams) = streams.try_into() {
                        return (actor, streams);
                    }
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, connected).await.unwrap()
    }

    /// Well-formed and useless, as fast as the victim takes it: tips, and requests whose answers are never read.
    async fn flood(&self) {
        let (_actor, [mut consensus, _data, mut sync]) = self.connect().await;
        let message = |message: &PeerMessage| framed(Body::Message(message.encode().into()));
        let tips = message(&PeerMessage::FinalTip { height: tonle_consensus::Height::new(u64::MAX) }).repeat(10_000);
        let queries = [
            Query::FinalBlocks { from: tonle_consensus::Height::new(1) },
            Query::Batches { digest: Digest::from_bytes([3; 32]), floor: 0 },
            Query::Block { digest: Digest::from_bytes([4; 32]) },
        ];
        let requests = (0..30_000u64).zip(queries.into_iter().cycle());
        let requests: Vec<u8> =
            requests.flat_map(|(id, query)| message(&PeerMessage::Request(Request { id, query }))).collect();
        let both = async {
            tokio::join!(
                async {
                    for _ in 0..20 {
                        if !actor::write(&mut consensus, &tips).await {
                            break;
                        }
                    }
                },
                actor::write(&mut sync, &requests),
            )
        };
        // A victim that stops reading has ended the flood as well.
        let _ = tokio::time::timeout(Duration::from_secs(15), both).await;
    }

    /// Large frames, all but their last byte: on the streams that stand, then on as many more as the victim takes.
    async fn withhold(&self) {
        let (mut actor, [_consensus, mut data, mut sync]) = self.connect().await;
        let length = u32::try_from(MIB).unwrap().to_be_bytes();
        let part = [length.as_slice(), &garbage(1, MIB - 1)].concat();
        assert!(
            actor::write(&mut data, &part).await && actor::write(&mut sync, &part).await,
            "taken as far as it goes"
        );
        let mut held = vec![data, sync];
        for turn in 0..64 {
            let opened = tokio::time::timeout(PATIENCE, actor.open(DIRECT[turn % 3])).await.unwrap();
            let Some(mut stream) = opened else { break };
            let bytes = [actor::hello(self.genesis), part.clone()].concat();
            actor::write(&mut stream, &bytes).await;
            held.push(stream);
        }
    }

    /// Gossip that is no batch, each different and as large as a batch may be.
    async fn gossip(&self) {
        let (mut actor, _streams) = self.connect().await;
        let topic = format!("tonle/batches/1/{}", self.genesis);
        let subscription = field(1, &[vec![1 << 3, 1], field(2, topic.as_bytes())].concat());
        let Some(mut stream) = actor.open(GOSSIPSUB).await else { return };
        actor::write(&mut stream, &rpc(&[subscription])).await;
        for seed in 0..100 {
            let message = [field(2, &garbage(seed, MIB)), field(4, topic.as_bytes())].concat();
            if !actor::write(&mut stream, &rpc(&[field(2, &message)])).await {
                break;
            }
        }
    }

    /// Bytes that are no frames.
    async fn noise(&self, seed: u64) {
        let (_actor, mut streams) = self.connect().await;
        for (stream, part) in streams.iter_mut().zip(0..) {
            if !actor::write(stream, &garbage(3 * seed + part, 4 * MIB)).await {
                break;
            }
        }
    }
}

#[test]
fn what_a_listed_peer_sends_costs_a_validator_little_memory_and_no_finality() {
    let devnet = Devnet::up();
    let directory = Directory::new(&devnet.dir()).unwrap();
    let genesis = tonle_devnet::genesis::read(&directory.genesis()).unwrap();
    devnet.done(&["pay", "alice@aba", "sokha@acleda", "1", "KHR"]);
    devnet.done(&["devnet", "kill", "wing"]);
    let described = devnet.description["validators"].as_array().unwrap();
    let of = |name: &str| described.iter().find(|validator| validator["name"] == name).unwrap();
    let survivors = ["aba", "acleda", "canadia"];
    let pids = survivors.map(|name| u32::try_from(of(name)["pid"].as_u64().unwrap()).unwrap());
    let metrics = of("aba")["metrics"].as_str().unwrap();
    let attack = Attack::of("wing", "aba", &directory, &genesis);
    let before = pids.map(rss_mib);
    let check = |after: &str| {
        for (pid, before) in pids.into_iter().zip(before) {
            assert!(runs(pid), "a validator died of {after}");
            let now = rss_mib(pid);
            assert!(now < before + 64, "a validator grew from {before} to {now} MiB by {after}");
        }
        let line = devnet.done(&["pay", "alice@aba", "sokha@acleda", "1", "KHR"]);
        assert!(line.starts_with("FINAL"), "{line}");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(attack.flood());
    check("a flood");
    runtime.block_on(attack.withhold());
    check("frames that do not end");
    for seed in 0..3 {
        let penalties = counter(metrics, "tonle_network_penalties_total");
        runtime.block_on(attack.noise(seed));
        wait_for("a penalty", || counter(metrics, "tonle_network_penalties_total") > penalties);
    }
    check("noise");
    runtime.block_on(attack.gossip());
    check("gossip");
    drop(runtime);
    assert!(devnet.done(&["devnet", "restart", "wing"]).contains("caught up"));
}
