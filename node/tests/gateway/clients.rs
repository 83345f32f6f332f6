//! Clients that nobody here wrote: npm's bakong-khqr with only its base URL set, schemathesis on the served OpenAPI
//! document; and the example in Python, written from the table of calls.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use tonle_khqr::Md5;

use crate::fixture::{Devnet, text};
use crate::paying::{code, pay_code, riels, submit};
use crate::shop::Shop;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Installs what a script pins into a folder beside what is built.
fn install(script: &str, folder: &str) -> PathBuf {
    let tools = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
    let output = Command::new(root().join(script)).arg(&tools).output().unwrap();
    done(&output);
    tools
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn npms_bakong_khqr_makes_a_link_and_checks_accounts() {
    let devnet = Devnet::up();
    let shop = Shop::stranger(&devnet, "wing");
    let tools = install("node/khqr/tests/packages/install.sh", "khqr-packages");
    let script = root().join("node/tests/gateway/shop.js");
    let base = format!("http://{}", shop.address);
    let mut command = Command::new("node");
    command.arg(&script).args([&base, "bob@wing"]).env("NODE_PATH", tools.join("node_modules"));
    let answer: Value = serde_json::from_str(&done(&command.output().unwrap())).unwrap();
    assert_eq!(answer["link"]["status"]["code"], 0, "{answer}");
    let link = answer["link"]["data"]["shortLink"].as_str().unwrap();
    let page = shop.get(link.strip_prefix(base.as_str()).unwrap());
    assert!(page.status == 200 && page.body.contains("Coffee House"), "{}", page.body);
    assert_eq!(answer["known"]["data"], json!({ "bakongAccountExisted": true }), "{answer}");
    assert_eq!(answer["unknown"]["data"], json!({ "bakongAccountExisted": false }), "{answer}");

    let qr = answer["qr"].as_str().unwrap();
    submit(&devnet, "wing", &["aba"], vec![pay_code(qr, "bob@wing", ("KHR", riels(4000)), ["npm", "npm"])]);
    let owner = Shop::new(&devnet, "bob@wing");
    let paid = owner.data("/v1/check_transaction_by_md5", &json!({ "md5": answer["md5"] }));
    assert_eq!(paid["description"], "INV-NPM");
}

#[test]
fn the_example_in_python_waits_for_its_payment() {
    let devnet = Devnet::up();
    let shop = Shop::new(&devnet, "bob@wing");
    let bill = code("bob@wing", "4000", "INV-PY");
    let mut waiting = Command::new("python3")
        .arg(root().join("docs/examples/shop.py"))
        .args([&format!("http://{}", shop.address), &bill])
        .env("TONLE_TOKEN", shop.token.as_ref().unwrap())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    assert!(waiting.try_wait().unwrap().is_none(), "nobody has paid");
    let hash =
        submit(&devnet, "wing", &["aba"], vec![pay_code(&bill, "bob@wing", ("KHR", riels(4000)), ["py-i", "py-e"])]);
    let lines = done(&waiting.wait_with_output().unwrap());
    let answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), 7, "{lines}");
    for (answer, name) in answers.iter().zip(["md5", "hash", "short_hash", "instruction_ref", "external_ref"]) {
        assert_eq!((&answer[name]["hash"], &answer[name]["amount"]), (&json!(hash), &json!(4000)), "{answer}");
    }
    for (answer, name, asked) in
        [(&answers[5], "md5_list", Md5::of(&bill).to_string()), (&answers[6], "hash_list", hash.clone())]
    {
        let list = &answer[name];
        let key = name.trim_end_matches("_list");
        assert_eq!((&list[0][key], &list[0]["status"]), (&json!(asked), &json!("SUCCESS")), "{answer}");
        assert_eq!(list[1]["status"], "NOT_FOUND", "{answer}");
    }
}

#[test]
fn schemathesis_finds_nothing_that_the_served_document_does_not_say() {
    let devnet = Devnet::up();
    let shop = Shop::new(&devnet, "bob@wing");
    let tools = install("node/tests/gateway/install.sh", "gateway-clients");
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(tools.join("venv/bin/schemathesis"))
        .arg("--config-file")
        .arg(root().join("node/tests/gateway/schemathesis.toml"))
        .args(["run", "--seed", "1", "--max-examples", "15", "--request-timeout", "20", "--no-color"])
        .args(["--exclude-operation-id", "linkEvents", "--exclude-operation-id", "payments"])
        .args(["--header", &format!("Authorization: Bearer {}", shop.token.as_ref().unwrap())])
        .arg(format!("http://{}/openapi.json", shop.address))
        .current_dir(folder.path())
        .output()
        .unwrap();
    done(&output);
}
