//! The provider's credential, in a real Envoy: what the provider sees, what tokens cost, and where secrets do not appear.
//! The rows UPC and FLO of the attack catalogue; those that need no Envoy are in `tests/upstream_auth`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking and waits by the real clock"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod copies;
mod hidden;
mod lent;
mod redirect;
mod token;

use serde_json::{Value, json};

use harness::Setup;
use harness::provider::Provider;

/// The client's own key, which no provider may ever see.
const KEY: &str = "acme-client-key";
const CLIENT_SECRET: &str = "oauth-client-secret/%:&";

fn endpoint(path: &str, upstream_auth: &Value) -> Value {
    json!({
        "name": path.trim_start_matches('/').replace('/', "."),
        "path": path,
        "authorizer": { "type": "api_key", "keys": [{ "client_id": "app", "tenant_id": "acme", "key": KEY }] },
        "upstream_auth": upstream_auth,
    })
}

fn policy(endpoints: &[Value]) -> Value {
    json!({ "clusters": { "auth.test": "auth" }, "endpoints": endpoints })
}

fn oauth() -> Value {
    json!({
        "type": "oauth2_client_credentials", "token_url": "https://auth.test/oauth/token", "client_id": "gate",
        "client_secret": CLIENT_SECRET,
    })
}

/// `/v1/chat` goes to that provider with a token of its own.
fn setup(provider: &Provider) -> Setup {
    Setup::with(policy(&[endpoint("/v1/chat", &oauth())]))
        .model(provider.address())
        .cluster("auth", provider.address())
}
