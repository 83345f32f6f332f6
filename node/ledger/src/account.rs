//! An account as the state records it.
//!
//! Must not know: which operations change it, or who may.

use tonle_crypto::{Canonical, CodecError, PublicKey, Reader, Writer};

use crate::{Amount, Asset, MANDATES_MAX, MAX_SIGNATURES, Mandate};

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A person's or a company's money.
    Wallet,
    /// A shop's.
    Merchant,
    /// A participant's own, for settling with others.
    Settlement,
    /// A participant's reserve at the issuer.
    Reserve,
}

impl AccountKind {
    /// The number in canonical bytes and on the wire: 1 to 4.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            AccountKind::Wallet => 1,
            AccountKind::Merchant => 2,
            AccountKind::Settlement => 3,
            AccountKind::Reserve => 4,
        }
    }
    /// The kind of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(AccountKind::Wallet),
            2 => Some(AccountKind::Merchant),
            3 => Some(AccountKind::Settlement),
            4 => Some(AccountKind::Reserve),
            _ => None,
        }
    }
}

/// Whether money may leave or enter an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountStatus {
    /// Both.
    Active,
    /// Nothing leaves.
    DebitsFrozen,
    /// Nothing enters.
    CreditsFrozen,
    /// Neither.
    Frozen,
    /// Neither, for ever.
    Closed,
}

impl AccountStatus {
    /// The number in canonical bytes and on the wire: 1 to 5.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            AccountStatus::Active => 1,
            AccountStatus::DebitsFrozen => 2,
            AccountStatus::CreditsFrozen => 3,
            AccountStatus::Frozen => 4,
            AccountStatus::Closed => 5,
        }
    }
    /// The status of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(AccountStatus::Active),
            2 => Some(AccountStatus::DebitsFrozen),
            3 => Some(AccountStatus::CreditsFrozen),
            4 => Some(AccountStatus::Frozen),
            5 => Some(AccountStatus::Closed),
            _ => None,
        }
    }
}

/// What an account has of one asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The asset.
    pub asset: Asset,
    /// What can be spent.
    pub available: Amount,
    /// What is reserved by holds.
    pub held: Amount,
}

impl Canonical for Balance {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.asset).value(&self.available).value(&self.held);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Balance { asset: reader.value()?, available: reader.value()?, held: reader.value()? })
    }
}

/// An account's record in the state; its name is the key it stands under.
///
/// ```text
/// kind u8 ‖ status u8 ‖ threshold u8 ‖ u32 n ‖ n × key (32 B, ascending)
///   ‖ u32 m ‖ m × ( asset (u32 length, ASCII) ‖ available u64 ‖ held u64 )      (by asset, ascending; none all zero)
///   ‖ u32 k ‖ k × mandate                                                       (in the order in which they were granted)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it is for.
    pub kind: AccountKind,
    /// Whether money may leave or enter.
    pub status: AccountStatus,
    /// How many of `keys` must sign a debit; 0 when there are none.
    pub threshold: u8,
    /// What others may collect from it, in the order in which it was granted; at most [`MANDATES_MAX`].
    pub mandates: Vec<Mandate>,
    keys: Vec<[u8; 32]>,
    balances: Vec<Balance>,
}

/// Most assets one account can hold.
const MAX_BALANCES: usize = 256;

impl Account {
    /// An active account without money. Without `keys`, its participant's keys sign for it.
    #[must_use]
    pub fn new(kind: AccountKind, keys: &[PublicKey], threshold: u8) -> Self {
        let mut keys: Vec<[u8; 32]> = keys.iter().map(|key| *key.as_bytes()).collect();
        keys.sort_unstable();
        Account { kind, status: AccountStatus::Active, threshold, mandates: Vec::new(), keys, balances: Vec::new() }
    }
    /// Its own keys, ascending. Checked to be strong keys when they were set; kept as bytes, because decompressing
    /// a point costs more than executing a transfer.
    #[must_use]
    pub fn keys(&self) -> &[[u8; 32]] {
        &self.keys
    }
    /// All balances, by asset.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }
    /// The balance of one asset; nothing when there is none.
    #[must_use]
    pub fn balance(&self, asset: Asset) -> Balance {
        let none = Balance { asset, available: Amount::ZERO, held: Amount::ZERO };
        self.balances.iter().find(|balance| balance.asset == asset).copied().unwrap_or(none)
    }
    /// Replaces the balance of its asset.
    pub fn set_balance(&mut self, balance: Balance) {
        let empty = balance.available.is_zero() && balance.held.is_zero();
        match self.balances.binary_search_by(|other| other.asset.cmp(&balance.asset)) {
            Ok(at) if empty => {
                self.balances.remove(at);
            }
            Ok(at) => {
                if let Some(slot) = self.balances.get_mut(at) {
                    *slot = balance;
                }
            }
            Err(_) if empty => {}
            Err(at) => self.balances.insert(at, balance),
        }
    }
    /// May money leave it?
    #[must_use]
    pub const fn can_debit(&self) -> bool {
        match self.status {
            AccountStatus::Active | AccountStatus::CreditsFrozen => true,
            AccountStatus::DebitsFrozen | AccountStatus::Frozen | AccountStatus::Closed => false,
        }
    }
    /// May money enter it?
    #[must_use]
    pub const fn can_credit(&self) -> bool {
        match self.status {
            AccountStatus::Active | AccountStatus::DebitsFrozen => true,
            AccountStatus::CreditsFrozen | AccountStatus::Frozen | AccountStatus::Closed => false,
        }
    }
}

/// Do the items ascend strictly?
pub(crate) fn ascending<T: Ord>(items: impl Iterator<Item = T> + Clone) -> bool {
    items.clone().zip(items.skip(1)).all(|(left, right)| left < right)
}

impl Canonical for Account {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(self.kind.number()).u8(self.status.number()).u8(self.threshold).length(self.keys.len());
        for key in &self.keys {
            writer.raw(key);
        }
        writer.list(&self.balances).list(&self.mandates);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = AccountKind::from_number(reader.u8()?).ok_or(CodecError::Invalid("account kind"))?;
        let status = AccountStatus::from_number(reader.u8()?).ok_or(CodecError::Invalid("account status"))?;
        let threshold = reader.u8()?;
        let count = reader.length("account keys", MAX_SIGNATURES)?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            keys.push(reader.array()?);
        }
        let balances: Vec<Balance> = reader.list("balances", MAX_BALANCES)?;
        let none_empty = balances.iter().all(|balance| !balance.available.is_zero() || !balance.held.is_zero());
        if !ascending(keys.iter()) || !ascending(balances.iter().map(|balance| balance.asset)) || !none_empty {
            return Err(CodecError::Invalid("account order"));
        }
        let mandates = reader.list("mandates", MANDATES_MAX)?;
        Ok(Account { kind, status, threshold, mandates, keys, balances })
    }
}
