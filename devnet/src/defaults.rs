//! What a new devnet starts with: the operator and the banks, their development keys, the assets, and accounts with
//! money, ten thousand of them for load.

use anyhow::{Context, Result, ensure};
use tonle_ledger::{
    Account, AccountId, AccountKind, Amount, Asset, Balance, Genesis, GenesisAccount, GenesisAsset, GenesisValidator,
    KycTier, Mode, Parameters, Participant, ParticipantId, ParticipantKey, Permission, Permissions, Role, Thresholds,
};

use crate::keys::KeySource;

/// The participant that issues the assets. It runs no validator.
pub const OPERATOR: &str = "nbc";
/// Most validators of a devnet: one for each bank below.
pub const VALIDATORS_MAX: usize = BANKS.len();
/// Banks that are there in every devnet, validators or not.
const BANKS_MIN: usize = 4;
/// Accounts made for load, over all participants.
pub const LOAD_ACCOUNTS: usize = 10_000;
/// What their names begin with.
pub const LOAD_PREFIX: &str = "load-";
/// What each of them has, in minor units: 1,000,000 riel.
pub(crate) const LOAD_BALANCE_MINOR: u64 = 100_000_000;

/// Ids and names of banks and payment providers that work in Cambodia; the first ones are validators.
const BANKS: [(&str, &str); 31] = [
    ("aba", "Advanced Bank of Asia"),
    ("acleda", "ACLEDA Bank"),
    ("wing", "Wing Bank"),
    ("canadia", "Canadia Bank"),
    ("sathapana", "Sathapana Bank"),
    ("prince", "Prince Bank"),
    ("ppcbank", "Phnom Penh Commercial Bank"),
    ("ftb", "Foreign Trade Bank of Cambodia"),
    ("maybank", "Maybank Cambodia"),
    ("cimb", "CIMB Bank"),
    ("vattanac", "Vattanac Bank"),
    ("chipmong", "Chip Mong Commercial Bank"),
    ("hattha", "Hattha Bank"),
    ("prasac", "KB PRASAC Bank"),
    ("woori", "Woori Bank Cambodia"),
    ("shinhan", "Shinhan Bank Cambodia"),
    ("amret", "Amret"),
    ("campu", "Cambodian Public Bank"),
    ("jtrust", "J Trust Royal Bank"),
    ("phillip", "Phillip Bank"),
    ("rhb", "RHB Bank Cambodia"),
    ("ucb", "Union Commercial Bank"),
    ("bred", "BRED Bank Cambodia"),
    ("bridge", "BRIDGE Bank Cambodia"),
    ("oriental", "Oriental Bank"),
    ("alpha", "Alpha Commercial Bank"),
    ("hengfeng", "Heng Feng Bank"),
    ("icbc", "Industrial and Commercial Bank of China, Phnom Penh"),
    ("boc", "Bank of China, Phnom Penh"),
    ("aeon", "AEON Specialized Bank"),
    ("truemoney", "TrueMoney Cambodia"),
];

/// What a key is for; part of how a seed gives it.
const PARTICIPANT: &str = "participant";
const VALIDATOR: &str = "validator";
const NETWORK: &str = "network";
const ENCRYPTION: &str = "encryption";

/// People's accounts: name, asset, minor units.
const PEOPLE: [(&str, &str, u64); 8] = [
    ("alice@aba", "KHR", 100_000_000),
    ("alice@aba", "USD", 50_000),
    ("bob@wing", "USD", 25_000),
    ("bob@wing", "KHR", 20_000_000),
    ("sokha@acleda", "KHR", 50_000_000),
    ("sokha@acleda", "USD", 10_000),
    ("dara@canadia", "KHR", 75_000_000),
    ("reserve@nbc", "KHR", 1_000_000_000_000),
];

/// The secret keys behind a devnet's genesis.
#[derive(Debug, Clone)]
pub struct DevelopmentKeys(KeySource);

impl DevelopmentKeys {
    /// From a source.
    #[must_use]
    pub fn new(source: KeySource) -> Self {
        DevelopmentKeys(source)
    }
    /// Signs a participant's transactions.
    #[must_use]
    pub fn participant(&self, id: &str) -> tonle_crypto::SecretKey {
        self.0.key(PARTICIPANT, id)
    }
    /// Signs a validator's votes and batches.
    #[must_use]
    pub fn validator(&self, id: &str) -> tonle_crypto::SecretKey {
        self.0.key(VALIDATOR, id)
    }
    /// Opens what is sealed for a participant.
    #[must_use]
    pub fn encryption(&self, id: &str) -> tonle_crypto::SecretKey {
        self.0.key(ENCRYPTION, id)
    }
    /// Authenticates a validator's connections.
    #[must_use]
    pub fn network(&self, id: &str) -> tonle_crypto::SecretKey {
        self.0.key(NETWORK, id)
    }
}

/// The genesis of a devnet of `validators` validators, made at `created_ms`.
///
/// # Errors
/// When `validators` is 0 or above [`VALIDATORS_MAX`].
pub fn genesis(validators: usize, keys: &KeySource, created_ms: u64) -> Result<Genesis> {
    ensure!((1..=VALIDATORS_MAX).contains(&validators), "a devnet has 1 to {VALIDATORS_MAX} validators");
    let keys = DevelopmentKeys::new(keys.clone());
    let banks = BANKS.get(..validators.max(BANKS_MIN)).context("as many banks as validators")?;
    let mut participants = vec![participant(OPERATOR, "National Bank of Cambodia", Role::Operator, &keys)?];
    for (id, name) in banks {
        participants.push(participant(id, name, Role::Bank, &keys)?);
    }
    let mut assets = Vec::new();
    for (code, number) in [("KHR", 116), ("USD", 840)] {
        assets.push(GenesisAsset {
            asset: Asset::new(code)?,
            number,
            exponent: 2,
            issuer: ParticipantId::new(OPERATOR)?,
        });
    }
    let mut members = Vec::new();
    for (id, _) in banks.iter().take(validators) {
        members.push(GenesisValidator {
            participant: ParticipantId::new(id)?,
            key: keys.validator(id).public(),
            network_key: keys.network(id).public(),
        });
    }
    let mut ids: Vec<ParticipantId> = participants.iter().map(|participant| participant.id).collect();
    ids.sort_unstable();
    let genesis = Genesis {
        parameters: Parameters::initial(&assets),
        chain_name: "tonle-devnet".to_owned(),
        created_ms,
        participants,
        assets,
        accounts: accounts(&ids)?,
        validators: members,
        ..parameters()
    }
    .sorted();
    genesis.check()?;
    Ok(genesis)
}

/// The protocol's parameters that every new chain starts with, in a genesis that holds nobody and nothing yet.
#[must_use]
pub fn parameters() -> Genesis {
    Genesis {
        chain_name: String::new(),
        created_ms: 0,
        protocol_version: 1,
        signature_rule: 1,
        epoch_length: 3_600,
        checkpoint_every: 1,
        max_lag: 64,
        // Twice the largest batch, so that a block always has room for one.
        max_block_bytes: 4 * 1024 * 1024,
        max_block_operations: 32_768,
        idle_interval_ms: 1_000,
        participants: Vec::new(),
        assets: Vec::new(),
        accounts: Vec::new(),
        validators: Vec::new(),
        parameters: Parameters::default(),
    }
}

/// Whose development key freezes accounts for an operator: one that may issue may not.
pub(crate) fn freezing_key(operator: &str) -> String {
    format!("{operator}-freeze")
}

fn participant(id: &str, legal_name: &str, role: Role, keys: &DevelopmentKeys) -> Result<Participant> {
    let may = |owner: &str, permissions: &[Permission]| ParticipantKey {
        key: keys.participant(owner).public(),
        permissions: Permissions::of(permissions),
    };
    let mut permissions = vec![Permission::Pay, Permission::OpenAccounts, Permission::ManageKeys];
    let mut participant_keys = Vec::new();
    if role == Role::Operator {
        permissions.extend([Permission::Issue, Permission::Seize, Permission::Govern]);
        participant_keys.push(may(&freezing_key(id), &[Permission::Freeze]));
    }
    participant_keys.push(may(id, &permissions));
    participant_keys.sort_by_key(|entry| entry.key);
    Ok(Participant {
        id: ParticipantId::new(id)?,
        legal_name: legal_name.to_owned(),
        bic: String::new(),
        role,
        mode: Mode::Active,
        thresholds: Thresholds::default(),
        keys: participant_keys,
        encryption_key: keys.encryption(id).public().encryption_key(),
    })
}

fn accounts(participants: &[ParticipantId]) -> Result<Vec<GenesisAccount>> {
    let mut accounts: Vec<GenesisAccount> = Vec::new();
    for (name, asset, minor) in PEOPLE {
        let id = AccountId::new(name)?;
        if accounts.last().is_none_or(|last| last.id != id) {
            let kind = if name.starts_with("reserve@") { AccountKind::Reserve } else { AccountKind::Wallet };
            accounts.push(GenesisAccount { id, account: known(kind) });
        }
        if let Some(last) = accounts.last_mut() {
            last.account.set_balance(balance(asset, minor)?);
        }
    }
    let opening = balance("KHR", LOAD_BALANCE_MINOR)?;
    for (number, participant) in (0..LOAD_ACCOUNTS).zip(participants.iter().cycle()) {
        let mut account = known(AccountKind::Wallet);
        account.set_balance(opening);
        accounts.push(GenesisAccount { id: load_account(number, *participant)?, account });
    }
    Ok(accounts)
}

/// An account of somebody who is fully known, so that experiments do not end at a limit.
fn known(kind: AccountKind) -> Account {
    let tier = if kind == AccountKind::Wallet { KycTier::Full } else { kind.usual_tier() };
    Account::new(kind, &[], 0).with_tier(tier)
}

/// The name of a load account. They go round the participants, which stand in order of their ids.
///
/// # Errors
/// When the participant's id is too long for it.
pub fn load_account(number: usize, participant: ParticipantId) -> Result<AccountId> {
    Ok(AccountId::new(&format!("{LOAD_PREFIX}{number:05}@{participant}"))?)
}

fn balance(asset: &str, minor: u64) -> Result<Balance> {
    Ok(Balance::new(Asset::new(asset)?, Amount::from_minor(minor), Amount::ZERO))
}

#[cfg(test)]
mod tests {
    use super::{LOAD_ACCOUNTS, LOAD_PREFIX, VALIDATORS_MAX, genesis};
    use crate::keys::KeySource;

    #[test]
    fn every_size_of_devnet_has_a_genesis_that_holds() {
        for validators in 1..=VALIDATORS_MAX {
            let genesis = genesis(validators, &KeySource::seeded("1"), 1).unwrap();
            assert_eq!(genesis.validators.len(), validators);
            let load = genesis.accounts.iter().filter(|account| account.id.name().starts_with(LOAD_PREFIX));
            assert_eq!(load.count(), LOAD_ACCOUNTS);
            let banks: std::collections::BTreeSet<_> =
                genesis.accounts.iter().map(|account| account.id.participant()).collect();
            assert_eq!(banks.len(), genesis.participants.len());
        }
        assert!(genesis(0, &KeySource::seeded("1"), 1).is_err());
        assert!(genesis(VALIDATORS_MAX + 1, &KeySource::seeded("1"), 1).is_err());
    }

    #[test]
    fn the_first_four_validators_are_the_documented_ones() {
        let genesis = genesis(4, &KeySource::seeded("1"), 1).unwrap();
        let names: Vec<String> = genesis.validators.iter().map(|validator| validator.participant.to_string()).collect();
        assert_eq!(names, ["aba", "acleda", "wing", "canadia"]);
    }
}
