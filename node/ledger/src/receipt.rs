//! Receipts: what became of a transaction, and the balances it left.
//!
//! A transaction leaves one receipt at the height of its block. A second appearance of the same id leaves none; it is
//! answered with the first. An operation that repeats an earlier instruction of another transaction (same debited
//! account, same reference, same content, within 7 days) moves nothing and shows as [`OperationResult::Repeated`],
//! which names the receipt of the operation that moved the money.
//!
//! Must not know: how receipts are proved.

use tonle_crypto::{Canonical, CodecError, Digest, Domain, Reader, Writer};

use crate::{AccountId, Amount, Asset, MAX_OPERATIONS, RejectionCode, TransactionId};

/// What a balance was after an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalanceAfter {
    /// Whose.
    pub account: AccountId,
    /// Of what.
    pub asset: Asset,
    /// What could be spent.
    pub available: Amount,
    /// What was held.
    pub held: Amount,
}

impl Canonical for BalanceAfter {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.account).value(&self.asset).value(&self.available).value(&self.held);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(BalanceAfter {
            account: reader.value()?,
            asset: reader.value()?,
            available: reader.value()?,
            held: reader.value()?,
        })
    }
}

/// Where an operation's result stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptLocation {
    /// The transaction.
    pub transaction: TransactionId,
    /// The height of its receipt.
    pub height: u64,
    /// The receipt's index at that height.
    pub index: u32,
    /// The operation in the transaction.
    pub operation: u32,
}

impl ReceiptLocation {
    /// Height, index and operation: places order as their results were made.
    #[must_use]
    pub const fn place(&self) -> (u64, u32, u32) {
        (self.height, self.index, self.operation)
    }
}

impl Canonical for ReceiptLocation {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.transaction).u64(self.height).u32(self.index).u32(self.operation);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(ReceiptLocation {
            transaction: reader.value()?,
            height: reader.u64()?,
            index: reader.u32()?,
            operation: reader.u32()?,
        })
    }
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationResult {
    /// It took effect. The balances it changed, as it left them: payer before payee; none for an opened account.
    Applied(Vec<BalanceAfter>),
    /// It had taken effect before, as said there; this time nothing moved.
    Repeated(ReceiptLocation),
    /// It took no effect. Only in an independent transaction.
    Rejected(RejectionCode),
    /// Something ended by itself, because its block time came: no operation, and only in a block's own receipt.
    Ended {
        /// What: see [`crate::Timed::id`].
        id: Digest,
        /// The balances that it changed, as it left them.
        balances: Vec<BalanceAfter>,
    },
    /// A proposal took effect at the start of its height: no operation, and only in a block's own receipt.
    Decided {
        /// Which: see [`crate::Proposal::id_of`].
        proposal: Digest,
        /// The balances that it changed, as for applied.
        balances: Vec<BalanceAfter>,
    },
    /// It proposed or approved something that waits: for more keys, or for its height.
    Pending {
        /// What: see [`crate::Proposal::id_of`].
        proposal: Digest,
        /// How many keys have approved.
        approvals: u8,
        /// How many must.
        threshold: u8,
    },
    /// A proposal is no more and took no effect: no operation, and only in a block's own receipt.
    Lapsed {
        /// Which.
        proposal: Digest,
        /// Why: EXPIRED at its time, THRESHOLD_NOT_MET at its height, or what its operation was refused for there.
        code: RejectionCode,
    },
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionResult {
    /// Each operation's result, in order. In an atomic transaction none is `Rejected`.
    Executed(Vec<OperationResult>),
    /// Nothing took effect.
    Rejected {
        /// Why.
        code: RejectionCode,
        /// The operation at fault, from 0; `None` when it is the transaction as a whole.
        operation: Option<u32>,
    },
}

/// A transaction's receipt; or a block's own, for what ended by itself before its transactions were executed. A block
/// has at most one, the first, under an id that is the digest of chain and height: `derive_key("tonle v1 block receipt",
/// chain digest ‖ height u64)`.
///
/// ```text
/// transaction id 32 B ‖ height u64 ‖ index u32 ‖ time u64 (ms) ‖ result
/// result    = 1 ‖ u32 n ‖ n × operation            executed
///           | 2 ‖ code u16 ‖ (0 | 1 ‖ operation u32)      rejected
/// operation = 1 ‖ u32 m ‖ m × ( account ‖ asset ‖ available u64 ‖ held u64 )      applied
///           | 2 ‖ transaction id 32 B ‖ height u64 ‖ index u32 ‖ operation u32    repeated
///           | 3 ‖ code u16                                                       rejected
///           | 4 ‖ timed id 32 B ‖ u32 m ‖ m × (as for applied)                   ended
///           | 5 ‖ proposal id 32 B ‖ u32 m ‖ m × (as for applied)                decided
///           | 6 ‖ proposal id 32 B ‖ approvals u8 ‖ threshold u8                 pending
///           | 7 ‖ proposal id 32 B ‖ code u16                                    lapsed
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub transaction: TransactionId,
    /// The height of its block.
    pub height: u64,
    /// Its place among the receipts of that height.
    pub index: u32,
    /// The block's time, ms since the Unix epoch.
    pub time_ms: u64,
    /// What became of it.
    pub result: TransactionResult,
}

static BLOCK_RECEIPT: Domain = Domain::new("tonle v1 block receipt");

impl Receipt {
    /// The id of a block's own receipt.
    #[must_use]
    pub fn block_id(chain: &Digest, height: u64) -> TransactionId {
        TransactionId::new(BLOCK_RECEIPT.digest_parts(&[chain.as_bytes(), &height.to_be_bytes()]))
    }
    /// Does the transaction's id lead to this receipt for good? A receipt for which this is `false` must not replace
    /// another one of the same id in an index.
    #[must_use]
    pub fn takes_id(&self) -> bool {
        match &self.result {
            TransactionResult::Executed(_) => true,
            TransactionResult::Rejected { code, .. } => code.takes_id(),
        }
    }
    /// How many operations took effect.
    #[must_use]
    pub fn applied(&self) -> usize {
        match &self.result {
            TransactionResult::Executed(results) => {
                let effect = |result: &&OperationResult| {
                    matches!(result, OperationResult::Applied(_) | OperationResult::Pending { .. })
                };
                results.iter().filter(effect).count()
            }
            TransactionResult::Rejected { .. } => 0,
        }
    }
}

impl Canonical for OperationResult {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            OperationResult::Applied(balances) => writer.u8(1).list(balances),
            OperationResult::Repeated(location) => writer.u8(2).value(location),
            OperationResult::Rejected(code) => writer.u8(3).u16(code.number()),
            OperationResult::Ended { id, balances } => writer.u8(4).digest(id).list(balances),
            OperationResult::Decided { proposal, balances } => writer.u8(5).digest(proposal).list(balances),
            OperationResult::Pending { proposal, approvals, threshold } => {
                writer.u8(6).digest(proposal).u8(*approvals).u8(*threshold)
            }
            OperationResult::Lapsed { proposal, code } => writer.u8(7).digest(proposal).u16(code.number()),
        };
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => Ok(OperationResult::Applied(reader.list("balances after", 4)?)),
            2 => Ok(OperationResult::Repeated(reader.value()?)),
            4 => Ok(OperationResult::Ended { id: reader.digest()?, balances: reader.list("balances after", 4)? }),
            3 => Ok(OperationResult::Rejected(RejectionCode::decode(reader.u16()?)?)),
            5 => {
                let (proposal, balances) = (reader.digest()?, reader.list("balances after", 2)?);
                Ok(OperationResult::Decided { proposal, balances })
            }
            6 => {
                let (proposal, approvals, threshold) = (reader.digest()?, reader.u8()?, reader.u8()?);
                Ok(OperationResult::Pending { proposal, approvals, threshold })
            }
            7 => {
                let (proposal, code) = (reader.digest()?, RejectionCode::decode(reader.u16()?)?);
                Ok(OperationResult::Lapsed { proposal, code })
            }
            _ => Err(CodecError::Invalid("operation result")),
        }
    }
}

impl Canonical for TransactionResult {
    fn encode_to(&self, writer: &mut Writer) {
        match self {
            TransactionResult::Executed(results) => {
                writer.u8(1).list(results);
            }
            TransactionResult::Rejected { code, operation } => {
                writer.u8(2).u16(code.number());
                match operation {
                    None => writer.u8(0),
                    Some(number) => writer.u8(1).u32(*number),
                };
            }
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            1 => Ok(TransactionResult::Executed(reader.list("results", MAX_OPERATIONS)?)),
            2 => {
                let code = RejectionCode::decode(reader.u16()?)?;
                let operation = if reader.bool()? { Some(reader.u32()?) } else { None };
                Ok(TransactionResult::Rejected { code, operation })
            }
            _ => Err(CodecError::Invalid("transaction result")),
        }
    }
}

impl Canonical for Receipt {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.transaction).u64(self.height).u32(self.index).u64(self.time_ms).value(&self.result);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Receipt {
            transaction: reader.value()?,
            height: reader.u64()?,
            index: reader.u32()?,
            time_ms: reader.u64()?,
            result: reader.value()?,
        })
    }
}
