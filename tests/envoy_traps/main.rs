//! The VM ends, in a real Envoy, at every stage of a request and of the plugin, with others' requests on their way: what
//! each failure policy makes of it. `examples/trapping_filter.rs` is the filter, ended where a request says so.
//!
//! Whatever the policy and the stage, but for the one that must not be used: nobody is let in who would not have been.
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

mod in_flight;
mod policies;
mod reload;
mod second_lock;

use std::time::{Duration, Instant};

use harness::envoy_config::FILTER;
use harness::issuer::AUDIENCE;
use harness::{Answer, Ask, Envoy, Issuer, Setup, Upstream, module};
use serde_json::{Value, json};

const KEY: &str = "the-key-of-acme";

/// `/chat` with a key, `/infer` with a token.
fn policy(issuer: &Issuer) -> Value {
    json!({
        "clusters": { "issuer.test": "issuer" },
        "endpoints": [
            { "name": "chat", "path": "/chat", "authorizer": { "type": "api_key", "keys": [
                { "client_id": "c", "key": KEY, "tenant_id": "acme" },
            ] } },
            { "name": "infer", "path": "/infer", "authorizer": { "type": "oidc", "oidc": {
                "issuer": issuer.url(), "audience": AUDIENCE, "jwks_uri": format!("{}/keys", issuer.url()),
            } } },
        ],
    })
}

/// One worker with the filter that can be ended, configured as an operator would.
fn setup(issuer: &Issuer, upstream: &Upstream) -> Setup {
    let mut setup = Setup::with(policy(issuer))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .running(module::trapping().to_owned());
    // A stream that waited when its VM ended is ended by this.
    setup.merged = Some(json!({ "stream_idle_timeout": "3s" }));
    setup
}

/// The same, and Envoy told by these members what to do when it fails.
fn failing(setup: &Setup, how: &Value) -> Value {
    let mut filter = setup.filter();
    let config = filter["config"].as_object_mut().expect("members");
    config.remove("failure_policy");
    config.remove("reload_config");
    config.extend(how.as_object().expect("members").clone());
    filter
}

/// A request that ends the VM there, whoever asks.
fn trap(envoy: &Envoy, stage: &str, key: &str) -> Ask {
    envoy
        .post("/chat", &json!({ "model": "m" }))
        .bearer(key)
        .header("x-trap", stage)
}

fn good(envoy: &Envoy) -> Answer {
    envoy.get("/chat?good").bearer(KEY).send()
}

fn bad(envoy: &Envoy) -> Answer {
    envoy.get("/chat?bad").bearer("a-guess").send()
}

/// Asks as good and bad ones do until the good ones are served again, and says how long that took. Meanwhile all are told
/// that it cannot be done now, and at no time a bad one is let in.
fn healthy_after(envoy: &Envoy, stage: &str) -> Duration {
    let since = Instant::now();
    loop {
        let (refused, served) = (bad(envoy), good(envoy));
        assert!(matches!(refused.status, 401 | 503), "{stage}: {refused:?}");
        match served.status {
            200 => return since.elapsed(),
            503 => assert!(
                since.elapsed() < Duration::from_secs(20),
                "{stage}: still not well\n{}",
                envoy.log()
            ),
            _ => panic!("{stage}: {served:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How often a VM was made anew.
fn reloads(envoy: &Envoy) -> u64 {
    envoy.stat(&format!("wasm.{FILTER}.vm_reload_success"))
}

/// Nothing of this path came upstream.
fn never_saw(upstream: &Upstream, target: &str) {
    let seen = upstream.seen();
    assert!(
        seen.iter().all(|seen| !seen.target.contains(target)),
        "{seen:#?}"
    );
}
