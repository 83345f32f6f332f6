//! WatchBlocks: no gap, no duplicate, no silent drop.

use std::time::Duration;

use tonle_node::grpc::Limits;
use tonle_proto::v1;
use tonle_proto::v1::ledger_service_client::LedgerServiceClient;

use crate::fixture::{TestNode, details};

#[tokio::test]
async fn a_stream_resumes_where_its_client_left_off() {
    let mut node = TestNode::start().await;
    let first = node.payment(1, "w1");
    node.submit_and_wait(&first, true).await.unwrap();
    let request = v1::WatchBlocksRequest { from_height: 1, include_receipts: true };
    let mut stream = node.client.watch_blocks(request).await.unwrap().into_inner();
    let one = stream.message().await.unwrap().unwrap();
    assert_eq!(one.block.as_ref().unwrap().height, 1);
    assert_eq!(one.receipts[0].transaction_id.as_ref(), first.id().as_bytes());
    drop(stream);
    let request = v1::WatchBlocksRequest { from_height: 2, include_receipts: true };
    let mut stream = node.client.watch_blocks(request).await.unwrap().into_inner();
    let second = node.payment(1, "w2");
    node.submit_and_wait(&second, true).await.unwrap();
    for height in 2..=4 {
        let message = stream.message().await.unwrap().unwrap();
        let block = message.block.unwrap();
        assert_eq!(block.height, height);
        assert_eq!(message.receipts.len(), usize::try_from(block.transactions).unwrap());
    }
}

#[tokio::test]
async fn a_stream_without_a_height_begins_with_the_next_block() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(1, "n1");
    node.submit_and_wait(&transaction, true).await.unwrap();
    let mut stream = node.client.watch_blocks(v1::WatchBlocksRequest::default()).await.unwrap().into_inner();
    let transaction = node.payment(1, "n2");
    node.submit_and_wait(&transaction, true).await.unwrap();
    assert_eq!(stream.message().await.unwrap().unwrap().block.unwrap().height, 3);
}

#[tokio::test]
async fn a_slow_client_is_told_where_to_resume() {
    let limits = Limits {
        streams_max: 1,
        stream_blocks_max: 1,
        stream_stall_max: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut node = TestNode::with_limits(limits).await;
    // Receipts of large transactions fill what gRPC's windows and the buffer hold for a client that does not read.
    for number in 0..3 {
        let operations = (0..4_000).map(|_| crate::fixture::transfer("alice@aba", "bob@wing", 1)).collect();
        let transaction = node.sign(&node.body_of(operations, &format!("big{number}")), &["aba"]);
        node.submit_and_wait(&transaction, true).await.unwrap();
    }
    let request = v1::WatchBlocksRequest { from_height: 1, include_receipts: true };
    // A client with small windows: what it does not read soon stays with the server.
    let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", node.address)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(65_535).initial_connection_window_size(65_535);
    let mut client = LedgerServiceClient::new(endpoint.connect().await.unwrap());
    let mut stream = client.watch_blocks(request).await.unwrap().into_inner();
    // Not reading is the point. The only stream's place is free again once the server has given this one up.
    let free = async { while node.client.watch_blocks(request).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(30), free).await.expect("the server gives a slow client up");
    let mut next = 1;
    let ended = loop {
        match tokio::time::timeout(Duration::from_secs(30), stream.message()).await.unwrap() {
            Ok(Some(message)) => {
                let height = message.block.unwrap().height;
                assert_eq!(height, next);
                next += u64::from(!message.continues);
            }
            Ok(None) => panic!("the stream ended without a reason"),
            Err(status) => break status,
        }
    };
    let (code, reason, _, retry) = details(&ended);
    assert_eq!((code, reason.as_str(), retry), (tonic::Code::ResourceExhausted, "SLOW_CONSUMER", true));
    use tonic_types::StatusExt;
    let info = ended.get_error_details();
    let resume: u64 = info.error_info().unwrap().metadata["from_height"].parse().unwrap();
    assert_eq!(resume, next, "the cursor names the first block that did not come");
}

#[tokio::test]
async fn shutdown_ends_streams_and_waiting_calls_with_a_reason_and_a_place_to_resume() {
    let mut node = TestNode::start().await;
    let transaction = node.payment(1, "z");
    node.submit_and_wait(&transaction, true).await.unwrap();
    let request = v1::WatchBlocksRequest { from_height: 1, include_receipts: false };
    let mut stream = node.client.watch_blocks(request).await.unwrap().into_inner();
    for height in 1..=2 {
        assert_eq!(stream.message().await.unwrap().unwrap().block.unwrap().height, height);
    }
    node.shutdown.cancel();
    let ended = stream.message().await.unwrap_err();
    assert_eq!((ended.code(), details(&ended).1.as_str()), (tonic::Code::Unavailable, "SHUTTING_DOWN"));
    tokio::time::timeout(Duration::from_secs(20), node.serving.task).await.unwrap().unwrap();
}
