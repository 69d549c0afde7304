//! Which host a request is for: HST-01, HST-03 to HST-05.

use serde_json::json;

use crate::gate::{K, api_keys, config_of, gate_with, hold};
use crate::harness::proxy::{Proxy, get};

const BARE: &str = "401 missing_credential";
const UNKNOWN: &str = "404 unknown_endpoint";
const ODD: &str = "400 ambiguous_host";

/// The same path, protected on one host and open on others.
fn proxy() -> Proxy {
    gate_with(&config_of(&json!([
        {"name": "api", "path": "/v1/chat", "hosts": ["api.test", "[2001:db8::1]"], "authorizer": api_keys()},
        {"name": "docs", "path": "/v1/chat", "hosts": ["*.open.test"], "authorizer": {"type": "none"}},
        {"name": "closed", "path": "/v1/chat", "hosts": ["secret.open.test"], "authorizer": api_keys()},
    ])))
}

fn rows(proxy: &mut Proxy, rows: &[(&'static str, &'static str)]) {
    hold(
        proxy,
        rows.iter()
            .map(|(host, expected)| (*host, get("/v1/chat").host(host), *expected)),
    );
}

#[test]
fn hst_01_spellings_of_one_host_are_under_one_policy() {
    let mut proxy = proxy();
    let spellings = [
        "api.test",
        "API.Test",
        "api.test.",
        "api.test:443",
        "api.test:00443",
        "api.test:",
        "api.test.:80",
        "Api.Test.:8080",
    ];
    hold(
        &mut proxy,
        spellings.map(|host| (host, get("/v1/chat").host(host), BARE)),
    );
    hold(
        &mut proxy,
        spellings.map(|host| (host, get("/v1/chat").host(host).bearer(K), "t2")),
    );
    for spelling in [
        "secret.open.test",
        "SECRET.open.test",
        "secret.open.test.",
        "secret.open.test:1",
    ] {
        rows(&mut proxy, &[(spelling, BARE)]);
    }
    rows(
        &mut proxy,
        &[
            ("[2001:db8::1]", BARE),
            ("[2001:DB8::1]:443", BARE),
            // Envoy takes it for another host, and so may not the gate.
            ("[2001:db8:0:0::1]", ODD),
        ],
    );
}

#[test]
fn hst_03_a_wildcard_covers_labels_below_and_nothing_else() {
    let mut proxy = proxy();
    rows(
        &mut proxy,
        &[
            ("a.open.test", "nobody"),
            ("a.b.open.test", "nobody"),
            ("open.test", UNKNOWN),
            ("evilopen.test", UNKNOWN),
            ("open.test.evil", UNKNOWN),
            ("a.open.test.evil", UNKNOWN),
            ("test", UNKNOWN),
            ("x.secret.open.test", "nobody"),
            ("secret.open.test", BARE),
            (".open.test", ODD),
            ("*.open.test", ODD),
        ],
    );
    let any = json!([{"name": "any", "path": "/v1/chat", "hosts": ["*"], "authorizer": {"type": "none"}}]);
    let mut proxy = gate_with(&config_of(&any));
    rows(
        &mut proxy,
        &[
            ("whatever", "nobody"),
            ("", ODD),
            ("10.0.0.1:80", "nobody"),
            ("[::1]:80", "nobody"),
        ],
    );
    let without = get("/v1/chat").without(":authority");
    hold(&mut proxy, [("none", without, ODD)]);
}

#[test]
fn hst_04_an_odd_host_is_refused_and_never_means_that_nobody_asks() {
    let long = "a".repeat(300);
    let odd: [&[u8]; 17] = [
        b"",
        b":80",
        b".",
        b"user@api.test",
        b"user:pw@api.test:80",
        b"api.test/x",
        b"api%2etest",
        b"api.test:80:80",
        b"a..test",
        b"api.test\0",
        b"api\xff.test",
        b"::1",
        b"[::1",
        b"[v1.x]",
        b"a b",
        b"api.test,api.test",
        long.as_bytes(),
    ];
    let any = json!([{"name": "any", "path": "/v1/chat", "authorizer": {"type": "none"}}]);
    for proxy in [&mut proxy(), &mut gate_with(&config_of(&any))] {
        hold(
            proxy,
            odd.map(|host| {
                (
                    host.escape_ascii().to_string(),
                    get("/v1/chat").host(host),
                    ODD,
                )
            }),
        );
    }
    // A host that no endpoint names is under the policy of those that name none, and here there is none.
    rows(
        &mut proxy(),
        &[
            ("other.test", UNKNOWN),
            ("127.0.0.1", UNKNOWN),
            ("[::1]:80", UNKNOWN),
            ("a.open.test", "nobody"),
        ],
    );
}

#[test]
fn hst_04_a_pattern_that_no_host_could_match_is_refused_at_configuration() {
    for host in [
        "",
        "*.",
        "*a.test",
        "a.*.test",
        "https://a.test",
        "a.test:80",
        "a.test/x",
        "[::1",
    ] {
        let endpoints =
            json!([{"name": "a", "path": "/", "hosts": [host], "authorizer": {"type": "none"}}]);
        let log = Proxy::try_with(config_of(&endpoints))
            .err()
            .unwrap_or_default();
        assert!(log.contains("endpoints[0].hosts[0]"), "{host}: {log}");
    }
}

#[test]
fn hst_05_the_name_in_the_handshake_has_no_say() {
    let mut proxy = proxy();
    for sni in ["a.open.test", "api.test", ""] {
        let with = |host: &str| {
            get("/v1/chat")
                .host(host)
                .property("connection.requested_server_name", sni)
        };
        hold(
            &mut proxy,
            [
                (sni, with("api.test"), BARE),
                (sni, with("a.open.test"), "nobody"),
            ],
        );
    }
}
