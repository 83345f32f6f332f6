//! `tonle exchange`: one asset for another, both sides or none.
//!
//! Must not know: how it is signed and sent.

use anyhow::Result;
use tonle_ledger::{OfferQuote, Operation, TakeQuote};

use super::{Signing, Terms, subcommands};

const AFTER_HELP: &str = "\
Examples:
  tonle exchange offer bob@wing 410000 KHR 100 USD --id q-1 --for 30s             Bob sells riel; they are kept meanwhile
  tonle exchange take bob@wing alice@aba 410000 KHR 100 USD --of q-1              Alice pays dollars, and gets the riel

Exit status: 0 final; 1 rejected.";

/// Subcommands.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// Offer to exchange; signed for by the maker.
    Offer(Box<Offer>),
    /// Take a quote; signed for by the taker.
    Take(Box<Take>),
}

/// Arguments of `tonle exchange offer`.
#[derive(Debug, clap::Args)]
pub struct Offer {
    /// The account that offers, name@participant
    maker: String,
    /// How much the maker gives
    sold: String,
    /// Of which asset
    sold_asset: String,
    /// How much the maker gets
    bought: String,
    /// Of which asset
    bought_asset: String,
    /// The account that alone may take it; without it, anybody
    #[arg(long)]
    taker: Option<String>,
    /// A reference that names the quote, unique for the maker for 7 days
    #[arg(long)]
    id: String,
    /// How long it stands; at most 90d
    #[arg(long = "for", value_name = "SPAN", default_value = "1m")]
    during: String,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

/// Arguments of `tonle exchange take`.
#[derive(Debug, clap::Args)]
pub struct Take {
    /// The account that offered, name@participant
    maker: String,
    /// The account that takes it
    taker: String,
    /// How much the maker gives
    sold: String,
    /// Of which asset
    sold_asset: String,
    /// How much the maker gets
    bought: String,
    /// Of which asset
    bought_asset: String,
    /// The reference that names the quote
    #[arg(long)]
    of: String,
    /// A reference of your own, unique per account for 7 days
    #[arg(long)]
    id: Option<String>,
    /// Who signs
    #[command(flatten)]
    signing: Signing,
}

subcommands!(Offer, Take);

impl Offer {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::OfferQuote(Box::new(OfferQuote {
            maker: terms.account(&self.maker)?,
            taker: self.taker.as_ref().map(|taker| terms.account(taker)).transpose()?,
            sold: terms.money(&self.sold, &self.sold_asset)?,
            bought: terms.money(&self.bought, &self.bought_asset)?,
            instruction_ref: terms.reference(&self.id)?,
            expires_ms: terms.after(&self.during)?,
        })))
    }
}

impl Take {
    fn operation(&self, terms: &Terms) -> Result<Operation> {
        Ok(Operation::TakeQuote(Box::new(TakeQuote {
            maker: terms.account(&self.maker)?,
            taker: terms.account(&self.taker)?,
            sold: terms.money(&self.sold, &self.sold_asset)?,
            bought: terms.money(&self.bought, &self.bought_asset)?,
            quote_ref: terms.reference(&self.of)?,
            instruction_ref: terms.optional(self.id.as_ref())?,
        })))
    }
}
