//! Votes as they come in, within the bounds of SPEC.md section 6, and the certificates they add up to.
//!
//! One vote for each signer, kind and view; a second one that contradicts it becomes evidence once and counts for
//! nothing.
//!
//! Must not know: what follows from a certificate, timers, who is connected.

use std::collections::{BTreeMap, BTreeSet};

use tonle_crypto::{Digest, Signature, Writer};

use crate::{
    Bitmap, Epoch, Evidence, Message, QuorumCertificate, QuorumKind, Signed, Statement, Timeout, TimeoutCertificate,
    TimeoutVote, ValidatorIndex, ValidatorSet, View, Vote, contradict,
};

/// Views above the highest FC whose Finalize votes are kept.
pub(crate) const FINALIZE_VIEWS_MAX: u64 = 64;

/// What a vote led to.
#[derive(Debug, Default)]
pub(crate) struct Counted<C> {
    /// The certificate that this vote completes.
    pub(crate) certificate: Option<C>,
    /// The contradiction that this vote is half of.
    pub(crate) evidence: Option<Evidence>,
}

impl<C> Counted<C> {
    fn nothing() -> Self {
        Counted { certificate: None, evidence: None }
    }
}

/// The votes of one kind in one view.
#[derive(Debug, Clone, Default)]
struct Ballot {
    votes: BTreeMap<ValidatorIndex, (Digest, Signature)>,
    accused: BTreeSet<ValidatorIndex>,
}

/// The Timeouts of one view.
#[derive(Debug, Clone, Default)]
struct Surrenders {
    votes: BTreeMap<ValidatorIndex, TimeoutVote>,
    high_qc: Option<QuorumCertificate>,
    accused: BTreeSet<ValidatorIndex>,
}

/// All votes kept.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    set: ValidatorSet,
    view: View,
    final_view: View,
    notarize: BTreeMap<View, Ballot>,
    finalize: BTreeMap<View, Ballot>,
    timeouts: BTreeMap<View, Surrenders>,
}

impl Tally {
    pub(crate) fn new(set: ValidatorSet) -> Self {
        Tally {
            set,
            view: View::ZERO,
            final_view: View::ZERO,
            notarize: BTreeMap::new(),
            finalize: BTreeMap::new(),
            timeouts: BTreeMap::new(),
        }
    }

    /// The current view is `view`: older Notarize and Timeout votes go.
    pub(crate) fn enter(&mut self, view: View) {
        self.view = view;
        self.notarize = self.notarize.split_off(&view);
        self.timeouts = self.timeouts.split_off(&view);
        self.finalize = self.finalize.split_off(&self.finalize_floor());
    }

    /// `view` has an FC: Finalize votes at or below it go.
    pub(crate) fn finalized(&mut self, view: View) {
        self.final_view = self.final_view.max(view);
        self.finalize = self.finalize.split_off(&self.finalize_floor());
    }

    /// The lowest view whose Finalize votes are kept.
    fn finalize_floor(&self) -> View {
        let window = self.view.saturating_add(2).saturating_sub(FINALIZE_VIEWS_MAX);
        self.final_view.saturating_add(1).max(window)
    }

    /// Notarize and Timeout votes are kept for the current view and the next.
    fn in_window(&self, view: View) -> bool {
        view >= self.view && view <= self.view.saturating_add(1)
    }

    /// Counts a Notarize.
    pub(crate) fn notarize(&mut self, vote: &Vote) -> Counted<QuorumCertificate> {
        if !self.in_window(vote.view) {
            return Counted::nothing();
        }
        let ballot = self.notarize.entry(vote.view).or_default();
        count(ballot, &self.set, QuorumKind::Notarized, vote)
    }

    /// Counts a Finalize, also for a past view.
    pub(crate) fn finalize(&mut self, vote: &Vote) -> Counted<QuorumCertificate> {
        if vote.view < self.finalize_floor() || vote.view > self.view.saturating_add(1) {
            return Counted::nothing();
        }
        let ballot = self.finalize.entry(vote.view).or_default();
        let mut counted = count(ballot, &self.set, QuorumKind::Finalized, vote);
        // R2 broken: a Timeout at or above this view that knew less than its certificate.
        for (view, surrenders) in self.timeouts.range_mut(vote.view..) {
            if let Some(earlier) = surrenders.votes.get(&vote.signer)
                && counted.evidence.is_none()
            {
                let timeout = Signed {
                    statement: Statement::Timeout { view: *view, high_view: earlier.high_view },
                    signature: earlier.signature,
                };
                counted.evidence = surrenders.accuse(vote.epoch, vote.signer, finalized(vote), timeout);
            }
        }
        counted
    }

    /// Counts a Timeout.
    pub(crate) fn timeout(&mut self, timeout: &Timeout) -> Counted<TimeoutCertificate> {
        if !self.in_window(timeout.view) {
            return Counted::nothing();
        }
        let surrenders = self.timeouts.entry(timeout.view).or_default();
        if surrenders.votes.contains_key(&timeout.signer) {
            return Counted::nothing();
        }
        let mut counted = Counted::nothing();
        // R2 broken: a Finalize above the certificate that this Timeout knows.
        for (view, ballot) in self.finalize.range(..=timeout.view) {
            if let Some((block, signature)) = ballot.votes.get(&timeout.signer)
                && counted.evidence.is_none()
            {
                let statement = Statement::Finalize { view: *view, block: *block };
                let finalize = Signed { statement, signature: *signature };
                let surrender = Signed { statement: timeout.statement(), signature: timeout.signature };
                counted.evidence = surrenders.accuse(timeout.epoch, timeout.signer, finalize, surrender);
            }
        }
        counted.certificate = surrenders.count(&self.set, timeout);
        counted
    }

    /// Who voted Notarize in `view`.
    pub(crate) fn notarizers(&self, view: View) -> Vec<ValidatorIndex> {
        self.notarize.get(&view).map(|ballot| ballot.votes.keys().copied().collect()).unwrap_or_default()
    }

    /// Who gave up on `view`.
    pub(crate) fn surrendered(&self, view: View) -> Vec<ValidatorIndex> {
        self.timeouts.get(&view).map(|surrenders| surrenders.votes.keys().copied().collect()).unwrap_or_default()
    }

    /// How many gave up on `view`.
    pub(crate) fn surrenders(&self, view: View) -> usize {
        self.timeouts.get(&view).map_or(0, |surrenders| surrenders.votes.len())
    }

    /// Did `signer` give up on `view`?
    pub(crate) fn has_surrendered(&self, view: View, signer: ValidatorIndex) -> bool {
        self.timeouts.get(&view).is_some_and(|surrenders| surrenders.votes.contains_key(&signer))
    }

    /// What is held of one validator's votes: those of the current view and the next, and the last Finalize. A Timeout
    /// whose certificate is not the one kept is left out.
    pub(crate) fn votes_of(&self, signer: ValidatorIndex) -> Vec<Message> {
        let epoch = self.set.epoch();
        let vote = |(view, ballot): (&View, &Ballot)| {
            let (block, signature) = *ballot.votes.get(&signer)?;
            Some(Vote { epoch, view: *view, block, signer, signature })
        };
        let mut messages: Vec<Message> = self.notarize.iter().filter_map(vote).map(Message::Notarize).collect();
        messages.extend(self.finalize.iter().rev().find_map(vote).map(Message::Finalize));
        messages.extend(self.timeouts.iter().filter_map(|(view, surrenders)| {
            let TimeoutVote { high_view, signature, .. } = *surrenders.votes.get(&signer)?;
            let kept = surrenders.high_qc.clone().filter(|certificate| certificate.view == high_view);
            let whole = kept.is_some() || high_view == View::ZERO;
            let timeout = Timeout { epoch, view: *view, high_view, signer, signature, high_qc: kept };
            whole.then_some(Message::Timeout(timeout))
        }));
        messages
    }

    /// Every vote that is held, as its kind, view, signer and what it is for, into an engine's fingerprint.
    pub(crate) fn imprint(&self, writer: &mut Writer) {
        for (kind, ballots) in [(2, &self.notarize), (3, &self.finalize)] {
            for (view, ballot) in ballots {
                for (signer, (block, _)) in &ballot.votes {
                    writer.u8(kind).value(view).value(signer).digest(block);
                }
            }
        }
        for (view, surrenders) in &self.timeouts {
            for vote in surrenders.votes.values() {
                writer.u8(4).value(view).value(&vote.signer).value(&vote.high_view);
            }
            if let Some(certificate) = &surrenders.high_qc {
                writer.u8(1).value(&certificate.view).digest(&certificate.block);
            }
        }
        writer.u8(0);
    }

    /// How many votes are held, for the bounds' tests.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        let ballots = self.notarize.values().chain(self.finalize.values()).map(|ballot| ballot.votes.len());
        ballots.sum::<usize>() + self.timeouts.values().map(|surrenders| surrenders.votes.len()).sum::<usize>()
    }
}

impl Surrenders {
    fn accuse(&mut self, epoch: Epoch, signer: ValidatorIndex, finalize: Signed, timeout: Signed) -> Option<Evidence> {
        let broken = contradict(&finalize.statement, &timeout.statement);
        (broken && self.accused.insert(signer)).then_some(Evidence { epoch, signer, first: finalize, second: timeout })
    }

    fn count(&mut self, set: &ValidatorSet, timeout: &Timeout) -> Option<TimeoutCertificate> {
        let vote = TimeoutVote { signer: timeout.signer, high_view: timeout.high_view, signature: timeout.signature };
        self.votes.insert(timeout.signer, vote);
        let held = self.high_qc.as_ref().map_or(View::ZERO, |certificate| certificate.view);
        if timeout.high_view > held {
            self.high_qc.clone_from(&timeout.high_qc);
        }
        (self.votes.len() == set.quorum()).then(|| TimeoutCertificate {
            epoch: timeout.epoch,
            view: timeout.view,
            votes: self.votes.values().copied().collect(),
            high_qc: self.high_qc.clone(),
        })
    }
}

fn finalized(vote: &Vote) -> Signed {
    Signed { statement: vote.finalize(), signature: vote.signature }
}

/// Counts a vote in its ballot; at the quorum-th for one block, makes the certificate.
fn count(ballot: &mut Ballot, set: &ValidatorSet, kind: QuorumKind, vote: &Vote) -> Counted<QuorumCertificate> {
    if let Some((block, signature)) = ballot.votes.get(&vote.signer) {
        if *block == vote.block || !ballot.accused.insert(vote.signer) {
            return Counted::nothing();
        }
        let statement = |block: Digest| match kind {
            QuorumKind::Notarized => Statement::Notarize { view: vote.view, block },
            QuorumKind::Finalized => Statement::Finalize { view: vote.view, block },
        };
        let first = Signed { statement: statement(*block), signature: *signature };
        let second = Signed { statement: statement(vote.block), signature: vote.signature };
        let evidence = Some(Evidence { epoch: vote.epoch, signer: vote.signer, first, second });
        return Counted { certificate: None, evidence };
    }
    ballot.votes.insert(vote.signer, (vote.block, vote.signature));
    let votes = || ballot.votes.iter().filter(|(_, (block, _))| *block == vote.block);
    if votes().count() != set.quorum() {
        return Counted::nothing();
    }
    let mut signers = Bitmap::new(set.len());
    let mut signatures = Vec::with_capacity(set.quorum());
    for (signer, (_, signature)) in votes() {
        if signers.insert(*signer) {
            signatures.push(*signature);
        }
    }
    let (epoch, view, block) = (vote.epoch, vote.view, vote.block);
    let certificate = QuorumCertificate { kind, epoch, view, block, signers, signatures };
    Counted { certificate: Some(certificate), evidence: None }
}

#[cfg(test)]
mod tests {
    use tonle_crypto::SecretKey;

    use super::*;
    use crate::Validator;

    fn set(n: u8) -> ValidatorSet {
        let validator = |index: u8| Validator {
            name: format!("bank{index}"),
            key: SecretKey::from_seed(&[index; 32]).public(),
            network_key: SecretKey::from_seed(&[index + 100; 32]).public(),
        };
        ValidatorSet::new(Epoch::ZERO, (0..n).map(validator).collect()).unwrap()
    }

    fn vote(view: u64, signer: u16, block: u8) -> Vote {
        Vote {
            epoch: Epoch::ZERO,
            view: View::new(view),
            block: Digest::from_bytes([block; 32]),
            signer: ValidatorIndex::new(signer),
            signature: Signature::from_bytes([0; 64]),
        }
    }

    fn timeout(view: u64, signer: u16, high_view: u64) -> Timeout {
        let Vote { epoch, view, signer, signature, .. } = vote(view, signer, 0);
        Timeout { epoch, view, high_view: View::new(high_view), signer, signature, high_qc: None }
    }

    #[test]
    fn a_flood_of_votes_is_bounded_by_the_window() {
        let mut tally = Tally::new(set(7));
        tally.enter(View::new(500));
        for view in 1..1_000 {
            for signer in 0..7 {
                for block in 0..3 {
                    tally.notarize(&vote(view, signer, block));
                    tally.finalize(&vote(view, signer, block));
                    tally.timeout(&timeout(view, signer, u64::from(block)));
                }
            }
        }
        // Two views of Notarize and of Timeout votes, 64 of Finalize votes, one vote for each signer.
        assert_eq!(tally.held(), 7 * (2 + 2 + 64));
        tally.finalized(View::new(499));
        assert_eq!(tally.held(), 7 * (2 + 2 + 2));
        tally.enter(View::new(2_000));
        assert_eq!(tally.held(), 0);
    }

    #[test]
    fn finalize_votes_of_past_views_count_until_an_fc_is_known() {
        let mut tally = Tally::new(set(4));
        tally.enter(View::new(60));
        assert!(tally.finalize(&vote(3, 0, 1)).certificate.is_none());
        assert!(tally.finalize(&vote(3, 1, 1)).certificate.is_none());
        assert_eq!(tally.finalize(&vote(3, 2, 1)).certificate.unwrap().signers.count(), 3);
        tally.finalized(View::new(3));
        assert!((0..4).all(|signer| tally.finalize(&vote(3, signer, 1)).certificate.is_none()));
    }

    #[test]
    fn a_second_block_counts_for_nothing_and_is_evidence_once() {
        let mut tally = Tally::new(set(4));
        tally.enter(View::new(1));
        tally.notarize(&vote(1, 0, 1));
        assert!(tally.notarize(&vote(1, 0, 1)).evidence.is_none());
        assert!(tally.notarize(&vote(1, 0, 2)).evidence.is_some());
        assert!(tally.notarize(&vote(1, 0, 2)).evidence.is_none());
        tally.notarize(&vote(1, 1, 2));
        assert!(tally.notarize(&vote(1, 2, 2)).certificate.is_none());
        assert!(tally.notarize(&vote(1, 3, 2)).certificate.is_some());
    }

    #[test]
    fn finalize_and_timeout_that_break_r2_are_evidence_in_either_order() {
        for finalize_first in [true, false] {
            let mut tally = Tally::new(set(4));
            tally.enter(View::new(6));
            let evidence = if finalize_first {
                tally.finalize(&vote(5, 0, 1));
                tally.timeout(&timeout(6, 0, 4)).evidence
            } else {
                tally.timeout(&timeout(6, 0, 4));
                tally.finalize(&vote(5, 0, 1)).evidence
            };
            let evidence = evidence.unwrap();
            assert!(contradict(&evidence.first.statement, &evidence.second.statement));
        }
        let mut honest = Tally::new(set(4));
        honest.enter(View::new(6));
        honest.finalize(&vote(5, 0, 1));
        assert!(honest.timeout(&timeout(6, 0, 5)).evidence.is_none());
    }
}
