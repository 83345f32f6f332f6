//! Customers who pay: by code, with references.

use std::time::{SystemTime, UNIX_EPOCH};

use tonle_crypto::Digest;
use tonle_devnet::client::{Client, Target};
use tonle_devnet::directory::Directory;
use tonle_devnet::keys;
use tonle_khqr::{Additional, Draft, Payee, generate};
use tonle_ledger::{
    AccountId, Amount, Asset, Operation, PayKhqr, Progress, Reference, SEALED_BUCKETS, SEALED_RECIPIENTS, Sealed,
    SendToBank, SignedTransaction, Text, TrackTransfer, TransactionBody, Transfer,
};

use crate::fixture::{Devnet, PATIENCE};

pub(crate) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

pub(crate) fn account(text: &str) -> AccountId {
    AccountId::new(text).unwrap()
}

pub(crate) fn reference(text: &str) -> Option<Reference> {
    Some(Reference::new(text).unwrap())
}

/// A dynamic code of `payee` over riels, good for ten minutes.
pub(crate) fn code(payee: &str, riels: &str, bill: &str) -> String {
    let draft = Draft {
        amount: Some(riels),
        expires_ms: Some(now_ms() + 600_000),
        additional: Additional { bill_number: Some(bill), ..Additional::default() },
        ..Draft::new(Payee::Individual { account: payee, information: None, bank: None }, "Coffee House")
    };
    generate(&draft, now_ms()).unwrap()
}

/// A static code of `payee` in dollars.
pub(crate) fn static_code(payee: &str) -> String {
    let payee = Payee::Individual { account: payee, information: None, bank: None };
    generate(&Draft { currency: Some("840"), ..Draft::new(payee, "Coffee House") }, now_ms()).unwrap()
}

/// Minor units of riel.
pub(crate) fn riels(whole: u64) -> Amount {
    Amount::from_minor(whole * 100)
}

/// Pays by a code from alice@aba, under references.
pub(crate) fn pay_code(payload: &str, to: &str, (asset, amount): (&str, Amount), references: [&str; 2]) -> Operation {
    let [instruction, external] = references;
    Operation::PayKhqr(Box::new(PayKhqr {
        from: account("alice@aba"),
        to: account(to),
        asset: Asset::new(asset).unwrap(),
        amount,
        payload: payload.into(),
        instruction_ref: reference(instruction),
        external_ref: reference(external),
    }))
}

pub(crate) fn transfer(from: &str, to: &str, amount: Amount, references: [&str; 2]) -> Operation {
    let [instruction, external] = references;
    Operation::Transfer(Box::new(Transfer {
        from: account(from),
        to: account(to),
        asset: Asset::new("KHR").unwrap(),
        amount,
        instruction_ref: reference(instruction),
        purpose: Some(Text::new("rent of May").unwrap()),
        external_ref: reference(external),
        sealed: None,
    }))
}

/// A transfer from alice@aba to an account in the books of bob's bank.
pub(crate) fn to_bank(amount: Amount, name: &str) -> Operation {
    Operation::SendToBank(Box::new(SendToBank {
        from: account("alice@aba"),
        to: account("bob@wing"),
        asset: Asset::new("KHR").unwrap(),
        amount,
        instruction_ref: Reference::new(name).unwrap(),
        expires_ms: now_ms() + 3_600_000,
        purpose: None,
        external_ref: None,
        sealed: sealed(),
    }))
}

/// Details for the bank, which nobody reads here: of the form that the ledger asks for.
fn sealed() -> Sealed {
    let line = "A".repeat(43);
    let recipients = format!("-> X25519 {line}\n{line}\n").repeat(SEALED_RECIPIENTS);
    let header = format!("age-encryption.org/v1\n{recipients}--- {line}\n").into_bytes();
    Sealed::from_bytes(&[header, vec![0xee; 32 + SEALED_BUCKETS[0]]].concat()).unwrap()
}

pub(crate) fn track(name: &str, progress: Progress) -> Operation {
    Operation::TrackTransfer(Box::new(TrackTransfer {
        from: account("alice@aba"),
        to: account("bob@wing"),
        transfer_ref: Reference::new(name).unwrap(),
        progress,
        reason: None,
    }))
}

/// Signs with the keys of `banks`, sends to the node of `at`, and waits until it is final there; its hash, whether or not
/// it was rejected.
pub(crate) fn submit(devnet: &Devnet, at: &str, banks: &[&str], operations: Vec<Operation>) -> String {
    let directory = Directory::new(&devnet.dir()).unwrap();
    let keys: Vec<_> = banks.iter().map(|bank| keys::load(&directory.participant_key(bank)).unwrap()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::of_devnet(&directory).unwrap();
        let node = client.nodes().iter().find(|node| node.name.as_deref() == Some(at)).unwrap();
        let dir = directory.root().to_owned();
        let client = Client::open(&Target { dir, nodes: vec![node.address.clone()] }).unwrap();
        let status = client.status().await.unwrap();
        let now = now_ms();
        let body = TransactionBody {
            chain: Digest::from_bytes(status.chain_digest.as_ref().try_into().unwrap()),
            not_before_ms: now - 60_000,
            not_after_ms: now + 600_000,
            independent: false,
            nonce: Vec::new(),
            operations,
        };
        let transaction: SignedTransaction = body.sign(&keys.iter().collect::<Vec<_>>()).unwrap();
        // A rejection is final too.
        let _answer = client.submit_and_wait(&transaction, false, PATIENCE).await;
        transaction.id().to_string()
    })
}
