//! What a history begins with so that a high bound is near: thousands of operations in few transactions.
//!
//! Must not know: what comes after.

use tonle_crypto::PublicKey;
use tonle_ledger::*;

use super::Generator;
use crate::fixture::{HOUR_MS, amount, asset, id, participant_id, sealed};
use crate::world::Climate;

/// How long what an overdue history begins with lives.
pub(super) const LIFE_MS: u64 = 20 * HOUR_MS;

/// What can be done with what an overdue history begins with.
pub(super) const OF_THESE: [OperationKind; 6] = [
    OperationKind::CaptureHold,
    OperationKind::ReleaseHold,
    OperationKind::TrackTransfer,
    OperationKind::AcceptRequest,
    OperationKind::TakeQuote,
    OperationKind::TakeQuote,
];

impl Generator {
    pub(super) fn begin(&mut self, genesis: &Genesis) {
        let keys = |name: &str, permission| -> Vec<PublicKey> {
            let participant = genesis.participant(participant_id(name)).unwrap();
            let may = participant.keys.iter().filter(|entry| entry.permissions.contains(permission));
            may.map(|entry| entry.key).collect()
        };
        match self.climate {
            Climate::Everyday | Climate::Governing | Climate::Crowded => {}
            Climate::Overdue => {
                let ends_ms = genesis.created_ms + LIFE_MS;
                // A few more than there may be.
                let begun: Vec<_> = (0..TIMED_PER_PARTICIPANT_MAX + 20).map(|number| timed(number, ends_ms)).collect();
                let signers = keys("b0", Permission::Pay);
                // What is sealed is long: half as many as there may be are as large as may be.
                let some = begun.chunks(MAX_OPERATIONS / 2);
                self.flood.extend(some.map(|operations| (operations.to_vec(), signers.clone())));
            }
            Climate::Worn => {
                let signers = keys("nbc", Permission::Govern);
                let left = VALIDATOR_KEYS_MAX - 2 * genesis.validators.len();
                let participant = genesis.validators[0].participant;
                // A few are left.
                let change = |_| {
                    let (key, network_key) = (self.keys.fresh(), self.keys.fresh());
                    Operation::SetValidator(Box::new(Member { participant, key, network_key }))
                };
                let changes: Vec<_> = (0..left / 2 - 2).map(change).collect();
                let some = changes.chunks(MAX_OPERATIONS);
                self.flood.extend(some.map(|operations| (operations.to_vec(), signers.clone())));
            }
        }
    }
}

/// Something of one of four kinds that ends at this time, begun by the first bank.
fn timed(number: usize, expires_ms: u64) -> Operation {
    let (from, to, asset, amount) = (id("reserve@b0"), id("settle@b1"), asset("KHR"), amount(1));
    let instruction_ref = Reference::new(&format!("flood {number}")).unwrap();
    match number % 4 {
        0 => Operation::PlaceHold(Box::new(PlaceHold { from, to, asset, amount, instruction_ref, expires_ms })),
        1 => Operation::SendToBank(Box::new(SendToBank {
            from,
            to,
            asset,
            amount,
            instruction_ref,
            expires_ms,
            purpose: None,
            external_ref: None,
            sealed: sealed(128),
        })),
        2 => Operation::RequestToPay(Box::new(RequestToPay {
            from: to,
            to: from,
            asset,
            amount,
            instruction_ref,
            expires_ms,
            purpose: None,
            external_ref: None,
            sealed: None,
        })),
        _ => Operation::OfferQuote(Box::new(OfferQuote {
            maker: from,
            taker: None,
            sold: (asset, amount),
            bought: (crate::fixture::asset("USD"), amount),
            instruction_ref,
            expires_ms,
        })),
    }
}
