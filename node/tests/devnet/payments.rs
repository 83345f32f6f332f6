//! A payment is final once, can be checked offline, and moves money once.

use std::path::Path;
use std::process::Command;

use tonle_crypto::{Digest, SecretKey};
use tonle_devnet::client::{Client, timed};
use tonle_devnet::directory::Directory;
use tonle_devnet::keys;
use tonle_ledger::{AccountId, Amount, Asset, Operation, TransactionBody, Transfer};
use tonle_proto::v1::SubmitAndWaitRequest;

use crate::fixture::{Devnet, PATIENCE, text};

#[test]
fn a_payment_is_final_and_moves_money_once() {
    let devnet = Devnet::up();
    let (alice, bob) = (devnet.khr("alice@aba"), devnet.khr("bob@wing"));
    let pay = ["pay", "alice@aba", "bob@wing", "4,000", "KHR", "--id", "inv-1"];

    let line = devnet.done(&pay);
    let words: Vec<&str> = line.split_whitespace().collect();
    let ["FINAL", "block", block, _, "ms", signatures, "of", "4", "signatures", "(quorum", "3)", "receipt", file] =
        words.as_slice()
    else {
        panic!("{line}");
    };
    assert!(signatures.parse::<usize>().unwrap() >= 3);
    assert_eq!(*file, "inv-1.receipt");

    let again = devnet.done(&pay);
    assert_eq!(again.trim(), format!("ALREADY FINAL  same id, same content, block {block}: nothing moved"));
    let other = devnet.refused(&["pay", "alice@aba", "bob@wing", "5000", "KHR", "--id", "inv-1"]);
    assert!(other.contains("DUPLICATE_REFERENCE") && other.contains("next:"), "{other}");
    let poor = devnet.refused(&["pay", "alice@aba", "bob@wing", "2,000,000", "KHR"]);
    assert!(poor.contains("INSUFFICIENT_FUNDS"), "{poor}");

    assert_eq!(devnet.khr("alice@aba"), alice - 400_000);
    assert_eq!(devnet.khr("bob@wing"), bob + 400_000);
    let history = devnet.done(&["history", "bob@wing"]);
    assert!(history.contains("inv-1") && history.contains("4,000 KHR") && history.contains("alice@aba"), "{history}");
    check_receipt(&devnet, &devnet.folder.path().join(file));
}

/// The receipt file holds offline, and no longer when any byte of it is another.
fn check_receipt(devnet: &Devnet, file: &Path) {
    let verify = |file: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tonle"));
        command.arg("verify").arg(file).arg("--genesis").arg(devnet.dir().join("genesis.json")).output().unwrap()
    };
    let output = verify(file);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("OK"), "{}", text(&output.stdout));
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] = if bytes[middle] == b'0' { b'1' } else { b'0' };
    let changed = file.with_extension("changed");
    std::fs::write(&changed, bytes).unwrap();
    assert_eq!(verify(&changed).status.code(), Some(1));
}

pub(crate) fn sign_payment(devnet: &Devnet, chain: Digest) -> Vec<u8> {
    let key: SecretKey = keys::load(&Directory::new(&devnet.dir()).unwrap().participant_key("aba")).unwrap();
    let now = tonle_devnet::founding::now_ms();
    let transfer = Transfer {
        from: AccountId::new("alice@aba").unwrap(),
        to: AccountId::new("bob@wing").unwrap(),
        asset: Asset::new("KHR").unwrap(),
        amount: Amount::from_minor(100),
        instruction_ref: None,
        purpose: None,
        external_ref: None,
        sealed: None,
    };
    let body = TransactionBody {
        chain,
        not_before_ms: now - 60_000,
        not_after_ms: now + 600_000,
        independent: false,
        nonce: vec![7; 8],
        operations: vec![Operation::Transfer(Box::new(transfer))],
    };
    body.sign(&[&key]).unwrap().bytes().to_vec()
}

#[test]
fn one_transaction_sent_a_hundred_times_to_four_nodes_moves_money_once() {
    let devnet = Devnet::up();
    let bob = devnet.khr("bob@wing");
    let directory = Directory::new(&devnet.dir()).unwrap();
    let chain = tonle_devnet::genesis::read(&directory.genesis()).unwrap().digest();
    let transaction = bytes::Bytes::from(sign_payment(&devnet, chain));
    let answers = tonle_devnet::block_on(async {
        let client = Client::of_devnet(&directory)?;
        let calls = client.nodes().iter().cycle().take(100).map(|node| {
            let request = SubmitAndWaitRequest { transaction: transaction.clone(), prove: false };
            let mut ledger = node.ledger();
            async move { ledger.submit_and_wait(timed(request, PATIENCE)).await }
        });
        Ok(futures::future::join_all(calls).await)
    })
    .unwrap();
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().into_inner().receipt.unwrap()).collect();
    assert_eq!(receipts.len(), 100);
    assert!(receipts.iter().all(|receipt| receipt == &receipts[0]), "more than one receipt");
    assert_eq!(devnet.khr("bob@wing"), bob + 100);
}
