//! Payments by KHQR codes and streams of payments: what was paid is found by its MD5, and told once, in order, wherever a
//! stream begins again.

use std::time::Duration;

use tonic::{Code, Streaming};
use tonle_khqr::{Additional, Draft, Md5, Payee, generate};
use tonle_ledger::{AccountId, Amount, Asset, Operation, PayKhqr, Reference, TransactionResult};
use tonle_node::grpc::Limits;
use tonle_proto::v1;
use tonle_proto::v1::watch_payment_request::Of;

use crate::fixture::{TestNode, details, now_ms, transfer, transfer_with_ref};

const BOB: &str = "bob@wing";

/// A code that pays Bob; `amount` in riel makes it dynamic.
fn code(amount: Option<&str>, bill: &str) -> String {
    let payee = Payee::Individual { account: BOB, information: None, bank: None };
    let additional = Additional {
        bill_number: Some(bill),
        store_label: Some("ហាង"),
        terminal_label: Some("2"),
        ..Additional::default()
    };
    let draft = Draft { amount, expires_ms: Some(now_ms() + 600_000), additional, ..Draft::new(payee, "Bob") };
    generate(&draft, now_ms()).unwrap()
}

fn by_code(payload: &str, from: &str, minor: u64, reference: Option<&str>) -> Operation {
    Operation::PayKhqr(Box::new(PayKhqr {
        from: AccountId::new(from).unwrap(),
        to: AccountId::new(BOB).unwrap(),
        asset: Asset::new("KHR").unwrap(),
        amount: Amount::from_minor(minor),
        payload: payload.into(),
        instruction_ref: reference.map(|text| Reference::new(text).unwrap()),
        external_ref: None,
    }))
}

impl TestNode {
    /// Alice's bank pays, in one transaction.
    async fn paid(&mut self, operations: Vec<Operation>, nonce: &str) -> v1::Receipt {
        let transaction = self.sign(&self.body_of(operations, nonce), &["aba"]);
        self.pay(&transaction).await.receipt.unwrap()
    }

    async fn watch(&mut self, of: Of, cursor: &str) -> Result<Streaming<v1::WatchPaymentResponse>, tonic::Status> {
        let request = v1::WatchPaymentRequest { of: Some(of), cursor: cursor.to_owned() };
        Ok(self.client.watch_payment(request).await?.into_inner())
    }

    async fn found(&mut self, md5: Md5) -> Result<v1::Payment, tonic::Status> {
        let of = Some(v1::get_khqr_payment_request::Of::Md5(md5.to_string()));
        let answer = self.client.get_khqr_payment(v1::GetKhqrPaymentRequest { of }).await?;
        Ok(answer.into_inner().payment.unwrap())
    }
}

/// The next message; the first of a stream has no payment.
async fn next(stream: &mut Streaming<v1::WatchPaymentResponse>) -> v1::WatchPaymentResponse {
    tokio::time::timeout(Duration::from_secs(30), stream.message()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn a_paid_code_is_found_by_its_md5_with_what_it_says() {
    let mut node = TestNode::start().await;
    let payload = code(Some("40"), "INV-1");
    let unpaid = node.found(Md5::of(&payload)).await.unwrap_err();
    assert_eq!((unpaid.code(), details(&unpaid).1.as_str()), (Code::NotFound, "PAYMENT_NOT_FOUND"));
    let receipt = node.paid(vec![by_code(&payload, "alice@aba", 4_000, Some("r-1"))], "1").await;
    let payment = node.found(Md5::of(&payload)).await.unwrap();
    assert_eq!(payment.transaction_id, receipt.transaction_id);
    assert_eq!((payment.height, payment.index, payment.operation), (receipt.height, receipt.index, 0));
    assert_eq!((payment.from.as_str(), payment.to.as_str(), payment.amount_minor), ("alice@aba", BOB, 4_000));
    assert_eq!((payment.kind.as_str(), payment.instruction_ref.as_str()), ("pay_khqr", "r-1"));
    let khqr = payment.khqr.clone().unwrap();
    assert_eq!((khqr.md5, khqr.payload.as_str(), khqr.dynamic), (Md5::of(&payload).to_string(), &*payload, true));
    let fields = [khqr.name, khqr.bill_number, khqr.store_label, khqr.terminal_label];
    assert_eq!(fields, ["Bob", "INV-1", "ហាង", "2"]);
    // By exactly this code, too.
    let of = Some(v1::get_khqr_payment_request::Of::Payload(payload.clone()));
    let answer = node.client.get_khqr_payment(v1::GetKhqrPaymentRequest { of }).await.unwrap().into_inner();
    assert_eq!(answer.payment, Some(payment));
    // A second payer is told that it was paid, and that is final.
    let second = node.sign(&node.body_of(vec![by_code(&payload, "alice@aba", 4_000, None)], "2"), &["aba"]);
    let refused = node.submit_and_wait(&second, false).await.unwrap_err();
    assert_eq!((refused.code(), details(&refused).1.as_str()), (Code::FailedPrecondition, "KHQR_PAID"));
    let receipts = node.running.database.view().receipts(3, 0, 9).unwrap();
    assert!(matches!(receipts[0].result, TransactionResult::Rejected { .. }), "{receipts:?}");
}

#[tokio::test]
async fn payments_by_a_static_code_are_listed_newest_first_in_pages() {
    let mut node = TestNode::start().await;
    let (payload, other) = (code(None, "INV-1"), code(None, "INV-2"));
    for number in 0..3u64 {
        let operations = (0..2).map(|step| by_code(&payload, "alice@aba", 100 + number * 2 + step, None));
        let operations = operations.chain([by_code(&other, "alice@aba", 7, None)]).collect();
        node.paid(operations, &number.to_string()).await;
    }
    let md5 = Md5::of(&payload).to_string();
    let mut request = v1::ListKhqrPaymentsRequest { md5: md5.to_uppercase(), page_size: 4, cursor: String::new() };
    let mut found = Vec::new();
    for pages in 1.. {
        let page = node.client.list_khqr_payments(request.clone()).await.unwrap().into_inner();
        assert!(page.payments.len() <= 4 && pages <= 2);
        found.extend(page.payments.iter().map(|payment| payment.amount_minor));
        request.cursor = page.next_cursor;
        // What comes later is on no page.
        node.paid(vec![by_code(&payload, "alice@aba", 1, None)], &format!("later {pages}")).await;
        if request.cursor.is_empty() {
            break;
        }
    }
    assert_eq!(found, [105, 104, 103, 102, 101, 100]);
    assert_eq!(node.found(Md5::of(&payload)).await.unwrap().amount_minor, 100, "the first stays the answer");
    let wrong = v1::ListKhqrPaymentsRequest { md5: "x".repeat(32), ..request.clone() };
    assert_eq!(node.client.list_khqr_payments(wrong).await.unwrap_err().code(), Code::InvalidArgument);
    let cursor =
        node.client.list_khqr_payments(v1::ListKhqrPaymentsRequest { md5, page_size: 1, cursor: String::new() });
    let cursor = cursor.await.unwrap().into_inner().next_cursor;
    let foreign = v1::ListKhqrPaymentsRequest { md5: Md5::of(&other).to_string(), page_size: 1, cursor };
    assert_eq!(node.client.list_khqr_payments(foreign).await.unwrap_err().code(), Code::InvalidArgument);
}

/// Watches with a stream that begins anew behind every message: nothing is left out, nothing comes twice.
async fn told(node: &mut TestNode, of: Of, mut cursor: String, count: usize) -> Vec<u64> {
    let mut amounts = Vec::new();
    while amounts.len() < count {
        let mut stream = node.watch(of.clone(), &cursor).await.unwrap();
        assert_eq!(next(&mut stream).await.payment, None, "the first message says where the stream is");
        let message = next(&mut stream).await;
        amounts.push(message.payment.unwrap().amount_minor);
        cursor = message.cursor;
    }
    amounts
}

#[tokio::test]
async fn a_stream_goes_on_behind_any_cursor_without_a_gap_and_without_anything_twice() {
    let mut node = TestNode::start().await;
    let payload = code(None, "INV-1");
    let of_code = Of::KhqrMd5(Md5::of(&payload).to_string());
    let of_bob = Of::Account(BOB.to_owned());
    let begun = next(&mut node.watch(of_bob.clone(), "").await.unwrap()).await.cursor;
    let mut live = node.watch(of_code.clone(), "").await.unwrap();
    next(&mut live).await;
    for number in 0..3u64 {
        let operations = vec![
            by_code(&payload, "alice@aba", 10 + number, None),
            transfer("alice@aba", BOB, 20 + number),
            transfer("alice@aba", "reserve@aba", 5),
            by_code(&payload, "alice@aba", 30 + number, None),
        ];
        let known = node.network.genesis.accounts.iter().any(|account| account.id.as_str() == "reserve@aba");
        let operations = operations.into_iter().enumerate().filter(|(at, _)| known || *at != 2);
        node.paid(operations.map(|(_, operation)| operation).collect(), &number.to_string()).await;
    }
    let by_code = [10, 30, 11, 31, 12, 32];
    for expected in by_code {
        assert_eq!(next(&mut live).await.payment.unwrap().amount_minor, expected, "as it becomes final");
    }
    assert_eq!(told(&mut node, of_code, String::new(), 6).await, by_code);
    assert_eq!(told(&mut node, of_bob.clone(), begun, 9).await, [10, 20, 30, 11, 21, 31, 12, 22, 32]);
    // Without a cursor, an account's stream begins with what comes.
    let mut stream = node.watch(of_bob, "").await.unwrap();
    next(&mut stream).await;
    node.paid(vec![transfer("alice@aba", BOB, 77)], "new").await;
    assert_eq!(next(&mut stream).await.payment.unwrap().amount_minor, 77);
}

#[tokio::test]
async fn a_payment_is_told_under_its_reference_and_the_stream_ends() {
    let mut node = TestNode::start().await;
    let reference = |text: &str| {
        Of::Reference(v1::PaymentReference { account: "alice@aba".to_owned(), instruction_ref: text.to_owned() })
    };
    let mut stream = node.watch(reference("r-1"), "").await.unwrap();
    assert_eq!(next(&mut stream).await.payment, None);
    let operations = vec![transfer("alice@aba", BOB, 1), transfer_with_ref("alice@aba", BOB, 2, "r-1")];
    node.paid(operations, "1").await;
    let message = next(&mut stream).await;
    let payment = message.payment.unwrap();
    assert_eq!((payment.amount_minor, payment.operation, payment.khqr), (2, 1, None));
    assert_eq!(stream.message().await.unwrap(), None, "there is only one");
    // Behind it nothing is left to tell; another stream's cursor is no good.
    let mut behind = node.watch(reference("r-1"), &message.cursor).await.unwrap();
    assert_eq!(next(&mut behind).await.payment, None);
    for (of, cursor) in [(reference("r-2"), message.cursor.as_str()), (reference("r-1"), "00")] {
        let refused = node.watch(of, cursor).await.unwrap_err();
        assert_eq!(details(&refused).1, "CURSOR_INVALID");
    }
    let none = v1::WatchPaymentRequest { of: None, cursor: String::new() };
    assert_eq!(node.client.watch_payment(none).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_slow_watcher_is_told_which_cursor_to_resume_from() {
    let limits = Limits {
        streams_max: 1,
        stream_blocks_max: 1,
        stream_stall_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut node = TestNode::with_limits(limits).await;
    let payload = code(None, "INV-1");
    for number in 0..2 {
        let operations = (0..1_000).map(|_| by_code(&payload, "alice@aba", 1, None)).collect();
        node.paid(operations, &number.to_string()).await;
    }
    let of = Of::KhqrMd5(Md5::of(&payload).to_string());
    let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", node.address)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let mut client = v1::ledger_service_client::LedgerServiceClient::new(endpoint.connect().await.unwrap());
    let request = v1::WatchPaymentRequest { of: Some(of.clone()), cursor: String::new() };
    let mut stream = client.watch_payment(request).await.unwrap().into_inner();
    // Not reading is the point. The only stream's place is free again once the server has given this one up.
    let free = async { while node.client.watch_blocks(v1::WatchBlocksRequest::default()).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), free).await.expect("the server gives a slow client up");
    let mut seen = Vec::new();
    let place = |payment: &v1::Payment| (payment.height, payment.index, payment.operation);
    let ended = loop {
        match stream.message().await {
            Ok(Some(message)) => seen.extend(message.payment.as_ref().map(place)),
            Ok(None) => panic!("the stream ended without a reason"),
            Err(status) => break status,
        }
    };
    use tonic_types::StatusExt;
    assert_eq!((ended.code(), details(&ended).1.as_str()), (Code::ResourceExhausted, "SLOW_CONSUMER"));
    let cursor = ended.get_error_details().error_info().unwrap().metadata["cursor"].clone();
    drop(stream);
    let mut stream = loop {
        match node.watch(of.clone(), &cursor).await {
            Ok(stream) => break stream,
            Err(status) => assert_eq!(details(&status).1, "OVERLOADED", "the place of the stream before"),
        }
    };
    while seen.len() < 2_000 {
        seen.extend(next(&mut stream).await.payment.as_ref().map(place));
    }
    assert!(seen.is_sorted_by(|one, other| one < other), "each once and in order");
}
