//! The accounts that take part in a load: as many in each bank, named by number, drawn evenly or by Zipf's law. Nothing is
//! kept for an account: its name follows from its number, its key from its bank's.
//!
//! Must not know: which accounts are there already, or how what is drawn is sent.

use anyhow::{Context, Result, ensure};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use tonle_crypto::SecretKey;
use tonle_ledger::{AccountId, Genesis, ParticipantId};

use super::zipf::Zipf;
use crate::defaults::{LOAD_PREFIX, load_account};
use crate::directory::Directory;
use crate::keys::{self, KeySource};

/// What an account's key is for; part of how its bank's key gives it.
const ACCOUNT: &str = "account";
/// A prime above the number of accounts of any bank: multiplying by it scatters ranks over all numbers, so that the
/// accounts that are drawn most often are not neighbours.
const SCATTER: u64 = 2_654_435_761;
/// Most accounts of a load.
pub(crate) const ACCOUNTS_MAX: usize = 10_000_000;

/// How accounts are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Law {
    /// All as often.
    #[default]
    Even,
    /// The k-th of a bank 1/k as often as its first.
    Zipf,
}

/// Which accounts take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accounts {
    /// How many, over all participants of genesis; rounded down to as many in each.
    pub count: usize,
    /// Each has a key of its own, which signs alone for what it pays. Otherwise its bank's key signs.
    pub own_keys: bool,
    /// How they are drawn.
    pub law: Law,
}

/// A participant, and the key that signs for it.
#[derive(Clone)]
pub(super) struct Bank {
    pub(super) id: ParticipantId,
    pub(super) key: SecretKey,
    /// Its accounts' keys follow from it.
    source: KeySource,
}

/// See the module.
#[derive(Clone)]
pub(super) struct Population {
    pub(super) banks: Vec<Bank>,
    /// Accounts of each bank: two at least.
    pub(super) each: u64,
    pub(super) own_keys: bool,
    law: Law,
    zipf: Zipf,
}

/// One account of a population.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    /// Which bank.
    pub(super) bank: usize,
    /// Which of its accounts.
    pub(super) place: u64,
}

impl Population {
    /// Of the participants of `genesis`, whose keys are in `directory`.
    ///
    /// # Errors
    /// When a key is missing, or there are too few accounts or too many.
    pub(super) fn new(directory: &Directory, genesis: &Genesis, accounts: &Accounts) -> Result<Self> {
        let mut banks = Vec::new();
        for participant in &genesis.participants {
            let key = keys::load(&directory.participant_key(participant.id.as_str()))?;
            banks.push(Bank { id: participant.id, source: KeySource::below(&key), key });
        }
        let (least, count) = (2 * banks.len(), accounts.count);
        ensure!((least..=ACCOUNTS_MAX).contains(&count), "{count} accounts: a load has {least} to {ACCOUNTS_MAX}");
        let each = u64::try_from(count / banks.len())?;
        Ok(Population { banks, each, own_keys: accounts.own_keys, law: accounts.law, zipf: Zipf::new(each) })
    }

    /// Accounts of all banks together.
    pub(super) fn count(&self) -> u64 {
        self.each.saturating_mul(u64::try_from(self.banks.len()).unwrap_or(u64::MAX))
    }

    /// An account's name.
    pub(super) fn account(&self, member: Member) -> Result<AccountId> {
        let bank = self.banks.get(member.bank).context("a bank")?;
        if self.own_keys {
            return Ok(AccountId::new(&format!("{LOAD_PREFIX}key-{:05}@{}", member.place, bank.id))?);
        }
        let number = usize::try_from(member.place)?.saturating_mul(self.banks.len()).saturating_add(member.bank);
        load_account(number, bank.id)
    }

    /// An account's own key.
    pub(super) fn key(&self, member: Member) -> Result<SecretKey> {
        let bank = self.banks.get(member.bank).context("a bank")?;
        Ok(bank.source.key(ACCOUNT, &member.place.to_string()))
    }

    /// One of a bank's accounts.
    pub(super) fn draw_of(&self, bank: usize, random: &mut ChaCha8Rng) -> Member {
        let rank = match self.law {
            Law::Even => random.next_u64() % self.each,
            Law::Zipf => self.zipf.draw(random),
        };
        Member { bank, place: self.place(rank) }
    }

    /// One of all accounts, but not `other`.
    pub(super) fn draw_but(&self, other: Member, random: &mut ChaCha8Rng) -> Member {
        let banks = u64::try_from(self.banks.len()).unwrap_or(u64::MAX).max(1);
        let bank = usize::try_from(random.next_u64() % banks).unwrap_or(0);
        match self.draw_of(bank, random) {
            member if member == other => Member { place: (member.place + 1) % self.each, ..member },
            member => member,
        }
    }

    /// Which account of a bank has a rank: 0 is drawn most often.
    pub(super) fn place(&self, rank: u64) -> u64 {
        let scattered = u128::from(rank) * u128::from(SCATTER) % u128::from(self.each.max(1));
        u64::try_from(scattered).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use tonle_ledger::Genesis;

    use super::{Accounts, Law, Member, Population};
    use crate::directory::Directory;
    use crate::founding::found;

    fn population(count: usize, own_keys: bool, law: Law) -> (tempfile::TempDir, Genesis, Population) {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        let genesis = found(&directory, None, Some("s"), None).unwrap().genesis;
        let population = Population::new(&directory, &genesis, &Accounts { count, own_keys, law }).unwrap();
        (temporary, genesis, population)
    }

    #[test]
    fn the_first_ten_thousand_accounts_are_those_of_genesis() {
        let (_dir, genesis, population) = population(10_000, false, Law::Even);
        let there: BTreeSet<_> = genesis.accounts.iter().map(|account| account.id).collect();
        assert_eq!(population.count(), 10_000);
        let mut seen = BTreeSet::new();
        for bank in 0..population.banks.len() {
            seen.extend((0..population.each).map(|place| population.account(Member { bank, place }).unwrap()));
        }
        assert_eq!(seen.len(), 10_000);
        assert!(seen.is_subset(&there));
    }

    #[test]
    fn every_rank_is_another_account() {
        for count in [10, 9_999, 12_345] {
            let (_dir, _, population) = population(count, true, Law::Zipf);
            let places: BTreeSet<u64> = (0..population.each).map(|rank| population.place(rank)).collect();
            assert_eq!(places.len(), count / 5);
            assert!(places.iter().all(|place| *place < population.each));
        }
    }

    #[test]
    fn accounts_have_keys_and_names_of_their_own() {
        let (_dir, _, own) = population(1_000, true, Law::Even);
        let (first, second) = (Member { bank: 1, place: 7 }, Member { bank: 2, place: 7 });
        assert_eq!(own.key(first).unwrap().public(), own.key(first).unwrap().public());
        assert_ne!(own.key(first).unwrap().public(), own.key(second).unwrap().public());
        assert_ne!(own.key(first).unwrap().public(), own.banks[1].key.public());
        let (_other, _, shared) = population(1_000, false, Law::Even);
        assert_ne!(own.account(first).unwrap(), shared.account(first).unwrap());
    }

    #[test]
    fn nobody_pays_himself_and_skewed_draws_prefer_few() {
        for (law, at_most, at_least) in [(Law::Even, 60, 1), (Law::Zipf, 4_000, 1_000)] {
            let (_dir, _, population) = population(1_000, false, law);
            let mut random = ChaCha8Rng::seed_from_u64(3);
            let mut first = 0;
            for _ in 0..10_000 {
                let payer = population.draw_of(3, &mut random);
                assert_eq!(payer.bank, 3);
                assert_ne!(population.draw_but(payer, &mut random), payer);
                first += usize::from(payer.place == population.place(0));
            }
            assert!((at_least..at_most).contains(&first), "{law:?}: {first}");
        }
    }

    #[test]
    fn too_few_accounts_are_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = Directory::new(&temporary.path().join("net")).unwrap();
        let genesis = found(&directory, None, None, None).unwrap().genesis;
        let of = |count| Population::new(&directory, &genesis, &Accounts { count, own_keys: false, law: Law::Even });
        assert!(of(9).is_err() && of(10_000_001).is_err());
        assert!(of(10).is_ok());
    }
}
