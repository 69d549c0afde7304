//! Eight edits, each with a tenant of its own, so that every answer says which of them it was judged by.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::envoy::Edit;
use crate::harness::issuer::{AUDIENCE, Mood};
use crate::harness::wire::Wire;
use crate::harness::{Envoy, Issuer, Setup, Upstream};

const KEY: &str = "the-key-of-the-load";

/// Every edit gives the key another tenant, so that an answer says which configuration it was judged by.
fn configuration(number: usize, issuer: &Issuer) -> Value {
    json!({
        "clusters": { "issuer.test": "issuer" },
        "endpoints": [
            { "name": "chat", "path": "/chat", "authorizer": { "type": "api_key", "keys": [
                { "client_id": "c", "key": KEY, "tenant_id": format!("tenant-{number}") },
            ] } },
            { "name": format!("infer-{number}"), "path": "/infer", "authorizer": {
                "type": "oidc", "oidc": { "issuer": issuer.url(), "audience": AUDIENCE },
            } },
        ],
    })
}

/// Wrong in four places at once.
fn bad_configuration(issuer: &Issuer) -> Value {
    let mut bad = configuration(99, issuer);
    bad["endpoints"][0]["authorizer"]["keys"][0]["keyy"] = json!("x");
    bad["endpoints"][1]["path"] = json!("infer");
    bad["endpoints"][1]["authorizer"]["oidc"]["algorithms"] = json!(["none"]);
    bad["identity_headers"] = json!({ "tenant": "not a header" });
    bad
}

/// One client on one connection, as fast as it is answered. Whose tenants it was taken for, and how often it asked.
fn load(
    mut wire: Wire,
    path: &str,
    credential: &str,
    stop: &AtomicBool,
) -> (BTreeSet<String>, usize) {
    let field = format!("authorization: Bearer {credential}");
    let (mut tenants, mut asked) = (BTreeSet::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        assert!(
            wire.request("GET", path, &[field.as_bytes()]),
            "the connection was closed"
        );
        let answer = wire.answer().expect("an answer, on the same connection");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("connection"), None, "{}", answer.head);
        tenants.insert(tenant(&answer.body));
        asked += 1;
    }
    (tenants, asked)
}

/// The tenant that the upstream was told.
fn tenant(echo: &[u8]) -> String {
    let seen: Value = serde_json::from_slice(echo).expect("what the upstream saw");
    let headers = seen["headers"].as_array().expect("headers");
    let tenants: Vec<_> = headers
        .iter()
        .filter(|field| field[0] == "x-tenant-id")
        .collect();
    assert_eq!(tenants.len(), 1, "{seen}");
    tenants[0][1].as_str().expect("a tenant").to_owned()
}

#[test]
fn vm_06_edits_under_load_fail_no_request_and_are_in_force_on_the_connections_that_stay() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let setup = Setup::with(configuration(0, &issuer))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .workers(2)
        .live();
    let mut envoy = Envoy::start(setup);
    let token = issuer.token("acme");
    envoy.get("/infer").bearer(&token).send().admitted();

    let stop = AtomicBool::new(false);
    let wires: Vec<_> = (0..4).map(|_| envoy.wire()).collect();
    let mut mine = envoy.wire();
    std::thread::scope(|scope| {
        let clients: Vec<_> = wires
            .into_iter()
            .enumerate()
            .map(|(index, wire)| {
                let (path, credential) = if index % 2 == 0 {
                    ("/chat", KEY)
                } else {
                    ("/infer", token.as_str())
                };
                let stop = &stop;
                (
                    path,
                    scope.spawn(move || load(wire, path, credential, stop)),
                )
            })
            .collect();
        // However this ends, the clients must.
        let stopper = Stopper(&stop);
        for number in 1..=8 {
            assert_eq!(envoy.apply(configuration(number, &issuer)), Edit::Applied);
            assert_eq!(ask(&mut mine), format!("tenant-{number}"));
            if number % 3 == 0 {
                assert_eq!(envoy.apply(bad_configuration(&issuer)), Edit::Rejected);
                assert_eq!(ask(&mut mine), format!("tenant-{number}"));
            }
        }
        drop(stopper);
        for (path, client) in clients {
            let (tenants, asked) = client.join().expect("a client without a failure");
            println!("{path}: {asked} requests on one connection, tenants {tenants:?}");
            assert!(asked > 100, "{path}: {asked}");
            if path == "/chat" {
                assert!(tenants.contains("tenant-8"), "{tenants:?}");
                assert!(tenants.iter().all(|tenant| tenant.starts_with("tenant-")));
            } else {
                assert_eq!(tenants, BTreeSet::from(["acme".to_owned()]));
            }
        }
    });
    // A new configuration begins with the keys that the process has.
    assert_eq!((issuer.discovery_hits(), issuer.jwks_hits()), (1, 1));
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
}

struct Stopper<'a>(&'a AtomicBool);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn ask(wire: &mut Wire) -> String {
    let field = format!("authorization: Bearer {KEY}");
    assert!(wire.request("GET", "/chat", &[field.as_bytes()]));
    let answer = wire.answer().expect("an answer");
    assert_eq!(answer.status, 200, "{}", answer.text());
    tenant(&answer.body)
}

#[test]
fn every_mistake_of_a_bad_configuration_is_named_in_envoys_log() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let setup = Setup::with(configuration(0, &issuer))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .live();
    let mut envoy = Envoy::start(setup);
    assert_eq!(envoy.apply(bad_configuration(&issuer)), Edit::Rejected);
    let log = envoy.log();
    for place in [
        "identity_headers.tenant: ",
        "endpoints[0].authorizer.keys[0].keyy: ",
        "endpoints[1].path: ",
        "endpoints[1].authorizer.oidc.algorithms[0]: ",
    ] {
        assert!(log.contains(place), "{place}\n{log}");
    }
    assert!(!log.contains(KEY), "{log}");
    envoy.get("/chat").bearer(KEY).send().admitted();
}

#[test]
fn key_25_and_vm_06_requests_that_wait_when_an_edit_comes_are_judged_by_what_they_came_under() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(3)));
    let setup = Setup::with(configuration(0, &issuer))
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .workers(2)
        .live();
    let mut envoy = Envoy::start(setup);
    let field = format!("authorization: Bearer {}", issuer.token("acme"));
    let mut waiting: Vec<_> = (0..8).map(|_| envoy.wire()).collect();
    for wire in &mut waiting {
        assert!(wire.request("GET", "/infer", &[field.as_bytes()]));
    }
    assert_eq!(envoy.apply(configuration(1, &issuer)), Edit::Applied);
    let mut later = envoy.wire();
    assert!(later.request("GET", "/infer", &[field.as_bytes()]));
    let start = Instant::now();
    for wire in waiting.iter_mut().chain([&mut later]) {
        let answer = wire.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // The edit ended whoever was fetching, if that was a thread without waiting requests. Another one took over at once.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(issuer.jwks_hits() <= 2, "{}", issuer.jwks_hits());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
}
