//! What only this room can see: that nothing it makes on the way shows a secret, and that the schema is the file's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

use serde_json::{Value, json};

use super::*;
use crate::authorizer::api_key::digest_of_key;

const CANARY: &str = "canary-9f86d081884c7d65";

fn client_credentials(member: &str, value: &Value) -> Value {
    let mut auth = json!({
        "type": "oauth2_client_credentials", "token_url": "https://auth.test/token", "client_id": "id",
        "client_secret": "a-secret",
    });
    auth[member] = value.clone();
    auth
}

/// Keys in every place where one could stand, rightly or wrongly.
fn with_canaries() -> Vec<Value> {
    let with_key = |key: Value| json!({"endpoints": [{"name": "a", "path": "/a", "authorizer": {"type": "api_key", "keys": [key]}}]});
    let digest = digest_of_key(CANARY).unwrap().to_string();
    let mut documents = vec![
        with_key(json!({"client_id": "c", "key": CANARY})),
        with_key(json!({"client_id": "c", "key": {"env": "KEY"}})),
        with_key(json!({"client_id": "c", "key_sha256": digest})),
        with_key(json!({"client_id": "c", "key": CANARY, "key_sha256": CANARY})),
        with_key(json!({"client_id": "c", "key_sha256": CANARY})),
        with_key(json!({"client_id": "c", "key": format!("{CANARY} ")})),
        with_key(json!({"client_id": "c", "key": [CANARY]})),
        with_key(json!({"client_id": "c", "key": {"env": [CANARY]}})),
        with_key(json!({"client_id": "c", "key": {"text": CANARY}})),
        with_key(json!({"client_id": "c", "kee": CANARY})),
        with_key(json!({"client_id": "c", "key": CANARY, "expires_at": CANARY})),
        with_key(json!(CANARY)),
        with_key(json!([CANARY])),
        json!(CANARY),
        json!({"endpoints": CANARY}),
        json!({"endpoints": [CANARY], "unmatched": CANARY, "source_address": CANARY}),
        json!({"endpoints": [{"name": "a", "path": "/a", "authorizer": CANARY}]}),
        json!({"endpoints": [{"name": "a", "path": "/a", "authorizer": {"type": CANARY}}]}),
        json!({"endpoints": [{"name": "a", "path": "/a", "authorizer": {"type": "api_key", "keys": CANARY}}]}),
        json!({"endpoints": [{"name": "a", "path": "/a", "authorizer": {"type": "api_key", "keys": {"c": CANARY}}}]}),
    ];
    for upstream_auth in [
        json!({"type": "basic", "username": CANARY, "password": CANARY}),
        json!({"type": "basic", "username": format!("{CANARY}:"), "password": format!("{CANARY}\r")}),
        json!({"type": "bearer", "token": CANARY}),
        json!({"type": "bearer", "token": {"env": "TOKEN"}}),
        json!({"type": "bearer", "token": format!("Bearer {CANARY}")}),
        json!({"type": "header", "name": "api-key", "value": CANARY}),
        json!({"type": "header", "name": "api-key", "value": format!("{CANARY}\0")}),
        json!({"type": CANARY}),
        json!(CANARY),
        json!({"by_tenant": {"acme": {"type": "bearer", "token": CANARY}, "x": {"type": "bearer", "token": [CANARY]}}}),
        json!({"by_tenant": CANARY}),
        client_credentials("client_secret", &json!(CANARY)),
        client_credentials("client_secret", &json!(format!("{CANARY}\n\n"))),
        client_credentials("client_id", &json!(CANARY)),
        client_credentials("audience", &json!([CANARY])),
        client_credentials("parameters", &json!({"assertion": CANARY, "scope": CANARY})),
        client_credentials("parameters", &json!(CANARY)),
        client_credentials("scope", &json!(format!("{CANARY}\""))),
        client_credentials("client_auth", &json!(CANARY)),
    ] {
        documents.push(json!({"endpoints": [
            {"name": "a", "path": "/a", "authorizer": {"type": "none"}, "upstream_auth": upstream_auth}
        ]}));
    }
    let twice = json!({"client_id": "c", "key": CANARY});
    documents.push(json!({"endpoints": [
        {"name": "a", "path": "/a", "authorizer": {"type": "api_key", "keys": [twice, twice]}}
    ]}));
    documents
}

#[test]
fn no_key_is_shown_by_the_file_the_policy_or_a_complaint() {
    let digest = digest_of_key(CANARY).unwrap().to_string();
    let environment = |_: &str| Some(CANARY.to_owned());
    for document in with_canaries() {
        let raw = field::Field::<raw::Configuration>::written(document.clone());
        let outcome = compile(document.clone(), &environment);
        let mut shown = format!("{raw:?}\n{raw:#?}\n{outcome:?}\n{outcome:#?}");
        if let Err(problems) = outcome {
            shown.push_str(&problems.to_string());
        }
        assert!(
            !shown.contains(CANARY) && !shown.contains(&digest),
            "{document} shows its key:\n{shown}"
        );
    }
}

#[test]
fn an_environment_is_asked_for_what_is_named_and_nothing_else() {
    let asked = std::cell::RefCell::new(Vec::new());
    let environment = |name: &str| {
        asked.borrow_mut().push(name.to_owned());
        Some("sk".to_owned())
    };
    for document in with_canaries() {
        let _ = compile(document, &environment);
    }
    assert_eq!(*asked.borrow(), ["KEY", "TOKEN"]);
}

#[test]
fn a_key_set_that_is_not_there_is_answered_with_those_that_are() {
    let complaint = |key_sets: Value| {
        let authorizer = json!({ "type": "api_key", "key_set": "clients" });
        let endpoint = json!({ "name": "v1", "path": "/v1", "authorizer": authorizer });
        let document = json!({ "key_sets": key_sets, "endpoints": [endpoint] });
        let problems = compile(document, &|_: &str| None).map(|_| ());
        problems.map_err(|problems| problems.to_string())
    };
    let set = json!({ "uri": "https://keys.test/set" });
    for (key_sets, expected) in [
        (json!({}), "they stand under `key_sets` at the top"),
        (
            json!({ "batch": set, "chat": set }),
            "there are `batch`, `chat`",
        ),
    ] {
        let text = complaint(key_sets).unwrap_err();
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(complaint(json!({ "clients": set })), Ok(()));
}

#[test]
fn a_name_that_is_none_is_not_repeated_at_length() {
    for (times, is_whole) in [(32, true), (500, false)] {
        let name = "x ".repeat(times);
        let problems = compile(json!({ "endpoints": [], name: 1 }), &|_: &str| None);
        let text = problems.map(|_| ()).unwrap_err().to_string();
        assert!(text.contains(&"x ".repeat(32)), "{text}");
        assert_eq!(text.contains('…'), !is_whole, "{text}");
        assert!(!text.contains(&"x ".repeat(33)), "{text}");
    }
}

/// Every object of the file is closed in the schema too, and speaks to the operator.
#[test]
fn the_schema_knows_every_field_and_no_other() {
    fn look(schema: &Value, at: &str, objects: &mut usize) {
        match schema {
            Value::Object(members) => {
                if let Some(Value::Object(properties)) = members.get("properties") {
                    *objects += 1;
                    assert_eq!(
                        members.get("additionalProperties"),
                        Some(&json!(false)),
                        "{at}"
                    );
                    for (name, property) in properties {
                        let described = property.get("description").is_some() || name == "type";
                        assert!(described, "{at}.{name} is not described: {property}");
                    }
                }
                members
                    .iter()
                    .for_each(|(name, member)| look(member, &format!("{at}.{name}"), objects));
            }
            Value::Array(elements) => elements
                .iter()
                .for_each(|element| look(element, at, objects)),
            _ => {}
        }
    }
    let schema = schema();
    let mut objects = 0;
    look(&schema, "schema", &mut objects);
    assert_eq!(objects, 19, "{schema:#}");
    assert_eq!(schema["required"], json!(["endpoints"]));
    assert_eq!(
        schema["$defs"]["Endpoint"]["required"],
        json!(["name", "path", "authorizer"])
    );
    assert_eq!(
        schema["$defs"]["Oidc"]["required"],
        json!(["issuer", "audience"])
    );
}
