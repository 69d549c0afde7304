//! KEY-07 and TOK-15: which keys a token is tried with.

use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{Algorithm, BadSignature, Cause, MAX_CANDIDATES};

use crate::tokens::{Key, Token, base64, from_base64, with};
use crate::{judge, key_set, now};

#[test]
fn key_07_keys_that_share_a_kid_are_all_tried() {
    let named_k = |key: Key| with(key.jwk(), json!({"kid": "k"}));
    let judge = judge().allowing(&[Algorithm::RS256, Algorithm::ES256]);
    for keys in [[Key::R1, Key::R2, Key::E1], [Key::E1, Key::R2, Key::R1]] {
        let judge = judge.clone().trusting_only(&keys.map(named_k));
        for signer in keys {
            let token = Token::good().key(signer).header("kid", "k");
            let claims = judge.admits(token.sign(now()));
            let (alone, _) = key_set(&json!({"keys": [signer.jwk()]}));
            assert!(alone.contains(claims.signed_by()), "{signer:?}");
        }
    }
    let stranger = Token::good()
        .header("kid", "k")
        .signed_by(Key::R2)
        .sign(now());
    judge
        .trusting_only(&[named_k(Key::R1), named_k(Key::E1)])
        .refuses(stranger, BadSignature::Mismatch);
}

#[test]
fn key_07_and_tok_15_no_token_is_tried_with_more_than_four_keys() {
    // Keys that differ from r1 in the middle of the modulus.
    let n = from_base64(Key::R1.bare_jwk()["n"].as_str().unwrap());
    let other = |index: u8| {
        let mut n = n.clone();
        n[100] ^= index + 1;
        with(Key::R1.bare_jwk(), json!({"n": base64(&n)}))
    };
    let set = |others: u8, kid: Option<&str>| {
        let named = |key: Value| kid.map_or(key.clone(), |kid| with(key, json!({"kid": kid})));
        (0..others)
            .map(other)
            .chain([Key::R1.bare_jwk()])
            .map(named)
            .collect::<Vec<_>>()
    };
    let most = u8::try_from(MAX_CANDIDATES).unwrap();
    let nameless = Token::good().without_header("kid").sign(now());
    judge()
        .trusting_only(&set(most - 1, None))
        .admits(&nameless);
    judge()
        .trusting_only(&set(most, None))
        .refuses(&nameless, Cause::TooManyCandidates);
    let named = Token::good().header("kid", "k").sign(now());
    judge()
        .trusting_only(&set(most - 1, Some("k")))
        .admits(&named);
    judge()
        .trusting_only(&set(most, Some("k")))
        .refuses(&named, Cause::TooManyCandidates);
}

#[test]
fn tok_15_a_token_without_kid_is_tried_with_the_keys_that_fit() {
    let judge = judge().allowing(&[Algorithm::RS256, Algorithm::ES256]);
    for key in [Key::R1, Key::E1] {
        judge.admits(Token::good().key(key).without_header("kid").sign(now()));
    }
    let stranger = Token::good()
        .without_header("kid")
        .signed_by(Key::R2)
        .sign(now());
    judge.refuses(stranger, BadSignature::Mismatch);
    let no_key = Token::good().key(Key::E1).without_header("kid").sign(now());
    judge
        .trusting_only(&[Key::R1.jwk()])
        .refuses(no_key, Cause::NoKeyFits);
}
