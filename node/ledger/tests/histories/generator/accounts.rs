//! What accounts are: opened, closed, their keys, status, tier, aliases, and the operator's orders on them.
//!
//! Must not know: who signs.

use tonle_ledger::*;

use super::{Generator, Scene};
use crate::fixture::{alias, id, reference};
use crate::world::KEEPERS;

/// Accounts that are open at most, so that checks stay fast.
const ACCOUNTS: usize = 300;
/// The aliases and the orders that there are.
const ALIASES: u64 = 40;
const ORDERS: u64 = 12;
const TIERS: [KycTier; 4] = KycTier::ALL;
const KINDS: [AccountKind; 4] =
    [AccountKind::Wallet, AccountKind::Merchant, AccountKind::Settlement, AccountKind::Reserve];

impl Generator {
    pub(super) fn account_operation(&mut self, scene: Scene<'_>, kind: OperationKind) -> Option<Operation> {
        Some(match kind {
            OperationKind::OpenAccount => self.open(scene),
            OperationKind::CloseAccount => {
                let (account, _) = match self.dice.one_in(6) {
                    true => self.kept_account(scene),
                    false => self.account(scene, |_, account| {
                        account.status != AccountStatus::Closed && !account.has_money() && account.orders().is_empty()
                    }),
                };
                Operation::CloseAccount(CloseAccount { account })
            }
            OperationKind::SetAccountKeys => {
                let (account, _) = self.kept_account(scene);
                let (keys, threshold) = self.account_keys();
                Operation::SetAccountKeys(SetAccountKeys { account, keys, threshold })
            }
            OperationKind::SetAccountStatus => {
                use AccountStatus::{Active, CreditsFrozen, DebitsFrozen, Frozen};
                let (account, record) = self.kept_account(scene);
                let is_active = record.is_none_or(|record| record.status == Active);
                let frozen = self.dice.pick(&[DebitsFrozen, CreditsFrozen, Frozen]);
                let status = if is_active && self.dice.one_in(3) { frozen } else { Active };
                Operation::SetAccountStatus(SetAccountStatus { account, status })
            }
            OperationKind::SetTier => {
                let (account, _) = self.kept_account(scene);
                Operation::SetTier(SetTier { account, tier: self.dice.pick(&TIERS) })
            }
            OperationKind::FreezeAccount => self.order(scene),
            OperationKind::SetAlias => {
                let (account, _) = self.kept_account(scene);
                let alias = alias(&self.dice.below(ALIASES).to_string());
                Operation::SetAlias(Box::new(SetAlias { account, alias, name: shown() }))
            }
            OperationKind::MoveAlias => self.move_alias(scene),
            OperationKind::RemoveAlias => {
                let (alias, account) = self.standing_alias(scene);
                Operation::RemoveAlias(RemoveAlias { account: self.or_other(account, id("w0@b3")), alias })
            }
            _ => return None,
        })
    }

    fn open(&mut self, scene: Scene<'_>) -> Operation {
        let many = scene.view.accounts.len() >= ACCOUNTS;
        let number = self.number();
        let keeper = self.participant(scene);
        let keeper = if self.dice.one_in(4) { keeper.as_str() } else { self.dice.pick(&KEEPERS) };
        let (account, _) =
            if many || self.slips() { self.kept_account(scene) } else { (id(&format!("a{number}@{keeper}")), None) };
        let (keys, threshold) = self.account_keys();
        let kind = self.dice.pick(&KINDS);
        let tier = match self.dice.below(3) {
            0 => Some(self.dice.pick(&TIERS)),
            _ => None,
        };
        Operation::OpenAccount(OpenAccount { account, kind, keys, threshold, tier })
    }

    /// Keys of an account's own, m of n; often none.
    fn account_keys(&mut self) -> (Vec<tonle_crypto::PublicKey>, u8) {
        let count = self.dice.place(8).saturating_sub(4);
        let mut keys = self.dice.some(&self.keys.pool, count);
        keys.sort_unstable();
        let threshold = if keys.is_empty() { 0 } else { 1 + self.dice.place(keys.len()) };
        (keys, u8::try_from(threshold).unwrap())
    }

    fn order(&mut self, scene: Scene<'_>) -> Operation {
        let number = self.dice.below(ORDERS);
        let order_ref = reference(&format!("order {number}"));
        if self.dice.one_in(2) {
            // Lifts one that stands.
            let (account, record) = self.account(scene, |_, account| !account.orders().is_empty());
            let orders = record.as_ref().map(Account::orders).unwrap_or_default();
            let standing = self.dice.of(orders).map(|order| order.reference.clone());
            let order_ref = standing.unwrap_or(order_ref);
            return Operation::FreezeAccount(FreezeAccount { account, status: AccountStatus::Active, order_ref });
        }
        // One account has more orders than others, until there may be no more.
        let account = if self.dice.one_in(2) { id("settle@b5") } else { self.kept_account(scene).0 };
        let frozen = [AccountStatus::DebitsFrozen, AccountStatus::CreditsFrozen, AccountStatus::Frozen];
        Operation::FreezeAccount(FreezeAccount { account, status: self.dice.pick(&frozen), order_ref })
    }

    fn standing_alias(&mut self, scene: Scene<'_>) -> (tonle_crypto::Digest, AccountId) {
        self.dice.of(&scene.view.aliases).copied().unwrap_or((alias("none"), id("w0@b0")))
    }

    fn move_alias(&mut self, scene: Scene<'_>) -> Operation {
        let (alias, from) = self.standing_alias(scene);
        let keeper = from.participant();
        let same = |id: AccountId, account: &Account| {
            id != from && id.participant() == keeper && account.status != AccountStatus::Closed
        };
        let (found, _) = self.account(scene, same);
        let to =
            if found.participant() == keeper || self.dice.one_in(10) { found } else { id(&format!("w2@{keeper}")) };
        Operation::MoveAlias(Box::new(MoveAlias { from, to: self.or_other(to, from), alias, name: shown() }))
    }
}

fn shown() -> DisplayName {
    DisplayName::new("S*** D***").unwrap()
}
