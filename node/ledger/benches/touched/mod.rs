//! A state tree of many accounts, and a block's changes of some of them. Whoever includes it includes the sources of the
//! tree and of its proofs as well: they are no part of the package's interface.
//!
//! It must not know how anything is measured.

use tonle_ledger::{AccountId, StateKey};

use crate::proof::value_digest;
use crate::tree::{LeafChange, Tree};

/// The tree, and what stood and is to stand under the keys that a block changed.
pub(crate) struct Touched {
    tree: Tree,
    values: Vec<(StateKey, Vec<u8>, Vec<u8>)>,
}

fn key(number: u64) -> StateKey {
    StateKey::Account(AccountId::new(&format!("a{number}@aba")).expect("a name"))
}

/// As long as an account with one balance.
fn value(number: u64, balance: u64) -> Vec<u8> {
    [&[0; 21][..], &number.to_be_bytes(), &balance.to_be_bytes()].concat()
}

impl Touched {
    /// Every so-manieth of `accounts` is changed, `changed` in all.
    pub(crate) fn new(accounts: u64, changed: u64) -> Self {
        let leaf = |number| {
            let after = Some(value_digest(&value(number, 1)));
            LeafChange { path: key(number).path(), before: None, after }
        };
        let tree = Tree::default().update((0..accounts).map(leaf).collect()).expect("new leaves");
        let step = accounts / changed;
        let values =
            (0..changed).map(|place| place * step).map(|number| (key(number), value(number, 1), value(number, 2)));
        Touched { tree, values: values.collect() }
    }

    /// The state root after the block: digests of keys and values, and of every node above them.
    pub(crate) fn update(&self) -> Tree {
        let changes = self.values.iter().map(|(key, before, after)| LeafChange {
            path: key.path(),
            before: Some(value_digest(before)),
            after: Some(value_digest(after)),
        });
        let updated = self.tree.update(changes.collect()).expect("the values before");
        assert_ne!(updated.root(), self.tree.root(), "values changed");
        updated
    }
}
