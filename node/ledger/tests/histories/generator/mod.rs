//! Draws transactions: mostly such as take effect, sometimes with a slip in one thing, so that each reason to refuse
//! something comes up.
//!
//! Must not know: what becomes of them.

mod accounts;
mod agreements;
mod codes;
mod flood;
mod governance;
mod payments;
mod picking;
mod signers;
mod spoiling;

use std::collections::VecDeque;
use std::sync::Arc;

use tonle_crypto::{Digest, PublicKey, Signature, SignatureInvalid, Strict, Verified, Verifier};
use tonle_ledger::*;

use crate::dice::Dice;
use crate::fixture::HOUR_MS;
use crate::world::{Climate, Keyring, View};

pub(crate) type Transaction = Arc<Verified<SignedTransaction>>;

/// Most transactions and operations that are kept to be sent again.
const REMEMBERED: usize = 300;
/// Once in so many choices a slip is made.
const SLIP: u64 = 60;

/// What is remembered from block to block.
#[derive(Debug)]
pub(crate) struct Generator {
    pub(crate) dice: Dice,
    climate: Climate,
    keys: Keyring,
    chain: Digest,
    /// Counts what is named: accounts, participants, references, places of offences.
    names: u64,
    /// Transactions that were sent.
    sent: VecDeque<Transaction>,
    /// Operations with references that were drawn.
    drawn: VecDeque<Operation>,
    /// Payments by code that were drawn.
    codes: VecDeque<PayKhqr>,
    /// Reports that were drawn.
    reports: VecDeque<Operation>,
    /// What is left of a flood: one transaction for each block.
    flood: VecDeque<(Vec<Operation>, Vec<PublicKey>)>,
    /// Blocks until all that ends by itself does at once.
    until_overdue: u64,
}

/// What a block is drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) executor: &'a Executor,
    pub(crate) view: &'a View,
    /// The next block's height and time.
    pub(crate) height: u64,
    pub(crate) now_ms: u64,
}

/// What came of one draw.
pub(crate) enum Sent {
    /// To be executed.
    Transaction(Transaction),
    /// Refused by its bytes.
    Refused(RejectionCode),
}

impl Generator {
    pub(crate) fn new(dice: Dice, climate: Climate, keys: Keyring, genesis: &Genesis) -> Self {
        let mut generator = Generator {
            dice,
            climate,
            keys,
            chain: genesis.digest(),
            names: 0,
            sent: VecDeque::new(),
            drawn: VecDeque::new(),
            codes: VecDeque::new(),
            reports: VecDeque::new(),
            flood: VecDeque::new(),
            until_overdue: 32,
        };
        generator.begin(genesis);
        generator
    }

    /// How long it takes until the next block: mostly moments, now and then until much has ended by itself.
    pub(crate) fn pause_ms(&mut self) -> u64 {
        if self.climate == Climate::Overdue && self.until_overdue > 0 {
            self.until_overdue -= 1;
            return if self.until_overdue == 0 { flood::LIFE_MS } else { 1 };
        }
        // What is overdue ends in as many blocks as it takes, soon one after the other.
        match self.dice.below(400) {
            0..=3 => 8 * 24 * HOUR_MS + self.dice.below(90 * 24 * HOUR_MS),
            4..=15 => self.dice.below(30 * HOUR_MS),
            16..=35 => self.dice.below(HOUR_MS),
            36..=99 => self.dice.below(60_000),
            _ => 1 + self.dice.below(500),
        }
    }

    /// The transactions of one block. Of a flood comes one transaction, alone.
    pub(crate) fn block(&mut self, scene: Scene<'_>) -> (Vec<Sent>, bool) {
        if let Some((operations, signers)) = self.flood.pop_front() {
            let mut body = self.body(scene, operations);
            body.independent = true;
            return (vec![Sent::Transaction(self.signed(&body, &signers))], true);
        }
        let most = if self.dice.one_in(10) { 60 } else { 24 };
        let count = self.dice.below(most);
        let mut sent: Vec<_> = (0..count).map(|_| self.send(scene)).collect();
        if self.climate == Climate::Governing {
            sent.extend(self.hurry(scene));
        }
        (sent, false)
    }

    fn send(&mut self, scene: Scene<'_>) -> Sent {
        if self.dice.one_in(25)
            && let Some(again) = self.dice.of(self.sent.make_contiguous()).cloned()
        {
            return Sent::Transaction(again);
        }
        if self.dice.one_in(120) {
            return Sent::Refused(self.refused(scene));
        }
        let operations = self.operations(scene);
        let mut signers = self.signers(scene, &operations);
        if self.dice.one_in(30) && signers.len() > 1 {
            signers.swap_remove(self.dice.place(signers.len()));
        } else if self.dice.one_in(50) {
            signers = vec![self.dice.pick(&self.keys.pool)];
        }
        let mut body = self.body(scene, operations);
        match self.dice.below(200) {
            0 => body.not_before_ms = scene.now_ms + 1,
            1 => body.not_after_ms = scene.now_ms,
            _ => {}
        }
        let transaction = self.signed(&body, &signers);
        remember(&mut self.sent, transaction.clone());
        Sent::Transaction(transaction)
    }

    /// A transaction that is refused and reaches nothing, to stand in the place of another that was refused.
    pub(crate) fn harmless(&mut self, scene: Scene<'_>) -> Transaction {
        let nothing = Operation::Approve(Approve { proposal: Digest::ZERO });
        let body = self.body(scene, vec![nothing]);
        let signer = self.keys.pool[0];
        self.signed(&body, &[signer])
    }

    /// A body with a nonce of its own, that is valid at the block's time.
    fn body(&mut self, scene: Scene<'_>, operations: Vec<Operation>) -> TransactionBody {
        let nonce = self.number().to_be_bytes().to_vec();
        let before = self.dice.below(HOUR_MS);
        let not_before_ms = scene.now_ms - before;
        let not_after_ms = scene.now_ms + 1 + self.dice.below(MAX_WINDOW_MS - HOUR_MS);
        let independent = self.dice.one_in(2);
        TransactionBody { chain: self.chain, not_before_ms, not_after_ms, independent, nonce, operations }
    }
    fn signed(&mut self, body: &TransactionBody, signers: &[PublicKey]) -> Transaction {
        let secrets: Vec<_> = signers.iter().map(|key| self.keys.secret(key)).collect();
        let signed = body.sign(&secrets).unwrap_or_else(|rejection| panic!("{rejection}: {body:?}"));
        // Checking all of them would take half of the time.
        let verifier: &dyn Verifier = if self.dice.one_in(32) { &Strict } else { &JustSigned };
        Arc::new(Verified::check(signed, &self.chain, verifier).unwrap())
    }

    fn operations(&mut self, scene: Scene<'_>) -> Vec<Operation> {
        if self.dice.one_in(500) {
            return self.many_grants(scene);
        }
        let count = match self.dice.below(10) {
            0..=5 => 1,
            6..=8 => 2 + self.dice.below(3),
            _ => 2 + self.dice.below(9),
        };
        (0..count).map(|_| self.operation(scene)).collect()
    }

    fn operation(&mut self, scene: Scene<'_>) -> Operation {
        if self.dice.one_in(30)
            && let Some(again) = self.dice.of(self.drawn.make_contiguous()).cloned()
        {
            return again;
        }
        let kind = self.kind();
        let operation = self.of_kind(scene, kind);
        if operation.reference().is_some() {
            remember(&mut self.drawn, operation.clone());
        }
        operation
    }

    /// The operation of a kind. One that no file here knows is a transfer: then its kind is never met, which the test
    /// says.
    fn of_kind(&mut self, scene: Scene<'_>, kind: OperationKind) -> Operation {
        let drawn = self.agreement(scene, kind);
        let drawn = drawn.or_else(|| self.account_operation(scene, kind));
        let drawn = drawn.or_else(|| self.governance(scene, kind));
        drawn.unwrap_or_else(|| self.payment(scene, kind))
    }

    fn kind(&mut self) -> OperationKind {
        if self.climate == Climate::Overdue && self.dice.one_in(2) {
            return self.dice.pick(&flood::OF_THESE);
        }
        if self.dice.one_in(5) {
            return OperationKind::Transfer;
        }
        let kind = self.dice.pick(OperationKind::ALL);
        let rare = matches!(
            kind,
            OperationKind::AddParticipant | OperationKind::RemoveParticipant | OperationKind::CloseAccount
        );
        if rare && !self.dice.one_in(3) { self.kind() } else { kind }
    }

    fn number(&mut self) -> u64 {
        self.names += 1;
        self.names
    }
    fn slips(&mut self) -> bool {
        self.dice.one_in(SLIP)
    }
}

/// Of signatures that were made a moment ago.
struct JustSigned;

impl Verifier for JustSigned {
    fn verify(&self, _: &PublicKey, _: &[u8], _: &Signature) -> Result<(), SignatureInvalid> {
        Ok(())
    }
}

fn remember<T>(kept: &mut VecDeque<T>, item: T) {
    if kept.len() == REMEMBERED {
        kept.pop_front();
    }
    kept.push_back(item);
}
