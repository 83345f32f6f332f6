//! Payments by KHQR codes, as a client asks nodes for them: paying, looking whether a code is paid, watching.
//!
//! Must not know: how a code is read, encrypted key files, screens.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::{Code, Request, Status};
use tonle_crypto::SecretKey;
use tonle_ledger::{AccountId, Amount, Asset, Operation, PayKhqr, RejectionCode, TransactionId};
use tonle_proto::v1::watch_payment_request::Of;
use tonle_proto::v1::{
    GetKhqrPaymentRequest, GetStatusResponse, Outcome as Became, Payment, WatchPaymentRequest, WatchPaymentResponse,
    get_khqr_payment_request, operation_result,
};

use crate::client::{Advice, Client, Ledger, Target, advice, describe, final_rejection, reason, timed};
use crate::directory::Directory;
use crate::payment::{FINAL_PATIENCE, signed_by};
use crate::{amount, keys};

/// How long a node may take to say whether a code is paid.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Pause when every node broke off a stream.
const ROUND_PAUSE: Duration = Duration::from_millis(200);

/// The nodes, and what they say of the chain.
#[derive(Debug)]
pub struct Counter {
    client: Client,
    status: GetStatusResponse,
}

/// What became of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The transaction.
    pub transaction: TransactionId,
    /// What became of it.
    pub result: Verdict,
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The money moved, in this block.
    Final(u64),
    /// The same payment under the same reference was final before, in this block.
    Repeated(u64),
    /// It is final, in this block, that it was rejected; why.
    Rejected(u64, String),
    /// Nothing was queued; why.
    Refused(String),
}

impl Counter {
    /// Asks the nodes that `target` means.
    ///
    /// # Errors
    /// When none answers.
    pub async fn open(target: &Target) -> Result<Self> {
        let client = Client::open(target)?;
        let status = client.status().await?;
        Ok(Counter { client, status })
    }

    /// An amount as people write it.
    ///
    /// # Errors
    /// When there is no such asset here, or the text is no amount of it.
    pub fn money(&self, text: &str, asset: &str) -> Result<(Asset, Amount)> {
        let supply = self.status.supply.iter().find(|supply| supply.asset == asset);
        let supply = supply.with_context(|| format!("{asset} is no asset of this chain"))?;
        Ok((Asset::new(asset)?, Amount::from_minor(amount::parse(text, supply.exponent)?)))
    }

    /// The same the other way round.
    #[must_use]
    pub fn written(&self, minor: u64, asset: &str) -> String {
        let exponent = self.status.supply.iter().find(|supply| supply.asset == asset).map_or(0, |found| found.exponent);
        format!("{} {asset}", amount::format(minor, asset, exponent))
    }

    /// The first payment by exactly this code, if there is one.
    ///
    /// # Errors
    /// When no node answers.
    pub async fn paid(&self, payload: &str) -> Result<Option<Payment>> {
        let call = |mut ledger: Ledger, patience| {
            let of = Some(get_khqr_payment_request::Of::Payload(payload.to_owned()));
            async move { ledger.get_khqr_payment(timed(GetKhqrPaymentRequest { of }, patience)).await }
        };
        match self.client.ask(ANSWER_PATIENCE, call).await {
            Ok(answer) => Ok(answer.payment),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(describe(&status)),
        }
    }

    /// Signs, sends, and waits until it is final. Without keys the development key of the payer's participant signs.
    ///
    /// # Errors
    /// When it cannot be signed, or is not known to be final in time.
    pub async fn pay(&self, payment: PayKhqr, keys: Vec<SecretKey>, target: &Target) -> Result<Outcome> {
        let keys = if keys.is_empty() { vec![development_key(payment.from, target)?] } else { keys };
        let operation = Operation::PayKhqr(Box::new(payment));
        let transaction = signed_by(&self.status, vec![operation], &keys.iter().collect::<Vec<_>>())?;
        let id = transaction.id();
        let result = match self.client.submit_and_wait(&transaction, false, FINAL_PATIENCE).await {
            Ok(answer) => {
                let receipt = answer.receipt.context("the node answered without a receipt")?;
                let first = receipt.results.iter().find_map(|result| match &result.result {
                    Some(operation_result::Result::Repeated(first)) => Some(first.height),
                    _ => None,
                });
                match (receipt.outcome(), first) {
                    (Became::Applied, None) => Verdict::Final(receipt.height),
                    (Became::Applied | Became::Repeated, first) => Verdict::Repeated(first.unwrap_or(receipt.height)),
                    (Became::Rejected | Became::Partial | Became::Unspecified, _) => {
                        bail!("the node answered neither yes nor no")
                    }
                }
            }
            Err(status) => match final_rejection(&status) {
                Some(rejection) => Verdict::Rejected(rejection.height, rejection.code),
                None => {
                    let code = reason(&status);
                    if !RejectionCode::ALL.iter().any(|known| known.name() == code) {
                        return Err(describe(&status).context(format!("not known to be final: transaction {id}")));
                    }
                    Verdict::Refused(code)
                }
            },
        };
        Ok(Outcome { transaction: id, result })
    }
}

fn development_key(from: AccountId, target: &Target) -> Result<SecretKey> {
    let path = Directory::new(&target.dir)?.participant_key(from.participant().as_str());
    keys::load(&path).with_context(|| format!("no key to sign for {from}: name one with --key, or the devnet's --dir"))
}

/// Watches payments behind `cursor` until `told` says false of one, or until `end`: that is `Ok(false)`. When a node breaks
/// off, the next goes on behind the last payment that was told.
///
/// # Errors
/// What `told` says, or a node that will not serve the stream.
pub async fn watch(
    target: &Target,
    of: Of,
    mut cursor: String,
    end: Option<Instant>,
    mut told: impl FnMut(&WatchPaymentResponse) -> Result<bool>,
) -> Result<bool> {
    loop {
        // Nodes of a devnet come and go: who runs is read anew.
        let nodes = Client::open(target).map(|client| client.nodes().to_vec()).unwrap_or_default();
        for node in nodes {
            let request = WatchPaymentRequest { of: Some(of.clone()), cursor: cursor.clone() };
            let opened = node.ledger().watch_payment(Request::new(request)).await;
            let mut stream = match opened {
                Ok(stream) => stream.into_inner(),
                Err(status) => {
                    lasting(&status)?;
                    continue;
                }
            };
            loop {
                let message = tokio::select! {
                    message = stream.message() => message,
                    () = sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return Ok(false),
                };
                match message {
                    Ok(Some(message)) => {
                        if !told(&message)? {
                            return Ok(true);
                        }
                        cursor = message.cursor;
                    }
                    // Behind the payment under a reference there is nothing.
                    Ok(None) => return Ok(true),
                    Err(status) => {
                        lasting(&status)?;
                        break;
                    }
                }
            }
        }
        if end.is_some_and(|end| end <= Instant::now()) {
            return Ok(false);
        }
        sleep(ROUND_PAUSE).await;
    }
}

/// Is it of no use to ask again?
fn lasting(status: &Status) -> Result<()> {
    match advice(status) {
        Advice::Final => Err(describe(status)),
        Advice::Elsewhere | Advice::Later(_) => Ok(()),
    }
}
