//! The entries of the table `payments`, and which of them a settled transaction makes.
//!
//! ```text
//! payments  | 1 u8 | n u8 | account n | first bytes of the hash 4  | place | -> nothing
//!           | 2 u8 | n u8 | account n | m u8 | instruction ref m   | place | -> nothing
//!           | 3 u8 | n u8 | account n | m u8 | external ref m      | place | -> nothing
//!           | 4 u8 | id of a transfer to a bank 32                 | place | -> | stage u8 | time u64 (ms) |
//!           | 5 u8 | n u8 | account n                            | place | -> nothing        all of an account's
//! place     | height u64 | index u32 | operation u32 |
//! ```
//! What stands before the place is a look-up's prefix: the earliest payment comes first. Stage: 2 at the bank, 3 acknowledged, 4
//! refused.
//!
//! Must not know: where entries are kept.

use tonle_crypto::Digest;
use tonle_ledger::{AccountId, Operation, OperationResult, Progress, TimedKind, TransactionId, TransactionResult};

use crate::gateway::payment::{Instructed, Place, Settled, Tracking};

/// What payments of an account are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Key<'a> {
    ShortHash([u8; 4]),
    Instruction(&'a str),
    External(&'a str),
    /// All of the account's, by place.
    All,
}

impl Key<'_> {
    /// The prefix of all entries of `account` under this key.
    pub(in crate::gateway) fn prefix(&self, account: &AccountId) -> Vec<u8> {
        let kind = match self {
            Key::ShortHash(_) => 1,
            Key::Instruction(_) => 2,
            Key::External(_) => 3,
            Key::All => 5,
        };
        let mut prefix = vec![kind];
        sized(&mut prefix, account.as_bytes());
        match self {
            Key::ShortHash(hash) => prefix.extend_from_slice(hash),
            Key::Instruction(reference) | Key::External(reference) => sized(&mut prefix, reference.as_bytes()),
            Key::All => {}
        }
        prefix
    }
}

/// Names and references have at most 64 bytes.
fn sized(key: &mut Vec<u8>, bytes: &[u8]) {
    key.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    key.extend_from_slice(bytes);
}

/// The first four bytes of a hash.
pub(super) fn short_hash(hash: &TransactionId) -> [u8; 4] {
    let [a, b, c, d, ..] = *hash.as_bytes();
    [a, b, c, d]
}

/// The entry under `prefix` at a place.
pub(in crate::gateway) fn at(mut prefix: Vec<u8>, place: Place) -> Vec<u8> {
    prefix.extend_from_slice(&place.height.to_be_bytes());
    prefix.extend_from_slice(&place.index.to_be_bytes());
    prefix.extend_from_slice(&place.operation.to_be_bytes());
    prefix
}

/// The place at the end of a key.
pub(in crate::gateway) fn place_of(key: &[u8]) -> Option<Place> {
    let (rest, operation) = key.split_last_chunk::<4>()?;
    let (rest, index) = rest.split_last_chunk::<4>()?;
    let (_, height) = rest.split_last_chunk::<8>()?;
    Some(Place {
        height: u64::from_be_bytes(*height),
        index: u32::from_be_bytes(*index),
        operation: u32::from_be_bytes(*operation),
    })
}

/// What a bank said of a transfer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) struct Outcome {
    pub(in crate::gateway) tracking: Tracking,
    pub(in crate::gateway) time_ms: u64,
}

impl Outcome {
    pub(in crate::gateway) fn prefix(transfer: &Digest) -> Vec<u8> {
        [&[4], transfer.as_bytes().as_slice()].concat()
    }

    fn value(self) -> Vec<u8> {
        let stage = match self.tracking {
            Tracking::AtLedger => 1,
            Tracking::AtBank => 2,
            Tracking::Acknowledged => 3,
            Tracking::Refunded => 4,
        };
        [&[stage], self.time_ms.to_be_bytes().as_slice()].concat()
    }

    pub(in crate::gateway) fn parse(value: &[u8]) -> Option<Self> {
        let (stage, time) = value.split_first()?;
        let tracking = match stage {
            2 => Tracking::AtBank,
            3 => Tracking::Acknowledged,
            4 => Tracking::Refunded,
            _ => return None,
        };
        Some(Outcome { tracking, time_ms: u64::from_be_bytes(time.try_into().ok()?) })
    }
}

/// The entries that a settled transaction makes for the accounts that `is_enrolled` names.
pub(super) fn entries(settled: &Settled, is_enrolled: impl Fn(&AccountId) -> bool) -> Vec<(Vec<u8>, Vec<u8>)> {
    let receipt = &settled.receipt;
    let (Some(transaction), TransactionResult::Executed(results)) = (&settled.transaction, &receipt.result) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for ((operation, result), number) in transaction.operations().iter().zip(results).zip(0u32..) {
        if !matches!(result, OperationResult::Applied(_)) {
            continue;
        }
        let place = Place { height: receipt.height, index: receipt.index, operation: number };
        if let Operation::TrackTransfer(track) = operation {
            let tracking = match track.progress {
                Progress::Received => Tracking::AtBank,
                Progress::Acknowledged => Tracking::Acknowledged,
                Progress::Refused => Tracking::Refunded,
            };
            let transfer = TimedKind::BankTransfer.id(&track.from, &track.transfer_ref);
            let outcome = Outcome { tracking, time_ms: receipt.time_ms };
            found.push((at(Outcome::prefix(&transfer), place), outcome.value()));
        }
        let Some(instructed) = Instructed::of(operation) else { continue };
        for account in [instructed.from, instructed.to].iter().filter(|account| is_enrolled(account)) {
            let keys = [
                Some(Key::All),
                Some(Key::ShortHash(short_hash(&receipt.transaction))),
                instructed.instruction_ref.as_ref().map(|reference| Key::Instruction(reference.as_str())),
                instructed.external_ref.as_ref().map(|reference| Key::External(reference.as_str())),
            ];
            found.extend(keys.iter().flatten().map(|key| (at(key.prefix(account), place), Vec::new())));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{Key, Outcome, at, place_of};
    use crate::gateway::payment::{Place, Tracking};
    use tonle_ledger::AccountId;

    #[test]
    fn no_key_is_a_prefix_of_anothers_account_or_reference() {
        let account = |name| AccountId::new(name).unwrap();
        let place = Place { height: 3, index: 2, operation: 1 };
        let keys = [
            (account("a@aba"), Key::Instruction("inv-1")),
            (account("a@abaa"), Key::Instruction("inv-1")),
            (account("a@aba"), Key::Instruction("inv-10")),
            (account("a@aba"), Key::External("inv-1")),
            (account("a@aba"), Key::All),
            (account("a@aba"), Key::ShortHash([5, 105, 110, 118])),
        ];
        for (account, key) in &keys {
            let entry = at(key.prefix(account), place);
            assert_eq!(place_of(&entry), Some(place));
            let hits = keys.iter().filter(|(account, key)| entry.starts_with(&key.prefix(account))).count();
            assert_eq!(hits, 1, "{account} {key:?}");
        }
    }

    #[test]
    fn an_outcome_is_read_as_written() {
        for tracking in [Tracking::AtBank, Tracking::Acknowledged, Tracking::Refunded] {
            let outcome = Outcome { tracking, time_ms: 1_790_000_000_123 };
            assert_eq!(Outcome::parse(&outcome.value()), Some(outcome));
        }
        assert_eq!(Outcome::parse(&[]), None);
        assert_eq!(Outcome::parse(&[9, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
