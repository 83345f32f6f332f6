//! Genesis documents: what an operator hands to a node, in JSON and in canonical bytes. What passes the check founds a
//! ledger that opens again, and both forms hold all of it.
//!
//! Must not know: files.

use std::sync::Arc;

#[cfg(feature = "complete")]
use tonle_crypto::Canonical;
use tonle_crypto::Strict;
#[cfg(feature = "complete")]
use tonle_devnet::genesis::{parse, to_json};
use tonle_ledger::{
    Account, AccountId, AccountKind, Amount, Asset, Balance, Executor, Genesis, GenesisAccount, GenesisAsset,
    GenesisValidator, Judge, MemoryState, Mode, Parameters, Participant, ParticipantId, ParticipantKey, Permission,
    Permissions, Role, Thresholds,
};
use tonle_replica::MisbehaviourJudge;

use crate::decoding::canonical;
use crate::forge::{NODES, START_MS, client, key};

/// A genesis in canonical bytes.
pub(crate) fn genesis_bytes(data: &[u8]) {
    let Some(genesis) = canonical::<Genesis>(data) else { return };
    if genesis.check().is_err() {
        return;
    }
    founds(&genesis);
    #[cfg(feature = "complete")]
    in_json(&genesis);
}

/// The JSON form of a genesis that founds a ledger.
#[cfg(feature = "complete")]
fn in_json(genesis: &Genesis) {
    // Refused is what JSON has no place for; what is written holds everything.
    if let Ok(text) = to_json(genesis) {
        let again = parse(&text).map_err(|error| format!("{error:#}"));
        assert_eq!(again.as_ref(), Ok(genesis), "the JSON form lost something");
    }
}

/// A genesis in JSON.
#[cfg(feature = "complete")]
pub(crate) fn genesis_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(genesis) = parse(text) else { return };
    assert!(genesis.check().is_ok(), "parsed and not checked");
    assert_eq!(canonical::<Genesis>(&genesis.encode()).as_ref(), Some(&genesis), "canonical bytes lost something");
    founds(&genesis);
    let written = to_json(&genesis).expect("what was read can be written");
    let again = parse(&written).expect("what was written can be read");
    assert_eq!(again.digest(), genesis.digest(), "written and read, another chain");
    assert_eq!(to_json(&again).ok(), Some(written), "written twice, two texts");
}

/// Who judges reports of misbehaviour.
pub(crate) fn judge() -> Arc<dyn Judge> {
    Arc::new(MisbehaviourJudge(Strict))
}

/// A ledger of this genesis opens again from what it stores, in the same state.
fn founds(genesis: &Genesis) {
    let (executor, changes) = Executor::create(genesis, judge()).expect("what passes the check founds a ledger");
    let mut state = MemoryState::new();
    state.apply(&changes);
    let opened = Executor::open(genesis, state.iter(), judge());
    assert!(opened.is_ok(), "a ledger that was founded does not open: {:?}", opened.err());
    assert_eq!(opened.map(|opened| opened.point().state_root).ok(), Some(executor.point().state_root));
}

fn participant(name: &str, role: Role, keys: &[usize], permissions: &[Permission]) -> Participant {
    Participant {
        id: ParticipantId::new(name).expect("a name in form"),
        legal_name: format!("{name} Plc."),
        bic: "KHBAKHPP".to_owned(),
        role,
        mode: Mode::Active,
        thresholds: Thresholds::default(),
        keys: keys
            .iter()
            .map(|key| ParticipantKey { key: client(*key).public(), permissions: Permissions::of(permissions) })
            .collect(),
        encryption_key: client(keys.len()).public().encryption_key(),
    }
}

/// An operator, two banks with a paying account each, and four validators.
pub(crate) fn founding() -> Genesis {
    use Permission::{Govern, Issue, OpenAccounts, Pay};
    let khr = Asset::new("KHR").expect("a code in form");
    let account = |name: &str, keys: &[usize], minor| {
        let keys: Vec<_> = keys.iter().map(|key| client(*key).public()).collect();
        let mut account = Account::new(AccountKind::Wallet, &keys, u8::from(!keys.is_empty()));
        account.set_balance(Balance::new(khr, Amount::from_minor(minor), Amount::ZERO));
        GenesisAccount { id: AccountId::new(name).expect("a name in form"), account }
    };
    let validators = (0..NODES).map(|index| GenesisValidator {
        participant: ParticipantId::new(&format!("bank{index}")).expect("a name in form"),
        key: key(usize::from(index)).public(),
        network_key: key(100 + usize::from(index)).public(),
    });
    let mut participants = vec![participant("nbc", Role::Operator, &[9], &[Pay, OpenAccounts, Issue, Govern])];
    participants.extend(
        (0..usize::from(NODES))
            .map(|bank| participant(&format!("bank{bank}"), Role::Bank, &[bank, 20 + bank], &[Pay, OpenAccounts])),
    );
    let issuer = ParticipantId::new("nbc").expect("a name in form");
    let assets = vec![GenesisAsset { asset: khr, number: 116, exponent: 2, issuer }];
    Genesis {
        parameters: Parameters::initial(&assets),
        chain_name: "fuzzing".to_owned(),
        created_ms: START_MS,
        protocol_version: 1,
        signature_rule: 1,
        epoch_length: 3_600,
        checkpoint_every: 1,
        max_lag: 16,
        max_block_bytes: 4 << 20,
        max_block_operations: 32_768,
        idle_interval_ms: 1_000,
        participants,
        assets,
        accounts: vec![account("a@bank0", &[], 1_000_000), account("b@bank1", &[3], 5), account("r@nbc", &[], 7)],
        validators: validators.collect(),
    }
    .sorted()
}
