//! Words of command lines that stand for one of a few things of the ledger.
//!
//! Must not know: commands.

use clap::ValueEnum;
use tonle_ledger::{AccountKind, AccountStatus, KycTier, Mode};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident for $thing:ident { $($word:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, ValueEnum)]
        pub(super) enum $name { $($word,)* }
        impl From<$name> for $thing {
            fn from(word: $name) -> Self {
                match word { $($name::$word => $thing::$word,)* }
            }
        }
    };
}

words! {
    /// What an account is for.
    Kind for AccountKind { Wallet, Merchant, Settlement, Reserve }
}
words! {
    /// How well a keeper knows whose an account is.
    Tier for KycTier { Basic, Partial, Full, Interbank }
}
words! {
    /// What may leave and enter an account.
    Status for AccountStatus { Active, DebitsFrozen, CreditsFrozen, Frozen }
}
words! {
    /// What the accounts of a participant may take part in.
    Taking for Mode { Active, ReceiveOnly, PayOutOnly, Suspended }
}
