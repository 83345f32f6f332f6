//! Whether a change of the validators keeps a quorum: the ledger's own rule, over what a node answered, in words.
//!
//! Must not know: keys that sign, or how the change is sent.

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use tonle_crypto::PublicKey;
use tonle_ledger::{Member, ParticipantId, QuorumKept, SetVersion, VALIDATORS_FLOOR, VALIDATORS_MAX, quorum};
use tonle_proto::v1;

/// What a node says of who validates.
#[derive(Debug, Clone)]
pub(super) struct Sets {
    /// The epoch in force.
    pub(super) epoch: u64,
    /// Its last height.
    pub(super) epoch_last_height: u64,
    /// The node's height.
    pub(super) height: u64,
    /// Who validates in the epoch.
    pub(super) in_force: Vec<Member>,
    /// Each version that a change is judged against, with the first height at which it no longer is.
    pub(super) versions: Vec<(SetVersion, u64)>,
}

/// One comparison, as it is printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Comparison {
    /// The height that decided the older set.
    pub(super) since_height: u64,
    /// Its members.
    pub(super) before: usize,
    /// Those that stay with their keys.
    pub(super) staying: usize,
    /// Members of the new set.
    pub(super) after: usize,
    /// How many of these must vote.
    pub(super) quorum: usize,
    /// Do those who stay suffice?
    pub(super) holds: bool,
    /// From this height on it is not judged; 0: as long as it is the decided set.
    pub(super) until_height: u64,
}

impl Sets {
    /// What a node answered.
    ///
    /// # Errors
    /// When a key or a name is none, or there is no version.
    pub(super) fn of(answer: &v1::ListValidatorsResponse) -> Result<Self> {
        let version = |version: &v1::ValidatorSetVersion| {
            let members = members(&version.validators)?;
            Ok((SetVersion { since: version.since_height, members }, version.until_height))
        };
        let versions = answer.versions.iter().map(version).collect::<Result<Vec<_>>>()?;
        if versions.is_empty() {
            bail!("the node names no version of the validator set");
        }
        let in_force = members(&answer.validators)?;
        let (epoch, epoch_last_height, height) = (answer.epoch, answer.epoch_last_height, answer.height);
        Ok(Sets { epoch, epoch_last_height, height, in_force, versions })
    }

    /// The set that is decided.
    pub(super) fn decided(&self) -> &[Member] {
        self.versions.last().map_or(&[], |(version, _)| &version.members)
    }

    /// Is what is decided not in force yet?
    pub(super) fn is_pending(&self) -> bool {
        self.decided() != self.in_force
    }

    /// Compares `members` with every version.
    pub(super) fn compare(&self, members: &[Member]) -> Vec<Comparison> {
        let compare = |(version, until_height): &(SetVersion, u64)| {
            let kept = QuorumKept::of(version, members);
            let QuorumKept { since, before, after, quorum, staying } = kept;
            let (since_height, until_height, holds) = (since, *until_height, kept.holds());
            Comparison { since_height, before, staying, after, quorum, holds, until_height }
        };
        self.versions.iter().map(compare).collect()
    }

    /// Why `members` cannot be the next set, with what to do; `None` when they can.
    pub(super) fn refusal(&self, members: &[Member]) -> Option<String> {
        let (before, after) = (self.decided().len(), members.len());
        if after == 0 || after > VALIDATORS_MAX {
            return Some(format!("VALIDATOR_SET_SIZE  {after} validators; 1 to {VALIDATORS_MAX} are allowed"));
        }
        if after < VALIDATORS_FLOOR && before >= VALIDATORS_FLOOR {
            return Some(format!(
                "VALIDATOR_SET_SIZE  {after} validators tolerate no fault, and there are {before}\nnext: add one first"
            ));
        }
        let comparisons = self.compare(members);
        let lost = comparisons.iter().filter(|comparison| !comparison.holds);
        let worst = lost.max_by_key(|comparison| (comparison.until_height == 0, comparison.until_height))?;
        let next = match worst.until_height {
            0 => "make a smaller change: one validator at a time".to_owned(),
            height => {
                let left = height.saturating_sub(self.height.saturating_add(1));
                format!("wait until block {height} ({left} blocks from now), then ask again")
            }
        };
        Some(format!("QUORUM_LOST  {}\nnext: {next}", worst.sentence()))
    }
}

impl Comparison {
    /// The arithmetic in words.
    pub(super) fn sentence(&self) -> String {
        let Comparison { since_height, before, staying, after, quorum, holds, .. } = self;
        let only = if *holds { "" } else { "only " };
        format!(
            "of {after} validators {quorum} must vote; {only}{staying} of the {before} decided in block {since_height} stay"
        )
    }
}

/// A set's size and quorum in words.
pub(super) fn size(members: &[Member]) -> String {
    format!("{} validators, quorum {}", members.len(), quorum(members.len()))
}

fn members(validators: &[v1::Validator]) -> Result<Vec<Member>> {
    let key = |bytes: &[u8]| {
        let bytes = <[u8; 32]>::try_from(bytes).context("the node answered a key that is none")?;
        PublicKey::from_bytes(&bytes).map_err(|error| anyhow!("the node answered a key that is none: {error}"))
    };
    let member = |validator: &v1::Validator| {
        Ok(Member {
            participant: ParticipantId::new(&validator.participant)?,
            key: key(&validator.key)?,
            network_key: key(&validator.network_key)?,
        })
    };
    validators.iter().map(member).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonle_crypto::SecretKey;

    fn member(number: u8) -> Member {
        let key = |purpose| SecretKey::from_seed(&[number, purpose].repeat(16).try_into().unwrap()).public();
        let participant = ParticipantId::new(&format!("b{number}")).unwrap();
        Member { participant, key: key(1), network_key: key(2) }
    }

    fn set(count: u8) -> Vec<Member> {
        (1..=count).map(member).collect()
    }

    fn sets() -> Sets {
        let version = |since, count| SetVersion { since, members: set(count) };
        let versions = vec![(version(0, 4), 300), (version(40, 5), 0)];
        Sets { epoch: 0, epoch_last_height: 100, height: 50, in_force: set(4), versions }
    }

    #[test]
    fn a_lost_quorum_is_told_with_its_arithmetic_and_when_to_ask_again() {
        assert_eq!(
            sets().refusal(&set(6)).unwrap(),
            "QUORUM_LOST  of 6 validators 5 must vote; only 4 of the 4 decided in block 0 stay\n\
             next: wait until block 300 (249 blocks from now), then ask again"
        );
        let mut both = set(5);
        both[0] = member(71);
        both[1] = member(72);
        let told = sets().refusal(&both).unwrap();
        assert!(told.contains("only 3 of the 5 decided in block 40 stay\nnext: make a smaller change"), "{told}");
        assert!(sets().refusal(&set(3)).unwrap().starts_with("VALIDATOR_SET_SIZE  3 validators tolerate no fault"));
        assert!(sets().refusal(&[]).unwrap().starts_with("VALIDATOR_SET_SIZE  0 validators"));
    }

    #[test]
    fn a_change_that_keeps_every_quorum_is_not_refused() {
        let mut members = set(5);
        members.remove(4);
        assert_eq!(sets().refusal(&members), None);
        assert!(sets().is_pending());
        let told: Vec<_> = sets().compare(&members).iter().map(Comparison::sentence).collect();
        assert_eq!(
            told,
            [
                "of 4 validators 3 must vote; 4 of the 4 decided in block 0 stay",
                "of 4 validators 3 must vote; 4 of the 5 decided in block 40 stay"
            ]
        );
        assert_eq!(size(&members), "4 validators, quorum 3");
    }
}
