//! A participant: a bank, a payment provider, the operator, an auditor; its keys and what each may do.
//!
//! Must not know: accounts and operations.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, CodecError, EncryptionKey, PublicKey, Reader, Writer};

use crate::account::ascending;
use crate::{MAX_SIGNATURES, ParticipantId};

/// What a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The central bank that runs the system.
    Operator,
    /// A bank.
    Bank,
    /// A payment provider without a banking licence.
    PaymentProvider,
    /// Sees, and moves nothing.
    Auditor,
}

impl Role {
    /// The number in canonical bytes and on the wire: 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Role::Operator => 1,
            Role::Bank => 2,
            Role::PaymentProvider => 3,
            Role::Auditor => 4,
        }
    }
    /// The role of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Role::Operator),
            2 => Some(Role::Bank),
            3 => Some(Role::PaymentProvider),
            4 => Some(Role::Auditor),
            _ => None,
        }
    }
}

/// What the accounts of a participant may take part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Everything.
    Active,
    /// Money enters and none leaves.
    ReceiveOnly,
    /// Money leaves and none enters: a participant that is being wound down.
    PayOutOnly,
    /// Nothing.
    Suspended,
    /// Nothing, for ever: it was wound down and is no participant any more. Its record stays, because its accounts do,
    /// and whoever came under its name would have them.
    Removed,
}

impl Mode {
    /// The number in canonical bytes and on the wire: 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Mode::Active => 1,
            Mode::ReceiveOnly => 2,
            Mode::PayOutOnly => 3,
            Mode::Suspended => 4,
            Mode::Removed => 5,
        }
    }
    /// The mode of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Mode::Active),
            2 => Some(Mode::ReceiveOnly),
            3 => Some(Mode::PayOutOnly),
            4 => Some(Mode::Suspended),
            5 => Some(Mode::Removed),
            _ => None,
        }
    }
    /// May money leave its accounts?
    #[must_use]
    pub const fn can_debit(self) -> bool {
        match self {
            Mode::Active | Mode::PayOutOnly => true,
            Mode::ReceiveOnly | Mode::Suspended | Mode::Removed => false,
        }
    }
    /// May it change what its accounts are: their keys, status, tier and aliases?
    #[must_use]
    pub const fn can_keep_accounts(self) -> bool {
        match self {
            Mode::Active | Mode::ReceiveOnly | Mode::PayOutOnly => true,
            Mode::Suspended | Mode::Removed => false,
        }
    }
    /// May money enter its accounts, and may it open some?
    #[must_use]
    pub const fn can_credit(self) -> bool {
        match self {
            Mode::Active | Mode::ReceiveOnly => true,
            Mode::PayOutOnly | Mode::Suspended | Mode::Removed => false,
        }
    }
}

/// One thing that a participant's key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Debit the participant's accounts that have no keys of their own.
    Pay,
    /// Open accounts at the participant.
    OpenAccounts,
    /// Issue and redeem the assets whose issuer the participant is.
    Issue,
    /// Replace the participant's keys.
    ManageKeys,
    /// Freeze accounts: the operator's. A key that may freeze may not issue.
    Freeze,
    /// Take money from an account by a court's order: the operator's.
    Seize,
    /// Say who participates and validates, and by which rules: the operator's.
    Govern,
}

impl Permission {
    /// All of them, by bit.
    pub const ALL: [Permission; 7] = [
        Permission::Pay,
        Permission::OpenAccounts,
        Permission::Issue,
        Permission::ManageKeys,
        Permission::Freeze,
        Permission::Seize,
        Permission::Govern,
    ];

    /// Is it an operator's alone?
    #[must_use]
    pub const fn is_operators(self) -> bool {
        match self {
            Permission::Issue | Permission::Freeze | Permission::Seize | Permission::Govern => true,
            Permission::Pay | Permission::OpenAccounts | Permission::ManageKeys => false,
        }
    }
}

/// A set of [`Permission`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u32);

impl Permissions {
    /// May do nothing.
    pub const NONE: Permissions = Permissions(0);
    /// Bit 0 pay, 1 open accounts, 2 issue, 3 manage keys, 4 freeze, 5 seize, 6 govern.
    const KNOWN: u32 = 0b111_1111;

    /// These.
    #[must_use]
    pub fn of(permissions: &[Permission]) -> Self {
        Permissions(permissions.iter().fold(0, |bits, permission| bits | Self::bit(*permission)))
    }
    /// The bits in canonical bytes: 0 pay, 1 open accounts, 2 issue, 3 manage keys, 4 freeze, 5 seize, 6 govern.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
    /// The set of these bits; `None` when one is unknown.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits & !Self::KNOWN == 0 { Some(Permissions(bits)) } else { None }
    }
    /// Is it in the set?
    #[must_use]
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }
    /// Those in it, by bit.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.contains(*permission))
    }
    /// May a key with these both freeze and issue? None may.
    #[must_use]
    pub const fn freeze_and_issue(self) -> bool {
        self.contains(Permission::Freeze) && self.contains(Permission::Issue)
    }
    const fn bit(permission: Permission) -> u32 {
        match permission {
            Permission::Pay => 0b000_0001,
            Permission::OpenAccounts => 0b000_0010,
            Permission::Issue => 0b000_0100,
            Permission::ManageKeys => 0b000_1000,
            Permission::Freeze => 0b001_0000,
            Permission::Seize => 0b010_0000,
            Permission::Govern => 0b100_0000,
        }
    }
}

/// A key of a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantKey {
    /// The key.
    pub key: PublicKey,
    /// What it may do.
    pub permissions: Permissions,
}

impl Canonical for ParticipantKey {
    fn encode_to(&self, writer: &mut Writer) {
        writer.key(&self.key).u32(self.permissions.bits());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let key = reader.key()?;
        let permissions = Permissions::from_bits(reader.u32()?).ok_or(CodecError::Invalid("permissions"))?;
        Ok(ParticipantKey { key, permissions })
    }
}

/// How many keys with a permission must sign to use it; at least 1 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// For [`Permission::Pay`].
    pub pay: u8,
    /// For [`Permission::OpenAccounts`].
    pub open_accounts: u8,
    /// For [`Permission::Issue`].
    pub issue: u8,
    /// For [`Permission::ManageKeys`].
    pub manage_keys: u8,
    /// For [`Permission::Freeze`].
    pub freeze: u8,
    /// For [`Permission::Seize`].
    pub seize: u8,
    /// For [`Permission::Govern`].
    pub govern: u8,
}

impl Default for Thresholds {
    fn default() -> Self {
        Thresholds::from_array([1; 7])
    }
}

impl Thresholds {
    /// That of one permission.
    #[must_use]
    pub const fn of(self, permission: Permission) -> u8 {
        match permission {
            Permission::Pay => self.pay,
            Permission::OpenAccounts => self.open_accounts,
            Permission::Issue => self.issue,
            Permission::ManageKeys => self.manage_keys,
            Permission::Freeze => self.freeze,
            Permission::Seize => self.seize,
            Permission::Govern => self.govern,
        }
    }
    /// By the permissions' bits.
    #[must_use]
    pub fn to_array(self) -> [u8; 7] {
        Permission::ALL.map(|permission| self.of(permission))
    }
    /// By the permissions' bits.
    #[must_use]
    pub const fn from_array([pay, open_accounts, issue, manage_keys, freeze, seize, govern]: [u8; 7]) -> Self {
        Thresholds { pay, open_accounts, issue, manage_keys, freeze, seize, govern }
    }
}

/// How many of `keys` have a permission.
pub(crate) fn holders(keys: &[ParticipantKey], permission: Permission) -> usize {
    keys.iter().filter(|entry| entry.permissions.contains(permission)).count()
}

/// Keys of participants, with how many participants have each.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyCounts(BTreeMap<PublicKey, usize>);

impl KeyCounts {
    pub(crate) fn get(&self, key: &PublicKey) -> usize {
        self.0.get(key).copied().unwrap_or(0)
    }
    pub(crate) fn add(&mut self, participant: &Participant) {
        for entry in &participant.keys {
            let count = self.0.entry(entry.key).or_insert(0);
            *count = count.saturating_add(1);
        }
    }
    pub(crate) fn remove(&mut self, participant: &Participant) {
        for entry in &participant.keys {
            let left = self.get(&entry.key).saturating_sub(1);
            if left == 0 {
                self.0.remove(&entry.key);
            } else {
                self.0.insert(entry.key, left);
            }
        }
    }
}

/// Most bytes of a participant's name in law.
pub(crate) const LEGAL_NAME_BYTES_MAX: usize = 140;
/// Most characters of a business identifier code.
pub(crate) const BIC_BYTES_MAX: usize = 11;

/// Is it empty or in the form of a business identifier code?
pub(crate) fn is_bic(text: &str) -> bool {
    text.len() <= BIC_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

/// A participant's record in the state.
///
/// ```text
/// id ‖ legal name ‖ bic ‖ role u8 ‖ mode u8
///    ‖ thresholds 7 × u8 (pay, open accounts, issue, manage keys, freeze, seize, govern)
///    ‖ u32 n ‖ n × ( key 32 B ‖ permissions u32 )   (ascending by key)       (texts: u32 length, then UTF-8)
///    ‖ encryption key 32 B
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Participant {
    /// Its id.
    pub id: ParticipantId,
    /// Its name in law, at most 140 bytes of UTF-8.
    pub legal_name: String,
    /// Its business identifier code (ISO 9362), at most 11 characters; empty without one.
    pub bic: String,
    /// What it is.
    pub role: Role,
    /// What its accounts may take part in.
    pub mode: Mode,
    /// How many of its keys must sign.
    pub thresholds: Thresholds,
    /// Its keys, ascending; at most 16.
    pub keys: Vec<ParticipantKey>,
    /// Personal data for it is encrypted to this key.
    pub encryption_key: EncryptionKey,
}

fn text(reader: &mut Reader<'_>, what: &'static str, max: usize) -> Result<String, CodecError> {
    let bytes = reader.bytes(what, max)?;
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| CodecError::Invalid(what))
}

impl Canonical for Participant {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.id).bytes(self.legal_name.as_bytes()).bytes(self.bic.as_bytes());
        writer.u8(self.role.number()).u8(self.mode.number());
        for threshold in self.thresholds.to_array() {
            writer.u8(threshold);
        }
        writer.list(&self.keys).value(&self.encryption_key);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let participant = Participant {
            id: reader.value()?,
            legal_name: text(reader, "legal name", LEGAL_NAME_BYTES_MAX)?,
            bic: text(reader, "bic", BIC_BYTES_MAX)?,
            role: Role::from_number(reader.u8()?).ok_or(CodecError::Invalid("role"))?,
            mode: Mode::from_number(reader.u8()?).ok_or(CodecError::Invalid("mode"))?,
            thresholds: Thresholds::from_array(reader.array()?),
            keys: reader.list("participant keys", MAX_SIGNATURES)?,
            encryption_key: reader.value()?,
        };
        if !ascending(participant.keys.iter().map(|entry| entry.key)) {
            return Err(CodecError::Invalid("participant keys"));
        }
        Ok(participant)
    }
}
