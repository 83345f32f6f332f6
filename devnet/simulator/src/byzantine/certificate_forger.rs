//! Sends, beside a true certificate or vote, one that is almost like it and does not hold, or a false proof of misbehaviour.

use std::sync::Arc;

use tonle_consensus::{
    Bitmap, Certificate, Message, Proposal, QuorumCertificate, QuorumKind, TimeoutCertificate, View,
};
use tonle_crypto::{Digest, Signature};
use tonle_replica::PeerMessage;

use super::{Actor, Line, Stage, forged_statement};

/// See the module.
pub(super) struct CertificateForger;

impl Actor for CertificateForger {
    fn says(&mut self, stage: &mut Stage<'_>, _to: usize, message: &PeerMessage) -> Vec<Line> {
        let mut lines = vec![Line::plain(message.clone())];
        if let PeerMessage::Consensus(message) = message
            && stage.dice.chance(300)
            && let Some(forged) = forge(stage, message)
        {
            stage.misdeeds += 1;
            lines.insert(0, Line::forged(forged));
        }
        lines
    }
}

/// Something that nobody may accept, made of the message.
fn forge(stage: &mut Stage<'_>, message: &Message) -> Option<PeerMessage> {
    if let Message::Certificate(Certificate::Quorum(certificate)) = message
        && stage.dice.chance(250)
    {
        return forged_statement::proof(stage, certificate);
    }
    certified(stage, message).map(PeerMessage::Consensus)
}

/// The message with a certificate, or a signature of its own, that does not hold.
fn certified(stage: &mut Stage<'_>, message: &Message) -> Option<Message> {
    match message {
        Message::Certificate(Certificate::Quorum(certificate)) => {
            Some(Message::Certificate(Certificate::Quorum(quorum(stage, certificate)?)))
        }
        Message::Certificate(Certificate::Timeout(certificate)) => {
            Some(Message::Certificate(Certificate::Timeout(timeout(stage, certificate)?)))
        }
        Message::Proposal(proposal) => {
            let mut forged = Proposal::clone(proposal);
            match (&proposal.timeout, &proposal.parent_qc) {
                (Some(certificate), _) => forged.timeout = Some(timeout(stage, certificate)?),
                (None, Some(certificate)) => forged.parent_qc = Some(quorum(stage, certificate)?),
                (None, None) => return None,
            }
            // Certificates are not under the leader's signature.
            Some(Message::Proposal(Arc::new(forged)))
        }
        Message::Timeout(vote) => {
            let mut forged = vote.clone();
            forged.high_qc = Some(quorum(stage, vote.high_qc.as_ref()?)?);
            Some(Message::Timeout(forged))
        }
        Message::Notarize(vote) => forged_statement::vote(stage, QuorumKind::Notarized, vote),
        Message::Finalize(vote) => forged_statement::vote(stage, QuorumKind::Finalized, vote),
    }
}

fn quorum(stage: &mut Stage<'_>, true_one: &QuorumCertificate) -> Option<QuorumCertificate> {
    let mut forged = true_one.clone();
    let signers: Vec<_> = true_one.signers.iter().collect();
    match stage.dice.below(8) {
        // The same signature twice, under two names.
        0 => *forged.signatures.get_mut(1)? = *true_one.signatures.first()?,
        // A vote of the other step.
        1 => {
            forged.kind = match true_one.kind {
                QuorumKind::Notarized => QuorumKind::Finalized,
                QuorumKind::Finalized => QuorumKind::Notarized,
            };
        }
        // Another view, another epoch, another block.
        2 => forged.view = true_one.view.next()?,
        3 => forged.epoch = true_one.epoch.next()?,
        4 => forged.block = Digest::from_bytes([0xab; 32]),
        // One short of a quorum.
        5 => {
            let quorum = stage.quorum(true_one.epoch);
            forged.signers = Bitmap::new(stage.nodes);
            for signer in signers.iter().take(quorum - 1) {
                forged.signers.insert(*signer);
            }
            forged.signatures.truncate(quorum - 1);
        }
        // A bitmap that is too long.
        6 => forged.signers = Bitmap::from_bytes([true_one.signers.as_bytes(), &[0]].concat()),
        // Padded with a signature that is none, of a validator that did not sign or does not exist.
        _ => {
            let bits = u16::try_from(true_one.signers.as_bytes().len() * 8).ok()?;
            let mut absent = (0..bits).rev().map(tonle_consensus::ValidatorIndex::new);
            let added = absent.find(|index| !true_one.signers.contains(*index))?;
            let place = signers.iter().filter(|signer| **signer < added).count();
            forged.signers.insert(added);
            forged.signatures.insert(place, Signature::from_bytes([7; Signature::LENGTH]));
        }
    }
    Some(forged)
}

fn timeout(stage: &mut Stage<'_>, true_one: &TimeoutCertificate) -> Option<TimeoutCertificate> {
    let mut forged = true_one.clone();
    match stage.dice.below(5) {
        // One validator counts twice.
        0 => *forged.votes.get_mut(1)? = *true_one.votes.first()?,
        // One short of a quorum.
        1 => forged.votes.truncate(stage.quorum(true_one.epoch) - 1),
        2 => forged.view = true_one.view.next()?,
        // A signer that is said to have had less.
        3 => {
            let vote = forged.votes.iter_mut().max_by_key(|vote| vote.high_view)?;
            vote.high_view = View::new(vote.high_view.get().checked_sub(1)?);
        }
        // The highest certificate is left out.
        _ => {
            true_one.high_qc.as_ref()?;
            forged.high_qc = None;
        }
    }
    Some(forged)
}
