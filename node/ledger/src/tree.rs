//! The state tree: a binary tree over the paths of all values, in memory, with its last versions.
//!
//! A version shares all nodes that a block did not touch with the version before it, so that keeping the last ones
//! costs only what the blocks changed. The tree is rebuilt from the stored values at open; nothing of it is stored,
//! so it cannot disagree with the storage. Digests and shape: see `proof`.
//!
//! Must not know: what the values mean.

use std::collections::VecDeque;
use std::sync::Arc;

use tonle_crypto::Digest;

use crate::proof::{bit, leaf_digest, node_digest, value_digest};
use crate::{STATE_VERSIONS, StateKey, StateProof, Terminal};

/// A subtree. Leaves and inner nodes are kept apart, each as small as it can be: a ledger has a leaf for every account,
/// nearly as many inner nodes, and the last versions of those that changed.
#[derive(Debug, Clone, Default)]
enum Link {
    /// No value.
    #[default]
    Nothing,
    /// One value.
    Leaf(Arc<Leaf>),
    /// Two or more values.
    Inner(Arc<Inner>),
}

/// Its digest is made from both when it is asked for: once or twice for each change beside it.
#[derive(Debug)]
struct Leaf {
    path: Digest,
    value: Digest,
}

#[derive(Debug)]
struct Inner {
    digest: Digest,
    left: Link,
    right: Link,
}

/// What becomes of one value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LeafChange {
    /// Where it stands.
    pub(crate) path: Digest,
    /// The digest of the value before; `None` when there must be none.
    pub(crate) before: Option<Digest>,
    /// The digest of the value after; `None` when it goes.
    pub(crate) after: Option<Digest>,
}

/// The value before a change is not the one that the tree commits to: its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch(pub(crate) Digest);

/// One version of the tree. Cloning it costs a pointer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree(Link);

fn digest_of(link: &Link) -> Digest {
    match link {
        Link::Nothing => Digest::ZERO,
        Link::Leaf(leaf) => leaf_digest(&leaf.path, &leaf.value),
        Link::Inner(inner) => inner.digest,
    }
}

/// Joins two subtrees; a single leaf moves up unchanged.
fn join(left: Link, right: Link) -> Link {
    match (&left, &right) {
        (Link::Nothing, Link::Nothing) => Link::Nothing,
        (Link::Leaf(_), Link::Nothing) => left,
        (Link::Nothing, Link::Leaf(_)) => right,
        (Link::Leaf(_) | Link::Inner(_), Link::Leaf(_) | Link::Inner(_))
        | (Link::Inner(_), Link::Nothing)
        | (Link::Nothing, Link::Inner(_)) => {
            let digest = node_digest(&digest_of(&left), &digest_of(&right));
            Link::Inner(Arc::new(Inner { digest, left, right }))
        }
    }
}

/// Where the paths that go right at `depth` begin, in changes sorted by path that agree above it.
fn split(changes: &[LeafChange], depth: usize) -> (&[LeafChange], &[LeafChange]) {
    let at = changes.partition_point(|change| !bit(&change.path, depth));
    changes.split_at_checked(at).unwrap_or((changes, &[]))
}

/// The subtree at `depth` of these changes alone, when there was at most one leaf here before.
fn build(standing: Option<&Arc<Leaf>>, depth: usize, changes: &[LeafChange]) -> Result<Link, Mismatch> {
    let here = standing.is_some_and(|leaf| changes.iter().any(|change| change.path == leaf.path));
    match (changes, standing) {
        ([], None) => Ok(Link::Nothing),
        ([], Some(leaf)) => Ok(Link::Leaf(Arc::clone(leaf))),
        ([change], standing) if here || standing.is_none() => {
            if standing.map(|leaf| leaf.value) != change.before {
                return Err(Mismatch(change.path));
            }
            let leaf = |value| Link::Leaf(Arc::new(Leaf { path: change.path, value }));
            Ok(change.after.map_or(Link::Nothing, leaf))
        }
        (changes, standing) => {
            let (left, right) = split(changes, depth);
            let next = depth.saturating_add(1);
            let goes_right = standing.is_some_and(|leaf| bit(&leaf.path, depth));
            let left = build(if goes_right { None } else { standing }, next, left)?;
            let right = build(if goes_right { standing } else { None }, next, right)?;
            Ok(join(left, right))
        }
    }
}

fn update(link: &Link, depth: usize, changes: &[LeafChange]) -> Result<Link, Mismatch> {
    if changes.is_empty() {
        return Ok(link.clone());
    }
    match link {
        Link::Nothing => build(None, depth, changes),
        Link::Leaf(leaf) => build(Some(leaf), depth, changes),
        Link::Inner(inner) => {
            let (to_left, to_right) = split(changes, depth);
            let next = depth.saturating_add(1);
            Ok(join(update(&inner.left, next, to_left)?, update(&inner.right, next, to_right)?))
        }
    }
}

impl Tree {
    /// The state root.
    pub(crate) fn root(&self) -> Digest {
        digest_of(&self.0)
    }

    /// The tree after the changes. `changes` is sorted here; each path stands in it once.
    pub(crate) fn update(&self, mut changes: Vec<LeafChange>) -> Result<Tree, Mismatch> {
        changes.sort_unstable_by_key(|change| change.path);
        update(&self.0, 0, &changes).map(Tree)
    }

    /// The walk down `path`: the siblings from the root, and the leaf at its end.
    fn walk(&self, path: &Digest) -> (Vec<Digest>, Option<(Digest, Digest)>) {
        let mut siblings = Vec::with_capacity(32);
        let mut link = &self.0;
        loop {
            match link {
                Link::Nothing => return (siblings, None),
                Link::Leaf(leaf) => return (siblings, Some((leaf.path, leaf.value))),
                Link::Inner(inner) => {
                    let goes_right = bit(path, siblings.len());
                    let (left, right) = (&inner.left, &inner.right);
                    let (next, other) = if goes_right { (right, left) } else { (left, right) };
                    siblings.push(digest_of(other));
                    link = next;
                }
            }
        }
    }

    /// Does a value stand at this path?
    pub(crate) fn contains(&self, path: &Digest) -> bool {
        let mut link = &self.0;
        let mut depth = 0usize;
        loop {
            match link {
                Link::Nothing => return false,
                Link::Leaf(leaf) => return leaf.path == *path,
                Link::Inner(inner) => {
                    link = if bit(path, depth) { &inner.right } else { &inner.left };
                    depth = depth.saturating_add(1);
                }
            }
        }
    }

    /// Proves that `value` stands at the key's path, or that nothing does. `None` when `value` is not what stands.
    pub(crate) fn prove(&self, key: &StateKey, value: Option<&[u8]>) -> Option<StateProof> {
        let path = key.path();
        let (siblings, end) = self.walk(&path);
        let terminal = match (end, value) {
            (Some((found, digest)), Some(value)) if found == path && digest == value_digest(value) => {
                Terminal::Value(value.to_vec())
            }
            (Some((found, digest)), None) if found != path => Terminal::Other { path: found, value: digest },
            (None, None) => Terminal::Empty,
            (None, Some(_)) | (Some(_), _) => return None,
        };
        Some(StateProof { terminal, siblings })
    }
}

/// The tree after one height.
#[derive(Debug)]
pub(crate) struct Version {
    pub(crate) height: u64,
    pub(crate) tree: Tree,
    /// The values before this height of what it changed, sorted by key: what proves older versions.
    pub(crate) previous: Vec<(StateKey, Option<Vec<u8>>)>,
}

/// The last versions of the tree, oldest first; at most [`STATE_VERSIONS`], fewer when they changed much.
#[derive(Debug, Clone, Default)]
pub(crate) struct Versions {
    versions: VecDeque<Arc<Version>>,
    /// Values that all of them changed.
    changes: usize,
}

/// Values that the versions may have changed before the oldest goes, though there are fewer than [`STATE_VERSIONS`]:
/// each holds some eight nodes of 80 bytes and the value before.
const CHANGES_MAX: usize = 65_536;
/// Versions that are kept all the same. A header names the roots of a height at most 16 below its own.
const VERSIONS_MIN: usize = 24;

impl Versions {
    pub(crate) fn heights(&self) -> Vec<u64> {
        self.versions.iter().map(|version| version.height).collect()
    }

    /// The newest tree.
    pub(crate) fn tree(&self) -> Tree {
        self.versions.back().map(|version| version.tree.clone()).unwrap_or_default()
    }

    /// Adds the tree after a height, and drops the oldest above the bounds.
    pub(crate) fn push(&mut self, version: Version) {
        self.changes = self.changes.saturating_add(version.previous.len());
        self.versions.push_back(Arc::new(version));
        let is_over = |versions: &Self| {
            let count = versions.versions.len();
            count > STATE_VERSIONS || (versions.changes > CHANGES_MAX && count > VERSIONS_MIN)
        };
        while is_over(self) {
            let dropped = self.versions.pop_front().map_or(0, |version| version.previous.len());
            self.changes = self.changes.saturating_sub(dropped);
        }
    }

    pub(crate) fn prove(&self, height: u64, key: &StateKey, current: Option<&[u8]>) -> Option<StateProof> {
        let at = self.versions.binary_search_by_key(&height, |version| version.height).ok()?;
        let mut later = self.versions.iter().skip(at.saturating_add(1));
        // The first later height that changed the value still has what it was.
        let changed = later.find_map(|version| {
            let place = version.previous.binary_search_by_key(key, |(changed, _)| *changed).ok()?;
            version.previous.get(place)
        });
        let value = match changed {
            Some((_, value)) => value.as_deref(),
            None => current,
        };
        self.versions.get(at)?.tree.prove(key, value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The definition in `proof`, computed the plain way.
    fn plain_root(leaves: &[(Digest, Digest)], depth: usize) -> Digest {
        match leaves {
            [] => Digest::ZERO,
            [(path, value)] => leaf_digest(path, value),
            _ => {
                let (right, left): (Vec<_>, Vec<_>) = leaves.iter().copied().partition(|(path, _)| bit(path, depth));
                node_digest(&plain_root(&left, depth + 1), &plain_root(&right, depth + 1))
            }
        }
    }

    fn path(seed: u8) -> Digest {
        // Few distinct leading bits, so that long shared prefixes occur.
        let mut bytes = [0u8; 32];
        bytes[0] = seed & 0x81;
        bytes[3] = seed & 0x1f;
        bytes[31] = seed;
        Digest::from_bytes(bytes)
    }

    proptest! {
        #[test]
        fn any_changes_lead_to_the_root_of_what_stands(
            blocks in proptest::collection::vec(
                proptest::collection::btree_map(any::<u8>(), proptest::option::of(any::<u8>()), 0..40), 1..12)
        ) {
            let mut tree = Tree::default();
            let mut standing: BTreeMap<Digest, Digest> = BTreeMap::new();
            for block in blocks {
                let changes = block.iter().map(|(seed, value)| {
                    let after = value.map(|value| value_digest(&[value]));
                    LeafChange { path: path(*seed), before: standing.get(&path(*seed)).copied(), after }
                }).collect::<Vec<_>>();
                tree = tree.update(changes.clone()).unwrap();
                for change in changes {
                    match change.after {
                        Some(value) => standing.insert(change.path, value),
                        None => standing.remove(&change.path),
                    };
                }
                let leaves: Vec<_> = standing.iter().map(|(path, value)| (*path, *value)).collect();
                prop_assert_eq!(tree.root(), plain_root(&leaves, 0));
                for seed in 0..=255u8 {
                    prop_assert_eq!(tree.contains(&path(seed)), standing.contains_key(&path(seed)));
                }
            }
        }

        #[test]
        fn versions_are_few_when_they_changed_much(sizes in proptest::collection::vec(0usize..20_000, 1..100)) {
            let mut versions = Versions::default();
            for (height, size) in (0u64..).zip(&sizes) {
                let previous = vec![(StateKey::Point, None); *size];
                versions.push(Version { height, tree: Tree::default(), previous });
                let kept = versions.heights();
                let all = usize::try_from(height).unwrap() + 1;
                let first = usize::try_from(kept[0]).unwrap();
                prop_assert_eq!(kept.len(), all - first, "the last ones, without a gap");
                prop_assert!(kept.len() <= STATE_VERSIONS);
                prop_assert!(kept.len() >= all.min(VERSIONS_MIN));
                prop_assert_eq!(versions.changes, sizes[first..all].iter().sum::<usize>());
                if kept.len() > VERSIONS_MIN {
                    prop_assert!(versions.changes <= CHANGES_MAX);
                }
            }
        }

        #[test]
        fn refuses_a_change_of_a_value_that_does_not_stand(count in 0u8..60, seed in any::<u8>(), wrong in any::<u8>()) {
            let change = |seed| LeafChange { path: path(seed), before: None, after: Some(value_digest(&[seed])) };
            let tree = Tree::default().update((0..count).map(change).collect()).unwrap();
            let true_before = (seed < count).then(|| value_digest(&[seed]));
            for before in [None, Some(value_digest(&[wrong])), Some(value_digest(&[seed]))] {
                let change = LeafChange { path: path(seed), before, after: None };
                prop_assert_eq!(tree.update(vec![change]).is_ok(), before == true_before);
            }
        }
    }
}
