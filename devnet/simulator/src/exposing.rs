//! Proofs of misbehaviour: never of an honest validator, and in the end on every honest node.
//!
//! Must not know: how nodes find and pass on proofs.

use std::sync::Arc;

use tonle_crypto::PublicKey;
use tonle_replica::bounds::OFFENCES_PER_VALIDATOR_MAX;
use tonle_replica::{Misbehaviour, OffenceKind};

use crate::faults::Fault;
use crate::invariants::Breach;
use crate::world::World;

impl World {
    /// A node has a proof that is new to it. Only a Byzantine validator may ever contradict itself, or in its lane one
    /// that lost its batch log.
    pub(crate) fn exposes(&mut self, at: usize, proof: Arc<Misbehaviour>) -> Result<(), Breach> {
        if self.is_honest(at) {
            let offence = proof.verify(self.chain.digest, &self.memo).map_err(|error| Breach::HonestRefused {
                node: at,
                why: format!("its proof of {:?}: {error}", proof.offence()),
            })?;
            let accused = self.validator_of(&offence.accused);
            let lost_its_lane = offence.kind == OffenceKind::Batches
                && accused.is_some_and(|accused| self.nodes.get(accused).is_some_and(|node| node.damaged));
            match accused {
                Some(accused) if !self.is_honest(accused) => self.fired.count(Fault::Exposed),
                Some(_) if lost_its_lane => {}
                Some(_) | None => {
                    let why = format!("node {at} has proof of {offence:?}");
                    return Err(Breach::HonestRefused { node: accused.unwrap_or(at), why });
                }
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.disk.misbehaviour.push(proof);
        }
        Ok(())
    }

    fn validator_of(&self, key: &PublicKey) -> Option<usize> {
        self.rosters.owner_of(key)
    }

    /// The faults end: notes what honest nodes can prove.
    pub(crate) fn note_proven(&mut self) {
        let proofs = self.honest().flat_map(|node| node.disk.misbehaviour.iter());
        self.proven = proofs.map(|proof| proof.offence()).collect();
    }

    /// A running honest node that does not hold what some honest one could prove when the faults ended, unless it holds
    /// as much of the accused as is kept of one validator.
    pub(crate) fn unexposed(&self) -> Option<Breach> {
        for (at, node) in self.nodes.iter().enumerate() {
            if !self.is_honest(at) || node.running.is_none() {
                continue;
            }
            let held: Vec<_> = node.disk.misbehaviour.iter().map(|proof| proof.offence()).collect();
            let lacks = self.proven.iter().find(|offence| {
                let of_it = held.iter().filter(|other| other.accused == offence.accused).count();
                !held.contains(offence) && of_it < OFFENCES_PER_VALIDATOR_MAX
            });
            if let Some(offence) = lacks {
                let accused = self.validator_of(&offence.accused).unwrap_or(usize::MAX);
                return Some(Breach::Unexposed { node: at, accused });
            }
        }
        None
    }
}
