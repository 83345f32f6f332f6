//! What is kept of a token.
//!
//! Must not know: the token.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};
use tonle_ledger::AccountId;

/// Most accounts of one token.
pub(super) const ACCOUNTS_MAX: usize = 16;
/// Most bytes of a name.
pub(super) const NAME_BYTES_MAX: usize = 64;
/// Most bytes of a mail address (RFC 5321).
pub(super) const EMAIL_BYTES_MAX: usize = 254;

/// A token's record, under its digest.
///
/// ```text
/// version u8 = 1 ‖ name ‖ email ‖ issued u64 (ms) ‖ expires u64 (ms) ‖ (0 | 1 ‖ revoked u64 (ms)) ‖ u32 n ‖ n × account
///                                                                           (texts: u32 length, then UTF-8)
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Who has it, in the bank's words.
    pub name: String,
    /// The address under which its owner renews it; empty for none.
    pub email: String,
    /// When it was issued, ms since the Unix epoch.
    pub issued_ms: u64,
    /// First moment at which it is good no more, ms since the Unix epoch.
    pub expires_ms: u64,
    /// When the bank took it back.
    pub revoked_ms: Option<u64>,
    /// The accounts that it reaches; sorted, 1 to 16.
    pub accounts: Vec<AccountId>,
}

impl Canonical for Record {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(1).bytes(self.name.as_bytes()).bytes(self.email.as_bytes());
        writer.u64(self.issued_ms).u64(self.expires_ms).bool(self.revoked_ms.is_some());
        if let Some(revoked_ms) = self.revoked_ms {
            writer.u64(revoked_ms);
        }
        writer.list(&self.accounts);
    }

    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if reader.u8()? != 1 {
            return Err(CodecError::Invalid("token version"));
        }
        let mut text = |what, max| {
            let bytes = reader.bytes(what, max)?;
            String::from_utf8(bytes.to_vec()).map_err(|_| CodecError::Invalid(what))
        };
        let (name, email) = (text("token name", NAME_BYTES_MAX)?, text("token email", EMAIL_BYTES_MAX)?);
        let (issued_ms, expires_ms) = (reader.u64()?, reader.u64()?);
        let revoked_ms = if reader.bool()? { Some(reader.u64()?) } else { None };
        let accounts = reader.list("token accounts", ACCOUNTS_MAX)?;
        Ok(Record { name, email, issued_ms, expires_ms, revoked_ms, accounts })
    }
}

impl Record {
    /// Is it good at `now_ms`?
    #[must_use]
    pub fn is_good(&self, now_ms: u64) -> bool {
        self.revoked_ms.is_none() && now_ms < self.expires_ms
    }
}
