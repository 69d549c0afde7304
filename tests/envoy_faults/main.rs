//! Whatever a real Envoy with the filter depends on is killed or falls silent, clients vanish at every stage, and strangers
//! come by the ten thousand: who is told what, who does not notice, and that nothing is left behind.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, waits by the real clock, and says what it measured"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod floods;
mod outages;
mod strangers;
mod upstream;
mod vanishing;

use harness::Envoy;
use harness::issuer::AUDIENCE;
use serde_json::{Value, json};

/// A key that needs nobody.
const KEY: &str = "the-key-of-acme";

/// An endpoint for [`KEY`].
fn by_key(path: &str) -> Value {
    json!({ "name": name(path), "path": path, "authorizer": { "type": "api_key", "keys": [
        { "client_id": "c", "key": KEY, "tenant_id": "acme" },
    ] } })
}

/// An endpoint for the tokens of an issuer, whose keys are in the cluster of its host.
fn by_token(path: &str, issuer: &str, more: Value) -> Value {
    let oidc =
        json!({ "issuer": issuer, "audience": AUDIENCE, "jwks_uri": format!("{issuer}/keys") });
    json!({ "name": name(path), "path": path, "authorizer": {
        "type": "oidc", "oidc": harness::tokens::with(oidc, more),
    } })
}

fn name(path: &str) -> String {
    path.trim_start_matches('/').replace('/', ".")
}

/// No stream is left, and the VM that was there at the start is the one that is there.
fn comes_to_rest(envoy: &mut Envoy) {
    envoy.comes_to_rest();
    assert!(envoy.is_running());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
}
