//! What an operator wrote becomes a policy, or every complaint about it at once.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::needless_pass_by_value,
    clippy::items_after_statements,
    missing_docs,
    reason = "a test may panic, and tables read best with values and with their constants beside them"
)]

use prost::Message;
use prost_types::value::Kind;
use serde_json::{Value, json};
use tenantgate::authorizer::api_key::ApiKeys;
use tenantgate::authorizer::{Authorizer, Guard, KeysFrom};
use tenantgate::config::{self, Problems};
use tenantgate::policy::{Policy, Unmatched};
use tenantgate::source::SourceAddress;

mod any;
mod dangers;
mod key_sets;
mod mistakes;
mod upstream;

const DOCUMENTED: &str = include_str!("../configs/documented.yaml");
const ALL_WRONG: &str = include_str!("../configs/all_wrong.yaml");

/// A variable that is set, and no other.
fn environment(name: &str) -> Option<String> {
    (name == "KEY").then(|| "key-of-the-environment".to_owned())
}

fn compile(document: Value) -> Result<Policy, Problems> {
    config::compile(document, &environment)
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

/// A whole file around one endpoint.
fn endpoint(members: Value) -> Value {
    let mut endpoint = json!({"name": "e", "path": "/e", "authorizer": {"type": "none"}});
    merge(&mut endpoint, members);
    json!({ "endpoints": [endpoint] })
}

/// A whole file around one set of keys.
fn keys(keys: Value) -> Value {
    endpoint(json!({"authorizer": {"type": "api_key", "keys": keys}}))
}

/// A whole file around one key.
fn key(members: Value) -> Value {
    let mut key = json!({"client_id": "c"});
    merge(&mut key, members);
    keys(json!([key]))
}

/// A whole file around one issuer.
fn oidc(members: Value) -> Value {
    let mut oidc = json!({"issuer": "https://idp.test", "audience": "a"});
    merge(&mut oidc, members);
    endpoint(json!({"authorizer": {"type": "oidc", "oidc": oidc}}))
}

/// A whole file around one place for a credential.
fn from(place: Value) -> Value {
    let authorizer =
        json!({"type": "api_key", "keys": [{"client_id": "c", "key": "k-1"}], "from": [place]});
    endpoint(json!({ "authorizer": authorizer }))
}

/// A member that is null is taken out; what is really to be null is written as the string "NULL".
fn merge(into: &mut Value, members: Value) {
    let (Value::Object(into), Value::Object(members)) = (into, members) else {
        panic!("not objects")
    };
    for (name, value) in members {
        match value {
            Value::Null => drop(into.remove(&name)),
            Value::String(text) if text == "NULL" => drop(into.insert(name, Value::Null)),
            value => drop(into.insert(name, value)),
        }
    }
}

/// The keys of the first endpoint.
fn api_keys(policy: &Policy) -> &ApiKeys {
    match &guard(policy, 0).api_keys[0] {
        (_, KeysFrom::Policy(keys)) => keys,
        other => panic!("{other:?}"),
    }
}

fn guard(policy: &Policy, endpoint: usize) -> &Guard {
    match &policy.endpoints.iter().nth(endpoint).unwrap().authorizer {
        Authorizer::Guarded(guard) => guard,
        Authorizer::Open => panic!("open"),
    }
}

#[test]
fn what_the_documentation_shows_is_a_policy() {
    let policy = compile(yaml(DOCUMENTED)).unwrap();
    assert_eq!(policy.source_address, SourceAddress::Peer);
    assert_eq!(policy.unmatched, Unmatched::Deny);
    assert_eq!(policy.token_cache_size, 4096);
    assert_eq!(
        policy.identity_headers.names().collect::<Vec<_>>(),
        ["x-tenant-id", "x-user-id"]
    );
    assert_eq!(
        policy
            .endpoints
            .iter()
            .map(|e| e.name.as_str())
            .collect::<Vec<_>>(),
        ["chat", "generate"]
    );

    let keys = api_keys(&policy);
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let mine = &keys.verify(b"secret-key-value", now).unwrap().identity;
    assert_eq!(mine.tenant.as_str(), "my-client");
    assert_eq!(mine.user, None);
    let batch = &keys.verify(b"batch-key", now).unwrap().identity;
    assert_eq!(batch.tenant.as_str(), "acme");
    assert_eq!(batch.user.as_ref().unwrap().as_str(), "nightly");
    assert_eq!(batch.client.as_ref().unwrap().as_str(), "batch");
    assert!(
        keys.verify(b"batch-key", "2027-01-01T00:00:00Z".parse().unwrap())
            .is_err()
    );

    let issuer = &guard(&policy, 1).issuers[0];
    assert_eq!(issuer.rules.audiences, ["api://CLIENT"]);
    assert_eq!(issuer.rules.clock_skew.as_secs(), 60);
    assert_eq!(issuer.required_claims.iter().count(), 3);
    assert_eq!(issuer.tenant_claim.as_str(), "tid");
    assert_eq!(
        policy.key_sources[issuer.keys.0].issuer,
        issuer.rules.issuer
    );
}

#[test]
fn cfg_03_what_is_left_out_takes_the_safe_default() {
    let policy = compile(oidc(json!({}))).unwrap();
    assert_eq!(policy.source_address, SourceAddress::Peer);
    assert_eq!(policy.unmatched, Unmatched::Deny);
    assert_eq!(policy.token_cache_size, 4096);
    assert_eq!(
        policy.identity_headers.names().collect::<Vec<_>>(),
        ["x-tenant-id"]
    );
    let endpoint = policy.endpoints.iter().next().unwrap();
    assert!(endpoint.allow_from.is_none() && endpoint.forward_credential.is_none());
    assert!(!endpoint.preflight && !endpoint.allow_encoded_slash);
    let guard = guard(&policy, 0);
    let headers: Vec<_> = guard.places.header_names().collect();
    assert_eq!(
        headers,
        ["authorization", "x-api-key", "api-key", "x-goog-api-key"]
    );
    let issuer = &guard.issuers[0];
    assert_eq!(format!("{:?}", issuer.rules.algorithms), "[RS256]");
    assert_eq!(issuer.rules.clock_skew.as_secs(), 60);
    assert_eq!(
        (issuer.tenant_claim.as_str(), issuer.user_claim.as_str()),
        ("tenant_id", "sub")
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_where() {
    let problems = compile(yaml(ALL_WRONG)).unwrap_err().to_string();
    let expected = include_str!("../configs/all_wrong.txt");
    for (said, expected) in problems.lines().zip(expected.lines()) {
        assert_eq!(said, expected, "in\n{problems}");
    }
    assert_eq!(
        problems.lines().count(),
        expected.lines().count(),
        "\n{problems}"
    );
}

#[test]
fn the_same_key_twice_is_seen_however_it_is_written_and_wherever_it_stands() {
    let digest = tenantgate::authorizer::api_key::digest_of_key("key-of-the-environment")
        .unwrap()
        .to_string();
    let written = json!({"client_id": "a", "key": "key-of-the-environment"});
    let hashed = json!({"client_id": "b", "key_sha256": digest.to_ascii_uppercase()});
    let variable = json!({"client_id": "c", "key": {"env": "KEY"}});
    const FIRST: &str = "is the same key as endpoints[0].authorizer.keys[0]";
    check(
        &keys(json!([written, hashed, variable])),
        &[
            ("endpoints[0].authorizer.keys[1]", FIRST),
            ("endpoints[0].authorizer.keys[2]", FIRST),
        ],
    );
    let alternative = |key: &Value| json!({"type": "api_key", "keys": [key]});
    check(
        &endpoint(json!({"authorizer": {"any_of": [alternative(&written), alternative(&hashed)]}})),
        &[(
            "endpoints[0].authorizer.any_of[1].keys[0]",
            "is the same key as endpoints[0].authorizer.any_of[0].keys[0]",
        )],
    );
    // Two endpoints may well admit the same key.
    let two = json!({"endpoints": [
        {"name": "a", "path": "/a", "authorizer": alternative(&written)},
        {"name": "b", "path": "/b", "authorizer": alternative(&hashed)},
    ]});
    check(&two, &[]);
}

#[test]
fn endpoints_that_nothing_tells_apart_name_each_other() {
    let two = |one: Value, other: Value| {
        let mut endpoints = [
            json!({"name": "a", "path": "/a"}),
            json!({"name": "b", "path": "/a"}),
        ];
        for (endpoint, members) in endpoints.iter_mut().zip([one, other]) {
            merge(endpoint, json!({"authorizer": {"type": "none"}}));
            merge(endpoint, members);
        }
        json!({ "endpoints": endpoints })
    };
    const CLASH: &str = "answers the same host, path and method as endpoint `a`";
    check(&two(json!({}), json!({})), &[("endpoints[1]", CLASH)]);
    check(
        &two(json!({"path": "/{x}"}), json!({"path": "/{y}"})),
        &[("endpoints[1]", CLASH)],
    );
    check(
        &two(json!({"methods": ["GET"]}), json!({"methods": ["POST"]})),
        &[],
    );
    check(
        &two(json!({}), json!({"name": "a", "path": "/b"})),
        &[("endpoints[1].name", "endpoints[0] has the same name")],
    );
    // A conflict shows although more is wrong, and what is wrong makes none.
    check(
        &two(json!({"authorizer": {}}), json!({})),
        &[
            (
                "endpoints[0].authorizer.type",
                "is required: `none`, `api_key` or `oidc`; or write `any_of`",
            ),
            ("endpoints[1]", CLASH),
        ],
    );
    check(
        &two(json!({"hosts": [5]}), json!({})),
        &[(
            "endpoints[0].hosts[0]",
            "must be a string, not a number; put it in quotes",
        )],
    );
}

#[test]
fn one_issuer_is_one_source_of_keys_and_each_authorizer_is_itself() {
    let issuer = |issuer: &str, jwks_uri: Option<&str>, audience: &str| {
        let mut oidc = json!({"issuer": issuer, "audience": audience});
        merge(&mut oidc, json!({ "jwks_uri": jwks_uri }));
        json!({"type": "oidc", "oidc": oidc})
    };
    let one = issuer("https://one.test", None, "a");
    let policy = compile(json!({"endpoints": [
        {"name": "a", "path": "/a", "authorizer": one},
        {"name": "b", "path": "/b", "authorizer": {"any_of": [
            issuer("https://one.test", None, "b"),
            issuer("https://one.test", Some("https://one.test/keys"), "a"),
            issuer("https://two.test", None, "a"),
        ]}},
    ]}))
    .unwrap();
    assert_eq!(policy.key_sources.len(), 3);
    let issuers: Vec<_> = [0, 1]
        .iter()
        .flat_map(|index| &guard(&policy, *index).issuers)
        .collect();
    assert_eq!(
        issuers.iter().map(|oidc| oidc.keys.0).collect::<Vec<_>>(),
        [0, 0, 1, 2]
    );
    assert_eq!(
        issuers.iter().map(|oidc| oidc.id.0).collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
}

#[test]
fn a_struct_and_json_text_make_the_same_policy() {
    let document = yaml(DOCUMENTED);
    let text = serde_json::to_string_pretty(&document).unwrap();
    let message = as_struct(&document).encode_to_vec();
    let from_text = config::load(text.as_bytes(), &environment).unwrap();
    let from_struct = config::load(&message, &environment).unwrap();
    assert_eq!(from_text.config_id, from_struct.config_id);
    assert_eq!(from_text.config_id, compile(document).unwrap().config_id);
    // Maps print in an order of their own, so the keys, of which there are two, are left out.
    let shown = |policy: &Policy| {
        format!(
            "{:?} {:?} {:?} {:?}",
            policy.clusters,
            policy.token_cache_size,
            policy.key_sources,
            policy.endpoints.iter().nth(1)
        )
    };
    assert_eq!(shown(&from_text), shown(&from_struct));
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    for policy in [&from_text, &from_struct] {
        assert!(api_keys(policy).verify(b"secret-key-value", now).is_ok());
    }
}

#[test]
fn an_edit_changes_the_id_and_another_spelling_does_not() {
    let id = |text: &str| {
        config::load(text.as_bytes(), &environment)
            .unwrap()
            .config_id
    };
    let one = r#"{"endpoints": [{"name": "e", "path": "/e", "authorizer": {"type": "none"}}], "token_cache_size": 1}"#;
    let spelled = r#"{"token_cache_size":1.0,"endpoints":[{"path":"/e","name":"\u0065","authorizer":{"type":"none"}}]}"#;
    assert_eq!(id(one), id(spelled));
    assert_ne!(id(one), id(&one.replace("/e", "/f")));
}

#[test]
fn what_is_no_configuration_is_refused_as_a_whole() {
    for (bytes, message) in [
        (
            &b""[..],
            "there is no configuration: set the plugin's `configuration` (Istio: `pluginConfig`)",
        ),
        (
            b"endpoints: []",
            "the configuration cannot be read: not JSON (line 1, column 1)",
        ),
        (
            br#"{"endpoints": [], "endpoints": []}"#,
            "the configuration cannot be read: a member is named twice (line 1, column 29)",
        ),
        (
            b"\x0a\x03\x12\xff\xff",
            "the configuration is neither JSON text nor a google.protobuf.Struct",
        ),
    ] {
        let problems = config::load(bytes, &environment).unwrap_err();
        assert_eq!(problems.to_string(), message);
    }
}

fn check(document: &Value, expected: &[(&str, &str)]) {
    let problems = match compile(document.clone()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0,
    };
    let found: Vec<_> = problems
        .iter()
        .map(|p| (p.path.as_str(), p.message.as_str()))
        .collect();
    assert_eq!(found, expected, "{document:#}");
}

fn as_struct(document: &Value) -> prost_types::Struct {
    let members = document.as_object().unwrap().iter();
    prost_types::Struct {
        fields: members
            .map(|(name, value)| (name.clone(), as_struct_value(value)))
            .collect(),
    }
}

fn as_struct_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(elements) => Kind::ListValue(prost_types::ListValue {
            values: elements.iter().map(as_struct_value).collect(),
        }),
        Value::Object(_) => Kind::StructValue(as_struct(value)),
    };
    prost_types::Value { kind: Some(kind) }
}
