//! Tunnels: PRO-01 over HTTP/2 and before the decision, PRO-02. Envoy is told to take them all, so that they get as far as
//! the filter.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::h2::{Answer, Fields, tunnel};
use crate::harness::issuer::{AUDIENCE, Mood};
use crate::harness::upstream::RawUpstream;
use crate::harness::{Envoy, Issuer, Listener, Setup};
use crate::{K, bearer, chat_and_health, lines, stands, word};

/// An Envoy that takes every kind of tunnel, and has a route for it.
fn open_to_tunnels(config: Value, upstream: SocketAddr) -> Envoy {
    let kinds = ["websocket", "CONNECT", "CONNECT-UDP"];
    let mut setup = Setup::with(config)
        .model(upstream)
        .listener(Listener::RAW)
        .virtual_hosts(json!([{ "name": "all", "domains": ["*"], "routes": [
            { "match": { "connect_matcher": {} }, "route": {
                "cluster": "model", "upgrade_configs": [{ "upgrade_type": "CONNECT", "connect_config": {} }] } },
            { "match": { "prefix": "/" }, "route": { "cluster": "model" } },
        ] }]));
    setup.merged = Some(json!({
        "http2_protocol_options": { "allow_connect": true },
        "upgrade_configs": kinds.map(|kind| json!({ "upgrade_type": kind })),
    }));
    Envoy::start(setup)
}

fn extended<'a>(protocol: &'a str, path: &'a str, more: &[(&'a str, &'a [u8])]) -> Fields<'a> {
    let head: Fields<'_> = vec![
        (":method", b"CONNECT"),
        (":protocol", protocol.as_bytes()),
        (":scheme", b"http"),
        (":authority", b"api.test"),
        (":path", path.as_bytes()),
    ];
    head.into_iter().chain(more.iter().copied()).collect()
}

#[test]
fn pro_01_an_extended_connect_is_judged_as_the_upgrade_that_it_is() {
    let upstream = RawUpstream::start();
    let mut envoy = open_to_tunnels(chat_and_health(), upstream.address());
    for (field, reason) in [
        (("x-a", &b"1"[..]), "missing_credential"),
        (("x-api-key", b"wrong"), "invalid_credential"),
    ] {
        let head = extended("websocket", "/v1/chat", &[field]);
        assert_eq!(tunnel(&envoy, &head, b"early data").reason(), reason);
    }
    assert!(upstream.heads().is_empty());
    let head = extended("websocket", "/v1/chat", &[("x-api-key", K.as_bytes())]);
    assert_eq!(
        tunnel(&envoy, &head, b"early data"),
        Answer::Body("early data".to_owned())
    );
    let head = String::from_utf8_lossy(&upstream.heads()[0]).into_owned();
    assert!(
        head.starts_with("GET /v1/chat HTTP/1.1\r\n") && head.contains("x-tenant-id: t2\r\n"),
        "{head}"
    );
    assert!(!head.contains(K), "{head}");
    stands(&mut envoy);
}

#[test]
fn pro_01_what_a_client_says_before_the_decision_waits_with_it() {
    let (issuer, upstream) = (Issuer::start(), RawUpstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(1)));
    let mut config = chat_and_health();
    let oidc = json!({ "issuer": issuer.url(), "audience": AUDIENCE });
    config["endpoints"][1] = json!({ "name": "live", "path": "/v1/live", "authorizer": { "type": "oidc", "oidc": oidc } });
    let mut envoy = Envoy::start(
        Setup::with(config)
            .model(upstream.address())
            .cluster("issuer.test", issuer.address()),
    );
    let mut claims = issuer.claims("acme");
    claims["aud"] = json!("api://others");
    let upgrade = |token: &str, early: &[u8]| {
        let credential = format!("Authorization: Bearer {token}");
        let head = lines(
            "GET /v1/live",
            &[&credential, "Connection: Upgrade", "Upgrade: websocket"],
        );
        let mut wire = envoy.wire();
        wire.send(&[&head, early].concat());
        wire
    };
    let mut refused = upgrade(&issuer.sign(&claims), b"early data");
    let mut admitted = upgrade(&issuer.token("acme"), b"");
    assert_eq!(
        refused.answer().map(|answer| word(&answer)).as_deref(),
        Some("401 invalid_credential")
    );
    assert_eq!(admitted.answer().map(|answer| answer.status), Some(101));
    admitted.send(b"data");
    assert_eq!(admitted.bytes(4).as_deref(), Some(&b"data"[..]));
    assert_eq!(upstream.heads().len(), 1);
    assert_eq!(issuer.jwks_hits(), 1);
    stands(&mut envoy);
}

#[test]
fn pro_02_a_connect_is_refused_with_a_path_and_without_and_harms_nobody() {
    for unmatched in ["deny", "pass"] {
        let upstream = RawUpstream::start();
        let mut config = chat_and_health();
        config["unmatched"] = json!(unmatched);
        let mut envoy = open_to_tunnels(config, upstream.address());
        let key = ("x-api-key", K.as_bytes());
        for field in [("x-a", &b"1"[..]), key] {
            let line = format!("{}: {}", field.0, field.1.escape_ascii());
            let connect = lines("CONNECT api.test:443", &[&line]);
            let answer = crate::raw(&envoy, &connect).map(|answer| word(&answer));
            assert_eq!(answer.as_deref(), Some("400 ambiguous_path"), "{field:?}");
            let plain: Fields<'_> = vec![
                (":method", b"CONNECT"),
                (":authority", b"api.test:443"),
                field,
            ];
            assert_eq!(
                tunnel(&envoy, &plain, b"bytes").reason(),
                "ambiguous_path",
                "{field:?}"
            );
            // Whether a CONNECT may have a path without being extended, Envoy decides (RFC 9113 section 8.5).
            let odd: Fields<'_> = vec![
                (":method", b"CONNECT"),
                (":scheme", b"http"),
                (":authority", b"api.test:443"),
                (":path", b"/health"),
                field,
            ];
            let answer = tunnel(&envoy, &odd, b"bytes");
            assert!(
                answer == Answer::Cut || answer.reason() == "ambiguous_path",
                "{field:?} {answer:?}"
            );
        }
        let target = "/.well-known/masque/udp/192.0.2.6/443/";
        for (path, field) in [
            ("/v1/chat", "x-a: 1"),
            ("/v1/chat", "x-api-key: wrong"),
            (target, &bearer()),
        ] {
            // Where requests that address nothing pass, so does this one.
            if path == target && unmatched == "pass" {
                continue;
            }
            let upgrade = [field, "Connection: Upgrade", "Upgrade: connect-udp"];
            let answer = crate::raw(&envoy, &lines(&format!("GET {path}"), &upgrade));
            // By Envoy where the path is none of the kind that datagrams have (RFC 9298 section 2), else by the gate.
            let answer = answer.map(|answer| answer.status);
            assert_eq!(answer, Some(404), "{path} {field}");
            let (name, value) = field.split_once(": ").expect("a field");
            let name = name.to_ascii_lowercase();
            let head = extended("connect-udp", path, &[(&name, value.as_bytes())]);
            let answer = tunnel(&envoy, &head, b"\0\x05bytes");
            // Envoy need not take a datagram's tunnel over HTTP/2.
            let is_refused = ["", "unknown_endpoint"].contains(&answer.reason().as_str());
            assert!(is_refused, "{path} {field}: {answer:?}");
        }
        assert!(upstream.heads().is_empty(), "{:?}", upstream.heads());
        // The same Envoy opens a tunnel of a kind that is served.
        let socket = lines(
            "GET /v1/chat",
            &[&bearer(), "Connection: Upgrade", "Upgrade: websocket"],
        );
        let answer = crate::raw(&envoy, &socket).map(|answer| answer.status);
        assert_eq!(answer, Some(101));
        stands(&mut envoy);
        assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
    }
}
