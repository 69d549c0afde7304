//! Which configuration is in force: what the metrics of a process say of it over edits, good ones and bad ones.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod harness;

use std::time::Duration;

use harness::proxy::{Proxy, get};
use serde_json::{Value, json};
use tenantgate::config;

/// A configuration that is its own.
fn policy(name: &str) -> Value {
    json!({ "endpoints": [{ "name": name, "path": "/v1/chat", "authorizer": {
        "type": "api_key", "keys": [{ "client_id": "c", "key": "k-1" }],
    } }] })
}

/// Its id, as the gauge has it.
fn number(policy: Value) -> Option<u64> {
    let policy = config::compile(policy, &|_: &str| None).unwrap();
    u64::from_str_radix(policy.config_id.as_str(), 16).ok()
}

fn told(proxy: &Proxy) -> (Option<u64>, Option<u64>) {
    let gauge = |name: &str| proxy.metric(&format!("tenantgate.{name}"));
    (gauge("config_id"), gauge("config_age_seconds"))
}

#[test]
fn the_metrics_tell_which_configuration_is_in_force_and_for_how_long() {
    let mut proxy = Proxy::workers(2).with(policy("one"));
    proxy.advance(Duration::from_secs(35));
    let (id, age) = told(&proxy);
    assert_eq!(id, number(policy("one")));
    assert!((Some(25)..=Some(35)).contains(&age), "{age:?}");

    proxy.reconfigure(policy("two"));
    proxy.advance(Duration::from_secs(1));
    assert_eq!(told(&proxy).0, number(policy("two")));
    assert!(told(&proxy).1 <= Some(1), "{:?}", told(&proxy));

    // One that is refused changes nothing.
    assert!(proxy.try_reconfigure(json!({ "endpoints": [] })).is_err());
    proxy.advance(Duration::from_secs(15));
    assert_eq!(told(&proxy).0, number(policy("two")));
}

#[test]
fn a_stream_that_an_older_configuration_let_in_does_not_speak_for_the_process() {
    let setup = Proxy::setup();
    setup.cluster("keys").hangs();
    let mut waiting = policy("one");
    waiting["clusters"] = json!({ "keys.test": "keys" });
    waiting["key_sets"] = json!({ "clients": { "uri": "https://keys.test/clients.json" } });
    waiting["endpoints"][0]["authorizer"] = json!({ "type": "api_key", "key_set": "clients" });
    let mut proxy = setup.with(waiting);
    let stream = proxy.start(get("/v1/chat").bearer("k-1"));
    proxy.reconfigure(policy("two"));
    assert_eq!(proxy.live_roots(), 2, "its root lives as long as it waits");
    proxy.advance(Duration::from_secs(3));
    proxy.answer(stream).pending();
    assert_eq!(told(&proxy).0, number(policy("two")));
}
