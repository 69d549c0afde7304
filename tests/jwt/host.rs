//! SIG-10, TOK-06 and TOK-08 at the host's door: what it is asked, and what its answers mean.

use std::cell::{Cell, RefCell};

use old_rsa::pkcs8::EncodePublicKey as _;
use prost::Message as _;
use serde_json::json;
use tenantgate::authorizer::jwt::host_crypto::{HostCryptoError, install};
use tenantgate::authorizer::jwt::{Algorithm, verify_signature};

use crate::key_set;
use crate::stand_in::{self, VerifySignature};
use crate::tokens::Key;

const MESSAGE: &[u8] = b"header.claims";
const ON_THE_HOST: [(Key, Algorithm, &str); 5] = [
    (Key::R1, Algorithm::RS256, "RS256"),
    (Key::R1, Algorithm::RS384, "RS384"),
    (Key::R1, Algorithm::RS512, "RS512"),
    (Key::E1, Algorithm::ES256, "ES256"),
    (Key::E3, Algorithm::ES384, "ES384"),
];
const NEVER_ON_THE_HOST: [(Key, Algorithm, &str); 4] = [
    (Key::R1, Algorithm::PS256, "PS256"),
    (Key::R1, Algorithm::PS384, "PS384"),
    (Key::R1, Algorithm::PS512, "PS512"),
    (Key::D1, Algorithm::EdDSA, "EdDSA"),
];

type Answer = Result<Option<Vec<u8>>, HostCryptoError>;

thread_local! {
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
    static ASKED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static CALLS: Cell<usize> = const { Cell::new(0) };
}

/// Answers as the test says, else truthfully.
fn host(request: &[u8]) -> Answer {
    ASKED.with_borrow_mut(|asked| asked.push(request.to_vec()));
    CALLS.set(CALLS.get() + 1);
    ANSWER
        .with_borrow(Clone::clone)
        .unwrap_or_else(|| stand_in::verify_signature(request))
}

fn answering(answer: Answer) {
    ANSWER.set(Some(answer));
}

/// A VM has its thread and its memory to itself.
fn in_a_vm(test: impl FnOnce() + Send) {
    std::thread::scope(|scope| {
        let vm = scope.spawn(test);
        if let Err(panic) = vm.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn holds(key: Key, algorithm: Algorithm, signature: &[u8]) -> bool {
    let (keys, _) = key_set(&json!({ "keys": [key.jwk()] }));
    let key = keys.keys().next().unwrap();
    verify_signature(algorithm, key, MESSAGE, signature).is_ok()
}

#[test]
fn the_host_is_asked_in_its_own_terms() {
    in_a_vm(|| {
        install(host);
        for (key, algorithm, alg) in ON_THE_HOST {
            let signature = key.sign(alg, MESSAGE);
            assert!(holds(key, algorithm, &signature), "{alg}");
            let asked = ASKED.take().pop().unwrap();
            let asked = VerifySignature::decode(asked.as_slice()).unwrap();
            let hash = format!("sha{}", &alg[2..]);
            let (public_key, signature) = match key {
                Key::E1 => (
                    old_p256::PublicKey::from(key.p256().verifying_key()).to_public_key_der(),
                    old_p256::ecdsa::Signature::from_slice(&signature)
                        .unwrap()
                        .to_der()
                        .as_bytes()
                        .to_vec(),
                ),
                Key::E3 => (
                    old_p384::PublicKey::from(key.p384().verifying_key()).to_public_key_der(),
                    old_p384::ecdsa::Signature::from_slice(&signature)
                        .unwrap()
                        .to_der()
                        .as_bytes()
                        .to_vec(),
                ),
                _ => (key.rsa().to_public_key().to_public_key_der(), signature),
            };
            let public_key = public_key.unwrap().to_vec();
            let expected = VerifySignature {
                hash_function: hash,
                public_key,
                signature,
                text: MESSAGE.into(),
            };
            assert_eq!(asked, expected, "{alg}");
        }
    });
}

#[test]
fn a_signature_that_the_host_calls_wrong_is_wrong() {
    in_a_vm(|| {
        install(host);
        for (key, algorithm, alg) in ON_THE_HOST {
            let mut signature = key.sign(alg, MESSAGE);
            assert!(holds(key, algorithm, &signature));
            *signature.last_mut().unwrap() ^= 1;
            assert!(!holds(key, algorithm, &signature));
        }
        assert_eq!(CALLS.get(), 2 * ON_THE_HOST.len());
    });
}

#[test]
fn sig_10_only_one_answer_means_yes_and_no_other_is_asked_elsewhere() {
    in_a_vm(|| {
        install(host);
        let mut asked = 0;
        for (key, algorithm, alg) in ON_THE_HOST {
            let good = key.sign(alg, MESSAGE);
            answering(Ok(Some(vec![8, 1])));
            assert!(holds(key, algorithm, &good));
            asked += 1;
            for answer in [
                Ok(None),
                Ok(Some(vec![])),
                Ok(Some(vec![8])),
                Ok(Some(vec![8, 0])),
                Ok(Some(vec![8, 2])),
                Ok(Some(vec![8, 0x81, 0])),
                Ok(Some(vec![8, 1, 8, 0])),
                Ok(Some(vec![8, 0, 8, 1])),
                Ok(Some(vec![8, 1, 0x12, 1, b'x'])),
                Ok(Some(vec![0x12, 1, b'x'])),
                Ok(Some(vec![0x10, 1])),
                Ok(Some(vec![1])),
                Ok(Some(b"true".to_vec())),
                Ok(Some(vec![0xff; 64])),
                Err(HostCryptoError::Failed),
            ] {
                answering(answer.clone());
                // The signature is good, so the Rust path would say yes.
                assert!(!holds(key, algorithm, &good), "{alg} {answer:?}");
                asked += 1;
                assert_eq!(CALLS.get(), asked, "{alg} {answer:?}");
            }
        }
    });
}

#[test]
fn sig_10_a_host_without_the_function_is_asked_once_in_the_life_of_a_vm() {
    in_a_vm(|| {
        install(host);
        answering(Err(HostCryptoError::Missing));
        for (key, algorithm, alg) in ON_THE_HOST {
            let mut signature = key.sign(alg, MESSAGE);
            assert!(holds(key, algorithm, &signature), "{alg}");
            signature[9] ^= 1;
            assert!(!holds(key, algorithm, &signature), "{alg}");
            // A new configuration installs it again.
            install(host);
        }
        assert_eq!(CALLS.get(), 1);
    });
}

#[test]
fn what_the_host_cannot_do_it_is_not_asked() {
    in_a_vm(|| {
        install(host);
        answering(Ok(Some(vec![8, 1])));
        for (key, algorithm, alg) in NEVER_ON_THE_HOST {
            let mut signature = key.sign(alg, MESSAGE);
            assert!(holds(key, algorithm, &signature), "{alg}");
            signature[9] ^= 1;
            assert!(!holds(key, algorithm, &signature), "{alg}");
        }
        assert_eq!(CALLS.get(), 0);
    });
}

#[test]
fn sig_01_numbers_out_of_range_do_not_reach_the_host() {
    in_a_vm(|| {
        install(host);
        answering(Ok(Some(vec![8, 1])));
        for (key, algorithm, bytes) in [
            (Key::E1, Algorithm::ES256, 64),
            (Key::E3, Algorithm::ES384, 96),
        ] {
            for signature in [
                vec![0; bytes],
                vec![0xff; bytes],
                vec![1; bytes - 1],
                vec![1; bytes + 1],
                vec![],
            ] {
                assert!(!holds(key, algorithm, &signature));
            }
        }
        assert_eq!(CALLS.get(), 0);
    });
}

#[test]
fn tok_06_a_key_of_another_kind_does_not_reach_the_host() {
    in_a_vm(|| {
        install(host);
        answering(Ok(Some(vec![8, 1])));
        for (key, algorithm) in [
            (Key::E1, Algorithm::RS256),
            (Key::D1, Algorithm::RS256),
            (Key::R1, Algorithm::ES256),
            (Key::E3, Algorithm::ES256),
            (Key::E1, Algorithm::ES384),
            (Key::D1, Algorithm::ES384),
        ] {
            for length in [64, 96, 256] {
                let held = holds(key, algorithm, &[7; 256][..length]);
                assert!(!held, "{key:?} {algorithm:?}");
            }
        }
        assert_eq!(CALLS.get(), 0);
    });
}

#[test]
fn without_a_host_rust_does_the_work() {
    in_a_vm(|| {
        for (key, algorithm, alg) in ON_THE_HOST {
            assert!(holds(key, algorithm, &key.sign(alg, MESSAGE)), "{alg}");
        }
        assert_eq!(CALLS.get(), 0);
    });
}
