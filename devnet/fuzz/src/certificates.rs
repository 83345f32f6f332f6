//! Everything of consensus that is signed, made from choices: honest by default, with any part a lie. What must be
//! valid is told by an oracle of its own, and verification has to say the same: nothing invalid passes, nothing valid
//! is refused.
//!
//! Must not know: encodings.

use std::sync::{Arc, LazyLock};

use tonle_consensus::{
    Bitmap, Certificate, Epoch, Evidence, Message, Proposal, QuorumCertificate, QuorumKind, Signed, SigningContext,
    Statement, Timeout, TimeoutCertificate, TimeoutVote, ValidatorIndex, View, Vote,
};
use tonle_crypto::{Canonical, Digest, Signature, Verify};
use tonle_replica::Cut;

use crate::Input;
use crate::forge::{Forge, NODES, child, genesis, key, roots, statement, validator};
use crate::signing::Scheme;

/// Set sizes on both sides of each step of the quorum: n = 3f + 1, and not.
const SIZES: [u16; 6] = [4, 1, 5, 7, 10, 9];
const EPOCH: u64 = 3;

/// One chain's validators, and those that their signatures must not be taken for.
struct Bench {
    forge: Forge,
    /// Another chain, another epoch, another set.
    strangers: [SigningContext; 3],
}

static BENCHES: LazyLock<Vec<Bench>> = LazyLock::new(|| {
    SIZES
        .iter()
        .map(|n| {
            let forge = Forge::new(Scheme::Ed25519, *n, EPOCH);
            let here = &forge.context;
            let strangers = [
                SigningContext { genesis: Digest::from_bytes([8; 32]), set: here.set.clone() },
                Forge::new(Scheme::Ed25519, *n, EPOCH + 1).context,
                Forge::new(Scheme::Ed25519, n + 1, EPOCH).context,
            ];
            Bench { forge, strangers }
        })
        .collect()
});

/// A message or evidence from choices, judged against the oracle.
pub(crate) fn certificates(data: &[u8]) {
    let mut input = Input::new(data);
    let bench = &BENCHES[input.below(SIZES.len())];
    let message = match input.below(7) {
        0 => Message::Certificate(Certificate::Quorum(bench.quorum(&mut input, None))),
        1 => Message::Certificate(Certificate::Timeout(bench.timeouts(&mut input))),
        2 => Message::Notarize(bench.vote(&mut input, QuorumKind::Notarized)),
        3 => Message::Finalize(bench.vote(&mut input, QuorumKind::Finalized)),
        4 => Message::Timeout(bench.timeout(&mut input)),
        5 => Message::Proposal(Arc::new(bench.proposal(&mut input))),
        _ => return bench.accuse(&mut input),
    };
    let valid = bench.is_valid(&message);
    let verdict = message.verify(&bench.forge.context, Scheme::Ed25519.verifier());
    assert_eq!(verdict.is_ok(), valid, "{verdict:?} for {message:?}");
    // The same over the wire.
    match Message::decode(&message.encode()) {
        Ok(decoded) => assert_eq!(decoded, message, "another message arrives"),
        Err(error) => assert!(!valid, "{error}: a valid message has no wire form: {message:?}"),
    }
}

/// The oracle: what SPEC.md section 2 says of validity. Signatures are made anew and compared, which ed25519's
/// determinism allows here, where nobody else has the keys.
impl Bench {
    fn size(&self) -> usize {
        self.forge.context.set.len()
    }
    fn quorum_size(&self) -> usize {
        self.size() - (self.size() - 1) / 3
    }

    fn is_valid(&self, message: &Message) -> bool {
        let vote = |vote: &Vote, kind| {
            self.is_of_epoch(vote.epoch, vote.view)
                && self.is_of(vote.signer, &statement(kind, vote.view, vote.block), &vote.signature)
        };
        match message {
            Message::Certificate(Certificate::Quorum(certificate)) => self.is_quorum(certificate),
            Message::Certificate(Certificate::Timeout(certificate)) => self.is_timeout(certificate),
            Message::Notarize(notarize) => vote(notarize, QuorumKind::Notarized),
            Message::Finalize(finalize) => vote(finalize, QuorumKind::Finalized),
            Message::Timeout(timeout) => {
                let said = Statement::Timeout { view: timeout.view, high_view: timeout.high_view };
                self.is_of_epoch(timeout.epoch, timeout.view)
                    && timeout.high_view < timeout.view
                    && self.is_of(timeout.signer, &said, &timeout.signature)
                    && self.backs(timeout.high_view, timeout.high_qc.as_ref())
            }
            Message::Proposal(proposal) => {
                let Proposal { epoch, view, parent_view, .. } = **proposal;
                let said = Statement::Proposal { view, parent_view, block: proposal.block.digest() };
                self.is_of_epoch(epoch, view)
                    && self.is_of(self.forge.context.set.leader(view), &said, &proposal.signature)
                    && self.backs(parent_view, proposal.parent_qc.as_ref())
                    && proposal.timeout.as_ref().is_none_or(|certificate| self.is_timeout(certificate))
            }
        }
    }

    fn is_of_epoch(&self, epoch: Epoch, view: View) -> bool {
        epoch == self.forge.epoch() && view > View::ZERO
    }

    fn is_of(&self, signer: ValidatorIndex, said: &Statement, signature: &Signature) -> bool {
        signer.index() < self.size() && self.forge.sign(signer, said) == *signature
    }

    fn is_quorum(&self, certificate: &QuorumCertificate) -> bool {
        let bits = certificate.signers.as_bytes();
        let signers: Vec<u16> = (0u16..)
            .take(bits.len() * 8)
            .filter(|signer| bits[usize::from(signer / 8)] >> (signer % 8) & 1 == 1)
            .collect();
        let said = statement(certificate.kind, certificate.view, certificate.block);
        self.is_of_epoch(certificate.epoch, certificate.view)
            && bits.len() == self.size().div_ceil(8)
            && signers.len() >= self.quorum_size()
            && signers.len() == certificate.signatures.len()
            && signers.iter().zip(&certificate.signatures).all(|(signer, by)| self.is_of(validator(*signer), &said, by))
    }

    fn is_timeout(&self, certificate: &TimeoutCertificate) -> bool {
        let TimeoutCertificate { epoch, view, votes, high_qc } = certificate;
        let highest = votes.iter().map(|vote| vote.high_view).max().unwrap_or(View::ZERO);
        self.is_of_epoch(*epoch, *view)
            && votes.len() >= self.quorum_size()
            && votes.windows(2).all(|pair| pair[0].signer < pair[1].signer)
            && highest < *view
            && self.backs(highest, high_qc.as_ref())
            && votes.iter().all(|vote| {
                let said = Statement::Timeout { view: *view, high_view: vote.high_view };
                self.is_of(vote.signer, &said, &vote.signature)
            })
    }

    /// Is this view backed by exactly this certificate? View 0 stands for the anchor, which has none.
    fn backs(&self, view: View, certificate: Option<&QuorumCertificate>) -> bool {
        match certificate {
            None => view == View::ZERO,
            Some(certificate) => certificate.view == view && self.is_quorum(certificate),
        }
    }
}

/// What the choices make.
impl Bench {
    /// A signature that should be `signer`'s over `said`.
    fn signature(&self, input: &mut Input<'_>, signer: usize, said: Statement) -> Signature {
        let lie = if input.rarely() { input.below(9) } else { 0 };
        let here = &self.forge.context;
        let (by, context, what) = match lie {
            1 => (input.below(self.size()), here, said),
            2 => (signer, here, twisted(input, said)),
            3 => (signer, &self.strangers[0], said),
            4 => (signer, &self.strangers[1], said),
            5 => (signer, &self.strangers[2], said),
            // Of nobody in the set, be it the signer's own network key.
            6 => (100 + signer, here, said),
            _ => (signer, here, said),
        };
        let signature = Scheme::Ed25519.sign(key(by), &what.preimage(context));
        if lie < 7 {
            return signature;
        }
        // One bit, or one byte, of a signature in form.
        let (at, mask) = (input.below(Signature::LENGTH), input.u8());
        let mut bytes = *signature.as_bytes();
        bytes[at] ^= if lie == 7 { 1 << (mask % 8) } else { mask };
        Signature::from_bytes(bytes)
    }

    fn epoch(&self, input: &mut Input<'_>) -> Epoch {
        Epoch::new(if input.rarely() { input.pick(&[0, EPOCH - 1, EPOCH + 1, u64::MAX, EPOCH]) } else { EPOCH })
    }

    /// One validator, or the one behind the last.
    fn signer(&self, input: &mut Input<'_>) -> usize {
        if input.rarely() { self.size() } else { input.below(self.size()) }
    }

    /// Who signs: a quorum, or what the choices add and take away.
    fn signers(&self, input: &mut Input<'_>) -> Vec<usize> {
        let choice = u32::from(input.u16());
        let default = (0..self.quorum_size()).fold(0u32, |bits, signer| bits | 1 << signer);
        (0..self.size()).filter(|signer| (default ^ choice) >> signer & 1 == 1).collect()
    }

    fn quorum(&self, input: &mut Input<'_>, of: Option<View>) -> QuorumCertificate {
        let kind = input.pick(&[QuorumKind::Notarized, QuorumKind::Finalized]);
        let view = of.unwrap_or_else(|| view(input, 4));
        let (epoch, block) = (self.epoch(input), digest(input));
        let signers = self.signers(input);
        let said = statement(kind, view, block);
        let signatures = signers.iter().map(|signer| self.signature(input, *signer, said)).collect();
        let mut bitmap = Bitmap::new(self.size());
        signers.iter().for_each(|signer| {
            bitmap.insert(index(*signer));
        });
        let mut made = QuorumCertificate { kind, epoch, view, block, signers: bitmap, signatures };
        if input.rarely() {
            spoil(input, &mut made);
        }
        made
    }

    fn timeouts(&self, input: &mut Input<'_>) -> TimeoutCertificate {
        let (view, epoch) = (view(input, 5), self.epoch(input));
        let high = input.pick(&[0u64, 1, 2, 3, 4, 5, 6]);
        let high_qc = (high > 0 && !input.rarely()).then(|| self.quorum(input, Some(View::new(high))));
        let mut votes = Vec::new();
        for signer in self.signers(input) {
            // Each names what it holds: the highest, or less.
            let high_view = if input.rarely() { input.pick(&[0, high / 2, high, high + 1]) } else { high };
            let high_view = View::new(high_view);
            let signature = self.signature(input, signer, Statement::Timeout { view, high_view });
            votes.push(TimeoutVote { signer: index(signer), high_view, signature });
        }
        if input.rarely() {
            let at = input.below(votes.len().max(1));
            match input.below(4) {
                0 => votes.extend(votes.get(at).copied()),
                1 => votes.reverse(),
                2 if at < votes.len() => votes[at].signer = index(input.below(self.size() + 2)),
                _ => votes.truncate(at),
            }
        }
        TimeoutCertificate { epoch, view, votes, high_qc }
    }

    fn vote(&self, input: &mut Input<'_>, kind: QuorumKind) -> Vote {
        let (view, block, epoch, signer) = (view(input, 5), digest(input), self.epoch(input), self.signer(input));
        let signature = self.signature(input, signer, statement(kind, view, block));
        Vote { epoch, view, block, signer: index(signer), signature }
    }

    fn timeout(&self, input: &mut Input<'_>) -> Timeout {
        let (view, epoch, signer) = (view(input, 5), self.epoch(input), self.signer(input));
        let high = input.pick(&[0u64, 1, 2, 3, 4, 5, 6]);
        let high_view = View::new(high);
        let of = Some(high_view).filter(|_| !input.rarely());
        let high_qc = (high > 0).then(|| self.quorum(input, of));
        let signature = self.signature(input, signer, Statement::Timeout { view, high_view });
        Timeout { epoch, view, high_view, signer: index(signer), signature, high_qc }
    }

    fn proposal(&self, input: &mut Input<'_>) -> Proposal {
        let (view, epoch) = (view(input, 5), self.epoch(input));
        let parent_qc = (!input.u8().is_multiple_of(4)).then(|| self.quorum(input, None));
        let timeout = (input.u8() % 4 == 1).then(|| self.timeouts(input));
        let attached = parent_qc.as_ref().map_or(View::ZERO, |certificate| certificate.view);
        let parent_view = if input.rarely() { View::new(u64::from(input.u8() % 7)) } else { attached };
        let parent = genesis();
        let block = child(&parent, &Cut::genesis(usize::from(NODES)), roots(&parent), None);
        let leader = self.forge.context.set.leader(view).index();
        let said = Statement::Proposal { view, parent_view, block: block.digest() };
        let signature = self.signature(input, leader, said);
        // Nobody signs the sidecar, so any will do here.
        Proposal { epoch, view, parent_view, block, parent_qc, timeout, signature, sidecar: input.bytes(40).into() }
    }

    fn accuse(&self, input: &mut Input<'_>) {
        let (epoch, signer) = (self.epoch(input), self.signer(input));
        let mut signed = || {
            let statement = any_statement(input);
            Signed { statement, signature: self.signature(input, signer, statement) }
        };
        let evidence = Evidence { epoch, signer: index(signer), first: signed(), second: signed() };
        let holds = |signed: &Signed| self.is_of(evidence.signer, &signed.statement, &signed.signature);
        let valid = epoch == self.forge.epoch()
            && holds(&evidence.first)
            && holds(&evidence.second)
            && breaks_the_rules(&evidence.first.statement, &evidence.second.statement);
        let verdict = evidence.verify(&self.forge.context, Scheme::Ed25519.verifier());
        assert_eq!(verdict.is_ok(), valid, "{verdict:?} for {evidence:?}");
        assert_eq!(Evidence::decode(&evidence.encode()), Ok(evidence), "another accusation arrives");
    }
}

/// Breaks the form of a certificate.
fn spoil(input: &mut Input<'_>, certificate: &mut QuorumCertificate) {
    let mut bits = certificate.signers.as_bytes().to_vec();
    match input.below(7) {
        // A signer more or less in the bitmap alone, or beyond the set.
        0 => {
            let (at, bit) = (input.below(bits.len()), input.below(8));
            bits[at] ^= 1 << bit;
        }
        1 => bits.push(input.u8()),
        2 => bits.truncate(bits.len() - 1),
        3 => certificate.signatures.extend(certificate.signatures.first().copied()),
        4 => certificate.signatures.truncate(certificate.signatures.len().saturating_sub(1)),
        5 => certificate.signatures.reverse(),
        _ => certificate.block = digest(input),
    }
    certificate.signers = Bitmap::from_bytes(bits);
}

/// SPEC.md section 6, written down once more.
fn breaks_the_rules(first: &Statement, second: &Statement) -> bool {
    let same_place = std::mem::discriminant(first) == std::mem::discriminant(second) && first.view() == second.view();
    match (*first, *second) {
        (Statement::Finalize { view: w, .. }, Statement::Timeout { view: v, high_view: h }) => v >= w && w > h,
        _ => same_place && block_of(first) != block_of(second),
    }
}

fn block_of(said: &Statement) -> Option<Digest> {
    match *said {
        Statement::Proposal { block, .. } | Statement::Notarize { block, .. } | Statement::Finalize { block, .. } => {
            Some(block)
        }
        Statement::Timeout { .. } => None,
    }
}

fn any_statement(input: &mut Input<'_>) -> Statement {
    let (kind, view, block) = (input.below(4), view(input, 5), digest(input));
    match kind {
        0 => Statement::Notarize { view, block },
        1 => Statement::Finalize { view, block },
        2 => Statement::Timeout { view, high_view: View::new(u64::from(input.u8() % 7)) },
        _ => Statement::Proposal { view, parent_view: View::new(u64::from(input.u8() % 7)), block },
    }
}

/// Another statement, close to this one.
fn twisted(input: &mut Input<'_>, said: Statement) -> Statement {
    let other = View::new(said.view().get().wrapping_add(1));
    match (said, input.below(3)) {
        (Statement::Notarize { view, block }, 0) => Statement::Finalize { view, block },
        (Statement::Finalize { view, block }, 0) => Statement::Notarize { view, block },
        (Statement::Timeout { view, high_view }, 0) => Statement::Timeout { view: high_view, high_view: view },
        (Statement::Timeout { view, .. }, 1) => Statement::Timeout { view, high_view: View::new(77) },
        (Statement::Notarize { view, .. }, 1) => Statement::Notarize { view, block: Digest::ZERO },
        (Statement::Notarize { block, .. }, _) => Statement::Notarize { view: other, block },
        (Statement::Finalize { block, .. }, _) => Statement::Finalize { view: other, block },
        (Statement::Timeout { high_view, .. }, _) => Statement::Timeout { view: other, high_view },
        (Statement::Proposal { view, parent_view, block }, 0) => {
            Statement::Proposal { view: parent_view, parent_view: view, block }
        }
        (Statement::Proposal { view, block, .. }, 1) => Statement::Notarize { view, block },
        (Statement::Proposal { parent_view, block, .. }, _) => Statement::Proposal { view: other, parent_view, block },
    }
}

fn index(signer: usize) -> ValidatorIndex {
    validator(u16::try_from(signer).unwrap_or(u16::MAX))
}
fn digest(input: &mut Input<'_>) -> Digest {
    Digest::from_bytes([input.pick(&[0x11, 0x22, 0x33]); 32])
}
/// The view that the honest choice gives, or one around it, or an edge.
fn view(input: &mut Input<'_>, default: u64) -> View {
    let choice = input.u8();
    View::new(match choice {
        0..0xc0 => default,
        0xc0..0xf0 => u64::from(choice % 8),
        0xf0..0xf8 => 0,
        _ => u64::MAX,
    })
}
