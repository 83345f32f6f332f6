//! Every method of every service, fed with requests that were spoilt: each is answered with a documented reason or with
//! what it asked for, none with an internal error, and the node goes on.

use std::collections::BTreeMap;

use prost::Message;
use tonic::Code;
use tonle_fuzz::{Dice, mutate};
use tonle_ledger::RejectionCode;
use tonle_proto::{FILE_DESCRIPTOR_SET, v1};

use crate::bad_input::others;
use crate::fixture::{TestNode, details};
use crate::raw::Raw;

/// Spoilt requests for each method.
const REQUESTS: usize = 1_000;

/// A method by its path, and whether it answers a stream.
struct Method {
    path: String,
    streams: bool,
}

/// All methods that the .proto files name: one that is added is tried without being listed here.
fn methods() -> Vec<Method> {
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let mut methods = Vec::new();
    for file in files.file {
        for service in file.service.iter() {
            methods.extend(service.method.iter().map(|method| Method {
                path: format!("/{}.{}/{}", file.package(), service.name(), method.name()),
                streams: method.server_streaming(),
            }));
        }
    }
    methods
}

/// Requests that are right for some method, and so almost right for others.
fn seeds(node: &TestNode) -> Vec<Vec<u8>> {
    let transaction = bytes::Bytes::copy_from_slice(node.payment(1, "seed").bytes());
    let account = "alice@aba".to_owned();
    let of = v1::list_transactions_request::Of::Account(account.clone());
    let agreement = v1::GetAgreementRequest { kind: 1, account: account.clone(), reference: "room 12".into() };
    vec![
        v1::SubmitAndWaitRequest { transaction: transaction.clone(), prove: true }.encode_to_vec(),
        v1::GetTransactionRequest { transaction_id: vec![7; 32].into(), ..Default::default() }.encode_to_vec(),
        v1::GetAccountRequest { account, prove: true }.encode_to_vec(),
        agreement.encode_to_vec(),
        v1::ListTransactionsRequest { of: Some(of), page_size: 3, ..Default::default() }.encode_to_vec(),
        v1::ListBlocksRequest { page_size: 3, cursor: "00".repeat(41) }.encode_to_vec(),
        v1::ListBlocksRequest::default().encode_to_vec(),
    ]
}

#[tokio::test]
async fn no_request_is_answered_with_an_internal_error() {
    let mut node = TestNode::start().await;
    let paid = node.payment(1, "before");
    node.pay(&paid).await;
    let seeds = seeds(&node);
    let documented: Vec<&str> = others()
        .iter()
        .map(|error| error.reason())
        .filter(|reason| *reason != "INTERNAL")
        .chain(RejectionCode::ALL.iter().map(|code| code.name()))
        .collect();
    let endpoint = tonic::transport::Channel::from_shared(format!("http://{}", node.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let mut dice = Dice::new(3);
    let mut answers: BTreeMap<(String, String), usize> = BTreeMap::new();
    let methods = methods();
    assert!(methods.len() > 10, "the services are there");
    for Method { path, streams } in methods {
        for _ in 0..REQUESTS {
            let seed = &seeds[dice.below(seeds.len())];
            let request = mutate(seed, &seeds[dice.below(seeds.len())], &mut dice);
            let mut client = tonic::client::Grpc::new(channel.clone());
            client.ready().await.unwrap();
            let (call, shown) = (tonic::Request::new(request.clone()), hex::encode(&request));
            let at = path.parse().unwrap();
            // A stream that begins is an answer; it would go on for ever.
            let answer = if streams {
                client.server_streaming(call, at, Raw).await.map(|_| ())
            } else {
                client.unary(call, at, Raw).await.map(|_| ())
            };
            let reason = match answer {
                Ok(()) => "OK".to_owned(),
                Err(status) => {
                    let (code, reason, ..) = details(&status);
                    assert!(
                        !matches!(code, Code::Internal | Code::Unknown | Code::Unavailable),
                        "{path} {shown}: {status}"
                    );
                    assert!(documented.contains(&reason.as_str()), "{path} {shown}: {reason} is not documented");
                    reason
                }
            };
            *answers.entry((path.clone(), reason)).or_default() += 1;
        }
    }
    let kinds = |reason: &str| answers.keys().filter(|(_, found)| found == reason).count();
    assert!(kinds("OK") > 5 && kinds("MALFORMED") > 10 && kinds("FIELD_INVALID") > 3, "{answers:#?}");
    let transaction = node.payment(1, "after");
    node.pay(&transaction).await;
}
