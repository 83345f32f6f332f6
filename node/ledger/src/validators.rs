//! Who validates, as the state records it: the versions of the set that may still be in force, and every key that a
//! validator ever used.
//!
//! A change made at a height stands in the state after that height. It is in force from the epoch whose boundary header
//! names a checkpoint at or above that height: the next epoch, or the one after. So for [`window`] heights an older
//! version may still be the one that votes, and each new set must keep a quorum of every one of them.
//!
//! Must not know: who may ask for a change, or how an epoch begins.

use std::collections::BTreeSet;

use tonle_crypto::{Canonical, CodecError, PublicKey, Reader, Writer};

use crate::account::ascending;
use crate::{ParticipantId, RejectionCode};

/// Most validators of a set.
pub const VALIDATORS_MAX: usize = 100;
/// A set that has this many members never gets fewer: below, no fault is tolerated.
pub const VALIDATORS_FLOOR: usize = 4;
/// Most versions of the set that may still be in force at once.
pub const VALIDATOR_VERSIONS_MAX: usize = 64;
/// Most keys that validators of a chain may use in its whole life: 100 validators that change both of their keys every
/// year reach it after 81 years.
pub const VALIDATOR_KEYS_MAX: usize = 16_384;
/// How many heights a checkpoint may stay behind the boundary header that names it, for the window's purpose.
const CHECKPOINT_SLACK: u64 = 256;

/// For how many heights after it was replaced a version of the set may still be in force: two epochs and 256 heights.
#[must_use]
pub const fn window(epoch_length: u64) -> u64 {
    epoch_length.saturating_mul(2).saturating_add(CHECKPOINT_SLACK)
}

/// A validator: a member of the set.
///
/// ```text
/// u32 length, participant ‖ key 32 B ‖ network key 32 B
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The participant that runs it.
    pub participant: ParticipantId,
    /// Its consensus and lane key.
    pub key: PublicKey,
    /// Its libp2p identity.
    pub network_key: PublicKey,
}

impl Canonical for Member {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.participant).key(&self.key).key(&self.network_key);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Member { participant: reader.value()?, key: reader.key()?, network_key: reader.key()? })
    }
}

/// A version of the set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVersion {
    /// The height after which the state says so; 0 for genesis.
    pub since: u64,
    /// 1 to [`VALIDATORS_MAX`] members in the order of their indexes: that of genesis, later ones at the end.
    pub members: Vec<Member>,
}

impl Canonical for SetVersion {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.since).list(&self.members);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let version = SetVersion { since: reader.u64()?, members: reader.list("validators", VALIDATORS_MAX)? };
        let mut participants: Vec<_> = version.members.iter().map(|member| member.participant).collect();
        participants.sort_unstable();
        let mut keys: Vec<_> = version.members.iter().flat_map(|member| [member.key, member.network_key]).collect();
        keys.sort_unstable();
        if participants.is_empty() || !ascending(participants.iter()) || !ascending(keys.iter()) {
            return Err(CodecError::Invalid("validators"));
        }
        Ok(version)
    }
}

/// Whether enough members of an older version stay in a set to make its quorum alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuorumKept {
    /// The older version's height.
    pub since: u64,
    /// Its members.
    pub before: usize,
    /// Members of the new set: n.
    pub after: usize,
    /// How many of the new set must vote: q = n - floor((n - 1) / 3).
    pub quorum: usize,
    /// Members of the older version that are in the new set with the same consensus key.
    pub staying: usize,
}

impl QuorumKept {
    /// Compares `members` with the older `version`.
    #[must_use]
    pub fn of(version: &SetVersion, members: &[Member]) -> Self {
        let keys: BTreeSet<[u8; 32]> = members.iter().map(|member| *member.key.as_bytes()).collect();
        let staying = version.members.iter().filter(|member| keys.contains(member.key.as_bytes())).count();
        let (before, after) = (version.members.len(), members.len());
        QuorumKept { since: version.since, before, after, quorum: quorum(after), staying }
    }
    /// Do those who stay suffice?
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.staying >= self.quorum
    }
}

/// q of n validators: n - floor((n - 1) / 3).
#[must_use]
pub fn quorum(validators: usize) -> usize {
    let faults = validators.saturating_sub(1).checked_div(3).unwrap_or(0);
    validators.saturating_sub(faults)
}

/// The validators' leaf of the state.
///
/// ```text
/// u32 v ‖ v × ( since u64 ‖ u32 n ‖ n × member )     (ascending by since; the last is what is decided)
///       ‖ u32 k ‖ k × key 32 B                       (ascending; every consensus and network key ever used)
/// ```
/// At most 64 versions of 100 members of 98 bytes, and 16,384 keys of 32 bytes: below 1.2 MB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    versions: Vec<SetVersion>,
    used: BTreeSet<[u8; 32]>,
    /// The set as the block under way leaves it; outside a block, that of the last version.
    current: Vec<Member>,
}

/// How to take one change back.
#[derive(Debug)]
pub(crate) struct Revert {
    /// The member that stood at this index before; `None` when the change put one at the end.
    before: Option<(usize, Member)>,
    /// Was it taken out there, and not replaced?
    removed: bool,
    /// Keys that were not used before.
    used: Vec<[u8; 32]>,
}

impl Validators {
    /// Those of genesis.
    pub(crate) fn found(members: &[Member]) -> Self {
        let used = members.iter().flat_map(|member| [*member.key.as_bytes(), *member.network_key.as_bytes()]).collect();
        let versions = vec![SetVersion { since: 0, members: members.to_vec() }];
        Validators { versions, used, current: members.to_vec() }
    }

    /// The versions that are kept, ascending by height; never empty. Those that may be in force are among them.
    #[must_use]
    pub fn versions(&self) -> &[SetVersion] {
        &self.versions
    }
    /// The version that the state after `height` holds; `None` when it is no longer kept.
    #[must_use]
    pub fn at(&self, height: u64) -> Option<&SetVersion> {
        self.versions.iter().rev().find(|version| version.since <= height)
    }
    /// The set that was decided last.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.current
    }
    /// Was this key ever a validator's, for consensus or on the network?
    #[must_use]
    pub fn was_used(&self, key: &PublicKey) -> bool {
        self.used.contains(key.as_bytes())
    }

    /// The versions that may be in force at a height of `now - window ..= now`.
    pub fn in_force(&self, now: u64, window: u64) -> impl Iterator<Item = &SetVersion> {
        let start = now.saturating_sub(window);
        let replaced = self.versions.iter().skip(1).map(|version| Some(version.since)).chain([None]);
        // A version is in force up to the height before the next one's.
        let still = move |replaced: Option<u64>| replaced.is_none_or(|height| height > start);
        self.versions.iter().zip(replaced).filter(move |(_, replaced)| still(*replaced)).map(|(version, _)| version)
    }

    /// Adds `member`, or replaces the keys of its participant's validator, in the block of height `now`.
    pub(crate) fn set(&mut self, member: Member, now: u64, window: u64) -> Result<Revert, RejectionCode> {
        let place = self.current.iter().position(|other| other.participant == member.participant);
        let standing = place.and_then(|place| self.current.get(place));
        let keeps_key = standing.is_some_and(|standing| standing.key == member.key);
        let keeps_network_key = standing.is_some_and(|standing| standing.network_key == member.network_key);
        let fresh = |key: &PublicKey, kept: bool| kept || !self.was_used(key);
        let new = fresh(&member.key, keeps_key) && fresh(&member.network_key, keeps_network_key);
        if !new || member.key == member.network_key || (keeps_key && keeps_network_key) {
            return Err(RejectionCode::ValidatorKeyUsed);
        }
        let added: Vec<_> = [(member.key, keeps_key), (member.network_key, keeps_network_key)]
            .into_iter()
            .filter(|(_, kept)| !kept)
            .map(|(key, _)| *key.as_bytes())
            .collect();
        if self.used.len().saturating_add(added.len()) > VALIDATOR_KEYS_MAX {
            return Err(RejectionCode::ValidatorKeysFull);
        }
        let before = place.zip(standing.copied());
        let mut members = self.current.clone();
        match place.and_then(|place| members.get_mut(place)) {
            Some(slot) => *slot = member,
            None => members.push(member),
        }
        self.replace(members, now, window)?;
        self.used.extend(added.iter().copied());
        Ok(Revert { before, removed: false, used: added })
    }

    /// Removes the validator of `participant`, in the block of height `now`.
    pub(crate) fn remove(
        &mut self,
        participant: ParticipantId,
        now: u64,
        window: u64,
    ) -> Result<Revert, RejectionCode> {
        let place = self.current.iter().position(|member| member.participant == participant);
        let place = place.ok_or(RejectionCode::NotValidator)?;
        let mut members = self.current.clone();
        let before = members.remove(place);
        self.replace(members, now, window)?;
        Ok(Revert { before: Some((place, before)), removed: true, used: Vec::new() })
    }

    fn replace(&mut self, members: Vec<Member>, now: u64, window: u64) -> Result<(), RejectionCode> {
        let shrinks_below = members.len() < VALIDATORS_FLOOR && self.current.len() >= VALIDATORS_FLOOR;
        if members.is_empty() || members.len() > VALIDATORS_MAX || shrinks_below {
            return Err(RejectionCode::ValidatorSetSize);
        }
        if self.in_force(now, window).count() >= VALIDATOR_VERSIONS_MAX {
            return Err(RejectionCode::ValidatorChangesFull);
        }
        if !self.in_force(now, window).all(|version| QuorumKept::of(version, &members).holds()) {
            return Err(RejectionCode::QuorumLost);
        }
        self.current = members;
        Ok(())
    }

    /// Takes back the last change that was not taken back yet; `revert` is what it gave.
    pub(crate) fn take_back(&mut self, revert: &Revert) {
        match revert.before {
            Some((place, member)) if revert.removed => self.current.insert(place.min(self.current.len()), member),
            Some((place, member)) => {
                if let Some(slot) = self.current.get_mut(place) {
                    *slot = member;
                }
            }
            None => drop(self.current.pop()),
        }
        for key in &revert.used {
            self.used.remove(key);
        }
    }

    /// The block of height `now` ends: what it changed is a new version, and versions that can no longer be in force
    /// go.
    pub(crate) fn finish(&mut self, now: u64, window: u64) -> Option<SetVersion> {
        if self.versions.last().is_some_and(|last| last.members == self.current) {
            return None;
        }
        let new = SetVersion { since: now, members: self.current.clone() };
        self.versions.push(new.clone());
        self.versions = self.in_force(now, window).cloned().collect();
        Some(new)
    }
}

impl Canonical for Validators {
    fn encode_to(&self, writer: &mut Writer) {
        writer.list(&self.versions).length(self.used.len());
        for key in &self.used {
            writer.raw(key);
        }
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let versions: Vec<SetVersion> = reader.list("validator versions", VALIDATOR_VERSIONS_MAX)?;
        let current = versions.last().map(|version| version.members.clone());
        let count = reader.length("validator keys", VALIDATOR_KEYS_MAX)?;
        let mut used: Vec<[u8; 32]> = Vec::with_capacity(count);
        for _ in 0..count {
            used.push(reader.array()?);
        }
        let in_order = ascending(used.iter()) && ascending(versions.iter().map(|version| version.since));
        let used: BTreeSet<_> = used.into_iter().collect();
        let known =
            |member: &Member| used.contains(member.key.as_bytes()) && used.contains(member.network_key.as_bytes());
        let complete = versions.iter().flat_map(|version| &version.members).all(known);
        match current {
            Some(current) if in_order && complete => Ok(Validators { versions, used, current }),
            _ => Err(CodecError::Invalid("validators")),
        }
    }
}
