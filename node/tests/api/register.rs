//! What the ledger keeps beside accounts and agreements, and the report of large payments, as clients read them.

use tonic::Code;
use tonic::transport::Channel;
use tonle_crypto::Digest;
use tonle_ledger::{
    AccountId, AccountStatus, Amount, Asset, DisplayName, FreezeAccount, KycTier, Mode, OfferQuote, Operation,
    ParticipantId, Propose, Reference, SetAlias, SetLimits, SetParticipantMode, TakeQuote,
};
use tonle_proto::v1;
use tonle_proto::v1::operator_service_client::OperatorServiceClient;
use tonle_proto::v1::register_service_client::RegisterServiceClient;

use crate::fixture::{TestNode, details, now_ms, transfer};

async fn register(node: &TestNode) -> RegisterServiceClient<Channel> {
    RegisterServiceClient::connect(format!("http://{}", node.address)).await.unwrap()
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

async fn run(node: &mut TestNode, operations: Vec<Operation>, nonce: &str, signer: &str) -> v1::Receipt {
    let transaction = node.sign(&node.body_of(operations, nonce), &[signer]);
    node.pay(&transaction).await.receipt.unwrap()
}

#[tokio::test]
async fn an_alias_says_whom_a_payer_would_pay() {
    let mut node = TestNode::start().await;
    let alias = Digest::from_bytes([7; 32]);
    let name = DisplayName::new("B** of Wing").unwrap();
    let set = Operation::SetAlias(Box::new(SetAlias { account: account("bob@wing"), alias, name }));
    let height = run(&mut node, vec![set], "alias", "wing").await.height;
    let mut register = register(&node).await;
    let request = |bytes: Vec<u8>| v1::ResolveAliasRequest { alias: bytes.into() };
    let found = register.resolve_alias(request(vec![7; 32])).await.unwrap().into_inner();
    assert_eq!((found.account.as_str(), found.display_name.as_str()), ("bob@wing", "B** of Wing"));
    assert!(found.height >= height);
    let missing = register.resolve_alias(request(vec![8; 32])).await.unwrap_err();
    assert_eq!(details(&missing), (Code::NotFound, "ALIAS_NOT_FOUND".to_owned(), "alias".to_owned(), false));
    let short = register.resolve_alias(request(vec![7; 31])).await.unwrap_err();
    assert_eq!(details(&short), (Code::InvalidArgument, "FIELD_INVALID".to_owned(), "alias".to_owned(), false));
}

#[tokio::test]
async fn limits_are_those_in_force() {
    let mut node = TestNode::start().await;
    let mut register = register(&node).await;
    let basic = |answer: &v1::GetLimitsResponse| {
        let of = |limit: &&v1::TierLimit| limit.asset == "KHR" && limit.tier() == v1::KycTier::Basic;
        answer.limits.iter().find(of).map(|limit| (limit.daily_minor, limit.hourly))
    };
    let before = register.get_limits(v1::GetLimitsRequest {}).await.unwrap().into_inner();
    let genesis = node.network.genesis.parameters.limit(Asset::new("KHR").unwrap(), KycTier::Basic).numbers();
    assert_eq!(
        (basic(&before), before.day_offset_ms),
        (Some(genesis), node.network.genesis.parameters.day_offset_ms())
    );
    let asset = Asset::new("KHR").unwrap();
    let set = SetLimits { asset, tier: KycTier::Basic, daily_minor: 77, hourly: 3 };
    run(&mut node, vec![Operation::SetLimits(set)], "limits", "nbc").await;
    let after = register.get_limits(v1::GetLimitsRequest {}).await.unwrap().into_inner();
    assert_eq!(basic(&after), Some((77, 3)));
}

#[tokio::test]
async fn an_account_shows_its_tier_its_keeper_s_word_and_the_orders_on_it() {
    let mut node = TestNode::start().await;
    let freeze = FreezeAccount {
        account: account("bob@wing"),
        order_ref: Reference::new("court 7").unwrap(),
        status: AccountStatus::DebitsFrozen,
    };
    run(&mut node, vec![Operation::FreezeAccount(freeze)], "freeze", "nbc-freeze").await;
    let request = v1::GetAccountRequest { account: "bob@wing".into(), prove: false };
    let found = node.client.get_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!((found.status(), found.keeper_status()), (v1::AccountStatus::DebitsFrozen, v1::AccountStatus::Active));
    assert_eq!(found.tier(), v1::KycTier::Full);
    let [order] = found.orders.as_slice() else { panic!("{found:?}") };
    assert_eq!((order.reference.as_str(), order.status()), ("court 7", v1::AccountStatus::DebitsFrozen));
}

#[tokio::test]
async fn proposals_that_wait_are_listed_page_by_page() {
    let mut node = TestNode::start().await;
    let participant = ParticipantId::new("wing").unwrap();
    let mode = Operation::SetParticipantMode(SetParticipantMode { participant, mode: Mode::PayOutOnly });
    let propose = |height: u64| {
        Operation::Propose(Box::new(Propose {
            participant: ParticipantId::new("nbc").unwrap(),
            operation: mode.clone(),
            effect_height: height,
            expires_ms: now_ms() + 3_600_000,
        }))
    };
    let receipt = run(&mut node, vec![propose(1_000_000), propose(2_000_000)], "propose", "nbc").await;
    let mut register = register(&node).await;
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = v1::ListProposalsRequest { page_size: 1, cursor };
        let page = register.list_proposals(request).await.unwrap().into_inner();
        assert_eq!(page.proposals.len(), 1);
        found.extend(page.proposals);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    found.sort_by_key(|proposal| proposal.effect_height);
    assert_eq!(found.iter().map(|proposal| proposal.effect_height).collect::<Vec<_>>(), [1_000_000, 2_000_000]);
    for (proposal, number) in found.iter().zip(0..) {
        assert_eq!((proposal.kind.as_str(), proposal.participant.as_str()), ("set_participant_mode", "nbc"));
        assert_eq!(proposal.approvals, [node.network.keys.participant("nbc").public().as_bytes().to_vec()]);
        let place = proposal.proposed.as_ref().unwrap();
        assert_eq!((place.height, place.index, place.operation), (receipt.height, receipt.index, number));
        let Some(v1::operation::Operation::SetParticipantMode(asked)) =
            proposal.operation.as_ref().and_then(|operation| operation.operation.as_ref())
        else {
            panic!("{proposal:?}")
        };
        assert_eq!((asked.participant.as_str(), asked.mode()), ("wing", v1::ParticipantMode::PayOutOnly));
    }
    let bad = v1::ListProposalsRequest { page_size: 1, cursor: "no".into() };
    assert_eq!(details(&register.list_proposals(bad).await.unwrap_err()).1, "CURSOR_INVALID");
}

/// A quote of 6,000 riel for 2 dollars, and its taking.
fn exchange() -> [Operation; 2] {
    let (maker, taker) = (account("alice@aba"), account("bob@wing"));
    let sold = (Asset::new("KHR").unwrap(), Amount::from_minor(6_000));
    let bought = (Asset::new("USD").unwrap(), Amount::from_minor(2));
    let name = || Reference::new("fx").unwrap();
    let offer = OfferQuote {
        maker,
        taker: Some(taker),
        sold,
        bought,
        instruction_ref: name(),
        expires_ms: now_ms() + 3_600_000,
    };
    let take = TakeQuote { maker, taker, sold, bought, quote_ref: name(), instruction_ref: None };
    [Operation::OfferQuote(Box::new(offer)), Operation::TakeQuote(Box::new(take))]
}

#[tokio::test]
async fn the_report_holds_every_large_payment_once_and_nothing_that_failed() {
    let mut node = TestNode::start().await;
    for (minor, nonce) in [(4_999, "small"), (5_000, "just"), (7_000, "large")] {
        run(&mut node, vec![transfer("alice@aba", "bob@wing", minor)], nonce, "aba").await;
    }
    // Rejected: more than there is.
    let too_much = node.payment(u64::MAX, "too much");
    node.submit_and_wait(&too_much, false).await.unwrap_err();
    let [offer, take] = exchange();
    run(&mut node, vec![offer], "offer", "aba").await;
    run(&mut node, vec![take, transfer("bob@wing", "alice@aba", 5_001)], "take", "wing").await;

    let mut operator = OperatorServiceClient::connect(format!("http://{}", node.address)).await.unwrap();
    let ask = |page_size: u32| v1::ListLargePaymentsRequest {
        asset: "KHR".into(),
        at_least_minor: 5_000,
        page_size,
        ..Default::default()
    };
    let whole = operator.list_large_payments(ask(0)).await.unwrap().into_inner();
    let seen: Vec<_> = whole
        .payments
        .iter()
        .map(|payment| (payment.kind.as_str(), payment.from.as_str(), payment.to.as_str(), payment.amount_minor))
        .collect();
    assert_eq!(
        seen,
        [
            ("transfer", "alice@aba", "bob@wing", 5_000),
            ("transfer", "alice@aba", "bob@wing", 7_000),
            ("take_quote", "alice@aba", "bob@wing", 6_000),
            ("transfer", "bob@wing", "alice@aba", 5_001),
        ]
    );
    assert_eq!((whole.next_cursor.as_str(), whole.examined_height), ("", whole.last_height));
    let place = whole.payments[3].location.as_ref().unwrap();
    assert_eq!(place.operation, 1, "the second operation of its transaction");

    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let request = v1::ListLargePaymentsRequest { cursor, ..ask(1) };
        let page = operator.list_large_payments(request).await.unwrap().into_inner();
        paged.extend(page.payments);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
        let other = v1::ListLargePaymentsRequest { cursor: cursor.clone(), at_least_minor: 5_002, ..ask(1) };
        assert_eq!(details(&operator.list_large_payments(other).await.unwrap_err()).1, "CURSOR_INVALID");
    }
    assert_eq!(paged, whole.payments);

    // From one payment's block on, and before it.
    let time_ms = whole.payments[1].time_ms;
    let since = v1::ListLargePaymentsRequest { from_ms: time_ms, ..ask(0) };
    assert_eq!(operator.list_large_payments(since).await.unwrap().into_inner().payments, whole.payments[1..]);
    let until = v1::ListLargePaymentsRequest { until_ms: time_ms, ..ask(0) };
    assert_eq!(operator.list_large_payments(until).await.unwrap().into_inner().payments, whole.payments[..1]);

    let dollars = v1::ListLargePaymentsRequest { asset: "USD".into(), at_least_minor: 1, ..ask(0) };
    let dollars = operator.list_large_payments(dollars).await.unwrap().into_inner().payments;
    let [bought] = dollars.as_slice() else { panic!("{dollars:?}") };
    assert_eq!((bought.from.as_str(), bought.to.as_str(), bought.amount_minor), ("bob@wing", "alice@aba", 2));

    for (request, field) in [
        (v1::ListLargePaymentsRequest { at_least_minor: 0, ..ask(0) }, "at_least_minor"),
        (v1::ListLargePaymentsRequest { asset: "riel?".into(), ..ask(0) }, "asset"),
        (v1::ListLargePaymentsRequest { from_ms: 5, until_ms: 5, ..ask(0) }, "until_ms"),
        (ask(1_001), "page_size"),
    ] {
        let status = operator.list_large_payments(request).await.unwrap_err();
        let expected = (Code::InvalidArgument, "FIELD_INVALID".to_owned(), field.to_owned(), false);
        assert_eq!(details(&status), expected);
    }
}
