//! Fields that several operations have: how they are read, and how the one at fault is named.
//!
//! Must not know: which operation has them.

use tonle_crypto::{Digest, EncryptionKey, PublicKey};

use crate::account::ascending;
use crate::protobuf::{Encoder, Fields, NotCanonical};
use crate::{
    AccountId, Amount, Asset, MAX_SIGNATURES, NameInvalid, ParticipantId, ParticipantKey, Permission, Permissions,
    Reference, Rejection, Sealed, Text,
};

/// What was read, or the field at fault.
pub(crate) type Parsed<T> = Result<T, Rejection>;

pub(crate) trait Named<T> {
    /// Names the field at fault.
    fn named(self, field: &'static str) -> Parsed<T>;
}
impl<T> Named<T> for Result<T, NotCanonical> {
    fn named(self, field: &'static str) -> Parsed<T> {
        self.map_err(|NotCanonical| Rejection::malformed(field))
    }
}
impl<T> Named<T> for Result<T, NameInvalid> {
    fn named(self, field: &'static str) -> Parsed<T> {
        self.map_err(|_| Rejection::malformed(field))
    }
}

/// Reads fields of these forms, each by its number; `field` is its name.
impl Fields<'_> {
    pub(super) fn account(&mut self, number: u32, field: &'static str) -> Parsed<AccountId> {
        AccountId::new(self.text(number).named(field)?).named(field)
    }
    pub(super) fn asset(&mut self, number: u32, field: &'static str) -> Parsed<Asset> {
        Asset::new(self.text(number).named(field)?).named(field)
    }
    pub(super) fn amount(&mut self, number: u32, field: &'static str) -> Parsed<Amount> {
        self.uint(number).named(field).map(Amount::from_minor)
    }
    pub(super) fn participant(&mut self, number: u32, field: &'static str) -> Parsed<ParticipantId> {
        ParticipantId::new(self.text(number).named(field)?).named(field)
    }
    /// A text that may be empty.
    pub(super) fn optional<const MAX: usize>(&mut self, number: u32, field: &'static str) -> Parsed<Option<Text<MAX>>> {
        match self.text(number).named(field)? {
            "" => Ok(None),
            text => Text::new(text).map(Some).named(field),
        }
    }
    /// A reference that must be there.
    pub(super) fn reference(&mut self, number: u32, field: &'static str) -> Parsed<Reference> {
        Reference::new(self.text(number).named(field)?).named(field)
    }
    /// A number that stands for something.
    pub(super) fn choice<T>(&mut self, number: u32, field: &'static str, from: impl Fn(u8) -> Option<T>) -> Parsed<T> {
        let stated = u8::try_from(self.uint(number).named(field)?).ok();
        stated.and_then(from).ok_or(Rejection::malformed(field))
    }
    /// The same, and 0 stands for none of them.
    pub(super) fn optional_choice<T>(
        &mut self,
        number: u32,
        field: &'static str,
        from: impl Fn(u8) -> Option<T>,
    ) -> Parsed<Option<T>> {
        match self.uint(number).named(field)? {
            0 => Ok(None),
            stated => u8::try_from(stated).ok().and_then(from).map(Some).ok_or(Rejection::malformed(field)),
        }
    }
    /// A key of 32 bytes that is not weak.
    pub(super) fn key(&mut self, number: u32, field: &'static str) -> Parsed<PublicKey> {
        key(self.bytes(number).named(field)?, field)
    }
    /// An X25519 key of 32 bytes.
    pub(super) fn encryption_key(&mut self, number: u32, field: &'static str) -> Parsed<EncryptionKey> {
        let bytes = <[u8; 32]>::try_from(self.bytes(number).named(field)?).map_err(|_| Rejection::malformed(field))?;
        EncryptionKey::from_bytes(&bytes).map_err(|_| Rejection::malformed(field))
    }
    /// A digest of 32 bytes.
    pub(super) fn digest(&mut self, number: u32, field: &'static str) -> Parsed<Digest> {
        let bytes = <[u8; 32]>::try_from(self.bytes(number).named(field)?).map_err(|_| Rejection::malformed(field))?;
        Ok(Digest::from_bytes(bytes))
    }
    /// At most 16 keys, ascending.
    pub(super) fn keys(&mut self, number: u32, field: &'static str) -> Parsed<Vec<PublicKey>> {
        let mut keys: Vec<PublicKey> = Vec::new();
        while let Some(bytes) = self.element(number).named(field)? {
            if keys.len() == MAX_SIGNATURES {
                return Err(Rejection::malformed(field));
            }
            keys.push(key(bytes, field)?);
        }
        if ascending(keys.iter()) { Ok(keys) } else { Err(Rejection::malformed(field)) }
    }
    /// At most 16 keys of a participant, ascending, with what each may do.
    ///
    /// ```text
    /// message ParticipantKey { bytes key = 1; bool may_pay = 2; bool may_open_accounts = 3; bool may_issue = 4;
    ///                          bool may_manage_keys = 5; bool may_freeze = 6; bool may_seize = 7; bool may_govern = 8; }
    /// ```
    pub(super) fn participant_keys(&mut self, number: u32, field: &'static str) -> Parsed<Vec<ParticipantKey>> {
        let mut keys = Vec::new();
        while let Some(bytes) = self.element(number).named(field)? {
            if keys.len() == MAX_SIGNATURES {
                return Err(Rejection::malformed(field));
            }
            let mut entry = Fields::new(bytes);
            let key = entry.key(1, field)?;
            let mut permissions = Vec::new();
            for (permission, number) in Permission::ALL.into_iter().zip(2..) {
                permissions.extend(entry.flag(number).named(field)?.then_some(permission));
            }
            entry.finish().named(field)?;
            keys.push(ParticipantKey { key, permissions: Permissions::of(&permissions) });
        }
        if ascending(keys.iter().map(|entry| entry.key)) { Ok(keys) } else { Err(Rejection::malformed(field)) }
    }
    /// How many of `keys` must sign: 1 to their number; 0 when there are none.
    pub(super) fn threshold(&mut self, number: u32, field: &'static str, keys: usize) -> Parsed<u8> {
        let stated = u8::try_from(self.uint(number).named(field)?).unwrap_or(u8::MAX);
        let reachable = usize::from(stated) <= keys && (stated == 0) == (keys == 0);
        if reachable { Ok(stated) } else { Err(Rejection::malformed(field)) }
    }
}

fn key(bytes: &[u8], field: &'static str) -> Parsed<PublicKey> {
    let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| Rejection::malformed(field))?;
    PublicKey::from_bytes(&bytes).map_err(|_| Rejection::malformed(field))
}

/// The bytes of a text that may be missing; none for a missing one.
pub(super) fn text_bytes<const MAX: usize>(text: Option<&Text<MAX>>) -> &[u8] {
    text.map(|text| text.as_str().as_bytes()).unwrap_or_default()
}

impl Encoder {
    /// A reference that is there.
    pub(super) fn reference(&mut self, number: u32, reference: &Reference) -> &mut Self {
        self.bytes(number, reference.as_str().as_bytes())
    }
    /// A text that may be missing.
    pub(super) fn optional<const MAX: usize>(&mut self, number: u32, text: Option<&Text<MAX>>) -> &mut Self {
        self.bytes(number, text_bytes(text))
    }
    /// Sealed bytes that may be missing.
    pub(super) fn sealed(&mut self, number: u32, sealed: Option<&Sealed>) -> &mut Self {
        self.bytes(number, sealed.map(Sealed::as_bytes).unwrap_or_default())
    }
    /// Keys of a participant.
    pub(super) fn participant_keys(&mut self, number: u32, keys: &[ParticipantKey]) -> &mut Self {
        for entry in keys {
            let mut inner = Encoder::default();
            inner.bytes(1, entry.key.as_bytes());
            for (permission, number) in Permission::ALL.into_iter().zip(2..) {
                inner.uint(number, u64::from(entry.permissions.contains(permission)));
            }
            self.element(number, &inner.finish());
        }
        self
    }
}
