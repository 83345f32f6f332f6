//! Who participates, with which keys, as clients ask before they seal anything.

use tonle_crypto::SecretKey;
use tonle_ledger::{Operation, ParticipantId, SetEncryptionKey};
use tonle_proto::v1;

use crate::fixture::{TestNode, details};

fn get(name: &str) -> v1::GetParticipantRequest {
    v1::GetParticipantRequest { participant: name.to_owned() }
}

#[tokio::test]
async fn a_participant_is_answered_with_its_keys() {
    let mut node = TestNode::start().await;
    let answer = node.client.get_participant(get("nbc")).await.unwrap().into_inner();
    let nbc = answer.participant.unwrap();
    assert_eq!((nbc.role(), nbc.mode()), (v1::ParticipantRole::Operator, v1::ParticipantMode::Active));
    assert_eq!(nbc.legal_name, "National Bank of Cambodia");
    let key = node.network.keys.encryption("nbc").public().encryption_key();
    assert_eq!(nbc.encryption_key.as_ref(), key.as_bytes());
    let signing = node.network.keys.participant("nbc").public();
    let entry = nbc.keys.iter().find(|entry| entry.key.as_ref() == signing.as_bytes()).unwrap();
    assert!(entry.may_pay && entry.may_issue && entry.may_govern && !entry.may_freeze, "{entry:?}");
    assert_eq!(nbc.thresholds.unwrap().govern, 1);
    let missing = node.client.get_participant(get("nobody")).await.unwrap_err();
    assert_eq!(details(&missing).1, "PARTICIPANT_NOT_FOUND");
    let misnamed = node.client.get_participant(get("No Body")).await.unwrap_err();
    assert_eq!(details(&misnamed).1, "FIELD_INVALID");
}

#[tokio::test]
async fn participants_come_in_pages_and_by_role() {
    let mut node = TestNode::start().await;
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = v1::ListParticipantsRequest { role: 0, page_size: 2, cursor };
        let page = node.client.list_participants(request).await.unwrap().into_inner();
        assert!((1..=2).contains(&page.participants.len()));
        ids.extend(page.participants.into_iter().map(|participant| participant.participant));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let expected: Vec<String> = node.network.genesis.participants.iter().map(|entry| entry.id.to_string()).collect();
    assert_eq!(ids, expected);
    for (role, expected) in [(v1::ParticipantRole::Operator, 1), (v1::ParticipantRole::Auditor, 0)] {
        let request = v1::ListParticipantsRequest { role: role.into(), ..Default::default() };
        let page = node.client.list_participants(request).await.unwrap().into_inner();
        assert_eq!(page.participants.len(), expected, "{role:?}");
        assert!(page.next_cursor.is_empty());
    }
    for (role, page_size, cursor, reason) in
        [(6, 0, "", "FIELD_INVALID"), (0, 1_001, "", "FIELD_INVALID"), (0, 0, "No Body", "CURSOR_INVALID")]
    {
        let request = v1::ListParticipantsRequest { role, page_size, cursor: cursor.to_owned() };
        let refused = node.client.list_participants(request).await.unwrap_err();
        assert_eq!(details(&refused).1, reason);
    }
}

#[tokio::test]
async fn a_new_encryption_key_is_answered_from_the_next_block_on() {
    let mut node = TestNode::start().await;
    let encryption_key = SecretKey::from_seed(&[9; 32]).public().encryption_key();
    let participant = ParticipantId::new("wing").unwrap();
    let change = Operation::SetEncryptionKey(SetEncryptionKey { participant, encryption_key });
    let transaction = node.sign(&node.body_of(vec![change], "rotate"), &["wing"]);
    let height = node.pay(&transaction).await.receipt.unwrap().height;
    let answer = node.client.get_participant(get("wing")).await.unwrap().into_inner();
    assert!(answer.height >= height);
    assert_eq!(answer.participant.unwrap().encryption_key.as_ref(), encryption_key.as_bytes());
}
