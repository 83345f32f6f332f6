//! The ledger in which a history begins, and who can sign there.
//!
//! Must not know: what happens in it.

use std::collections::BTreeMap;

use tonle_crypto::{Canonical, Digest, PublicKey, SecretKey};
use tonle_ledger::*;

use crate::dice::Dice;
use crate::fixture::{self, amount, asset, id, participant_id};

/// All assets.
pub(crate) const CODES: [&str; 3] = ["KHR", "THB", "USD"];
/// Banks and payment providers that are there from the beginning.
pub(crate) const KEEPERS: [&str; 8] = ["b0", "b1", "b2", "b3", "b4", "b5", "psp0", "psp1"];
/// How many keys participants and accounts have among them.
const POOL: usize = 64;
/// Heights of an epoch: short, so that validators' changes grow old.
const EPOCH_LENGTH: u64 = 10;

/// What a history is mostly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Climate {
    /// Whatever comes.
    Everyday,
    /// The operator changes participants, validators, rules and versions all the time.
    Governing,
    /// It begins with as many things that end by themselves as one participant may have; all end at once.
    Overdue,
    /// Its validators have used almost all keys that they may.
    Worn,
    /// There are almost as many participants as there may be.
    Crowded,
}

impl Climate {
    /// Every eighth history is of the same.
    pub(crate) fn of(seed: u64) -> Self {
        match seed % 8 {
            1 => Climate::Governing,
            3 => Climate::Overdue,
            5 => Climate::Worn,
            7 => Climate::Crowded,
            _ => Climate::Everyday,
        }
    }
}

impl Climate {
    /// How many operations a history of it has, besides those that it begins with. What is large takes long.
    pub(crate) fn length(self) -> u64 {
        match self {
            Climate::Everyday | Climate::Governing => 12_500,
            Climate::Worn | Climate::Crowded => 2_500,
            Climate::Overdue => 1_000,
        }
    }
}

/// All secret keys, by their public ones.
#[derive(Debug)]
pub(crate) struct Keyring {
    secrets: BTreeMap<PublicKey, SecretKey>,
    /// Those that participants and accounts have.
    pub(crate) pool: Vec<PublicKey>,
    made: u64,
}

impl Keyring {
    fn new() -> Self {
        let mut ring = Keyring { secrets: BTreeMap::new(), pool: Vec::new(), made: 0 };
        ring.pool = (0..POOL).map(|_| ring.fresh()).collect();
        ring
    }
    /// A key that was never there.
    pub(crate) fn fresh(&mut self) -> PublicKey {
        self.made += 1;
        let mut seed = [7u8; 32];
        seed[..8].copy_from_slice(&self.made.to_be_bytes());
        let secret = SecretKey::from_seed(&seed);
        let public = secret.public();
        self.secrets.insert(public, secret);
        public
    }
    pub(crate) fn secret(&self, key: &PublicKey) -> &SecretKey {
        &self.secrets[key]
    }
    /// Keys of a participant of a role, with thresholds that can be met.
    pub(crate) fn of_role(&self, dice: &mut Dice, role: Role) -> (Vec<ParticipantKey>, Thresholds) {
        use Permission::{Freeze, Govern, Issue, ManageKeys, OpenAccounts, Pay, Seize};
        let everyday: &[&[Permission]] = &[&[Pay, OpenAccounts, ManageKeys], &[Pay, OpenAccounts], &[Pay, ManageKeys]];
        let operators: &[&[Permission]] = &[
            &[Pay, OpenAccounts, ManageKeys],
            &[Issue, Seize, Govern],
            &[Issue, Seize, Govern],
            &[Issue, Seize, Govern, Pay],
            &[Freeze],
            &[Freeze, Govern],
        ];
        let permissions: &[&[Permission]] = match role {
            Role::Operator => operators,
            Role::Bank | Role::PaymentProvider => &everyday[..1 + dice.place(3)],
            Role::Auditor => &[&[ManageKeys]],
        };
        let drawn = dice.some(&self.pool, permissions.len());
        let entry = |(key, permissions): (PublicKey, &&[Permission])| ParticipantKey {
            key,
            permissions: Permissions::of(permissions),
        };
        let mut keys: Vec<_> = drawn.into_iter().zip(permissions).map(entry).collect();
        keys.sort_by_key(|entry| entry.key);
        let thresholds = Permission::ALL.map(|permission| {
            let holders = keys.iter().filter(|entry| entry.permissions.contains(permission)).count();
            // What waits for a second key can be proposed.
            let least = usize::from(permission == Govern && holders > 1) + 1;
            u8::try_from(least + dice.place(holders.clamp(1, 3) - least + 1)).unwrap()
        });
        (keys, Thresholds::from_array(thresholds))
    }
}

fn participant(ring: &Keyring, dice: &mut Dice, name: &str, role: Role) -> Participant {
    let (keys, thresholds) = ring.of_role(dice, role);
    let (legal_name, bic) = (format!("{name} Plc."), String::new());
    let (mode, encryption_key) = (Mode::Active, fixture::encryption_key(name));
    Participant { id: participant_id(name), legal_name, bic, role, mode, thresholds, keys, encryption_key }
}

fn account(name: &str, kind: AccountKind, tier: KycTier, money: [u64; 3]) -> GenesisAccount {
    let mut account = Account::new(kind, &[], 0).with_tier(tier);
    for (code, minor) in CODES.into_iter().zip(money) {
        account.set_balance(Balance::new(asset(code), amount(minor), Amount::ZERO));
    }
    GenesisAccount { id: id(name), account }
}

/// The genesis of a history, and all keys there are.
pub(crate) fn found(dice: &mut Dice, climate: Climate) -> (Genesis, Keyring) {
    let mut ring = Keyring::new();
    let mut participants =
        vec![participant(&ring, dice, "nbc", Role::Operator), participant(&ring, dice, "audit", Role::Auditor)];
    let mut accounts = vec![account("reserve@nbc", AccountKind::Reserve, KycTier::Interbank, [1 << 40; 3])];
    for name in KEEPERS {
        let role = if name.starts_with('b') { Role::Bank } else { Role::PaymentProvider };
        participants.push(participant(&ring, dice, name, role));
        accounts.push(account(&format!("reserve@{name}"), AccountKind::Reserve, KycTier::Interbank, [1 << 36; 3]));
        accounts.push(account(&format!("settle@{name}"), AccountKind::Settlement, KycTier::Interbank, [1 << 32; 3]));
        for (number, tier) in [KycTier::Basic, KycTier::Partial, KycTier::Full].into_iter().enumerate() {
            let kind = if number == 1 { AccountKind::Merchant } else { AccountKind::Wallet };
            accounts.push(account(&format!("w{number}@{name}"), kind, tier, [9_000_000, 700_000, 90_000]));
        }
    }
    accounts.push(account("full@b0", AccountKind::Reserve, KycTier::Interbank, [0, 0, u64::MAX - 5_000]));
    if climate == Climate::Crowded {
        let template = Participant { keys: Vec::new(), thresholds: Thresholds::default(), ..participants[2].clone() };
        let more = |number| Participant { id: participant_id(&format!("more-{number}")), ..template.clone() };
        participants.extend((participants.len()..9_999).map(more));
    }
    let member =
        |name: &&str| Member { participant: participant_id(name), key: ring.fresh(), network_key: ring.fresh() };
    let validators = KEEPERS[..5].iter().map(member).collect();
    let of = |code| GenesisAsset { asset: asset(code), number: 0, exponent: 2, issuer: participant_id("nbc") };
    let assets = CODES.map(of).to_vec();
    let parameters = Parameters::initial(&assets);
    let base = fixture::genesis();
    let epoch_length = EPOCH_LENGTH;
    let genesis = Genesis { epoch_length, participants, assets, accounts, validators, parameters, ..base }.sorted();
    (genesis, ring)
}

/// The state of a ledger as a generator and the checks read it.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub(crate) accounts: Vec<(AccountId, Account)>,
    pub(crate) timed: BTreeMap<TimedKind, Vec<Timed>>,
    pub(crate) aliases: Vec<(Digest, AccountId)>,
}

impl View {
    /// Reads all of a state.
    pub(crate) fn of(state: &MemoryState) -> Self {
        let mut view = View::default();
        for (key, value) in state.iter() {
            match key {
                StateKey::Account(id) => view.accounts.push((id, Account::decode(&value).unwrap())),
                StateKey::Alias(alias) => view.aliases.push((alias, Alias::decode(&value).unwrap().account)),
                StateKey::Timed(_) => {
                    let timed = Timed::decode(&value).unwrap();
                    view.timed.entry(timed.kind()).or_default().push(timed);
                }
                _ => {}
            }
        }
        view
    }
    pub(crate) fn account(&self, id: AccountId) -> Option<&Account> {
        let at = self.accounts.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&self.accounts[at].1)
    }
    pub(crate) fn of_kind(&self, kind: TimedKind) -> &[Timed] {
        self.timed.get(&kind).map(Vec::as_slice).unwrap_or_default()
    }
}
