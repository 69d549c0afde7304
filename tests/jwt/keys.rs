//! KEY: single entries of a set, each beside a good one that must go on working.

use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{Algorithm, KeySet, Refusal, UnusableKey};
use tenantgate::json::NotStrictJson;

use crate::tokens::{Key, Token, base64, from_base64, with, without};
use crate::{judge, key_set, now};

/// Puts the entry beside r1 and says why it was left out. r1 must still work.
#[track_caller]
pub fn why_skipped(entry: &str) -> UnusableKey {
    let document = format!(r#"{{"keys":[{entry},{}]}}"#, Key::R1.jwk());
    let (keys, skipped) = KeySet::parse(document.as_bytes()).unwrap();
    assert_eq!(keys.len(), 1, "{entry}");
    assert_eq!(skipped[0].position, 0);
    assert!(keys.knows("r1"));
    skipped[0].why
}

#[track_caller]
pub fn is_used(entry: &Value) {
    let (keys, skipped) = key_set(&json!({"keys": [entry]}));
    assert_eq!((keys.len(), skipped), (1, vec![]), "{entry}");
}

pub fn rsa(n: &[u8], e: &[u8]) -> String {
    json!({"kty": "RSA", "kid": "x", "n": base64(n), "e": base64(e)}).to_string()
}

#[test]
fn key_01_and_02_weak_and_huge_rsa_keys_are_skipped() {
    let n = from_base64(Key::R1.bare_jwk()["n"].as_str().unwrap());
    let odd = |bytes: usize| [vec![0x80], vec![0; bytes - 2], vec![1]].concat();
    let just_below = [vec![0x7f], vec![0xff; 255]].concat();
    let just_above = [vec![1], vec![0; 511], vec![1]].concat();
    let even = [&n[..255], &[n[255] & 0xfe]].concat();
    for (what, n, e, why) in [
        ("512 bits", odd(64), vec![1, 0, 1], UnusableKey::RsaSize),
        ("1024 bits", odd(128), vec![1, 0, 1], UnusableKey::RsaSize),
        ("2047 bits", just_below, vec![1, 0, 1], UnusableKey::RsaSize),
        ("4097 bits", just_above, vec![1, 0, 1], UnusableKey::RsaSize),
        ("8192 bits", odd(1024), vec![1, 0, 1], UnusableKey::RsaSize),
        ("16384 bits", odd(2048), vec![1, 0, 1], UnusableKey::RsaSize),
        ("n = 0", vec![0; 256], vec![1, 0, 1], UnusableKey::RsaSize),
        ("no n", vec![], vec![1, 0, 1], UnusableKey::RsaSize),
        ("even n", even, vec![1, 0, 1], UnusableKey::RsaModulusEven),
        ("e = 0", n.clone(), vec![0], UnusableKey::RsaExponent),
        ("no e", n.clone(), vec![], UnusableKey::RsaExponent),
        ("e = 1", n.clone(), vec![1], UnusableKey::RsaExponent),
        ("e = 2", n.clone(), vec![2], UnusableKey::RsaExponent),
        ("even e", n.clone(), vec![1, 0, 0], UnusableKey::RsaExponent),
        (
            "e = 2^32 + 3",
            n.clone(),
            vec![1, 0, 0, 0, 3],
            UnusableKey::RsaExponent,
        ),
    ] {
        assert_eq!(why_skipped(&rsa(&n, &e)), why, "{what}");
    }
    let modulus_4096 = odd(512);
    for e in [vec![3], vec![1, 0, 1], vec![0xff; 4]] {
        is_used(&serde_json::from_str(&rsa(&n, &e)).unwrap());
        is_used(&serde_json::from_str(&rsa(&modulus_4096, &e)).unwrap());
    }
    assert_eq!(
        why_skipped(&Key::Small.jwk().to_string()),
        UnusableKey::RsaSize
    );
}

#[test]
fn key_01_a_zero_octet_before_the_modulus_changes_nothing() {
    let n = from_base64(Key::R1.bare_jwk()["n"].as_str().unwrap());
    let padded = with(
        Key::R1.jwk(),
        json!({"n": base64(&[&[0], n.as_slice()].concat())}),
    );
    judge()
        .trusting_only(std::slice::from_ref(&padded))
        .admits(Token::good().sign(now()));
    let (plain, _) = key_set(&json!({"keys": [Key::R1.jwk()]}));
    let (padded, _) = key_set(&json!({"keys": [padded]}));
    assert!(padded.contains(plain.keys().next().unwrap().fingerprint()));
}

#[test]
fn key_04_and_tok_07_bad_points_are_skipped() {
    let e1 = Key::E1.bare_jwk();
    let e3 = Key::E3.bare_jwk();
    is_used(&e1);
    is_used(&e3);
    let x = from_base64(e1["x"].as_str().unwrap());
    let mut moved = x.clone();
    moved[31] ^= 1;
    for (what, entry, why) in [
        (
            "off the curve",
            with(e1.clone(), json!({"x": base64(&moved)})),
            UnusableKey::NotOnCurve,
        ),
        (
            "(0, 0)",
            with(
                e1.clone(),
                json!({"x": base64(&[0; 32]), "y": base64(&[0; 32])}),
            ),
            UnusableKey::NotOnCurve,
        ),
        (
            "x above the field",
            with(e1.clone(), json!({"x": base64(&[0xff; 32])})),
            UnusableKey::NotOnCurve,
        ),
        (
            "short",
            with(e1.clone(), json!({"x": base64(&x[..31])})),
            UnusableKey::CoordinateLength,
        ),
        (
            "long",
            with(
                e1.clone(),
                json!({"x": base64(&[&[0], x.as_slice()].concat())}),
            ),
            UnusableKey::CoordinateLength,
        ),
        (
            "empty",
            with(e1.clone(), json!({"x": ""})),
            UnusableKey::CoordinateLength,
        ),
        (
            "crv lies",
            with(e1.clone(), json!({"crv": "P-384"})),
            UnusableKey::CoordinateLength,
        ),
        (
            "crv lies",
            with(e3, json!({"crv": "P-256"})),
            UnusableKey::CoordinateLength,
        ),
        (
            "secp256k1",
            with(e1.clone(), json!({"crv": "secp256k1"})),
            UnusableKey::OtherCurve,
        ),
        (
            "P-521",
            with(e1.clone(), json!({"crv": "P-521"})),
            UnusableKey::OtherCurve,
        ),
        (
            "no crv",
            without(e1.clone(), "crv"),
            UnusableKey::Missing("crv"),
        ),
        ("no y", without(e1.clone(), "y"), UnusableKey::Missing("y")),
        (
            "Ed25519 of another type",
            with(e1, json!({"crv": "Ed25519"})),
            UnusableKey::OtherCurve,
        ),
    ] {
        assert_eq!(why_skipped(&entry.to_string()), why, "{what}");
    }
}

#[test]
fn key_05_an_ed25519_key_has_32_bytes() {
    let d1 = Key::D1.jwk();
    let x = from_base64(d1["x"].as_str().unwrap());
    let judge = judge().allowing(&[Algorithm::EdDSA]);
    for length in (0..=64).filter(|length| *length != 32) {
        let other = with(d1.clone(), json!({"x": base64(&x.repeat(2)[..length])}));
        assert_eq!(
            why_skipped(&other.to_string()),
            UnusableKey::CoordinateLength,
            "{length}"
        );
        // And whoever names it meets no panic.
        let keys = [other, Key::R1.jwk()];
        judge
            .clone()
            .trusting_only(&keys)
            .refuses(Token::good().key(Key::D1).sign(now()), Refusal::UnknownKey);
    }
    judge
        .trusting_only(std::slice::from_ref(&d1))
        .admits(Token::good().key(Key::D1).sign(now()));
    for crv in ["X25519", "Ed448", "ed25519"] {
        assert_eq!(
            why_skipped(&with(d1.clone(), json!({"crv": crv})).to_string()),
            UnusableKey::OtherCurve
        );
    }
}

#[test]
fn sig_08_points_of_low_order_and_with_two_names_are_skipped() {
    // The eight points of low order (RFC 7748 section 6.1 has their other form): 0, 1, -1, and two more, with the sign.
    let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
    let order_8_too = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05";
    let hex = |text: &str| -> Vec<u8> {
        (0..32)
            .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    };
    let mut one = vec![0; 32];
    one[0] = 1;
    let mut minus_one = vec![0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let mut points = vec![vec![0; 32], one, minus_one, hex(order_8), hex(order_8_too)];
    for index in 0..points.len() {
        let mut negative = points[index].clone();
        negative[31] |= 0x80;
        points.push(negative);
    }
    for point in points {
        let entry = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&point)}).to_string();
        let why = why_skipped(&entry);
        assert!(
            matches!(why, UnusableKey::LowOrder | UnusableKey::NotOnCurve),
            "{entry}: {why}"
        );
    }
    // y = p + 3 is y = 3 again. It is a point, of high order, and has a name already.
    let mut three = vec![0; 32];
    three[0] = 3;
    is_used(&json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&three)}));
    let mut three_again = vec![0xff; 32];
    three_again[0] = 0xf0;
    three_again[31] = 0x7f;
    let entry = json!({"kty": "OKP", "crv": "Ed25519", "x": base64(&three_again)}).to_string();
    assert_eq!(why_skipped(&entry), UnusableKey::NotOnCurve);
}

#[test]
fn key_06_secrets_in_a_public_set_are_skipped() {
    assert_eq!(
        why_skipped(r#"{"kty":"oct","kid":"r1","k":"AAAA","alg":"HS256"}"#),
        UnusableKey::Symmetric
    );
    for key in [Key::R2, Key::E1, Key::D1] {
        is_used(&key.jwk());
        for member in ["d", "p", "oth", "k"] {
            let entry = with(key.jwk(), json!({member: "AQAB"})).to_string();
            assert_eq!(
                why_skipped(&entry),
                UnusableKey::PrivatePartPublished,
                "{entry}"
            );
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn key_08_unknown_and_malformed_neighbours_are_skipped() {
    let r2 = Key::R2.jwk();
    for (entry, why) in [
        (
            "null".to_owned(),
            UnusableKey::NotJson(NotStrictJson::NotAnObject),
        ),
        (
            "[]".to_owned(),
            UnusableKey::NotJson(NotStrictJson::NotAnObject),
        ),
        (
            r#""r1""#.to_owned(),
            UnusableKey::NotJson(NotStrictJson::NotAnObject),
        ),
        ("{}".to_owned(), UnusableKey::Missing("kty")),
        (
            with(r2.clone(), json!({"kty": 7})).to_string(),
            UnusableKey::WrongType("kty"),
        ),
        (
            with(r2.clone(), json!({"kty": "rsa"})).to_string(),
            UnusableKey::OtherType,
        ),
        (
            r#"{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AAAA"}"#.to_owned(),
            UnusableKey::OtherType,
        ),
        (
            with(r2.clone(), json!({"kid": 7})).to_string(),
            UnusableKey::WrongType("kid"),
        ),
        (
            with(r2.clone(), json!({"kid": null})).to_string(),
            UnusableKey::WrongType("kid"),
        ),
        (
            with(r2.clone(), json!({"use": 7})).to_string(),
            UnusableKey::WrongType("use"),
        ),
        (
            with(r2.clone(), json!({"alg": 7})).to_string(),
            UnusableKey::WrongType("alg"),
        ),
        (
            with(r2.clone(), json!({"alg": "RSA-OAEP"})).to_string(),
            UnusableKey::OtherAlgorithm,
        ),
        (
            with(r2.clone(), json!({"alg": "ES256"})).to_string(),
            UnusableKey::OtherAlgorithm,
        ),
        (
            with(r2.clone(), json!({"alg": "HS256"})).to_string(),
            UnusableKey::OtherAlgorithm,
        ),
        (
            with(r2.clone(), json!({"key_ops": "verify"})).to_string(),
            UnusableKey::WrongType("key_ops"),
        ),
        (
            with(r2.clone(), json!({"key_ops": ["verify", 7]})).to_string(),
            UnusableKey::WrongType("key_ops"),
        ),
        (
            without(r2.clone(), "e").to_string(),
            UnusableKey::Missing("e"),
        ),
        (
            with(r2.clone(), json!({"n": 7})).to_string(),
            UnusableKey::WrongType("n"),
        ),
        (
            with(r2.clone(), json!({"e": "AQAB="})).to_string(),
            UnusableKey::NotBase64Url("e"),
        ),
        (
            with(r2.clone(), json!({"e": "AQ+B"})).to_string(),
            UnusableKey::NotBase64Url("e"),
        ),
        (
            with(r2.clone(), json!({"e": "A Q"})).to_string(),
            UnusableKey::NotBase64Url("e"),
        ),
    ] {
        assert_eq!(why_skipped(&entry), why, "{entry}");
    }
    let twice = r2.to_string().replacen('{', r#"{"kid":"r2","#, 1);
    let why = why_skipped(&twice);
    assert!(
        matches!(
            why,
            UnusableKey::NotJson(NotStrictJson::DuplicateMember { .. })
        ),
        "{why}"
    );
    let surrogate = r2.to_string().replacen('{', r#"{"x":"\ud800","#, 1);
    let why = why_skipped(&surrogate);
    assert!(
        matches!(why, UnusableKey::NotJson(NotStrictJson::Syntax { .. })),
        "{why}"
    );
    is_used(&r2);
    is_used(&with(
        r2,
        json!({"x5c": "a", "x5t": 7, "whatever": null, "ext": true}),
    ));
}

#[test]
fn key_09_keys_for_another_purpose_are_skipped() {
    let r2 = Key::R2.jwk();
    for purpose in [
        json!({"use": "enc"}),
        json!({"use": ""}),
        json!({"use": "SIG"}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": []}),
        json!({"use": "sig", "key_ops": ["encrypt"]}),
        json!({"use": "enc", "key_ops": ["verify"]}),
    ] {
        let entry = with(r2.clone(), purpose).to_string();
        assert_eq!(why_skipped(&entry), UnusableKey::OtherPurpose, "{entry}");
    }
    is_used(&without(r2.clone(), "use"));
    is_used(&with(r2.clone(), json!({"key_ops": ["verify"]})));
    is_used(&with(r2, json!({"key_ops": ["sign", "verify"]})));
}

#[test]
fn key_10_certificates_are_ignored() {
    let certificate = json!(["MIIBszCCAVmgAwIBAgIUe3"]);
    let only = json!({"kty": "RSA", "kid": "x", "x5c": certificate}).to_string();
    assert_eq!(why_skipped(&only), UnusableKey::Missing("n"));
    let contradicting = with(Key::R1.jwk(), json!({"x5c": certificate}));
    judge()
        .trusting_only(&[contradicting])
        .admits(Token::good().sign(now()));
}
