//! A block's plan: every value that the block asks for, named once, and for each operation the places of those it
//! touches. Whoever executes it finds a value by its place, and looks no name up.
//!
//! Must not know: the values.

use tonle_crypto::Digest;

use crate::reference::Instruction;
use crate::run::id_of;
use crate::{AccountId, Asset, BlockInput, ParticipantId, StateKey, TransactionId};

/// What one operation touches: places among the accounts and among the references of its block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    /// The accounts that it names; what money leaves comes first.
    pub(crate) accounts: [Option<usize>; 2],
    /// Its instruction, when it has a reference.
    pub(crate) instruction: Option<PlannedInstruction>,
}

/// An operation with a reference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PlannedInstruction {
    /// The place of its reference.
    pub(crate) reference: usize,
    /// What makes another operation with this reference the same.
    pub(crate) content: Digest,
}

/// The values that a block asks for; made by [`crate::Executor::plan`].
#[derive(Debug)]
pub struct Plan<'a> {
    pub(crate) block: &'a BlockInput,
    keys: Vec<StateKey>,
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) ids: Vec<(u64, TransactionId)>,
    pub(crate) references: Vec<Digest>,
    /// For each transaction, the place of its id.
    pub(crate) id_places: Vec<usize>,
    /// For each operation of each transaction, in order.
    pub(crate) touched: Vec<Touched>,
}

/// The distinct names in order; tells each use the place of its name among them.
fn places<N: Ord + Copy, U: Ord>(mut uses: Vec<(N, U)>, mut tell: impl FnMut(U, usize)) -> Vec<N> {
    uses.sort_unstable();
    let mut names: Vec<N> = Vec::with_capacity(uses.len());
    for (name, user) in uses {
        if names.last() != Some(&name) {
            names.push(name);
        }
        tell(user, names.len().saturating_sub(1));
    }
    names
}

impl<'a> Plan<'a> {
    /// The plan of a block. `issuer` is that of an asset.
    pub(crate) fn new(block: &'a BlockInput, issuer: impl Fn(Asset) -> Option<ParticipantId>) -> Self {
        let operations = || block.transactions.iter().flat_map(|transaction| transaction.operations());
        let count = operations().count();
        let mut touched = Vec::with_capacity(count);
        // Each account with the operation that uses it, and whether as its second.
        let mut accounts = Vec::with_capacity(count.saturating_mul(2));
        let mut references = Vec::new();
        for (number, operation) in operations().enumerate() {
            let operation = operation.act();
            let [first, second] = operation.accounts();
            accounts.extend(first.map(|account| (account, (number, false))));
            accounts.extend(second.map(|account| (account, (number, true))));
            let instruction = operation.instruction().and_then(|Instruction { scope, reference, content }| {
                references.push((scope.digest(reference, &issuer)?, number));
                Some(PlannedInstruction { reference: 0, content })
            });
            touched.push(Touched { accounts: [None, None], instruction });
        }
        let accounts = places(accounts, |(user, is_second), place| {
            if let Some(Touched { accounts: [first, second], .. }) = touched.get_mut(user) {
                *(if is_second { second } else { first }) = Some(place);
            }
        });
        let references = places(references, |user, place| {
            if let Some(instruction) = touched.get_mut(user).and_then(|touched| touched.instruction.as_mut()) {
                instruction.reference = place;
            }
        });
        let mut id_places = vec![0; block.transactions.len()];
        let uses = block.transactions.iter().enumerate().map(|(user, transaction)| (id_of(transaction), user));
        let ids = places(uses.collect(), |user, place| {
            if let Some(id) = id_places.get_mut(user) {
                *id = place;
            }
        });
        let keys = accounts.iter().copied().map(StateKey::Account);
        let keys = keys.chain(ids.iter().map(|(hour, id)| StateKey::Transaction { hour: *hour, id: *id }));
        let keys = keys.chain(references.iter().copied().map(StateKey::Reference)).collect();
        Plan { block, keys, accounts, ids, references, id_places, touched }
    }

    /// The keys whose values [`crate::Executor::execute`] takes, sorted, each once.
    #[must_use]
    pub fn keys(&self) -> &[StateKey] {
        &self.keys
    }
}
