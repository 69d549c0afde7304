//! JWK Sets: one bad entry never spoils a good one, no weak key is ever accepted, and a key has the name that others give it.
//!
//! The input: a byte, then a whole document (if it is even) or entries, one a line, that stand beside a good one.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use old_rsa::traits::PublicKeyParts as _;
use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{KeySet, MAX_KEYS, NotAKeySet};
use tenantgate_fuzz::input::lines;
use tenantgate_fuzz::tokens::{Key, from_base64};

/// Enough beside a good one; a document of any number is the other half's matter.
const ENTRIES: usize = 6;

static GOOD: LazyLock<String> = LazyLock::new(|| Key::D1.jwk().to_string());

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((kind, document)) if kind % 2 == 0 => whole(document),
        Some((_, entries)) => beside_a_good_one(entries),
        None => {}
    }
});

fn whole(document: &[u8]) {
    match KeySet::parse(document) {
        Ok((keys, skipped)) => {
            let entries = serde_json::from_slice::<Value>(document).ok();
            let entries = entries
                .as_ref()
                .and_then(|document| document["keys"].as_array());
            if let Some(entries) = entries {
                assert_eq!(keys.len() + skipped.len(), entries.len());
            }
            assert!((1..=MAX_KEYS).contains(&keys.len()));
            assert_eq!(keys.len(), keys.keys().count());
        }
        Err(NotAKeySet::NoUsableKey(skipped)) => assert!(skipped.len() <= MAX_KEYS),
        Err(_) => {}
    }
}

fn beside_a_good_one(input: &[u8]) {
    let entries: Vec<&str> = lines(input)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter(|line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_ok())
        .take(ENTRIES)
        .collect();
    let written = [&[GOOD.as_str()], entries.as_slice()].concat().join(",");
    let (all, skipped) = KeySet::parse(format!(r#"{{"keys":[{written}]}}"#).as_bytes())
        .expect("the good one is there");
    assert!(all.knows("d1"), "the good one is spoilt");

    let (mut kept, mut left_out) = (1, Vec::new());
    for (index, entry) in entries.iter().enumerate() {
        let alone = KeySet::parse(format!(r#"{{"keys":[{entry}]}}"#).as_bytes());
        match &alone {
            Ok((keys, _)) => {
                let key = keys.keys().next().expect("the only one");
                assert!(all.contains(key.fingerprint()), "it was spoilt by another");
                is_strong(
                    &serde_json::from_str(entry).expect("JSON"),
                    &key.fingerprint().to_string(),
                );
                kept += 1;
            }
            Err(_) => left_out.push(index + 1),
        }
    }
    assert_eq!(all.len(), kept);
    assert_eq!(
        skipped.iter().map(|key| key.position).collect::<Vec<_>>(),
        left_out
    );
}

/// What RFC 7517, RFC 7518 and RFC 8725 ask of a key, by the word of other libraries.
fn is_strong(jwk: &Value, fingerprint: &str) {
    let text = |name: &str| jwk[name].as_str().unwrap_or_default();
    let octets = |name: &str| from_base64(text(name));
    for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        assert!(jwk.get(private).is_none(), "{private} is published");
    }
    assert!(matches!(text("use"), "" | "sig"));
    if let Some(operations) = jwk.get("key_ops") {
        assert!(
            operations
                .as_array()
                .expect("a list")
                .contains(&json!("verify"))
        );
    }
    // The numbers of RSA may have zeros in front, of which the name knows nothing.
    let number = |name: &str| {
        let octets = octets(name);
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        tenantgate_fuzz::tokens::base64(&octets[zeros..])
    };
    let bare = match text("kty") {
        "RSA" => json!({"kty": "RSA", "n": number("n"), "e": number("e")}),
        "EC" => json!({"kty": "EC", "crv": text("crv"), "x": text("x"), "y": text("y")}),
        _ => json!({"kty": "OKP", "crv": text("crv"), "x": text("x")}),
    };
    match (text("kty"), text("crv")) {
        ("RSA", _) => {
            let unsigned = |name| old_rsa::BigUint::from_bytes_be(&octets(name));
            let key = old_rsa::RsaPublicKey::new(unsigned("n"), unsigned("e")).expect("a key");
            assert!((2048..=4096).contains(&key.n().bits()) && key.e() > &2_u8.into());
            assert!(matches!(
                text("alg"),
                "" | "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512"
            ));
        }
        ("EC", "P-256") => {
            let point = [&[4], octets("x").as_slice(), octets("y").as_slice()].concat();
            old_p256::PublicKey::from_sec1_bytes(&point).expect("a point of the curve");
            assert!(matches!(text("alg"), "" | "ES256"));
        }
        ("EC", "P-384") => {
            let point = [&[4], octets("x").as_slice(), octets("y").as_slice()].concat();
            old_p384::PublicKey::from_sec1_bytes(&point).expect("a point of the curve");
            assert!(matches!(text("alg"), "" | "ES384"));
        }
        ("OKP", "Ed25519") => {
            let point = octets("x").try_into().expect("32 bytes");
            let key =
                old_ed25519_dalek::VerifyingKey::from_bytes(&point).expect("a point of the curve");
            assert!(!key.is_weak());
            assert!(matches!(text("alg"), "" | "EdDSA" | "Ed25519"));
        }
        other => panic!("a key of type {other:?}"),
    }
    // RFC 7638. The other library writes down none for Ed25519.
    let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(bare).expect("a JWK");
    if let Ok(theirs) = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256) {
        assert_eq!(fingerprint, theirs);
    }
}
