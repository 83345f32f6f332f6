//! Clients that nobody here wrote: Python's gRPC libraries and npm's `buf`, unmodified.

use std::path::Path;
use std::process::Command;

use crate::fixture::TestNode;

#[tokio::test]
async fn python_and_buf_call_it_unmodified() {
    let node = TestNode::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (key, genesis) = (folder.path().join("aba.key"), folder.path().join("genesis.json"));
    tonle_devnet::keys::store(&key, &node.network.keys.participant("aba")).unwrap();
    let bank = folder.path().join("wing-encryption.key");
    tonle_devnet::keys::store(&bank, &node.network.keys.encryption("wing")).unwrap();
    std::fs::write(&genesis, tonle_devnet::genesis::to_json(&node.network.genesis).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/run.sh");
    // What is installed goes where this test was built: beside the release folder that holds the binary.
    let binary = Path::new(env!("CARGO_BIN_EXE_tonle"));
    let target = binary.parent().and_then(Path::parent).unwrap().to_path_buf();
    let address = node.address.to_string();
    let run = tokio::task::spawn_blocking(move || {
        Command::new(script)
            .args([address.as_ref(), key.as_os_str(), genesis.as_os_str(), bank.as_os_str()])
            .env("TONLE", env!("CARGO_BIN_EXE_tonle"))
            .env("CARGO_TARGET_DIR", target)
            .output()
            .unwrap()
    });
    let output = run.await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("19 passed, 0 failed\n"), "{text}");
}
