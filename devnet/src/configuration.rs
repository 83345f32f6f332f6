//! The configuration file of each validator process: the same TOML that a bank writes by hand.

use std::fmt::Write;

/// The ports of one validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodePorts {
    /// libp2p, TCP and UDP.
    pub listen: u16,
    /// gRPC.
    pub grpc: u16,
    /// Metrics over HTTP.
    pub metrics: u16,
    /// The merchant gateway over HTTP.
    pub merchant: u16,
}

/// The text of a configuration file in `nodes/<name>/`. `peers` says at which loopback port each peer is dialled;
/// `snapshot`, that an empty disk is to begin with a snapshot.
#[must_use]
pub fn node_toml(ports: NodePorts, peers: &[(&str, u16)], snapshot: bool) -> String {
    let NodePorts { listen, grpc, metrics, merchant } = ports;
    let both = |port: u16| format!("[\"/ip4/127.0.0.1/tcp/{port}\", \"/ip4/127.0.0.1/udp/{port}/quic-v1\"]");
    let mut text = format!(
        "# Written by `tonle devnet up` at every start.\n\
         [node]\nrole = \"validator\"\ndata_dir = \"data\"\ngenesis = \"../../genesis.json\"\n\n\
         [keys]\nvalidator = \"validator.key\"\nnetwork = \"network.key\"\n\n\
         [grpc]\nlisten = \"127.0.0.1:{grpc}\"\n\n\
         [metrics]\nlisten = \"127.0.0.1:{metrics}\"\n\n\
         # All clients of a devnet share one address.\n\
         [merchant]\nlisten = \"127.0.0.1:{merchant}\"\naddress_requests_per_second = 10000\n\n\
         # Many nodes share this machine.\n\
         [limits]\ncache_mib = 32\n\n\
         [sync]\nmode = \"{}\"\n\n\
         [network]\nlisten = {}\n\n[network.peers]\n",
        if snapshot { "snapshot" } else { "auto" },
        both(listen)
    );
    for (name, port) in peers {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\"{name}\" = {}", both(*port));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{NodePorts, node_toml};

    #[test]
    fn the_file_names_every_port_and_peer() {
        let ports = NodePorts { listen: 20_001, grpc: 50_051, metrics: 9_100, merchant: 8_800 };
        let text = node_toml(ports, &[("acleda", 30_001), ("wing", 30_002)], true);
        let expected = [
            "listen = [\"/ip4/127.0.0.1/tcp/20001\", \"/ip4/127.0.0.1/udp/20001/quic-v1\"]",
            "\"acleda\" = [\"/ip4/127.0.0.1/tcp/30001\", \"/ip4/127.0.0.1/udp/30001/quic-v1\"]",
            "\"wing\" = ",
            "listen = \"127.0.0.1:50051\"",
            "listen = \"127.0.0.1:9100\"",
            "listen = \"127.0.0.1:8800\"",
            "mode = \"snapshot\"",
        ];
        for line in expected {
            assert!(text.contains(line), "{line}");
        }
    }
}
