//! What an operator's path patterns match, and which of two that match decides: PTH-12.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::gate::{K, api_keys, config_of, gate_with, hold, outcome};
use crate::harness::proxy::{Proxy, Request, get, request};

const ODD: &str = "400 ambiguous_path";
const UNKNOWN: &str = "404 unknown_endpoint";
const BARE: &str = "401 missing_credential";

#[test]
fn pth_12_a_pattern_is_anchored_literal_and_quick() {
    let endpoint = |name: &str, path: &str| json!({"name": name, "path": path, "authorizer": {"type": "none"}});
    let endpoints = json!([
        endpoint("dot", "/v1/model.list"),
        endpoint("group", "/v1/(a|b)+$"),
        endpoint("around", "/w/a{x}b/a{y}b/a{z}b/end"),
        endpoint("stars", "/s/*/*/*/*/*/*/*/*/*/*/end"),
        endpoint("rest", "/r/**"),
    ]);
    let mut proxy = gate_with(&config_of(&endpoints));
    let rows = [
        ("/v1/model.list", "nobody"),
        ("/v1/modelXlist", UNKNOWN),
        ("/v1/model.list2", UNKNOWN),
        ("/x/v1/model.list", UNKNOWN),
        ("/v1/model.list/x", UNKNOWN),
        ("/v1/model.list%0a", ODD),
        ("/v1/(a|b)+$", "nobody"),
        ("/v1/ab", UNKNOWN),
        ("/r/a/b/c", "nobody"),
        ("/r/", "nobody"),
        ("/r", UNKNOWN),
        ("/rr/a", UNKNOWN),
        ("/w/aab/aab/aab/end", "nobody"),
        ("/w/ab/aab/aab/end", UNKNOWN),
    ];
    hold(
        &mut proxy,
        rows.map(|(path, expected)| (path, get(path), expected)),
    );

    // Paths as long as Envoy lets through, made to be backtracked on.
    let segment = format!("/a{}b", "ab".repeat(4000));
    let long = [
        format!("/w{}/enx", segment.repeat(3)),
        format!("/s{}", "/a".repeat(20_000)),
        format!("/w/{}", "a".repeat(60_000)),
    ];
    #[allow(
        clippy::disallowed_methods,
        reason = "how long it really takes is the question"
    )]
    let begun = Instant::now();
    hold(
        &mut proxy,
        long.iter().map(|path| ("long", get(path), UNKNOWN)),
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn pth_12_a_pattern_that_no_request_could_match_is_refused_at_configuration() {
    for path in [
        "v1", "/a//b", "/a/../b", "/a%2fb", "/a b", "/a;b", "/a#b", "/a?b", "/**/b", "/{a}{b}",
        "/{a",
    ] {
        let endpoints = json!([{"name": "a", "path": path, "authorizer": {"type": "none"}}]);
        let log = Proxy::try_with(config_of(&endpoints))
            .err()
            .unwrap_or_default();
        assert!(log.contains("endpoints[0].path"), "{path}: {log}");
    }
}

#[test]
fn the_most_specific_path_decides_and_a_public_one_never_opens_its_neighbour() {
    let open = json!({"type": "none"});
    let endpoints = json!([
        {"name": "all", "path": "/v1/**", "authorizer": api_keys()},
        {"name": "status", "path": "/v1/status", "methods": ["GET"], "authorizer": open},
        {"name": "models", "path": "/v1/models/{id}", "authorizer": open},
        {"name": "admin", "path": "/v1/models/admin", "authorizer": api_keys()},
    ]);
    let mut proxy = gate_with(&config_of(&endpoints));
    let rows: [(&str, Request, &str); 8] = [
        ("public", get("/v1/status"), "nobody"),
        ("another method of it", request("POST", "/v1/status"), BARE),
        ("below it", get("/v1/status/x"), BARE),
        ("captured", get("/v1/models/m"), "nobody"),
        ("exact before capture", get("/v1/models/admin"), BARE),
        ("encoded exact", get("/v1/models/%61dmin"), BARE),
        ("below a capture", get("/v1/models/m/x"), BARE),
        ("a trailing slash", get("/v1/models/"), BARE),
    ];
    hold(&mut proxy, rows);
    assert_eq!(
        outcome(&proxy.send(get("/v1/models/admin").bearer(K))),
        "t2"
    );
}
