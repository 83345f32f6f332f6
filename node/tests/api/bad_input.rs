//! What clients get for what they should not send. Everything is refused before it is queued, where that can be known.

use prost::Message;
use tonic::Code;
use tonle_crypto::SecretKey;
use tonle_ledger::RejectionCode;
use tonle_node::bootstrap::Stage;
use tonle_node::grpc::{ApiError, REQUEST_BYTES_MAX, Resume, rejection_status};
use tonle_proto::v1;

use crate::fixture::{TestNode, details, now_ms};
use crate::raw::Raw;

/// A body as a client in any language builds it.
fn body(node: &TestNode) -> v1::TransactionBody {
    let transfer = v1::Transfer {
        from: "alice@aba".into(),
        to: "bob@wing".into(),
        asset: "KHR".into(),
        amount_minor: 100,
        ..Default::default()
    };
    v1::TransactionBody {
        chain: node.network.chain.as_bytes().to_vec().into(),
        not_before_ms: now_ms() - 60_000,
        not_after_ms: now_ms() + 60_000,
        operations: vec![operation(transfer)],
        ..Default::default()
    }
}

fn operation(transfer: v1::Transfer) -> v1::Operation {
    v1::Operation { operation: Some(v1::operation::Operation::Transfer(transfer)) }
}

fn transfer_of(body: &mut v1::TransactionBody) -> &mut v1::Transfer {
    match body.operations[0].operation.as_mut().unwrap() {
        v1::operation::Operation::Transfer(transfer) => transfer,
        other => panic!("{other:?}"),
    }
}

/// Signs body bytes as they are, whatever they are.
fn signed(node: &TestNode, body: &[u8], signer: &SecretKey) -> Vec<u8> {
    let message = [b"tonle/v1/transaction\0".as_slice(), node.network.chain.as_bytes(), body].concat();
    let signature = v1::Signature {
        key: signer.public().as_bytes().to_vec().into(),
        signature: signer.sign(&message).as_bytes().to_vec().into(),
    };
    v1::SignedTransaction { body: body.to_vec().into(), signatures: vec![signature] }.encode_to_vec()
}

struct Case {
    name: &'static str,
    transaction: Vec<u8>,
    expected: (Code, &'static str, &'static str, bool),
    /// Known before the transaction is queued?
    queued: bool,
}

#[allow(clippy::too_many_lines, reason = "a table with a row for each case")]
fn cases(node: &TestNode) -> Vec<Case> {
    let aba = node.network.keys.participant("aba");
    let good = body(node).encode_to_vec();
    let changed = |change: &dyn Fn(&mut v1::TransactionBody)| {
        let mut body = body(node);
        change(&mut body);
        signed(node, &body.encode_to_vec(), &aba)
    };
    let case = |name, transaction, code, reason, field| Case {
        name,
        transaction,
        expected: (code, reason, field, false),
        queued: false,
    };
    let late = |name, transaction, code, reason, field| Case {
        name,
        transaction,
        expected: (code, reason, field, false),
        queued: true,
    };
    let mut bad_signature = signed(node, &good, &aba);
    *bad_signature.last_mut().unwrap() ^= 1;
    let unknown_field = [good.as_slice(), &[0x78, 0x01]].concat();
    let unsigned = v1::SignedTransaction { body: good.clone().into(), signatures: Vec::new() }.encode_to_vec();
    let mut twice = body(node);
    twice.not_after_ms = twice.not_before_ms;
    vec![
        case("no bytes", Vec::new(), Code::InvalidArgument, "MALFORMED", "body"),
        case("garbage", vec![0xff; 40], Code::InvalidArgument, "MALFORMED", "body"),
        case("no signature", unsigned, Code::InvalidArgument, "MALFORMED", "signatures"),
        case("unknown field", signed(node, &unknown_field, &aba), Code::InvalidArgument, "MALFORMED", "body"),
        case("bad signature", bad_signature, Code::Unauthenticated, "SIGNATURE_INVALID", "signatures.signature"),
        case(
            "wrong chain",
            changed(&|body| body.chain = vec![7; 32].into()),
            Code::InvalidArgument,
            "WRONG_CHAIN",
            "body.chain",
        ),
        case(
            "expired",
            changed(&|body| {
                body.not_before_ms = now_ms() - 7_200_000;
                body.not_after_ms = now_ms() - 3_600_000;
            }),
            Code::FailedPrecondition,
            "EXPIRED",
            "body.not_after_ms",
        ),
        case(
            "empty window",
            signed(node, &twice.encode_to_vec(), &aba),
            Code::InvalidArgument,
            "WINDOW_EMPTY",
            "body.not_after_ms",
        ),
        case(
            "25 hours",
            changed(&|body| body.not_after_ms = body.not_before_ms + 25 * 3_600_000),
            Code::InvalidArgument,
            "WINDOW_TOO_LONG",
            "body.not_after_ms",
        ),
        case(
            "no operation",
            changed(&|body| body.operations.clear()),
            Code::InvalidArgument,
            "NO_OPERATIONS",
            "body.operations",
        ),
        case(
            "8,191 operations",
            changed(&|body| body.operations = vec![body.operations[0].clone(); 8_191]),
            Code::InvalidArgument,
            "TOO_MANY_OPERATIONS",
            "body.operations",
        ),
        late(
            "unknown account",
            changed(&|body| transfer_of(body).to = "nobody@wing".into()),
            Code::NotFound,
            "UNKNOWN_ACCOUNT",
            "account",
        ),
        late(
            "unknown asset",
            changed(&|body| transfer_of(body).asset = "EUR".into()),
            Code::NotFound,
            "ASSET_UNKNOWN",
            "asset",
        ),
        late(
            "same account",
            changed(&|body| transfer_of(body).to = "alice@aba".into()),
            Code::InvalidArgument,
            "SAME_ACCOUNT",
            "to",
        ),
        late(
            "more than there is",
            changed(&|body| transfer_of(body).amount_minor = 2_000_000_000),
            Code::FailedPrecondition,
            "INSUFFICIENT_FUNDS",
            "amount_minor",
        ),
        late(
            "another bank's account",
            changed(&|body| transfer_of(body).from = "sokha@acleda".into()),
            Code::PermissionDenied,
            "NOT_AUTHORIZED",
            "signatures",
        ),
        late("overflow", overflow(node), Code::OutOfRange, "AMOUNT_OVERFLOW", "amount_minor"),
    ]
}

/// More than 64 bits in one balance.
fn overflow(node: &TestNode) -> Vec<u8> {
    let issue = v1::Issue { to: "bob@wing".into(), asset: "KHR".into(), amount_minor: u64::MAX, ..Default::default() };
    let mut body = body(node);
    body.operations = vec![v1::Operation { operation: Some(v1::operation::Operation::Issue(issue)) }];
    signed(node, &body.encode_to_vec(), &node.network.keys.participant("nbc"))
}

#[tokio::test]
async fn bad_transactions_get_their_documented_status_and_reason() {
    let mut node = TestNode::start().await;
    // A first block, so that the latest block's time is known to the window check.
    let first = node.payment(1, "first");
    node.pay(&first).await;
    for case in cases(&node) {
        let before = node.running.queued.load(std::sync::atomic::Ordering::SeqCst);
        let request = v1::SubmitAndWaitRequest { transaction: case.transaction.clone().into(), prove: false };
        let status = node.client.submit_and_wait(request).await.expect_err(case.name);
        let (code, reason, field, retry) = case.expected;
        let (found_code, found_reason, found_field, found_retry) = details(&status);
        let found = (found_code, found_reason.as_str(), found_retry);
        assert_eq!(found, (code, reason, retry), "{}: {status}", case.name);
        // A malformed transaction is named down to the inner field.
        let named = if reason == "MALFORMED" { found_field.starts_with(field) } else { found_field == field };
        assert!(named, "{}: {found_field}", case.name);
        let queued = node.running.queued.load(std::sync::atomic::Ordering::SeqCst) > before;
        assert_eq!(queued, case.queued, "{}", case.name);
        if !case.queued {
            let request = v1::SubmitRequest { transaction: case.transaction.into() };
            let status = node.client.submit(request).await.expect_err(case.name);
            assert_eq!(details(&status).1, reason, "{}", case.name);
        }
    }
    let after = node.payment(1, "after");
    assert_eq!(node.pay(&after).await.receipt.unwrap().outcome(), v1::Outcome::Applied);
}

#[tokio::test]
async fn a_window_that_has_not_begun_says_when_to_come_back() {
    let mut node = TestNode::start().await;
    let mut body = body(&node);
    body.not_before_ms = now_ms() + 30_000;
    let transaction = signed(&node, &body.encode_to_vec(), &node.network.keys.participant("aba"));
    let status = node.client.submit(v1::SubmitRequest { transaction: transaction.into() }).await.unwrap_err();
    let expected = (Code::FailedPrecondition, "NOT_YET_VALID".to_owned(), "body.not_before_ms".to_owned(), true);
    assert_eq!(details(&status), expected);
    use tonic_types::StatusExt;
    let delay = status.get_error_details().retry_info().unwrap().retry_delay.unwrap();
    assert!((25_000..=30_000).contains(&delay.as_millis()), "{delay:?}");
}

#[tokio::test]
async fn a_message_of_100_mb_is_refused_by_its_length() {
    let mut node = TestNode::start().await;
    for bytes in [REQUEST_BYTES_MAX + 1, 100 << 20] {
        let request = v1::SubmitRequest { transaction: vec![0; bytes].into() };
        let status = node.client.submit(request).await.unwrap_err();
        assert_eq!((status.code(), details(&status).1.as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    }
    let transaction = node.payment(1, "fits");
    node.pay(&transaction).await;
}

#[tokio::test]
async fn a_request_that_is_no_message_and_a_method_that_is_not_there_are_named() {
    let node = TestNode::start().await;
    let cases = [
        ("/tonle.v1.LedgerService/Submit", Code::InvalidArgument, "MALFORMED"),
        ("/tonle.v1.LedgerService/GetStatus", Code::InvalidArgument, "MALFORMED"),
        ("/tonle.v1.LedgerService/Burn", Code::Unimplemented, "UNKNOWN_METHOD"),
        ("/tonle.v9.LedgerService/Submit", Code::Unimplemented, "UNKNOWN_METHOD"),
    ];
    for (path, code, reason) in cases {
        let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", node.address)).unwrap();
        let mut client = tonic::client::Grpc::new(endpoint.connect().await.unwrap());
        client.ready().await.unwrap();
        let request = tonic::Request::new(vec![0x0a, 0xff, 0xff, 0xff]);
        let status = client.unary(request, path.parse().unwrap(), Raw).await.unwrap_err();
        assert_eq!((status.code(), details(&status).1.as_str()), (code, reason), "{path}");
    }
}

#[tokio::test]
async fn fields_of_queries_are_checked() {
    let mut node = TestNode::start().await;
    let id = node
        .client
        .get_transaction(v1::GetTransactionRequest { transaction_id: vec![0; 31].into(), ..Default::default() })
        .await
        .unwrap_err();
    let account = node
        .client
        .get_account(v1::GetAccountRequest { account: "no account".into(), prove: false })
        .await
        .unwrap_err();
    let page =
        node.client.list_blocks(v1::ListBlocksRequest { page_size: 1_001, cursor: String::new() }).await.unwrap_err();
    let of = node.client.list_transactions(v1::ListTransactionsRequest::default()).await.unwrap_err();
    for (status, field) in [(id, "transaction_id"), (account, "account"), (page, "page_size"), (of, "of")] {
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), field.to_owned(), false);
        assert_eq!(details(&status), expected);
    }
    let cursor = v1::ListBlocksRequest { page_size: 1, cursor: "0123".into() };
    assert_eq!(details(&node.client.list_blocks(cursor).await.unwrap_err()).1, "CURSOR_INVALID");
    let missing = v1::GetAccountRequest { account: "nobody@aba".into(), prove: false };
    assert_eq!(details(&node.client.get_account(missing).await.unwrap_err()).1, "ACCOUNT_NOT_FOUND");
}

/// A node that has not begun.
pub(crate) const FETCHING: Stage =
    Stage::Fetching { height: 3_600, chunks: 17, percent: 43, indexes: 5, indexes_done: 2, peers: 3 };

/// The page of rejections, made from the ledger's list.
fn rejections_page() -> String {
    let mut page = String::from(
        "# Rejections\n\n\
         Why the ledger refuses, in order of precedence: of several reasons that hold, the lowest number is given (of 140 to \
         142,\nthe one that the SDKs find first). Numbers and names are stable. How they reach a client stands in [api.md](api.md). This page is made from \
         [the list](../node/ledger/src/rejection.rs):\n\
         `TONLE_WRITE_PAGES=1 cargo test --release -p tonle-node --test api page`.\n\n\
         | numbers | judged | when refused |\n|---|---|---|\n\
         | 1 to 19 | by the bytes alone, before anything is queued or ordered | no receipt; the id stays free |\n\
         | 20 to 29 | for the whole transaction, at execution | a receipt; the id stays free |\n\
         | 30 and up | for each operation, at execution | a receipt; the id is taken |\n\n\
         | reason | number | gRPC status | field | when |\n|---|---|---|---|---|\n",
    );
    for code in RejectionCode::ALL.iter().copied() {
        let (status, field, text) = (status_name(rejection_status(code)), code.field(), code.text());
        page += &format!("| `{}` | {} | {status} | `{field}` | {text} |\n", code.name(), code.number());
    }
    page
}

#[test]
fn the_page_of_rejections_is_the_list_in_force() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rejections.md");
    if std::env::var_os("TONLE_WRITE_PAGES").is_some() {
        std::fs::write(path, rejections_page()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), rejections_page());
}

/// docs/api.md has one row for each other reason.
#[test]
fn the_documented_tables_are_the_ones_in_force() {
    let text = include_str!("../../../docs/api.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
        .collect();
    let vectors = include_str!("../../ledger/tests/vectors/ledger.txt");
    let golden: Vec<&str> = vectors.lines().filter(|line| line.starts_with("smallest.")).collect();
    assert_eq!(golden.len(), 4);
    for line in golden {
        assert!(text.contains(line), "docs/api.md lacks {line}");
    }
    for error in others() {
        let row = rows.iter().find(|row| row[0] == error.reason() && row[1] == status_name(error.code()));
        let row = row.unwrap_or_else(|| panic!("{} is not documented", error.reason()));
        assert_eq!(row[2] == "yes", error.retry().is_some(), "{}: retry", error.reason());
        for (key, _) in error.metadata() {
            assert!(row[3].contains(key), "{}: metadata {key}", error.reason());
        }
    }
}

pub(crate) fn others() -> Vec<ApiError> {
    let transaction = tonle_ledger::TransactionId::from_hex(&"0".repeat(64)).unwrap();
    let second = std::time::Duration::from_secs(1);
    vec![
        ApiError::NotYetValid { wait: second },
        ApiError::Malformed,
        ApiError::MessageTooLarge,
        ApiError::UnknownMethod,
        ApiError::Cancelled,
        ApiError::FieldInvalid { field: "page_size", expected: "at most 1000" },
        ApiError::CursorInvalid,
        ApiError::TransactionNotFound,
        ApiError::AccountNotFound,
        ApiError::ParticipantNotFound,
        ApiError::AgreementNotFound,
        ApiError::AliasNotFound,
        ApiError::BlockNotFound { latest: 1 },
        ApiError::Pruned { earliest: 1 },
        ApiError::Overloaded { retry: second },
        ApiError::NotFinalYet { transaction },
        ApiError::NotProvableYet { provable: 1 },
        ApiError::PaymentNotFound,
        ApiError::SlowConsumer { resume: Resume::Height(1) },
        ApiError::SlowConsumer { resume: Resume::Cursor(String::new()) },
        ApiError::ShuttingDown { resume: Some(Resume::Height(1)) },
        ApiError::Halted,
        ApiError::NotTaking,
        ApiError::Starting(Stage::Asking { peers: 1 }),
        ApiError::Starting(FETCHING),
        ApiError::Internal,
    ]
}

/// FailedPrecondition -> FAILED_PRECONDITION, as gRPC writes it.
fn status_name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
