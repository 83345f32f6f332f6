//! `tonle validator` and `tonle participant`: who validates and who participates. What changes is signed here by the
//! operator; the ledger decides, and the command shows the arithmetic by which it does.
//!
//! Must not know: encrypted key files.

mod arithmetic;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use serde_json::json;
use tonic::transport::Channel;
use tonle_crypto::{EncryptionKey, PublicKey, SecretKey};
use tonle_ledger::{
    AddParticipant, Member, Operation, ParticipantId, ParticipantKey, Permission, Permissions, RemoveValidator, Role,
    SignedTransaction,
};
use tonle_proto::v1::ListValidatorsRequest;
use tonle_proto::v1::ledger_service_client::LedgerServiceClient;

use crate::client::{Client, Target, describe, final_rejection, reason, timed};
use crate::directory::Directory;
use crate::operator::operators_key;
use crate::payment::{FINAL_PATIENCE, signed};
use crate::screen::{print, print_json, table};
use arithmetic::{Comparison, Sets, size};

const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// Who signs, whom to ask, how to print.
#[derive(Debug, clap::Args)]
pub struct Signing {
    /// The operator's key file, which signs; without it, the operator's development key in --dir
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Whom to ask
    #[command(flatten)]
    pub target: Target,
}

impl Signing {
    fn key_or_operators(&self, key: Option<SecretKey>) -> Result<SecretKey> {
        key.map_or_else(|| operators_key(&Directory::new(&self.target.dir)?), Ok)
    }
}

/// A change of the validator set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Add one, or replace the keys of one.
    Set {
        /// The participant that runs it.
        participant: String,
        /// Its keys.
        keys: Box<NewKeys>,
    },
    /// Remove one.
    Remove {
        /// The participant that runs it.
        participant: String,
    },
}

/// The keys of a validator to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeys {
    /// For consensus; `None`: the one that it has.
    pub key: Option<PublicKey>,
    /// For the network; `None`: the one that it has.
    pub network_key: Option<PublicKey>,
}

/// A participant to admit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// Its id.
    pub participant: String,
    /// Its name in law.
    pub legal_name: String,
    /// Its business identifier code; may be empty.
    pub bic: String,
    /// What it is.
    pub role: Role,
    /// Its keys: each may pay and open accounts.
    pub keys: Vec<PublicKey>,
    /// How many must sign.
    pub threshold: u8,
    /// What is sealed for it is encrypted to this key.
    pub encryption_key: EncryptionKey,
}

/// What `--json` prints of a change.
#[derive(Debug, Default, Serialize)]
struct Report {
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    validators: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    arithmetic: Vec<Comparison>,
    /// The heights after which the change may take effect: the end of an epoch, or of the next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after_heights: Vec<u64>,
}

/// Who validates at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The height of the node that answered.
    pub height: u64,
    /// The last height of the epoch in force.
    pub epoch_last_height: u64,
    /// The participants whose validators serve in it.
    pub validators: Vec<String>,
}

/// Who validates at the moment.
///
/// # Errors
/// When no node answers.
pub async fn standing(target: &Target) -> Result<Standing> {
    let Sets { height, epoch_last_height, in_force, .. } = sets(&Client::open(target)?).await?;
    Ok(Standing { height, epoch_last_height, validators: names(&in_force) })
}

/// Runs `tonle validator list`.
///
/// # Errors
/// When no node answers.
pub async fn list(target: &Target, json: bool) -> Result<()> {
    let sets = sets(&Client::open(target)?).await?;
    let versions = sets.versions.iter().map(|(version, until)| {
        json!({ "since_height": version.since, "until_height": until, "validators": names(&version.members) })
    });
    if json {
        let member = |member: &Member| {
            json!({
                "participant": member.participant.as_str(),
                "key": member.key.to_string(),
                "network_key": member.network_key.to_string(),
            })
        };
        return print_json(&json!({
            "height": sets.height,
            "epoch": sets.epoch,
            "epoch_last_height": sets.epoch_last_height,
            "quorum": tonle_ledger::quorum(sets.in_force.len()),
            "pending": sets.is_pending(),
            "validators": sets.in_force.iter().map(member).collect::<Vec<_>>(),
            "decided": sets.decided().iter().map(member).collect::<Vec<_>>(),
            "versions": versions.collect::<Vec<_>>(),
        }));
    }
    print(&format!("epoch {}  to block {}  {}", sets.epoch, sets.epoch_last_height, size(&sets.in_force)))?;
    let row = |(index, member): (usize, &Member)| {
        vec![index.to_string(), member.participant.to_string(), member.key.to_string(), member.network_key.to_string()]
    };
    let rows = |members: &[Member]| members.iter().enumerate().map(row).collect::<Vec<_>>();
    print(&table(&["", "participant", "key", "network key"], &rows(&sets.in_force)))?;
    if sets.is_pending() {
        print(&format!("\ndecided, from the end of this epoch or of the next on:  {}", size(sets.decided())))?;
        print(&table(&["", "participant", "key", "network key"], &rows(sets.decided())))?;
    }
    Ok(())
}

/// Runs `tonle validator set` and `remove`. `key` signs where `--key` was given.
///
/// # Errors
/// When the change would lose the quorum (nothing is sent), is rejected, or is not known to be final in time.
pub async fn change(signing: &Signing, key: Option<SecretKey>, change: &Change) -> Result<()> {
    let client = Client::open(&signing.target)?;
    let sets = sets(&client).await?;
    let (operation, members) = plan(&sets, change)?;
    let arithmetic = sets.compare(&members);
    let report = || Report { validators: names(&members), arithmetic: arithmetic.clone(), ..Report::default() };
    if let Some(refusal) = sets.refusal(&members) {
        if signing.json {
            let code = refusal.split_whitespace().next().map(str::to_owned);
            print_json(&Report { result: "refused", code, ..report() })?;
        }
        bail!("REFUSED  {refusal}\nnothing was sent");
    }
    if !signing.json {
        print(&format!("before  {}", size(sets.decided())))?;
        print(&format!("after   {}", size(&members)))?;
        arithmetic.iter().try_for_each(|comparison| print(&format!("        {}", comparison.sentence())))?;
    }
    let key = signing.key_or_operators(key)?;
    let (transaction, outcome) = submit(&client, &key, operation).await?;
    let block = match outcome {
        Ok(block) => block,
        Err((code, block)) => {
            let now = self::sets(&client).await?;
            let why = now.refusal(&members).unwrap_or_else(|| advice(&code).to_owned());
            if signing.json {
                let (code, transaction_id) = (Some(code.clone()), Some(transaction.id().to_string()));
                print_json(&Report { result: "rejected", code, transaction_id, block: Some(block), ..report() })?;
            }
            bail!("REJECTED  {code}  block {block}: nothing changed\n{why}");
        }
    };
    let length = sets.epoch_last_height.checked_div(sets.epoch.saturating_add(1)).unwrap_or(0).max(1);
    // A block's own header cannot name its state: what the last block of an epoch decides waits for the next end.
    let first = block.checked_div(length).unwrap_or(0).saturating_add(1).saturating_mul(length);
    let after_heights = vec![first, first.saturating_add(length)];
    if signing.json {
        let transaction_id = Some(transaction.id().to_string());
        return print_json(&Report { result: "final", transaction_id, block: Some(block), after_heights, ..report() });
    }
    print(&format!("FINAL  block {block}  in force after block {first}, or an epoch later: tonle validator list"))
}

/// Runs `tonle participant add`. `key` signs where `--key` was given.
///
/// # Errors
/// When it cannot be made, is rejected, or is not known to be final in time.
pub async fn admit(signing: &Signing, key: Option<SecretKey>, admission: &Admission) -> Result<()> {
    let permissions = Permissions::of(&[Permission::Pay, Permission::OpenAccounts, Permission::ManageKeys]);
    let mut participant_keys: Vec<_> =
        admission.keys.iter().map(|key| ParticipantKey { key: *key, permissions }).collect();
    participant_keys.sort_by_key(|entry| entry.key);
    participant_keys.dedup_by_key(|entry| entry.key);
    let operation = Operation::AddParticipant(Box::new(AddParticipant {
        participant: participant(&admission.participant)?,
        legal_name: admission.legal_name.clone(),
        bic: admission.bic.clone(),
        role: admission.role,
        keys: participant_keys,
        pay_threshold: admission.threshold,
        open_accounts_threshold: admission.threshold,
        manage_keys_threshold: if admission.keys.is_empty() { 0 } else { admission.threshold },
        encryption_key: admission.encryption_key,
    }));
    let client = Client::open(&signing.target)?;
    let key = signing.key_or_operators(key)?;
    let (transaction, outcome) = submit(&client, &key, operation).await?;
    let transaction_id = Some(transaction.id().to_string());
    match outcome {
        Ok(block) if signing.json => {
            print_json(&Report { result: "final", transaction_id, block: Some(block), ..Report::default() })
        }
        Ok(block) => print(&format!("FINAL  block {block}  {} participates", admission.participant)),
        Err((code, block)) => {
            if signing.json {
                let code = Some(code.clone());
                print_json(&Report {
                    result: "rejected",
                    code,
                    transaction_id,
                    block: Some(block),
                    ..Report::default()
                })?;
            }
            bail!("REJECTED  {code}  block {block}: nothing changed\n{}", advice(&code))
        }
    }
}

/// The operation that makes a change, and the set that it leads to.
fn plan(sets: &Sets, change: &Change) -> Result<(Operation, Vec<Member>)> {
    let mut members = sets.decided().to_vec();
    let position = |id| members.iter().position(|member: &Member| member.participant == id);
    match change {
        Change::Set { participant: name, keys } => {
            let NewKeys { key, network_key } = **keys;
            let id = participant(name)?;
            let place = position(id);
            let standing = place.and_then(|place| members.get(place));
            let missing = |which: &str| {
                anyhow!("{name} does not validate yet: name its {which}\nnext: tonle validator set --help")
            };
            let key = key.or(standing.map(|member| member.key)).ok_or_else(|| missing("--validator-key"))?;
            let network_key =
                network_key.or(standing.map(|member| member.network_key)).ok_or_else(|| missing("--network-key"))?;
            let member = Member { participant: id, key, network_key };
            if standing == Some(&member) {
                bail!("{name} validates with these keys already: nothing to do");
            }
            match place.and_then(|place| members.get_mut(place)) {
                Some(slot) => *slot = member,
                None => members.push(member),
            }
            Ok((Operation::SetValidator(Box::new(member)), members))
        }
        Change::Remove { participant: name } => {
            let id = participant(name)?;
            let place = position(id).with_context(|| {
                format!("{name} has no validator: {} have one\nnext: tonle validator list", names(&members).join(", "))
            })?;
            members.remove(place);
            Ok((Operation::RemoveValidator(RemoveValidator { participant: id }), members))
        }
    }
}

fn participant(name: &str) -> Result<ParticipantId> {
    ParticipantId::new(name).map_err(|_| anyhow!("{name:?} is no participant: write 1 to 30 of a-z 0-9 _ . -"))
}

fn names(members: &[Member]) -> Vec<String> {
    members.iter().map(|member| member.participant.to_string()).collect()
}

async fn sets(client: &Client) -> Result<Sets> {
    let ask = |mut ledger: LedgerServiceClient<Channel>, patience| async move {
        ledger.list_validators(timed(ListValidatorsRequest {}, patience)).await
    };
    let answer = client.ask(ANSWER_PATIENCE, ask).await.map_err(|status| describe(&status))?;
    Sets::of(&answer)
}

/// The block that it is final in, or the code and the block of its rejection.
pub(crate) type Settled = std::result::Result<u64, (String, u64)>;

/// Signs and sends an operation, and waits until it is final.
pub(crate) async fn submit(
    client: &Client,
    key: &SecretKey,
    operation: Operation,
) -> Result<(SignedTransaction, Settled)> {
    let transaction = signed(&client.status().await?, vec![operation], key)?;
    match client.submit_and_wait(&transaction, false, FINAL_PATIENCE).await {
        Ok(answer) => {
            let block = answer.receipt.context("the node answered without a receipt")?.height;
            Ok((transaction, Ok(block)))
        }
        Err(status) => match final_rejection(&status) {
            Some(rejection) => Ok((transaction, Err((reason(&status), rejection.height)))),
            None => Err(describe(&status).context(format!("not known to be final: transaction {}", transaction.id()))),
        },
    }
}

/// What a rejection means, and what to do next.
fn advice(code: &str) -> &'static str {
    match code {
        "NOT_AUTHORIZED" | "THRESHOLD_NOT_MET" => {
            "the key that signed is not the operator's, or too few signed\nnext: sign with the operator's key: --key FILE"
        }
        "UNKNOWN_PARTICIPANT" => "there is no such participant\nnext: tonle participant add --help",
        "PARTICIPANT_EXISTS" => "there is such a participant already\nnext: tonle validator set --help",
        "CANNOT_VALIDATE" => "only a bank or the operator validates\nnext: name one of these",
        "VALIDATOR_KEY_USED" => {
            "a validator used one of these keys before\nnext: make new ones with tonle key new FILE"
        }
        "VALIDATOR_CHANGES_FULL" => "too many changes within two epochs\nnext: wait for the next epoch",
        "EXPIRED" => "it was not ordered within its ten minutes\nnext: ask again",
        _ => "next: tonle validator list shows how the set stands",
    }
}
