//! Keys that are fetched.

use std::time::Duration;

use serde_json::json;

use crate::harness::proxy::{Proxy, Reply};
use crate::harness::tokens::with;
use crate::{DOCUMENT, KEYS, chat, document, policy};

/// A server that shows this document under an entity tag, and knows it again.
fn serve(proxy: &Proxy, body: &serde_json::Value, etag: &'static str) {
    let body = body.clone();
    proxy.cluster(KEYS).replies(DOCUMENT, move |hit| {
        if hit.header("if-none-match") == [etag.as_bytes()] {
            Reply::new(304, &[("etag", etag)], "")
        } else {
            Reply::new(200, &[("etag", etag)], &body)
        }
    });
}

fn statuses(proxy: &Proxy) -> (usize, usize) {
    let hits = proxy.cluster(KEYS).hits();
    let conditional = hits
        .iter()
        .filter(|hit| !hit.header("if-none-match").is_empty());
    (hits.len(), conditional.count())
}

fn gate(keys: &[&str]) -> Proxy {
    let setup = Proxy::setup();
    setup.cluster(KEYS).serves(DOCUMENT, document(keys));
    setup.with(policy())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_key_of_the_set_is_let_in_and_any_other_is_not() {
    let mut proxy = gate(&["k-1", "k-2"]);
    let answer = proxy.send(chat("k-1"));
    answer
        .admitted()
        .upstream_saw("x-tenant-id", "client-of-k-1")
        .upstream_lacks("authorization");
    proxy.send(chat("k-3")).refused(401, "invalid_credential");
    proxy.advance(seconds(1));
    assert_eq!(
        proxy.metric("tenantgate.key_set.clients.key_set_keys"),
        Some(2)
    );
}

#[test]
fn a_request_that_comes_before_the_keys_waits_for_them() {
    let setup = Proxy::setup();
    setup
        .cluster(KEYS)
        .serves(DOCUMENT, document(&["k-1"]))
        .takes(seconds(2));
    let mut proxy = setup.with(policy());
    let stream = proxy.start(chat("k-1"));
    proxy.advance(seconds(1));
    proxy.answer(stream).pending();
    proxy.advance(seconds(2));
    proxy.answer(stream).admitted();
}

#[test]
fn a_key_that_is_taken_out_is_dead_within_a_refresh_and_the_others_go_on() {
    let mut proxy = gate(&["k-1", "k-2"]);
    proxy.send(chat("k-1")).admitted();
    proxy
        .cluster(KEYS)
        .serves(DOCUMENT, document(&["k-2", "k-3"]));
    proxy.advance(seconds(1));
    proxy.send(chat("k-1")).refused(401, "invalid_credential");
    proxy.send(chat("k-2")).admitted();
    proxy.send(chat("k-3")).admitted();
}

#[test]
fn a_set_that_is_the_same_is_not_sent_again() {
    let setup = Proxy::workers(2);
    let mut proxy = setup.with(policy());
    serve(&proxy, &document(&["k-1"]), "\"one\"");
    proxy.advance(seconds(3));
    let (all, conditional) = statuses(&proxy);
    proxy.advance(seconds(60));
    let (later, later_conditional) = statuses(&proxy);
    assert_eq!(
        later - all,
        later_conditional - conditional,
        "only conditional ones"
    );
    assert!(
        (60..=76).contains(&(later - all)),
        "{}: one a second, not one a worker",
        later - all
    );
    for worker in 0..2 {
        proxy.send(chat("k-1").on_worker(worker)).admitted();
    }
    serve(&proxy, &document(&["k-2"]), "\"two\"");
    proxy.advance(seconds(2));
    for worker in 0..2 {
        proxy
            .send(chat("k-1").on_worker(worker))
            .refused(401, "invalid_credential");
        proxy.send(chat("k-2").on_worker(worker)).admitted();
    }
}

#[test]
fn a_document_that_is_no_set_is_refused_whole_and_the_last_good_one_stays() {
    let mut proxy = gate(&["k-1"]);
    proxy.send(chat("k-1")).admitted();
    let entry = |entry| json!({ "keys": [{ "client_id": "c", "key": "k-2" }, entry] });
    for (what, body) in [
        ("nothing", json!(null)),
        ("no keys", json!({})),
        ("another layout", json!({ "version": 2, "keys": [] })),
        (
            "a bad entry",
            entry(json!({ "client_id": "d", "key_sha256": "9f86d0" })),
        ),
        (
            "a key twice",
            entry(json!({ "client_id": "d", "key": "k-2" })),
        ),
        (
            "a variable",
            entry(json!({ "client_id": "d", "key": { "env": "HOME" } })),
        ),
    ] {
        proxy.cluster(KEYS).serves(DOCUMENT, &body);
        proxy.advance(seconds(3));
        proxy.send(chat("k-1")).admitted();
        let answer = proxy.send(chat("k-2"));
        eprintln!("case: {what}");
        answer.refused(401, "invalid_credential");
    }
    for (what, text) in [
        ("html", "<html><body>login</body></html>"),
        (
            "half of it",
            r#"{"version": 1, "keys": [{"client_id": "c", "#,
        ),
        ("nothing at all", ""),
    ] {
        eprintln!("case: {what}");
        proxy.cluster(KEYS).serves(DOCUMENT, text);
        proxy.advance(seconds(3));
        proxy.send(chat("k-1")).admitted();
    }
    let log = proxy.log_text();
    assert!(
        log.contains("keys[1].key_sha256: must be a SHA-256 digest"),
        "{log}"
    );
    assert!(!log.contains("k-2"), "{log}");
    // And the next good one is taken.
    proxy.cluster(KEYS).serves(DOCUMENT, document(&["k-2"]));
    proxy.advance(seconds(3));
    proxy.send(chat("k-2")).admitted();
    proxy.send(chat("k-1")).refused(401, "invalid_credential");
    proxy.alive();
}

#[test]
fn a_set_without_keys_lets_nobody_in() {
    let mut proxy = gate(&["k-1"]);
    proxy.send(chat("k-1")).admitted();
    proxy.cluster(KEYS).serves(DOCUMENT, json!({ "keys": [] }));
    proxy.advance(seconds(2));
    proxy.send(chat("k-1")).refused(401, "invalid_credential");
    assert_eq!(
        proxy.metric("tenantgate.key_set.clients.key_set_keys"),
        Some(0)
    );
}

#[test]
fn a_document_that_is_too_long_is_refused() {
    let mut proxy = gate(&["k-1"]);
    proxy.send(chat("k-1")).admitted();
    let long = format!("{}{}", document(&["k-2"]), " ".repeat(25 << 20));
    proxy.cluster(KEYS).serves(DOCUMENT, long);
    proxy.advance(seconds(3));
    proxy.send(chat("k-1")).admitted();
    proxy.send(chat("k-2")).refused(401, "invalid_credential");
    proxy.alive();
}

#[test]
fn an_outage_is_bridged_for_as_long_as_the_operator_says_and_no_longer() {
    let setup = Proxy::setup();
    setup.cluster(KEYS).serves(DOCUMENT, document(&["k-1"]));
    let key_sets = json!({ "clients": { "uri": "https://keys.test/clients.json", "refresh": "1s", "max_stale": "5m" } });
    let mut proxy = setup.with(with(policy(), json!({ "key_sets": key_sets })));
    proxy.send(chat("k-1")).admitted();
    for down in [0, 1, 2] {
        let keys = proxy.cluster(KEYS);
        match down {
            0 => keys.refuses(),
            1 => keys.hangs(),
            _ => keys.resets(),
        };
        proxy.advance(seconds(60));
        proxy.send(chat("k-1")).admitted();
    }
    proxy.cluster(KEYS).refuses();
    proxy.advance(seconds(130));
    proxy.send(chat("k-1")).refused(503, "keys_unavailable");
    // It is back within the refresh, not after a minute.
    proxy.cluster(KEYS).up();
    proxy.advance(seconds(2));
    proxy.send(chat("k-1")).admitted();
}

#[test]
fn a_server_that_says_not_modified_without_being_asked_is_no_source_of_keys() {
    let setup = Proxy::setup();
    setup
        .cluster(KEYS)
        .answers(DOCUMENT, 304, &[("etag", "\"a\"")], "");
    let mut proxy = setup.with(policy());
    proxy.send(chat("k-1")).refused(503, "keys_unavailable");
    proxy.cluster(KEYS).serves(DOCUMENT, document(&["k-1"]));
    proxy.advance(seconds(2));
    proxy.send(chat("k-1")).admitted();
}

#[test]
fn a_server_that_says_not_modified_for_ever_is_asked_for_the_whole_now_and_then() {
    let setup = Proxy::setup();
    let key_sets = json!({ "clients": { "uri": "https://keys.test/clients.json", "refresh": "10s", "max_stale": "5m" } });
    let mut proxy = setup.with(with(policy(), json!({ "key_sets": key_sets })));
    proxy.cluster(KEYS).replies(DOCUMENT, |hit| {
        if hit.header("if-none-match").is_empty() {
            Reply::new(200, &[("etag", "\"a\"")], document(&["k-1"]))
        } else {
            Reply::new(304, &[], "")
        }
    });
    proxy.advance(seconds(10));
    let whole = |proxy: &Proxy| {
        let (all, conditional) = statuses(proxy);
        all - conditional
    };
    let before = whole(&proxy);
    proxy.advance(seconds(1200));
    assert_eq!(whole(&proxy) - before, 3, "every five minutes and a bit");
    proxy.send(chat("k-1")).admitted();
}

#[test]
fn a_not_modified_of_another_document_is_not_believed() {
    let setup = Proxy::setup();
    let mut proxy = setup.with(policy());
    serve(&proxy, &document(&["k-1"]), "\"one\"");
    proxy.send(chat("k-1")).admitted();
    let new = document(&["k-2"]);
    proxy.cluster(KEYS).replies(DOCUMENT, move |hit| {
        if hit.header("if-none-match").is_empty() {
            Reply::new(200, &[("etag", "\"two\"")], &new)
        } else {
            Reply::new(304, &[("etag", "\"two\"")], "")
        }
    });
    proxy.advance(seconds(3));
    proxy.send(chat("k-2")).admitted();
    proxy.send(chat("k-1")).refused(401, "invalid_credential");
}

#[test]
fn an_edit_of_the_configuration_fetches_nothing_anew() {
    let setup = Proxy::workers(2);
    let key_sets =
        json!({ "clients": { "uri": "https://keys.test/clients.json", "refresh": "1h" } });
    let policy = with(policy(), json!({ "key_sets": key_sets }));
    setup.cluster(KEYS).serves(DOCUMENT, document(&["k-1"]));
    let mut proxy = setup.with(policy.clone());
    proxy.send(chat("k-1")).admitted();
    for edit in 0..20 {
        proxy.reconfigure(with(policy.clone(), json!({ "token_cache_size": edit })));
        for worker in 0..2 {
            proxy.send(chat("k-1").on_worker(worker)).admitted();
        }
    }
    assert_eq!(proxy.cluster(KEYS).hits(), 1);
    // Nor is it read anew, which takes long for a large one: what other workers share could as well be gone.
    let shared = proxy.shared_keys();
    let body = shared
        .iter()
        .find(|key| key.contains("/body/"))
        .expect("it is shared");
    proxy.set_shared_data(body, "");
    proxy.reconfigure(with(policy, json!({ "token_cache_size": 100 })));
    for worker in 0..2 {
        proxy.send(chat("k-1").on_worker(worker)).admitted();
    }
    assert_eq!(proxy.cluster(KEYS).hits(), 1);
}

#[test]
fn a_set_whose_server_gives_it_no_tag_is_shared_anew_only_when_it_has_changed() {
    let mut proxy = gate(&["k-1"]);
    proxy.send(chat("k-1")).admitted();
    let shared = proxy.shared_keys();
    let body = shared
        .iter()
        .find(|key| key.contains("/body/"))
        .expect("it is shared");
    proxy.set_shared_data(body, "");
    proxy.advance(seconds(5));
    assert!(
        proxy.cluster(KEYS).hits().len() > 4,
        "it comes whole each time"
    );
    assert_eq!(proxy.shared_data(body), Some(Vec::new()));
    proxy.cluster(KEYS).serves(DOCUMENT, document(&["k-2"]));
    proxy.advance(seconds(2));
    proxy.send(chat("k-2")).admitted();
    let now = document(&["k-2"]).to_string().into_bytes();
    assert_eq!(proxy.shared_data(body), Some(now));
}

#[test]
fn another_cluster_is_another_server_and_its_set_another_set() {
    let setup = Proxy::setup();
    setup
        .cluster(KEYS)
        .answers(DOCUMENT, 200, &[("etag", "\"1\"")], document(&["k-old"]));
    let mut proxy = setup.with(policy());
    proxy.send(chat("k-old")).admitted();
    proxy.cluster("others").replies(DOCUMENT, |hit| {
        if hit.header("if-none-match").is_empty() {
            Reply::new(200, &[("etag", "\"1\"")], document(&["k-new"]))
        } else {
            Reply::new(304, &[("etag", "\"1\"")], "")
        }
    });
    proxy.reconfigure(with(
        policy(),
        json!({ "clusters": { "keys.test": "others" } }),
    ));
    proxy.send(chat("k-new")).admitted();
    proxy.send(chat("k-old")).refused(401, "invalid_credential");
}

#[test]
fn which_version_is_in_force_can_be_told_from_outside() {
    let mut proxy = gate(&["k-1"]);
    proxy.send(chat("k-1")).admitted();
    // The first twelve digits of `sha256sum`.
    let version = |body: String| {
        let digest = tenantgate::policy::ShortDigest::of(body.as_bytes());
        Some(u64::from_str_radix(digest.as_str(), 16).unwrap())
    };
    proxy.advance(seconds(1));
    let gauge = "tenantgate.key_set.clients.key_set_version";
    assert_eq!(proxy.metric(gauge), version(document(&["k-1"]).to_string()));
    proxy.cluster(KEYS).serves(DOCUMENT, document(&["k-2"]));
    proxy.advance(seconds(2));
    assert_eq!(proxy.metric(gauge), version(document(&["k-2"]).to_string()));
    assert!(proxy.metric("tenantgate.key_set.clients.key_set_age_seconds") <= Some(1));
    proxy.cluster(KEYS).refuses();
    proxy.advance(seconds(60));
    let age = proxy.metric("tenantgate.key_set.clients.key_set_age_seconds");
    assert!((Some(49)..=Some(62)).contains(&age), "{age:?}");
}

#[test]
fn a_key_set_and_keys_and_an_issuer_stand_beside_each_other() {
    let setup = Proxy::setup();
    setup.cluster(KEYS).serves(DOCUMENT, document(&["k-1"]));
    let mut policy = policy();
    policy["key_sets"]["clients"]["max_stale"] = json!("1m");
    policy["endpoints"][0]["authorizer"] = json!({ "any_of": [
        { "type": "api_key", "key_set": "clients" },
        { "type": "api_key", "keys": [{ "client_id": "static", "key": "k-static" }] },
    ] });
    let mut proxy = setup.with(policy);
    proxy.send(chat("k-1")).admitted();
    proxy
        .send(chat("k-static"))
        .admitted()
        .upstream_saw("x-tenant-id", "static");
    proxy.send(chat("k-2")).refused(401, "invalid_credential");
    // What is written down does not depend on the server.
    proxy.cluster(KEYS).refuses();
    proxy.advance(seconds(70));
    proxy.send(chat("k-static")).admitted();
    proxy.send(chat("k-1")).refused(503, "keys_unavailable");
}
