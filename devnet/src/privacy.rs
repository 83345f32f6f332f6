//! Personal data on the command line: asked for, sealed for whom the chain names, opened with the keys at hand, shown.
//!
//! Must not know: encrypted key files, how anything is encrypted.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tonle_crypto::{EncryptionKey, SecretKey};
use tonle_ledger::{Operation, ParticipantId, Sealed};
use tonle_proto::v1::{GetParticipantRequest, ListParticipantsRequest, Participant, ParticipantRole, PrivateDetails};

use crate::client::{Client, Target, describe, timed};
use crate::directory::Directory;
use crate::keys;
use crate::sealing::{OpenError, Randomness, Recipients, open, seal};

/// How long a question may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a payment says to the banks concerned and to nobody else.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Details {
    /// What it is for: encrypted for the two banks and the operator
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The payer's name, encrypted likewise
    #[arg(long, value_name = "NAME")]
    pub payer_name: Option<String>,
    /// The payee's name, encrypted likewise
    #[arg(long, value_name = "NAME")]
    pub payee_name: Option<String>,
}

impl Details {
    /// The message to seal, with the payee's account in a bank's own books; `None` when nothing was said.
    #[must_use]
    pub fn message(&self, beneficiary_account: Option<&str>) -> Option<PrivateDetails> {
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        let details = PrivateDetails {
            note: text(self.note.as_deref()),
            payer_name: text(self.payer_name.as_deref()),
            payee_name: text(self.payee_name.as_deref()),
            beneficiary_account: text(beneficiary_account),
        };
        (details != PrivateDetails::default()).then_some(details)
    }
}

/// Seals `details` of something between accounts of two participants. Whoever is on the chain twice of sender, receiver and
/// operator is a recipient twice; without an operator the sender is.
///
/// # Errors
/// When no node answers, a participant is not there, or the details are too long.
pub async fn seal_between(
    client: &Client,
    details: &PrivateDetails,
    sender: ParticipantId,
    receiver: ParticipantId,
) -> Result<Sealed> {
    let sender = encryption_key(&participant(client, sender.as_str()).await?)?;
    let receiver = encryption_key(&participant(client, receiver.as_str()).await?)?;
    let operator = participants(client, ParticipantRole::Operator).await?;
    let operator = operator.first().map(encryption_key).transpose()?.unwrap_or(sender);
    let recipients: Recipients = [sender, receiver, operator];
    let randomness = Randomness::of_system().context("no random source")?;
    Ok(seal(details, &recipients, &randomness)?)
}

fn encryption_key(participant: &Participant) -> Result<EncryptionKey> {
    let bytes = participant.encryption_key.as_ref().try_into().ok();
    let key = bytes.and_then(|bytes| EncryptionKey::from_bytes(bytes).ok());
    key.with_context(|| format!("the node answered without an encryption key of {}", participant.participant))
}

/// A participant, as the first node that answers has it.
///
/// # Errors
/// When there is none, or no node answers.
pub async fn participant(client: &Client, id: &str) -> Result<Participant> {
    let request = GetParticipantRequest { participant: id.to_owned() };
    let answer = client.ask(PATIENCE, |mut ledger, patience| {
        let request = timed(request.clone(), patience);
        async move { ledger.get_participant(request).await }
    });
    let answer = answer.await.map_err(|status| describe(&status))?;
    answer.participant.context("the node answered without a participant")
}

/// All participants of a role; of every role when none is stated.
///
/// # Errors
/// When no node answers.
pub async fn participants(client: &Client, role: ParticipantRole) -> Result<Vec<Participant>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = ListParticipantsRequest { role: role.into(), page_size: 1_000, cursor: cursor.clone() };
        let page = client.ask(PATIENCE, |mut ledger, patience| {
            let request = timed(request.clone(), patience);
            async move { ledger.list_participants(request).await }
        });
        let page = page.await.map_err(|status| describe(&status))?;
        found.extend(page.participants);
        if page.next_cursor.is_empty() {
            return Ok(found);
        }
        cursor = page.next_cursor;
    }
}

/// The development keys in a devnet's folder: every unencrypted key file in it; none where there is no such folder.
#[must_use]
pub fn development_keys(target: &Target) -> Vec<SecretKey> {
    let Ok(directory) = Directory::new(&target.dir) else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(directory.keys()) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().filter_map(|path| keys::load(path).ok()).collect()
}

/// The sealed bytes in an operation.
#[must_use]
pub fn sealed(operation: &Operation) -> Option<&Sealed> {
    match operation {
        Operation::Transfer(transfer) => transfer.sealed.as_ref(),
        Operation::SendToBank(transfer) => Some(&transfer.sealed),
        Operation::RequestToPay(request) => request.sealed.as_ref(),
        _ => None,
    }
}

/// Sealed bytes as they are shown: with what stands in them where a key opens them.
#[derive(Debug, Clone, Serialize)]
pub struct Shown {
    /// How many bytes they are.
    sealed_bytes: usize,
    /// Why they are not open; absent when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    payer_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    payee_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    beneficiary_account: String,
}

impl Shown {
    /// Tries all keys.
    #[must_use]
    pub fn of(sealed: &Sealed, keys: &[SecretKey]) -> Self {
        let (details, closed) = match open(sealed, keys) {
            Ok(details) => (details, None),
            Err(error) => (PrivateDetails::default(), Some(error)),
        };
        let PrivateDetails { note, payer_name, payee_name, beneficiary_account } = details;
        let closed = closed.map(|error: OpenError| error.to_string());
        Shown { sealed_bytes: sealed.as_bytes().len(), closed, note, payer_name, payee_name, beneficiary_account }
    }

    /// Did a key open them?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// For people, on one line: what others wrote cannot move the cursor or change the terminal's colours.
    #[must_use]
    pub fn line(&self) -> String {
        if let Some(closed) = &self.closed {
            let because = if closed == "sealed for others" { String::new() } else { format!(": {closed}") };
            return format!("(sealed, {} bytes{because})", self.sealed_bytes);
        }
        let fields = [
            ("", &self.note),
            ("from ", &self.payer_name),
            ("to ", &self.payee_name),
            ("account ", &self.beneficiary_account),
        ];
        let written = fields.iter().filter(|(_, text)| !text.is_empty());
        let written: Vec<String> = written.map(|(name, text)| format!("{name}{}", printable(text))).collect();
        written.join("; ")
    }
}

/// The text with control characters, and those that turn the direction of writing, escaped.
fn printable(text: &str) -> String {
    let turns =
        |letter: char| matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = |letter: char| letter.is_control() || turns(letter);
    text.chars()
        .map(|letter| if escaped(letter) { letter.escape_default().to_string() } else { letter.to_string() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Details, Shown, printable};
    use crate::keys::KeySource;
    use crate::sealing::{Randomness, seal};

    #[test]
    fn what_others_wrote_does_not_reach_the_terminal_raw() {
        assert_eq!(printable("ថ្ងៃនេះ\u{1b}[31m\n\u{202e}x"), "ថ្ងៃនេះ\\u{1b}[31m\\n\\u{202e}x");
    }

    #[test]
    fn it_is_shown_to_whoever_has_a_key_and_as_sealed_to_others() {
        let key = |name: &str| KeySource::seeded("1").key("encryption", name);
        let recipients = ["aba", "wing", "nbc"].map(|name| key(name).public().encryption_key());
        let details = Details { note: Some("rice".to_owned()), payer_name: Some("Sok".to_owned()), payee_name: None };
        let message = details.message(Some("0011223344")).unwrap();
        let sealed = seal(&message, &recipients, &Randomness::of_system().unwrap()).unwrap();
        for name in ["aba", "wing", "nbc"] {
            let shown = Shown::of(&sealed, &[key("acleda"), key(name)]);
            assert_eq!(shown.line(), "rice; from Sok; account 0011223344");
            let json = serde_json::to_string(&shown).unwrap();
            let expected =
                r#"{"sealed_bytes":524,"note":"rice","payer_name":"Sok","beneficiary_account":"0011223344"}"#;
            assert_eq!(json, expected);
        }
        for keys in [vec![], vec![key("acleda")]] {
            let shown = Shown::of(&sealed, &keys);
            assert_eq!(shown.line(), "(sealed, 524 bytes)");
            assert_eq!(serde_json::to_string(&shown).unwrap(), r#"{"sealed_bytes":524,"closed":"sealed for others"}"#);
        }
        assert!(Details::default().message(None).is_none());
    }
}
