//! The protobuf messages that clients build and sign: the one definition of their layout.
//!
//! ```text
//! message SignedTransaction { bytes body = 1;                  // a TransactionBody, exactly as signed
//!                             repeated Signature signatures = 2; }   // by key, ascending; 1 to 16
//! message Signature         { bytes key = 1;                   // 32 bytes, ed25519
//!                             bytes signature = 2; }           // 64 bytes
//! message TransactionBody   { bytes chain = 1;                 // 32 bytes: the genesis digest
//!                             uint64 not_before_ms = 2;        // block time, ms since the Unix epoch
//!                             uint64 not_after_ms = 3;         // exclusive; at most 24 h later
//!                             bool independent = 4;            // false: all or nothing
//!                             bytes nonce = 5;                 // 0 to 32 bytes
//!                             repeated Operation operations = 6; }   // 1 to 8,190
//! message Operation         { oneof kind { Transfer transfer = 1; OpenAccount open_account = 2;
//!                                          Issue issue = 3; Redeem redeem = 4;
//!                                          SetValidator set_validator = 5; RemoveValidator remove_validator = 6;
//!                                          AddParticipant add_participant = 7;
//!                                          ReportMisbehaviour report_misbehaviour = 8; } }
//! message Transfer          { string from = 1; string to = 2; string asset = 3; uint64 amount_minor = 4;
//!                             string instruction_ref = 5;      // 0 to 64 printable ASCII
//!                             string purpose = 6;              // 0 to 35 printable ASCII
//!                             string external_ref = 7;         // 0 to 64 printable ASCII
//!                             bytes remittance = 8; }          // encrypted, 0 to 512 bytes
//! message OpenAccount       { string account = 1;
//!                             AccountKind kind = 2;            // WALLET 1, MERCHANT 2, SETTLEMENT 3, RESERVE 4
//!                             repeated bytes key = 3;          // 32 bytes each, ascending; 0 to 16
//!                             uint32 threshold = 4; }          // 1 to the number of keys; 0 without keys
//! message Issue             { string to = 1; string asset = 2; uint64 amount_minor = 3; string instruction_ref = 4; }
//! message Redeem            { string from = 1; string asset = 2; uint64 amount_minor = 3; string instruction_ref = 4; }
//! message SetValidator      { string participant = 1; bytes key = 2; bytes network_key = 3; }   // 32 bytes each
//! message RemoveValidator   { string participant = 1; }
//! message AddParticipant    { string participant = 1;
//!                             string legal_name = 2;           // 1 to 140 bytes, no control characters
//!                             string bic = 3;                  // 0 to 11 of A-Z 0-9
//!                             ParticipantRole role = 4;        // BANK 2, PAYMENT_PROVIDER 3, AUDITOR 4
//!                             repeated ParticipantKey keys = 5;    // ascending by key; 0 to 16
//!                             uint32 pay_threshold = 6;        // 1 to the number of keys that may; 1 when none may
//!                             uint32 open_accounts_threshold = 7; }   // the same
//! message ParticipantKey    { bytes key = 1; bool may_pay = 2; bool may_open_accounts = 3; }
//! message ReportMisbehaviour { bytes proof = 1; }              // 1 to 321 bytes
//!
//! signed message = "tonle/v1/transaction\0" (21 bytes) ‖ chain digest (32 bytes) ‖ body bytes        plain ed25519
//! transaction id = BLAKE3.derive_key("tonle v1 transaction", chain digest ‖ body bytes)
//! ```
//!
//! Encoded canonically: fields in ascending order, defaults left out, shortest varints. Every protobuf library does
//! that when it serializes a freshly built message; whatever else is refused.
//!
//! Must not know: what the messages mean.

use tonle_crypto::{Digest, PublicKey, Signature};

use crate::account::ascending;
use crate::participant::{LEGAL_NAME_BYTES_MAX, is_bic};
use crate::protobuf::{Encoder, Fields, NotCanonical};
use crate::{
    AccountId, AccountKind, AddParticipant, Amount, Asset, Issue, MAX_NONCE_BYTES, MAX_OPERATIONS,
    MAX_REMITTANCE_BYTES, MAX_SIGNATURES, Member, NameInvalid, OpenAccount, Operation, PROOF_BYTES_MAX, ParticipantId,
    ParticipantKey, Permission, Permissions, Redeem, Rejection, ReportMisbehaviour, Role, Text, TransactionBody,
    Transfer,
};

/// A signed transaction taken apart; keys and signatures are still plain bytes.
pub(crate) struct SignedParts<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) body_range: std::ops::Range<usize>,
    pub(crate) signatures: Vec<(&'a [u8], &'a [u8])>,
}

type Parsed<T> = Result<T, Rejection>;

trait Named<T> {
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

pub(crate) fn decode_signed(bytes: &[u8]) -> Parsed<SignedParts<'_>> {
    let mut fields = Fields::new(bytes);
    let body = fields.bytes(1).named("body")?;
    let end = bytes.len().saturating_sub(fields.left());
    let body_range = end.saturating_sub(body.len())..end;
    let mut signatures = Vec::new();
    while let Some(entry) = fields.element(2).named("signatures")? {
        if signatures.len() == MAX_SIGNATURES {
            return Err(Rejection::malformed("signatures"));
        }
        let mut entry = Fields::new(entry);
        let key = entry.bytes(1).named("signatures.key")?;
        let signature = entry.bytes(2).named("signatures.signature")?;
        entry.finish().named("signatures")?;
        signatures.push((key, signature));
    }
    fields.finish().named("transaction")?;
    Ok(SignedParts { body, body_range, signatures })
}

pub(crate) fn decode_body(bytes: &[u8]) -> Parsed<TransactionBody> {
    let mut fields = Fields::new(bytes);
    let chain = fields.bytes(1).named("body.chain")?;
    let chain = <[u8; 32]>::try_from(chain).map_err(|_| Rejection::malformed("body.chain"))?;
    let not_before_ms = fields.uint(2).named("body.not_before_ms")?;
    let not_after_ms = fields.uint(3).named("body.not_after_ms")?;
    let independent = fields.flag(4).named("body.independent")?;
    let nonce = fields.bytes(5).named("body.nonce")?;
    if nonce.len() > MAX_NONCE_BYTES {
        return Err(Rejection::malformed("body.nonce"));
    }
    let mut operations = Vec::new();
    while let Some(entry) = fields.element(6).named("body.operations")? {
        let number = u32::try_from(operations.len()).ok();
        let operation = decode_operation(entry).map_err(|fault| Rejection { operation: number, ..fault })?;
        // One above the limit is kept, so that the caller sees that there are too many.
        if operations.len() <= MAX_OPERATIONS {
            operations.push(operation);
        }
    }
    fields.finish().named("body")?;
    let chain = Digest::from_bytes(chain);
    Ok(TransactionBody { chain, not_before_ms, not_after_ms, independent, nonce: nonce.to_vec(), operations })
}

fn decode_operation(bytes: &[u8]) -> Parsed<Operation> {
    let mut fields = Fields::new(bytes);
    // A oneof: exactly one of them.
    let operation = if let Some(bytes) = fields.element(1).named("transfer")? {
        Operation::Transfer(Box::new(decode_transfer(bytes)?))
    } else if let Some(bytes) = fields.element(2).named("open_account")? {
        Operation::OpenAccount(decode_open_account(bytes)?)
    } else if let Some(bytes) = fields.element(3).named("issue")? {
        let mut inner = Fields::new(bytes);
        let to = AccountId::new(inner.text(1).named("issue.to")?).named("issue.to")?;
        let asset = Asset::new(inner.text(2).named("issue.asset")?).named("issue.asset")?;
        let amount = Amount::from_minor(inner.uint(3).named("issue.amount_minor")?);
        let instruction_ref = optional(inner.text(4), "issue.instruction_ref")?;
        inner.finish().named("issue")?;
        Operation::Issue(Issue { to, asset, amount, instruction_ref })
    } else if let Some(bytes) = fields.element(4).named("redeem")? {
        let mut inner = Fields::new(bytes);
        let from = AccountId::new(inner.text(1).named("redeem.from")?).named("redeem.from")?;
        let asset = Asset::new(inner.text(2).named("redeem.asset")?).named("redeem.asset")?;
        let amount = Amount::from_minor(inner.uint(3).named("redeem.amount_minor")?);
        let instruction_ref = optional(inner.text(4), "redeem.instruction_ref")?;
        inner.finish().named("redeem")?;
        Operation::Redeem(Redeem { from, asset, amount, instruction_ref })
    } else if let Some(bytes) = fields.element(5).named("set_validator")? {
        Operation::SetValidator(Box::new(decode_set_validator(bytes)?))
    } else if let Some(bytes) = fields.element(6).named("remove_validator")? {
        let mut inner = Fields::new(bytes);
        let participant = participant(inner.text(1), "remove_validator.participant")?;
        inner.finish().named("remove_validator")?;
        Operation::RemoveValidator(participant)
    } else if let Some(bytes) = fields.element(7).named("add_participant")? {
        Operation::AddParticipant(Box::new(decode_add_participant(bytes)?))
    } else if let Some(bytes) = fields.element(8).named("report_misbehaviour")? {
        let mut inner = Fields::new(bytes);
        let proof = inner.bytes(1).named("report_misbehaviour.proof")?.to_vec();
        if proof.is_empty() || proof.len() > PROOF_BYTES_MAX {
            return Err(Rejection::malformed("report_misbehaviour.proof"));
        }
        inner.finish().named("report_misbehaviour")?;
        Operation::ReportMisbehaviour(ReportMisbehaviour { proof })
    } else {
        return Err(Rejection::malformed("operation"));
    };
    fields.finish().named("operation")?;
    Ok(operation)
}

fn decode_transfer(bytes: &[u8]) -> Parsed<Transfer> {
    let mut fields = Fields::new(bytes);
    let transfer = Transfer {
        from: AccountId::new(fields.text(1).named("transfer.from")?).named("transfer.from")?,
        to: AccountId::new(fields.text(2).named("transfer.to")?).named("transfer.to")?,
        asset: Asset::new(fields.text(3).named("transfer.asset")?).named("transfer.asset")?,
        amount: Amount::from_minor(fields.uint(4).named("transfer.amount_minor")?),
        instruction_ref: optional(fields.text(5), "transfer.instruction_ref")?,
        purpose: optional(fields.text(6), "transfer.purpose")?,
        external_ref: optional(fields.text(7), "transfer.external_ref")?,
        remittance: fields.bytes(8).named("transfer.remittance")?.to_vec(),
    };
    if transfer.remittance.len() > MAX_REMITTANCE_BYTES {
        return Err(Rejection::malformed("transfer.remittance"));
    }
    fields.finish().named("transfer")?;
    Ok(transfer)
}

fn decode_open_account(bytes: &[u8]) -> Parsed<OpenAccount> {
    let mut fields = Fields::new(bytes);
    let account = AccountId::new(fields.text(1).named("open_account.account")?).named("open_account.account")?;
    let kind = u8::try_from(fields.uint(2).named("open_account.kind")?).ok().and_then(AccountKind::from_number);
    let kind = kind.ok_or(Rejection::malformed("open_account.kind"))?;
    let bad_key = Rejection::malformed("open_account.key");
    let mut keys: Vec<PublicKey> = Vec::new();
    while let Some(key) = fields.element(3).named("open_account.key")? {
        let key = <[u8; 32]>::try_from(key).map_err(|_| bad_key)?;
        keys.push(PublicKey::from_bytes(&key).map_err(|_| bad_key)?);
        if keys.len() > MAX_SIGNATURES {
            return Err(bad_key);
        }
    }
    if !ascending(keys.iter()) {
        return Err(bad_key);
    }
    let threshold = u8::try_from(fields.uint(4).named("open_account.threshold")?).unwrap_or(u8::MAX);
    if usize::from(threshold) > keys.len() || (threshold == 0) != keys.is_empty() {
        return Err(Rejection::malformed("open_account.threshold"));
    }
    fields.finish().named("open_account")?;
    Ok(OpenAccount { account, kind, keys, threshold })
}

fn participant(text: Result<&str, NotCanonical>, field: &'static str) -> Parsed<ParticipantId> {
    ParticipantId::new(text.named(field)?).named(field)
}

fn key(bytes: Result<&[u8], NotCanonical>, field: &'static str) -> Parsed<PublicKey> {
    let bytes = <[u8; 32]>::try_from(bytes.named(field)?).map_err(|_| Rejection::malformed(field))?;
    PublicKey::from_bytes(&bytes).map_err(|_| Rejection::malformed(field))
}

fn decode_set_validator(bytes: &[u8]) -> Parsed<Member> {
    let mut fields = Fields::new(bytes);
    let member = Member {
        participant: participant(fields.text(1), "set_validator.participant")?,
        key: key(fields.bytes(2), "set_validator.key")?,
        network_key: key(fields.bytes(3), "set_validator.network_key")?,
    };
    if member.key == member.network_key {
        return Err(Rejection::malformed("set_validator.network_key"));
    }
    fields.finish().named("set_validator")?;
    Ok(member)
}

fn decode_add_participant(bytes: &[u8]) -> Parsed<AddParticipant> {
    let mut fields = Fields::new(bytes);
    let participant = participant(fields.text(1), "add_participant.participant")?;
    let legal_name = fields.text(2).named("add_participant.legal_name")?.to_owned();
    if legal_name.is_empty() || legal_name.len() > LEGAL_NAME_BYTES_MAX || legal_name.chars().any(char::is_control) {
        return Err(Rejection::malformed("add_participant.legal_name"));
    }
    let bic = fields.text(3).named("add_participant.bic")?.to_owned();
    if !is_bic(&bic) {
        return Err(Rejection::malformed("add_participant.bic"));
    }
    let role = u8::try_from(fields.uint(4).named("add_participant.role")?).ok().and_then(Role::from_number);
    let role = role.filter(|role| *role != Role::Operator).ok_or(Rejection::malformed("add_participant.role"))?;
    let mut keys = Vec::new();
    while let Some(entry) = fields.element(5).named("add_participant.keys")? {
        if keys.len() == MAX_SIGNATURES {
            return Err(Rejection::malformed("add_participant.keys"));
        }
        keys.push(decode_participant_key(entry)?);
    }
    if !ascending(keys.iter().map(|entry| entry.key)) {
        return Err(Rejection::malformed("add_participant.keys"));
    }
    let mut threshold = |number, permission, field| {
        let stated = fields.uint(number).named(field)?;
        let may = keys.iter().filter(|entry| entry.permissions.contains(permission)).count().max(1);
        let stated = u8::try_from(stated).ok().filter(|stated| *stated > 0 && usize::from(*stated) <= may);
        stated.ok_or(Rejection::malformed(field))
    };
    let pay_threshold = threshold(6, Permission::Pay, "add_participant.pay_threshold")?;
    let open_accounts_threshold = threshold(7, Permission::OpenAccounts, "add_participant.open_accounts_threshold")?;
    fields.finish().named("add_participant")?;
    Ok(AddParticipant { participant, legal_name, bic, role, keys, pay_threshold, open_accounts_threshold })
}

fn decode_participant_key(bytes: &[u8]) -> Parsed<ParticipantKey> {
    let mut fields = Fields::new(bytes);
    let key = key(fields.bytes(1), "add_participant.keys")?;
    let pay = fields.flag(2).named("add_participant.keys")?.then_some(Permission::Pay);
    let open_accounts = fields.flag(3).named("add_participant.keys")?.then_some(Permission::OpenAccounts);
    fields.finish().named("add_participant.keys")?;
    let permissions: Vec<_> = [pay, open_accounts].into_iter().flatten().collect();
    Ok(ParticipantKey { key, permissions: Permissions::of(&permissions) })
}

fn optional<const MAX: usize>(text: Result<&str, NotCanonical>, field: &'static str) -> Parsed<Option<Text<MAX>>> {
    match text.named(field)? {
        "" => Ok(None),
        text => Text::new(text).map(Some).named(field),
    }
}

pub(crate) fn encode_signed(body: &[u8], signatures: &[(PublicKey, Signature)]) -> Vec<u8> {
    let mut message = Encoder::default();
    message.bytes(1, body);
    for (key, signature) in signatures {
        let mut entry = Encoder::default();
        entry.bytes(1, key.as_bytes()).bytes(2, signature.as_bytes());
        message.element(2, &entry.finish());
    }
    message.finish()
}

pub(crate) fn encode_body(body: &TransactionBody) -> Vec<u8> {
    let mut message = Encoder::default();
    message.bytes(1, body.chain.as_bytes()).uint(2, body.not_before_ms).uint(3, body.not_after_ms);
    message.uint(4, u64::from(body.independent)).bytes(5, &body.nonce);
    for operation in &body.operations {
        message.element(6, &encode_operation(operation));
    }
    message.finish()
}

fn encode_operation(operation: &Operation) -> Vec<u8> {
    fn text<const MAX: usize>(text: Option<&Text<MAX>>) -> &[u8] {
        text.map(|text| text.as_str().as_bytes()).unwrap_or_default()
    }
    let mut inner = Encoder::default();
    let number = match operation {
        Operation::Transfer(transfer) => {
            inner.bytes(1, transfer.from.as_bytes()).bytes(2, transfer.to.as_bytes());
            inner.bytes(3, transfer.asset.as_bytes()).uint(4, transfer.amount.minor());
            inner.bytes(5, text(transfer.instruction_ref.as_ref())).bytes(6, text(transfer.purpose.as_ref()));
            inner.bytes(7, text(transfer.external_ref.as_ref())).bytes(8, &transfer.remittance);
            1
        }
        Operation::OpenAccount(open) => {
            inner.bytes(1, open.account.as_bytes()).uint(2, u64::from(open.kind.number()));
            for key in &open.keys {
                inner.element(3, key.as_bytes());
            }
            inner.uint(4, u64::from(open.threshold));
            2
        }
        Operation::Issue(issue) => {
            inner.bytes(1, issue.to.as_bytes()).bytes(2, issue.asset.as_bytes()).uint(3, issue.amount.minor());
            inner.bytes(4, text(issue.instruction_ref.as_ref()));
            3
        }
        Operation::Redeem(redeem) => {
            inner.bytes(1, redeem.from.as_bytes()).bytes(2, redeem.asset.as_bytes()).uint(3, redeem.amount.minor());
            inner.bytes(4, text(redeem.instruction_ref.as_ref()));
            4
        }
        Operation::SetValidator(member) => {
            inner.bytes(1, member.participant.as_bytes());
            inner.bytes(2, member.key.as_bytes()).bytes(3, member.network_key.as_bytes());
            5
        }
        Operation::RemoveValidator(participant) => {
            inner.bytes(1, participant.as_bytes());
            6
        }
        Operation::AddParticipant(add) => {
            encode_add_participant(&mut inner, add);
            7
        }
        Operation::ReportMisbehaviour(report) => {
            inner.bytes(1, &report.proof);
            8
        }
    };
    let mut message = Encoder::default();
    message.element(number, &inner.finish());
    message.finish()
}

fn encode_add_participant(message: &mut Encoder, add: &AddParticipant) {
    message.bytes(1, add.participant.as_bytes()).bytes(2, add.legal_name.as_bytes()).bytes(3, add.bic.as_bytes());
    message.uint(4, u64::from(add.role.number()));
    for entry in &add.keys {
        let may = |permission| u64::from(entry.permissions.contains(permission));
        let mut inner = Encoder::default();
        inner.bytes(1, entry.key.as_bytes()).uint(2, may(Permission::Pay)).uint(3, may(Permission::OpenAccounts));
        message.element(5, &inner.finish());
    }
    message.uint(6, u64::from(add.pay_threshold)).uint(7, u64::from(add.open_accounts_threshold));
}
