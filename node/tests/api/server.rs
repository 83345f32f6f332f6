//! The server itself: where it listens, TLS, health, reflection, limits.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic_types::StatusExt as _;
use tonle_node::bootstrap::Stage;
use tonle_node::grpc::{Limits, Refused, ServeError, ServerConfig, TlsConfig, serve, serve_starting};
use tonle_proto::v1;
use tonle_proto::v1::ledger_service_client::LedgerServiceClient;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;

use crate::bad_input::FETCHING;
use crate::fixture::{TestNode, connect, details};

#[tokio::test]
async fn only_loopback_is_listened_on_without_tls() {
    let node = TestNode::start().await;
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
        let config = ServerConfig::new(address.parse().unwrap());
        let refused = serve(config, node.service(), CancellationToken::new()).await.unwrap_err();
        assert!(matches!(refused, ServeError::PlaintextAddress(_)), "{address}: {refused}");
    }
}

#[tokio::test]
async fn tls_serves_from_pem_files_and_refuses_plaintext() {
    let node = TestNode::start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("server.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.join("server.key"), certified.key_pair.serialize_pem()).unwrap();
    let tls = TlsConfig { certificate: folder.join("server.pem"), key: folder.join("server.key"), client_ca: None };
    let mut config = ServerConfig::new("0.0.0.0:0".parse().unwrap());
    config.tls = Some(tls);
    let shutdown = CancellationToken::new();
    let serving = serve(config.clone(), node.service(), shutdown.clone()).await.unwrap();
    let address = format!("https://localhost:{}", serving.address.port());
    let ca = Certificate::from_pem(std::fs::read(folder.join("server.pem")).unwrap());
    let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
    let channel = Channel::from_shared(address).unwrap().tls_config(tls).unwrap().connect().await.unwrap();
    let status = LedgerServiceClient::new(channel).get_status(v1::GetStatusRequest {}).await.unwrap();
    assert_eq!(status.into_inner().chain_digest.as_ref(), node.network.chain.as_bytes());
    let plain = format!("http://127.0.0.1:{}", serving.address.port());
    let plain = Channel::from_shared(plain).unwrap().connect().await;
    let answered = match plain {
        Ok(channel) => LedgerServiceClient::new(channel).get_status(v1::GetStatusRequest {}).await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered);
    shutdown.cancel();
    config.tls =
        Some(TlsConfig { certificate: folder.join("nothing.pem"), key: folder.join("server.key"), client_ca: None });
    let refused = serve(config, node.service(), CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, ServeError::Pem { .. }));
}

#[tokio::test]
async fn health_and_both_reflections_answer() {
    let node = TestNode::start().await;
    let channel = Channel::from_shared(format!("http://{}", node.address)).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    for service in ["", "tonle.v1.LedgerService", "tonle.v1.OperatorService", "tonle.v1.RegisterService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status(), tonic_health::pb::health_check_response::ServingStatus::Serving, "{service}");
    }
    // buf and Python's grpcio-reflection, which speak v1 and v1alpha, ask for the rest in tests/clients.
    use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
    use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
    let request = tonic_reflection::pb::v1::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient::new(channel);
    let answers = reflection.server_reflection_info(tokio_stream::iter([request])).await.unwrap();
    let answer = answers.into_inner().message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    assert!(names.contains(&"tonle.v1.LedgerService".to_owned()), "{names:?}");
}

#[tokio::test]
async fn a_call_that_is_not_final_by_its_deadline_says_that_a_retry_is_safe() {
    let mut node = TestNode::start().await;
    node.running.stalled.store(true, std::sync::atomic::Ordering::SeqCst);
    let transaction = node.payment(1, "d");
    let mut timeout = Duration::from_millis(800);
    let late = loop {
        let transaction = transaction.bytes().to_vec().into();
        let mut request = tonic::Request::new(v1::SubmitAndWaitRequest { transaction, prove: false });
        request.set_timeout(timeout);
        let late = node.client.submit_and_wait(request).await.unwrap_err();
        // The client gives up by its own clock too: on a machine that stood still for the margin, it is asked again.
        if late.code() != tonic::Code::Cancelled || timeout > Duration::from_secs(20) {
            break late;
        }
        timeout *= 2;
    };
    let (code, reason, _, retry) = details(&late);
    assert_eq!((code, reason.as_str(), retry), (tonic::Code::DeadlineExceeded, "NOT_FINAL_YET", true));
    node.running.stalled.store(false, std::sync::atomic::Ordering::SeqCst);
    assert!(!node.pay(&transaction).await.duplicate);
}

#[tokio::test]
async fn what_the_node_refuses_reaches_the_client_with_its_reason() {
    use tonic::Code;
    let mut node = TestNode::start().await;
    let retry = Duration::from_millis(250);
    let cases = [
        (Refused::Backpressure { retry }, Code::ResourceExhausted, "OVERLOADED", true),
        (Refused::Halted, Code::Unavailable, "NODE_HALTED", false),
        (Refused::NotTaking, Code::Unavailable, "NODE_NOT_TAKING", false),
        (Refused::TooLarge, Code::InvalidArgument, "TRANSACTION_TOO_LARGE", false),
        (Refused::ShuttingDown, Code::Unavailable, "SHUTTING_DOWN", true),
    ];
    let transaction = node.payment(1, "r");
    for (refused, code, reason, retry) in cases {
        *node.running.refused.lock().unwrap() = Some(refused);
        let status = node.submit_and_wait(&transaction, false).await.unwrap_err();
        let (found, found_reason, _, found_retry) = details(&status);
        assert_eq!((found, found_reason.as_str(), found_retry), (code, reason, retry));
    }
}

#[tokio::test]
async fn a_node_that_has_not_begun_says_how_far_it_is_and_leaves_its_port_to_the_node() {
    let node = TestNode::start().await;
    let (stage, seen) = tokio::sync::watch::channel(Stage::Asking { peers: 0 });
    let shutdown = CancellationToken::new();
    let config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    let starting = serve_starting(config, seen, shutdown.clone()).await.unwrap();
    let address = starting.address;
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut ledger = LedgerServiceClient::new(channel.clone());
    let mut operator = OperatorServiceClient::new(channel.clone());
    for (now, message) in [
        (Stage::Asking { peers: 2 }, "this node begins: it asks peers for a snapshot of the state (2 connected)"),
        (
            FETCHING,
            "this node begins: it fetches a snapshot of the state at height 3600: 17 chunks, 43 % of the state, \
             2 of 5 indexes, from 3 peers",
        ),
    ] {
        stage.send_replace(now);
        let answers = [
            ledger.get_status(v1::GetStatusRequest {}).await.unwrap_err(),
            ledger.watch_blocks(v1::WatchBlocksRequest::default()).await.unwrap_err(),
            operator.verify_supply(v1::VerifySupplyRequest {}).await.unwrap_err(),
        ];
        for status in answers {
            let (code, reason, _, retry) = details(&status);
            assert_eq!((code, reason.as_str(), retry), (tonic::Code::Unavailable, "NODE_STARTING", true));
            assert_eq!(status.message(), message);
            let metadata = status.get_details_error_info().unwrap().metadata;
            let figures = now.figures().into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            assert_eq!(metadata, figures);
        }
    }
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel);
    for service in ["", "tonle.v1.LedgerService", "tonle.v1.OperatorService", "tonle.v1.RegisterService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(request).await.unwrap().into_inner();
        let expected = tonic_health::pb::health_check_response::ServingStatus::NotServing;
        assert_eq!(answer.status(), expected, "{service}");
    }
    // Clients that stay connected do not keep the port.
    shutdown.cancel();
    starting.task.await.unwrap();
    let serving = serve(ServerConfig::new(address), node.service(), CancellationToken::new()).await.unwrap();
    connect(serving.address).await.get_status(v1::GetStatusRequest {}).await.unwrap();
}

#[tokio::test]
async fn more_submissions_than_the_limit_are_refused_at_once() {
    let mut node = TestNode::with_limits(Limits { submissions_max: 1, ..Limits::default() }).await;
    node.running.stalled.store(true, std::sync::atomic::Ordering::SeqCst);
    let waiting = node.payment(1, "l1");
    let mut client = node.client.clone();
    let request = v1::SubmitAndWaitRequest { transaction: waiting.bytes().to_vec().into(), prove: false };
    let call = tokio::spawn(async move { client.submit_and_wait(request).await });
    while node.running.queued.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let second = node.payment(1, "l2");
    let refused = node.submit_and_wait(&second, false).await.unwrap_err();
    assert_eq!((details(&refused).1.as_str(), details(&refused).3), ("OVERLOADED", true));
    call.abort();
}

#[tokio::test]
async fn more_connections_than_the_limit_are_closed() {
    let node = TestNode::start().await;
    let mut config = ServerConfig::new("127.0.0.1:0".parse().unwrap());
    config.connections_max = 1;
    let serving = serve(config, node.service(), CancellationToken::new()).await.unwrap();
    let mut first = connect(serving.address).await;
    first.get_status(v1::GetStatusRequest {}).await.unwrap();
    let second = Channel::from_shared(format!("http://{}", serving.address)).unwrap().connect().await;
    let answered = match second {
        Ok(channel) => LedgerServiceClient::new(channel).get_status(v1::GetStatusRequest {}).await.is_ok(),
        Err(_) => false,
    };
    assert!(!answered);
    first.get_status(v1::GetStatusRequest {}).await.unwrap();
}
