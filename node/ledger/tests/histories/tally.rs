//! What was met: how often each operation took effect, and how often each rejection was given.
//!
//! Must not know: how histories come about.

use std::collections::BTreeMap;
use std::fmt;

use tonle_ledger::{OperationKind, PaymentKind, RejectionCode};

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) operations: u64,
    pub(crate) blocks: u64,
    pub(crate) receipts: u64,
    /// Times that a kind took effect, by itself or as what was proposed.
    pub(crate) applied: BTreeMap<OperationKind, u64>,
    /// Times that a kind was answered with its first receipt.
    pub(crate) repeated: u64,
    pub(crate) duplicates: u64,
    /// Times that something went back of a payment, by the number of its kind.
    pub(crate) returned: BTreeMap<u8, u64>,
    /// Codes that were refused as paid in the block that paid them.
    pub(crate) raced: u64,
    pub(crate) rejected: BTreeMap<RejectionCode, u64>,
    /// Things that ended by themselves.
    pub(crate) ended: u64,
    /// Proposals that took effect, and that lapsed, at a block's begin.
    pub(crate) decided: u64,
    pub(crate) lapsed: u64,
    /// Blocks executed again without what was rejected, and from a tree built anew.
    pub(crate) traces: u64,
    pub(crate) rebuilt: u64,
}

impl Tally {
    pub(crate) fn apply(&mut self, kind: OperationKind) {
        *self.applied.entry(kind).or_default() += 1;
    }
    pub(crate) fn reject(&mut self, code: RejectionCode) {
        *self.rejected.entry(code).or_default() += 1;
    }
    pub(crate) fn give_back(&mut self, original: PaymentKind) {
        *self.returned.entry(original.number()).or_default() += 1;
    }
    pub(crate) fn applied(&self, kind: OperationKind) -> u64 {
        self.applied.get(&kind).copied().unwrap_or(0)
    }
    pub(crate) fn rejected(&self, code: RejectionCode) -> u64 {
        self.rejected.get(&code).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { operations, blocks, receipts, repeated, duplicates, .. } = self;
        let Tally { ended, decided, lapsed, traces, rebuilt, raced, returned, .. } = self;
        writeln!(f, "{operations} operations in {blocks} blocks, {receipts} receipts")?;
        writeln!(f, "{repeated} instructions and {duplicates} transactions answered with their first receipt")?;
        writeln!(
            f,
            "{ended} things ended by themselves, {decided} proposals took effect at a height, {lapsed} lapsed"
        )?;
        writeln!(f, "{raced} codes refused as paid in the block that paid them; returns by kind: {returned:?}")?;
        writeln!(f, "{traces} blocks executed without what was rejected, {rebuilt} trees built anew")?;
        for kind in OperationKind::ALL {
            writeln!(f, "{:>9} {}", self.applied(*kind), kind.name())?;
        }
        for code in RejectionCode::ALL {
            writeln!(f, "{:>9} {} {}", self.rejected(*code), code.number(), code.name())?;
        }
        Ok(())
    }
}
