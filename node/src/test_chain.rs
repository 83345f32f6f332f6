//! A small chain for the tests of this crate: a genesis, validators, batches with real signatures, blocks. Certificates
//! carry no signatures: storage does not check them.

use std::sync::Arc;

use tonle_consensus::{
    Bitmap, Block, Checkpoint, Epoch, Header, HeaderFields, Height, QuorumCertificate, QuorumKind, Timestamp,
    Validator, ValidatorSet, View, payload_digest,
};
use tonle_crypto::{Canonical, Digest, SecretKey, Strict, Writer};
use tonle_ledger::{
    Account, AccountId, AccountKind, Amount, Asset, Balance, Genesis, GenesisAccount, GenesisAsset, GenesisValidator,
    KycTier, Mode, Operation, Parameters, Participant, ParticipantId, ParticipantKey, Permission, Permissions, Role,
    SignedTransaction, Thresholds, TransactionBody, Transfer,
};
use tonle_replica::{Batch, BatchContext, Cut, FinalBlock, PeerContext, RawBatch, Tip};

/// Block time of height 0.
pub(crate) const START_MS: u64 = 1_800_000_000_000;
pub(crate) const BANKS: [&str; 4] = ["aba", "acleda", "canadia", "wing"];

/// The key of a name, for tests only.
pub(crate) fn key(name: &str) -> SecretKey {
    let mut seed = [0u8; 32];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    SecretKey::from_seed(&seed)
}

pub(crate) fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn khr() -> Asset {
    Asset::new("KHR").unwrap()
}

/// Four banks with one account each, 1,000,000 in minor units of KHR on it.
pub(crate) fn genesis() -> Genesis {
    use Permission::{Govern, Issue, OpenAccounts, Pay};
    let participant = |name: &str, role, permissions: &[Permission]| Participant {
        id: ParticipantId::new(name).unwrap(),
        legal_name: format!("{name} Plc."),
        bic: String::new(),
        role,
        mode: Mode::Active,
        thresholds: Thresholds::default(),
        keys: vec![ParticipantKey { key: key(name).public(), permissions: Permissions::of(permissions) }],
        encryption_key: key(name).public().encryption_key(),
    };
    let mut participants: Vec<_> =
        BANKS.iter().map(|name| participant(name, Role::Bank, &[Pay, OpenAccounts])).collect();
    participants.push(participant("nbc", Role::Operator, &[Pay, OpenAccounts, Issue, Govern]));
    let accounts = BANKS.iter().map(|name| {
        let mut account = Account::new(AccountKind::Wallet, &[], 0).with_tier(KycTier::Full);
        account.set_balance(Balance::new(khr(), Amount::from_minor(1_000_000), Amount::ZERO));
        GenesisAccount { id: self::account(&format!("till@{name}")), account }
    });
    let issuer = ParticipantId::new("nbc").unwrap();
    let assets = vec![GenesisAsset { asset: khr(), number: 116, exponent: 2, issuer }];
    Genesis {
        parameters: Parameters::initial(&assets),
        chain_name: "storage test".to_owned(),
        created_ms: START_MS,
        protocol_version: 1,
        signature_rule: 1,
        epoch_length: 3_600,
        checkpoint_every: 1,
        max_lag: 16,
        max_block_bytes: 8 << 20,
        max_block_operations: 100_000,
        idle_interval_ms: 1_000,
        participants,
        assets,
        accounts: accounts.collect(),
        validators: BANKS
            .map(|name| GenesisValidator {
                participant: ParticipantId::new(name).unwrap(),
                key: key(&format!("{name} validator")).public(),
                network_key: key(&format!("{name} network")).public(),
            })
            .to_vec(),
    }
    .sorted()
}

pub(crate) fn validators() -> ValidatorSet {
    let validators = BANKS.map(|name| Validator {
        name: name.to_owned(),
        key: key(&format!("{name} validator")).public(),
        network_key: key(&format!("{name} network")).public(),
    });
    ValidatorSet::new(Epoch::ZERO, validators.to_vec()).unwrap()
}

pub(crate) fn peers() -> PeerContext {
    PeerContext::new(genesis().digest(), validators())
}

pub(crate) fn context() -> BatchContext {
    peers().batches()
}

/// A transfer of `minor` from one bank's till to another's; `nonce` makes it unique.
pub(crate) fn transfer(from: &str, to: &str, minor: u64, nonce: u64) -> SignedTransaction {
    let operation = Operation::Transfer(Box::new(Transfer {
        from: account(&format!("till@{from}")),
        to: account(&format!("till@{to}")),
        asset: khr(),
        amount: Amount::from_minor(minor),
        instruction_ref: None,
        purpose: None,
        external_ref: None,
        sealed: None,
    }));
    let body = TransactionBody {
        chain: genesis().digest(),
        not_before_ms: START_MS,
        not_after_ms: START_MS + 3_600_000,
        independent: false,
        nonce: nonce.to_be_bytes().to_vec(),
        operations: vec![operation],
    };
    body.sign(&[&key(from)]).unwrap()
}

/// The batch after `parent` in the lane of bank `lane`.
pub(crate) fn batch(lane: usize, parent: Tip, transactions: &[SignedTransaction]) -> Arc<Batch> {
    let key = key(&format!("{} validator", BANKS[lane]));
    let mut writer = Writer::new();
    writer.raw(b"tonle/v1/batch\0").digest(&genesis().digest()).key(&key.public());
    writer.u64(parent.seq + 1).digest(&parent.digest).length(transactions.len());
    for transaction in transactions {
        writer.bytes(transaction.bytes());
    }
    let unsigned = RawBatch::decode(&[&writer.finish()[..], &[0; 64]].concat()).unwrap();
    let raw = Arc::new(unsigned.with_signature(key.sign(&unsigned.signed_message())));
    Arc::new(Batch::check(raw, &context(), &Strict).unwrap())
}

/// A certificate without signatures.
pub(crate) fn certificate(kind: QuorumKind, view: u64, block: Digest) -> QuorumCertificate {
    let (epoch, view, signers) = (Epoch::ZERO, View::new(view), Bitmap::new(4));
    QuorumCertificate { kind, epoch, view, block, signers, signatures: Vec::new() }
}

pub(crate) fn genesis_block(checkpoint: Checkpoint) -> Block {
    block(genesis().digest(), 0, checkpoint, &Cut::genesis(4))
}

fn block(parent: Digest, height: u64, checkpoint: Checkpoint, cut: &Cut) -> Block {
    let payload = cut.encode();
    let header = Header::new(HeaderFields {
        parent,
        height: Height::new(height),
        timestamp: Timestamp::new(START_MS + height * 1_000),
        protocol_version: 1,
        payload: payload_digest(&payload),
        checkpoint,
        next_set: None,
    });
    Block::new(header, payload).unwrap()
}

/// Grows block by block, one lane: the first bank's.
pub(crate) struct Growing {
    parent: Block,
    tip: Tip,
}

impl Growing {
    pub(crate) fn new(genesis: Block) -> Self {
        Growing { parent: genesis, tip: Tip::EMPTY }
    }

    /// On from a block, whose lane ends at `tip`.
    pub(crate) fn after(block: &FinalBlock, tip: Tip) -> Self {
        Growing { parent: block.block.clone(), tip }
    }

    /// The next block, with one batch of `transactions` unless there are none. Without `certified` it is final by a
    /// later one.
    pub(crate) fn next(
        &mut self,
        checkpoint: Checkpoint,
        transactions: &[SignedTransaction],
        certified: bool,
    ) -> FinalBlock {
        let mut batches = Vec::new();
        if !transactions.is_empty() {
            let batch = batch(0, self.tip, transactions);
            self.tip = batch.tip();
            batches.push(batch);
        }
        let cut = Cut::new(vec![self.tip, Tip::EMPTY, Tip::EMPTY, Tip::EMPTY]);
        let height = self.parent.height().get() + 1;
        let block = block(self.parent.digest(), height, checkpoint, &cut);
        self.parent = block.clone();
        let own = certificate(QuorumKind::Finalized, height, block.digest());
        FinalBlock { certificate: certified.then(|| own.clone()), tip_certificate: own, block, batches }
    }
}
