//! Exchanging one asset for another: an offer whose money is kept, and its taking, in which both sides pay at once.
//!
//! Must not know: who signed, what a fair rate is.

use tonle_crypto::Digest;

use super::fields::{Named, Parsed};
use super::money::{capture, check_accounts, check_amount, check_exchange, credit, debit, hold};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::reference::{Instruction, Scope};
use crate::timed::{Quote, Timed, TimedContent, TimedKind};
use crate::{AccountId, Amount, Asset, Reference, RejectionCode};

/// Offers to exchange. What is sold is kept until the quote is taken or its time is over; it cannot be withdrawn.
///
/// ```text
/// message OfferQuote { string maker = 1;
///                      string taker = 2;               // who alone may take it; empty: anybody
///                      string sold_asset = 3; uint64 sold_minor = 4;      // what the maker gives
///                      string bought_asset = 5; uint64 bought_minor = 6;  // what the maker gets
///                      string instruction_ref = 7;     // names the quote; required
///                      uint64 expires_ms = 8; }        // block time; at most 90 days ahead
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferQuote {
    /// Who offers.
    pub maker: AccountId,
    /// Who alone may take it.
    pub taker: Option<AccountId>,
    /// What the maker gives.
    pub sold: (Asset, Amount),
    /// What the maker gets.
    pub bought: (Asset, Amount),
    /// The maker's reference: names the quote, and is unique per maker's account for 7 days.
    pub instruction_ref: Reference,
    /// First block time at which it cannot be taken any more, ms since the Unix epoch.
    pub expires_ms: u64,
}

/// Takes a quote: the taker pays what the maker buys, and gets what he sells.
///
/// ```text
/// message TakeQuote { string maker = 1; string taker = 2;
///                     string sold_asset = 3; uint64 sold_minor = 4;      // what the taker gets
///                     string bought_asset = 5; uint64 bought_minor = 6;  // what the taker pays
///                     string quote_ref = 7;
///                     string instruction_ref = 8; }   // the taker's; 0 to 64 printable ASCII
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeQuote {
    /// Who offered.
    pub maker: AccountId,
    /// Who takes it.
    pub taker: AccountId,
    /// What the taker gets: as was offered.
    pub sold: (Asset, Amount),
    /// What the taker pays: as was offered.
    pub bought: (Asset, Amount),
    /// The reference that names the quote.
    pub quote_ref: Reference,
    /// The taker's reference: unique per taker's account for 7 days.
    pub instruction_ref: Option<Reference>,
}

impl Decode for OfferQuote {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let maker = fields.account(1, "offer_quote.maker")?;
        let taker = match fields.text(2).named("offer_quote.taker")? {
            "" => None,
            text => Some(AccountId::new(text).named("offer_quote.taker")?),
        };
        Ok(OfferQuote {
            maker,
            taker,
            sold: (fields.asset(3, "offer_quote.sold_asset")?, fields.amount(4, "offer_quote.sold_minor")?),
            bought: (fields.asset(5, "offer_quote.bought_asset")?, fields.amount(6, "offer_quote.bought_minor")?),
            instruction_ref: fields.reference(7, "offer_quote.instruction_ref")?,
            expires_ms: fields.uint(8).named("offer_quote.expires_ms")?,
        })
    }
}

/// Are there two amounts, of assets that are there?
fn check_sides(scene: &Scene<'_, '_>, sold: (Asset, Amount), bought: (Asset, Amount)) -> Result<(), RejectionCode> {
    for code in [RejectionCode::AmountZero, RejectionCode::AssetUnknown] {
        for (asset, amount) in [sold, bought] {
            match check_amount(scene.working, amount, asset) {
                Err(found) if found == code => return Err(code),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Is it an exchange at all? Asked after what the accounts and times are, because the codes' numbers say so.
fn check_assets(sold: (Asset, Amount), bought: (Asset, Amount)) -> Result<(), RejectionCode> {
    if sold.0 == bought.0 { Err(RejectionCode::SameAsset) } else { Ok(()) }
}

impl Act for OfferQuote {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.maker), self.taker]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some(self.sold)
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Quote.id(&self.maker, &self.instruction_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let OfferQuote { maker, taker, sold, bought, instruction_ref, expires_ms } = self;
        Some(Instruction::new(Scope::Account(*maker), instruction_ref, |writer| {
            writer.u8(12).value(maker).bytes(taker.as_ref().map(AccountId::as_bytes).unwrap_or_default());
            writer.value(&sold.0).value(&sold.1).value(&bought.0).value(&bought.1).u64(*expires_ms);
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [payer, other] = scene.touched.accounts;
        let place = scene.check_free()?;
        check_sides(scene, self.sold, self.bought)?;
        if self.taker == Some(self.maker) {
            return Err(RejectionCode::SameAccount);
        }
        scene.check_deadline(self.expires_ms)?;
        check_assets(self.sold, self.bought)?;
        check_accounts(scene.working, payer, other)?;
        let OfferQuote { maker, taker, sold, bought, .. } = *self;
        let content = TimedContent::Quote(Quote { maker, taker, sold, bought });
        let reference = self.instruction_ref.clone();
        let (ends_ms, begun_ms) = (self.expires_ms, scene.now_ms);
        scene.working.begin(place, Timed { ends_ms, begun_ms, account: maker, reference, content })?;
        Ok(vec![hold(scene.working, payer, sold.0, sold.1)?])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.maker.as_bytes());
        message.bytes(2, self.taker.as_ref().map(AccountId::as_bytes).unwrap_or_default());
        message.bytes(3, self.sold.0.as_bytes()).uint(4, self.sold.1.minor());
        message.bytes(5, self.bought.0.as_bytes()).uint(6, self.bought.1.minor());
        message.reference(7, &self.instruction_ref).uint(8, self.expires_ms);
    }
}

impl Decode for TakeQuote {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(TakeQuote {
            maker: fields.account(1, "take_quote.maker")?,
            taker: fields.account(2, "take_quote.taker")?,
            sold: (fields.asset(3, "take_quote.sold_asset")?, fields.amount(4, "take_quote.sold_minor")?),
            bought: (fields.asset(5, "take_quote.bought_asset")?, fields.amount(6, "take_quote.bought_minor")?),
            quote_ref: fields.reference(7, "take_quote.quote_ref")?,
            instruction_ref: fields.optional(8, "take_quote.instruction_ref")?,
        })
    }
}

impl Act for TakeQuote {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.maker), Some(self.taker)]
    }

    fn money(&self) -> Option<(Asset, Amount)> {
        Some(self.sold)
    }

    fn timed(&self) -> Option<Digest> {
        Some(TimedKind::Quote.id(&self.maker, &self.quote_ref))
    }

    fn instruction(&self) -> Option<Instruction<'_>> {
        let TakeQuote { maker, taker, sold, bought, quote_ref, instruction_ref } = self;
        Some(Instruction::new(Scope::Account(*taker), instruction_ref.as_ref()?, |writer| {
            writer.u8(13).value(maker).value(taker).value(&sold.0).value(&sold.1).value(&bought.0).value(&bought.1);
            writer.bytes(quote_ref.as_str().as_bytes());
        }))
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let [maker, taker] = scene.touched.accounts;
        check_sides(scene, self.sold, self.bought)?;
        if self.maker == self.taker {
            return Err(RejectionCode::SameAccount);
        }
        check_assets(self.sold, self.bought)?;
        check_exchange(scene.working, maker, taker)?;
        let (place, timed) = scene.standing(RejectionCode::QuoteNotFound)?;
        let quote = timed.content.quote().filter(|quote| quote.taker.is_none_or(|taker| taker == self.taker));
        let quote = quote.ok_or(RejectionCode::QuoteNotFound)?;
        scene.check_not_over(&timed, RejectionCode::QuoteExpired)?;
        if (quote.sold, quote.bought) != (self.sold, self.bought) {
            return Err(RejectionCode::QuoteMismatch);
        }
        let working = &mut *scene.working;
        let pays = debit(working, taker, quote.bought.0, quote.bought.1)?;
        let [gives, gets] = capture(working, maker, taker, quote.sold.0, quote.sold.1)?;
        let is_paid = credit(working, maker, quote.bought.0, quote.bought.1)?;
        working.change_timed(place, None);
        Ok(vec![gives, gets, pays, is_paid])
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.maker.as_bytes()).bytes(2, self.taker.as_bytes());
        message.bytes(3, self.sold.0.as_bytes()).uint(4, self.sold.1.minor());
        message.bytes(5, self.bought.0.as_bytes()).uint(6, self.bought.1.minor());
        message.reference(7, &self.quote_ref).optional(8, self.instruction_ref.as_ref());
    }
}
