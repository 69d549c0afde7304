//! How long a key holds, and which endpoints it may call.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::proxy::{Proxy, START, post};

/// Two endpoints for this key.
fn policy(key: &Value) -> Value {
    let authorizer = json!({ "type": "api_key", "keys": [key] });
    json!({ "endpoints": [
        { "name": "chat", "path": "/v1/chat", "authorizer": authorizer },
        { "name": "embed", "path": "/v1/embed", "authorizer": authorizer },
    ] })
}

/// The time at which the harness's clock starts, and some seconds.
fn in_seconds(seconds: i64) -> String {
    let start = i64::try_from(START.as_secs()).unwrap();
    jiff::Timestamp::from_second(start + seconds)
        .unwrap()
        .to_string()
}

#[test]
fn a_key_holds_from_its_beginning_to_its_end() {
    let mut proxy = Proxy::with(policy(&json!({
        "client_id": "c", "key": "k-1", "not_before": in_seconds(10), "expires_at": in_seconds(20),
    })));
    let request = || post("/v1/chat").bearer("k-1");
    proxy.send(request()).refused(401, "invalid_credential");
    proxy.advance(Duration::from_secs(10));
    proxy.send(request()).admitted();
    proxy.advance(Duration::from_secs(10));
    proxy.send(request()).refused(401, "expired_credential");
}

#[test]
fn the_old_key_of_a_client_holds_beside_the_new_one_until_its_end() {
    let keys = json!([
        { "client_id": "c", "key": "k-old", "tenant_id": "acme", "expires_at": in_seconds(60) },
        { "client_id": "c", "key": "k-new", "tenant_id": "acme" },
    ]);
    let authorizer = json!({ "type": "api_key", "keys": keys });
    let mut proxy = Proxy::with(json!({ "endpoints": [
        { "name": "chat", "path": "/v1/chat", "authorizer": authorizer },
    ] }));
    for key in ["k-old", "k-new"] {
        proxy
            .send(post("/v1/chat").bearer(key))
            .admitted()
            .upstream_saw("x-tenant-id", "acme");
    }
    proxy.advance(Duration::from_mins(1));
    proxy
        .send(post("/v1/chat").bearer("k-old"))
        .refused(401, "expired_credential");
    proxy.send(post("/v1/chat").bearer("k-new")).admitted();
}

#[test]
fn a_key_calls_the_endpoints_that_it_may_and_its_owner_is_told_where_it_may_not() {
    let mut proxy = Proxy::with(policy(&json!({
        "client_id": "c", "key": "k-1", "endpoints": ["chat"],
    })));
    proxy.send(post("/v1/chat").bearer("k-1")).admitted();
    let answer = proxy.send(post("/v1/embed").bearer("k-1"));
    answer.refused(403, "endpoint_not_allowed").not_challenged();
    assert_eq!(
        answer.filter_state("tenantgate.tenant_id").as_deref(),
        Some("c")
    );
    // Whoever has no key is told nothing of that.
    proxy
        .send(post("/v1/embed").bearer("k-2"))
        .refused(401, "invalid_credential");
}

#[test]
fn the_records_of_a_model_platform_are_taken_as_they_are() {
    let endpoint = |name: &str, authorizer: Value| json!({ "name": name, "path": format!("/{name}"), "authorizer": authorizer });
    let keys: Vec<_> = (0..10)
        .map(|n| json!({ "client_id": format!("client-{n}"), "key": format!("secret-key-{n}") }))
        .collect();
    let oidc = json!({
        "issuer": "https://login.example.com/tenant/v2.0", "audience": "api://client",
        "required_claims": { "scp": ["api.access"] },
    });
    let mut proxy = Proxy::with(json!({ "endpoints": [
        endpoint("keys", json!({ "type": "api_key", "keys": keys })),
        endpoint("tokens", json!({ "type": "oidc", "oidc": oidc })),
        endpoint("open", json!({ "type": "none" })),
    ] }));
    for n in 0..10 {
        let tenant = format!("client-{n}");
        proxy
            .send(post("/keys").bearer(format!("secret-key-{n}")))
            .admitted()
            .upstream_saw("x-tenant-id", tenant);
    }
    proxy
        .send(post("/keys").bearer("secret-key-10"))
        .refused(401, "invalid_credential");
    proxy
        .send(post("/tokens"))
        .refused(401, "missing_credential");
    proxy.send(post("/open")).admitted();
}
