//! KEY: the JWK Set as a document.

use serde_json::json;
use tenantgate::authorizer::jwt::{
    Cause, Jws, KeySet, MAX_KEY_SET_BYTES, MAX_KEYS, NotAKeySet, Refusal, verify,
};
use tenantgate::json::NotStrictJson;

use crate::tokens::{Key, TRUSTED, Token, decoys, jwks};
use crate::{judge, key_set, now};

fn refusal(document: impl AsRef<[u8]>) -> NotAKeySet {
    KeySet::parse(document.as_ref()).unwrap_err()
}

#[test]
fn key_08_a_set_full_of_decoys_still_serves_its_good_keys() {
    let (keys, skipped) = key_set(&jwks(&TRUSTED));
    assert_eq!(keys.len(), TRUSTED.len());
    let positions: Vec<_> = skipped.iter().map(|entry| entry.position).collect();
    assert_eq!(positions, (0..decoys().len()).collect::<Vec<_>>());
    for key in TRUSTED {
        assert!(keys.knows(key.kid()));
    }
    // A token for each decoy, signed as well as possible.
    for (kid, signer) in [
        ("pq", Key::R1),
        ("x", Key::R1),
        ("k1c", Key::E1),
        ("short", Key::D1),
        ("secret", Key::R1),
        ("7", Key::R1),
        ("enc", Key::R1),
        ("small", Key::Small),
        ("e1exp", Key::R1),
    ] {
        let token = Token::good()
            .key(signer)
            .header("kid", kid)
            .header("alg", "RS256")
            .sign(now());
        judge().refuses_as(kid, token, Refusal::UnknownKey);
    }
    judge().admits(Token::good().sign(now()));
}

#[test]
fn key_11_what_is_not_a_key_set_is_refused() {
    for (document, why) in [
        ("[]", NotAKeySet::NotJson(NotStrictJson::NotAnObject)),
        ("null", NotAKeySet::NotJson(NotStrictJson::NotAnObject)),
        (r#""keys""#, NotAKeySet::NotJson(NotStrictJson::NotAnObject)),
        ("{}", NotAKeySet::NoKeys),
        (r#"{"Keys":[]}"#, NotAKeySet::NoKeys),
        (r#"{"keys":{}}"#, NotAKeySet::NoKeys),
        (r#"{"keys":null}"#, NotAKeySet::NoKeys),
        (r#"{"keys":"[]"}"#, NotAKeySet::NoKeys),
        (r#"{"keys":[]}"#, NotAKeySet::NoUsableKey(vec![])),
    ] {
        assert_eq!(refusal(document), why, "{document}");
    }
    let good = json!({"keys": [Key::R1.jwk()]}).to_string();
    assert!(KeySet::parse(good.as_bytes()).is_ok());
    let truncated = &good[..good.len() - 1];
    for document in [
        b"<!doctype html><title>Sign in</title>".to_vec(),
        b"".to_vec(),
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec(),
        truncated.into(),
        format!("\u{feff}{good}").into(),
        format!("{good}{good}").into(),
        good.replacen('{', "{\"keys\":[],", 1).into(),
        good.replacen('{', "{\"a\":1,\"\\u0061\":2,", 1).into(),
        good.replacen('{', "{\"a\":\"\u{1}\",", 1).into(),
        [good.as_bytes(), b"\xff"].concat(),
    ] {
        let why = refusal(&document);
        assert!(
            matches!(why, NotAKeySet::NotJson(_)),
            "{}: {why}",
            String::from_utf8_lossy(&document)
        );
    }
    assert!(KeySet::parse(format!(" \r\n\t{good}\n").as_bytes()).is_ok());
    assert!(
        KeySet::parse(
            good.replacen('{', "{\"issuer\":\"https://idp.test\",", 1)
                .as_bytes()
        )
        .is_ok()
    );
}

#[test]
fn key_12_a_set_has_a_bounded_size() {
    let good = json!({"keys": [Key::R1.jwk()]}).to_string();
    let filled = format!("{good}{}", " ".repeat(MAX_KEY_SET_BYTES - good.len()));
    assert!(KeySet::parse(filled.as_bytes()).is_ok());
    assert_eq!(refusal(format!("{filled} ")), NotAKeySet::TooLong);
    let of = |count: usize| json!({"keys": vec![Key::E1.jwk(); count]}).to_string();
    assert!(KeySet::parse(of(MAX_KEYS).as_bytes()).is_ok());
    assert_eq!(refusal(of(MAX_KEYS + 1)), NotAKeySet::TooManyKeys);
    let nulls = format!(r#"{{"keys":[{}null]}}"#, "null,".repeat(40_000));
    assert_eq!(refusal(nulls), NotAKeySet::TooManyKeys);
}

#[test]
fn key_12_a_deeply_nested_entry_costs_only_itself() {
    let nested = format!(
        r#"{{"kty":"RSA","x":{}{}}}"#,
        "[".repeat(20_000),
        "]".repeat(20_000)
    );
    let document = format!(r#"{{"keys":[{nested},{}]}}"#, Key::R1.jwk());
    let (keys, skipped) = KeySet::parse(document.as_bytes()).unwrap();
    assert_eq!((keys.len(), skipped.len()), (1, 1));
}

#[test]
fn key_15_and_tok_26_a_verified_token_remembers_whose_signature_it_had() {
    let claims = judge().admits(Token::good().sign(now()));
    let (with_r1, _) = key_set(&jwks(&[Key::R1, Key::R2]));
    let (without_r1, _) = key_set(&jwks(&[Key::R2]));
    assert!(with_r1.contains(claims.signed_by()));
    assert!(!without_r1.contains(claims.signed_by()));
}

#[test]
fn key_21_a_kid_that_nobody_knows_asks_for_newer_keys_and_nothing_else_does() {
    let verdict = |token: &Token| {
        let token = token.sign(now());
        let (keys, _) = key_set(&jwks(&[Key::R1]));
        verify(
            &Jws::parse(token.as_bytes()).unwrap(),
            &keys,
            &judge().rules,
            now(),
        )
        .unwrap_err()
    };
    let rotated = Token::good().key(Key::R2);
    assert_eq!(verdict(&rotated), Refusal::UnknownKey);
    // Not worth a fetch: no key could make these good.
    assert_eq!(
        verdict(&rotated.clone().alg("PS256")),
        Refusal::Invalid(Cause::AlgorithmNotAllowed)
    );
    assert_eq!(
        verdict(&Token::good().header("alg", "none")),
        Refusal::Invalid(Cause::AlgorithmNotAllowed)
    );
}

#[test]
fn a_set_without_one_usable_key_is_no_set() {
    let document = json!({"keys": [Key::Small.jwk()]}).to_string();
    let Err(NotAKeySet::NoUsableKey(skipped)) = KeySet::parse(document.as_bytes()) else {
        panic!("a key was used")
    };
    assert_eq!(skipped.len(), 1);
}
