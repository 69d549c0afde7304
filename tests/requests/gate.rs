//! The gate that most rows are put to: two protected endpoints, a public one, one issuer, keys of two tenants.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::proxy::{Answer, Proxy, Request, START, Setup, get};
use crate::harness::tokens::{AUDIENCE, ISSUER, Key, TRUSTED, Token, jwks};

/// A key of tenant t2.
pub const K: &str = "acme-key-4f1d8a";
/// A key of tenant t3.
pub const K2: &str = "bolt-key-77aa02";
/// A key of tenant t2 that is good for `/v1/upload` alone.
pub const ELSEWHERE: &str = "acme-key-upload";

/// An endpoint of every gate, for a good request behind each hostile one.
const ALIVE: &str = "/alive";

/// A good token of tenant t1.
pub fn g() -> String {
    static SIGNED: LazyLock<String> = LazyLock::new(|| Token::good().sign(now()));
    SIGNED.clone()
}

/// The same, signed by another key than it says.
pub fn b() -> String {
    static SIGNED: LazyLock<String> =
        LazyLock::new(|| Token::good().signed_by(Key::R2).sign(now()));
    SIGNED.clone()
}

/// A token that differs from a good one in this claim.
pub fn with_claim(name: &str, value: impl Into<Value>) -> String {
    Token::good().claim(name, value).sign(now())
}

pub fn now() -> Timestamp {
    Timestamp::from_second(START.as_secs().try_into().unwrap()).unwrap()
}

/// Authorizer: keys alone.
pub fn api_keys() -> Value {
    json!({"type": "api_key", "keys": [
        {"client_id": "acme", "key": K, "tenant_id": "t2"},
        {"client_id": "bolt", "key": K2, "tenant_id": "t3"},
    ]})
}

/// Authorizer: tokens alone.
pub fn tokens() -> Value {
    json!({"type": "oidc", "oidc": {
        "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": format!("{ISSUER}/keys"), "tenant_claim": "tenant",
    }})
}

/// The configuration of [`gate`].
pub fn config() -> Value {
    json!({
        "clusters": {"idp.test": "idp"},
        "identity_headers": {"tenant": "x-tenant-id", "user": "x-user-id"},
        "endpoints": [
            {"name": "health", "path": "/health", "authorizer": {"type": "none"}},
            {"name": "chat", "path": "/v1/chat", "authorizer": {"any_of": [api_keys(), tokens()]}},
            {"name": "upload", "path": "/v1/upload", "methods": ["POST"], "authorizer": {"type": "api_key", "keys": [
                {"client_id": "acme-upload", "key": ELSEWHERE, "tenant_id": "t2"},
            ]}},
        ],
    })
}

/// The same with other endpoints.
pub fn config_of(endpoints: &Value) -> Value {
    let mut config = config();
    config["endpoints"] = endpoints.clone();
    config
}

pub fn gate() -> Proxy {
    gate_with(&config())
}

pub fn gate_with(config: &Value) -> Proxy {
    let setup = Proxy::setup();
    setup.cluster("idp").serves("/keys", jwks(&TRUSTED));
    gate_in(setup, config)
}

/// The same where the issuer is ready.
pub fn gate_in(setup: Setup, config: &Value) -> Proxy {
    let mut config = config.clone();
    let endpoints = config["endpoints"].as_array_mut().unwrap();
    endpoints.push(json!({"name": "alive", "path": ALIVE, "authorizer": api_keys()}));
    setup.with(&config)
}

/// What came of a request, in a word: the tenant that the upstream was told, `nobody`, or status and reason.
#[track_caller]
pub fn outcome(answer: &Answer) -> String {
    if let Some(reply) = &answer.local_reply {
        let reason = answer.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        // The same word in body and filter state, and nothing upstream.
        answer.refused(reply.status, &reason);
        return format!("{} {reason}", reply.status);
    }
    answer.admitted();
    match answer.upstream_header("x-tenant-id").as_slice() {
        [] => "nobody".to_owned(),
        [one] => String::from_utf8_lossy(one).into_owned(),
        several => format!("{} tenants", several.len()),
    }
}

/// Sends each request and holds what came of it against the table; behind each that is refused comes a good one, which
/// must be served. Nobody may have been called for any of it, and the upstream must have seen what was admitted and
/// nothing else.
#[track_caller]
pub fn hold<N: AsRef<str>>(
    proxy: &mut Proxy,
    rows: impl IntoIterator<Item = (N, Request, &'static str)>,
) {
    proxy.settle();
    let callouts = proxy.callouts();
    let mut admitted = proxy.upstream().hits().len();
    for (name, request, expected) in rows {
        let name = name.as_ref();
        let answer = proxy.send(request);
        assert!(!answer.crashed(), "{name}: {answer:?}");
        assert_eq!(outcome(&answer), expected, "{name}");
        if answer.local_reply.is_some() {
            proxy.send(get(ALIVE).bearer(K)).admitted();
        }
        // One of the two.
        admitted += 1;
        assert_eq!(proxy.upstream().hits().len(), admitted, "{name}: upstream");
    }
    proxy.alive();
    assert_eq!(proxy.callouts(), callouts, "somebody was called");
}
