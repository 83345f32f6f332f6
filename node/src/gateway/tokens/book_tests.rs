//! Tokens: issued, checked, renewed, revoked, and all of it again after a restart.

use std::sync::Arc;

use tonle_crypto::Digest;
use tonle_ledger::AccountId;

use super::{Book, DAY_MS, Denied, Issue, IssueError, OVERLAP_MS};
use crate::gateway::store::Store;

const NOW_MS: u64 = 1_790_000_000_000;

fn issue() -> Issue {
    Issue {
        name: "Coffee".to_owned(),
        email: "till@coffee.example".to_owned(),
        accounts: vec![AccountId::new("coffee@aba").unwrap()],
        days: 90,
    }
}

fn book(folder: &std::path::Path) -> Book {
    Book::load(Arc::new(Store::open(folder, Digest::from_bytes([7; 32])).unwrap())).unwrap()
}

#[test]
fn a_token_is_good_until_its_time_and_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = book(folder.path());
    let (secret, listed) = tokens.issue(issue(), NOW_MS).unwrap();
    let text = secret.reveal();
    let check = |tokens: &Book, now_ms| tokens.check(Some(&text), now_ms).map(|(id, _)| id);
    assert_eq!(check(&tokens, NOW_MS), Ok(listed.id.clone()));
    drop(tokens);
    let tokens = book(folder.path());
    assert_eq!(check(&tokens, NOW_MS + 90 * DAY_MS - 1), Ok(listed.id.clone()));
    assert_eq!(check(&tokens, NOW_MS + 90 * DAY_MS), Err(Denied::Expired));
    assert_eq!(tokens.list(), [listed]);
    assert_eq!(tokens.check(None, NOW_MS).unwrap_err(), Denied::Missing);
    for other in ["", "tonle_", &text[..69], &text.replace(&text[10..11], "z")] {
        assert_eq!(tokens.check(Some(other), NOW_MS).unwrap_err(), Denied::Unknown, "{other}");
    }
}

#[test]
fn a_token_that_was_taken_back_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = book(folder.path());
    let (secret, listed) = tokens.issue(issue(), NOW_MS).unwrap();
    assert!(matches!(tokens.revoke("0011223344556677", NOW_MS), Err(IssueError::NoSuchToken)));
    assert!(matches!(tokens.revoke("no id", NOW_MS), Err(IssueError::NoSuchToken)));
    let revoked = tokens.revoke(&listed.id, NOW_MS + 5).unwrap();
    assert_eq!(revoked.record.revoked_ms, Some(NOW_MS + 5));
    assert_eq!(tokens.revoke(&listed.id, NOW_MS + 9).unwrap(), revoked, "the first time counts");
    drop(tokens);
    assert_eq!(book(folder.path()).check(Some(&secret.reveal()), NOW_MS).unwrap_err(), Denied::Revoked);
}

#[test]
fn a_renewed_token_lives_as_long_again_and_the_old_one_an_hour() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = book(folder.path());
    let (old, _) = tokens.issue(issue(), NOW_MS).unwrap();
    let old = old.reveal();
    let later = NOW_MS + 80 * DAY_MS;
    let refused = tokens.renew(Some(&old), "another@coffee.example", later);
    assert!(matches!(refused, Err(IssueError::NotRegistered)));
    assert!(matches!(tokens.renew(None, "till@coffee.example", later), Err(IssueError::Denied(Denied::Missing))));
    let new = tokens.renew(Some(&old), "Till@Coffee.example", later).unwrap().reveal();
    assert!(matches!(tokens.renew(Some(&old), "till@coffee.example", later), Err(IssueError::NotRegistered)));
    drop(tokens);
    let tokens = book(folder.path());
    assert!(tokens.check(Some(&old), later + OVERLAP_MS - 1).is_ok());
    assert_eq!(tokens.check(Some(&old), later + OVERLAP_MS).unwrap_err(), Denied::Expired);
    assert!(tokens.check(Some(&new), later + 90 * DAY_MS - 1).is_ok());
    assert_eq!(tokens.check(Some(&new), later + 90 * DAY_MS).unwrap_err(), Denied::Expired);
}

#[test]
fn what_a_token_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = book(folder.path());
    let account = |number: usize| AccountId::new(&format!("shop{number}@aba")).unwrap();
    let bad = [
        Issue { name: String::new(), ..issue() },
        Issue { name: "x".repeat(65), ..issue() },
        Issue { name: "a\nb".to_owned(), ..issue() },
        Issue { email: "nobody".to_owned(), ..issue() },
        Issue { accounts: Vec::new(), ..issue() },
        Issue { accounts: (0..17).map(account).collect(), ..issue() },
        Issue { days: 0, ..issue() },
        Issue { days: 3_651, ..issue() },
    ];
    for issue in bad {
        assert!(matches!(tokens.issue(issue.clone(), NOW_MS), Err(IssueError::Field(_))), "{issue:?}");
    }
    assert!(tokens.list().is_empty());
}
