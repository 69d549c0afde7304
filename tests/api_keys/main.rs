//! The life of API keys, on the real module: where they come from, how long they hold, what they may call.
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

mod clock;
mod key_sets;
mod models;
mod restrictions;

use serde_json::{Value, json};

use harness::proxy::{Request, post};

/// The Envoy cluster that shows the key set.
const KEYS: &str = "keys";
/// Where it does.
const DOCUMENT: &str = "/clients.json";

/// `/v1/chat/completions`, for whoever has a key of the set.
fn policy() -> Value {
    json!({
        "clusters": { "keys.test": KEYS },
        "key_sets": { "clients": { "uri": "https://keys.test/clients.json", "refresh": "1s" } },
        "endpoints": [{
            "name": "chat", "path": "/v1/chat/completions",
            "authorizer": { "type": "api_key", "key_set": "clients" },
        }],
    })
}

/// A document with these keys, each its own client.
fn document(keys: &[&str]) -> Value {
    let entries: Vec<_> = keys
        .iter()
        .map(|key| json!({ "client_id": format!("client-of-{key}"), "key": key }))
        .collect();
    json!({ "version": 1, "keys": entries })
}

fn chat(key: &str) -> Request {
    post("/v1/chat/completions").bearer(key)
}
