//! Tokens of an OpenID Connect issuer, inside a real Envoy that really fetches.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods
)]

mod harness;

use std::time::{Duration, Instant};

use harness::issuer::{AUDIENCE, SigningKey};
use harness::oidc_provider::{self, OidcProvider};
use harness::tokens::Key;
use harness::{Envoy, Issuer, Setup, Upstream};
use serde_json::{Value, json};

fn gate(oidc: &Value, clusters: &Value) -> Value {
    json!({
        "clusters": clusters,
        "identity_headers": { "tenant": "x-tenant-id", "user": "x-user-id" },
        "endpoints": [{
            "name": "infer", "path": "/v1/models/{model}/infer",
            "authorizer": { "type": "oidc", "oidc": oidc },
        }],
    })
}

fn setup(issuer: &Issuer, upstream: &Upstream) -> Setup {
    let oidc = json!({ "issuer": issuer.url(), "audience": AUDIENCE });
    Setup::with(gate(&oidc, &json!({ "issuer.test": "issuer" })))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
}

/// Asks until the answer has this status: what a client sees that tries again.
fn until(envoy: &Envoy, token: &str, status: u16) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let answer = envoy.get("/v1/models/m/infer").bearer(token).send();
        if answer.status == status {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "still {}: {}\n{}",
            answer.status,
            answer.text(),
            envoy.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_token_of_a_discovered_issuer_is_admitted_and_its_twins_with_one_fault_are_not() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream));
    let ask = |token: &str| envoy.get("/v1/models/m/infer").bearer(token).send();

    ask(&issuer.token("acme")).admitted();
    assert_eq!(
        upstream.last().header("x-tenant-id").as_deref(),
        Some("acme")
    );
    assert_eq!(
        upstream.last().header("x-user-id").as_deref(),
        Some("user-1")
    );
    upstream.forget();

    let twin = |name: &str, value: Value| {
        let mut claims = issuer.claims("acme");
        claims[name] = value;
        issuer.sign(&claims)
    };
    ask(&twin("aud", json!("another"))).refused(401, "invalid_credential");
    ask(&twin("iss", json!("https://other.test"))).refused(401, "invalid_credential");
    ask(&twin("exp", json!(1_700_000_000))).refused(401, "expired_credential");
    ask(&twin("tenant_id", Value::Null)).refused(403, "tenant_unknown");
    let forged = SigningKey::named("first", Key::R2).sign(&issuer.claims("acme"));
    ask(&forged).refused(401, "invalid_credential");
    envoy
        .get("/v1/models/m/infer")
        .send()
        .refused(401, "missing_credential");
    upstream.saw_nothing();
}

#[test]
fn a_real_provider_that_somebody_else_wrote_is_understood() {
    let (provider, upstream) = (OidcProvider::start(), Upstream::start());
    let oidc = json!({
        "issuer": oidc_provider::ISSUER, "audience": oidc_provider::AUDIENCE, "tenant_claim": "tenant",
        "required_claims": { "scope": ["llm.read"] },
    });
    let plugin = gate(&oidc, &json!({ "idp.test": "idp" }));
    let envoy = Envoy::start(
        Setup::with(plugin)
            .model(upstream.address())
            .cluster("idp", provider.address()),
    );

    for (client, secret, tenant) in [
        ("acme-app", "acme-secret", "acme"),
        ("globex-app", "globex-secret", "globex"),
    ] {
        let token = provider.access_token(client, secret);
        envoy
            .get("/v1/models/m/infer")
            .bearer(&token)
            .send()
            .admitted();
        assert_eq!(
            upstream.last().header("x-tenant-id").as_deref(),
            Some(tenant)
        );
    }
}

#[test]
fn an_outage_after_the_keys_were_fetched_is_not_noticed() {
    let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream));
    envoy
        .get("/v1/models/m/infer")
        .bearer(&issuer.token("acme"))
        .send()
        .admitted();
    issuer.goes_away();
    envoy
        .get("/v1/models/m/infer")
        .bearer(&issuer.token("globex"))
        .send()
        .admitted();
}

#[test]
fn a_new_key_of_the_issuer_is_found_without_a_restart() {
    let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream));
    let old = issuer.token("acme");
    envoy
        .get("/v1/models/m/infer")
        .bearer(&old)
        .send()
        .admitted();
    issuer.rotate_to("second");
    until(&envoy, &issuer.token("acme"), 200);
    until(&envoy, &old, 401);
}

#[test]
fn two_workers_fetch_the_keys_once() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream).workers(2));
    let token = issuer.token("acme");
    // Every request comes on a connection of its own: both workers get some.
    for _ in 0..40 {
        envoy
            .get("/v1/models/m/infer")
            .bearer(&token)
            .send()
            .admitted();
    }
    assert_eq!((issuer.discovery_hits(), issuer.jwks_hits()), (1, 1));
}
