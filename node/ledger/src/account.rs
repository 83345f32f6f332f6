//! An account as the state records it.
//!
//! Must not know: which operations change it, or who may.

use tonle_crypto::{Canonical, CodecError, PublicKey, Reader, Writer};

use crate::{Amount, Asset, KycTier, LocalHour, MANDATES_MAX, MAX_SIGNATURES, Mandate, Reference};

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
    /// The tier of an account of this kind of which nothing else is said.
    #[must_use]
    pub const fn usual_tier(self) -> KycTier {
        match self {
            AccountKind::Wallet | AccountKind::Merchant => KycTier::Basic,
            AccountKind::Settlement | AccountKind::Reserve => KycTier::Interbank,
        }
    }
    /// May an account of this kind be of this tier? Interbank limits are for participants' own accounts.
    #[must_use]
    pub const fn can_be(self, tier: KycTier) -> bool {
        match self {
            AccountKind::Wallet | AccountKind::Merchant => !matches!(tier, KycTier::Interbank),
            AccountKind::Settlement | AccountKind::Reserve => true,
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
    /// May money leave?
    #[must_use]
    pub const fn can_debit(self) -> bool {
        match self {
            AccountStatus::Active | AccountStatus::CreditsFrozen => true,
            AccountStatus::DebitsFrozen | AccountStatus::Frozen | AccountStatus::Closed => false,
        }
    }
    /// May money enter?
    #[must_use]
    pub const fn can_credit(self) -> bool {
        match self {
            AccountStatus::Active | AccountStatus::DebitsFrozen => true,
            AccountStatus::CreditsFrozen | AccountStatus::Frozen | AccountStatus::Closed => false,
        }
    }
    /// What both allow.
    #[must_use]
    pub const fn stricter(self, other: AccountStatus) -> AccountStatus {
        if matches!(self, AccountStatus::Closed) || matches!(other, AccountStatus::Closed) {
            return AccountStatus::Closed;
        }
        match (self.can_debit() && other.can_debit(), self.can_credit() && other.can_credit()) {
            (true, true) => AccountStatus::Active,
            (false, true) => AccountStatus::DebitsFrozen,
            (true, false) => AccountStatus::CreditsFrozen,
            (false, false) => AccountStatus::Frozen,
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

/// What left an account in one asset by its own will: in the day and in the hour of the last time that something did. It
/// is nobody's claim to money; an account that has none left keeps it, so that what comes in the same day finds it.
///
/// ```text
/// 0 | 1 ‖ hour u32 ‖ count u32 ‖ amount u64
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// The hour of the last time.
    pub hour: LocalHour,
    /// How many times in that hour; 0 only when nothing ever left.
    pub count: u32,
    /// How much in the day of that hour, less what was held and went back.
    pub amount: Amount,
}

impl Spent {
    /// Nothing left ever.
    pub const NONE: Spent = Spent { hour: LocalHour::from_number(0), count: 0, amount: Amount::ZERO };

    /// How much left in this hour's day.
    #[must_use]
    pub fn in_day_of(&self, now: LocalHour) -> Amount {
        if self.hour.day() == now.day() { self.amount } else { Amount::ZERO }
    }
    /// How many times something left in this hour.
    #[must_use]
    pub fn times_in(&self, now: LocalHour) -> u32 {
        if self.hour == now { self.count } else { 0 }
    }
}

impl Canonical for Spent {
    fn encode_to(&self, writer: &mut Writer) {
        if self.count == 0 {
            writer.u8(0);
        } else {
            writer.u8(1).u32(self.hour.number()).u32(self.count).value(&self.amount);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if !reader.bool()? {
            return Ok(Spent::NONE);
        }
        let (hour, count, amount) = (LocalHour::from_number(reader.u32()?), reader.u32()?, reader.value()?);
        if count == 0 { Err(CodecError::Invalid("spent")) } else { Ok(Spent { hour, count, amount }) }
    }
}

/// What an account has of one asset, and what left it lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// The asset.
    pub asset: Asset,
    /// What can be spent.
    pub available: Amount,
    /// What is reserved by holds.
    pub held: Amount,
    /// What left by the account's own will, for its limits.
    pub spent: Spent,
}

impl Balance {
    /// Of an account that spent nothing yet.
    #[must_use]
    pub const fn new(asset: Asset, available: Amount, held: Amount) -> Self {
        Balance { asset, available, held, spent: Spent::NONE }
    }
    /// Is there no money?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.available.is_zero() && self.held.is_zero()
    }
    /// Is there nothing to record?
    const fn is_nothing(&self) -> bool {
        self.is_empty() && self.spent.count == 0
    }
}

impl Canonical for Balance {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.asset).value(&self.available).value(&self.held).value(&self.spent);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (asset, available, held) = (reader.value()?, reader.value()?, reader.value()?);
        Ok(Balance { asset, available, held, spent: reader.value()? })
    }
}

/// An order of the operator that freezes an account, whatever its keeper says.
///
/// ```text
/// reference (u32 length, then ASCII) ‖ status u8        (2 to 4)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeOrder {
    /// What it is known by, such as a court's number.
    pub reference: Reference,
    /// What it freezes: debits, credits or both.
    pub status: AccountStatus,
}

impl Canonical for FreezeOrder {
    fn encode_to(&self, writer: &mut Writer) {
        writer.bytes(self.reference.as_str().as_bytes()).u8(self.status.number());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let reference = reader.bytes("order reference", 64)?;
        let reference = std::str::from_utf8(reference).ok().and_then(|text| Reference::new(text).ok());
        let reference = reference.ok_or(CodecError::Invalid("order reference"))?;
        let status = AccountStatus::from_number(reader.u8()?).ok_or(CodecError::Invalid("order"))?;
        if matches!(status, AccountStatus::Active | AccountStatus::Closed) {
            return Err(CodecError::Invalid("order"));
        }
        Ok(FreezeOrder { reference, status })
    }
}

/// An account's record in the state; its name is the key it stands under.
///
/// ```text
/// kind u8 ‖ status u8 ‖ tier u8 ‖ threshold u8 ‖ u32 n ‖ n × key (32 B, ascending)
///   ‖ u32 o ‖ o × order                                         (by reference, ascending; at most 8)
///   ‖ u32 m ‖ m × ( asset (u32 length, ASCII) ‖ available u64 ‖ held u64 ‖ spent )
///                                                               (by asset, ascending; none all zero with nothing spent)
///   ‖ u32 k ‖ k × mandate                                       (in the order in which they were granted)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it is for.
    pub kind: AccountKind,
    /// Whether money may leave or enter, by its keeper. See [`Account::effective_status`].
    pub status: AccountStatus,
    /// How well its keeper knows whose it is.
    pub tier: KycTier,
    /// How many of `keys` must sign a debit; 0 when there are none.
    pub threshold: u8,
    /// What others may collect from it, in the order in which it was granted; at most [`MANDATES_MAX`].
    pub mandates: Vec<Mandate>,
    keys: Vec<[u8; 32]>,
    orders: Vec<FreezeOrder>,
    balances: Vec<Balance>,
}

/// Most assets one account can hold.
const MAX_BALANCES: usize = 256;
/// Most orders that freeze one account at once.
pub const FREEZE_ORDERS_MAX: usize = 8;

impl Account {
    /// An active account without money, of the tier that is usual for its kind. Without `keys`, its participant's keys
    /// sign for it.
    #[must_use]
    pub fn new(kind: AccountKind, keys: &[PublicKey], threshold: u8) -> Self {
        let (orders, balances) = (Vec::new(), Vec::new());
        let (status, tier) = (AccountStatus::Active, kind.usual_tier());
        let (mandates, no_keys) = (Vec::new(), Vec::new());
        let mut account = Account { kind, status, tier, threshold, mandates, keys: no_keys, orders, balances };
        account.set_keys(keys, threshold);
        account
    }
    /// The same account with another tier.
    #[must_use]
    pub fn with_tier(self, tier: KycTier) -> Self {
        Account { tier, ..self }
    }
    /// The same account as a chain begins with: what it spent does not count any more.
    #[must_use]
    pub fn with_nothing_spent(mut self) -> Self {
        for balance in &mut self.balances {
            balance.spent = Spent::NONE;
        }
        self.balances.retain(|balance| !balance.is_nothing());
        self
    }
    /// Its own keys, ascending. Checked to be strong keys when they were set; kept as bytes, because decompressing
    /// a point costs more than executing a transfer.
    #[must_use]
    pub fn keys(&self) -> &[[u8; 32]] {
        &self.keys
    }
    /// Replaces its own keys.
    pub fn set_keys(&mut self, keys: &[PublicKey], threshold: u8) {
        self.keys = keys.iter().map(|key| *key.as_bytes()).collect();
        self.keys.sort_unstable();
        self.threshold = threshold;
    }
    /// The orders that freeze it, by reference.
    #[must_use]
    pub fn orders(&self) -> &[FreezeOrder] {
        &self.orders
    }
    /// Puts an order on it, or replaces the one of this reference. `false` when there are [`FREEZE_ORDERS_MAX`] others.
    pub(crate) fn put_order(&mut self, order: FreezeOrder) -> bool {
        match self.orders.binary_search_by(|other| other.reference.cmp(&order.reference)) {
            Ok(at) => {
                if let Some(slot) = self.orders.get_mut(at) {
                    *slot = order;
                }
                true
            }
            Err(_) if self.orders.len() >= FREEZE_ORDERS_MAX => false,
            Err(at) => {
                self.orders.insert(at, order);
                true
            }
        }
    }
    /// Lifts the order of this reference. `false` when there is none.
    pub(crate) fn lift_order(&mut self, reference: &Reference) -> bool {
        let before = self.orders.len();
        self.orders.retain(|order| order.reference != *reference);
        self.orders.len() < before
    }
    /// Closes it: it has no money; what it spent and granted is forgotten.
    pub(crate) fn close(&mut self) {
        self.status = AccountStatus::Closed;
        self.balances.clear();
        self.mandates.clear();
    }
    /// All balances, by asset.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        &self.balances
    }
    /// Has it money of any asset, available or held?
    #[must_use]
    pub fn has_money(&self) -> bool {
        self.balances.iter().any(|balance| !balance.is_empty())
    }
    /// The balance of one asset; nothing when there is none.
    #[must_use]
    pub fn balance(&self, asset: Asset) -> Balance {
        let none = Balance::new(asset, Amount::ZERO, Amount::ZERO);
        self.balances.iter().find(|balance| balance.asset == asset).copied().unwrap_or(none)
    }
    /// Replaces the balance of its asset.
    pub fn set_balance(&mut self, balance: Balance) {
        let nothing = balance.is_nothing();
        match self.balances.binary_search_by(|other| other.asset.cmp(&balance.asset)) {
            Ok(at) if nothing => {
                self.balances.remove(at);
            }
            Ok(at) => {
                if let Some(slot) = self.balances.get_mut(at) {
                    *slot = balance;
                }
            }
            Err(_) if nothing => {}
            Err(at) => self.balances.insert(at, balance),
        }
    }
    /// What its keeper and all orders allow together.
    #[must_use]
    pub fn effective_status(&self) -> AccountStatus {
        self.orders.iter().fold(self.status, |status, order| status.stricter(order.status))
    }
    /// May money leave it?
    #[must_use]
    pub fn can_debit(&self) -> bool {
        self.status.can_debit() && self.orders.iter().all(|order| order.status.can_debit())
    }
    /// May money enter it?
    #[must_use]
    pub fn can_credit(&self) -> bool {
        self.status.can_credit() && self.orders.iter().all(|order| order.status.can_credit())
    }
}

/// Do the items ascend strictly?
pub(crate) fn ascending<T: Ord>(items: impl Iterator<Item = T> + Clone) -> bool {
    items.clone().zip(items.skip(1)).all(|(left, right)| left < right)
}

impl Canonical for Account {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(self.kind.number()).u8(self.status.number()).u8(self.tier.number()).u8(self.threshold);
        writer.length(self.keys.len());
        for key in &self.keys {
            writer.raw(key);
        }
        writer.list(&self.orders).list(&self.balances).list(&self.mandates);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let kind = AccountKind::from_number(reader.u8()?).ok_or(CodecError::Invalid("account kind"))?;
        let status = AccountStatus::from_number(reader.u8()?).ok_or(CodecError::Invalid("account status"))?;
        let tier = KycTier::from_number(reader.u8()?).ok_or(CodecError::Invalid("account tier"))?;
        let threshold = reader.u8()?;
        let count = reader.length("account keys", MAX_SIGNATURES)?;
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            keys.push(reader.array()?);
        }
        let orders: Vec<FreezeOrder> = reader.list("freeze orders", FREEZE_ORDERS_MAX)?;
        let balances: Vec<Balance> = reader.list("balances", MAX_BALANCES)?;
        let in_order = ascending(keys.iter()) && ascending(orders.iter().map(|order| &order.reference));
        let none_empty = balances.iter().all(|balance| !balance.is_nothing());
        if !in_order || !ascending(balances.iter().map(|balance| balance.asset)) || !none_empty {
            return Err(CodecError::Invalid("account order"));
        }
        let mandates = reader.list("mandates", MANDATES_MAX)?;
        Ok(Account { kind, status, tier, threshold, mandates, keys, orders, balances })
    }
}
