//! Where the state stands: keys, the reading of values, and changes.
//!
//! Must not know: RocksDB.

use tonle_crypto::{Digest, Domain};

use crate::{AccountId, Asset, ParticipantId, TransactionId};

/// Where a value of the state stands. Its bytes order in RocksDB as the keys order here.
///
/// ```text
/// 01                              -> point            (last executed block; not in the state tree)
/// 02 ‖ participant id             -> participant      ┐
/// 03 ‖ asset code                 -> asset, supply    │
/// 04 ‖ hour u64                   -> digest of ids    │ leaves of the state tree:
/// 05 ‖ hour u64                   -> digest of refs   │ scanned at open
/// 06 ‖ account name               -> account          │
/// 07                              -> validators       │
/// 08 ‖ offence id                 -> offence          │
/// 09 ‖ timed id                   -> timed            │
/// 0a                              -> parameters       │
/// 0b ‖ alias, a salted hash       -> alias            │
/// 0c ‖ proposal id                -> proposal         │
/// 0d                              -> protocol         │
/// 0e ‖ hour u64                   -> digest of codes  ┘
/// 80 ‖ hour u64 ‖ transaction id  -> height u64 ‖ index u32     ┐
/// 81 ‖ reference digest           -> reference record           │ looked up, never scanned; committed to by the
/// 82 ‖ hour u64 ‖ code digest     -> paid code                  ┘ digests of 04, 05 and 0e
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateKey {
    /// The last executed block: height, time, roots.
    Point,
    /// A participant.
    Participant(ParticipantId),
    /// An asset.
    Asset(Asset),
    /// The running digest of the live transaction ids that expire in this hour since the Unix epoch.
    IdBucket(u64),
    /// The running digest of the instruction references that were taken in this hour since the Unix epoch.
    ReferenceBucket(u64),
    /// An account.
    Account(AccountId),
    /// The validators: the versions of their set, and the keys that were ever used.
    Validators,
    /// An offence of a validator that was reported, by its id.
    Offence(Digest),
    /// What ends at a block time, such as a hold.
    Timed(Digest),
    /// The parameters: limits, and when a day begins.
    Parameters,
    /// What stands for an account: a salted hash.
    Alias(Digest),
    /// What is under dual control and waits for more keys, or for a height.
    Proposal(Digest),
    /// Which versions of the protocol come into force when.
    Protocol,
    /// The running digest of the KHQR codes that were paid and expire in this hour since the Unix epoch.
    CodeBucket(u64),
    /// A live transaction id, under the hour in which it expires.
    Transaction {
        /// Hour since the Unix epoch of `not_after_ms`.
        hour: u64,
        /// The id.
        id: TransactionId,
    },
    /// An instruction reference in its scope.
    Reference(Digest),
    /// A dynamic KHQR code that was paid, under the hour in which it expires.
    Code {
        /// Hour since the Unix epoch of its expiry.
        hour: u64,
        /// Its digest: see [`crate::khqr_id`].
        code: Digest,
    },
}

static STATE_KEY: Domain = Domain::new("tonle v1 state key");

impl StateKey {
    /// First byte of the keys that open and audit scan: `SCAN.start..SCAN.end`.
    pub const SCAN: std::ops::Range<u8> = 0x01..0x80;
    /// First byte of all account keys.
    pub const ACCOUNT_TAG: u8 = 0x06;
    /// First byte of all offence keys.
    pub const OFFENCE_TAG: u8 = 0x08;
    /// First byte of all keys of what ends at a block time.
    pub const TIMED_TAG: u8 = 0x09;
    /// First byte of all proposals' keys.
    pub const PROPOSAL_TAG: u8 = 0x0c;

    /// The key's bytes in storage.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.with_parts(|parts| parts.concat())
    }

    /// Gives the parts of the key's bytes to `then`.
    fn with_parts<T>(&self, then: impl FnOnce(&[&[u8]]) -> T) -> T {
        match self {
            StateKey::Point => then(&[&[0x01]]),
            StateKey::Participant(id) => then(&[&[0x02], id.as_bytes()]),
            StateKey::Asset(asset) => then(&[&[0x03], asset.as_bytes()]),
            StateKey::IdBucket(hour) => then(&[&[0x04], &hour.to_be_bytes()]),
            StateKey::ReferenceBucket(hour) => then(&[&[0x05], &hour.to_be_bytes()]),
            StateKey::Account(id) => then(&[&[Self::ACCOUNT_TAG], id.as_bytes()]),
            StateKey::Validators => then(&[&[0x07]]),
            StateKey::Offence(id) => then(&[&[Self::OFFENCE_TAG], id.as_bytes()]),
            StateKey::Timed(id) => then(&[&[Self::TIMED_TAG], id.as_bytes()]),
            StateKey::Parameters => then(&[&[0x0a]]),
            StateKey::Alias(alias) => then(&[&[0x0b], alias.as_bytes()]),
            StateKey::Proposal(id) => then(&[&[Self::PROPOSAL_TAG], id.as_bytes()]),
            StateKey::Protocol => then(&[&[0x0d]]),
            StateKey::CodeBucket(hour) => then(&[&[0x0e], &hour.to_be_bytes()]),
            StateKey::Transaction { hour, id } => then(&[&[0x80], &hour.to_be_bytes(), id.as_bytes()]),
            StateKey::Reference(digest) => then(&[&[0x81], digest.as_bytes()]),
            StateKey::Code { hour, code } => then(&[&[0x82], &hour.to_be_bytes(), code.as_bytes()]),
        }
    }

    /// The key of these bytes; `None` when no key has them.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let hour = || rest.try_into().ok().map(u64::from_be_bytes);
        match tag {
            0x01 if rest.is_empty() => Some(StateKey::Point),
            0x02 => ParticipantId::from_ascii(rest).ok().map(StateKey::Participant),
            0x03 => Asset::from_ascii(rest).ok().map(StateKey::Asset),
            0x04 => hour().map(StateKey::IdBucket),
            0x05 => hour().map(StateKey::ReferenceBucket),
            0x06 => AccountId::from_ascii(rest).ok().map(StateKey::Account),
            0x07 if rest.is_empty() => Some(StateKey::Validators),
            0x08 => Some(StateKey::Offence(Digest::from_bytes(rest.try_into().ok()?))),
            0x09 => Some(StateKey::Timed(Digest::from_bytes(rest.try_into().ok()?))),
            0x0a if rest.is_empty() => Some(StateKey::Parameters),
            0x0b => Some(StateKey::Alias(Digest::from_bytes(rest.try_into().ok()?))),
            0x0c => Some(StateKey::Proposal(Digest::from_bytes(rest.try_into().ok()?))),
            0x0d if rest.is_empty() => Some(StateKey::Protocol),
            0x0e => hour().map(StateKey::CodeBucket),
            0x80 => {
                let (hour, id) = hour_and_digest(rest)?;
                Some(StateKey::Transaction { hour, id: TransactionId::new(id) })
            }
            0x81 => Some(StateKey::Reference(Digest::from_bytes(rest.try_into().ok()?))),
            0x82 => hour_and_digest(rest).map(|(hour, code)| StateKey::Code { hour, code }),
            _ => None,
        }
    }

    /// Is the value a leaf of the state tree?
    #[must_use]
    pub const fn is_leaf(&self) -> bool {
        match self {
            StateKey::Point | StateKey::Transaction { .. } | StateKey::Reference(_) | StateKey::Code { .. } => false,
            StateKey::Participant(_)
            | StateKey::Asset(_)
            | StateKey::IdBucket(_)
            | StateKey::ReferenceBucket(_)
            | StateKey::Account(_)
            | StateKey::Validators
            | StateKey::Offence(_)
            | StateKey::Timed(_)
            | StateKey::Parameters
            | StateKey::Alias(_)
            | StateKey::Proposal(_)
            | StateKey::Protocol
            | StateKey::CodeBucket(_) => true,
        }
    }

    /// The path of the value in the state tree: the digest of the key's bytes.
    #[must_use]
    pub fn path(&self) -> Digest {
        self.with_parts(|parts| STATE_KEY.digest_parts(parts))
    }
}

fn hour_and_digest(bytes: &[u8]) -> Option<(u64, Digest)> {
    let (hour, digest) = bytes.split_at_checked(8)?;
    Some((u64::from_be_bytes(hour.try_into().ok()?), Digest::from_bytes(digest.try_into().ok()?)))
}

/// A change of the state. All changes of a block are applied in one atomic write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The value is set.
    Put(StateKey, Vec<u8>),
    /// The value is gone.
    Delete(StateKey),
    /// All transaction ids that expire in this hour are gone: one range deletion of the keys from
    /// `80 ‖ hour` up to, not including, `80 ‖ hour + 1`.
    DropIds {
        /// Hour since the Unix epoch.
        hour: u64,
    },
    /// All paid KHQR codes that expire in this hour are gone: the same with `82 ‖ hour`.
    DropCodes {
        /// Hour since the Unix epoch.
        hour: u64,
    },
    /// References that were taken before this block time count as absent from here on; a record's first eight bytes
    /// say when it was taken. Removing them is the storage's housekeeping (such as a compaction filter), done at any
    /// time it likes: the executor does not see them either way.
    ForgetReferences {
        /// Block time in ms since the Unix epoch.
        before_ms: u64,
    },
}

impl Change {
    /// The key range that [`Change::DropIds`] removes: from the first, up to but not including the second.
    #[must_use]
    pub fn id_range(hour: u64) -> (Vec<u8>, Vec<u8>) {
        hour_range(0x80, hour)
    }
    /// The key range that [`Change::DropCodes`] removes, likewise.
    #[must_use]
    pub fn code_range(hour: u64) -> (Vec<u8>, Vec<u8>) {
        hour_range(0x82, hour)
    }
}

fn hour_range(tag: u8, hour: u64) -> (Vec<u8>, Vec<u8>) {
    let key = |hour: u64| [[tag].as_slice(), &hour.to_be_bytes()].concat();
    (key(hour), key(hour.saturating_add(1)))
}
