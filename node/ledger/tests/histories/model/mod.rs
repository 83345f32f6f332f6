//! A plain second account of all money: moved by what receipts say was applied, from the operations' own words, and by
//! nothing of the ledger's state. Whatever was applied must have been allowed.
//!
//! Must not know: how the ledger keeps anything.

mod agreements;
mod codes;
mod spending;
mod standing;

use std::collections::BTreeMap;

use tonle_crypto::Digest;
use tonle_ledger::*;

use agreements::Agreements;
use codes::Codes;
use spending::Spending;
use standing::Standing;

/// What an account has of an asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) available: u128,
    pub(crate) held: u128,
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) money: BTreeMap<(AccountId, Asset), Money>,
    pub(crate) supply: BTreeMap<Asset, u128>,
    pub(crate) agreements: Agreements,
    pub(crate) codes: Codes,
    pub(crate) spending: Spending,
    pub(crate) standing: Standing,
    /// What was proposed and stands.
    proposals: BTreeMap<Digest, Operation>,
    /// What one operation touched.
    touched: Vec<(AccountId, Asset)>,
    /// The block's time.
    pub(crate) now_ms: u64,
}

impl Model {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let mut model = Model {
            money: BTreeMap::new(),
            supply: BTreeMap::new(),
            agreements: Agreements::default(),
            codes: Codes::default(),
            spending: Spending::new(&genesis.parameters),
            standing: Standing::new(genesis),
            proposals: BTreeMap::new(),
            touched: Vec::new(),
            now_ms: genesis.created_ms,
        };
        for entry in &genesis.accounts {
            for balance in entry.account.balances() {
                let available = u128::from(balance.available.minor());
                model.money.insert((entry.id, balance.asset), Money { available, held: 0 });
                *model.supply.entry(balance.asset).or_default() += available;
            }
        }
        model
    }

    /// What one operation that was applied moved: compares it with the balances that its result shows.
    fn compare(&mut self, what: &str, shown: &[BalanceAfter]) {
        let touched = std::mem::take(&mut self.touched);
        for place in &touched {
            assert!(shown.iter().any(|shown| (shown.account, shown.asset) == *place), "{what}: {place:?} is not shown");
        }
        for BalanceAfter { account, asset, available, held } in shown {
            assert!(touched.contains(&(*account, *asset)), "{what}: shows {account} {asset}, which it did not touch");
            let is = Money { available: u128::from(available.minor()), held: u128::from(held.minor()) };
            assert_eq!(self.money[&(*account, *asset)], is, "{what}: {account} {asset}");
        }
    }

    /// An operation of a transaction; `place` is its id as a proposal.
    pub(crate) fn operation(&mut self, operation: &Operation, place: Digest, result: &OperationResult) {
        match (operation, result) {
            (Operation::Propose(propose), OperationResult::Pending { .. }) => {
                self.proposals.insert(place, propose.operation.clone());
            }
            (Operation::Propose(propose), OperationResult::Applied(shown)) => self.apply(&propose.operation, shown),
            (Operation::Approve(approve), OperationResult::Applied(shown)) => self.decided(&approve.proposal, shown),
            (Operation::Withdraw(withdraw), OperationResult::Applied(_)) => {
                self.proposals.remove(&withdraw.proposal).expect("what is withdrawn stood");
            }
            (_, OperationResult::Applied(shown)) => self.apply(operation, shown),
            _ => {}
        }
    }

    /// A proposal that took effect.
    pub(crate) fn decided(&mut self, proposal: &Digest, shown: &[BalanceAfter]) {
        let operation = self.proposals.remove(proposal).expect("what takes effect stood");
        self.apply(&operation, shown);
    }
    /// What is proposed there.
    pub(crate) fn proposed(&self, proposal: &Digest) -> &Operation {
        &self.proposals[proposal]
    }
    pub(crate) fn lapsed(&mut self, proposal: &Digest) {
        self.proposals.remove(proposal).expect("what lapses stood");
    }
    /// Something that ended by itself.
    pub(crate) fn ended(&mut self, id: &Digest, shown: &[BalanceAfter]) {
        let ends_ms = self.agreements.end_of(id);
        assert!(ends_ms <= self.now_ms, "{id} ends before its time");
        if let Some(kept) = self.agreements.end(id) {
            self.give_back(kept.account, kept.asset, kept.left, kept.begun_ms);
        }
        self.compare("ended", shown);
    }

    fn apply(&mut self, operation: &Operation, shown: &[BalanceAfter]) {
        self.standing.check(operation);
        self.agreements.note_reference(operation, self.now_ms);
        self.pay(operation);
        self.keep(operation);
        self.standing.apply(operation);
        self.spending.apply(operation);
        self.agreements.apply(operation, self.now_ms);
        self.compare(operation.kind().name(), shown);
    }

    /// Money that goes from one to another at once, is made, or is destroyed.
    fn pay(&mut self, operation: &Operation) {
        let now_ms = self.now_ms;
        match operation {
            Operation::Transfer(of) => self.transfer(of.from, of.to, of.asset, of.amount),
            Operation::PayKhqr(of) => {
                self.codes.pay(of, now_ms);
                self.transfer(of.from, of.to, of.asset, of.amount);
            }
            Operation::AcceptRequest(of) => self.transfer(of.from, of.to, of.asset, of.amount),
            Operation::Collect(of) => {
                self.agreements.collect(of, now_ms);
                self.transfer(of.from, of.to, of.asset, of.amount);
            }
            Operation::Return(of) => {
                self.agreements.give_back(of, now_ms);
                self.change(of.from, of.asset, |money| money.available -= minor(of.amount));
                self.change(of.to, of.asset, |money| money.available += minor(of.amount));
            }
            Operation::Seize(of) => {
                self.change(of.from, of.asset, |money| money.available -= minor(of.amount));
                self.change(of.to, of.asset, |money| money.available += minor(of.amount));
            }
            Operation::Issue(of) => {
                self.change(of.to, of.asset, |money| money.available += minor(of.amount));
                *self.supply.entry(of.asset).or_default() += minor(of.amount);
            }
            Operation::Redeem(of) => {
                self.change(of.from, of.asset, |money| money.available -= minor(of.amount));
                *self.supply.entry(of.asset).or_default() -= minor(of.amount);
            }
            _ => {}
        }
    }

    /// Money that is kept for a time, and what becomes of it.
    fn keep(&mut self, operation: &Operation) {
        match operation {
            Operation::PlaceHold(of) => self.hold(of.from, of.asset, of.amount),
            Operation::SendToBank(of) => self.hold(of.from, of.asset, of.amount),
            Operation::OfferQuote(of) => self.hold(of.maker, of.sold.0, of.sold.1),
            Operation::CaptureHold(of) => {
                let id = TimedKind::Hold.id(&of.from, &of.hold_ref);
                self.capture(&id, of.to, minor(of.amount), of.last);
            }
            Operation::ReleaseHold(of) => {
                let kept = self.agreements.end(&TimedKind::Hold.id(&of.from, &of.hold_ref)).expect("a hold that stood");
                self.give_back(kept.account, kept.asset, kept.left, kept.begun_ms);
            }
            Operation::TrackTransfer(of) => {
                let id = TimedKind::BankTransfer.id(&of.from, &of.transfer_ref);
                let left = self.agreements.kept(&id).left;
                match of.progress {
                    Progress::Received => {}
                    Progress::Acknowledged => self.capture(&id, of.to, left, true),
                    Progress::Refused => {
                        let kept = self.agreements.end(&id).expect("a transfer that stood");
                        self.give_back(kept.account, kept.asset, kept.left, kept.begun_ms);
                    }
                }
            }
            Operation::TakeQuote(of) => {
                self.transfer(of.taker, of.maker, of.bought.0, of.bought.1);
                let id = TimedKind::Quote.id(&of.maker, &of.quote_ref);
                assert_eq!(self.agreements.kept(&id).left, minor(of.sold.1), "a quote is taken as it was offered");
                self.capture(&id, of.taker, minor(of.sold.1), true);
            }
            _ => {}
        }
    }

    fn transfer(&mut self, from: AccountId, to: AccountId, asset: Asset, amount: Amount) {
        self.spend(from, asset, amount);
        self.change(from, asset, |money| money.available -= minor(amount));
        self.change(to, asset, |money| money.available += minor(amount));
    }
    fn hold(&mut self, from: AccountId, asset: Asset, amount: Amount) {
        self.spend(from, asset, amount);
        self.change(from, asset, |money| {
            money.available -= minor(amount);
            money.held += minor(amount);
        });
    }
    fn spend(&mut self, from: AccountId, asset: Asset, amount: Amount) {
        if let Some(tier) = self.standing.limited(from) {
            self.spending.spend(from, asset, tier, minor(amount), self.now_ms);
        }
    }
    fn capture(&mut self, id: &Digest, to: AccountId, amount: u128, last: bool) {
        let kept = self.agreements.take(id, amount, last);
        self.change(kept.account, kept.asset, |money| money.held -= amount);
        self.change(to, kept.asset, |money| money.available += amount);
        if last && kept.left > amount {
            self.give_back(kept.account, kept.asset, kept.left - amount, kept.begun_ms);
        }
    }
    fn give_back(&mut self, account: AccountId, asset: Asset, amount: u128, begun_ms: u64) {
        self.spending.give_back(account, asset, amount, begun_ms, self.now_ms);
        self.change(account, asset, |money| {
            money.held -= amount;
            money.available += amount;
        });
    }

    /// Changes what an account has. What would be below nothing stops the test: these are checked sums.
    fn change(&mut self, account: AccountId, asset: Asset, change: impl FnOnce(&mut Money)) {
        let money = self.money.entry((account, asset)).or_default();
        let before = *money;
        change(money);
        let most = u128::from(u64::MAX);
        let fits = money.available <= most && money.held <= most && money.available + money.held <= most;
        assert!(fits, "{account} {asset} had {before:?} and would have {money:?}");
        if !self.touched.contains(&(account, asset)) {
            self.touched.push((account, asset));
        }
    }
}

pub(crate) fn minor(amount: Amount) -> u128 {
    u128::from(amount.minor())
}
