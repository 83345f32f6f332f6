//! Who may what: the page docs/authorization.md against the table in force, and the table by roles and permissions.
//! To write the page anew: `TONLE_WRITE_PAGES=1 cargo test --release -p tonle-ledger --test authorization`.

#![allow(clippy::unwrap_used)]

mod fixture;

use fixture::*;
use tonle_crypto::Digest;
use tonle_ledger::*;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/authorization.md");
/// The page's first line of the table, which reaches to the next empty line.
const HEAD: &str = "| operation | who signs | permission | roles | dual control |\n|---|---|---|---|---|\n";

fn signer(signer: Signer) -> &'static str {
    match signer {
        Signer::Debtor => "the account that money leaves",
        Signer::Creditor => "the account that money enters",
        Signer::Keeper => "the participant that keeps the account",
        Signer::Issuer => "the issuer of the asset",
        Signer::Operator => "an operator",
        Signer::ItselfOrOperator => "the participant; or an operator",
        Signer::AnyParticipant => "any participant",
        Signer::Decider => "who may do what is proposed",
    }
}

const fn permission(permission: Permission) -> &'static str {
    match permission {
        Permission::Pay => "pay",
        Permission::OpenAccounts => "open accounts",
        Permission::Issue => "issue",
        Permission::ManageKeys => "manage keys",
        Permission::Freeze => "freeze",
        Permission::Seize => "seize",
        Permission::Govern => "govern",
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Operator => "operator",
        Role::Bank => "bank",
        Role::PaymentProvider => "payment provider",
        Role::Auditor => "auditor",
    }
}

fn table() -> String {
    let mut table = HEAD.to_owned();
    for kind in OperationKind::ALL {
        let rule = rule(*kind);
        let asked = match (rule.signer, rule.permission) {
            (Signer::ItselfOrOperator, Some(own)) => {
                format!("{}; or {}", permission(own), permission(Permission::Govern))
            }
            (Signer::Decider, _) => "that of what is proposed, one key".to_owned(),
            (_, Some(asked)) => permission(asked).to_owned(),
            (_, None) => "any key, one".to_owned(),
        };
        let roles: Vec<_> = rule.roles.iter().map(|entry| role(*entry)).collect();
        let dual = match proposable(*kind) {
            Some(dual) if rule.permission == Some(dual) => "yes",
            Some(_) => "the operator",
            None => "",
        };
        table +=
            &format!("| `{}` | {} | {asked} | {} | {dual} |\n", kind.name(), signer(rule.signer), roles.join(", "));
    }
    table
}

#[test]
fn the_page_has_the_table_in_force() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let from = page.find(HEAD).expect("the page has the table's head");
    let to = page[from..].find("\n\n").map_or(page.len(), |length| from + length + 1);
    if std::env::var_os("TONLE_WRITE_PAGES").is_some() {
        std::fs::write(PAGE, format!("{}{}{}", &page[..from], table(), &page[to..])).unwrap();
        return;
    }
    assert_eq!(&page[from..to], table());
}

/// A ledger where each of four participants, one of each role, has a key for each permission, called `ROLE PERMISSION`;
/// `aba` is the bank.
fn ledger() -> Ledger {
    let mut genesis = genesis();
    let keys = |name: &str| {
        let entry = |asked| ParticipantKey {
            key: key(&format!("{name} {}", permission(asked))).public(),
            permissions: Permissions::of(&[asked]),
        };
        Permission::ALL.map(entry).to_vec()
    };
    for name in ["nbc", "aba", "audit"] {
        let id = participant_id(name);
        genesis.participants.iter_mut().find(|participant| participant.id == id).unwrap().keys = keys(name);
    }
    let bank = genesis.participant(participant_id("aba")).unwrap().clone();
    let provider = Participant { id: participant_id("app"), role: Role::PaymentProvider, keys: keys("app"), ..bank };
    genesis.participants.push(provider);
    Ledger::of(genesis.sorted())
}

/// Whether each key of each role gets past the judgement of who may, for the operations of governance.
#[test]
fn who_may_govern() {
    use Permission::{Govern, Issue, ManageKeys};
    let own: &[Permission] = &[ManageKeys];
    let proposal = |operation| propose(operation, 0, START_MS + HOUR_MS);
    // The operation, and the keys that may ask for it.
    type Case = (Operation, &'static [(&'static str, Permission)]);
    let cases: Vec<Case> = vec![
        (set_keys("aba", &[("k", own)]), &[("aba", ManageKeys), ("nbc", Govern)]),
        (set_keys("audit", &[("k", own)]), &[("audit", ManageKeys), ("nbc", Govern)]),
        (set_keys("app", &[("k", own)]), &[("app", ManageKeys), ("nbc", Govern)]),
        (set_keys("nbc", &[("k", own)]), &[("nbc", ManageKeys), ("nbc", Govern)]),
        (set_encryption_key("aba", "k"), &[("aba", ManageKeys), ("nbc", Govern)]),
        (set_encryption_key("audit", "k"), &[("audit", ManageKeys), ("nbc", Govern)]),
        (set_mode("aba", Mode::Suspended), &[("nbc", Govern)]),
        (remove("aba"), &[("nbc", Govern)]),
        (admit("wb"), &[("nbc", Govern)]),
        (set("aba", "new"), &[("nbc", Govern)]),
        (unset("aba"), &[("nbc", Govern)]),
        (activate(2, 9), &[("nbc", Govern)]),
        (issue("alice@aba", "KHR", 1), &[("nbc", Issue)]),
        (redeem("alice@aba", "KHR", 1), &[("nbc", Issue)]),
        (proposal(issue("alice@aba", "KHR", 1)), &[("nbc", Issue)]),
        (proposal(unset("aba")), &[("nbc", Govern)]),
        (proposal(set_keys("aba", &[("k", own)])), &[("nbc", Govern)]),
    ];
    for (operation, may) in cases {
        for name in ["nbc", "aba", "app", "audit"] {
            for asked in Permission::ALL {
                let signer = format!("{name} {}", permission(asked));
                let result = ledger().run(vec![operation.clone()], &[&signer]);
                let refused = matches!(result, TransactionResult::Rejected { code: RejectionCode::NotAuthorized, .. });
                assert_eq!(!refused, may.contains(&(name, asked)), "{signer}: {:?}", operation.kind());
            }
        }
    }
}

/// The same for what stands: a proposal to issue, and one to govern.
#[test]
fn who_may_decide() {
    for (operation, asked) in [(issue("alice@aba", "KHR", 1), Permission::Issue), (unset("aba"), Permission::Govern)] {
        for decide in [approve as fn(Digest) -> Operation, withdraw] {
            let mut ledger = ledger();
            let proposer = format!("nbc {}", permission(asked));
            ledger.run(vec![propose(operation.clone(), 900, START_MS + HOUR_MS)], &[&proposer]);
            let id = *ledger.executor.proposals().next().unwrap().0;
            for name in ["aba", "app", "audit", "nbc"] {
                for other in Permission::ALL {
                    let signer = format!("{name} {}", permission(other));
                    let result = ledger.run(vec![decide(id)], &[&signer]);
                    let code = RejectionCode::NotAuthorized;
                    let refused = matches!(result, TransactionResult::Rejected { code: given, .. } if given == code);
                    assert_eq!(!refused, (name, other) == ("nbc", asked), "{signer}");
                    if !refused {
                        break;
                    }
                }
            }
        }
    }
}
