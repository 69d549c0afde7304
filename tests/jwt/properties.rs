//! What holds for every input.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use tenantgate::authorizer::jwt::{Algorithm, Jws, KeySet};

use crate::tokens::{Key, Token, base64};
use crate::{judge, now};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("https://idp.test")),
        Just(json!("api")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..4).prop_map(|members| members
                .into_iter()
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

/// A good token for each kind of key.
fn signed(which: usize) -> (Algorithm, &'static str) {
    static SIGNED: LazyLock<Vec<(Algorithm, String)>> = LazyLock::new(|| {
        let kinds = [
            (Key::R1, Algorithm::RS256),
            (Key::R1, Algorithm::PS384),
            (Key::E1, Algorithm::ES256),
            (Key::E3, Algorithm::ES384),
            (Key::D1, Algorithm::EdDSA),
        ];
        let sign = |key, alg: Algorithm| Token::good().key(key).alg(alg.as_str()).sign(now());
        kinds
            .into_iter()
            .map(|(key, algorithm)| (algorithm, sign(key, algorithm)))
            .collect()
    });
    let (algorithm, token) = &SIGNED[which];
    (*algorithm, token)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Jws::parse(&bytes);
        let _ = KeySet::parse(&bytes);
        let _ = tenantgate::json::parse(&bytes);
        let _ = tenantgate::json::parse_members(&bytes);
    }

    #[test]
    fn nothing_that_looks_like_a_token_is_one(text in "[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,342}") {
        prop_assert!(judge().on(text).is_err());
    }

    #[test]
    fn no_header_and_claims_make_a_panic(header in any_json(), claims in any_json(), signature in prop::collection::vec(any::<u8>(), 0..300)) {
        let token = format!("{}.{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()), base64(&signature));
        prop_assert!(judge().allowing(&Algorithm::ALL).on(token).is_err());
    }

    #[test]
    fn claims_of_any_type_make_no_panic(name in "iss|aud|exp|nbf|iat|cnf|sub", value in any_json(), skew in any::<u64>()) {
        let judge = judge().with_skew(skew);
        if let Ok(claims) = judge.on(Token::good().claim(&name, value).sign(now())) {
            prop_assert!(claims.claims().contains_key(&name));
            let _ = claims.expires_at();
        }
    }

    #[test]
    fn no_key_of_any_type_makes_a_panic(name in "kty|crv|x|y|n|e|kid|use|alg|key_ops|d", value in any_json(), key in 0..4_usize) {
        let key = crate::tokens::with(crate::tokens::TRUSTED[key].jwk(), json!({name: value}));
        let _ = KeySet::parse(json!({"keys": [key]}).to_string().as_bytes());
    }

    #[test]
    fn json_means_what_it_means_to_others(value in any_json()) {
        let text = value.to_string();
        let others: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(tenantgate::json::parse(text.as_bytes()), Ok(others));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_token_with_a_byte_changed_put_in_or_taken_out_is_refused(which in 0..5_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), edit in 0..3) {
        let (algorithm, good) = signed(which);
        let judge = judge().allowing(&[algorithm]);
        let mut changed = good.as_bytes().to_vec();
        let at = at.index(changed.len());
        match edit {
            0 => changed[at] = byte,
            1 => changed.insert(at, byte),
            _ => { changed.remove(at); }
        }
        prop_assert_eq!(judge.on(&changed).is_ok(), changed == good.as_bytes());
    }

    #[test]
    fn a_token_that_is_cut_short_is_refused(which in 0..5_usize, at in any::<prop::sample::Index>()) {
        let (algorithm, good) = signed(which);
        let cut = &good[..at.index(good.len())];
        prop_assert!(judge().allowing(&[algorithm]).on(cut).is_err());
    }

    #[test]
    fn segments_of_two_tokens_make_no_third(first in 0..5_usize, second in 0..5_usize, from_first in prop::array::uniform3(any::<bool>())) {
        prop_assume!(from_first.contains(&true) && from_first.contains(&false));
        let (_, first) = signed(first);
        let (_, second) = signed(second);
        // The claims differ as well.
        let other = Token::good().claim("sub", "u2").sign(now());
        let second = if first == second { other.as_str() } else { second };
        let (first, second): (Vec<_>, Vec<_>) = (first.split('.').collect(), second.split('.').collect());
        let mixed: Vec<_> = (0..3).map(|at| if from_first[at] { first[at] } else { second[at] }).collect();
        let mixed = mixed.join(".");
        prop_assume!(mixed != first.join(".") && mixed != second.join("."));
        prop_assert!(judge().allowing(&Algorithm::ALL).on(mixed).is_err());
    }
}
