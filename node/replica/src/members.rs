//! The ledger's validators as consensus knows them: the one place where the two types meet.
//!
//! Must not know: epochs, where the members come from.

use tonle_consensus::Validator;
use tonle_ledger::Member;

/// The members in the order of their indexes.
#[must_use]
pub fn validators(members: &[Member]) -> Vec<Validator> {
    let validator = |member: &Member| Validator {
        name: member.participant.to_string(),
        key: member.key,
        network_key: member.network_key,
    };
    members.iter().map(validator).collect()
}
