//! Ways through the states as runs of the Quint specification (consensus/spec/tonle.qnt): each step as the actions that
//! it is there, and after it what the engine's view, highest certificate and guard must be there as well.
//!
//! Must not know: how the ways were found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::machine::{Machine, numbers};
use super::names::{Names, Proposed, QuorumName, What};
use super::replay::Deed;

/// The Byzantine validator's name in the specification; the honest ones are named by their place.
const BYZANTINE: usize = 3;
/// Views of the specification.
const VIEWS: u64 = 5;

/// What the specification counts of an honest validator, to tell whether an action changes anything there.
#[derive(Clone, Copy)]
struct Node {
    view: u64,
    high: u64,
}

/// One run under construction.
pub(super) struct Trace<'a> {
    names: &'a Names,
    honest: &'a [usize],
    nodes: Vec<Node>,
    /// View and highest certificate's view of every Timeout, with its signer.
    surrendered: BTreeSet<(u64, u64, usize)>,
    /// Byzantine proposals, by view.
    proposed: BTreeMap<u64, BTreeSet<String>>,
    text: String,
    /// The first vote, to be cast twice in a wrong trace.
    vote: Option<String>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(names: &'a Names, honest: &'a [usize]) -> Self {
        let order: Vec<String> = (1..=VIEWS)
            .map(|view| {
                let leader = names.chain.set.leader(tonle_consensus::View::new(view)).index();
                let name = honest.iter().position(|validator| *validator == leader).unwrap_or(BYZANTINE);
                format!("{view} -> {name}")
            })
            .collect();
        Trace {
            names,
            honest,
            nodes: vec![Node { view: 1, high: 0 }; honest.len()],
            surrendered: BTreeSet::new(),
            proposed: BTreeMap::new(),
            text: format!("start(Map({}))", order.join(", ")),
            vote: None,
        }
    }

    /// Adds a step; `machine` is its machine afterwards. False when the specification has no such step.
    pub(super) fn add(&mut self, deed: &Deed, machine: &Machine) -> bool {
        let Some(node) = self.honest.iter().position(|validator| *validator == deed.who) else { return false };
        let allowed = match deed.what.what {
            What::Proposal(number) => self.hear(node, number, deed),
            What::Quorum(QuorumName { choice, .. }) => {
                self.learn(node, Some(choice), deed);
                true
            }
            What::Abandoned(surrender) => {
                self.learn_timeout(node, surrender, deed);
                true
            }
            What::TimeOut => {
                if deed.signed.surrendered != 0 {
                    self.then(&format!("time_out({node})"));
                }
                true
            }
            What::Built => self.propose(node, deed),
            What::Notarize { .. } | What::Finalize { .. } | What::Timeout { .. } | What::Greeted | What::Restart(_) => {
                false
            }
        };
        for number in numbers(deed.signed.surrendered) {
            let surrender = self.names.surrender(number);
            let high = surrender.high.map_or(0, |choice| self.names.choice(choice).view);
            self.surrendered.insert((surrender.view, high, node));
        }
        self.expect(node, machine);
        allowed && deed.what.torn == 0
    }

    fn then(&mut self, action: &str) {
        let _ = write!(self.text, "\n      .then({action})");
    }

    /// A certificate, if it changes anything: R1, R2.
    fn learn(&mut self, node: usize, choice: Option<usize>, deed: &Deed) {
        let Some(choice) = choice else { return };
        let view = self.names.choice(choice).view;
        let Node { view: current, high } = self.nodes[node];
        if view > high || view >= current || deed.signed.finalized & (1 << choice) != 0 {
            self.then(&format!("learn_qc({node}, {})", self.choice(choice)));
            self.nodes[node] = Node { view: current.max(view + 1), high: high.max(view) };
        }
    }

    /// A TC: its highest certificate by itself, and then a TC of the lowest Timeouts that make one.
    fn learn_timeout(&mut self, node: usize, surrender: usize, deed: &Deed) {
        let surrender = self.names.surrender(surrender);
        self.learn(node, surrender.high, deed);
        let Node { view, high } = self.nodes[node];
        if surrender.view < view {
            return;
        }
        let mut highs: Vec<u64> =
            self.surrendered.iter().filter(|(view, ..)| *view == surrender.view).map(|(_, high, _)| *high).collect();
        highs.sort_unstable();
        // With the Byzantine one, two honest Timeouts are a quorum.
        let lowest = highs.get(1).copied().unwrap_or(0);
        let high_qc = format!("qcs.filter(qc => qc.view == {lowest}).getOnlyElement()");
        self.then(&format!("learn_tc({node}, {}, {high_qc})", surrender.view));
        self.nodes[node] = Node { view: surrender.view + 1, high };
    }

    fn hear(&mut self, node: usize, number: usize, deed: &Deed) -> bool {
        let Proposed { view, parent, timeout, .. } = self.names.proposal(number);
        self.learn(node, parent, deed);
        if let Some(surrender) = timeout {
            self.learn_timeout(node, surrender, deed);
        }
        if deed.signed.notarized == 0 {
            return true;
        }
        let proposal = self.proposal(number);
        let leader = self.names.chain.set.leader(tonle_consensus::View::new(view)).index();
        if !self.honest.contains(&leader) && self.proposed.entry(view).or_default().insert(proposal.clone()) {
            self.then(&format!("byzantine_propose({proposal})"));
        }
        self.notarize(node, &proposal);
        // The specification's Byzantine leader has two proposals in a view.
        self.proposed.get(&view).is_none_or(|proposals| proposals.len() <= 2)
    }

    fn propose(&mut self, node: usize, deed: &Deed) -> bool {
        for number in numbers(deed.signed.proposed) {
            self.then(&format!("propose({node})"));
            if deed.signed.notarized != 0 {
                let proposal = self.proposal(number);
                self.notarize(node, &proposal);
            }
        }
        true
    }

    fn notarize(&mut self, node: usize, proposal: &str) {
        let vote = format!("notarize({node}, {proposal})");
        self.then(&vote);
        self.vote.get_or_insert(vote);
    }

    fn expect(&mut self, node: usize, machine: &Machine) {
        let status = machine.engine.status();
        let [proposal, notarize, finalize, timeout] = machine.guarded();
        let _ = write!(
            self.text,
            "\n      .expect(is_at(nodes.get({node}), {}, {}, {proposal}, {notarize}, {finalize}, {timeout}))",
            status.view, status.high_view
        );
    }

    /// The run under a name, and that what was finalized is what the engines finalized.
    pub(super) fn finish(&self, name: &str, actors: &[Machine]) -> String {
        let finalized = actors.iter().fold(0, |any, actor| any | actor.signed.finalized);
        let entries: Vec<String> = numbers(finalized)
            .map(|choice| {
                let signers = (0..actors.len()).filter(|at| actors[*at].signed.finalized & (1 << choice) != 0);
                let signers: Vec<String> = signers.map(|signer| signer.to_string()).collect();
                format!("{} -> Set({})", self.choice(choice), signers.join(", "))
            })
            .collect();
        let end = format!("\n      .expect(signed.finalizes == Map({}) and safe)", entries.join(", "));
        format!("  run {name} =\n    {}{end}\n", self.text)
    }

    /// The same run with its first vote cast once more at its end.
    pub(super) fn wrong(&self, name: &str) -> Option<String> {
        let vote = self.vote.as_ref()?;
        Some(format!("  run {name} =\n    {}\n      .then({vote})\n", self.text))
    }

    fn block(&self, number: usize) -> String {
        let mut entries = Vec::new();
        let mut at = number;
        while let Some((view, which)) = self.names.origin(at) {
            entries.push(format!("({view}, {which})"));
            at = self.names.parent(at);
        }
        entries.reverse();
        format!("[{}]", entries.join(", "))
    }

    fn choice(&self, number: usize) -> String {
        let choice = self.names.choice(number);
        format!("{{ view: {}, block: {} }}", choice.view, self.block(choice.block))
    }

    fn proposal(&self, number: usize) -> String {
        let Proposed { view, parent, block, .. } = self.names.proposal(number);
        let parent_view = parent.map_or(0, |choice| self.names.choice(choice).view);
        format!("{{ view: {view}, block: {}, parent_view: {parent_view} }}", self.block(block))
    }
}

/// The module that the runs stand in.
pub(super) fn module(runs: &[String]) -> String {
    format!(
        "// Runs of the real engine, as `explore --traces` writes them.\nmodule traces {{\n  import tonle.* from \"./tonle\"\n\n  \
         pure def is_at(node: Node, view: int, high: int, proposal: int, notarize: int, finalize: int, timeout: int): \
         bool = and {{\n    node.view == view,\n    node.high_qc.view == high,\n    node.guard.last_proposal == proposal,\n    \
         node.guard.last_notarize == notarize,\n    node.guard.last_finalize == finalize,\n    \
         node.guard.last_timeout == timeout,\n  }}\n\n{}}}\n",
        runs.join("\n")
    )
}
