//! The values that a block touches, each in its place, as they were read.
//!
//! Must not know: what operations do with them.

use tonle_crypto::{Canonical, CodecError, Digest, Reader, Writer};

use crate::plan::Plan;
use crate::reference::ReferenceRecord;
use crate::tree::Tree;
use crate::{Account, AccountId, Alias, Fatal, ParticipantId, ReceiptLocation, StateKey, Timed};

/// An account that the block touches.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its name.
    pub(crate) id: AccountId,
    /// Who keeps it.
    pub(crate) participant: ParticipantId,
    /// The value as it is stored.
    pub(crate) stored: Option<Vec<u8>>,
    /// The account as it is at this point of the block.
    pub(crate) account: Option<Account>,
    /// Was it ever written?
    pub(crate) written: bool,
}

/// A timed value that the block touches.
#[derive(Debug)]
pub(crate) struct TimedSlot {
    /// Its id.
    pub(crate) id: Digest,
    /// The value as it is stored.
    pub(crate) stored: Option<Vec<u8>>,
    /// The value as it is at this point of the block.
    pub(crate) value: Option<Timed>,
}

/// An alias that the block touches.
#[derive(Debug)]
pub(crate) struct AliasSlot {
    /// The alias.
    pub(crate) alias: Digest,
    /// The value as it is stored.
    pub(crate) stored: Option<Vec<u8>>,
    /// What it stands for at this point of the block.
    pub(crate) value: Option<Alias>,
}

/// A dynamic KHQR code that was paid, as the state records it: where the payment's result stands.
///
/// ```text
/// height u64 ‖ index u32 ‖ operation u32
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PaidCode {
    pub(crate) height: u64,
    pub(crate) index: u32,
    pub(crate) operation: u32,
}

impl PaidCode {
    pub(crate) const fn at(location: &ReceiptLocation) -> Self {
        PaidCode { height: location.height, index: location.index, operation: location.operation }
    }
}

impl Canonical for PaidCode {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.height).u32(self.index).u32(self.operation);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(PaidCode { height: reader.u64()?, index: reader.u32()?, operation: reader.u32()? })
    }
}

/// A dynamic KHQR code that the block pays, or tries to.
#[derive(Debug)]
pub(crate) struct CodeSlot {
    /// The hour since the Unix epoch in which it expires.
    pub(crate) hour: u64,
    /// Its digest.
    pub(crate) code: Digest,
    /// Where it was paid, at this point of the block.
    pub(crate) paid: Option<PaidCode>,
}

/// Where a transaction's receipt stands: height and index.
pub(crate) type ReceiptPlace = (u64, u32);

/// The values of a block, in the order of its keys, as what they stand for.
pub(crate) struct Values {
    pub(crate) slots: Vec<Slot>,
    pub(crate) timed: Vec<TimedSlot>,
    pub(crate) aliases: Vec<AliasSlot>,
    pub(crate) ids: Vec<Option<ReceiptPlace>>,
    pub(crate) references: Vec<(Digest, Option<ReferenceRecord>)>,
    pub(crate) codes: Vec<CodeSlot>,
}

impl Values {
    pub(crate) fn read(plan: &Plan<'_>, values: Vec<Option<Vec<u8>>>, tree: &Tree) -> Result<Self, Fatal> {
        if values.len() != plan.keys().len() {
            return Err(Fatal::Bound("values of a block"));
        }
        let mut values = values.into_iter();
        let slots = plan.accounts.iter().zip(values.by_ref());
        let slots = slots.map(|(id, value)| slot(*id, value, tree)).collect::<Result<_, _>>()?;
        let timed = plan.timed.iter().zip(values.by_ref());
        let timed = timed.map(|(id, value)| timed_slot(*id, value, tree)).collect::<Result<_, _>>()?;
        let aliases = plan.aliases.iter().zip(values.by_ref()).map(|(alias, stored)| {
            let value = leaf(StateKey::Alias(*alias), stored.as_deref(), tree)?;
            Ok::<_, Fatal>(AliasSlot { alias: *alias, stored, value })
        });
        let aliases = aliases.collect::<Result<_, _>>()?;
        let ids = plan.ids.iter().zip(values.by_ref());
        let ids = ids.map(|((hour, id), value)| {
            let key = StateKey::Transaction { hour: *hour, id: *id };
            value.map(|value| receipt_place(&value).map_err(|error| Fatal::Corrupt { key, error })).transpose()
        });
        let ids = ids.collect::<Result<_, _>>()?;
        let references = plan.references.iter().zip(values.by_ref()).map(|(scope, value)| {
            let record = value.map(|value| {
                let key = StateKey::Reference(*scope);
                ReferenceRecord::decode(&value).map_err(|error| Fatal::Corrupt { key, error })
            });
            Ok::<_, Fatal>((*scope, record.transpose()?))
        });
        let references = references.collect::<Result<_, _>>()?;
        let codes = plan.codes.iter().zip(values).map(|((hour, code), value)| {
            let key = StateKey::Code { hour: *hour, code: *code };
            let paid = value.map(|value| PaidCode::decode(&value).map_err(|error| Fatal::Corrupt { key, error }));
            Ok::<_, Fatal>(CodeSlot { hour: *hour, code: *code, paid: paid.transpose()? })
        });
        Ok(Values { slots, timed, aliases, ids, references, codes: codes.collect::<Result<_, _>>()? })
    }
}

/// The value of a leaf.
fn leaf<T: Canonical>(key: StateKey, stored: Option<&[u8]>, tree: &Tree) -> Result<Option<T>, Fatal> {
    match stored {
        Some(value) => T::decode(value).map(Some).map_err(|error| Fatal::Corrupt { key, error }),
        // Not loaded by mistake, or lost: the tree knows better than a rejection for ever in the receipts.
        None if tree.contains(&key.path()) => Err(Fatal::NotCommitted(key)),
        None => Ok(None),
    }
}

fn slot(id: AccountId, stored: Option<Vec<u8>>, tree: &Tree) -> Result<Slot, Fatal> {
    let account = leaf(StateKey::Account(id), stored.as_deref(), tree)?;
    Ok(Slot { id, participant: id.participant(), stored, account, written: false })
}

fn timed_slot(id: Digest, stored: Option<Vec<u8>>, tree: &Tree) -> Result<TimedSlot, Fatal> {
    let value = leaf(StateKey::Timed(id), stored.as_deref(), tree)?;
    Ok(TimedSlot { id, stored, value })
}

fn receipt_place(value: &[u8]) -> Result<ReceiptPlace, CodecError> {
    let mut reader = tonle_crypto::Reader::new(value);
    let place = (reader.u64()?, reader.u32()?);
    reader.finish()?;
    Ok(place)
}
