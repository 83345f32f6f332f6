//! Opening accounts, changing what they are, closing them. What an account has is not theirs to change.
//!
//! Must not know: who signed.

use tonle_crypto::PublicKey;

use super::fields::Parsed;
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::{Account, AccountId, AccountKind, AccountStatus, Balance, KycTier, Mode, Rejection, RejectionCode};

/// Opens `account` without money.
///
/// ```text
/// message OpenAccount { string account = 1;
///                       AccountKind kind = 2;          // WALLET 1, MERCHANT 2, SETTLEMENT 3, RESERVE 4
///                       repeated bytes key = 3;        // 32 bytes each, ascending; 0 to 16
///                       uint32 threshold = 4;          // 1 to the number of keys; 0 without keys
///                       KycTier tier = 5; }            // BASIC 1, PARTIAL 2, FULL 3, INTERBANK 4; 0: the kind's usual
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAccount {
    /// Its name.
    pub account: AccountId,
    /// What it is for.
    pub kind: AccountKind,
    /// Its own keys, ascending; empty when its participant's keys sign for it.
    pub keys: Vec<PublicKey>,
    /// How many of `keys` must sign: 1 to their number; 0 without keys.
    pub threshold: u8,
    /// How well its keeper knows whose it is; `None` for what is usual for its kind.
    pub tier: Option<KycTier>,
}

impl Decode for OpenAccount {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "open_account.account")?;
        let kind = fields.choice(2, "open_account.kind", AccountKind::from_number)?;
        let keys = fields.keys(3, "open_account.key")?;
        let threshold = fields.threshold(4, "open_account.threshold", keys.len())?;
        let tier = fields.optional_choice(5, "open_account.tier", KycTier::from_number)?;
        Ok(OpenAccount { account, kind, keys, threshold, tier })
    }
}

impl Act for OpenAccount {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let participant = self.account.participant();
        let participant = scene.working.participant(participant).ok_or(RejectionCode::UnknownParticipant)?;
        if !participant.mode.can_credit() {
            return Err(RejectionCode::ParticipantSuspended);
        }
        let [place, _] = scene.touched.accounts;
        let place = place.ok_or(RejectionCode::UnknownAccount)?;
        if scene.working.account(place).is_some() {
            return Err(RejectionCode::AccountExists);
        }
        let tier = self.tier.unwrap_or(self.kind.usual_tier());
        if !self.kind.can_be(tier) {
            return Err(RejectionCode::TierNotAllowed);
        }
        scene.working.put_account(place, Account::new(self.kind, &self.keys, self.threshold).with_tier(tier));
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).uint(2, u64::from(self.kind.number()));
        for key in &self.keys {
            message.element(3, key.as_bytes());
        }
        message.uint(4, u64::from(self.threshold));
        message.uint(5, self.tier.map_or(0, |tier| u64::from(tier.number())));
    }
}

/// The account, which is there and not closed, and its place. `may` says of its participant's mode whether this may be done.
pub(super) fn standing<'a>(
    scene: &'a Scene<'_, '_>,
    place: Option<usize>,
    may: impl Fn(Mode) -> bool,
) -> Result<(usize, &'a Account), RejectionCode> {
    let place = place.ok_or(RejectionCode::UnknownAccount)?;
    let slot = scene.working.slot(place).ok_or(RejectionCode::UnknownAccount)?;
    let participant = scene.working.participant(slot.participant).ok_or(RejectionCode::UnknownParticipant)?;
    if !may(participant.mode) {
        return Err(RejectionCode::ParticipantSuspended);
    }
    let account = slot.account.as_ref().ok_or(RejectionCode::UnknownAccount)?;
    if account.status == AccountStatus::Closed {
        return Err(RejectionCode::AccountClosed);
    }
    Ok((place, account))
}

/// The place of the account that is named first.
pub(super) const fn first(scene: &Scene<'_, '_>) -> Option<usize> {
    let [first, _] = scene.touched.accounts;
    first
}

/// Closes an account that has no money, for ever. Its name stays taken, and its aliases stay until they are removed.
///
/// ```text
/// message CloseAccount { string account = 1; }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseAccount {
    /// Which.
    pub account: AccountId,
}

impl Decode for CloseAccount {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(CloseAccount { account: fields.account(1, "close_account.account")? })
    }
}

impl Act for CloseAccount {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, account) = standing(scene, first(scene), Mode::can_keep_accounts)?;
        // What an order keeps is not for its keeper to end.
        if !account.orders().is_empty() {
            return Err(RejectionCode::AccountFrozen);
        }
        if !account.balances().iter().all(Balance::is_empty) {
            return Err(RejectionCode::AccountNotEmpty);
        }
        let mut closed = account.clone();
        closed.close();
        scene.working.put_account(place, closed);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes());
    }
}

/// Replaces an account's own keys, from the next transaction on. Whoever signs for its debits signs for this: its own
/// keys where it has some, otherwise its keeper's. While its debits are frozen, its keys stay.
///
/// ```text
/// message SetAccountKeys { string account = 1;
///                          repeated bytes key = 2;        // 32 bytes each, ascending; 0 to 16
///                          uint32 threshold = 3; }        // 1 to the number of keys; 0 without keys
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAccountKeys {
    /// Which.
    pub account: AccountId,
    /// Its own keys, ascending; empty when its participant's keys are to sign for it.
    pub keys: Vec<PublicKey>,
    /// How many of `keys` must sign: 1 to their number; 0 without keys.
    pub threshold: u8,
}

impl Decode for SetAccountKeys {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "set_account_keys.account")?;
        let keys = fields.keys(2, "set_account_keys.key")?;
        let threshold = fields.threshold(3, "set_account_keys.threshold", keys.len())?;
        Ok(SetAccountKeys { account, keys, threshold })
    }
}

impl Act for SetAccountKeys {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, account) = standing(scene, first(scene), Mode::can_keep_accounts)?;
        // Who stole a key must not lock its owner out of the account that was frozen for it.
        if !account.can_debit() {
            return Err(RejectionCode::AccountFrozen);
        }
        let mut changed = account.clone();
        changed.set_keys(&self.keys, self.threshold);
        scene.working.put_account(place, changed);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes());
        for key in &self.keys {
            message.element(2, key.as_bytes());
        }
        message.uint(3, u64::from(self.threshold));
    }
}

/// Says what may leave and enter an account, as far as its keeper is concerned. Orders stand beside it.
///
/// ```text
/// message SetAccountStatus { string account = 1;
///                            AccountStatus status = 2; }   // ACTIVE 1, DEBITS_FROZEN 2, CREDITS_FROZEN 3, FROZEN 4
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAccountStatus {
    /// Which.
    pub account: AccountId,
    /// The status; not closed.
    pub status: AccountStatus,
}

/// A status that an account can be given: any but closed.
pub(super) fn open_status(fields: &mut Fields<'_>, number: u32, field: &'static str) -> Parsed<AccountStatus> {
    match fields.choice(number, field, AccountStatus::from_number)? {
        AccountStatus::Closed => Err(Rejection::malformed(field)),
        status @ (AccountStatus::Active
        | AccountStatus::DebitsFrozen
        | AccountStatus::CreditsFrozen
        | AccountStatus::Frozen) => Ok(status),
    }
}

impl Decode for SetAccountStatus {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "set_account_status.account")?;
        let status = open_status(fields, 2, "set_account_status.status")?;
        Ok(SetAccountStatus { account, status })
    }
}

impl Act for SetAccountStatus {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, account) = standing(scene, first(scene), Mode::can_keep_accounts)?;
        let mut changed = account.clone();
        changed.status = self.status;
        scene.working.put_account(place, changed);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).uint(2, u64::from(self.status.number()));
    }
}

/// Says how well an account's keeper knows whose it is. What it spent in the day counts against the limits of the new tier.
///
/// ```text
/// message SetTier { string account = 1; KycTier tier = 2; }    // BASIC 1, PARTIAL 2, FULL 3, INTERBANK 4
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetTier {
    /// Which.
    pub account: AccountId,
    /// The tier; interbank for settlement and reserve accounts alone.
    pub tier: KycTier,
}

impl Decode for SetTier {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "set_tier.account")?;
        Ok(SetTier { account, tier: fields.choice(2, "set_tier.tier", KycTier::from_number)? })
    }
}

impl Act for SetTier {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let (place, account) = standing(scene, first(scene), Mode::can_keep_accounts)?;
        if !account.kind.can_be(self.tier) {
            return Err(RejectionCode::TierNotAllowed);
        }
        let changed = account.clone().with_tier(self.tier);
        scene.working.put_account(place, changed);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).uint(2, u64::from(self.tier.number()));
    }
}
