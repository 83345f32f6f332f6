//! The fields of `genesis.json`, and their conversion from and to the ledger's genesis.

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tonle_crypto::{EncryptionKey, PublicKey};
use tonle_ledger::{
    Account, AccountId, AccountKind, AccountStatus, Amount, Asset, Balance, Genesis, GenesisAccount, GenesisAsset,
    GenesisValidator, KycTier, Limit, Mode, Parameters, Participant, ParticipantId, ParticipantKey, Permission,
    Permissions, Role, Spent, Thresholds,
};

use crate::sealing::parse_recipient;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Document {
    chain_name: String,
    created_ms: u64,
    protocol_version: u16,
    signature_rule: u16,
    epoch_length: u64,
    checkpoint_every: u64,
    max_lag: u64,
    max_block_bytes: u64,
    max_block_operations: u64,
    idle_interval_ms: u64,
    validators: Vec<ValidatorEntry>,
    participants: Vec<ParticipantEntry>,
    assets: Vec<AssetEntry>,
    pub(super) accounts: Vec<AccountEntry>,
    /// What a chain usually begins with, when absent.
    parameters: Option<ParametersEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParametersEntry {
    /// How long before those of UTC days begin.
    day_offset_ms: u32,
    /// An asset and a tier that stand nowhere have no limit.
    limits: Vec<LimitEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitEntry {
    asset: String,
    tier: TierName,
    /// Absent: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    daily_minor: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hourly: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TierName {
    Basic,
    Partial,
    Full,
    Interbank,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ValidatorEntry {
    participant: String,
    key: String,
    network_key: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ParticipantEntry {
    id: String,
    legal_name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    bic: String,
    role: RoleName,
    #[serde(default)]
    mode: ModeName,
    #[serde(default)]
    thresholds: ThresholdsEntry,
    keys: Vec<KeyEntry>,
    /// X25519, 64 hexadecimal digits. Absent: that of the secret behind the first of its keys that may pay, else of the
    /// first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encryption_key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RoleName {
    Operator,
    Bank,
    PaymentProvider,
    Auditor,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModeName {
    #[default]
    Active,
    ReceiveOnly,
    PayOutOnly,
    Suspended,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdsEntry {
    #[serde(default = "one")]
    pay: u8,
    #[serde(default = "one")]
    open_accounts: u8,
    #[serde(default = "one")]
    issue: u8,
    #[serde(default = "one")]
    manage_keys: u8,
    #[serde(default = "one")]
    freeze: u8,
    #[serde(default = "one")]
    seize: u8,
    /// Missing in documents that do not know of it: there an operator's keys that may issue may govern, as many of them
    /// as issuing needs, which is what those documents meant. Where it is stated, keys may what they say.
    govern: Option<u8>,
}

const fn one() -> u8 {
    1
}

impl Default for ThresholdsEntry {
    fn default() -> Self {
        let mut entry = ThresholdsEntry::of(Thresholds::default());
        entry.govern = None;
        entry
    }
}

impl ThresholdsEntry {
    const fn of(thresholds: Thresholds) -> Self {
        let Thresholds { pay, open_accounts, issue, manage_keys, freeze, seize, govern } = thresholds;
        ThresholdsEntry { pay, open_accounts, issue, manage_keys, freeze, seize, govern: Some(govern) }
    }
    fn thresholds(&self, role: Role) -> Thresholds {
        let ThresholdsEntry { pay, open_accounts, issue, manage_keys, freeze, seize, govern } = *self;
        let govern = govern.unwrap_or(if role == Role::Operator { issue } else { 1 });
        Thresholds { pay, open_accounts, issue, manage_keys, freeze, seize, govern }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyEntry {
    key: String,
    permissions: Vec<PermissionName>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PermissionName {
    Pay,
    OpenAccounts,
    Issue,
    ManageKeys,
    Freeze,
    Seize,
    Govern,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssetEntry {
    code: String,
    number: u16,
    exponent: u8,
    issuer: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountEntry {
    id: String,
    kind: KindName,
    /// Absent: what is usual for the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<TierName>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    threshold: u8,
    balances: Vec<BalanceEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindName {
    Wallet,
    Merchant,
    Settlement,
    Reserve,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BalanceEntry {
    asset: String,
    available_minor: u64,
}

// The signature that serde asks for.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

/// Pairs of the names in JSON and the ledger's values, looked up in both directions.
trait Named: Copy + PartialEq + 'static {
    type Value: Copy + PartialEq + 'static;
    const PAIRS: &'static [(Self, Self::Value)];

    fn value(self) -> Result<Self::Value> {
        Self::PAIRS.iter().find(|(name, _)| *name == self).map(|(_, value)| *value).context("a name without a value")
    }
    fn of(value: Self::Value) -> Result<Self> {
        Self::PAIRS.iter().find(|(_, other)| *other == value).map(|(name, _)| *name).context("a value without a name")
    }
}

impl Named for RoleName {
    type Value = Role;
    const PAIRS: &'static [(Self, Role)] = &[
        (RoleName::Operator, Role::Operator),
        (RoleName::Bank, Role::Bank),
        (RoleName::PaymentProvider, Role::PaymentProvider),
        (RoleName::Auditor, Role::Auditor),
    ];
}

impl Named for ModeName {
    type Value = Mode;
    const PAIRS: &'static [(Self, Mode)] = &[
        (ModeName::Active, Mode::Active),
        (ModeName::ReceiveOnly, Mode::ReceiveOnly),
        (ModeName::PayOutOnly, Mode::PayOutOnly),
        (ModeName::Suspended, Mode::Suspended),
    ];
}

impl Named for KindName {
    type Value = AccountKind;
    const PAIRS: &'static [(Self, AccountKind)] = &[
        (KindName::Wallet, AccountKind::Wallet),
        (KindName::Merchant, AccountKind::Merchant),
        (KindName::Settlement, AccountKind::Settlement),
        (KindName::Reserve, AccountKind::Reserve),
    ];
}

impl Named for TierName {
    type Value = KycTier;
    const PAIRS: &'static [(Self, KycTier)] = &[
        (TierName::Basic, KycTier::Basic),
        (TierName::Partial, KycTier::Partial),
        (TierName::Full, KycTier::Full),
        (TierName::Interbank, KycTier::Interbank),
    ];
}

impl Named for PermissionName {
    type Value = Permission;
    const PAIRS: &'static [(Self, Permission)] = &[
        (PermissionName::Pay, Permission::Pay),
        (PermissionName::OpenAccounts, Permission::OpenAccounts),
        (PermissionName::Issue, Permission::Issue),
        (PermissionName::ManageKeys, Permission::ManageKeys),
        (PermissionName::Freeze, Permission::Freeze),
        (PermissionName::Seize, Permission::Seize),
        (PermissionName::Govern, Permission::Govern),
    ];
}

fn key(text: &str) -> Result<PublicKey> {
    let bytes: Option<[u8; 32]> = hex::decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.with_context(|| format!("{text:?} is not 64 hexadecimal digits"))?;
    PublicKey::from_bytes(&bytes).with_context(|| format!("{text} cannot be used"))
}

/// The key that is stated, or the one that follows from a participant's own.
fn encryption_key(stated: Option<&str>, keys: &[ParticipantKey]) -> Result<EncryptionKey> {
    if let Some(text) = stated {
        return parse_recipient(text).with_context(|| format!("{text:?} is no X25519 key"));
    }
    let paying = keys.iter().find(|entry| entry.permissions.contains(Permission::Pay));
    let key = paying.or(keys.first()).context("absent, and there is no key that it could follow from")?;
    Ok(key.key.encryption_key())
}

/// Converts a list, and says which entry of which list is wrong.
fn each<T, U>(list: &str, items: Vec<T>, convert: impl Fn(T) -> Result<U>) -> Result<Vec<U>> {
    let convert = |(index, item)| convert(item).with_context(|| format!("{list}[{index}]"));
    items.into_iter().enumerate().map(convert).collect()
}

impl Document {
    /// The ledger's genesis, its lists in order. Not checked as a whole.
    pub(super) fn into_genesis(self) -> Result<Genesis> {
        let assets = each("assets", self.assets, AssetEntry::into_asset)?;
        let parameters = match self.parameters {
            Some(parameters) => parameters.into_parameters().context("parameters")?,
            None => Parameters::initial(&assets),
        };
        let genesis = Genesis {
            parameters,
            chain_name: self.chain_name,
            created_ms: self.created_ms,
            protocol_version: self.protocol_version,
            signature_rule: self.signature_rule,
            epoch_length: self.epoch_length,
            checkpoint_every: self.checkpoint_every,
            max_lag: self.max_lag,
            max_block_bytes: self.max_block_bytes,
            max_block_operations: self.max_block_operations,
            idle_interval_ms: self.idle_interval_ms,
            participants: each("participants", self.participants, ParticipantEntry::into_participant)?,
            assets,
            accounts: each("accounts", self.accounts, AccountEntry::into_account)?,
            validators: each("validators", self.validators, ValidatorEntry::into_validator)?,
        };
        Ok(genesis.sorted())
    }

    pub(super) fn of(genesis: &Genesis) -> Result<Self> {
        Ok(Document {
            chain_name: genesis.chain_name.clone(),
            created_ms: genesis.created_ms,
            protocol_version: genesis.protocol_version,
            signature_rule: genesis.signature_rule,
            epoch_length: genesis.epoch_length,
            checkpoint_every: genesis.checkpoint_every,
            max_lag: genesis.max_lag,
            max_block_bytes: genesis.max_block_bytes,
            max_block_operations: genesis.max_block_operations,
            idle_interval_ms: genesis.idle_interval_ms,
            validators: genesis.validators.iter().map(ValidatorEntry::of).collect(),
            participants: genesis.participants.iter().map(ParticipantEntry::of).collect::<Result<_>>()?,
            assets: genesis.assets.iter().map(AssetEntry::of).collect(),
            accounts: genesis.accounts.iter().map(AccountEntry::of).collect::<Result<_>>()?,
            parameters: Some(ParametersEntry::of(&genesis.parameters)?),
        })
    }
}

impl ValidatorEntry {
    fn into_validator(self) -> Result<GenesisValidator> {
        Ok(GenesisValidator {
            participant: ParticipantId::new(&self.participant).context("participant")?,
            key: key(&self.key).context("key")?,
            network_key: key(&self.network_key).context("network_key")?,
        })
    }

    fn of(validator: &GenesisValidator) -> Self {
        ValidatorEntry {
            participant: validator.participant.to_string(),
            key: validator.key.to_string(),
            network_key: validator.network_key.to_string(),
        }
    }
}

impl ParticipantEntry {
    fn into_participant(self) -> Result<Participant> {
        ensure!(self.legal_name.len() <= 140, "legal_name: longer than 140 bytes");
        ensure!(
            self.bic.len() <= 11 && self.bic.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()),
            "bic: {:?} is not at most 11 characters of A-Z and 0-9",
            self.bic
        );
        let role = self.role.value()?;
        // See `ThresholdsEntry::govern`.
        let issuers_govern = role == Role::Operator && self.thresholds.govern.is_none();
        let keys = each("keys", self.keys, |entry| entry.into_key(issuers_govern))?;
        let encryption_key = encryption_key(self.encryption_key.as_deref(), &keys).context("encryption_key")?;
        Ok(Participant {
            id: ParticipantId::new(&self.id).context("id")?,
            legal_name: self.legal_name,
            bic: self.bic,
            role,
            mode: self.mode.value()?,
            thresholds: self.thresholds.thresholds(role),
            keys,
            encryption_key,
        })
    }

    fn of(participant: &Participant) -> Result<Self> {
        Ok(ParticipantEntry {
            id: participant.id.to_string(),
            legal_name: participant.legal_name.clone(),
            bic: participant.bic.clone(),
            role: RoleName::of(participant.role)?,
            mode: ModeName::of(participant.mode)?,
            thresholds: ThresholdsEntry::of(participant.thresholds),
            keys: participant.keys.iter().map(KeyEntry::of).collect(),
            encryption_key: Some(participant.encryption_key.to_string()),
        })
    }
}

impl KeyEntry {
    fn into_key(self, issuers_govern: bool) -> Result<ParticipantKey> {
        let mut permissions: Vec<Permission> =
            self.permissions.iter().map(|name| name.value()).collect::<Result<_>>()?;
        if issuers_govern && permissions.contains(&Permission::Issue) {
            permissions.push(Permission::Govern);
        }
        Ok(ParticipantKey { key: key(&self.key).context("key")?, permissions: Permissions::of(&permissions) })
    }

    fn of(entry: &ParticipantKey) -> Self {
        let held = PermissionName::PAIRS.iter().filter(|(_, permission)| entry.permissions.contains(*permission));
        KeyEntry { key: entry.key.to_string(), permissions: held.map(|(name, _)| *name).collect() }
    }
}

impl AssetEntry {
    fn into_asset(self) -> Result<GenesisAsset> {
        Ok(GenesisAsset {
            asset: Asset::new(&self.code).context("code")?,
            number: self.number,
            exponent: self.exponent,
            issuer: ParticipantId::new(&self.issuer).context("issuer")?,
        })
    }

    fn of(asset: &GenesisAsset) -> Self {
        AssetEntry {
            code: asset.asset.to_string(),
            number: asset.number,
            exponent: asset.exponent,
            issuer: asset.issuer.to_string(),
        }
    }
}

impl ParametersEntry {
    fn into_parameters(self) -> Result<Parameters> {
        let mut parameters = Parameters::new(self.day_offset_ms).context("day_offset_ms is a day or more")?;
        for entry in each("limits", self.limits, LimitEntry::into_limit)? {
            let (asset, tier, limit) = entry;
            let before = parameters.set_limit(asset, tier, limit);
            ensure!(before == Limit::NONE, "limits: {asset} stands twice for a tier");
        }
        Ok(parameters)
    }

    fn of(parameters: &Parameters) -> Result<Self> {
        let limit = |(asset, tier, limit): (Asset, KycTier, Limit)| {
            let daily_minor = limit.daily.map(Amount::minor);
            Ok(LimitEntry { asset: asset.to_string(), tier: TierName::of(tier)?, daily_minor, hourly: limit.hourly })
        };
        let limits = parameters.limits().map(limit).collect::<Result<_>>()?;
        Ok(ParametersEntry { day_offset_ms: parameters.day_offset_ms(), limits })
    }
}

impl LimitEntry {
    fn into_limit(self) -> Result<(Asset, KycTier, Limit)> {
        let asset = Asset::new(&self.asset).context("asset")?;
        let (daily, hourly) = (self.daily_minor, self.hourly);
        ensure!(daily != Some(0) && hourly != Some(0), "a limit of zero; leave it out for none");
        ensure!(daily.is_some() || hourly.is_some(), "{asset}: neither daily_minor nor hourly");
        let limit = Limit::from_numbers(daily.unwrap_or(0), hourly.unwrap_or(0));
        Ok((asset, self.tier.value()?, limit.with_context(|| format!("{asset}: a limit above its bound"))?))
    }
}

impl AccountEntry {
    fn into_account(self) -> Result<GenesisAccount> {
        let id = AccountId::new(&self.id).with_context(|| format!("id: {:?}", self.id))?;
        let keys = each("keys", self.keys, |text| key(&text))?;
        let kind = self.kind.value()?;
        let tier = self.tier.map(Named::value).transpose()?;
        let mut account = Account::new(kind, &keys, self.threshold).with_tier(tier.unwrap_or(kind.usual_tier()));
        for balance in self.balances {
            let asset = Asset::new(&balance.asset).context("balances: asset")?;
            ensure!(account.balance(asset).available.is_zero(), "balances: {asset} stands twice");
            ensure!(balance.available_minor > 0, "balances: {asset}: available_minor is zero; leave it out");
            let available = Amount::from_minor(balance.available_minor);
            account.set_balance(Balance::new(asset, available, Amount::ZERO));
        }
        Ok(GenesisAccount { id, account })
    }

    fn of(entry: &GenesisAccount) -> Result<Self> {
        ensure!(
            entry.account.effective_status() == AccountStatus::Active,
            "{} is frozen or closed, which genesis cannot say",
            entry.id
        );
        let mut balances = Vec::new();
        for balance in entry.account.balances() {
            ensure!(balance.spent == Spent::NONE, "{} spent something, which genesis has no place for", entry.id);
            if !balance.held.is_zero() {
                bail!("{} holds reserved money, which genesis has no place for", entry.id);
            }
            balances
                .push(BalanceEntry { asset: balance.asset.to_string(), available_minor: balance.available.minor() });
        }
        Ok(AccountEntry {
            id: entry.id.to_string(),
            kind: KindName::of(entry.account.kind)?,
            tier: Some(TierName::of(entry.account.tier)?),
            keys: entry.account.keys().iter().map(hex::encode).collect(),
            threshold: entry.account.threshold,
            balances,
        })
    }
}
