//! Project Wycheproof's ed25519 cases under the acceptance rule. No case is excepted: the rule refuses nothing that
//! Wycheproof calls valid, and accepts nothing that it calls invalid.

#![allow(clippy::unwrap_used, reason = "a test may fail by a panic")]

use tonle_crypto::{PublicKey, Signature, Strict, Verifier};
use wycheproof::TestResult;
use wycheproof::eddsa::{TestName, TestSet};

/// A signature of another length is refused before any verification: the type has 64 bytes.
fn accepts(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(bytes) = <[u8; Signature::LENGTH]>::try_from(signature) else { return false };
    Strict.verify(key, message, &Signature::from_bytes(bytes)).is_ok()
}

#[test]
fn judges_every_case_as_wycheproof_does() {
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key = <[u8; PublicKey::LENGTH]>::try_from(group.key.pk.as_ref()).unwrap();
        let key = PublicKey::from_bytes(&key).unwrap();
        for case in &group.tests {
            let expected = match case.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => panic!("case {} leaves the choice open: decide it", case.tc_id),
            };
            let accepted = accepts(&key, &case.msg, &case.sig);
            assert_eq!(accepted, expected, "case {}: {} {:?}", case.tc_id, case.comment, case.flags);
            if accepted { valid += 1 } else { invalid += 1 }
        }
    }
    // As many as the set has: a reader that skipped groups would find fewer.
    assert_eq!((valid, invalid), (88, 63));
}
