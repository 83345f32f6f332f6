//! Who must sign, by the ledger's own table and the state before the block.
//!
//! Must not know: what operations do.

use tonle_crypto::PublicKey;
use tonle_ledger::*;

use super::{Generator, Scene};
use crate::fixture::participant_id;

impl Generator {
    /// Keys that together may ask for all of the operations; at most as many as can sign.
    pub(super) fn signers(&mut self, scene: Scene<'_>, operations: &[Operation]) -> Vec<PublicKey> {
        let mut signers = Vec::new();
        for operation in operations {
            let keys = self.signers_of(scene, operation);
            signers.extend(keys);
        }
        signers.sort_unstable();
        signers.dedup();
        signers.truncate(MAX_SIGNATURES);
        if signers.is_empty() {
            signers.push(self.dice.pick(&self.keys.pool));
        }
        signers
    }

    fn signers_of(&mut self, scene: Scene<'_>, operation: &Operation) -> Vec<PublicKey> {
        let rule = rule(operation.kind());
        let [first, second] = operation.accounts();
        let operator = participant_id("nbc");
        match rule.signer {
            Signer::Debtor => self.of_account(scene, first, rule.permission),
            Signer::Creditor => self.of_account(scene, second, rule.permission),
            Signer::Keeper => first.map(|id| self.of(scene, id.participant(), rule.permission)).unwrap_or_default(),
            Signer::Issuer | Signer::Operator => self.of(scene, operator, rule.permission),
            Signer::ItselfOrOperator => {
                let itself = match operation {
                    Operation::SetParticipantKeys(of) => self.of(scene, of.participant, rule.permission),
                    Operation::SetEncryptionKey(of) => self.of(scene, of.participant, rule.permission),
                    _ => Vec::new(),
                };
                let others = self.of(scene, operator, Some(Permission::Govern));
                if itself.is_empty() || self.dice.one_in(3) { others } else { itself }
            }
            Signer::AnyParticipant => {
                let keeper = participant_id("b1");
                self.of(scene, keeper, None)
            }
            Signer::Decider => self.deciders(scene, operation),
        }
    }

    fn of_account(
        &mut self,
        scene: Scene<'_>,
        id: Option<AccountId>,
        permission: Option<Permission>,
    ) -> Vec<PublicKey> {
        let Some(id) = id else { return Vec::new() };
        match scene.view.account(id).filter(|account| !account.keys().is_empty()) {
            Some(account) => {
                let keys: Vec<_> = account.keys().iter().map(|key| PublicKey::from_bytes(key).unwrap()).collect();
                self.dice.some(&keys, usize::from(account.threshold))
            }
            None => self.of(scene, id.participant(), permission),
        }
    }

    /// As many keys of a participant as must sign for a permission.
    fn of(&mut self, scene: Scene<'_>, id: ParticipantId, permission: Option<Permission>) -> Vec<PublicKey> {
        let Some(participant) = scene.executor.participants().get(&id) else { return Vec::new() };
        let may = |entry: &&ParticipantKey| permission.is_none_or(|asked| entry.permissions.contains(asked));
        let keys: Vec<_> = participant.keys.iter().filter(may).map(|entry| entry.key).collect();
        let count = permission.map_or(1, |permission| participant.thresholds.of(permission));
        self.dice.some(&keys, usize::from(count))
    }

    /// One key that may decide; for a proposal that stands, one that did not yet, if there is one.
    fn deciders(&mut self, scene: Scene<'_>, operation: &Operation) -> Vec<PublicKey> {
        let standing = |id| scene.executor.proposals().find(|(other, _)| **other == id).map(|(_, proposal)| proposal);
        let (kind, approvals): (_, &[PublicKey]) = match operation {
            Operation::Propose(of) => (of.operation.kind(), &[]),
            Operation::Approve(Approve { proposal }) | Operation::Withdraw(Withdraw { proposal }) => {
                match standing(*proposal) {
                    Some(proposal) => (proposal.operation.kind(), &proposal.approvals),
                    None => return Vec::new(),
                }
            }
            _ => return Vec::new(),
        };
        let Some(permission) = proposable(kind) else { return Vec::new() };
        let panel = &scene.executor.participants()[&participant_id("nbc")].keys;
        let may = panel.iter().filter(|entry| entry.permissions.contains(permission)).map(|entry| entry.key);
        let (new, old): (Vec<_>, Vec<_>) = may.partition(|key| !approvals.contains(key));
        let among = if new.is_empty() || self.dice.one_in(20) { old } else { new };
        self.dice.some(&among, 1)
    }
}
