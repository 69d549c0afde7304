//! The provider's credential stays behind the gate: the rows UPC and FLO of the attack catalogue, on the real module.
//!
//! | room | rows |
//! |---|---|
//! | [`lent`] | UPC-01 02 03, FLO-01 03: one credential leaves, and it is ours |
//! | [`token`] | UPC-07 09 10, FLO-04 06, OBS-06: the life of a token that is fetched |
//! | [`answers`] | UPC-05: what a token endpoint may answer |
//! | [`clock`] | CLM-07: the clock is set |
//!
//! UPC-04, 06 and 08 are said of one room alone: in `src/upstream`, `src/fetch/access_token` and `tests/config`.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says on stderr which case it was at"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod clock;
mod lent;
mod token;

use std::time::Duration;

use serde_json::{Value, json};

use harness::proxy::{Answer, Proxy, Request, Setup, post};
use harness::tokens::with;

/// The client's own key, which no provider may ever see.
const KEY: &str = "acme-client-key";
/// What the provider wants to see.
const PROVIDER_KEY: &str = "provider-secret-key";
const CLIENT_SECRET: &str = "oauth-client-secret";
/// The Envoy cluster of the authorization server.
const AUTH: &str = "auth";
const TOKEN: &str = "/oauth/token";

/// Tenants `acme` and `globex`, by key.
fn keys() -> Value {
    json!({ "type": "api_key", "keys": [
        { "client_id": "acme-app", "tenant_id": "acme", "key": KEY },
        { "client_id": "globex-app", "tenant_id": "globex", "key": "globex-client-key" },
    ] })
}

fn policy(endpoints: &[Value]) -> Value {
    json!({ "clusters": { "auth.test": AUTH }, "endpoints": endpoints })
}

/// `/v1/chat` with this credential, for whoever has one of [`keys`].
fn chat(upstream_auth: &Value) -> Value {
    json!({ "name": "chat", "path": "/v1/chat", "authorizer": keys(), "upstream_auth": upstream_auth })
}

fn bearer() -> Value {
    json!({ "type": "bearer", "token": PROVIDER_KEY })
}

fn oauth() -> Value {
    json!({
        "type": "oauth2_client_credentials", "token_url": "https://auth.test/oauth/token", "client_id": "gate",
        "client_secret": CLIENT_SECRET,
    })
}

fn oauth_with(more: Value) -> Value {
    with(oauth(), more)
}

/// What an authorization server answers.
fn token(token: &str, expires_in: u64) -> Value {
    json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in })
}

/// A process with this endpoint, whose authorization server hands out `t-1` for an hour.
fn gate_with_tokens(setup: Setup) -> Proxy {
    setup.cluster(AUTH).serves(TOKEN, token("t-1", 3600));
    setup.with(policy(&[chat(&oauth())]))
}

fn request() -> Request {
    post("/v1/chat").header("x-api-key", KEY)
}

#[track_caller]
fn saw_token(answer: &Answer, token: &str) {
    answer
        .admitted()
        .upstream_saw("authorization", format!("Bearer {token}"))
        .upstream_lacks("x-api-key");
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
