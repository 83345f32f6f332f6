//! What is kept of each kind, as the state records it.
//!
//! Must not know: when it ends, what operations do with it.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};

use crate::{AccountId, Amount, Asset};

/// Money of one account that is kept for another until it is captured or released, or until a block time.
///
/// ```text
/// payer ‖ payee ‖ asset ‖ amount u64        (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Whose money it is.
    pub from: AccountId,
    /// Whom it is for.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// What is left of it; never zero.
    pub amount: Amount,
}

impl Canonical for Hold {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.from).value(&self.to).value(&self.asset).value(&self.amount);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Hold { from: reader.value()?, to: reader.value()?, asset: reader.value()?, amount: reader.value()? })
    }
}

/// How far a transfer to a bank's own customer has come, beyond the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Final on the ledger: RECEIVE_AT_ACH.
    Received,
    /// The receiving bank has it: RECEIVE_AT_RECEIVER_BANK.
    AtBank,
}

impl Stage {
    /// The number in canonical bytes and on the wire: 1 and 2.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Stage::Received => 1,
            Stage::AtBank => 2,
        }
    }
    /// The stage of a number.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Stage::Received),
            2 => Some(Stage::AtBank),
            _ => None,
        }
    }
}

/// Money on its way to an account that a bank keeps in its own books, until the bank acknowledges or refuses it.
///
/// ```text
/// payer ‖ bank's account ‖ asset ‖ amount u64 ‖ stage u8        (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankTransfer {
    /// Who pays.
    pub from: AccountId,
    /// The receiving bank's account on the ledger.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
    /// How far it has come.
    pub stage: Stage,
}

impl Canonical for BankTransfer {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.from).value(&self.to).value(&self.asset).value(&self.amount).u8(self.stage.number());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(BankTransfer {
            from: reader.value()?,
            to: reader.value()?,
            asset: reader.value()?,
            amount: reader.value()?,
            stage: Stage::from_number(reader.u8()?).ok_or(CodecError::Invalid("stage"))?,
        })
    }
}

/// How much of a transfer went back. It is named by the payer and the reference of the transfer.
///
/// ```text
/// account that returns ‖ returned u64        (text: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Who was paid, and returns.
    pub from: AccountId,
    /// The sum of what went back.
    pub returned: Amount,
}

impl Canonical for Returned {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.from).value(&self.returned);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Returned { from: reader.value()?, returned: reader.value()? })
    }
}

/// A request to be paid.
///
/// ```text
/// payer ‖ payee ‖ asset ‖ amount u64        (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Who is asked.
    pub from: AccountId,
    /// Who asks.
    pub to: AccountId,
    /// In what.
    pub asset: Asset,
    /// How much.
    pub amount: Amount,
}

impl Canonical for PaymentRequest {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.from).value(&self.to).value(&self.asset).value(&self.amount);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let [from, to] = [reader.value()?, reader.value()?];
        Ok(PaymentRequest { from, to, asset: reader.value()?, amount: reader.value()? })
    }
}

/// An offer to exchange, whose money is kept until somebody takes it.
///
/// ```text
/// maker ‖ (0 | 1 ‖ taker) ‖ sold asset ‖ sold u64 ‖ bought asset ‖ bought u64        (texts: u32 length, then ASCII)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Who offers.
    pub maker: AccountId,
    /// Who alone may take it; `None`: anybody.
    pub taker: Option<AccountId>,
    /// What the maker gives.
    pub sold: (Asset, Amount),
    /// What the maker gets.
    pub bought: (Asset, Amount),
}

impl Canonical for Quote {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.maker);
        match &self.taker {
            None => writer.u8(0),
            Some(taker) => writer.u8(1).value(taker),
        };
        for (asset, amount) in [&self.sold, &self.bought] {
            writer.value(asset).value(amount);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let maker = reader.value()?;
        let taker = match reader.u8()? {
            0 => None,
            1 => Some(reader.value()?),
            _ => return Err(CodecError::Invalid("taker")),
        };
        let sold = (reader.value()?, reader.value()?);
        Ok(Quote { maker, taker, sold, bought: (reader.value()?, reader.value()?) })
    }
}
