//! Which states answer alike: one digest over all that an engine's signatures, proposals and final blocks hang on.
//!
//! Must not know: who compares fingerprints, and what for.

use tonle_crypto::{Digest, Domain, Writer};

use super::{Consensus, Lead, Phase, Stage};
use crate::{Certificate, QuorumCertificate, QuorumKind};

static ENGINE: Domain = Domain::new("tonle v1 engine fingerprint");

impl Consensus {
    /// Equal for two engines of one validator, one configuration and one epoch that answer equal inputs with equal
    /// signatures, proposals and final blocks from here on, if their timers end at the same inputs and every block that
    /// they ask for comes at once. An explorer merges such states. It is no part of the protocol: nobody signs it or
    /// sends it.
    ///
    /// Left out are: clocks, and what the pacemaker measured (they say when timers end); what is known of peers, and
    /// own messages kept to be repeated (they say what is sent again to whom); who signed a certificate (whom to ask
    /// for a block); blocks that nothing speaks for but a proposal that is done with; and whose evidence went out.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        let mut writer = Writer::new();
        writer.value(&self.view).u8(match self.phase {
            Phase::Fresh => 0,
            Phase::Running => 1,
            Phase::Ended => 2,
            Phase::Halted => 3,
        });
        writer.bool(self.retry_at_us.is_some()).bool(self.demand.data).option(self.demand.checkpoint_due.as_ref());
        self.safety.imprint(&mut writer);
        self.tally.imprint(&mut writer);
        self.tree.imprint(&mut writer);
        imprint_certificate(&mut writer, self.entry.as_ref());
        imprint_quorum(&mut writer, self.high_qc.as_ref());
        imprint_quorum(&mut writer, self.final_certificate.as_ref());
        self.imprint_candidate(&mut writer);
        self.imprint_lead(&mut writer);
        for block in self.requested.keys() {
            writer.digest(block);
        }
        ENGINE.digest(&writer.finish())
    }

    fn imprint_candidate(&self, writer: &mut Writer) {
        let Some(candidate) = &self.candidate else {
            writer.u8(0);
            return;
        };
        let proposal = &candidate.proposal;
        let stage = match candidate.stage {
            Stage::Arrived => 1,
            Stage::Checking => 2,
            Stage::Valid => 3,
            Stage::Done | Stage::Invalid => 4,
        };
        writer.u8(stage).value(&proposal.view).value(&proposal.parent_view).digest(&proposal.block.digest());
        if stage < 4 {
            imprint_quorum(writer, proposal.parent_qc.as_ref());
            imprint_certificate(writer, proposal.timeout.clone().map(Certificate::Timeout).as_ref());
        }
    }

    fn imprint_lead(&self, writer: &mut Writer) {
        match self.lead {
            Lead::Waiting => writer.u8(1),
            Lead::Asked { parent, parent_view, may_be_empty } => {
                writer.u8(2).digest(&parent).value(&parent_view).bool(may_be_empty)
            }
            Lead::Done => writer.u8(3),
        };
        if let Some(draft) = &self.drafts.proposal {
            writer.u8(1).value(&draft.view).digest(&draft.block.digest());
        }
        if let Some((view, high_qc)) = &self.drafts.timeout {
            writer.u8(2).value(view);
            imprint_quorum(writer, high_qc.as_ref());
        }
    }
}

/// A certificate without its signers.
pub(crate) fn imprint_quorum(writer: &mut Writer, certificate: Option<&QuorumCertificate>) {
    match certificate {
        None => writer.u8(0),
        Some(certificate) => {
            let kind = match certificate.kind {
                QuorumKind::Notarized => 1,
                QuorumKind::Finalized => 2,
            };
            writer.u8(kind).value(&certificate.view).digest(&certificate.block)
        }
    };
}

/// A certificate without its signers.
pub(crate) fn imprint_certificate(writer: &mut Writer, certificate: Option<&Certificate>) {
    match certificate {
        None => {
            writer.u8(0);
        }
        Some(Certificate::Quorum(certificate)) => imprint_quorum(writer.u8(1), Some(certificate)),
        Some(Certificate::Timeout(certificate)) => {
            writer.u8(2).value(&certificate.view).value(&certificate.high_view());
            imprint_quorum(writer, certificate.high_qc.as_ref());
        }
    }
}
