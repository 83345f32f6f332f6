//! `tonle genesis`: makes the file that a chain starts from, and shows what stands in one so that banks can compare.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tonle_crypto::{Digest, EncryptionKey, PublicKey};
use tonle_devnet::sealing::parse_recipient;
use tonle_ledger::{
    Account, AccountId, AccountKind, Amount, Asset, Balance, Genesis, GenesisAccount, GenesisAsset, GenesisValidator,
    KycTier, Mode, Parameters, Participant, ParticipantId, ParticipantKey, Permission, Permissions, Role, Thresholds,
};
use tonle_node::key_file::KeyFile;

use super::{print, print_json};

const AFTER_HELP: &str = "\
Examples:
  tonle genesis new genesis.json --chain riel-pilot \\
    --operator nbc=nbc.key --bank aba=aba.key --bank wing=wing.key --encryption-key aba=aba-encryption.key \\
    --validator aba=KEY,NETWORK-KEY --validator wing=KEY,NETWORK-KEY --account alice@aba=1,000,000KHR \\
    --account bob@wing
  tonle genesis show genesis.json

KEY is 64 hexadecimal digits (`tonle key show` prints them) or the path of a key file, of which the public half is
taken. The file is JSON, made to be read, completed and reviewed; `show` refuses one that does not hold. Every
participant compares the digest, over the telephone by its words, before it runs a node.";

/// Assets of a new chain: code, ISO 4217 number, decimals. The operator issues them.
const ASSETS: [(&str, u16, u8); 2] = [("KHR", 116, 2), ("USD", 840, 2)];

/// Subcommands of `tonle genesis`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub(crate) enum Command {
    /// Write the genesis file of a new chain.
    #[command(after_help = AFTER_HELP)]
    New(New),
    /// Check a genesis file and show its digest, its validators and their quorum.
    Show {
        /// The genesis file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `tonle genesis new`.
#[derive(Debug, clap::Args)]
pub(crate) struct New {
    /// The file to write; an existing one is kept.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The chain's name.
    #[arg(long, value_name = "NAME")]
    chain: String,
    /// The operator (central bank): it issues the assets.
    #[arg(long, value_name = "ID=KEY")]
    operator: String,
    /// A bank, and the key that signs its payments; repeat for each.
    #[arg(long = "bank", value_name = "ID=KEY")]
    banks: Vec<String>,
    /// What is sealed for a participant is encrypted to this key: 64 hexadecimal digits, age1..., or a key file; without
    /// it, to the key that follows from the one that signs.
    #[arg(long = "encryption-key", value_name = "ID=KEY")]
    encryption_keys: Vec<String>,
    /// A participant that runs a validator: its validator key and its network key; repeat for each.
    #[arg(long = "validator", value_name = "ID=KEY,NETWORK-KEY", required = true)]
    validators: Vec<String>,
    /// An account, with its opening balance in one asset if it has any; repeat for each account and asset.
    #[arg(long = "account", value_name = "NAME@ID[=AMOUNT]")]
    accounts: Vec<String>,
    /// Overwrite an existing file.
    #[arg(long)]
    force: bool,
    /// Print one JSON object, as `show --json` does.
    #[arg(long)]
    json: bool,
}

/// Does what `command` says.
pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::New(new) => {
            ensure!(new.force || !new.file.exists(), "{} exists; --force overwrites it", new.file.display());
            let genesis = build(new)?;
            std::fs::write(&new.file, tonle_devnet::genesis::to_json(&genesis)?)
                .with_context(|| format!("cannot write {}", new.file.display()))?;
            show(&genesis, new.json)
        }
        Command::Show { file, json } => show(&tonle_devnet::genesis::read(file)?, *json),
    }
}

fn build(new: &New) -> anyhow::Result<Genesis> {
    let (operator, operator_key) = pair(&new.operator)?;
    let operator_id = ParticipantId::new(operator)?;
    let mut participants = vec![participant(operator, operator_key, Role::Operator)?];
    for bank in &new.banks {
        let (id, bank_key) = pair(bank)?;
        participants.push(participant(id, bank_key, Role::Bank)?);
    }
    for entry in &new.encryption_keys {
        let (id, key) = pair(entry)?;
        let found = participants.iter_mut().find(|participant| participant.id.as_str() == id);
        found.with_context(|| format!("--encryption-key {entry}: no such participant"))?.encryption_key =
            recipient(key)?;
    }
    let mut validators = Vec::new();
    for validator in &new.validators {
        let (id, keys) = pair(validator)?;
        let (consensus_key, network_key) =
            keys.split_once(',').with_context(|| format!("--validator {validator}: write ID=KEY,NETWORK-KEY"))?;
        validators.push(GenesisValidator {
            participant: ParticipantId::new(id)?,
            key: key(consensus_key)?,
            network_key: key(network_key)?,
        });
    }
    let assets = ASSETS
        .iter()
        .map(|(code, number, exponent)| {
            let asset = Asset::new(code)?;
            Ok(GenesisAsset { asset, number: *number, exponent: *exponent, issuer: operator_id })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let genesis = Genesis {
        chain_name: new.chain.clone(),
        created_ms: u64::try_from(now.as_millis())?,
        participants,
        parameters: Parameters::initial(&assets),
        assets,
        accounts: accounts(&new.accounts)?,
        validators,
        ..tonle_devnet::defaults::parameters()
    }
    .sorted();
    genesis.check()?;
    Ok(genesis)
}

/// `ID=VALUE`.
fn pair(text: &str) -> anyhow::Result<(&str, &str)> {
    text.split_once('=').with_context(|| format!("{text}: write ID=VALUE"))
}

/// 64 hexadecimal digits, or a key file.
fn key(text: &str) -> anyhow::Result<PublicKey> {
    if let Some(bytes) = Digest::from_hex(text) {
        return PublicKey::from_bytes(bytes.as_bytes()).with_context(|| format!("{text} is no usable key"));
    }
    let path = Path::new(text);
    ensure!(path.exists(), "{text} is neither 64 hexadecimal digits nor a key file");
    Ok(KeyFile::read(path)?.public)
}

/// 64 hexadecimal digits or `age1…` of an X25519 key, or a key file.
pub(super) fn recipient(text: &str) -> anyhow::Result<EncryptionKey> {
    if let Some(key) = parse_recipient(text) {
        return Ok(key);
    }
    let path = Path::new(text);
    ensure!(path.exists(), "{text} is neither 64 hexadecimal digits nor age1... of an X25519 key, nor a key file");
    Ok(KeyFile::read(path)?.public.encryption_key())
}

fn participant(id: &str, signing_key: &str, role: Role) -> anyhow::Result<Participant> {
    let mut permissions = vec![Permission::Pay, Permission::OpenAccounts, Permission::ManageKeys];
    if role == Role::Operator {
        permissions.extend([Permission::Issue, Permission::Govern]);
    }
    let signing_key = key(signing_key)?;
    Ok(Participant {
        id: ParticipantId::new(id).with_context(|| format!("participant {id}"))?,
        legal_name: id.to_owned(),
        bic: String::new(),
        role,
        mode: Mode::Active,
        thresholds: Thresholds::default(),
        keys: vec![ParticipantKey { key: signing_key, permissions: Permissions::of(&permissions) }],
        encryption_key: signing_key.encryption_key(),
    })
}

fn accounts(arguments: &[String]) -> anyhow::Result<Vec<GenesisAccount>> {
    let mut accounts: BTreeMap<AccountId, Account> = BTreeMap::new();
    for argument in arguments {
        let (name, amount) = argument.split_once('=').unwrap_or((argument, ""));
        let id = AccountId::new(name).with_context(|| format!("account {name}"))?;
        let account =
            accounts.entry(id).or_insert_with(|| Account::new(AccountKind::Wallet, &[], 0).with_tier(KycTier::Full));
        if name == argument {
            continue;
        }
        let Some((code, _, exponent)) = ASSETS.iter().find(|(code, ..)| amount.ends_with(code)) else {
            bail!("--account {argument}: end the amount with KHR or USD, such as 1,000,000KHR");
        };
        let number = amount.trim_end_matches(code).trim_end();
        let minor = tonle_devnet::amount::parse(number, u32::from(*exponent))
            .with_context(|| format!("--account {argument}"))?;
        account.set_balance(Balance::new(Asset::new(code)?, Amount::from_minor(minor), Amount::ZERO));
    }
    Ok(accounts.into_iter().map(|(id, account)| GenesisAccount { id, account }).collect())
}

fn show(genesis: &Genesis, json: bool) -> anyhow::Result<()> {
    let digest = genesis.digest();
    let count = genesis.validators.len();
    let faults = count.saturating_sub(1) / 3;
    if json {
        let validators: Vec<_> = genesis
            .validators
            .iter()
            .map(|validator| {
                json!({
                    "participant": validator.participant.to_string(),
                    "key": validator.key.to_string(),
                    "network_key": validator.network_key.to_string(),
                })
            })
            .collect();
        return print_json(&json!({
            "chain": genesis.chain_name,
            "digest": digest.to_string(),
            "words": words(&digest),
            "validators": validators,
            "quorum": count - faults,
            "faults_tolerated": faults,
            "participants": genesis.participants.len(),
            "accounts": genesis.accounts.len(),
        }));
    }
    let mut lines = vec![
        format!("chain   {}", genesis.chain_name),
        format!("digest  {digest}"),
        format!("words   {}", words(&digest)),
        format!("quorum  {} of {count} validators; {faults} may fail", count - faults),
    ];
    for validator in &genesis.validators {
        lines.push(format!(
            "        {}  key {}  network {}",
            validator.participant, validator.key, validator.network_key
        ));
    }
    let (participants, accounts) = (genesis.participants.len(), genesis.accounts.len());
    lines.push(format!("holds   {participants} participants, {} assets, {accounts} accounts", genesis.assets.len()));
    print(&lines.join("\n"))
}

/// A digest as 16 pronounceable words of 16 bits each: proquints (Wilkerson 2009), five letters, consonants for four
/// bits and vowels for two, the highest bits first.
fn words(digest: &Digest) -> String {
    const CONSONANTS: [char; 16] = ['b', 'd', 'f', 'g', 'h', 'j', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z'];
    const VOWELS: [char; 4] = ['a', 'i', 'o', 'u'];
    let word = |pair: &[u8]| -> String {
        let bits = pair.iter().fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        [
            CONSONANTS[bits >> 12 & 15],
            VOWELS[bits >> 10 & 3],
            CONSONANTS[bits >> 6 & 15],
            VOWELS[bits >> 4 & 3],
            CONSONANTS[bits & 15],
        ]
        .iter()
        .collect()
    };
    digest.as_bytes().chunks_exact(2).map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tonle_crypto::Digest;

    use super::words;

    /// The examples of the proquint paper: 127.0.0.1 is lusab-babad, 63.84.220.193 is gutih-tugad.
    #[test]
    fn words_are_proquints() {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&[127, 0, 0, 1, 63, 84, 220, 193]);
        let words = words(&Digest::from_bytes(bytes));
        assert!(words.starts_with("lusab babad gutih tugad babab"), "{words}");
        assert_eq!(words.split(' ').count(), 16);
    }
}
