//! `tonle issue` and `tonle redeem`: creating and destroying money.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::Operation;

use super::{Order, Signing, Terms};

/// Arguments of `tonle issue`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tonle issue reserve@nbc 1,000,000 KHR --id 2026-11-23/1

Signed for by the issuer. Exit status: 0 final; 1 rejected.")]
pub struct Issue {
    /// The account that gets it, name@participant
    account: String,
    /// How much, such as 1,000,000
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// A reference, unique for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

impl Order for Issue {
    fn signing(&self) -> &Signing {
        &self.signing
    }

    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        let to = terms.account(&self.account)?;
        let instruction_ref = terms.optional(self.id.as_ref())?;
        Ok(Operation::Issue(tonle_ledger::Issue { to, asset, amount, instruction_ref }))
    }
}

/// Arguments of `tonle redeem`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  tonle redeem reserve@nbc 1,000,000 KHR --id 2026-11-23/2

Signed for by the issuer. Exit status: 0 final; 1 rejected.")]
pub struct Redeem {
    /// The account that it is taken from, name@participant
    account: String,
    /// How much, such as 1,000,000
    amount: String,
    /// The asset, such as KHR or USD
    asset: String,
    /// A reference, unique for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

impl Order for Redeem {
    fn signing(&self) -> &Signing {
        &self.signing
    }

    fn operation(&self, terms: &Terms) -> Result<Operation> {
        let (asset, amount) = terms.money(&self.amount, &self.asset)?;
        let from = terms.account(&self.account)?;
        let instruction_ref = terms.optional(self.id.as_ref())?;
        Ok(Operation::Redeem(tonle_ledger::Redeem { from, asset, amount, instruction_ref }))
    }
}
