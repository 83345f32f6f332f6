//! ListMisbehaviour: every offence once over all pages, with a proof that holds; nothing for a cursor that is none.

use tonle_consensus::{Contradiction, Signed, Statement, View};
use tonle_crypto::{Canonical, Digest, Strict};
use tonle_node::storage::KeptMisbehaviour;
use tonle_proto::v1;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;
use tonle_replica::Misbehaviour;

use crate::fixture::{Network, TestNode, details};

/// Two votes of a validator in one view.
fn proof(network: &Network, validator: &str, view: u64) -> Misbehaviour {
    let (context, key) = (network.context(), network.keys.validator(validator));
    let place = (context.set.epoch(), context.set.digest());
    let vote = |byte| {
        let statement = Statement::Notarize { view: View::new(view), block: Digest::from_bytes([byte; 32]) };
        Signed { statement, signature: key.sign(&statement.preimage(&context)) }
    };
    Misbehaviour::Consensus(Contradiction::new(key.public(), place, vote(1), vote(2)).unwrap())
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
