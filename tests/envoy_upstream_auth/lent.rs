//! What the provider sees, byte for byte.

use serde_json::json;

use crate::harness::envoy_config::Listener;
use crate::harness::oidc_provider::{self, OidcProvider};
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, endpoint, policy};

#[test]
fn upc_01_the_provider_sees_its_own_credential_byte_for_byte_and_nothing_of_the_clients() {
    let cases = [
        (
            "/basic",
            json!({"type": "basic", "username": "apiuser", "password": {"env": "PASSWORD"}}),
            "authorization",
            "Basic YXBpdXNlcjpzZWNyZXQxMjM=",
        ),
        (
            "/bearer",
            json!({"type": "bearer", "token": {"env": "TOKEN"}}),
            "authorization",
            "Bearer sk-provider",
        ),
        (
            "/header",
            json!({"type": "header", "name": "Api-Key", "value": "azure key"}),
            "api-key",
            "azure key",
        ),
    ];
    let endpoints: Vec<_> = cases
        .iter()
        .map(|(path, auth, ..)| endpoint(path, auth))
        .collect();
    let upstream = Upstream::start();
    // Without Envoy's own hardening, so that every spelling gets as far as the filter.
    let envoy = Envoy::start(
        Setup::with(policy(&endpoints))
            .model(upstream.address())
            .listener(Listener::RAW)
            .secret("PASSWORD", "secret123\n")
            .secret("TOKEN", "sk-provider\n"),
    );
    for (path, _, name, value) in cases {
        for client in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
            let scheme = if client == "authorization" {
                "Bearer "
            } else {
                ""
            };
            envoy
                .get(path)
                .header(client, &format!("{scheme}{KEY}"))
                .header("x_api_key", "own-key")
                .header("api_key", "own-key")
                .send()
                .admitted();
            let seen = upstream.last();
            assert_eq!(seen.header(name).as_deref(), Some(value), "{path} {client}");
            for other in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
                assert!(
                    other == name || seen.all(other).is_empty(),
                    "{other}: {seen:?}"
                );
            }
            for text in [KEY, "own-key"] {
                assert!(!seen.contains(text), "{text}: {seen:?}");
            }
            assert_eq!(seen.header("x-tenant-id").as_deref(), Some("acme"));
        }
    }
}

/// An authorization server and a resource server that both know nothing of this gate's own code paths: npm
/// `oidc-provider` gives the token, and a second gate in a second Envoy verifies it.
#[test]
fn a_token_of_a_real_authorization_server_is_good_where_it_is_sent() {
    let (idp, upstream) = (OidcProvider::start(), Upstream::start());
    let resource = json!({
        "clusters": { "idp.test": "idp" },
        "endpoints": [{ "name": "infer", "path": "/v1/chat", "authorizer": { "type": "oidc", "oidc": {
            "issuer": oidc_provider::ISSUER, "audience": oidc_provider::AUDIENCE, "tenant_claim": "tenant",
            "required_claims": { "scope": ["llm.read"] },
        } } }],
    });
    let resource_server = Envoy::start(
        Setup::with(resource)
            .model(upstream.address())
            .cluster("idp", idp.address()),
    );
    let auth = json!({
        "type": "oauth2_client_credentials", "token_url": format!("{}/token", oidc_provider::ISSUER),
        "client_id": "globex-app", "client_secret": "globex-secret", "scope": "llm.read",
        "parameters": { "resource": oidc_provider::AUDIENCE },
    });
    let mut plugin = policy(&[endpoint("/v1/chat", &auth)]);
    plugin["clusters"] = json!({ "idp.test": "idp" });
    let gate = Envoy::start(
        Setup::with(plugin)
            .model(resource_server.address())
            .cluster("idp", idp.address()),
    );
    gate.get("/v1/chat").bearer(KEY).send().admitted();
    let seen = upstream.last();
    assert_eq!(seen.header("x-tenant-id").as_deref(), Some("globex"));
    assert!(!seen.contains(KEY), "{seen:?}");
    // Its twin: the client's key alone is nothing to the resource server.
    resource_server
        .get("/v1/chat")
        .bearer(KEY)
        .send()
        .refused(401, "invalid_credential");
}
