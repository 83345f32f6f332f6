//! What each method answers.

use tonle_crypto::SecretKey;
use tonle_ledger::{
    AccountId, Amount, Asset, GrantMandate, Issue, OpenAccount, Operation, Period, PlaceHold, Reference, ReleaseHold,
};
use tonle_proto::v1;
use tonle_proto::v1::list_transactions_request::Of;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;

use crate::fixture::{TestNode, details, transfer, transfer_with_ref};

#[tokio::test]
async fn a_payment_is_answered_with_its_receipt_and_moves_the_money() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(400_000, "1");
    let answer = node.pay(&transaction).await;
    let receipt = answer.receipt.unwrap();
    assert!(!answer.duplicate);
    assert_eq!(receipt.transaction_id.as_ref(), transaction.id().as_bytes());
    assert_eq!((receipt.height, receipt.index), (1, 0));
    assert_eq!(receipt.outcome(), v1::Outcome::Applied);
    let Some(v1::operation_result::Result::Applied(applied)) = &receipt.results[0].result else {
        panic!("{receipt:?}")
    };
    let after: Vec<_> = applied.balances_after.iter().map(|b| (b.account.as_str(), b.available_minor)).collect();
    assert_eq!(after, [("alice@aba", 99_600_000), ("bob@wing", 20_400_000)]);
    let request = v1::GetAccountRequest { account: "bob@wing".into(), prove: false };
    let account = node.client.get_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!((account.kind(), account.status()), (v1::AccountKind::Wallet, v1::AccountStatus::Active));
    let balances: Vec<_> = account.balances.iter().map(|b| (b.asset.as_str(), b.available_minor)).collect();
    assert_eq!(balances, [("KHR", 20_400_000), ("USD", 25_000)]);
}

#[tokio::test]
async fn the_same_transaction_many_times_at_once_moves_the_money_once() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(100, "once");
    let calls = (0..100).map(|_| {
        let mut client = node.client.clone();
        let transaction = transaction.bytes().to_vec().into();
        async move { client.submit_and_wait(v1::SubmitAndWaitRequest { transaction, prove: false }).await }
    });
    let answers = futures::future::join_all(calls).await;
    let receipts: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().into_inner().receipt.unwrap()).collect();
    assert!(receipts.iter().all(|receipt| *receipt == receipts[0]));
    let again = node.pay(&transaction).await;
    assert!(again.duplicate);
    assert_eq!(again.receipt.unwrap(), receipts[0]);
    let request = v1::GetAccountRequest { account: "alice@aba".into(), prove: false };
    let account = node.client.get_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!(account.balances[0].available_minor, 99_999_900);
    let submitted = node
        .client
        .submit(v1::SubmitRequest { transaction: transaction.bytes().to_vec().into() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(submitted.receipt.unwrap(), receipts[0]);
}

#[tokio::test]
async fn the_same_instruction_in_another_transaction_is_answered_with_the_first_receipt() {
    let mut node = TestNode::start().await;
    let instruction = || vec![transfer_with_ref("alice@aba", "bob@wing", 700, "inv-1")];
    let first = node.sign(&node.body_of(instruction(), "a"), &["aba"]);
    let first = node.pay(&first).await.receipt.unwrap();
    let second = node.sign(&node.body_of(instruction(), "b"), &["aba"]);
    let second = node.submit_and_wait(&second, true).await.unwrap();
    assert!(second.duplicate);
    assert_eq!(second.receipt.as_ref(), Some(&first));
    assert!(!second.finality_receipt.is_empty());
    let other = node.sign(&node.body_of(vec![transfer_with_ref("alice@aba", "bob@wing", 701, "inv-1")], "c"), &["aba"]);
    let refused = node.submit_and_wait(&other, false).await.unwrap_err();
    let expected = (tonic::Code::AlreadyExists, "DUPLICATE_REFERENCE".to_owned(), "instruction_ref".to_owned(), false);
    assert_eq!(details(&refused), expected);
}

#[tokio::test]
async fn independent_operations_each_have_a_result() {
    let mut node = TestNode::start().await;
    let operations = vec![
        transfer("alice@aba", "bob@wing", 5),
        transfer("alice@aba", "nobody@wing", 5),
        transfer("alice@aba", "sokha@acleda", 5),
    ];
    let mut body = node.body_of(operations, "i");
    body.independent = true;
    let transaction = node.sign(&body, &["aba"]);
    let receipt = node.pay(&transaction).await.receipt.unwrap();
    assert_eq!(receipt.outcome(), v1::Outcome::Partial);
    let rejected = match &receipt.results[1].result {
        Some(v1::operation_result::Result::Rejected(rejection)) => rejection,
        other => panic!("{other:?}"),
    };
    assert_eq!((rejected.code.as_str(), rejected.number, rejected.operation), ("UNKNOWN_ACCOUNT", 42, Some(1)));
}

#[tokio::test]
async fn accounts_are_opened_and_money_issued_by_who_may() {
    let mut node = TestNode::start().await;
    let account = tonle_ledger::AccountId::new("shop@wing").unwrap();
    let own = SecretKey::from_seed(&[9; 32]).public();
    let open =
        OpenAccount { account, kind: tonle_ledger::AccountKind::Merchant, keys: vec![own], threshold: 1, tier: None };
    let transaction = node.sign(&node.body_of(vec![Operation::OpenAccount(open)], "o"), &["wing"]);
    assert_eq!(node.pay(&transaction).await.receipt.unwrap().outcome(), v1::Outcome::Applied);
    let asset = tonle_ledger::Asset::new("KHR").unwrap();
    let amount = tonle_ledger::Amount::from_minor(1_234);
    let issue = Operation::Issue(Issue { to: account, asset, amount, instruction_ref: None });
    let body = node.body_of(vec![issue], "issue");
    let by_bank = node.sign(&body, &["aba"]);
    let refused = node.submit_and_wait(&by_bank, false).await.unwrap_err();
    assert_eq!(details(&refused).1, "NOT_AUTHORIZED");
    // The stranger's receipt does not take the id: the operator's own transaction, the same body, goes through.
    let by_operator = node.sign(&body, &["nbc"]);
    assert_eq!(node.pay(&by_operator).await.receipt.unwrap().outcome(), v1::Outcome::Applied);
    let request = v1::GetAccountRequest { account: "shop@wing".into(), prove: false };
    let answer = node.client.get_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!((answer.kind(), answer.threshold), (v1::AccountKind::Merchant, 1));
    assert_eq!(answer.keys, [own.as_bytes().to_vec()]);
    assert_eq!(answer.balances[0].available_minor, 1_234);
}

#[tokio::test]
async fn a_transaction_is_found_by_its_id_as_it_was_sent() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(10, "found");
    let receipt = node.pay(&transaction).await.receipt;
    let id = transaction.id().as_bytes().to_vec();
    let request = v1::GetTransactionRequest { transaction_id: id.into(), include_transaction: true, prove: false };
    let found = node.client.get_transaction(request).await.unwrap().into_inner();
    assert_eq!(found.receipt, receipt);
    assert_eq!(found.transaction.as_ref(), transaction.bytes());
    let request = v1::GetTransactionRequest { transaction_id: vec![1; 32].into(), ..Default::default() };
    let missing = node.client.get_transaction(request).await.unwrap_err();
    let expected = (tonic::Code::NotFound, "TRANSACTION_NOT_FOUND".to_owned(), "transaction_id".to_owned(), true);
    assert_eq!(details(&missing), expected);
}

#[tokio::test]
async fn an_account_s_history_is_paged_at_a_pinned_height() {
    let mut node = TestNode::start().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        let transaction = node.payment(10, &format!("h{number}"));
        node.pay(&transaction).await;
        ids.push(transaction.id().as_bytes().to_vec());
    }
    let mut request =
        v1::ListTransactionsRequest { of: Some(Of::Account("bob@wing".into())), page_size: 2, ..Default::default() };
    let first = node.client.list_transactions(request.clone()).await.unwrap().into_inner();
    let late = node.payment(10, "late");
    node.pay(&late).await;
    let mut listed = Vec::new();
    let mut page = first;
    let pinned = page.pinned_height;
    loop {
        assert_eq!(page.pinned_height, pinned);
        assert!(page.transactions.len() <= 2);
        listed.extend(page.transactions.iter().map(|record| record.receipt.as_ref().unwrap().transaction_id.to_vec()));
        if page.next_cursor.is_empty() {
            break;
        }
        request.cursor = page.next_cursor;
        page = node.client.list_transactions(request.clone()).await.unwrap().into_inner();
    }
    ids.reverse();
    assert_eq!(listed, ids, "newest first, without what came after the first page");
    request.of = Some(Of::Account("alice@aba".into()));
    request.cursor = node
        .client
        .list_transactions(v1::ListTransactionsRequest {
            of: Some(Of::Account("bob@wing".into())),
            page_size: 1,
            ..Default::default()
        })
        .await
        .unwrap()
        .into_inner()
        .next_cursor;
    let refused = node.client.list_transactions(request).await.unwrap_err();
    assert_eq!(details(&refused).1, "CURSOR_INVALID");
}

#[tokio::test]
async fn a_block_s_transactions_are_listed_in_its_order() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(10, "b");
    let height = node.pay(&transaction).await.receipt.unwrap().height;
    let request =
        v1::ListTransactionsRequest { of: Some(Of::Height(height)), include_transactions: true, ..Default::default() };
    let page = node.client.list_transactions(request).await.unwrap().into_inner();
    assert_eq!(page.transactions.len(), 1);
    assert_eq!(page.transactions[0].transaction.as_ref(), transaction.bytes());
    assert!(page.next_cursor.is_empty());
}

#[tokio::test]
async fn blocks_are_paged_newest_first_and_chain() {
    let mut node = TestNode::start().await;
    for number in 0..4 {
        let transaction = node.payment(10, &format!("{number}"));
        node.submit_and_wait(&transaction, true).await.unwrap();
    }
    let mut request = v1::ListBlocksRequest { page_size: 3, cursor: String::new() };
    let mut blocks = Vec::new();
    loop {
        let page = node.client.list_blocks(request.clone()).await.unwrap().into_inner();
        blocks.extend(page.blocks);
        if page.next_cursor.is_empty() {
            break;
        }
        request.cursor = page.next_cursor;
    }
    let heights: Vec<u64> = blocks.iter().map(|block| block.height).collect();
    assert_eq!(heights, (1..=8).rev().collect::<Vec<_>>());
    for pair in blocks.windows(2) {
        assert_eq!(pair[0].parent, pair[1].digest);
        let checkpoint = pair[0].checkpoint.as_ref().unwrap();
        assert_eq!((checkpoint.height, &checkpoint.state_root), (pair[1].height, &pair[1].state_root));
    }
    let request = v1::GetBlockRequest { height: 3, include_certificate: true };
    let answer = node.client.get_block(request).await.unwrap().into_inner();
    assert_eq!(answer.block.as_ref(), Some(&blocks[5]));
    assert_eq!(answer.headers.len(), 1);
    assert!(!answer.certificate.is_empty());
    let above = node.client.get_block(v1::GetBlockRequest { height: 99, include_certificate: false }).await;
    assert_eq!(details(&above.unwrap_err()).1, "BLOCK_NOT_FOUND");
}

#[tokio::test]
async fn status_tells_chain_heights_validators_and_supply() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(10, "s");
    node.submit_and_wait(&transaction, true).await.unwrap();
    let status = node.client.get_status(v1::GetStatusRequest {}).await.unwrap().into_inner();
    assert_eq!(status.chain_digest.as_ref(), node.network.chain.as_bytes());
    assert_eq!((status.earliest_height, status.latest_height, status.provable_height), (0, 2, 1));
    assert_eq!((status.node.as_str(), status.leader.as_str(), status.quorum), ("aba", "wing", 3));
    let connected: Vec<_> =
        status.validators.iter().map(|validator| (validator.name.as_str(), validator.connected)).collect();
    assert_eq!(connected, [("aba", true), ("acleda", true), ("wing", true), ("canadia", false)]);
    let khr = status.supply.iter().find(|supply| supply.asset == "KHR").unwrap();
    let mut operator = OperatorServiceClient::connect(format!("http://{}", node.address)).await.unwrap();
    let audit = operator.verify_supply(v1::VerifySupplyRequest {}).await.unwrap().into_inner();
    assert!(audit.ok);
    assert_eq!(audit.height, 2);
    assert_eq!(audit.accounts, u64::try_from(node.network.genesis.accounts.len()).unwrap());
    let scanned = audit.assets.iter().find(|check| check.supply.as_ref().unwrap().asset == "KHR").unwrap();
    assert_eq!(scanned.scanned_minor, khr.amount_minor);
}

#[tokio::test]
async fn agreements_are_answered_as_long_as_they_stand() {
    let mut node = TestNode::start().await;
    let reference = |text: &str| Reference::new(text).unwrap();
    let (from, to) = (AccountId::new("alice@aba").unwrap(), AccountId::new("bob@wing").unwrap());
    let (asset, amount) = (Asset::new("KHR").unwrap(), Amount::from_minor(700));
    let expires_ms = node.body_of(Vec::new(), "now").not_after_ms + 3_600_000;
    let place = PlaceHold { from, to, asset, amount, instruction_ref: reference("room 12"), expires_ms };
    let grant = GrantMandate {
        from,
        to,
        asset,
        cap: amount,
        period: Period::Week,
        instruction_ref: reference("gym"),
        expires_ms,
    };
    let operations = vec![Operation::PlaceHold(Box::new(place)), Operation::GrantMandate(Box::new(grant))];
    let begun = node.sign(&node.body_of(operations, "a"), &["aba"]);
    let height = node.pay(&begun).await.receipt.unwrap().height;

    let request = |reference: &str| v1::GetAgreementRequest {
        kind: v1::AgreementKind::Hold.into(),
        account: "alice@aba".into(),
        reference: reference.into(),
    };
    let answer = node.client.get_agreement(request("room 12")).await.unwrap().into_inner();
    let agreement = answer.agreement.unwrap();
    assert!(answer.height >= height);
    assert_eq!((agreement.kind(), agreement.ends_ms), (v1::AgreementKind::Hold, expires_ms));
    assert_eq!((agreement.from.as_str(), agreement.to.as_str()), ("alice@aba", "bob@wing"));
    assert_eq!((agreement.asset.as_str(), agreement.amount_minor), ("KHR", 700));
    let account = v1::GetAccountRequest { account: "alice@aba".into(), prove: false };
    let account = node.client.get_account(account).await.unwrap().into_inner().account.unwrap();
    let [mandate] = account.mandates.as_slice() else { panic!("{account:?}") };
    assert_eq!((mandate.reference.as_str(), mandate.to.as_str(), mandate.cap_minor), ("gym", "bob@wing", 700));
    assert_eq!(mandate.period(), v1::MandatePeriod::Week);

    let release = ReleaseHold { from, to, hold_ref: reference("room 12") };
    let ended = node.sign(&node.body_of(vec![Operation::ReleaseHold(Box::new(release))], "b"), &["wing"]);
    node.pay(&ended).await;
    for missing in ["room 12", "another"] {
        let status = node.client.get_agreement(request(missing)).await.unwrap_err();
        let expected = (tonic::Code::NotFound, "AGREEMENT_NOT_FOUND".to_owned(), "reference".to_owned(), false);
        assert_eq!(details(&status), expected);
    }
    let unnamed = v1::GetAgreementRequest { kind: 0, ..request("room 12") };
    assert_eq!(details(&node.client.get_agreement(unnamed).await.unwrap_err()).1, "FIELD_INVALID");
}
