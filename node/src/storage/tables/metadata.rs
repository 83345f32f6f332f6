//! What the database says about itself.
//!
//! ```text
//! metadata  "schema"  -> | version u32 |
//!           "genesis" -> | chain digest 32 |
//!           "tip"     -> | height u64 | 0, or 1 and a finality certificate |
//!           "begun"   -> | count u32 | boundary ... |
//! ```
//! "begun" is there when the database began from a snapshot: the boundaries that led to it from genesis, ascending. The
//! last one's height is that of the lowest block here.
//! The tip's certificate is of the block at that height or of a descendant; genesis has none.

use tonle_consensus::QuorumCertificate;
use tonle_crypto::{Canonical, CodecError, Reader, Writer};

pub(in crate::storage) const METADATA: &str = "metadata";
pub(in crate::storage) const SCHEMA: &[u8] = b"schema";
pub(in crate::storage) const GENESIS: &[u8] = b"genesis";
pub(in crate::storage) const BEGUN: &[u8] = b"begun";
pub(in crate::storage) const TIP: &[u8] = b"tip";

/// The last block in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub height: u64,
    /// A finality certificate of it or of a descendant; `None` for genesis.
    pub certificate: Option<QuorumCertificate>,
}

impl Canonical for Tip {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.height).option(self.certificate.as_ref());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Tip { height: reader.u64()?, certificate: reader.option()? })
    }
}
