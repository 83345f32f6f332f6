//! What operations are about: accounts, amounts, times, references.
//!
//! Must not know: operations.

use tonle_crypto::EncryptionKey;
use tonle_ledger::*;

use super::{Generator, Scene};
use crate::fixture::{HOUR_MS, amount, asset, id, sealed};
use crate::world::{CODES, KEEPERS};

/// How often a fitting one is looked for before any will do.
const TRIES: usize = 12;

/// What may still leave an account today.
fn room(scene: Scene<'_>, account: &Account, balance: &Balance) -> u64 {
    let parameters = scene.executor.parameters();
    let limit = parameters.limit(balance.asset, account.tier).daily.map_or(u64::MAX, Amount::minor);
    limit.saturating_sub(balance.spent.in_day_of(parameters.hour(scene.now_ms)).minor())
}

impl Generator {
    pub(super) fn mode(scene: Scene<'_>, account: AccountId) -> Mode {
        scene.executor.participants().get(&account.participant()).map_or(Mode::Removed, |participant| participant.mode)
    }
    /// An account that is as asked, if one is soon found; now and then one that is not there.
    pub(super) fn account(
        &mut self,
        scene: Scene<'_>,
        fits: impl Fn(AccountId, &Account) -> bool,
    ) -> (AccountId, Option<Account>) {
        if self.slips() {
            let name = self.dice.pick(&["nobody@b0", "x@nowhere", "nobody@b2", "w0@b1", "w1@psp0"]);
            return (id(name), scene.view.account(id(name)).cloned());
        }
        let mut last = self.dice.of(&scene.view.accounts).unwrap();
        for _ in 0..TRIES {
            if fits(last.0, &last.1) {
                break;
            }
            last = self.dice.of(&scene.view.accounts).unwrap();
        }
        (last.0, Some(last.1.clone()))
    }
    /// An account that can pay, one of its assets, and how much of it there is.
    pub(super) fn payer(&mut self, scene: Scene<'_>) -> (AccountId, Asset, u64) {
        self.payer_like(scene, |_| true)
    }
    pub(super) fn payer_like(&mut self, scene: Scene<'_>, fits: impl Fn(AccountId) -> bool) -> (AccountId, Asset, u64) {
        let can = |id: AccountId, account: &Account| {
            fits(id) && account.can_debit() && account.has_money() && Self::mode(scene, id).can_debit()
        };
        let (id, account) = self.account(scene, can);
        let balances = account.as_ref().map(Account::balances).unwrap_or_default();
        let balance = self.dice.of(balances).copied();
        let (code, available) = balance.map_or((asset("KHR"), 1_000), |of| (of.asset, of.available.minor()));
        // As often as not all that may still be spent today is all there is.
        let room = balance.zip(account).map_or(u64::MAX, |(balance, account)| room(scene, &account, &balance));
        let most = if self.dice.one_in(2) { available.min(room) } else { available };
        (id, self.some_asset(code), most)
    }
    /// Another account that can be paid.
    pub(super) fn payee(&mut self, scene: Scene<'_>, payer: AccountId) -> AccountId {
        if self.slips() {
            return payer;
        }
        let can = |id: AccountId, account: &Account| {
            id != payer && account.can_credit() && Self::mode(scene, id).can_credit()
        };
        self.account(scene, can).0
    }
    /// An account of a participant that may change what its accounts are.
    pub(super) fn kept_account(&mut self, scene: Scene<'_>) -> (AccountId, Option<Account>) {
        let can = |id: AccountId, account: &Account| {
            account.status != AccountStatus::Closed && Self::mode(scene, id).can_keep_accounts()
        };
        self.account(scene, can)
    }
    /// This asset; now and then another, or none that is there.
    pub(super) fn some_asset(&mut self, code: Asset) -> Asset {
        match self.dice.below(150) {
            0 => asset("XAU"),
            1 => asset(self.dice.pick(&CODES)),
            _ => code,
        }
    }
    /// Some of what there is: mostly little, now and then all, one more, or nothing.
    pub(super) fn some_of(&mut self, available: u64) -> Amount {
        let little = 1 + self.dice.below(available.clamp(1, 4_000));
        amount(match self.dice.below(90) {
            0 => 0,
            1 => u64::MAX,
            2..=4 => available.saturating_add(1),
            5..=7 => available,
            8 => 1 + self.dice.below(available),
            _ => little.min(available),
        })
    }
    /// When something ends: mostly within two days; `most_ms` is how far ahead it may be.
    pub(super) fn end(&mut self, scene: Scene<'_>, most_ms: u64) -> u64 {
        let life = match self.dice.below(60) {
            0 => return scene.now_ms,
            1 => most_ms + 1,
            2..=5 => most_ms,
            6..=20 => 1 + self.dice.below(60_000),
            _ => 1 + self.dice.below(48 * HOUR_MS),
        };
        scene.now_ms + life
    }
    /// A reference of its own.
    pub(super) fn own_reference(&mut self) -> Reference {
        let number = self.number();
        Reference::new(&format!("r{number}")).unwrap()
    }
    /// The same, or one of few, or none.
    pub(super) fn maybe_reference(&mut self) -> Option<Reference> {
        match self.dice.below(20) {
            0..=7 => None,
            8 => Some(Reference::new(&format!("few {}", self.dice.below(20))).unwrap()),
            _ => Some(self.own_reference()),
        }
    }
    /// Personal data of any size, sealed.
    pub(super) fn sealed(&mut self) -> Sealed {
        sealed(self.dice.pick(&SEALED_BUCKETS))
    }
    /// A key to encrypt to.
    pub(super) fn encryption_key(&mut self) -> EncryptionKey {
        self.dice.pick(&self.keys.pool).encryption_key()
    }
    /// The first, or now and then another.
    pub(super) fn or_other<T>(&mut self, one: T, other: T) -> T {
        if self.slips() { other } else { one }
    }
    /// A participant: a keeper of the beginning, one that came later, the operator, the auditor, or none.
    pub(super) fn participant(&mut self, scene: Scene<'_>) -> ParticipantId {
        let name = match self.dice.below(40) {
            0 => "nowhere",
            1..=3 => "nbc",
            4..=5 => "audit",
            6..=15 => {
                let all = scene.executor.participants();
                return *all.keys().nth(self.dice.place(all.len().min(200))).unwrap();
            }
            _ => self.dice.pick(&KEEPERS),
        };
        ParticipantId::new(name).unwrap()
    }
}
