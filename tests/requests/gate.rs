//! The gate that most rows are put to: two protected endpoints, a public one, one issuer, keys of two tenants.

use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::harness::proxy::{Answer, Proxy, Request, START};
use crate::harness::tokens::{AUDIENCE, ISSUER, Key, TRUSTED, Token, jwks};

/// A key of tenant t2.
pub const K: &str = "acme-key-4f1d8a";
/// A key of tenant t3.
pub const K2: &str = "bolt-key-77aa02";
/// A key of tenant t2 that is good for `/v1/upload` alone.
pub const ELSEWHERE: &str = "acme-key-upload";

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
    setup.with(config)
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

/// Sends each request and holds what came of it against the table. Then the gate must stand, and the upstream must have
/// seen what was admitted and nothing else.
#[track_caller]
pub fn hold<N: AsRef<str>>(
    proxy: &mut Proxy,
    rows: impl IntoIterator<Item = (N, Request, &'static str)>,
) {
    let before = proxy.upstream().hits().len();
    let mut admitted = 0;
    for (name, request, expected) in rows {
        let answer = proxy.send(request);
        assert!(!answer.crashed(), "{}: {answer:?}", name.as_ref());
        assert_eq!(outcome(&answer), expected, "{}", name.as_ref());
        admitted += usize::from(answer.local_reply.is_none());
    }
    proxy.alive();
    assert_eq!(
        proxy.upstream().hits().len() - before,
        admitted,
        "the upstream saw what was not admitted"
    );
}
