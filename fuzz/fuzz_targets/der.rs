//! What the host is handed to verify: keys and signatures in DER, read back by libraries of another generation.
//!
//! The input: a byte that says what the rest is. A signature by P-256 or P-384 as JOSE writes it, or in DER; an RSA modulus
//! behind an exponent of four bytes; the secret of an elliptic key.

#![no_main]

#[path = "../../tests/wycheproof/stand_in.rs"]
mod stand_in;

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use old_p256::elliptic_curve::sec1::ToEncodedPoint as _;
use old_rsa::pkcs8::DecodePublicKey as _;
use old_rsa::traits::PublicKeyParts as _;
use prost::Message as _;
use serde_json::{Value, json};
use signature::Verifier as _;
use stand_in::VerifySignature;
use tenantgate::authorizer::jwt::host_crypto::{self, HostCryptoError};
use tenantgate::authorizer::jwt::{Algorithm, KeySet, verify_signature};
use tenantgate_fuzz::tokens::{Key, base64};

const MESSAGE: &[u8] = b"a message";

thread_local! {
    /// What the host was asked last.
    static ASKED: RefCell<Option<VerifySignature>> = const { RefCell::new(None) };
}

fn host(request: &[u8]) -> Result<Option<Vec<u8>>, HostCryptoError> {
    let asked = VerifySignature::decode(request).expect("the message that the host reads");
    ASKED.set(Some(asked));
    stand_in::verify_signature(request)
}

fuzz_target!(|input: &[u8]| {
    let Some((what, rest)) = input.split_first() else {
        return;
    };
    host_crypto::install(host);
    match what % 6 {
        0 => drop(p256(rest)),
        1 => drop(p384(rest)),
        // The other direction: what somebody else wrote as DER is `r || s` again.
        2 => {
            if let Ok(signature) = old_p256::ecdsa::Signature::from_der(rest) {
                assert_eq!(
                    p256(&signature.to_vec()).as_deref(),
                    Some(rest),
                    "DER has one form"
                );
            }
        }
        3 => {
            if let Ok(signature) = old_p384::ecdsa::Signature::from_der(rest) {
                assert_eq!(
                    p384(&signature.to_vec()).as_deref(),
                    Some(rest),
                    "DER has one form"
                );
            }
        }
        4 => rsa(rest),
        _ => elliptic_key(rest),
    }
});

/// Checks a signature under a set's only key; whether it holds, and what the host was asked.
fn ask(jwk: &Value, algorithm: Algorithm, signature: &[u8]) -> (bool, Option<VerifySignature>) {
    let (keys, _) =
        KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes()).expect("a good key");
    let key = keys.keys().next().expect("the only one");
    ASKED.set(None);
    let holds = verify_signature(algorithm, key, MESSAGE, signature).is_ok();
    let asked = ASKED.take();
    if let Some(asked) = &asked {
        assert_eq!(asked.text, MESSAGE);
    }
    (holds, asked)
}

/// The signature in DER, if the host was asked.
fn p256(signature: &[u8]) -> Option<Vec<u8>> {
    let expected = old_p256::ecdsa::Signature::from_slice(signature).ok();
    let key = old_p256::ecdsa::VerifyingKey::from(&Key::E1.p256());
    let holds = expected.is_some_and(|expected| key.verify(MESSAGE, &expected).is_ok());
    let der = expected.map(|expected| expected.to_der().as_bytes().to_vec());
    elliptic(Key::E1, Algorithm::ES256, signature, holds, der)
}

/// The same on the other curve.
fn p384(signature: &[u8]) -> Option<Vec<u8>> {
    let expected = old_p384::ecdsa::Signature::from_slice(signature).ok();
    let key = old_p384::ecdsa::VerifyingKey::from(&Key::E3.p384());
    let holds = expected.is_some_and(|expected| key.verify(MESSAGE, &expected).is_ok());
    let der = expected.map(|expected| expected.to_der().as_bytes().to_vec());
    elliptic(Key::E3, Algorithm::ES384, signature, holds, der)
}

fn elliptic(
    key: Key,
    algorithm: Algorithm,
    signature: &[u8],
    expected: bool,
    der: Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let (holds, asked) = ask(&key.jwk(), algorithm, signature);
    assert_eq!(holds, expected);
    assert_eq!(asked.map(|asked| asked.signature), der);
    der
}

/// A modulus that is taken goes to the host as the number that it is.
fn rsa(input: &[u8]) {
    let Some((exponent, modulus)) = input.split_at_checked(4) else {
        return;
    };
    // Of the size that is taken: what is not is the matter of `jwks`.
    let mut modulus: Vec<u8> = modulus
        .iter()
        .copied()
        .cycle()
        .take(256 + modulus.len() % 257)
        .collect();
    if let [first, .., last] = modulus.as_mut_slice() {
        *first |= 0x80;
        *last |= 1;
    }
    let jwk = json!({"kty": "RSA", "n": base64(&modulus), "e": base64(exponent)});
    let set = KeySet::parse(json!({"keys": [jwk]}).to_string().as_bytes());
    let number = exponent
        .iter()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    assert_eq!(
        set.is_ok(),
        modulus.len() >= 256 && number > 2 && number % 2 == 1
    );
    if set.is_ok() {
        let (holds, asked) = ask(&jwk, Algorithm::RS256, &vec![0; modulus.len()]);
        assert!(!holds);
        let der = asked.expect("the host can do it").public_key;
        let key = old_rsa::RsaPublicKey::from_public_key_der(&der).expect("a key");
        assert_eq!((key.n().to_bytes_be(), key.e()), (modulus, &number.into()));
    }
}

/// A point goes to the host as the point that it is.
fn elliptic_key(input: &[u8]) {
    let point = |x: &[u8], y: &[u8], curve: &str| json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)});
    if let Ok(secret) = old_p256::SecretKey::from_slice(input) {
        let public = secret.public_key();
        let encoded = public.to_encoded_point(false);
        let jwk = point(encoded.x().expect("x"), encoded.y().expect("y"), "P-256");
        let (_, asked) = ask(&jwk, Algorithm::ES256, &[1; 64]);
        let der = asked.expect("the host can do it").public_key;
        assert_eq!(old_p256::PublicKey::from_public_key_der(&der), Ok(public));
    } else if let Ok(secret) = old_p384::SecretKey::from_slice(input) {
        let public = secret.public_key();
        let encoded = public.to_encoded_point(false);
        let jwk = point(encoded.x().expect("x"), encoded.y().expect("y"), "P-384");
        let (_, asked) = ask(&jwk, Algorithm::ES384, &[1; 96]);
        let der = asked.expect("the host can do it").public_key;
        assert_eq!(old_p384::PublicKey::from_public_key_der(&der), Ok(public));
    }
}
