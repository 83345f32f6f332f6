//! What proves that a height is final: a header that names a checkpoint at or above it, the headers up to one with a
//! certificate of its own, and that certificate.

use tonle_consensus::{Header, QuorumCertificate};

use super::{Error, View};

/// Proof that a header, and with it the checkpoint it names, is final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalityProof {
    /// The header naming the checkpoint first, then each child up to the certified one; never empty.
    pub headers: Vec<Header>,
    /// The finality certificate of the last of `headers`.
    pub certificate: QuorumCertificate,
}

impl View<'_> {
    /// Proof of the first header that names a checkpoint at or above `height`; `None` while there is none.
    ///
    /// # Errors
    /// [`Error`].
    pub fn prove_finality(&self, height: u64) -> Result<Option<FinalityProof>, Error> {
        match self.first_header_covering(height)? {
            Some(header) => self.prove_header(header.height().get()),
            None => Ok(None),
        }
    }

    /// Proof that the block at `height` is final; `None` above the highest one that has a certificate.
    ///
    /// # Errors
    /// [`Error`].
    pub fn prove_header(&self, height: u64) -> Result<Option<FinalityProof>, Error> {
        let mut headers = Vec::new();
        let mut next = Some(height);
        while let Some(at) = next {
            let Some(entry) = self.block(at)? else { return Ok(None) };
            headers.push(entry.block.header().clone());
            if let Some(certificate) = entry.certificate {
                return Ok(Some(FinalityProof { headers, certificate }));
            }
            next = at.checked_add(1);
        }
        Ok(None)
    }
}
