//! The evidence command without an Envoy: what it reads and writes, what it compares, and what it makes of bad input.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::too_many_lines,
    clippy::unwrap_used,
    reason = "a test fails by panicking, waits by the real clock, and is as long as its table"
)]

#[path = "../harness/evidence.rs"]
mod command;
mod diff;
mod pack;
mod probes;
mod refused;
mod shipped;
mod sources;

/// A gate with one endpoint of each kind, as plugin configuration.
pub const GATE: &str = r#"
endpoints:
- { name: health, path: /healthz, methods: [GET], authorizer: { type: none } }
- name: chat
  path: /v1/chat
  allow_from: [10.0.0.0/8, 127.0.0.0/8]
  authorizer: { type: api_key, keys: [{ client_id: app, key: sk-CANARY-key, expires_at: "2027-01-01T00:00:00Z" }] }
- name: infer
  path: /v1/models/{model}/infer
  methods: [POST]
  authorizer:
    type: oidc
    oidc: { issuer: https://issuer.example.com, audience: api, required_claims: { scope: [use] } }
"#;
