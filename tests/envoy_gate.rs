//! The gate's promises, kept inside a real Envoy: API keys, identity headers, refusals, live edits, the access log.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod harness;

use harness::envoy::Edit;
use harness::{Envoy, Setup, Upstream};
use serde_json::{Value, json};

const KEY: &str = "acme-secret-key";

fn one_key_endpoint() -> Value {
    json!({
        "identity_headers": { "tenant": "x-tenant-id", "user": "x-user-id" },
        "endpoints": [
            { "name": "health", "path": "/healthz", "authorizer": { "type": "none" } },
            { "name": "chat", "path": "/v1/chat/completions", "authorizer": { "type": "api_key", "keys": [
                { "client_id": "acme-app", "key": KEY, "tenant_id": "acme", "user_id": "alice" },
            ] } },
        ],
    })
}

fn gate() -> (Upstream, Envoy) {
    let upstream = Upstream::start();
    let envoy = Envoy::start(Setup::with(one_key_endpoint()).model(upstream.address()));
    (upstream, envoy)
}

#[test]
fn a_good_key_is_admitted_and_the_upstream_learns_the_tenant_but_not_the_key() {
    let (upstream, envoy) = gate();
    envoy
        .get("/v1/chat/completions")
        .bearer(KEY)
        .send()
        .admitted();

    let seen = upstream.last();
    assert_eq!(seen.header("x-tenant-id").as_deref(), Some("acme"));
    assert_eq!(seen.header("x-user-id").as_deref(), Some("alice"));
    assert!(
        !seen.contains(KEY),
        "the key reached the upstream: {seen:?}"
    );
}

#[test]
fn every_header_that_an_sdk_uses_carries_a_key() {
    let (upstream, envoy) = gate();
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        let answer = envoy.get("/v1/chat/completions").header(name, KEY).send();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert!(
            !upstream.last().contains(KEY),
            "{name} reached the upstream"
        );
    }
}

#[test]
fn a_request_without_a_key_is_challenged_and_never_reaches_the_upstream() {
    let (upstream, envoy) = gate();
    let answer = envoy.get("/v1/chat/completions").send();
    answer.refused(401, "missing_credential");
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.starts_with("Bearer realm=\""), "{challenge}");
    assert!(!challenge.contains("error="), "{challenge}");
    upstream.saw_nothing();
}

#[test]
fn a_bad_key_is_refused_as_an_invalid_token() {
    let (upstream, envoy) = gate();
    for key in [
        "wrong",
        "acme-secret-ke",
        "acme-secret-keyy",
        "ACME-SECRET-KEY",
    ] {
        let answer = envoy.get("/v1/chat/completions").bearer(key).send();
        answer.refused(401, "invalid_credential");
        let challenge = answer.header("www-authenticate").expect("a challenge");
        assert!(
            challenge.contains(r#"error="invalid_token""#),
            "{challenge}"
        );
        assert!(!answer.text().contains(key), "the answer repeats the key");
    }
    upstream.saw_nothing();
}

#[test]
fn a_path_that_no_endpoint_has_is_unknown_even_with_a_good_key() {
    let (upstream, envoy) = gate();
    envoy
        .get("/v1/secret")
        .bearer(KEY)
        .send()
        .refused(404, "unknown_endpoint");
    upstream.saw_nothing();
}

#[test]
fn two_different_credentials_are_refused_and_the_same_one_twice_is_not() {
    let (upstream, envoy) = gate();
    let two = |other: &str| {
        envoy
            .get("/v1/chat/completions")
            .bearer(KEY)
            .header("api-key", other)
            .send()
    };
    two("another").refused(400, "multiple_credentials");
    upstream.saw_nothing();
    two(KEY).admitted();
}

#[test]
fn a_tenant_that_the_client_claims_is_replaced_or_removed() {
    let (upstream, envoy) = gate();
    for path in ["/v1/chat/completions", "/healthz"] {
        let ask = envoy
            .get(path)
            .header("x-tenant-id", "evil")
            .header("x-tenant-id", "worse");
        let ask = if path == "/healthz" {
            ask
        } else {
            ask.bearer(KEY)
        };
        ask.header("x-user-id", "root").send().admitted();
        let seen = upstream.last();
        assert!(
            !seen.contains("evil") && !seen.contains("worse") && !seen.contains("root"),
            "{path}: {seen:?}"
        );
    }
    assert_eq!(
        upstream.seen()[0].header("x-tenant-id").as_deref(),
        Some("acme")
    );
    assert_eq!(upstream.seen()[1].header("x-tenant-id"), None);
}

#[test]
fn bytes_that_are_not_utf8_harm_nobody_in_any_header() {
    let (_upstream, mut envoy) = gate();
    let names = [
        "authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "x-tenant-id",
        "x-user-id",
        "cookie",
        "content-type",
        "user-agent",
        "accept",
        "origin",
        "connection",
        "x-forwarded-for",
        "x-request-id",
        "te",
        "x-any",
        "host",
    ];
    for name in names {
        let mut wire = envoy.wire();
        let field = [name.as_bytes(), b": a\xff\xfe"].concat();
        wire.request("GET", "/v1/chat/completions", &[&field]);
        let status = wire.answer().map(|answer| answer.status);
        assert!(
            matches!(status, Some(400 | 401) | None),
            "{name}: {status:?}"
        );
        // With one worker, a trap would show here.
        envoy
            .get("/v1/chat/completions")
            .bearer(KEY)
            .send()
            .admitted();
    }
    assert!(envoy.is_running());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
}

#[test]
fn a_grpc_client_is_refused_by_grpc_status_without_a_body() {
    let (upstream, envoy) = gate();
    let answer = envoy
        .ask("POST", "/v1/chat/completions")
        .header("content-type", "application/grpc")
        .send();
    assert_eq!(
        (answer.status, answer.header("grpc-status")),
        (200, Some("16")),
        "{answer:?}"
    );
    assert!(answer.body.is_empty(), "{answer:?}");
    assert!(answer.header("www-authenticate").is_some());
    upstream.saw_nothing();
}

#[test]
fn the_access_log_tells_who_came_and_why_they_were_refused() {
    let (_upstream, envoy) = gate();
    envoy
        .get("/v1/chat/completions")
        .bearer(KEY)
        .send()
        .admitted();
    envoy
        .get("/v1/chat/completions")
        .bearer("wrong")
        .send()
        .refused(401, "invalid_credential");
    envoy
        .get("/nowhere")
        .send()
        .refused(404, "unknown_endpoint");

    let lines = envoy.access_log(3);
    let field = |line: usize, name: &str| lines[line][name].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        [
            field(0, "decision"),
            field(0, "tenant_id"),
            field(0, "user_id")
        ],
        ["allow", "acme", "alice"]
    );
    assert_eq!(
        [field(0, "client_id"), field(0, "endpoint")],
        ["acme-app", "/v1/chat/completions"]
    );
    assert_eq!(
        [field(1, "decision"), field(1, "reason")],
        ["deny", "invalid_credential"]
    );
    assert_eq!(
        [field(2, "decision"), field(2, "reason")],
        ["deny", "unknown_endpoint"]
    );
    assert!(
        lines
            .iter()
            .all(|line| !line.to_string().contains("wrong") && !line.to_string().contains(KEY))
    );
}

#[test]
fn vm_05_a_bad_configuration_leaves_the_one_in_force_and_says_what_is_wrong() {
    let upstream = Upstream::start();
    let mut envoy = Envoy::start(
        Setup::with(one_key_endpoint())
            .model(upstream.address())
            .live(),
    );
    let admitted = |envoy: &Envoy| envoy.get("/v1/chat/completions").bearer(KEY).send().status;
    assert_eq!(admitted(&envoy), 200);

    let mut bad = one_key_endpoint();
    bad["endpoints"][1]["authorizer"]["type"] = json!("api_kee");
    bad["endpoints"][0]["pathh"] = json!("/x");
    assert_eq!(envoy.apply(bad), Edit::Rejected);
    assert_eq!(admitted(&envoy), 200);
    envoy.wait_for_log("endpoints[1]");

    let mut other = one_key_endpoint();
    other["endpoints"][1]["authorizer"]["keys"][0]["key"] = json!("the-next-key");
    assert_eq!(envoy.apply(other), Edit::Applied);
    assert_eq!(admitted(&envoy), 401);
    envoy
        .get("/v1/chat/completions")
        .bearer("the-next-key")
        .send()
        .admitted();
}

#[test]
fn vm_05_envoy_does_not_start_with_a_configuration_that_the_filter_refuses() {
    let upstream = Upstream::start();
    let mut bad = one_key_endpoint();
    bad["endpoints"][1]["authorizer"] = json!({ "type": "api_kee" });
    let log = Envoy::validate(&Setup::with(bad).model(upstream.address())).expect_err("a refusal");
    assert!(log.contains("endpoints[1]"), "{log}");
}

#[test]
fn vm_05_a_key_in_the_configuration_is_never_logged() {
    let (_upstream, envoy) = gate();
    envoy
        .get("/v1/chat/completions")
        .bearer(KEY)
        .send()
        .admitted();
    assert!(!envoy.log().contains(KEY), "{}", envoy.log());
    assert!(!envoy.admin("/stats").contains(KEY));
}
