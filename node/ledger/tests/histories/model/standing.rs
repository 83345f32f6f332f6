//! What accounts and participants may do, as operations said: nothing leaves or enters where it must not.
//!
//! Must not know: money.

use std::collections::BTreeMap;

use tonle_crypto::EncryptionKey;
use tonle_ledger::*;

#[derive(Debug, Clone)]
struct Profile {
    kind: AccountKind,
    tier: KycTier,
    status: AccountStatus,
    orders: BTreeMap<Reference, AccountStatus>,
}

#[derive(Debug)]
pub(crate) struct Standing {
    accounts: BTreeMap<AccountId, Profile>,
    modes: BTreeMap<ParticipantId, Mode>,
    encryption_keys: BTreeMap<ParticipantId, EncryptionKey>,
}

impl Standing {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let profile = |account: &Account| Profile {
            kind: account.kind,
            tier: account.tier,
            status: account.status,
            orders: BTreeMap::new(),
        };
        Standing {
            accounts: genesis.accounts.iter().map(|entry| (entry.id, profile(&entry.account))).collect(),
            modes: genesis.participants.iter().map(|participant| (participant.id, participant.mode)).collect(),
            encryption_keys: genesis.participants.iter().map(|of| (of.id, of.encryption_key)).collect(),
        }
    }
    /// The tier whose limits bind the account; `None` when none do.
    pub(crate) fn limited(&self, account: AccountId) -> Option<KycTier> {
        let profile = &self.accounts[&account];
        (profile.kind != AccountKind::Reserve).then_some(profile.tier)
    }

    /// Whose money leaves by their own will, and whose comes.
    fn sides(operation: &Operation) -> (Option<AccountId>, Option<AccountId>) {
        let [first, second] = operation.accounts();
        match operation {
            Operation::Issue(_) => (None, first),
            Operation::Seize(_) => (None, second),
            Operation::Redeem(_) => (first, None),
            Operation::TrackTransfer(of) if of.progress != Progress::Acknowledged => (None, None),
            Operation::Transfer(_)
            | Operation::PlaceHold(_)
            | Operation::CaptureHold(_)
            | Operation::SendToBank(_)
            | Operation::TrackTransfer(_)
            | Operation::Return(_)
            | Operation::RequestToPay(_)
            | Operation::AcceptRequest(_)
            | Operation::GrantMandate(_)
            | Operation::Collect(_)
            | Operation::OfferQuote(_)
            | Operation::TakeQuote(_)
            | Operation::PayKhqr(_) => (first, second),
            _ => (None, None),
        }
    }

    /// What the ledger says of a participant is what operations said.
    pub(crate) fn check_participant(&self, participant: &Participant) {
        let is = (participant.mode, participant.encryption_key);
        assert_eq!((self.modes[&participant.id], self.encryption_keys[&participant.id]), is, "{}", participant.id);
    }

    /// Was it allowed?
    pub(crate) fn check(&self, operation: &Operation) {
        let (debited, credited) = Standing::sides(operation);
        let allowed = |account: AccountId, by: &dyn Fn(AccountStatus) -> bool, mode: &dyn Fn(Mode) -> bool| {
            let profile = &self.accounts[&account];
            by(profile.status)
                && profile.orders.values().all(|order| by(*order))
                && mode(self.modes[&account.participant()])
        };
        if let Some(account) = debited {
            assert!(allowed(account, &AccountStatus::can_debit, &Mode::can_debit), "{operation:?} debits {account}");
        }
        if let Some(account) = credited {
            assert!(allowed(account, &AccountStatus::can_credit, &Mode::can_credit), "{operation:?} credits {account}");
        }
        for account in operation.accounts().into_iter().flatten() {
            let is_closed = self.accounts.get(&account).is_some_and(|profile| profile.status == AccountStatus::Closed);
            let may = matches!(
                operation,
                Operation::RemoveAlias(_)
                    | Operation::MoveAlias(_)
                    | Operation::RevokeMandate(_)
                    | Operation::ReleaseHold(_)
                    | Operation::DeclineRequest(_)
                    | Operation::CancelRequest(_)
                    | Operation::TrackTransfer(_)
            );
            assert!(!is_closed || may, "{operation:?} of an account that is closed");
        }
    }

    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::OpenAccount(of) => {
                let (kind, tier) = (of.kind, of.tier.unwrap_or(of.kind.usual_tier()));
                let profile = Profile { kind, tier, status: AccountStatus::Active, orders: BTreeMap::new() };
                assert!(self.accounts.insert(of.account, profile).is_none(), "{} is opened twice", of.account);
            }
            Operation::CloseAccount(of) => self.profile(of.account).status = AccountStatus::Closed,
            Operation::SetAccountStatus(of) => self.profile(of.account).status = of.status,
            Operation::SetTier(of) => self.profile(of.account).tier = of.tier,
            Operation::FreezeAccount(of) if of.status == AccountStatus::Active => {
                self.profile(of.account).orders.remove(&of.order_ref).expect("an order that is lifted stood");
            }
            Operation::FreezeAccount(of) => {
                self.profile(of.account).orders.insert(of.order_ref.clone(), of.status);
            }
            Operation::AddParticipant(of) => {
                assert!(
                    self.modes.insert(of.participant, Mode::Active).is_none(),
                    "{} is admitted twice",
                    of.participant
                );
                self.encryption_keys.insert(of.participant, of.encryption_key);
            }
            Operation::SetEncryptionKey(of) => {
                self.encryption_keys.insert(of.participant, of.encryption_key).expect("whose key changes is there");
            }
            Operation::SetParticipantMode(of) => {
                self.modes.insert(of.participant, of.mode);
            }
            Operation::RemoveParticipant(of) => {
                self.modes.insert(of.participant, Mode::Removed);
            }
            _ => {}
        }
    }
    fn profile(&mut self, account: AccountId) -> &mut Profile {
        self.accounts.get_mut(&account).expect("an account that is changed is there")
    }
}
