//! One operation of each way to change accounts, aliases and limits.
//!
//! Must not know: transactions.

use tonle_crypto::Digest;
use tonle_ledger::{
    AccountId, AccountStatus, Amount, Asset, CloseAccount, DisplayName, FreezeAccount, KycTier, MoveAlias, Operation,
    Reference, RemoveAlias, Seize, SetAccountKeys, SetAccountStatus, SetAlias, SetLimits, SetTier,
};

use crate::forge::client;

fn name(text: &str) -> DisplayName {
    DisplayName::new(text).expect("short")
}

fn reference(text: &str) -> Reference {
    Reference::new(text).expect("printable")
}

/// All of them.
pub(crate) fn keeping() -> Vec<Operation> {
    let [account, to] = ["a@bank0", "c@bank0"].map(|name| AccountId::new(name).expect("a name"));
    let (asset, alias) = (Asset::new("KHR").expect("a code"), Digest::from_bytes([0xa1; 32]));
    let mut keys = vec![client(1).public(), client(2).public()];
    keys.sort_unstable();
    vec![
        Operation::CloseAccount(CloseAccount { account }),
        Operation::SetAccountKeys(SetAccountKeys { account, keys, threshold: 2 }),
        Operation::SetAccountStatus(SetAccountStatus { account, status: AccountStatus::CreditsFrozen }),
        Operation::SetTier(SetTier { account, tier: KycTier::Full }),
        Operation::FreezeAccount(FreezeAccount {
            account,
            status: AccountStatus::Frozen,
            order_ref: reference("court 7/2026"),
        }),
        Operation::Seize(Box::new(Seize {
            from: account,
            to,
            asset,
            amount: Amount::from_minor(300),
            order_ref: reference("court 7/2026"),
            instruction_ref: Some(reference("S 1")),
        })),
        Operation::SetAlias(Box::new(SetAlias { account, alias, name: name("S*** B****") })),
        Operation::MoveAlias(Box::new(MoveAlias { from: account, to, alias, name: name("សុខ ****") })),
        Operation::RemoveAlias(RemoveAlias { account: to, alias }),
        Operation::SetLimits(SetLimits { asset, tier: KycTier::Basic, daily_minor: 200_000_000, hourly: 120 }),
    ]
}
