//! The endpoint as Prometheus and promtool meet it.

use std::collections::BTreeMap;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Metrics, Reason, serve};
use crate::network::NetworkMetrics;

async fn get(address: std::net::SocketAddr, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: node\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn scraped(accept: &str) -> String {
    let metrics = Metrics::with(|registry| NetworkMetrics::default().register(registry));
    metrics.finalized_height.set(37);
    metrics.finality_seconds.observe(0.041);
    metrics.operations_applied.inc();
    metrics.operations_rejected.get_or_create(&Reason::new("INSUFFICIENT_FUNDS")).inc();
    metrics.observe_database(Box::new(|property| (property == "rocksdb.block-cache-usage").then_some(4096)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, metrics, shutdown.clone()));
    let answer = get(address, "/metrics", accept).await;
    assert!(get(address, "/other", accept).await.starts_with("HTTP/1.1 404"));
    shutdown.cancel();
    server.await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn serves_open_metrics_to_those_who_ask_for_it() {
    let answer = scraped("application/openmetrics-text;version=1.0.0").await;
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    for line in [
        "tonle_finalized_height 37\n",
        "# TYPE tonle_operations_applied counter\ntonle_operations_applied_total 1\n",
        "tonle_operations_rejected_total{reason=\"INSUFFICIENT_FUNDS\"} 1\n",
        "tonle_finality_seconds_bucket{le=\"0.05\"} 1\n",
        "tonle_database_block_cache_bytes 4096\n",
        "tonle_build_info{version=\"",
        "process_resident_memory_bytes ",
    ] {
        assert!(answer.contains(line), "{line} is missing in:\n{answer}");
    }
    assert!(answer.ends_with("# EOF\n"));
    assert!(!answer.contains("tonle_database_files_bytes"), "a property the database does not know was served");
}

/// What `promtool check metrics` asks for: every sample follows the HELP and TYPE of its own family, counters end in
/// `_total` and nothing else does, and units are base units.
#[tokio::test]
async fn serves_the_classic_format_clean_by_promtools_rules() {
    let answer = scraped("*/*").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    let mut types = BTreeMap::new();
    let mut helps = Vec::new();
    let mut samples = 0;
    for line in body.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(!text.is_empty());
            helps.push(name.to_owned());
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(helps.last().map(String::as_str), Some(name));
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{name} is a {kind}");
            assert!(!["_ms", "_millis", "_kb", "_mib"].iter().any(|unit| name.contains(unit)), "{name}");
            assert!(types.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} twice");
        } else {
            assert!(!line.starts_with('#'), "{line}");
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let described = types.contains_key(name)
                || family.is_some_and(|family| types.get(family).is_some_and(|kind| kind == "histogram"));
            assert!(described, "{name} has no TYPE");
            samples += 1;
        }
    }
    assert!(samples > 40, "{samples} samples only");
}
