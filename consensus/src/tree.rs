//! Blocks above the last final one: who descends from whom, which are certified, which are durable.
//!
//! Must not know: votes, views' rules, where a missing block comes from.

use std::collections::BTreeMap;

use tonle_crypto::{Digest, Writer};

use crate::{Block, View};

/// Blocks without a certificate that are kept; above it those of the lowest views go. A block that is certified after
/// all is fetched from those who voted for it.
const UNCERTIFIED_MAX: usize = 1_024;

#[derive(Debug, Clone)]
struct Node {
    block: Block,
    view: View,
    certified: bool,
    durable: bool,
}

/// Why there is no path from a block down to the last final one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoPath {
    /// This block is not here; the height of its child, if that is.
    Missing {
        /// The missing block.
        block: Digest,
        /// The lowest block above it that is here.
        above: Option<crate::Height>,
    },
    /// The block does not descend from the last final one.
    Fork,
}

/// The tree whose root is the last final block.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    root: Block,
    nodes: BTreeMap<Digest, Node>,
}

impl Tree {
    pub(crate) fn new(root: Block) -> Self {
        Tree { root, nodes: BTreeMap::new() }
    }

    /// The last final block.
    pub(crate) fn root(&self) -> &Block {
        &self.root
    }

    /// A block that is here, the root included.
    pub(crate) fn get(&self, digest: &Digest) -> Option<&Block> {
        if self.root.digest() == *digest {
            return Some(&self.root);
        }
        self.nodes.get(digest).map(|node| &node.block)
    }

    /// Adds a block. Blocks at or below the root's height are of no use.
    pub(crate) fn insert(&mut self, block: Block, view: View, durable: bool) {
        if block.height() <= self.root.height() {
            return;
        }
        let digest = block.digest();
        let node = self.nodes.entry(digest).or_insert(Node { block, view, certified: false, durable });
        node.view = node.view.max(view);
        self.trim();
    }

    /// The block has a quorum certificate. True when it is here and had none before.
    pub(crate) fn certify(&mut self, digest: &Digest) -> bool {
        self.nodes.get_mut(digest).is_some_and(|node| !std::mem::replace(&mut node.certified, true))
    }

    /// The blocks from right above the root up to `digest`, oldest first; empty for the root itself.
    pub(crate) fn path(&self, digest: &Digest) -> Result<Vec<Block>, NoPath> {
        let mut path = Vec::new();
        self.walk(digest, |block| path.push(block.clone()))?;
        path.reverse();
        Ok(path)
    }

    /// What is missing on the way from the root up to `digest`: the block, and the height of the one above it.
    pub(crate) fn missing(&self, digest: &Digest) -> Option<(Digest, Option<crate::Height>)> {
        match self.walk(digest, |_| ()) {
            Err(NoPath::Missing { block, above }) => Some((block, above)),
            Ok(()) | Err(NoPath::Fork) => None,
        }
    }

    /// Visits the blocks from `digest` down to right above the root.
    fn walk<'a>(&'a self, digest: &Digest, mut visit: impl FnMut(&'a Block)) -> Result<(), NoPath> {
        let (mut next, mut above) = (*digest, None);
        while next != self.root.digest() {
            let Some(node) = self.nodes.get(&next) else {
                // Right above the root there is nothing left to be missing: the block has another parent.
                let fork = above.is_some_and(|height: crate::Height| height.previous() <= Some(self.root.height()));
                return Err(if fork { NoPath::Fork } else { NoPath::Missing { block: next, above } });
            };
            above = Some(node.block.height());
            next = node.block.header().parent();
            visit(&node.block);
        }
        Ok(())
    }

    /// Is the block in the journal, or in a Persist that every later message waits for?
    pub(crate) fn is_durable(&self, digest: &Digest) -> bool {
        self.nodes.get(digest).is_none_or(|node| node.durable)
    }

    /// A Persist covers these blocks.
    pub(crate) fn make_durable(&mut self, blocks: &[Block]) {
        for block in blocks {
            if let Some(node) = self.nodes.get_mut(&block.digest()) {
                node.durable = true;
            }
        }
    }

    /// `block` is final: everything at or below its height goes, but itself.
    pub(crate) fn advance(&mut self, block: Block) {
        self.root = block;
        let height = self.root.height();
        self.nodes.retain(|_, node| node.block.height() > height);
    }

    /// The root and the blocks above it, into an engine's fingerprint: those that are certified or durable. Any other,
    /// unless it is the current proposal's, is asked for when it is needed and not here.
    pub(crate) fn imprint(&self, writer: &mut Writer) {
        writer.digest(&self.root.digest());
        for (digest, node) in self.nodes.iter().filter(|(_, node)| node.certified || node.durable) {
            writer.digest(digest).bool(node.certified).bool(node.durable);
        }
        writer.u8(0);
    }

    fn trim(&mut self) {
        let uncertified = || self.nodes.iter().filter(|(_, node)| !node.certified);
        if uncertified().count() > UNCERTIFIED_MAX
            && let Some(oldest) = uncertified().min_by_key(|(_, node)| node.view).map(|(digest, _)| *digest)
        {
            self.nodes.remove(&oldest);
        }
    }
}
