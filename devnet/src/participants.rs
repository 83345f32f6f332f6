//! `tonle participant show` and `keys`: who participates, with which keys, and changes of these.
//!
//! Must not know: key files, how an operation is signed and sent.

use std::collections::BTreeMap;

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use tonle_crypto::{EncryptionKey, PublicKey};
use tonle_ledger::{
    Operation, ParticipantId, ParticipantKey, Permission, Permissions, SetEncryptionKey, SetParticipantKeys, Thresholds,
};
use tonle_proto::v1::{Participant, ParticipantMode, ParticipantRole};

use crate::client::{Client, Target};
use crate::orders::{Order, Signing, Terms};
use crate::privacy;
use crate::screen::{print, print_json, table};
use crate::sealing::recipient_text;

/// Arguments of `tonle participant keys`.
#[derive(Debug, Clone, clap::Args)]
pub struct Keys {
    /// The participant
    participant: String,
    /// What is sealed for it is encrypted to this key from now on: 64 hexadecimal digits, age1..., or a key file
    #[arg(long, value_name = "KEY|FILE")]
    encryption_key: Option<String>,
    /// A key that may pay
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key", requires = "manage_keys")]
    pay: Vec<String>,
    /// A key that may open accounts
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key", requires = "manage_keys")]
    open_accounts: Vec<String>,
    /// A key that may replace these keys; there must be one
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key")]
    manage_keys: Vec<String>,
    /// A key that may issue: the operator's alone, as the next ones are
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key", requires = "manage_keys")]
    issue: Vec<String>,
    /// A key that may freeze
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key", requires = "manage_keys")]
    freeze: Vec<String>,
    /// A key that may seize
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key", requires = "manage_keys")]
    seize: Vec<String>,
    /// A key that may govern
    #[arg(long, value_name = "KEY|FILE", conflicts_with = "encryption_key", requires = "manage_keys")]
    govern: Vec<String>,
    /// How many of the keys with a permission must sign, where that many have it
    #[arg(long, default_value_t = 1)]
    threshold: u8,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Reads the public halves of keys, as digits or from files.
pub trait ReadKeys {
    /// An ed25519 key.
    ///
    /// # Errors
    /// When it is none.
    fn public_key(&self, text: &str) -> Result<PublicKey>;
    /// An X25519 key.
    ///
    /// # Errors
    /// When it is none.
    fn encryption_key(&self, text: &str) -> Result<EncryptionKey>;
}

/// A change of keys, ready to be signed.
#[derive(Debug)]
pub struct Change {
    signing: Signing,
    operation: Operation,
}

impl Keys {
    /// The change that it asks for.
    ///
    /// # Errors
    /// When it names no key, or something that is none.
    pub fn order(&self, read: &impl ReadKeys) -> Result<Change> {
        let name = &self.participant;
        let participant = ParticipantId::new(name).map_err(|_| anyhow!("{name:?} is no participant"))?;
        if let Some(text) = &self.encryption_key {
            let encryption_key = read.encryption_key(text)?;
            let operation = Operation::SetEncryptionKey(SetEncryptionKey { participant, encryption_key });
            return Ok(Change { signing: self.signing.clone(), operation });
        }
        let named =
            [&self.pay, &self.open_accounts, &self.issue, &self.manage_keys, &self.freeze, &self.seize, &self.govern];
        let mut permissions: BTreeMap<PublicKey, Vec<Permission>> = BTreeMap::new();
        let mut thresholds = [1; 7];
        for ((permission, texts), threshold) in Permission::ALL.into_iter().zip(named).zip(&mut thresholds) {
            for text in texts {
                permissions.entry(read.public_key(text)?).or_default().push(permission);
            }
            let holders = permissions.values().filter(|held| held.contains(&permission)).count();
            *threshold = self.threshold.min(u8::try_from(holders).unwrap_or(u8::MAX)).max(1);
        }
        if self.manage_keys.is_empty() {
            bail!("name new keys, --manage-keys among them, or an --encryption-key: tonle participant keys --help");
        }
        let keys = permissions.into_iter();
        let keys = keys.map(|(key, held)| ParticipantKey { key, permissions: Permissions::of(&held) }).collect();
        let change = SetParticipantKeys { participant, keys, thresholds: Thresholds::from_array(thresholds) };
        let operation = Operation::SetParticipantKeys(Box::new(change));
        Ok(Change { signing: self.signing.clone(), operation })
    }
}

impl Order for Change {
    fn signing(&self) -> &Signing {
        &self.signing
    }
    fn operation(&self, _: &Terms) -> Result<Operation> {
        Ok(self.operation.clone())
    }
}

/// What `--json` prints of a participant.
#[derive(Debug, Serialize)]
struct Report {
    participant: String,
    legal_name: String,
    bic: String,
    role: &'static str,
    mode: &'static str,
    keys: Vec<KeyReport>,
    encryption_key: String,
    /// The same as the age tool takes it.
    age_recipient: String,
}

#[derive(Debug, Serialize)]
struct KeyReport {
    key: String,
    may: Vec<&'static str>,
}

/// Shows one participant or all.
///
/// # Errors
/// When there is no such participant, or no node answers.
pub async fn show(target: &Target, name: Option<&str>, json: bool) -> Result<()> {
    let client = Client::open(target)?;
    let found = match name {
        Some(name) => vec![privacy::participant(&client, name).await?],
        None => privacy::participants(&client, ParticipantRole::Unspecified).await?,
    };
    let reports = found.iter().map(Report::of).collect::<Result<Vec<_>>>()?;
    if json {
        return reports.iter().try_for_each(print_json);
    }
    if name.is_none() {
        let row = |report: &Report| {
            let Report { participant, legal_name, role, mode, age_recipient, .. } = report;
            vec![participant.clone(), legal_name.clone(), (*role).into(), (*mode).into(), age_recipient.clone()]
        };
        let rows: Vec<Vec<String>> = reports.iter().map(row).collect();
        return print(&table(&["participant", "name", "role", "mode", "encryption key"], &rows));
    }
    for report in &reports {
        print(&format!("{}  {}  {}  {}", report.participant, report.legal_name, report.role, report.mode))?;
        for key in &report.keys {
            print(&format!("key {}  {}", key.key, key.may.join(", ")))?;
        }
        print(&format!("encryption key {}  {}", report.encryption_key, report.age_recipient))?;
    }
    Ok(())
}

impl Report {
    fn of(participant: &Participant) -> Result<Self> {
        let bytes = participant.encryption_key.as_ref().try_into().ok();
        let key = bytes.and_then(|bytes| EncryptionKey::from_bytes(bytes).ok());
        let key = key.context("the node answered without an encryption key")?;
        Ok(Report {
            participant: participant.participant.clone(),
            legal_name: participant.legal_name.clone(),
            bic: participant.bic.clone(),
            role: role(participant.role()),
            mode: mode(participant.mode()),
            keys: participant.keys.iter().map(KeyReport::of).collect(),
            encryption_key: key.to_string(),
            age_recipient: recipient_text(&key),
        })
    }
}

impl KeyReport {
    fn of(entry: &tonle_proto::v1::ParticipantKey) -> Self {
        let held = [
            (entry.may_pay, "pay"),
            (entry.may_open_accounts, "open accounts"),
            (entry.may_issue, "issue"),
            (entry.may_manage_keys, "manage keys"),
            (entry.may_freeze, "freeze"),
            (entry.may_seize, "seize"),
            (entry.may_govern, "govern"),
        ];
        let may = held.into_iter().filter_map(|(may, what)| may.then_some(what)).collect();
        KeyReport { key: hex::encode(&entry.key), may }
    }
}

const fn role(role: ParticipantRole) -> &'static str {
    match role {
        ParticipantRole::Operator => "operator",
        ParticipantRole::Bank => "bank",
        ParticipantRole::PaymentProvider => "payment provider",
        ParticipantRole::Auditor => "auditor",
        ParticipantRole::Unspecified => "unknown",
    }
}

const fn mode(mode: ParticipantMode) -> &'static str {
    match mode {
        ParticipantMode::Active => "active",
        ParticipantMode::ReceiveOnly => "receive only",
        ParticipantMode::PayOutOnly => "pay out only",
        ParticipantMode::Suspended => "suspended",
        ParticipantMode::Removed => "removed",
        ParticipantMode::Unspecified => "unknown",
    }
}
