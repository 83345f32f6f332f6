//! ListMisbehaviour: every offence once over all pages, with a proof that holds; nothing for a cursor that is none. And
//! ReportMisbehaviour: each lands on the ledger once, and is listed with its block.

use tonle_consensus::{Contradiction, Signed, Statement, View};
use tonle_crypto::{Canonical, Digest, SecretKey, Strict};
use tonle_ledger::{Operation, ReportMisbehaviour, SignedTransaction};
use tonle_node::storage::KeptMisbehaviour;
use tonle_proto::v1;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;
use tonle_replica::Misbehaviour;

use crate::fixture::{Network, TestNode, details};

/// Two votes of a validator in one view.
fn proof(network: &Network, validator: &str, view: u64) -> Misbehaviour {
    votes(network, &network.keys.validator(validator), view, [1, 2])
}

/// Votes of a key in one view, for these two blocks.
fn votes(network: &Network, key: &SecretKey, view: u64, blocks: [u8; 2]) -> Misbehaviour {
    let context = network.context();
    let place = (context.set.epoch(), context.set.digest());
    let vote = |byte| {
        let statement = Statement::Notarize { view: View::new(view), block: Digest::from_bytes([byte; 32]) };
        Signed { statement, signature: key.sign(&statement.preimage(&context)) }
    };
    let [one, other] = blocks.map(vote);
    Misbehaviour::Consensus(Contradiction::new(key.public(), place, one, other).unwrap())
}

fn report(proof: Vec<u8>) -> Vec<Operation> {
    vec![Operation::ReportMisbehaviour(ReportMisbehaviour { proof })]
}

#[tokio::test]
async fn every_offence_is_listed_once_with_its_proof() {
    let node = TestNode::start().await;
    let mut operator = OperatorServiceClient::connect(format!("http://{}", node.address)).await.unwrap();
    let ask = |page_size, cursor: &str| v1::ListMisbehaviourRequest { page_size, cursor: cursor.to_owned() };
    let nothing = operator.list_misbehaviour(ask(0, "")).await.unwrap().into_inner();
    assert_eq!(nothing, v1::ListMisbehaviourResponse::default());

    for view in 1..=5 {
        let kept = KeptMisbehaviour { first_seen_ms: 1_000 + view, proof: proof(&node.network, "wing", view) };
        assert!(node.running.database.keep_misbehaviour(&kept).unwrap());
        assert!(!node.running.database.keep_misbehaviour(&kept).unwrap(), "kept twice");
    }
    let (mut found, mut cursor, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = operator.list_misbehaviour(ask(2, &cursor)).await.unwrap().into_inner();
        sizes.push(page.offences.len());
        found.extend(page.offences);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert!(found.windows(2).all(|pair| pair[0].offence_id < pair[1].offence_id), "in the order of their ids");
    found.sort_by_key(|offence| offence.place);
    for (offence, view) in found.iter().zip(1u64..) {
        let expected = proof(&node.network, "wing", view);
        let shown = Misbehaviour::decode(&offence.proof).unwrap();
        assert_eq!(shown.verify(node.network.chain, &Strict), Ok(expected.offence()));
        assert_eq!(offence.offence_id.as_ref(), expected.offence().id().as_bytes());
        assert_eq!((offence.validator.as_str(), offence.kind()), ("wing", v1::MisbehaviourKind::TwoNotarizes));
        assert_eq!((offence.epoch, offence.place, offence.first_seen_ms), (0, view, 1_000 + view));
        assert_eq!(offence.key.as_ref(), node.network.keys.validator("wing").public().as_bytes());
    }
    let all = operator.list_misbehaviour(ask(5, "")).await.unwrap().into_inner();
    assert_eq!((all.offences.len(), all.next_cursor.as_str()), (5, ""), "a full page may be the last");

    for wrong in ["zz", "00", "not hexadecimal at all"] {
        let refused = operator.list_misbehaviour(ask(2, wrong)).await.unwrap_err();
        assert_eq!(details(&refused).1, "CURSOR_INVALID");
    }
    let refused = operator.list_misbehaviour(ask(1_001, "")).await.unwrap_err();
    assert_eq!(details(&refused).1, "FIELD_INVALID");
}

#[tokio::test]
async fn an_offence_lands_once_and_is_listed_with_its_block_whether_its_proof_is_kept_or_not() {
    let mut node = TestNode::start().await;
    let mut operator = OperatorServiceClient::connect(format!("http://{}", node.address)).await.unwrap();
    let kept = proof(&node.network, "wing", 3);
    let unheard = proof(&node.network, "acleda", 4);
    assert!(node.running.database.keep_misbehaviour(&KeptMisbehaviour { first_seen_ms: 1_000, proof: kept }).unwrap());
    let ask = v1::ListMisbehaviourRequest { page_size: 0, cursor: String::new() };
    let before = operator.list_misbehaviour(ask.clone()).await.unwrap().into_inner().offences;
    assert_eq!(before.iter().map(|offence| offence.landed_height).collect::<Vec<_>>(), [0]);

    // A bank's key and the auditor's will do; a validator's consensus key is no participant's.
    let body = node.body_of(report(kept.encode()), "report");
    let by_validator = body.sign(&[&node.network.keys.validator("aba")]).unwrap();
    let refused = node.submit_and_wait(&by_validator, false).await.unwrap_err();
    assert_eq!(details(&refused).1, "NOT_AUTHORIZED");
    let transaction = node.sign(&body, &["aba"]);
    let receipt = node.pay(&transaction).await.receipt.unwrap();
    assert_eq!(receipt.outcome(), v1::Outcome::Applied);
    let nothing = v1::operation_result::Result::Applied(v1::Applied { balances_after: Vec::new() });
    assert_eq!(receipt.results, [v1::OperationResult { result: Some(nothing) }], "no balance moves");
    let after = operator.list_misbehaviour(ask.clone()).await.unwrap().into_inner().offences;
    let landed = v1::Misbehaviour { landed_height: receipt.height, landed_index: receipt.index, ..before[0].clone() };
    assert_eq!(after, [landed]);

    // The transaction that reported it holds a proof, for whoever keeps none.
    let request = v1::GetTransactionRequest {
        transaction_id: transaction.id().as_bytes().to_vec().into(),
        include_transaction: true,
        prove: false,
    };
    let sent = node.client.get_transaction(request).await.unwrap().into_inner().transaction;
    assert_eq!(SignedTransaction::from_bytes(&sent).unwrap().operations(), report(kept.encode()));

    let other_votes = votes(&node.network, &node.network.keys.validator("wing"), 3, [8, 9]);
    assert_ne!(other_votes, kept);
    let mut forged = proof(&node.network, "canadia", 5).encode();
    *forged.last_mut().unwrap() ^= 1;
    let stranger = votes(&node.network, &SecretKey::from_seed(&[77; 32]), 3, [1, 2]);
    let rows = [
        (kept.encode(), "ALREADY_REPORTED", tonic::Code::AlreadyExists),
        (other_votes.encode(), "ALREADY_REPORTED", tonic::Code::AlreadyExists),
        (forged, "EVIDENCE_INVALID", tonic::Code::InvalidArgument),
        (stranger.encode(), "ACCUSED_UNKNOWN", tonic::Code::NotFound),
        (vec![7; 300], "EVIDENCE_MALFORMED", tonic::Code::InvalidArgument),
    ];
    for (number, (proof, reason, code)) in rows.into_iter().enumerate() {
        let body = node.body_of(report(proof), &format!("row {number}"));
        let refused = node.submit_and_wait(&node.sign(&body, &["nbc"]), false).await.unwrap_err();
        assert_eq!(details(&refused), (code, reason.to_owned(), "proof".to_owned(), false));
    }

    let body = node.body_of(report(unheard.encode()), "unheard");
    let second = node.pay(&node.sign(&body, &["wing"])).await.receipt.unwrap();
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = v1::ListMisbehaviourRequest { page_size: 1, cursor };
        let page = operator.list_misbehaviour(page).await.unwrap().into_inner();
        assert_eq!(page.offences.len(), 1);
        found.extend(page.offences);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    assert!(found.is_sorted_by_key(|offence| offence.offence_id.clone()));
    let from_the_ledger = found.iter().find(|offence| offence.proof.is_empty()).unwrap();
    assert_eq!(from_the_ledger.offence_id.as_ref(), unheard.offence().id().as_bytes());
    assert_eq!((from_the_ledger.validator.as_str(), from_the_ledger.place), ("acleda", 4));
    assert_eq!(from_the_ledger.kind(), v1::MisbehaviourKind::TwoNotarizes);
    assert_eq!((from_the_ledger.landed_height, from_the_ledger.first_seen_ms), (second.height, 0));
    assert_eq!(found.len(), 2);
}
