//! Edits of a running gate, by ECDS, under load and from connections that stay: no request fails by an edit, each is
//! judged by a configuration that was accepted, and a bad one changes nothing.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::print_stdout
)]

#[path = "../harness/mod.rs"]
mod harness;

mod hundred;
mod memory;
mod refused;
mod shipped;
mod under_load;

use std::path::Path;

use harness::command::{Said, tenantgate};
use serde_json::{Value, json};

/// Answers that Envoy gives itself, so that nothing is measured but the gate.
fn answered_by_envoy() -> Value {
    json!([{ "name": "all", "domains": ["*"], "routes": [{
        "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
    }] }])
}

/// One endpoint, and who may call it.
fn chat(keys: &[&str]) -> Value {
    let entry = |key: &&str| json!({ "client_id": key, "key": key });
    let keys: Vec<_> = keys.iter().map(entry).collect();
    json!({ "name": "chat", "path": "/chat", "authorizer": { "type": "api_key", "keys": keys } })
}

/// `tenantgate apply`, with the configuration on standard input.
fn apply(configuration: &Value, to: &Path) -> Said {
    let to = to.to_str().expect("a path");
    tenantgate(&["apply", "-", "--to", to], &configuration.to_string())
}

/// The same, where it must do.
fn applied(configuration: &Value, to: &Path) -> Said {
    let said = apply(configuration, to);
    assert_eq!(said.status, Some(0), "{}", said.stderr);
    said
}
