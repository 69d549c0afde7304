//! Whatever is written, nothing panics, and what is refused is refused with a reason.

use proptest::prelude::*;
use prost::Message;
use serde_json::Value;
use tenantgate::config;

use super::{DOCUMENTED, as_struct, compile, environment, yaml};

/// Any JSON, with the file's own names and words more often than chance would have it.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        prop::sample::select(vec![
            "clusters",
            "identity_headers",
            "tenant",
            "source_address",
            "unmatched",
            "token_cache_size",
            "endpoints",
            "name",
            "hosts",
            "path",
            "methods",
            "allow_from",
            "authorizer",
            "type",
            "none",
            "api_key",
            "oidc",
            "any_of",
            "keys",
            "client_id",
            "key",
            "key_sha256",
            "env",
            "expires_at",
            "from",
            "header",
            "scheme",
            "query",
            "issuer",
            "audience",
            "jwks_uri",
            "algorithms",
            "RS256",
            "required_claims",
            "clock_skew",
            "60s",
            "/v1/{model}",
            "https://idp.test",
            "POST",
            "10.0.0.0/8",
            "peer",
            "deny",
            "allow",
            "preflight",
        ])
        .prop_map(str::to_owned),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_is_a_policy_or_a_list_of_complaints(document in any_json()) {
        if let Err(problems) = compile(document) {
            prop_assert!(!problems.0.is_empty());
            prop_assert_eq!(problems.to_string().lines().count(), problems.0.len());
        }
    }

    #[test]
    fn any_document_in_the_place_of_a_part_is_a_policy_or_a_list_of_complaints(
        place in 0_usize..200,
        part in any_json(),
    ) {
        let mut document = yaml(DOCUMENTED);
        replace(&mut document, &mut place.clone(), &part);
        if let Err(problems) = compile(document) {
            prop_assert!(!problems.0.is_empty());
        }
    }

    #[test]
    fn any_bytes_are_a_policy_or_a_list_of_complaints(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        prop_assert!(config::load(&bytes, &environment).is_err_and(|problems| !problems.0.is_empty()));
    }

    #[test]
    fn a_struct_with_a_broken_byte_is_a_policy_or_a_list_of_complaints(place in any::<prop::sample::Index>(), byte: u8) {
        let mut message = as_struct(&yaml(DOCUMENTED)).encode_to_vec();
        *place.get_mut(&mut message) = byte;
        if let Err(problems) = config::load(&message, &environment) {
            prop_assert!(!problems.0.is_empty());
        }
    }
}

/// Puts a part in the place of the n-th value of a document.
fn replace(value: &mut Value, countdown: &mut usize, part: &Value) {
    if *countdown == 0 {
        *value = part.clone();
    }
    *countdown = countdown.wrapping_sub(1);
    match value {
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| replace(element, countdown, part)),
        Value::Object(members) => members
            .iter_mut()
            .for_each(|(_, member)| replace(member, countdown, part)),
        _ => {}
    }
}
