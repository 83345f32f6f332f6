//! Statements that nobody made: a vote that is signed for another chain, epoch, set or step, and a proof of misbehaviour
//! against whoever signed a certificate.
//!
//! Must not know: when they are sent.

use tonle_consensus::{Contradiction, Epoch, Message, QuorumCertificate, QuorumKind, Signed, Statement, Vote};
use tonle_crypto::{Digest, Signature};
use tonle_replica::{Misbehaviour, PeerMessage};

use super::Stage;

const ELSEWHERE: Digest = Digest::from_bytes([0xab; 32]);

/// The vote, by a signature that is good in another place.
pub(super) fn vote(stage: &mut Stage<'_>, kind: QuorumKind, true_one: &Vote) -> Option<Message> {
    let context = stage.context.signing(true_one.epoch)?;
    let (mut genesis, mut epoch, mut set) = (context.genesis, context.set.epoch(), context.set.digest());
    let (mut signed, mut forged) = (kind, *true_one);
    match stage.dice.below(4) {
        0 => genesis = ELSEWHERE,
        1 => epoch = Epoch::new(epoch.get().checked_add(1)?),
        2 => set = ELSEWHERE,
        _ => {
            signed = match kind {
                QuorumKind::Notarized => QuorumKind::Finalized,
                QuorumKind::Finalized => QuorumKind::Notarized,
            };
        }
    }
    let preimage = statement(signed, true_one).preimage_in(&genesis, epoch, &set);
    forged.signature = stage.memo.sign(stage.key, &preimage);
    Some(match kind {
        QuorumKind::Notarized => Message::Notarize(forged),
        QuorumKind::Finalized => Message::Finalize(forged),
    })
}

fn statement(kind: QuorumKind, vote: &Vote) -> Statement {
    match kind {
        QuorumKind::Notarized => vote.notarize(),
        QuorumKind::Finalized => vote.finalize(),
    }
}

/// A proof that one of the signers signed something else as well, which it did not.
pub(super) fn proof(stage: &mut Stage<'_>, certificate: &QuorumCertificate) -> Option<PeerMessage> {
    let context = stage.context.signing(certificate.epoch)?;
    let signers: Vec<_> = certificate.signers.iter().zip(&certificate.signatures).collect();
    let (signer, signature) = stage.dice.pick(&signers)?;
    let statement = |block| match certificate.kind {
        QuorumKind::Notarized => Statement::Notarize { view: certificate.view, block },
        QuorumKind::Finalized => Statement::Finalize { view: certificate.view, block },
    };
    let made = Signed { statement: statement(certificate.block), signature: *signature };
    // On either side of the true one in the order of the encoding.
    let other = Digest::from_bytes([if stage.dice.chance(500) { 0 } else { 0xff }; 32]);
    let never = Signed { statement: statement(other), signature: Signature::from_bytes([7; Signature::LENGTH]) };
    let place = (certificate.epoch, context.set.digest());
    let proof = Contradiction::new(context.set.get(signer)?.key, place, made, never)?;
    Some(PeerMessage::Misbehaviour(std::sync::Arc::new(Misbehaviour::Consensus(proof))))
}
