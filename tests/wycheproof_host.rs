//! The same vectors through the host's door: what goes in is converted (JWK to `SubjectPublicKeyInfo`, `r || s` to DER),
//! asked of a stand-in for Envoy's `verify_signature`, and must come out as Rust alone would have it.
//!
//! A process of its own, to keep what a host is asked apart from other tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should stop"
)]

#[path = "wycheproof/corpus.rs"]
#[allow(dead_code, reason = "the other test asks more")]
mod corpus;
#[path = "wycheproof/stand_in.rs"]
mod stand_in;

use std::cell::Cell;

use corpus::{Group, due};
use tenantgate::authorizer::jwt::host_crypto::{self, HostCryptoError};
use tenantgate::authorizer::jwt::verify_signature;

thread_local! {
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

fn host(request: &[u8]) -> Result<Option<Vec<u8>>, HostCryptoError> {
    CALLS.set(CALLS.get() + 1);
    stand_in::verify_signature(request)
}

fn verdicts(groups: &[Group]) -> Vec<bool> {
    let mut verdicts = Vec::new();
    for group in groups {
        let keys = group.key_set().unwrap();
        let key = keys.keys().next().unwrap();
        verdicts.extend(group.cases.iter().map(|case| {
            verify_signature(group.algorithm, key, &case.message, &case.signature).is_ok()
        }));
    }
    verdicts
}

#[test]
fn sig_04_and_11_the_host_and_rust_give_one_verdict_on_every_vector() {
    for (what, groups, on_the_host) in [
        ("PKCS#1", corpus::rsa_pkcs1(), true),
        ("ECDSA", corpus::ecdsa(), true),
        ("PSS", corpus::rsa_pss(), false),
        ("Ed25519", corpus::ed25519(), false),
    ] {
        let groups = &groups;
        let (by_the_host, calls) = std::thread::scope(|scope| {
            let vm = scope.spawn(|| {
                host_crypto::install(host);
                (verdicts(groups), CALLS.get())
            });
            vm.join().unwrap()
        });
        let by_rust = std::thread::scope(|scope| {
            let vm = scope.spawn(|| {
                let verdicts = verdicts(groups);
                assert_eq!(CALLS.get(), 0);
                verdicts
            });
            vm.join().unwrap()
        });
        let due: Vec<_> = groups
            .iter()
            .flat_map(|group| group.cases.iter().map(|case| due(group, case)))
            .collect();
        assert_eq!(by_the_host, by_rust, "{what}");
        assert_eq!(by_the_host, due, "{what}");
        // Whatever held was asked of the host, if the host can do it; what had the wrong length was not.
        let held = by_the_host.iter().filter(|held| **held).count();
        assert!(
            if on_the_host {
                calls >= held && calls > 0
            } else {
                calls == 0
            },
            "{what}: {calls}"
        );
    }
}
