//! A block's plan: every value that the block asks for, named once, and for each operation the places of those it
//! touches. Whoever executes it finds a value by its place, and looks no name up.
//!
//! Must not know: the values.

use std::collections::BTreeMap;

use tonle_crypto::Digest;

use crate::operation::Act;
use crate::proposal::{Proposal, Proposals};
use crate::reference::Instruction;
use crate::run::id_of;
use crate::{
    AccountId, Approve, Asset, BlockInput, Operation, ParticipantId, SignedTransaction, StateKey, TransactionId,
};

/// What one operation touches: places among the accounts and among the references of its block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Touched {
    /// The accounts that it names; what money leaves comes first.
    pub(crate) accounts: [Option<usize>; 2],
    /// The place of the timed value that it names.
    pub(crate) timed: Option<usize>,
    /// The place of the reference that it goes back to.
    pub(crate) original: Option<usize>,
    /// The place of the alias that it names.
    pub(crate) alias: Option<usize>,
    /// The place of the dynamic KHQR code that it pays.
    pub(crate) code: Option<usize>,
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
    pub(crate) timed: Vec<Digest>,
    pub(crate) aliases: Vec<Digest>,
    pub(crate) references: Vec<Digest>,
    /// Dynamic KHQR codes: the hour in which each expires, and its digest.
    pub(crate) codes: Vec<(u64, Digest)>,
    /// What ends before the block's transactions: its place, and that of its account.
    pub(crate) endings: Vec<(usize, usize)>,
    /// Proposals that end before the block's transactions, in order.
    pub(crate) due: Vec<Digest>,
    /// For each transaction, the place of its id.
    pub(crate) id_places: Vec<usize>,
    /// For each proposal that is due, then for each operation of each transaction, in order. A proposal and an approval
    /// touch what the operation touches that is proposed.
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

/// Who names something: what ends, by its number, or an operation, by its number in the block, as its second or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum User {
    Ending(usize),
    Operation(usize, bool),
}

/// The names that a block uses, with their users.
#[derive(Default)]
struct Uses {
    accounts: Vec<(AccountId, User)>,
    timed: Vec<(Digest, User)>,
    aliases: Vec<(Digest, usize)>,
    /// The second are those that an operation goes back to.
    references: Vec<(Digest, User)>,
    codes: Vec<((u64, Digest), usize)>,
}

impl Uses {
    /// Notes what an operation names.
    fn note(&mut self, number: usize, operation: &dyn Act, issuer: impl Fn(Asset) -> Option<ParticipantId>) -> Touched {
        let [first, second] = operation.accounts();
        self.accounts.extend(first.map(|account| (account, User::Operation(number, false))));
        self.accounts.extend(second.map(|account| (account, User::Operation(number, true))));
        self.timed.extend(operation.timed().map(|id| (id, User::Operation(number, false))));
        self.aliases.extend(operation.alias().map(|alias| (alias, number)));
        self.codes.extend(operation.code().map(|code| (code, number)));
        let instruction = operation.instruction().and_then(|Instruction { scope, reference, content }| {
            self.references.push((scope.digest(reference, &issuer)?, User::Operation(number, false)));
            Some(PlannedInstruction { reference: 0, content })
        });
        let original = operation.original().and_then(|(scope, reference)| scope.digest(reference, &issuer));
        self.references.extend(original.map(|original| (original, User::Operation(number, true))));
        Touched { accounts: [None, None], timed: None, original: None, alias: None, code: None, instruction }
    }
}

/// The proposals before the block, and those that operations of the block make.
struct Proposed<'a> {
    before: &'a Proposals,
    block: BTreeMap<Digest, &'a Operation>,
}

impl<'a> Proposed<'a> {
    /// What an operation does when it takes effect at once: for a proposal, and for an approval, what is proposed.
    fn stands_for(&mut self, transaction: &SignedTransaction, number: u32, operation: &'a Operation) -> &'a Operation {
        if let Operation::Propose(propose) = operation {
            self.block.insert(Proposal::id_of(&transaction.id(), number), &propose.operation);
            return &propose.operation;
        }
        if let Operation::Approve(Approve { proposal }) = operation {
            let before = self.before.get(proposal).map(|proposal| &proposal.operation);
            return before.or_else(|| self.block.get(proposal).copied()).unwrap_or(operation);
        }
        operation
    }
}

fn set<T>(slot: Option<&mut T>, value: T) {
    if let Some(slot) = slot {
        *slot = value;
    }
}

impl<'a> Plan<'a> {
    /// The plan of a block. `issuer` is that of an asset; `ended` is what ends before it, with the accounts that name it;
    /// `proposals` are those that stand before it.
    pub(crate) fn new(
        block: &'a BlockInput,
        issuer: impl Fn(Asset) -> Option<ParticipantId>,
        ended: impl Iterator<Item = (Digest, AccountId)>,
        proposals: &Proposals,
    ) -> Self {
        let mut uses = Uses::default();
        for (number, (id, account)) in ended.enumerate() {
            uses.accounts.push((account, User::Ending(number)));
            uses.timed.push((id, User::Ending(number)));
        }
        let mut endings = vec![(0, 0); uses.timed.len()];
        let due = proposals.due(block.height, block.timestamp_ms);
        let operations: usize = block.transactions.iter().map(|transaction| transaction.operations().len()).sum();
        let mut touched: Vec<Touched> = Vec::with_capacity(operations.saturating_add(due.len()));
        touched
            .extend(due.iter().enumerate().map(|(number, (_, due))| uses.note(number, due.operation.act(), &issuer)));
        let due = due.into_iter().map(|(id, _)| id).collect();
        let mut proposed = Proposed { before: proposals, block: BTreeMap::new() };
        for transaction in &block.transactions {
            for (operation, number) in transaction.operations().iter().zip(0u32..) {
                let operation = proposed.stands_for(transaction, number, operation);
                touched.push(uses.note(touched.len(), operation.act(), &issuer));
            }
        }
        let accounts = places(uses.accounts, |user, place| match user {
            User::Ending(number) => set(endings.get_mut(number).map(|(_, account)| account), place),
            User::Operation(number, is_second) => {
                if let Some(Touched { accounts: [first, second], .. }) = touched.get_mut(number) {
                    *(if is_second { second } else { first }) = Some(place);
                }
            }
        });
        let timed = places(uses.timed, |user, place| match user {
            User::Ending(number) => set(endings.get_mut(number).map(|(timed, _)| timed), place),
            User::Operation(number, _) => set(touched.get_mut(number).map(|touched| &mut touched.timed), Some(place)),
        });
        let aliases = places(uses.aliases, |user: usize, place| {
            set(touched.get_mut(user).map(|touched| &mut touched.alias), Some(place));
        });
        let references = places(uses.references, |user, place| match user {
            User::Ending(_) => {}
            User::Operation(number, true) => {
                set(touched.get_mut(number).map(|touched| &mut touched.original), Some(place));
            }
            User::Operation(number, false) => {
                let instruction = touched.get_mut(number).and_then(|touched| touched.instruction.as_mut());
                set(instruction.map(|instruction| &mut instruction.reference), place);
            }
        });
        let codes = places(uses.codes, |user: usize, place| {
            set(touched.get_mut(user).map(|touched| &mut touched.code), Some(place));
        });
        let mut id_places = vec![0; block.transactions.len()];
        let uses = block.transactions.iter().enumerate().map(|(user, transaction)| (id_of(transaction), user));
        let ids = places(uses.collect(), |user, place| set(id_places.get_mut(user), place));
        let keys = accounts.iter().copied().map(StateKey::Account);
        let keys = keys.chain(timed.iter().copied().map(StateKey::Timed));
        let keys = keys.chain(aliases.iter().copied().map(StateKey::Alias));
        let keys = keys.chain(ids.iter().map(|(hour, id)| StateKey::Transaction { hour: *hour, id: *id }));
        let keys = keys.chain(references.iter().copied().map(StateKey::Reference));
        let keys = keys.chain(codes.iter().map(|(hour, code)| StateKey::Code { hour: *hour, code: *code })).collect();
        Plan { block, keys, accounts, timed, aliases, ids, references, codes, endings, due, id_places, touched }
    }

    /// The keys whose values [`crate::Executor::execute`] takes, sorted, each once.
    #[must_use]
    pub fn keys(&self) -> &[StateKey] {
        &self.keys
    }
}
