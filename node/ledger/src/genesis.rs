//! Genesis: what all nodes of a chain agree on before its first block. Its digest is the chain's name.
//!
//! Must not know: its JSON form, or consensus's types.

use tonle_crypto::{Canonical, CodecError, Digest, Domain, PublicKey, Reader, Writer};

use crate::account::ascending;
use crate::participant::{LEGAL_NAME_BYTES_MAX, is_bic};
use crate::{
    Account, AccountId, Asset, MAX_SIGNATURES, Member, Mode, Parameters, Participant, ParticipantId, Role,
    VALIDATORS_MAX,
};

static GENESIS: Domain = Domain::new("tonle v1 genesis");

/// Most participants of a chain.
pub(crate) const MAX_PARTICIPANTS: usize = 10_000;
/// Most assets.
const MAX_ASSETS: usize = 256;
/// Most accounts that genesis opens.
const MAX_ACCOUNTS: usize = 10_000_000;

/// Why a genesis cannot found a ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisInvalid {
    /// A list is not strictly ascending, so something stands twice or out of order.
    #[error("genesis: {0} not in strictly ascending order")]
    NotAscending(&'static str),
    /// Something names a participant that is not there.
    #[error("genesis: {what} names participant {participant}, which is not there")]
    NoParticipant {
        /// Who names it.
        what: &'static str,
        /// The name.
        participant: ParticipantId,
    },
    /// An account holds an asset that is not there.
    #[error("genesis: {account} holds {asset}, which is not there")]
    NoAsset {
        /// The account.
        account: AccountId,
        /// The asset.
        asset: Asset,
    },
    /// An issuer is not the operator.
    #[error("genesis: the issuer of {0} is not an operator")]
    IssuerNotOperator(Asset),
    /// There are limits in an asset that is not there.
    #[error("genesis: limits in {0}, which is not there")]
    LimitsWithoutAsset(Asset),
    /// An account is of a tier that its kind cannot have.
    #[error("genesis: {0} cannot be of its tier")]
    Tier(AccountId),
    /// A threshold is zero or cannot be reached, a key is weak, or there are too many.
    #[error("genesis: keys or thresholds of {0} cannot work")]
    Keys(String),
    /// A key may both freeze and issue.
    #[error("genesis: a key of {0} may both freeze and issue")]
    FreezeAndIssue(ParticipantId),
    /// A number is out of its range.
    #[error("genesis: {0} out of range")]
    Range(&'static str),
}

/// An asset at genesis; its supply is the sum of the opening balances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisAsset {
    /// Its code.
    pub asset: Asset,
    /// Its ISO 4217 number; 0 without one.
    pub number: u16,
    /// Decimal places between a major and a minor unit, 0 to 18.
    pub exponent: u8,
    /// Who may issue and redeem it: an operator.
    pub issuer: ParticipantId,
}

/// An account at genesis, with its opening balances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisAccount {
    /// Its name.
    pub id: AccountId,
    /// Its record.
    pub account: Account,
}

/// A validator at genesis: a member of the first set.
pub type GenesisValidator = Member;

/// What all nodes of a chain agree on before its first block.
///
/// Canonical bytes: the fields in the order below; the chain digest is
/// `BLAKE3.derive_key("tonle v1 genesis", canonical bytes)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Genesis {
    /// A name for people, 1 to 64 bytes of UTF-8.
    pub chain_name: String,
    /// When it was made, ms since the Unix epoch: the time of height 0.
    pub created_ms: u64,
    /// Protocol version of the first block.
    pub protocol_version: u16,
    /// The signature acceptance rule: 1.
    pub signature_rule: u16,
    /// Heights of an epoch.
    pub epoch_length: u64,
    /// Heights between two checkpoints that are due.
    pub checkpoint_every: u64,
    /// Most heights that the newest checkpoint may lag behind its header.
    pub max_lag: u64,
    /// Most bytes of new data in one block.
    pub max_block_bytes: u64,
    /// Most operations of new data in one block.
    pub max_block_operations: u64,
    /// Time between blocks when there is nothing to order, ms.
    pub idle_interval_ms: u64,
    /// All participants, ascending by id.
    pub participants: Vec<Participant>,
    /// All assets, ascending by code.
    pub assets: Vec<GenesisAsset>,
    /// All accounts, ascending by name.
    pub accounts: Vec<GenesisAccount>,
    /// The first epoch's validators; their order gives their indexes.
    pub validators: Vec<GenesisValidator>,
    /// Limits, and when a day begins.
    pub parameters: Parameters,
}

impl Genesis {
    /// The chain digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        GENESIS.digest(&self.encode())
    }

    /// Puts the lists that must ascend in order. Validators keep theirs.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.participants.sort_by_key(|participant| participant.id);
        for participant in &mut self.participants {
            participant.keys.sort_by_key(|entry| entry.key);
        }
        self.assets.sort_by_key(|asset| asset.asset);
        self.accounts.sort_by_key(|account| account.id);
        self
    }

    /// The participant of this id.
    #[must_use]
    pub fn participant(&self, id: ParticipantId) -> Option<&Participant> {
        let at = self.participants.binary_search_by_key(&id, |participant| participant.id).ok()?;
        self.participants.get(at)
    }

    /// Can it found a ledger?
    ///
    /// # Errors
    /// [`GenesisInvalid`]: the first reason why not.
    pub fn check(&self) -> Result<(), GenesisInvalid> {
        self.check_parameters()?;
        if !ascending(self.participants.iter().map(|participant| participant.id)) {
            return Err(GenesisInvalid::NotAscending("participants"));
        }
        self.participants.iter().try_for_each(check_participant)?;
        if !ascending(self.assets.iter().map(|asset| asset.asset)) {
            return Err(GenesisInvalid::NotAscending("assets"));
        }
        self.assets.iter().try_for_each(|asset| self.check_asset(asset))?;
        if !ascending(self.accounts.iter().map(|account| account.id)) {
            return Err(GenesisInvalid::NotAscending("accounts"));
        }
        self.accounts.iter().try_for_each(|account| self.check_account(account))?;
        self.check_limits()?;
        self.check_validators()
    }

    fn check_parameters(&self) -> Result<(), GenesisInvalid> {
        let in_range = [
            ("chain name", !self.chain_name.is_empty() && self.chain_name.len() <= 64),
            ("signature rule", self.signature_rule == 1),
            ("epoch length", self.epoch_length > 0),
            ("checkpoint interval", self.checkpoint_every > 0),
            ("checkpoint lag", self.max_lag > 0),
            ("block bytes", self.max_block_bytes > 0),
            ("block operations", self.max_block_operations > 0),
            ("idle interval", self.idle_interval_ms > 0),
            ("participants", !self.participants.is_empty() && self.participants.len() <= MAX_PARTICIPANTS),
            ("assets", self.assets.len() <= MAX_ASSETS),
            ("accounts", self.accounts.len() <= MAX_ACCOUNTS),
            ("validators", !self.validators.is_empty() && self.validators.len() <= VALIDATORS_MAX),
        ];
        match in_range.iter().find(|(_, holds)| !holds) {
            Some((what, _)) => Err(GenesisInvalid::Range(what)),
            None => Ok(()),
        }
    }

    fn check_limits(&self) -> Result<(), GenesisInvalid> {
        let mut assets = self.parameters.assets();
        let missing = assets.find(|asset| self.assets.binary_search_by_key(asset, |entry| entry.asset).is_err());
        match missing {
            Some(asset) => Err(GenesisInvalid::LimitsWithoutAsset(asset)),
            None if self.parameters.is_in_bounds() => Ok(()),
            None => Err(GenesisInvalid::Range("limits")),
        }
    }

    fn check_asset(&self, asset: &GenesisAsset) -> Result<(), GenesisInvalid> {
        let missing = GenesisInvalid::NoParticipant { what: "an asset", participant: asset.issuer };
        let issuer = self.participant(asset.issuer).ok_or(missing)?;
        if issuer.role != Role::Operator {
            return Err(GenesisInvalid::IssuerNotOperator(asset.asset));
        }
        if asset.exponent > 18 { Err(GenesisInvalid::Range("exponent")) } else { Ok(()) }
    }

    fn check_account(&self, entry: &GenesisAccount) -> Result<(), GenesisInvalid> {
        let (id, account) = (entry.id, &entry.account);
        let missing = GenesisInvalid::NoParticipant { what: "an account", participant: id.participant() };
        self.participant(id.participant()).ok_or(missing)?;
        for balance in account.balances() {
            if self.assets.binary_search_by_key(&balance.asset, |asset| asset.asset).is_err() {
                return Err(GenesisInvalid::NoAsset { account: id, asset: balance.asset });
            }
        }
        if !account.kind.can_be(account.tier) {
            return Err(GenesisInvalid::Tier(id));
        }
        let strong = account.keys().iter().all(|key| PublicKey::from_bytes(key).is_ok());
        let threshold = usize::from(account.threshold);
        let reachable = threshold <= account.keys().len() && (threshold == 0) == account.keys().is_empty();
        let few = account.keys().len() <= MAX_SIGNATURES;
        if few && strong && reachable && ascending(account.keys().iter()) {
            Ok(())
        } else {
            Err(GenesisInvalid::Keys(id.to_string()))
        }
    }

    fn check_validators(&self) -> Result<(), GenesisInvalid> {
        for validator in &self.validators {
            let missing = GenesisInvalid::NoParticipant { what: "a validator", participant: validator.participant };
            self.participant(validator.participant).ok_or(missing)?;
        }
        let mut participants: Vec<_> = self.validators.iter().map(|validator| validator.participant).collect();
        participants.sort_unstable();
        if !ascending(participants.iter()) {
            return Err(GenesisInvalid::NotAscending("validators"));
        }
        let mut keys: Vec<PublicKey> =
            self.validators.iter().flat_map(|validator| [validator.key, validator.network_key]).collect();
        keys.sort_unstable();
        if ascending(keys.iter()) { Ok(()) } else { Err(GenesisInvalid::NotAscending("validator keys")) }
    }
}

fn check_participant(participant: &Participant) -> Result<(), GenesisInvalid> {
    let thresholds = participant.thresholds.to_array();
    let too_many = participant.keys.len() > MAX_SIGNATURES;
    if too_many || thresholds.contains(&0) || !ascending(participant.keys.iter().map(|entry| entry.key)) {
        return Err(GenesisInvalid::Keys(participant.id.to_string()));
    }
    if participant.keys.iter().any(|entry| entry.permissions.freeze_and_issue()) {
        return Err(GenesisInvalid::FreezeAndIssue(participant.id));
    }
    if participant.mode == Mode::Removed {
        return Err(GenesisInvalid::Range("mode"));
    }
    if participant.legal_name.len() > LEGAL_NAME_BYTES_MAX {
        return Err(GenesisInvalid::Range("legal name"));
    }
    if is_bic(&participant.bic) { Ok(()) } else { Err(GenesisInvalid::Range("bic")) }
}

impl Canonical for GenesisAsset {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.asset).u16(self.number).u8(self.exponent).value(&self.issuer);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(GenesisAsset {
            asset: reader.value()?,
            number: reader.u16()?,
            exponent: reader.u8()?,
            issuer: reader.value()?,
        })
    }
}

impl Canonical for GenesisAccount {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.id).value(&self.account);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(GenesisAccount { id: reader.value()?, account: reader.value()? })
    }
}

impl Canonical for Genesis {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(self.chain_name.as_bytes()).u64(self.created_ms);
        writer.u16(self.protocol_version).u16(self.signature_rule);
        writer.u64(self.epoch_length).u64(self.checkpoint_every).u64(self.max_lag);
        writer.u64(self.max_block_bytes).u64(self.max_block_operations).u64(self.idle_interval_ms);
        writer.list(&self.participants).list(&self.assets).list(&self.accounts).list(&self.validators);
        writer.value(&self.parameters);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let chain_name = reader.bytes("chain name", 64)?;
        let chain_name = std::str::from_utf8(chain_name).map_err(|_| CodecError::Invalid("chain name"))?.to_owned();
        Ok(Genesis {
            chain_name,
            created_ms: reader.u64()?,
            protocol_version: reader.u16()?,
            signature_rule: reader.u16()?,
            epoch_length: reader.u64()?,
            checkpoint_every: reader.u64()?,
            max_lag: reader.u64()?,
            max_block_bytes: reader.u64()?,
            max_block_operations: reader.u64()?,
            idle_interval_ms: reader.u64()?,
            participants: reader.list("participants", MAX_PARTICIPANTS)?,
            assets: reader.list("assets", MAX_ASSETS)?,
            accounts: reader.list("accounts", MAX_ACCOUNTS)?,
            validators: reader.list("validators", VALIDATORS_MAX)?,
            parameters: reader.value()?,
        })
    }
}
