//! Finality receipts: what the API hands out is proven offline, and nothing else is.

use tonle_consensus::{QuorumCertificate, QuorumKind};
use tonle_crypto::Canonical;
use tonle_ledger::TransactionResult;
use tonle_node::finality_receipt::{Document, DocumentInvalid, Proven, Subject, VerifyError, verify};
use tonle_proto::v1;

use crate::fixture::{Network, TestNode};

async fn receipt_file(node: &mut TestNode) -> Vec<u8> {
    let transaction = node.payment(400_000, "proof");
    node.submit_and_wait(&transaction, true).await.unwrap().finality_receipt.to_vec()
}

#[tokio::test]
async fn a_single_transfer_on_an_idle_network_is_proven_offline() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(400_000, "proof");
    let answer = node.submit_and_wait(&transaction, true).await.unwrap();
    let report = verify(&answer.finality_receipt, &node.network.genesis).unwrap();
    assert_eq!((report.signatures, report.quorum), (3, 3));
    assert_eq!(report.signers, ["aba", "acleda", "wing"]);
    let Proven::Transaction(receipt) = report.proven else { panic!("{report:?}") };
    assert_eq!(receipt.transaction, transaction.id());
    assert_eq!(receipt.height, answer.receipt.unwrap().height);
    assert!(matches!(receipt.result, TransactionResult::Executed(_)));
    let request = v1::GetTransactionRequest {
        transaction_id: transaction.id().as_bytes().to_vec().into(),
        include_transaction: false,
        prove: true,
    };
    let again = node.client.get_transaction(request).await.unwrap().into_inner();
    assert_eq!(again.finality_receipt, answer.finality_receipt);
}

#[tokio::test]
async fn an_old_receipt_is_proven_against_the_header_that_followed_it() {
    let mut node = TestNode::start().await;
    let first = node.payment(1, "old");
    node.submit_and_wait(&first, true).await.unwrap();
    for number in 0..5 {
        let transaction = node.payment(1, &format!("new{number}"));
        node.submit_and_wait(&transaction, true).await.unwrap();
    }
    let id = first.id().as_bytes().to_vec();
    let request = v1::GetTransactionRequest { transaction_id: id.into(), prove: true, include_transaction: false };
    let file = node.client.get_transaction(request).await.unwrap().into_inner().finality_receipt;
    let document = Document::from_bytes(&file).unwrap();
    assert_eq!(document.headers[0].height().get(), 2);
    verify(&file, &node.network.genesis).unwrap();
}

#[tokio::test]
async fn an_account_is_proven_as_of_a_height() {
    let mut node = TestNode::start().await;
    receipt_file(&mut node).await;
    let request = v1::GetAccountRequest { account: "bob@wing".into(), prove: true };
    let answer = node.client.get_account(request).await.unwrap().into_inner();
    assert_eq!(answer.height, 1);
    let report = verify(&answer.finality_receipt, &node.network.genesis).unwrap();
    let Proven::Account { account, height, state } = report.proven else { panic!("{report:?}") };
    assert_eq!((account.as_str(), height), ("bob@wing", 1));
    assert_eq!(state.unwrap().balances()[0].available.minor(), 20_400_000);
    assert_eq!(answer.account.unwrap().balances[0].available_minor, 20_400_000);
}

/// Each byte of both kinds of file, changed in three ways: none passes, and none makes the verifier panic.
#[tokio::test]
async fn changing_any_byte_fails() {
    let mut node = TestNode::start().await;
    let transaction = receipt_file(&mut node).await;
    let request = v1::GetAccountRequest { account: "bob@wing".into(), prove: true };
    let account = node.client.get_account(request).await.unwrap().into_inner().finality_receipt.to_vec();
    // A smaller genesis would be another chain; the digest of this one is computed once, not for each byte.
    let genesis = &node.network.genesis;
    for file in [transaction, account] {
        verify(&file, genesis).unwrap();
        let workers: Vec<_> = (0..2)
            .map(|worker| {
                let (file, genesis) = (file.clone(), genesis.clone());
                std::thread::spawn(move || {
                    for place in (worker..file.len()).step_by(2) {
                        for flip in [0x01, 0x20, 0x80] {
                            let mut changed = file.clone();
                            changed[place] ^= flip;
                            assert!(verify(&changed, &genesis).is_err(), "byte {place} ^ {flip:#x}");
                        }
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        for length in [0, 1, file.len() / 2, file.len() - 1] {
            assert!(verify(&file[..length], genesis).is_err());
        }
        assert!(verify(&[file.as_slice(), b"\n"].concat(), genesis).is_err());
        assert!(verify(&[b" ", file.as_slice()].concat(), genesis).is_err());
    }
}

#[tokio::test]
async fn each_reason_is_told() {
    let mut node = TestNode::start().await;
    let file = receipt_file(&mut node).await;
    let genesis = &node.network.genesis;
    let good = Document::from_bytes(&file).unwrap();
    let change = |change: &dyn Fn(&mut Document)| {
        let mut document = good.clone();
        change(&mut document);
        verify(&document.to_bytes().unwrap(), genesis).unwrap_err()
    };
    assert_eq!(change(&|document| document.headers.clear()), VerifyError::NoHeader);
    assert_eq!(change(&|document| document.certificate.kind = QuorumKind::Notarized), VerifyError::NotFinal);
    assert!(matches!(change(&|document| document.certificate.block = document.chain), VerifyError::OtherBlock { .. }));
    assert!(matches!(
        change(&|document| {
            document.certificate.signatures.pop();
        }),
        VerifyError::Certificate(_)
    ));
    assert!(matches!(change(&|document| document.headers.push(document.headers[0].clone())), VerifyError::Broken(_)));
    assert_eq!(
        change(&|document| {
            let Subject::Transaction(proof) = &mut document.subject else { panic!() };
            proof.receipt.time_ms += 1;
        }),
        VerifyError::Proof("results root")
    );
    let two_of_three = change(&|document| {
        let mut certificate: QuorumCertificate = document.certificate.clone();
        certificate.signatures.truncate(2);
        certificate.signers = tonle_consensus::Bitmap::from_bytes(vec![0b011]);
        document.certificate = certificate;
    });
    assert!(two_of_three.to_string().contains("2 signers, 3 needed"), "{two_of_three}");
    let text = String::from_utf8(file.clone()).unwrap();
    let upper = text.replacen("\"proof\": \"", "\"proof\":  \"", 1);
    assert_eq!(verify(upper.as_bytes(), genesis), Err(VerifyError::Document(DocumentInvalid::NotCanonical)));
    let later = text.replacen("\"version\": 1", "\"version\": 2", 1);
    assert!(matches!(
        verify(later.as_bytes(), genesis),
        Err(VerifyError::Document(DocumentInvalid::Format { version: 2, .. }))
    ));
    let mut other = Network::new().genesis;
    other.chain_name = "another".to_owned();
    assert!(matches!(verify(&file, &other), Err(VerifyError::Chain { .. })));
    assert_eq!(good.certificate.encode().len(), 1 + 8 + 8 + 32 + 5 + 4 + 3 * 64);
}
