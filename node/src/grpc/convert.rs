//! The one place where `tonle.v1` messages and domain types meet.
//!
//! Must not know: storage, waiting, limits.

use bytes::Bytes;
use prost::Message;
use tonle_consensus::{Checkpoint, Validator, ValidatorIndex, ValidatorSet};
use tonle_crypto::{Canonical, Digest, PublicKey};
use tonle_ledger::{
    Account, AccountId, AccountKind, AccountStatus, Asset, BalanceAfter, KycTier, Limit, Mandate, OperationResult,
    Parameters, Participant, ParticipantId, ParticipantKey, Period, Permission, Proposal, Receipt, ReceiptLocation,
    Reference, RejectionCode, Role, SetVersion, SignedTransaction, Stage, Timed, TimedContent, TimedKind,
    TransactionId, TransactionResult, Validators,
};
use tonle_proto::v1;
use tonle_replica::OffenceKind;

use super::backend::{Chain, KnownOffence, NetworkStatus, StoredBlock, SupplyAudit};
use super::error::ApiError;
use super::finality::Tip;

/// A participant's id in a request.
pub(super) fn participant_id(text: &str) -> Result<ParticipantId, ApiError> {
    let expected = "1 to 30 of a-z 0-9 _ . -";
    ParticipantId::new(text).map_err(|_| ApiError::FieldInvalid { field: "participant", expected })
}

/// The role that a request asks for; `None`: any.
pub(super) fn role_asked(number: i32) -> Result<Option<Role>, ApiError> {
    let role = u8::try_from(number).ok().and_then(Role::from_number);
    let expected = "a ParticipantRole, or none";
    if number == 0 || role.is_some() { Ok(role) } else { Err(ApiError::FieldInvalid { field: "role", expected }) }
}

/// A participant.
pub(super) fn participant(participant: &Participant) -> v1::Participant {
    let thresholds = participant.thresholds;
    v1::Participant {
        participant: participant.id.to_string(),
        legal_name: participant.legal_name.clone(),
        bic: participant.bic.clone(),
        role: participant.role.number().into(),
        mode: participant.mode.number().into(),
        keys: participant.keys.iter().map(participant_key).collect(),
        thresholds: Some(v1::Thresholds {
            pay: thresholds.pay.into(),
            open_accounts: thresholds.open_accounts.into(),
            issue: thresholds.issue.into(),
            manage_keys: thresholds.manage_keys.into(),
            freeze: thresholds.freeze.into(),
            seize: thresholds.seize.into(),
            govern: thresholds.govern.into(),
        }),
        encryption_key: Bytes::copy_from_slice(participant.encryption_key.as_bytes()),
    }
}

fn participant_key(entry: &ParticipantKey) -> v1::ParticipantKey {
    let may = |permission| entry.permissions.contains(permission);
    v1::ParticipantKey {
        key: key(&entry.key),
        may_pay: may(Permission::Pay),
        may_open_accounts: may(Permission::OpenAccounts),
        may_issue: may(Permission::Issue),
        may_manage_keys: may(Permission::ManageKeys),
        may_freeze: may(Permission::Freeze),
        may_seize: may(Permission::Seize),
        may_govern: may(Permission::Govern),
    }
}

/// The transaction in a request, decoded strictly from the bytes as they were sent.
pub(super) fn transaction(bytes: &Bytes) -> Result<SignedTransaction, ApiError> {
    SignedTransaction::from_bytes(bytes).map_err(ApiError::Refused)
}

/// A transaction id in a request.
pub(super) fn transaction_id(bytes: &Bytes) -> Result<TransactionId, ApiError> {
    let bytes: [u8; 32] = bytes
        .as_ref()
        .try_into()
        .map_err(|_| ApiError::FieldInvalid { field: "transaction_id", expected: "32 bytes" })?;
    Ok(TransactionId::new(Digest::from_bytes(bytes)))
}

/// An account name in a request.
pub(super) fn account_id(text: &str) -> Result<AccountId, ApiError> {
    AccountId::new(text).map_err(|_| ApiError::FieldInvalid {
        field: "account",
        expected: "name@participant, at most 32 characters of a-z 0-9 _ . -",
    })
}

/// The digest's bytes.
pub(super) fn digest(digest: &Digest) -> Bytes {
    Bytes::copy_from_slice(digest.as_bytes())
}

fn key(key: &PublicKey) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn id(id: &TransactionId) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

/// A receipt.
pub(super) fn receipt(receipt: &Receipt) -> v1::Receipt {
    let (rejection, results) = match &receipt.result {
        TransactionResult::Rejected { code, operation } => (Some(rejection(*code, *operation)), Vec::new()),
        TransactionResult::Executed(results) => {
            (None, results.iter().zip(0..).map(|(result, number)| operation_result(result, number)).collect())
        }
    };
    v1::Receipt {
        transaction_id: id(&receipt.transaction),
        height: receipt.height,
        index: receipt.index,
        time_ms: receipt.time_ms,
        outcome: outcome(&receipt.result).into(),
        rejection,
        results,
    }
}

fn outcome(result: &TransactionResult) -> v1::Outcome {
    let TransactionResult::Executed(results) = result else { return v1::Outcome::Rejected };
    if results.iter().any(|result| matches!(result, OperationResult::Rejected(_))) {
        v1::Outcome::Partial
    } else if results.iter().all(|result| matches!(result, OperationResult::Repeated(_))) {
        v1::Outcome::Repeated
    } else {
        v1::Outcome::Applied
    }
}

fn rejection(code: RejectionCode, operation: Option<u32>) -> v1::Rejection {
    v1::Rejection { number: code.number().into(), code: code.name().to_owned(), operation }
}

fn operation_result(result: &OperationResult, number: u32) -> v1::OperationResult {
    use v1::operation_result::Result as Wire;
    let wire = match result {
        OperationResult::Applied(balances) => {
            Wire::Applied(v1::Applied { balances_after: balances.iter().map(balance_after).collect() })
        }
        OperationResult::Repeated(place) => Wire::Repeated(location(place)),
        OperationResult::Rejected(code) => Wire::Rejected(rejection(*code, Some(number))),
        OperationResult::Ended { id, balances } => {
            Wire::Ended(v1::Ended { id: digest(id), balances_after: balances.iter().map(balance_after).collect() })
        }
        OperationResult::Decided { proposal, balances } => Wire::Decided(v1::Decided {
            proposal: digest(proposal),
            balances_after: balances.iter().map(balance_after).collect(),
        }),
        OperationResult::Pending { proposal, approvals, threshold } => Wire::Pending(v1::Pending {
            proposal: digest(proposal),
            approvals: (*approvals).into(),
            threshold: (*threshold).into(),
        }),
        OperationResult::Lapsed { proposal, code } => {
            Wire::Lapsed(v1::Lapsed { proposal: digest(proposal), rejection: Some(rejection(*code, None)) })
        }
    };
    v1::OperationResult { result: Some(wire) }
}

fn balance_after(balance: &BalanceAfter) -> v1::AccountBalance {
    v1::AccountBalance {
        account: balance.account.to_string(),
        asset: balance.asset.to_string(),
        available_minor: balance.available.minor(),
        held_minor: balance.held.minor(),
    }
}

fn location(location: &ReceiptLocation) -> v1::ReceiptLocation {
    v1::ReceiptLocation {
        transaction_id: id(&location.transaction),
        height: location.height,
        index: location.index,
        operation: location.operation,
    }
}

/// The identity of the agreement that a request names.
pub(super) fn agreement_id(request: &v1::GetAgreementRequest) -> Result<Digest, ApiError> {
    let kind = match request.kind() {
        v1::AgreementKind::Hold => TimedKind::Hold,
        v1::AgreementKind::BankTransfer => TimedKind::BankTransfer,
        v1::AgreementKind::Returned => TimedKind::Returned,
        v1::AgreementKind::Request => TimedKind::Request,
        v1::AgreementKind::Quote => TimedKind::Quote,
        v1::AgreementKind::Unspecified => {
            return Err(ApiError::FieldInvalid { field: "kind", expected: "one of the kinds of agreements" });
        }
    };
    let reference = Reference::new(&request.reference)
        .map_err(|_| ApiError::FieldInvalid { field: "reference", expected: "1 to 64 printable ASCII characters" })?;
    Ok(kind.id(&account_id(&request.account)?, &reference))
}

/// An agreement that stands.
pub(super) fn agreement(timed: &Timed) -> v1::Agreement {
    let (kind, from, to, money) = match &timed.content {
        TimedContent::Hold(hold) => {
            (v1::AgreementKind::Hold, hold.from, Some(hold.to), Some((hold.asset, hold.amount)))
        }
        TimedContent::BankTransfer(transfer) => {
            let money = Some((transfer.asset, transfer.amount));
            (v1::AgreementKind::BankTransfer, transfer.from, Some(transfer.to), money)
        }
        TimedContent::Returned(returned) => (v1::AgreementKind::Returned, returned.from, None, None),
        TimedContent::Request(request) => {
            (v1::AgreementKind::Request, request.from, Some(request.to), Some((request.asset, request.amount)))
        }
        TimedContent::Quote(quote) => (v1::AgreementKind::Quote, quote.maker, quote.taker, Some(quote.sold)),
    };
    let bought = match &timed.content {
        TimedContent::Quote(quote) => Some(quote.bought),
        TimedContent::Hold(_)
        | TimedContent::BankTransfer(_)
        | TimedContent::Returned(_)
        | TimedContent::Request(_) => None,
    };
    let minor = match &timed.content {
        TimedContent::Returned(returned) => returned.returned.minor(),
        _ => money.map_or(0, |(_, amount)| amount.minor()),
    };
    v1::Agreement {
        kind: kind.into(),
        id: digest(&timed.id()),
        account: timed.account.to_string(),
        reference: timed.reference.to_string(),
        ends_ms: timed.ends_ms,
        from: from.to_string(),
        to: to.map(|to| to.to_string()).unwrap_or_default(),
        asset: money.map(|(asset, _)| asset.to_string()).unwrap_or_default(),
        amount_minor: minor,
        bought_asset: bought.map(|(asset, _)| asset.to_string()).unwrap_or_default(),
        bought_minor: bought.map_or(0, |(_, amount)| amount.minor()),
        tracking_status: match &timed.content {
            TimedContent::BankTransfer(transfer) => match transfer.stage {
                Stage::Received => "RECEIVE_AT_ACH".to_owned(),
                Stage::AtBank => "RECEIVE_AT_RECEIVER_BANK".to_owned(),
            },
            _ => String::new(),
        },
    }
}

fn mandate(mandate: &Mandate) -> v1::Mandate {
    let period = match mandate.period {
        Period::Day => v1::MandatePeriod::Day,
        Period::Week => v1::MandatePeriod::Week,
        Period::Month => v1::MandatePeriod::Month,
    };
    v1::Mandate {
        reference: mandate.reference.to_string(),
        to: mandate.to.to_string(),
        asset: mandate.asset.to_string(),
        cap_minor: mandate.cap.minor(),
        period: period.into(),
        granted_ms: mandate.granted_ms,
        expires_ms: mandate.expires_ms,
        period_number: mandate.number,
        collected_minor: mandate.collected.minor(),
    }
}

/// An account under its name.
pub(super) fn account(name: AccountId, account: &Account) -> v1::Account {
    let kind = match account.kind {
        AccountKind::Wallet => v1::AccountKind::Wallet,
        AccountKind::Merchant => v1::AccountKind::Merchant,
        AccountKind::Settlement => v1::AccountKind::Settlement,
        AccountKind::Reserve => v1::AccountKind::Reserve,
    };
    v1::Account {
        account: name.to_string(),
        kind: kind.into(),
        status: account_status(account.effective_status()).into(),
        keys: account.keys().iter().map(|key| Bytes::copy_from_slice(key)).collect(),
        threshold: account.threshold.into(),
        balances: account
            .balances()
            .iter()
            .map(|balance| v1::Balance {
                asset: balance.asset.to_string(),
                available_minor: balance.available.minor(),
                held_minor: balance.held.minor(),
            })
            .collect(),
        mandates: account.mandates.iter().map(mandate).collect(),
        tier: tier(account.tier).into(),
        keeper_status: account_status(account.status).into(),
        orders: account
            .orders()
            .iter()
            .map(|order| v1::FreezeOrder {
                reference: order.reference.to_string(),
                status: account_status(order.status).into(),
            })
            .collect(),
    }
}

const fn account_status(status: AccountStatus) -> v1::AccountStatus {
    match status {
        AccountStatus::Active => v1::AccountStatus::Active,
        AccountStatus::DebitsFrozen => v1::AccountStatus::DebitsFrozen,
        AccountStatus::CreditsFrozen => v1::AccountStatus::CreditsFrozen,
        AccountStatus::Frozen => v1::AccountStatus::Frozen,
        AccountStatus::Closed => v1::AccountStatus::Closed,
    }
}

const fn tier(tier: KycTier) -> v1::KycTier {
    match tier {
        KycTier::Basic => v1::KycTier::Basic,
        KycTier::Partial => v1::KycTier::Partial,
        KycTier::Full => v1::KycTier::Full,
        KycTier::Interbank => v1::KycTier::Interbank,
    }
}

/// The limits in force.
pub(super) fn limits(parameters: &Parameters, height: u64) -> v1::GetLimitsResponse {
    let limit = |(asset, of, limit): (Asset, KycTier, Limit)| {
        let (daily_minor, hourly) = limit.numbers();
        v1::TierLimit { asset: asset.to_string(), tier: tier(of).into(), daily_minor, hourly }
    };
    v1::GetLimitsResponse {
        limits: parameters.limits().map(limit).collect(),
        day_offset_ms: parameters.day_offset_ms(),
        height,
    }
}

/// A proposal that stands; `None` when its operation is none that clients know, which cannot be.
pub(super) fn proposal(proposal: &Proposal) -> Option<v1::Proposal> {
    Some(v1::Proposal {
        proposal: digest(&proposal.id()),
        participant: proposal.participant.to_string(),
        operation: Some(v1::Operation::decode(proposal.operation.encode().as_slice()).ok()?),
        effect_height: proposal.effect_height,
        expires_ms: proposal.expires_ms,
        approvals: proposal.approvals.iter().map(key).collect(),
        proposed: Some(location(&proposal.proposed)),
        kind: proposal.operation.kind().name().to_owned(),
    })
}

/// A block.
pub(super) fn block(block: &StoredBlock) -> v1::Block {
    let header = &block.header;
    v1::Block {
        height: header.height().get(),
        digest: digest(&header.digest()),
        parent: digest(&header.parent()),
        time_ms: header.timestamp().get(),
        protocol_version: header.protocol_version().into(),
        payload: digest(&header.payload()),
        checkpoint: Some(checkpoint(&header.checkpoint())),
        transactions: block.receipts,
        state_root: digest(&block.state_root),
        results_root: digest(&block.results_root),
    }
}

fn checkpoint(checkpoint: &Checkpoint) -> v1::Checkpoint {
    v1::Checkpoint {
        height: checkpoint.height.get(),
        state_root: digest(&checkpoint.state_root),
        results_root: digest(&checkpoint.results_root),
    }
}

/// Canonical bytes.
pub(super) fn canonical(value: &impl Canonical) -> Bytes {
    value.encode().into()
}

/// The answer to GetStatus.
pub(super) fn status(
    chain: &Chain,
    network: &NetworkStatus,
    tip: Tip,
    earliest: u64,
    latest: Option<&StoredBlock>,
    supply: &[(Asset, u128)],
) -> v1::GetStatusResponse {
    let set = chain.validators.get();
    let name = |index: ValidatorIndex| set.get(index).map(|validator| validator.name.clone());
    v1::GetStatusResponse {
        chain_name: chain.genesis.chain_name.clone(),
        chain_digest: digest(&chain.digest),
        node: chain.node.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        protocol_version: latest.map_or(chain.genesis.protocol_version, |block| block.header.protocol_version()).into(),
        earliest_height: earliest,
        latest_height: tip.height,
        latest_time_ms: tip.time_ms,
        latest_state_root: latest.map(|block| digest(&block.state_root)).unwrap_or_default(),
        provable_height: tip.provable,
        epoch: network.epoch.get(),
        view: network.view.get(),
        leader: name(network.leader).unwrap_or_default(),
        quorum: u32::try_from(set.quorum()).unwrap_or(u32::MAX),
        validators: validators(chain, &set, network),
        supply: supply.iter().map(|(asset, amount)| self::supply(chain, *asset, *amount)).collect(),
        halted: network.halted.clone().unwrap_or_default(),
    }
}

fn validators(chain: &Chain, set: &ValidatorSet, network: &NetworkStatus) -> Vec<v1::ValidatorStatus> {
    let entries = set.iter().map(|(_, validator)| {
        let peer = network.peers.get(&validator.key).copied().unwrap_or_default();
        v1::ValidatorStatus {
            name: validator.name.clone(),
            key: key(&validator.key),
            connected: peer.connected || chain.own.contains(&validator.key),
            last_seen_ms: peer.last_seen_ms,
        }
    });
    entries.collect()
}

fn supply(chain: &Chain, asset: Asset, amount: u128) -> v1::Supply {
    let known = chain.genesis.assets.iter().find(|known| known.asset == asset);
    v1::Supply {
        asset: asset.to_string(),
        exponent: known.map_or(0, |known| known.exponent.into()),
        amount_minor: amount.to_string(),
    }
}

/// The answer to ListValidators: `set` serves in the epoch of the block after `height`.
pub(super) fn validator_sets(
    chain: &Chain,
    height: u64,
    set: &[Validator],
    record: &Validators,
) -> v1::ListValidatorsResponse {
    let length = chain.genesis.epoch_length;
    let epoch = height.checked_div(length).unwrap_or(0);
    let window = tonle_ledger::window(length);
    let versions: Vec<_> = record.in_force(height.saturating_add(1), window).collect();
    let replaced = versions.iter().skip(1).map(|next| next.since.saturating_add(window)).chain([0]);
    let version = |(version, until_height): (&&SetVersion, u64)| v1::ValidatorSetVersion {
        since_height: version.since,
        until_height,
        validators: tonle_replica::validators(&version.members).iter().map(validator).collect(),
    };
    v1::ListValidatorsResponse {
        height,
        epoch,
        epoch_last_height: epoch.saturating_add(1).saturating_mul(length),
        validators: set.iter().map(validator).collect(),
        quorum: u32::try_from(tonle_ledger::quorum(set.len())).unwrap_or(u32::MAX),
        versions: versions.iter().zip(replaced).map(version).collect(),
    }
}

fn validator(validator: &Validator) -> v1::Validator {
    v1::Validator {
        participant: validator.name.clone(),
        key: key(&validator.key),
        network_key: key(&validator.network_key),
    }
}

/// The answer to VerifySupply.
pub(super) fn supply_audit(chain: &Chain, audit: &SupplyAudit) -> v1::VerifySupplyResponse {
    v1::VerifySupplyResponse {
        height: audit.height,
        state_root: digest(&audit.state_root),
        ok: audit.assets.iter().all(|(_, recorded, scanned)| recorded == scanned),
        assets: audit
            .assets
            .iter()
            .map(|(asset, recorded, scanned)| v1::SupplyCheck {
                supply: Some(supply(chain, *asset, *recorded)),
                scanned_minor: scanned.to_string(),
            })
            .collect(),
        accounts: audit.accounts,
    }
}

/// One offence of ListMisbehaviour.
pub(super) fn misbehaviour(chain: &Chain, known: &KnownOffence) -> v1::Misbehaviour {
    let KnownOffence { offence, kept, landed } = known;
    let (landed_height, landed_index) = landed.unwrap_or_default();
    let set = chain.validators.get();
    let validator = set.index_of(&offence.accused).and_then(|index| set.get(index));
    let kind = match offence.kind {
        OffenceKind::Proposals => v1::MisbehaviourKind::TwoProposals,
        OffenceKind::Notarizes => v1::MisbehaviourKind::TwoNotarizes,
        OffenceKind::Finalizes => v1::MisbehaviourKind::TwoFinalizes,
        OffenceKind::FinalizeAndTimeout => v1::MisbehaviourKind::FinalizeAndTimeout,
        OffenceKind::Batches => v1::MisbehaviourKind::TwoBatches,
    };
    v1::Misbehaviour {
        offence_id: digest(&offence.id()),
        validator: validator.map(|validator| validator.name.clone()).unwrap_or_default(),
        key: key(&offence.accused),
        kind: kind.into(),
        epoch: offence.epoch.get(),
        place: offence.place,
        first_seen_ms: kept.map_or(0, |kept| kept.first_seen_ms),
        proof: kept.map(|kept| kept.proof.encode().into()).unwrap_or_default(),
        landed_height,
        landed_index,
    }
}
