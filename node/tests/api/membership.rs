//! Who validates, as a client reads and changes it: a fifth bank is admitted and made a validator, a change that would
//! lose the quorum is refused, and what was answered holds the arithmetic.

use tonle_crypto::SecretKey;
use tonle_ledger::{
    AddParticipant, Member, Operation, ParticipantId, ParticipantKey, Permission, Permissions, RemoveValidator, Role,
    quorum,
};
use tonle_proto::v1;

use crate::fixture::{TestNode, details};

fn id(name: &str) -> ParticipantId {
    ParticipantId::new(name).unwrap()
}

fn key(number: u8) -> SecretKey {
    SecretKey::from_seed(&[number; 32])
}

fn admit(name: &str) -> Operation {
    let permissions = Permissions::of(&[Permission::Pay, Permission::OpenAccounts]);
    Operation::AddParticipant(Box::new(AddParticipant {
        participant: id(name),
        legal_name: format!("{name} Plc."),
        bic: String::new(),
        role: Role::Bank,
        keys: vec![ParticipantKey { key: key(90).public(), permissions }],
        pay_threshold: 1,
        open_accounts_threshold: 1,
        manage_keys_threshold: 0,
        encryption_key: key(90).public().encryption_key(),
    }))
}

fn set(name: &str, number: u8) -> Operation {
    let (key, network_key) = (key(number).public(), key(number + 1).public());
    Operation::SetValidator(Box::new(Member { participant: id(name), key, network_key }))
}

async fn listed(node: &mut TestNode) -> v1::ListValidatorsResponse {
    node.client.list_validators(v1::ListValidatorsRequest {}).await.unwrap().into_inner()
}

fn names(validators: &[v1::Validator]) -> Vec<&str> {
    validators.iter().map(|validator| validator.participant.as_str()).collect()
}

#[tokio::test]
async fn a_fifth_bank_is_admitted_and_validates_from_a_later_epoch_on() {
    let mut node = TestNode::start().await;
    let before = listed(&mut node).await;
    assert_eq!((before.height, before.epoch, before.quorum), (0, 0, 3));
    assert_eq!(before.epoch_last_height, node.network.genesis.epoch_length);
    assert_eq!(before.validators.len(), 4);
    assert_eq!(before.versions.len(), 1);
    assert_eq!((before.versions[0].since_height, before.versions[0].until_height), (0, 0));
    assert_eq!(before.versions[0].validators, before.validators);

    let body = node.body_of(vec![admit("wb"), set("wb", 10)], "fifth");
    let by_bank = node.sign(&body, &["aba"]);
    let refused = node.submit_and_wait(&by_bank, false).await.unwrap_err();
    assert_eq!(details(&refused).1, "NOT_AUTHORIZED");
    let by_operator = node.sign(&body, &["nbc"]);
    let receipt = node.pay(&by_operator).await.receipt.unwrap();
    assert_eq!(receipt.outcome(), v1::Outcome::Applied);

    let after = listed(&mut node).await;
    assert_eq!(after.validators, before.validators, "in force is what was");
    let [old, new] = after.versions.as_slice() else { panic!("{after:?}") };
    assert_eq!(old.validators, before.validators);
    assert_eq!(old.until_height, receipt.height + tonle_ledger::window(node.network.genesis.epoch_length));
    assert_eq!((new.since_height, new.until_height), (receipt.height, 0));
    assert_eq!(names(&new.validators)[4], "wb", "new ones at the end");
    assert_eq!(new.validators[4].key, key(10).public().as_bytes().to_vec());
    assert_eq!(new.validators[4].network_key, key(11).public().as_bytes().to_vec());
}

#[tokio::test]
async fn a_change_that_would_lose_the_quorum_is_refused_as_the_answer_says() {
    let mut node = TestNode::start().await;
    let fifth = node.body_of(vec![admit("wb"), set("wb", 10)], "fifth");
    node.pay(&node.sign(&fifth, &["nbc"])).await;
    let sixth = node.body_of(vec![set("nbc", 20)], "sixth");
    let refused = node.submit_and_wait(&node.sign(&sixth, &["nbc"]), false).await.unwrap_err();
    let expected = (tonic::Code::FailedPrecondition, "QUORUM_LOST".to_owned(), "participant".to_owned(), false);
    assert_eq!(details(&refused), expected);
    let answer = listed(&mut node).await;
    let decided = &answer.versions.last().unwrap().validators;
    let staying = answer.versions[0].validators.iter().filter(|validator| decided.contains(validator)).count();
    assert!(staying < quorum(decided.len() + 1), "of 6 validators 5 must vote; 4 stay");
    let rows = [
        (
            vec![Operation::RemoveValidator(RemoveValidator { participant: id("nbc") })],
            "NOT_VALIDATOR",
            tonic::Code::NotFound,
        ),
        (vec![admit("wb")], "PARTICIPANT_EXISTS", tonic::Code::AlreadyExists),
        (vec![set("wb", 10)], "VALIDATOR_KEY_USED", tonic::Code::AlreadyExists),
        (vec![set("nobody", 30)], "UNKNOWN_PARTICIPANT", tonic::Code::NotFound),
    ];
    for (operations, reason, code) in rows {
        let body = node.body_of(operations, reason);
        let refused = node.submit_and_wait(&node.sign(&body, &["nbc"]), false).await.unwrap_err();
        assert_eq!((refused.code(), details(&refused).1.as_str()), (code, reason));
    }
}
