//! Golden vectors: every byte layout that a client or an auditor has to produce or check, pinned.
//!
//! `vectors/ledger.txt` has one `name = hexadecimal` a line. A change of it is a change of the protocol. To write it
//! anew after such a change: `TONLE_WRITE_VECTORS=1 cargo test --release -p tonle-ledger --test vectors`.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::fmt::Write as _;

use fixture::*;
use tonle_crypto::{Canonical, Digest};
use tonle_ledger::*;

#[derive(Default)]
struct Vectors(String);

impl Vectors {
    fn bytes(&mut self, name: &str, bytes: &[u8]) {
        write!(self.0, "{name} = ").unwrap();
        bytes.iter().for_each(|byte| write!(self.0, "{byte:02x}").unwrap());
        self.0.push('\n');
    }
    fn digest(&mut self, name: &str, digest: &Digest) {
        self.bytes(name, digest.as_bytes());
    }
    fn text(&mut self, name: &str, text: &str) {
        writeln!(self.0, "{name} = {text}").unwrap();
    }
    fn transaction(&mut self, name: &str, chain: &Digest, transaction: &SignedTransaction) {
        self.bytes(&format!("{name}.body"), transaction.body_bytes());
        let message = SignedTransaction::signed_message(chain, transaction.body_bytes());
        self.bytes(&format!("{name}.signed_message"), &message);
        self.bytes(&format!("{name}.bytes"), transaction.bytes());
        self.bytes(&format!("{name}.id"), transaction.id().as_bytes());
    }
}

fn full_operations() -> Vec<Operation> {
    let mut pay = transfer("alice@aba", "bob@acleda", 12_345);
    if let Operation::Transfer(transfer) = &mut pay {
        transfer.instruction_ref = Some(Reference::new("INV-1").unwrap());
        transfer.purpose = Some(Text::new("SALA").unwrap());
        transfer.external_ref = Some(Reference::new("E2E 77").unwrap());
        transfer.remittance = vec![0, 1, 2, 0xff];
    }
    let mut keys = vec![key("ann").public(), key("ben").public()];
    keys.sort_unstable();
    let kind = AccountKind::Merchant;
    let open = Operation::OpenAccount(OpenAccount { account: id("shop@aba"), kind, keys, threshold: 2, tier: None });
    vec![pay, open, with_ref(issue("shop@aba", "USD", 1_000_000), "I-1"), redeem("alice@aba", "USD", 1)]
}

/// Everything that changes accounts, aliases and limits, in the order of the numbers.
fn accounts_operations() -> Vec<Operation> {
    vec![
        close("noin@aba"),
        rekey("alice@aba", &["ann", "ben"], 1),
        set_status("noout@aba", AccountStatus::Active),
        set_tier("noout@aba", KycTier::Partial),
        freeze("noout@aba", AccountStatus::DebitsFrozen, "court 7"),
        with_ref(seize("noout@aba", "reserve@nbc", 5_000), "S-1"),
        set_alias("alice@aba", "012 345 678", "A****"),
        move_alias("alice@aba", "noout@aba", "012 345 678", "N****"),
        remove_alias("noout@aba", "012 345 678"),
        set_limits("USD", KycTier::Basic, 40_000, 60),
    ]
}

/// Block 5: what an account with an order, a hold and an alias looks like, and the parameters.
fn of_accounts(out: &mut Vectors, ledger: &mut Ledger) {
    let chain = ledger.chain;
    let mut operations = accounts_operations();
    // Closing fails while there is money; the last two undo what is to be seen.
    operations.retain(|operation| !matches!(operation, Operation::CloseAccount(_) | Operation::RemoveAlias(_)));
    operations.push(hold("bob@acleda", "alice@aba", 250, "H-1", START_MS + HOUR_MS));
    let mut changing = body(chain, operations);
    changing.nonce = b"of accounts".to_vec();
    let changing = ledger.sign(&changing, &["aba", "acleda", "nbc"]);
    let executed = ledger.execute(vec![changing]);
    assert!(matches!(executed.receipts[0].result, TransactionResult::Executed(_)), "{:?}", executed.receipts);
    let shown = [id("alice@aba"), id("bob@acleda"), id("noout@aba")].map(StateKey::Account);
    let is_shown = |key: &StateKey| {
        shown.contains(key) || matches!(key, StateKey::Parameters | StateKey::Alias(_) | StateKey::Timed(_))
    };
    for (key, value) in ledger.state.iter().filter(|(key, _)| is_shown(key)) {
        let named: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        out.bytes(&format!("state.5.{named}"), &value);
    }
    out.digest("state_root.5", &ledger.executor.point().state_root);
}

/// The signing key of `aba` is the seed `616261` followed by 29 zero bytes; the others' likewise.
fn vectors() -> String {
    let mut out = Vectors::default();
    let mut ledger = Ledger::new();
    let chain = ledger.chain;
    out.bytes("genesis.bytes", &ledger.genesis.encode());
    out.digest("genesis.digest", &chain);
    out.digest("state_root.0", &ledger.executor.point().state_root);

    let smallest = body(chain, vec![transfer("alice@aba", "bob@acleda", 1)]);
    let mut full = body(chain, full_operations());
    (full.independent, full.nonce) = (true, b"batch 1".to_vec());
    let mut broke = body(chain, vec![transfer("sok@canadia", "bob@acleda", 1)]);
    broke.nonce = vec![1];
    let stranger = body(chain, vec![transfer("bob@acleda", "alice@aba", 1)]);
    let mut repeat = body(chain, vec![full_operations().remove(0)]);
    repeat.nonce = vec![2];

    let smallest = ledger.sign(&smallest, &["aba"]);
    let full = ledger.sign(&full, &["aba", "nbc"]);
    let broke = ledger.sign(&broke, &["canadia"]);
    let stranger = ledger.sign(&stranger, &["canadia"]);
    let repeat = ledger.sign(&repeat, &["aba"]);
    out.transaction("smallest", &chain, &smallest);
    out.transaction("full", &chain, &full);
    let mut membership = body(chain, vec![admit("wb"), set("wb", "wb"), unset("aba")]);
    membership.nonce = b"members".to_vec();
    out.transaction("membership", &chain, &ledger.sign(&membership, &["nbc"]));
    let mut accounts = body(chain, accounts_operations());
    accounts.nonce = b"accounts".to_vec();
    out.transaction("accounts", &chain, &ledger.sign(&accounts, &["aba", "nbc"]));

    ledger.execute(vec![smallest, full, broke]);
    ledger.execute(vec![stranger, repeat]);
    ledger.execute(Vec::new());
    for height in 1..=3 {
        for receipt in &ledger.receipts[height] {
            out.bytes(&format!("receipt.{height}.{}", receipt.index), &receipt.encode());
        }
        out.digest(&format!("receipts_root.{height}"), &ledger.receipts_roots[height]);
        out.digest(&format!("results_root.{height}"), &ledger.results_roots[height]);
    }
    out.digest("state_root.3", &ledger.executor.point().state_root);
    for (key, value) in ledger.state.iter().filter(|(key, _)| !matches!(key, StateKey::Participant(_))) {
        let key: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        out.bytes(&format!("state.{key}"), &value);
    }
    let source = ledger.executor.proofs();
    let prove = |name: &str| {
        let current = ledger.state.get(&StateKey::Account(id(name)));
        source.prove_account(3, id(name), current).unwrap()
    };
    out.bytes("account_proof.3.present", &prove("alice@aba").encode());
    let absent = || (0..).map(|number| format!("never{number}@aba"));
    let empty = absent().find(|name| prove(name).proof.terminal == Terminal::Empty).unwrap();
    let other = absent().find(|name| matches!(prove(name).proof.terminal, Terminal::Other { .. })).unwrap();
    out.bytes("account_proof.3.absent_empty", &prove(&empty).encode());
    out.bytes("account_proof.3.absent_other", &prove(&other).encode());
    for checkpoint in [1, 3] {
        let proof = ledger.prove_receipt(1, 1, checkpoint).unwrap();
        out.bytes(&format!("receipt_proof.{checkpoint}"), &proof.encode());
    }
    of_a_report(&mut out, &mut ledger);
    of_accounts(&mut out, &mut ledger);
    of_governance(&mut out, &mut ledger);
    of_codes(&mut out, &mut ledger);
    for code in RejectionCode::ALL {
        out.text(&format!("rejection.{}", code.number()), code.name());
    }
    out.0
}

/// Block 4: an offence lands. What its proof holds is the business of who judges it; here it is that of the tests.
fn of_a_report(out: &mut Vectors, ledger: &mut Ledger) {
    let chain = ledger.chain;
    let mut reporting = body(chain, vec![report(&chain, "wing", 7)]);
    reporting.nonce = b"report".to_vec();
    let reporting = ledger.sign(&reporting, &["audit"]);
    out.transaction("report", &chain, &reporting);
    ledger.execute(vec![reporting]);
    for (key, value) in ledger.state.iter().filter(|(key, _)| matches!(key, StateKey::Offence(_))) {
        let named: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        out.bytes(&format!("state.{named}"), &value);
        out.digest("offence_path", &key.path());
        let proof = ledger.executor.proofs().prove(4, &key, Some(&value)).unwrap();
        out.bytes("offence_proof.4", &proof.encode());
    }
    out.digest("state_root.4", &ledger.executor.point().state_root);
}

/// Blocks 5 and 6: a key is replaced, something is proposed for the next height, and a version of the protocol decided.
fn of_governance(out: &mut Vectors, ledger: &mut Ledger) {
    let chain = ledger.chain;
    let may: &[Permission] = &[Permission::Pay, Permission::OpenAccounts, Permission::ManageKeys];
    let keys: [(&str, &[Permission]); 2] = [("aba", may), ("aba-2", may)];
    let mut governing = body(
        chain,
        vec![
            set_keys_with("aba", &keys, Thresholds { manage_keys: 2, ..Thresholds::default() }),
            propose(set_mode("takes", Mode::Suspended), 6, START_MS + HOUR_MS),
            propose(issue("alice@aba", "USD", 1), 0, START_MS + HOUR_MS),
            propose(remove("gone"), 0, START_MS + HOUR_MS),
            activate(2, 100),
        ],
    );
    (governing.nonce, governing.independent) = (b"governing".to_vec(), true);
    let governing = ledger.sign(&governing, &["nbc"]);
    out.transaction("governance", &chain, &governing);
    out.digest("proposal", &Proposal::id_of(&governing.id(), 1));
    let mut deciding = body(chain, vec![approve(chain), withdraw(chain)]);
    deciding.nonce = b"deciding".to_vec();
    out.transaction("decision", &chain, &ledger.sign(&deciding, &["nbc"]));
    ledger.execute(vec![governing]);
    for (key, value) in ledger.state.iter() {
        let new = matches!(key, StateKey::Proposal(_) | StateKey::Protocol)
            || key == StateKey::Participant(participant_id("aba"));
        if new {
            let key: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            out.bytes(&format!("state.{key}"), &value);
        }
    }
    ledger.execute(Vec::new());
    for height in 5..=6 {
        out.bytes(&format!("receipt.{height}.0"), &ledger.receipts[height][0].encode());
    }
    out.digest("state_root.6", &ledger.executor.point().state_root);
}

/// Block 7: a dynamic code with Khmer text is paid, and a static one.
fn of_codes(out: &mut Vectors, ledger: &mut Ledger) {
    let chain = ledger.chain;
    let dynamic = code("bob@acleda", "KHR", Some("40"), START_MS + HOUR_MS, "INV-1");
    let open = code("bob@acleda", "KHR", None, 0, "INV-2");
    let mut named = pay_khqr(&dynamic, "alice@aba", "bob@acleda", "KHR", 4_000);
    (named.instruction_ref, named.external_ref) = (Some(reference("K-1")), Some(reference("E2E 7")));
    let named = Operation::PayKhqr(Box::new(named));
    let mut paying = body(chain, vec![named, pay_bob(&open, "alice@aba", 1)]);
    paying.nonce = b"codes".to_vec();
    // Alice has a key of her own by now.
    let paying = ledger.sign(&paying, &["ann"]);
    out.transaction("khqr", &chain, &paying);
    out.digest("khqr_id", &khqr_id(&dynamic));
    let executed = ledger.execute(vec![paying]);
    out.bytes("receipt.7.0", &executed.receipts[0].encode());
    for (number, payment) in executed.khqr.iter().enumerate() {
        out.text(&format!("khqr.{number}.md5"), &payment.md5().to_string());
        out.bytes(&format!("khqr.{number}.payment"), &payment.encode());
    }
    for (key, value) in
        ledger.state.iter().filter(|(key, _)| matches!(key, StateKey::CodeBucket(_) | StateKey::Code { .. }))
    {
        let key: String = key.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        out.bytes(&format!("state.{key}"), &value);
    }
    out.digest("state_root.7", &ledger.executor.point().state_root);
}

#[test]
fn every_layout_is_as_it_was_published() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ledger.txt");
    let computed = vectors();
    if std::env::var_os("TONLE_WRITE_VECTORS").is_some() {
        std::fs::write(path, &computed).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap();
    for (computed, published) in computed.lines().zip(published.lines()) {
        assert_eq!(computed, published);
    }
    assert_eq!(computed.lines().count(), published.lines().count());
}
