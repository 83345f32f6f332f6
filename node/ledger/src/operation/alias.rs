//! What an alias stands for. An alias names one account; only who keeps that account changes it.
//!
//! Must not know: who signed, or what was hashed.

use tonle_crypto::Digest;

use super::account::{first, standing};
use super::fields::{Named, Parsed};
use super::{Act, Applied, Decode, Scene};
use crate::protobuf::{Encoder, Fields};
use crate::{AccountId, Alias, DisplayName, Mode, Rejection, RejectionCode};

/// Makes an alias stand for an account, or changes the name that it shows.
///
/// ```text
/// message SetAlias { string account = 1;
///                    bytes alias = 2;          // 32 bytes: a salted hash
///                    string name = 3; }        // masked; 1 to 25 characters, at most 75 bytes, no control characters
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAlias {
    /// The account.
    pub account: AccountId,
    /// The alias.
    pub alias: Digest,
    /// What a payer is shown.
    pub name: DisplayName,
}

/// Makes an alias stand for another account of the same participant. From one participant to another an alias goes by
/// being removed by the one and set by the other, in one atomic transaction that both sign.
///
/// ```text
/// message MoveAlias { string from = 1; string to = 2;
///                     bytes alias = 3;            // 32 bytes
///                     string name = 4; }          // as in SetAlias
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveAlias {
    /// The account that it stands for.
    pub from: AccountId,
    /// The account that it is to stand for.
    pub to: AccountId,
    /// The alias.
    pub alias: Digest,
    /// What a payer is shown from then on.
    pub name: DisplayName,
}

/// Ends an alias; also that of a closed account.
///
/// ```text
/// message RemoveAlias { string account = 1; bytes alias = 2; }       // 32 bytes
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveAlias {
    /// The account that it stands for.
    pub account: AccountId,
    /// The alias.
    pub alias: Digest,
}

impl Fields<'_> {
    fn alias(&mut self, number: u32, field: &'static str) -> Parsed<Digest> {
        let bytes = self.bytes(number).named(field)?;
        bytes.try_into().map(Digest::from_bytes).map_err(|_| Rejection::malformed(field))
    }
    fn display_name(&mut self, number: u32, field: &'static str) -> Parsed<DisplayName> {
        DisplayName::new(self.text(number).named(field)?).named(field)
    }
}

/// The place of the alias, and the account that it stands for.
fn named(scene: &Scene<'_, '_>) -> Result<(usize, Option<AccountId>), RejectionCode> {
    let place = scene.touched.alias.ok_or(RejectionCode::AliasNotFound)?;
    Ok((place, scene.working.alias(place).map(|alias| alias.account)))
}

impl Decode for SetAlias {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(SetAlias {
            account: fields.account(1, "set_alias.account")?,
            alias: fields.alias(2, "set_alias.alias")?,
            name: fields.display_name(3, "set_alias.name")?,
        })
    }
}

impl Act for SetAlias {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn alias(&self) -> Option<Digest> {
        Some(self.alias)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        standing(scene, first(scene), Mode::can_credit)?;
        let (place, stands_for) = named(scene)?;
        if stands_for.is_some_and(|account| account != self.account) {
            return Err(RejectionCode::AliasTaken);
        }
        scene.working.put_alias(place, Some(Alias { account: self.account, name: self.name.clone() }));
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).bytes(2, self.alias.as_bytes());
        message.bytes(3, self.name.as_str().as_bytes());
    }
}

impl Decode for MoveAlias {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        Ok(MoveAlias {
            from: fields.account(1, "move_alias.from")?,
            to: fields.account(2, "move_alias.to")?,
            alias: fields.alias(3, "move_alias.alias")?,
            name: fields.display_name(4, "move_alias.name")?,
        })
    }
}

impl Act for MoveAlias {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.from), Some(self.to)]
    }

    fn alias(&self) -> Option<Digest> {
        Some(self.alias)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        if self.from == self.to {
            return Err(RejectionCode::SameAccount);
        }
        if self.from.participant() != self.to.participant() {
            return Err(RejectionCode::KeepersDiffer);
        }
        let [_, to] = scene.touched.accounts;
        standing(scene, to, Mode::can_credit)?;
        let (place, stands_for) = named(scene)?;
        if stands_for != Some(self.from) {
            return Err(RejectionCode::AliasNotFound);
        }
        scene.working.put_alias(place, Some(Alias { account: self.to, name: self.name.clone() }));
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.from.as_bytes()).bytes(2, self.to.as_bytes());
        message.bytes(3, self.alias.as_bytes()).bytes(4, self.name.as_str().as_bytes());
    }
}

impl Decode for RemoveAlias {
    fn decode(fields: &mut Fields<'_>) -> Parsed<Self> {
        let account = fields.account(1, "remove_alias.account")?;
        Ok(RemoveAlias { account, alias: fields.alias(2, "remove_alias.alias")? })
    }
}

impl Act for RemoveAlias {
    fn accounts(&self) -> [Option<AccountId>; 2] {
        [Some(self.account), None]
    }

    fn alias(&self) -> Option<Digest> {
        Some(self.alias)
    }

    fn apply(&self, scene: &mut Scene<'_, '_>) -> Applied {
        let keeper = scene.working.participant(self.account.participant()).ok_or(RejectionCode::UnknownParticipant)?;
        if !keeper.mode.can_keep_accounts() {
            return Err(RejectionCode::ParticipantSuspended);
        }
        let (place, stands_for) = named(scene)?;
        if stands_for != Some(self.account) {
            return Err(RejectionCode::AliasNotFound);
        }
        scene.working.put_alias(place, None);
        Ok(Vec::new())
    }

    fn encode(&self, message: &mut Encoder) {
        message.bytes(1, self.account.as_bytes()).bytes(2, self.alias.as_bytes());
    }
}
