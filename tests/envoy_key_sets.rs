//! Key sets in a real Envoy with two workers: how soon a revoked key is dead everywhere, what the others notice of that, what
//! a large set costs, and what a body may name.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, waits by the real clock, and says what it measured"
)]

mod harness;

use std::cell::Cell;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use harness::key_server::KeyServer;
use harness::{Envoy, Setup, Upstream};
use serde_json::{Value, json};
use tenantgate::authorizer::api_key::KeyDigest;
use tenantgate::policy::ShortDigest;
use ureq::Agent;

fn plugin(refresh: &str) -> Value {
    json!({
        "clusters": { "keys.test": "keys" },
        "key_sets": { "clients": { "uri": "http://keys.test/clients.json", "refresh": refresh } },
        "endpoints": [{ "name": "chat", "path": "/chat", "authorizer": { "type": "api_key", "key_set": "clients" } }],
    })
}

fn document(keys: &[&str]) -> String {
    let entry = |key: &&str| json!({ "client_id": format!("client-of-{key}"), "key_sha256": KeyDigest::of(key.as_bytes()).to_string() });
    json!({ "version": 1, "keys": keys.iter().map(entry).collect::<Vec<_>>() }).to_string()
}

/// A gate with two workers in front of answers of Envoy's own.
fn gate(server: &KeyServer, plugin: Value) -> Envoy {
    let direct = json!([{ "name": "all", "domains": ["*"], "routes": [{
        "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "ok" } },
    }] }]);
    let setup = Setup::with(plugin)
        .cluster("keys", server.address())
        .virtual_hosts(direct)
        .workers(2);
    Envoy::start(setup)
}

/// A client that keeps one connection.
fn client() -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_idle_connections(1)
        .build()
        .into()
}

fn status(client: &Agent, url: &str, key: &str) -> u16 {
    let answer = client
        .get(format!("{url}/chat"))
        .header("authorization", format!("Bearer {key}"))
        .call();
    let mut answer = answer.unwrap_or_else(|error| panic!("{error}"));
    answer.body_mut().read_to_string().expect("a body");
    answer.status().as_u16()
}

fn wait_until(what: &str, at_most: Duration, done: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < at_most, "{what}: not within {at_most:?}");
        thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}

#[test]
fn vm_10_a_revoked_key_is_dead_on_all_workers_within_three_seconds_and_nobody_else_notices() {
    let server = KeyServer::start(document(&["steady", "leaked"]));
    let envoy = gate(&server, plugin("1s"));
    let url = envoy.url();
    wait_until("keys", Duration::from_secs(10), || {
        status(&client(), &url, "steady") == 200
    });

    let stop = AtomicBool::new(false);
    let (asked, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let client = client();
                while !stop.load(Ordering::Relaxed) {
                    let verdict = status(&client, &url, "steady");
                    asked.fetch_add(1, Ordering::Relaxed);
                    failed.fetch_add(usize::from(verdict != 200), Ordering::Relaxed);
                }
            });
        }
        // Connections that stay, enough of them that each worker has some.
        let clients: Vec<_> = (0..16).map(|_| client()).collect();
        for round in 0..3 {
            for client in &clients {
                assert_eq!(status(client, &url, "leaked"), 200, "round {round}");
            }
            server.shows(document(&["steady", "fresh"]));
            let took = wait_until("dead everywhere", Duration::from_secs(3), || {
                clients
                    .iter()
                    .all(|client| status(client, &url, "leaked") == 401)
            });
            println!(
                "round {round}: dead on all of 16 connections {took:?} after it was taken out"
            );
            for client in &clients {
                assert_eq!(status(client, &url, "leaked"), 401);
                assert_eq!(status(client, &url, "fresh"), 200);
            }
            server.shows(document(&["steady", "leaked"]));
            wait_until("back everywhere", Duration::from_secs(3), || {
                clients
                    .iter()
                    .all(|client| status(client, &url, "leaked") == 200)
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
    let (asked, failed) = (asked.into_inner(), failed.into_inner());
    println!("{asked} requests with the steady key meanwhile, {failed} of them failed");
    assert_eq!(failed, 0);

    // A set that is the same is not sent again, and one process asks once a second, however many workers it has.
    let (whole, unmodified) = server.answers();
    thread::sleep(Duration::from_secs(5));
    let (whole_later, unmodified_later) = server.answers();
    println!(
        "five seconds: {} bodies, {} times 304",
        whole_later - whole,
        unmodified_later - unmodified
    );
    assert_eq!(whole_later, whole);
    assert!((4..=8).contains(&(unmodified_later - unmodified)));

    let version = ShortDigest::of(document(&["steady", "leaked"]).as_bytes()).number();
    let stats = envoy.admin("/stats/prometheus?filter=key_set");
    for line in [
        format!(r#"tenantgate_key_set_version{{key_set="clients"}} {version}"#),
        r#"tenantgate_key_set_keys{key_set="clients"} 2"#.to_owned(),
        r#"tenantgate_key_set_age_seconds{key_set="clients"} "#.to_owned(),
    ] {
        assert!(stats.contains(&line), "{line} in\n{stats}");
    }
}

#[test]
fn a_hundred_thousand_keys_are_loaded_and_replaced_while_requests_go_on() {
    let large = |generation: usize| {
        let mut text = String::from(r#"{"version":1,"keys":["#);
        for n in 0..100_000 {
            let digest = KeyDigest::of(format!("key-{generation}-{n}").as_bytes());
            let comma = if n == 0 { "" } else { "," };
            write!(
                text,
                r#"{comma}{{"client_id":"client-{n:06}","tenant_id":"tenant-{:04}","key_sha256":"{digest}"}}"#,
                n / 10
            )
            .expect("text");
        }
        text + "]}"
    };
    let server = KeyServer::start(document(&["key-0-1"]));
    let envoy = gate(&server, plugin("1s"));
    let url = envoy.url();
    let vm_bytes = || envoy.stat("wasmcustom.tenantgate.vm_memory_bytes");
    wait_until("keys", Duration::from_secs(10), || {
        status(&client(), &url, "key-0-1") == 200
    });
    let small = vm_bytes();
    for generation in 1..=3 {
        let document = large(generation);
        let megabytes = document.len() / 1_000_000;
        server.shows(document);
        let clients: Vec<_> = (0..8).map(|_| client()).collect();
        let key = format!("key-{generation}-99999");
        let slowest = Cell::new(Duration::ZERO);
        let asked = |client: &Agent, key: &str| {
            let start = Instant::now();
            let verdict = status(client, &url, key);
            slowest.set(slowest.get().max(start.elapsed()));
            verdict
        };
        let took = wait_until("a large set", Duration::from_secs(20), || {
            clients.iter().all(|client| asked(client, &key) == 200)
        });
        println!(
            "{megabytes} MB, 100,000 keys: in force on both workers {took:?} after it was shown; the slowest answer took {:?}",
            slowest.get()
        );
        for client in &clients {
            assert_eq!(
                status(client, &url, &format!("key-{}-7", generation - 1)),
                401
            );
        }
    }
    thread::sleep(Duration::from_secs(1));
    println!(
        "memory of a VM: {small} bytes with one key, {} after three sets of 100,000",
        vm_bytes()
    );
    assert!(vm_bytes() < 160 << 20, "{} bytes", vm_bytes());
}

#[test]
fn a_key_that_may_call_some_models_is_held_to_them_by_the_body() {
    let upstream = Upstream::start();
    let key = json!({ "client_id": "some", "key": "k-some", "models": ["small"] });
    let plugin = json!({ "endpoints": [{
        "name": "chat", "path": "/v1/chat/completions", "authorizer": { "type": "api_key", "keys": [key] },
    }] });
    let envoy = Envoy::start(Setup::with(plugin).model(upstream.address()));
    let ask = |model: &str, padding: usize| {
        let body = json!({ "messages": [{ "role": "user", "content": "x".repeat(padding) }], "model": model });
        envoy
            .post("/v1/chat/completions", &body)
            .bearer("k-some")
            .send()
    };
    let whole = || upstream.seen().iter().filter(|seen| seen.is_whole).count();
    // Larger than Envoy hands over at once, and than it would buffer.
    for padding in [0, 100_000, 3_000_000] {
        ask("small", padding).admitted();
        let seen = whole();
        let answer = ask("large", padding);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.json()["error"]["code"], "model_not_allowed");
        assert_eq!(whole(), seen, "no server got all of it");
    }
    let denied: Vec<_> = envoy
        .access_log(6)
        .into_iter()
        .filter(|line| line["decision"] == "deny")
        .map(|line| (line["reason"].clone(), line["tenant_id"].clone()))
        .collect();
    assert_eq!(denied, vec![(json!("model_not_allowed"), json!("some")); 3]);
}
