//! Messages of any validator of a small fixed chain, made by hand: what honest and dishonest peers could send.
//!
//! Must not know: who receives them, whether they are wanted.

use std::sync::{Arc, LazyLock};

use tonle_consensus::{
    Bitmap, Block, Checkpoint, Epoch, Header, HeaderFields, Height, Proposal, QuorumCertificate, QuorumKind,
    SigningContext, Statement, Timeout, TimeoutCertificate, TimeoutVote, Timestamp, Validator, ValidatorIndex,
    ValidatorSet, View, Vote, payload_digest,
};
use tonle_crypto::{Canonical, Digest, SecretKey, Signature, Verified, Writer};
use tonle_ledger::{
    AccountId, AccountKind, Activation, AddParticipant, Amount, Approve, Asset, Issue, KycTier, Member, Mode,
    OpenAccount, Operation, ParticipantId, ParticipantKey, Permission, Permissions, Propose, Redeem, Reference,
    RemoveParticipant, RemoveValidator, ReportMisbehaviour, Role, SEALED_BUCKETS, SEALED_OVERHEAD, SEALED_RECIPIENTS,
    Sealed, SetEncryptionKey, SetParticipantKeys, SetParticipantMode, SignedTransaction, Text, Thresholds,
    TransactionBody, Transfer, Withdraw,
};
use tonle_replica::{Cut, LaneFork, Misbehaviour, PeerContext, RawBatch, Tip, genesis_block};

use crate::signing::Scheme;

/// Block time of genesis, in ms.
pub(crate) const START_MS: u64 = 1_800_000_000_000;
/// The chain.
pub(crate) const CHAIN: Digest = Digest::from_bytes([7; 32]);
/// Validators of the chain that most targets use.
pub(crate) const NODES: u16 = 4;

/// Keys are made once: each costs a multiplication on the curve.
static KEYS: LazyLock<Vec<SecretKey>> = LazyLock::new(|| {
    (0..256u16)
        .map(|index| {
            let mut seed = [0x5e; 32];
            seed[..2].copy_from_slice(&index.to_be_bytes());
            SecretKey::from_seed(&seed)
        })
        .collect()
});

/// Validator keys are the first hundred, network keys the second, and clients' those above.
pub(crate) fn key(index: usize) -> &'static SecretKey {
    &KEYS[index % KEYS.len()]
}
/// A client's key.
pub(crate) fn client(index: usize) -> &'static SecretKey {
    key(200 + index % 50)
}
pub(crate) fn validator(index: u16) -> ValidatorIndex {
    ValidatorIndex::new(index)
}

/// `n` validators in an epoch.
pub(crate) fn validators(n: u16, epoch: u64) -> ValidatorSet {
    let members = (0..n).map(|index| Validator {
        name: format!("bank{index}"),
        key: key(usize::from(index)).public(),
        network_key: key(100 + usize::from(index)).public(),
    });
    ValidatorSet::new(Epoch::new(epoch), members.collect()).expect("distinct names and keys")
}

/// What peers' messages are checked against.
pub(crate) fn peers() -> PeerContext {
    PeerContext::new(CHAIN, validators(NODES, 0))
}

/// Makes messages of one epoch's validators.
#[derive(Debug, Clone)]
pub(crate) struct Forge {
    pub(crate) scheme: Scheme,
    pub(crate) context: SigningContext,
}

impl Forge {
    pub(crate) fn new(scheme: Scheme, n: u16, epoch: u64) -> Self {
        Forge { scheme, context: SigningContext { genesis: CHAIN, set: validators(n, epoch) } }
    }
    pub(crate) fn epoch(&self) -> Epoch {
        self.context.set.epoch()
    }
    pub(crate) fn sign(&self, signer: ValidatorIndex, statement: &Statement) -> Signature {
        self.scheme.sign(key(signer.index()), &statement.preimage(&self.context))
    }
    pub(crate) fn vote(&self, kind: QuorumKind, view: View, block: Digest, signer: ValidatorIndex) -> Vote {
        let signature = self.sign(signer, &statement(kind, view, block));
        Vote { epoch: self.epoch(), view, block, signer, signature }
    }
    /// A certificate by these validators, however few.
    pub(crate) fn quorum(
        &self,
        kind: QuorumKind,
        view: View,
        block: Digest,
        signers: &[ValidatorIndex],
    ) -> QuorumCertificate {
        let mut bitmap = Bitmap::new(self.context.set.len());
        signers.iter().for_each(|signer| {
            bitmap.insert(*signer);
        });
        let statement = statement(kind, view, block);
        let signatures = bitmap.iter().map(|signer| self.sign(signer, &statement)).collect();
        QuorumCertificate { kind, epoch: self.epoch(), view, block, signers: bitmap, signatures }
    }
    pub(crate) fn timeout(&self, view: View, signer: ValidatorIndex, high: Option<QuorumCertificate>) -> Timeout {
        let high_view = high_view(high.as_ref());
        let signature = self.sign(signer, &Statement::Timeout { view, high_view });
        Timeout { epoch: self.epoch(), view, high_view, signer, signature, high_qc: high }
    }
    pub(crate) fn timeouts(
        &self,
        view: View,
        signers: &[ValidatorIndex],
        high: Option<QuorumCertificate>,
    ) -> TimeoutCertificate {
        let high_view = high_view(high.as_ref());
        let vote = |signer: &ValidatorIndex| TimeoutVote {
            signer: *signer,
            high_view,
            signature: self.sign(*signer, &Statement::Timeout { view, high_view }),
        };
        TimeoutCertificate { epoch: self.epoch(), view, votes: signers.iter().map(vote).collect(), high_qc: high }
    }
    /// A proposal by the leader of `view`.
    pub(crate) fn proposal(
        &self,
        view: View,
        block: Block,
        parent_qc: Option<QuorumCertificate>,
        timeout: Option<TimeoutCertificate>,
        sidecar: &[u8],
    ) -> Proposal {
        let parent_view = high_view(parent_qc.as_ref());
        let statement = Statement::Proposal { view, parent_view, block: block.digest() };
        let signature = self.sign(self.context.set.leader(view), &statement);
        let epoch = self.epoch();
        Proposal { epoch, view, parent_view, block, parent_qc, timeout, signature, sidecar: sidecar.into() }
    }
    /// The batch after `parent` in a lane.
    pub(crate) fn batch(&self, lane: u16, parent: Tip, transactions: &[SignedTransaction]) -> RawBatch {
        let key = key(usize::from(lane));
        let mut writer = Writer::new();
        writer.raw(b"tonle/v1/batch\0").digest(&self.context.genesis).key(&key.public());
        writer.u64(parent.seq.wrapping_add(1)).digest(&parent.digest).length(transactions.len());
        for transaction in transactions {
            writer.bytes(transaction.bytes());
        }
        let unsigned = RawBatch::decode(&[&writer.finish()[..], &[0; 64]].concat()).expect("within a batch's bounds");
        unsigned.with_signature(self.scheme.sign(key, &unsigned.signed_message()))
    }
}

/// What the signers of a quorum certificate of this kind signed.
pub(crate) fn statement(kind: QuorumKind, view: View, block: Digest) -> Statement {
    match kind {
        QuorumKind::Notarized => Statement::Notarize { view, block },
        QuorumKind::Finalized => Statement::Finalize { view, block },
    }
}

fn high_view(certificate: Option<&QuorumCertificate>) -> View {
    certificate.map_or(View::ZERO, |certificate| certificate.view)
}

/// The roots that executing a block gives, to whoever fuzzes: a function of the block.
pub(crate) fn roots(block: &Block) -> Checkpoint {
    static ROOTS: tonle_crypto::Domain = tonle_crypto::Domain::new("tonle v1 fuzzing roots");
    let root = |which: u8| ROOTS.digest_parts(&[&[which], block.digest().as_bytes()]);
    Checkpoint { height: block.height(), state_root: root(1), results_root: root(2) }
}

/// The block of height 0.
pub(crate) fn genesis() -> Block {
    let root = Digest::from_bytes([9; 32]);
    genesis_block(CHAIN, usize::from(NODES), START_MS, 1, root, root).expect("an empty cut fits")
}

/// A block above `parent`.
pub(crate) fn child(parent: &Block, cut: &Cut, checkpoint: Checkpoint, next_set: Option<Digest>) -> Block {
    let payload = cut.encode();
    let header = Header::new(HeaderFields {
        parent: parent.digest(),
        height: Height::new(parent.height().get().wrapping_add(1)),
        timestamp: Timestamp::new(parent.header().timestamp().get().wrapping_add(1)),
        protocol_version: 1,
        payload: payload_digest(&payload),
        checkpoint,
        next_set,
    });
    Block::new(header, payload).expect("the cut is within the bound of a payload")
}

/// A transaction that `number` makes distinct, signed by its first `signers` clients.
pub(crate) fn transaction(
    scheme: Scheme,
    number: u64,
    signers: usize,
    operations: Vec<Operation>,
) -> SignedTransaction {
    let body = TransactionBody {
        chain: CHAIN,
        not_before_ms: START_MS,
        not_after_ms: START_MS + 3_600_000,
        independent: number % 2 == 1,
        nonce: number.to_be_bytes().to_vec(),
        operations,
    };
    signed(scheme, &body, signers)
}

pub(crate) fn signed(scheme: Scheme, body: &TransactionBody, signers: usize) -> SignedTransaction {
    let bytes = body.to_bytes();
    let message = SignedTransaction::signed_message(&body.chain, &bytes);
    let mut signatures: Vec<_> =
        (0..signers).map(|index| (client(index).public(), scheme.sign(client(index), &message))).collect();
    signatures.sort_unstable_by_key(|(key, _)| *key);
    SignedTransaction::from_parts(&bytes, &signatures).expect("in form")
}

/// A transfer signed by one client, its signature checked.
pub(crate) fn transfer(scheme: Scheme, number: u64, padding: usize) -> Arc<Verified<SignedTransaction>> {
    let mut operation = transfer_of(1 + number);
    if let Operation::Transfer(transfer) = &mut operation {
        transfer.sealed = SEALED_BUCKETS.into_iter().rev().find(|size| size + SEALED_OVERHEAD <= padding).map(sealed);
    }
    let signed = transaction(scheme, number, 1, vec![operation]);
    Arc::new(Verified::check(signed, &CHAIN, scheme.verifier()).expect("signed by its client"))
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("a name in form")
}
fn khr() -> Asset {
    Asset::new("KHR").expect("a code in form")
}

/// Sealed bytes whose encrypted text has `bucket` bytes: of the form that the ledger asks for, and openable by nobody.
pub(crate) fn sealed(bucket: usize) -> Sealed {
    let line = "A".repeat(43);
    let recipients = format!("-> X25519 {line}\n{line}\n").repeat(SEALED_RECIPIENTS);
    let header = format!("age-encryption.org/v1\n{recipients}--- {line}\n").into_bytes();
    Sealed::from_bytes(&[header, vec![0xee; 32 + bucket]].concat()).expect("of the form")
}

pub(crate) fn transfer_of(minor: u64) -> Operation {
    Operation::Transfer(Box::new(Transfer {
        from: account("a@bank0"),
        to: account("b@bank1"),
        asset: khr(),
        amount: Amount::from_minor(minor),
        instruction_ref: None,
        purpose: None,
        external_ref: None,
        sealed: None,
    }))
}

/// One operation of each kind, with every field filled.
pub(crate) fn every_operation() -> Vec<Operation> {
    let reference = || Some(Reference::new("INV-2026/17").expect("printable"));
    let mut full = transfer_of(u64::MAX);
    if let Operation::Transfer(transfer) = &mut full {
        transfer.instruction_ref = reference();
        transfer.purpose = Some(Text::new("SALA").expect("printable"));
        transfer.external_ref = reference();
        transfer.sealed = Some(sealed(128));
    }
    let mut keys = vec![client(1).public(), client(2).public()];
    keys.sort_unstable();
    let (amount, asset) = (Amount::from_minor(300), khr());
    vec![
        full,
        Operation::OpenAccount(OpenAccount {
            account: account("c@bank0"),
            kind: AccountKind::Merchant,
            keys,
            threshold: 2,
            tier: Some(KycTier::Partial),
        }),
        Operation::Issue(Issue { to: account("r@nbc"), asset, amount, instruction_ref: reference() }),
        Operation::Redeem(Redeem { from: account("r@nbc"), asset, amount, instruction_ref: None }),
        Operation::SetValidator(Box::new(Member {
            participant: ParticipantId::new("bank1").expect("a name"),
            key: client(3).public(),
            network_key: client(4).public(),
        })),
        Operation::RemoveValidator(RemoveValidator { participant: ParticipantId::new("bank0").expect("a name") }),
        Operation::AddParticipant(Box::new(admission())),
        Operation::ReportMisbehaviour(ReportMisbehaviour { proof: fork().encode() }),
        Operation::SetParticipantKeys(Box::new(SetParticipantKeys {
            participant: ParticipantId::new("bank1").expect("a name"),
            keys: participant_keys(),
            thresholds: Thresholds { pay: 2, ..Thresholds::default() },
        })),
        Operation::SetParticipantMode(set_mode()),
        Operation::SetEncryptionKey(SetEncryptionKey {
            participant: ParticipantId::new("bank0").expect("a name"),
            encryption_key: client(8).public().encryption_key(),
        }),
        Operation::RemoveParticipant(RemoveParticipant { participant: ParticipantId::new("bank0").expect("a name") }),
        Operation::Propose(Box::new(Propose {
            participant: ParticipantId::new("nbc").expect("a name"),
            operation: Operation::SetParticipantMode(set_mode()),
            effect_height: 70,
            expires_ms: START_MS + 3_600_000,
        })),
        Operation::Approve(Approve { proposal: CHAIN }),
        Operation::Withdraw(Withdraw { proposal: CHAIN }),
        Operation::ActivateProtocol(Activation { version: 2, height: 1_000 }),
    ]
    .into_iter()
    .chain(crate::agreements::agreements())
    .chain(crate::keeping::keeping())
    .collect()
}

fn set_mode() -> SetParticipantMode {
    SetParticipantMode { participant: ParticipantId::new("bank1").expect("a name"), mode: Mode::PayOutOnly }
}

/// Two batches at the first place of a lane.
fn fork() -> Misbehaviour {
    let forge = Forge::new(Scheme::Ed25519, NODES, 0);
    let batch = |number| {
        let transaction = transaction(Scheme::Ed25519, number, 1, vec![transfer_of(1)]);
        forge.batch(0, Tip::EMPTY, &[transaction])
    };
    Misbehaviour::Lane(LaneFork::new(&batch(1), &batch(2)).expect("two batches of one place"))
}

fn participant_keys() -> Vec<ParticipantKey> {
    let may = |number, permissions: &[Permission]| ParticipantKey {
        key: client(number).public(),
        permissions: Permissions::of(permissions),
    };
    let mut keys =
        vec![may(5, &[Permission::Pay, Permission::OpenAccounts, Permission::ManageKeys]), may(6, &[Permission::Pay])];
    keys.sort_by_key(|entry| entry.key);
    keys
}

fn admission() -> AddParticipant {
    AddParticipant {
        participant: ParticipantId::new("bank9").expect("a name"),
        legal_name: "Bank No. 9".to_owned(),
        bic: "TONLKHPP".to_owned(),
        role: Role::Bank,
        keys: participant_keys(),
        pay_threshold: 2,
        open_accounts_threshold: 1,
        manage_keys_threshold: 1,
        encryption_key: client(9).public().encryption_key(),
    }
}
