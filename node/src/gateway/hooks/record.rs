//! A webhook as kept, and what could not be delivered by it.
//!
//! Must not know: where it is kept.

use tonle_crypto::{Canonical, CodecError, Reader, Writer};
use tonle_ledger::AccountId;

use crate::gateway::payment::Place;

/// Most accounts of one webhook.
pub(super) const ACCOUNTS_MAX: usize = 16;
/// Most bytes of an address, and of a bearer token that is sent.
pub(super) const TEXT_BYTES_MAX: usize = 512;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) enum Form {
    /// Tonle's own, signed.
    Signed,
    /// The callback of Bakong's members, with a bearer token that the shop's server knows.
    Bakong {
        /// The token.
        bearer: String,
    },
}

/// A webhook, under its id.
///
/// ```text
/// version u8 = 1 ‖ address ‖ private allowed (0 | 1) ‖ (0 | 1 ‖ bearer) ‖ u32 n ‖ n × account ‖ told up to: place
/// ‖ (0 | 1 ‖ end of the batch under way: place) ‖ attempts u32 ‖ not before u64 (ms)   (texts: u32 length, then UTF-8)
/// place = height u64 ‖ index u32 ‖ operation u32
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Hook {
    pub(in crate::gateway) url: String,
    /// May it lead into a private network?
    pub(in crate::gateway) is_private: bool,
    pub(in crate::gateway) form: Form,
    /// Whose payments: sorted, 1 to 16.
    pub(in crate::gateway) accounts: Vec<AccountId>,
    /// All payments up to here are told, or given up.
    pub(in crate::gateway) told: Place,
    /// The last payment of the batch that is under way.
    pub(in crate::gateway) under_way: Option<Place>,
    /// How often that was tried.
    pub(in crate::gateway) attempts: u32,
    /// When it is tried again, ms since the Unix epoch.
    pub(in crate::gateway) not_before_ms: u64,
}

/// A batch that was given up, under the webhook's id and the place before it.
///
/// ```text
/// end: place ‖ given up u64 (ms) ‖ why
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) struct Dead {
    pub(in crate::gateway) end: Place,
    pub(in crate::gateway) time_ms: u64,
    pub(in crate::gateway) why: String,
}

impl Canonical for Place {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u64(self.height).u32(self.index).u32(self.operation);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Place { height: reader.u64()?, index: reader.u32()?, operation: reader.u32()? })
    }
}

fn text(reader: &mut Reader<'_>) -> Result<String, CodecError> {
    let bytes = reader.bytes("webhook text", TEXT_BYTES_MAX)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| CodecError::Invalid("webhook text"))
}

impl Canonical for Hook {
    fn encode_to(&self, writer: &mut Writer) {
        writer.u8(1).bytes(self.url.as_bytes()).bool(self.is_private);
        match &self.form {
            Form::Signed => writer.bool(false),
            Form::Bakong { bearer } => writer.bool(true).bytes(bearer.as_bytes()),
        };
        writer.list(&self.accounts).value(&self.told).option(self.under_way.as_ref());
        writer.u32(self.attempts).u64(self.not_before_ms);
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if reader.u8()? != 1 {
            return Err(CodecError::Invalid("webhook version"));
        }
        let (url, is_private) = (text(reader)?, reader.bool()?);
        let form = if reader.bool()? { Form::Bakong { bearer: text(reader)? } } else { Form::Signed };
        Ok(Hook {
            url,
            is_private,
            form,
            accounts: reader.list("webhook accounts", ACCOUNTS_MAX)?,
            told: reader.value()?,
            under_way: reader.option()?,
            attempts: reader.u32()?,
            not_before_ms: reader.u64()?,
        })
    }
}

impl Canonical for Dead {
    fn encode_to(&self, writer: &mut Writer) {
        writer.value(&self.end).u64(self.time_ms).bytes(self.why.as_bytes());
    }
    fn decode_from(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        Ok(Dead { end: reader.value()?, time_ms: reader.u64()?, why: text(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Dead, Form, Hook, Place};
    use tonle_crypto::Canonical;
    use tonle_ledger::AccountId;

    #[test]
    fn what_is_kept_is_read_again() {
        let place = |height| Place { height, index: 2, operation: 3 };
        let forms = [(Form::Signed, None), (Form::Bakong { bearer: "secret".to_owned() }, Some(place(9)))];
        for (form, under_way) in forms {
            let hook = Hook {
                url: "https://shop.example/paid".to_owned(),
                is_private: true,
                form,
                accounts: vec![AccountId::new("coffee@aba").unwrap()],
                told: place(8),
                under_way,
                attempts: 4,
                not_before_ms: 5,
            };
            assert_eq!(Hook::decode(&hook.encode()), Ok(hook));
        }
        let dead = Dead { end: place(9), time_ms: 7, why: "status 500".to_owned() };
        assert_eq!(Dead::decode(&dead.encode()), Ok(dead));
    }
}
