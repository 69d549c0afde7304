//! What a caller may put into a request, as far as only a real Envoy can show it: its parser, its own cleaning of
//! headers, its idea of host and address, its trailers, upgrades and protocols. The rows are those of `requests`.
//!
//! PRO-11, clients that leave, is in `tests/envoy_faults`.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test that meets the unexpected should stop, and waits by the real clock"
)]

mod any_bytes;
mod bodies;
#[path = "../harness/mod.rs"]
mod harness;
mod headers;
mod http2;
mod other_filters;
mod protocols;
mod routing;
mod smuggling;
mod sources;
mod streams;
mod targets;
mod tunnels;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use harness::wire::{RawAnswer, lines, word};
use harness::{Envoy, Listener, Setup, Upstream};
use serde_json::{Value, json};

/// A key of tenant t2.
const K: &str = "acme-key-4f1d8a";

/// Both ways to run Envoy that an operator may choose.
const LISTENERS: [(&str, Listener); 2] = [("hardened", Listener::HARDENED), ("raw", Listener::RAW)];

fn keys() -> Value {
    json!({"type": "api_key", "keys": [{"client_id": "acme", "key": K, "tenant_id": "t2"}]})
}

fn config(endpoints: &Value) -> Value {
    json!({"identity_headers": {"tenant": "x-tenant-id", "user": "x-user-id"}, "endpoints": endpoints})
}

/// A protected and a public endpoint.
fn chat_and_health() -> Value {
    config(&json!([
        {"name": "chat", "path": "/v1/chat", "authorizer": keys()},
        {"name": "health", "path": "/health", "authorizer": {"type": "none"}},
    ]))
}

fn gate(config: Value, listener: Listener) -> (Upstream, Envoy) {
    let upstream = Upstream::start();
    let envoy = Envoy::start(
        Setup::with(config)
            .model(upstream.address())
            .listener(listener),
    );
    (upstream, envoy)
}

/// A request that must always be admitted: after whatever went before, by the only worker.
#[track_caller]
fn stands(envoy: &mut Envoy) {
    let answer = envoy.get("/v1/chat").bearer(K).send();
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), envoy.log());
    assert!(envoy.is_running());
}

/// Sends raw bytes on a connection of their own. `None` where Envoy closed it without a word.
fn raw(envoy: &Envoy, bytes: &[u8]) -> Option<RawAnswer> {
    let mut wire = envoy.wire();
    wire.send(bytes);
    wire.answer()
}

fn bearer() -> String {
    format!("Authorization: Bearer {K}")
}

/// A server that gives every request the same bytes, whatever a server should do.
fn serving(bytes: Vec<u8>) -> SocketAddr {
    serving_by(move |_| bytes.clone())
}

/// The same, with bytes of its own for each head.
fn serving_by(answer: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let _ = stream.write_all(&answer(&head));
        }
    });
    address
}
