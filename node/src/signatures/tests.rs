//! The signature pool: its answers, each peer's order, its bounds.

use std::sync::{Arc, mpsc};

use tonle_consensus::Height;
use tonle_crypto::{Canonical, Digest, PublicKey};
use tonle_ledger::{RejectionCode, SignedTransaction, TransactionBody};
use tonle_replica::{InvalidMessage, PeerMessage, RawBatch, Tip};

use super::{PoolError, SignaturePool};
use crate::test_chain::{batch, key, peers, transfer};

fn pool() -> SignaturePool {
    SignaturePool::start(4, Arc::new(peers())).unwrap()
}

fn peer(index: u8) -> PublicKey {
    key(&format!("peer {index}")).public()
}

fn forged() -> Arc<RawBatch> {
    let good = batch(0, Tip::EMPTY, &[transfer("aba", "wing", 1, 1)]);
    let mut bytes = good.raw().bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    Arc::new(RawBatch::decode(&bytes).unwrap())
}

#[test]
fn one_peers_batches_come_out_in_order_with_the_bad_ones_refused() {
    let pool = pool();
    let (sender, results) = mpsc::channel();
    let mut tip = Tip::EMPTY;
    for number in 0u64..60 {
        // Sizes differ, so that later ones are often done first.
        let transactions: Vec<_> = (0..=(60 - number) % 7).map(|n| transfer("aba", "wing", n + 1, number)).collect();
        let good = batch(0, tip, &transactions);
        tip = good.tip();
        let raw = if number % 10 == 3 { forged() } else { Arc::clone(good.raw()) };
        let sender = sender.clone();
        let bytes = raw.bytes().len();
        let deliver = move |result: super::PeerResult| sender.send((number, result.is_ok())).unwrap();
        pool.check_message(peer(0), PeerMessage::Batch(raw), bytes, deliver).unwrap();
    }
    drop(sender);
    let expected: Vec<_> = (0u64..60).map(|number| (number, number % 10 != 3)).collect();
    assert_eq!(results.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_forged_batch_is_refused_for_its_signature() {
    let (sender, results) = mpsc::channel();
    let deliver = move |result| sender.send(result).unwrap();
    pool().check_message(peer(1), PeerMessage::Batch(forged()), 1, deliver).unwrap();
    assert!(matches!(results.recv().unwrap(), Err(InvalidMessage::Batch(_))));
}

#[test]
fn one_peers_flood_is_bounded_and_crowds_out_no_other() {
    let pool = pool();
    // The first delivery holds everything of this peer back.
    let (go, gate) = mpsc::channel::<()>();
    let good = batch(0, Tip::EMPTY, &[transfer("aba", "wing", 1, 1)]);
    let message = || PeerMessage::Batch(Arc::clone(good.raw()));
    let flooder = peer(2);
    pool.check_message(flooder, message(), 9, move |_| assert!(gate.recv().is_err())).unwrap();
    let refused = (0..10_000).find_map(|_| pool.check_message(flooder, message(), 9, |_| {}).err());
    assert_eq!(refused, Some(PoolError::Full));
    let (sender, results) = mpsc::channel();
    let deliver = move |result| sender.send(result).unwrap();
    pool.check_message(peer(3), message(), 9, deliver).unwrap();
    assert!(results.recv().unwrap().is_ok());
    drop(go);
}

#[test]
fn what_carries_no_signature_waits_for_no_thread() {
    let pool = pool();
    let (sender, results) = mpsc::channel();
    let tip = || PeerMessage::FinalTip { height: Height::new(1) };
    let deliver = |name: &'static str| {
        let sender = sender.clone();
        move |_| sender.send(name).unwrap()
    };
    pool.check_message(peer(2), tip(), 9, deliver("at once")).unwrap();
    assert_eq!(results.try_recv(), Ok("at once"));
}

#[tokio::test]
async fn a_clients_transaction_is_verified_or_rejected_and_remembered() {
    let pool = pool();
    let payment = transfer("aba", "wing", 1, 1);
    let verified = pool.check_transaction(payment.clone()).await.unwrap().unwrap();
    assert_eq!(verified.id(), payment.id());
    assert_eq!(pool.memo().len(), 1);
    pool.check_transaction(payment.clone()).await.unwrap().unwrap();
    assert_eq!(pool.memo().len(), 1);

    let (public, _) = payment.signatures()[0];
    let signature = key("aba").sign(b"something else");
    let forged = SignedTransaction::from_parts(payment.body_bytes(), &[(public, signature)]).unwrap();
    let rejected = pool.check_transaction(forged).await.unwrap().unwrap_err();
    assert_eq!(rejected.code, RejectionCode::SignatureInvalid);
    let body = TransactionBody { chain: Digest::from_bytes([9; 32]), ..payment.body().clone() };
    let elsewhere = body.sign(&[&key("aba")]).unwrap();
    let rejected = pool.check_transaction(elsewhere).await.unwrap().unwrap_err();
    assert_eq!(rejected.code, RejectionCode::WrongChain);
    assert_eq!(pool.memo().len(), 1);
}
