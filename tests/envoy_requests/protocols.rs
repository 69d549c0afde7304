//! Shapes of the protocol: PRO-01, PRO-03 to PRO-05, PRO-07, PRO-10.

use serde_json::{Value, json};

use crate::harness::upstream::RawUpstream;
use crate::harness::{Envoy, Listener, Setup, Upstream};
use crate::{K, LISTENERS, bearer, chat_and_health, config, gate, keys, lines, stands, word};

#[test]
fn pro_01_nothing_of_an_upgrade_without_a_key_reaches_the_upstream() {
    let upstream = RawUpstream::start();
    let mut envoy = Envoy::start(
        Setup::with(chat_and_health())
            .model(upstream.address())
            .listener(Listener::RAW),
    );
    let upgrade = |credential: &str, early: &[u8]| {
        let mut wire = envoy.wire();
        let bytes = lines(
            "GET /v1/chat",
            &[
                credential,
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
            ],
        );
        wire.send(&[&bytes, early].concat());
        wire.answer().map(|answer| word(&answer))
    };
    assert_eq!(
        upgrade("X-A: 1", b"early data").as_deref(),
        Some("401 missing_credential")
    );
    assert_eq!(
        upgrade(
            "x-api-key: wrong",
            b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        .as_deref(),
        Some("401 invalid_credential")
    );
    assert!(upstream.heads().is_empty());
    assert_eq!(upgrade(&bearer(), b"").as_deref(), Some("101"));
    assert_eq!(upstream.heads().len(), 1);
    assert!(envoy.is_running());
}

#[test]
fn pro_03_a_refused_head_has_no_body_and_a_preflight_passes_only_where_it_may() {
    let endpoints = json!([
        {"name": "chat", "path": "/v1/chat", "methods": ["GET", "HEAD", "POST"], "authorizer": keys()},
        {"name": "browser", "path": "/v1/browser", "methods": ["POST"], "preflight": "allow", "authorizer": keys()},
    ]);
    let (upstream, mut envoy) = gate(config(&endpoints), Listener::HARDENED);
    let refused = envoy.ask("HEAD", "/v1/chat").bearer("wrong").send();
    assert_eq!((refused.status, refused.body.len()), (401, 0));
    let preflight = |path: &str| {
        envoy
            .ask("OPTIONS", path)
            .header("origin", "https://a.test")
            .header("access-control-request-method", "POST")
    };
    preflight("/v1/chat")
        .send()
        .refused(404, "unknown_endpoint");
    envoy
        .ask("OPTIONS", "/v1/browser")
        .header("origin", "https://a.test")
        .send()
        .refused(404, "unknown_endpoint");
    envoy
        .ask("OPTIONS", "/v1/browser")
        .header("access-control-request-method", "POST")
        .send()
        .refused(404, "unknown_endpoint");
    upstream.saw_nothing();
    preflight("/v1/browser")
        .header("x-tenant-id", "t9")
        .send()
        .admitted();
    assert!(
        upstream.last().all("x-tenant-id").is_empty(),
        "{:?}",
        upstream.last()
    );
    assert_eq!(upstream.last().method, "OPTIONS");
    assert_eq!(envoy.ask("HEAD", "/v1/chat").bearer(K).send().status, 200);
    stands(&mut envoy);
}

#[test]
fn pro_03_a_trace_tells_nobody_what_was_put_into_the_request() {
    let lends = json!({"type": "bearer", "token": "sk-provider"});
    let endpoints = json!([
        {"name": "chat", "path": "/v1/chat", "authorizer": keys(), "upstream_auth": lends},
        {"name": "open", "path": "/open", "authorizer": {"type": "none"}, "upstream_auth": lends},
    ]);
    let (upstream, mut envoy) = gate(config(&endpoints), Listener::HARDENED);
    let bearer = bearer();
    let ask = |first: &str, field: &str| {
        let answer = crate::raw(&envoy, &lines(first, &[field])).unwrap();
        word(&answer)
    };
    for path in ["/v1/chat", "/open"] {
        for field in [bearer.as_str(), "X-A: 1"] {
            let first = format!("TRACE {path}");
            assert_eq!(ask(&first, field), "404 unknown_endpoint", "{path} {field}");
        }
    }
    // OPTIONS that is no preflight is a request like any other.
    assert_eq!(ask("OPTIONS /v1/chat", "X-A: 1"), "401 missing_credential");
    upstream.saw_nothing();
    for first in ["OPTIONS /v1/chat", "GET /v1/chat"] {
        assert_eq!(ask(first, &bearer), "200");
    }
    assert_eq!(ask("GET /open", "X-A: 1"), "200");
    assert_eq!(upstream.seen().len(), 3);
    assert!(
        upstream
            .seen()
            .iter()
            .all(|seen| seen.contains("sk-provider"))
    );
    stands(&mut envoy);
}

#[test]
fn pro_04_pipelined_requests_are_decided_each_by_itself() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        let (good, bad, none) = (
            lines("GET /v1/chat?n=good", &[&bearer()]),
            lines("GET /v1/chat?n=bad", &["x-api-key: wrong"]),
            lines("GET /v1/chat?n=none", &[]),
        );
        // Envoy closes the connection behind its second own answer, so there is no point in more.
        let (is_good, is_bad, is_none) =
            ("200", "401 invalid_credential", "401 missing_credential");
        for (requests, words) in [
            ([&bad, &good], [is_bad, is_good]),
            ([&good, &bad], [is_good, is_bad]),
            ([&none, &good], [is_none, is_good]),
            ([&good, &none], [is_good, is_none]),
            ([&bad, &none], [is_bad, is_none]),
            ([&good, &good], [is_good, is_good]),
        ] {
            let mut wire = envoy.wire();
            wire.send(&requests.map(Vec::as_slice).concat());
            for expected in words {
                let answer = wire.answer().map(|answer| word(&answer));
                assert_eq!(answer.as_deref(), Some(expected), "{name} {words:?}");
            }
        }
        let seen = upstream.seen();
        assert!(
            seen.len() == 6 && seen.iter().all(|seen| seen.target == "/v1/chat?n=good"),
            "{name}: {seen:?}"
        );
        stands(&mut envoy);
    }
}

/// [`chat_and_health`] behind a listener that this is merged into.
fn merged(more: Value) -> (Upstream, Envoy) {
    let upstream = Upstream::start();
    let mut setup = Setup::with(chat_and_health()).model(upstream.address());
    setup.merged = Some(more);
    let envoy = Envoy::start(setup);
    (upstream, envoy)
}

#[test]
fn pro_04_http_1_0_is_judged_like_any_other_version() {
    let (upstream, mut envoy) = merged(json!({ "http_protocol_options": {
        "accept_http_10": true, "default_host_for_http_10": "api.test",
    } }));
    let bearer = bearer();
    let request = |path: &str, field: &str, more: &str| {
        format!("GET {path} HTTP/1.0\r\n{field}\r\n{more}\r\n").into_bytes()
    };
    for (field, expected) in [
        ("X-A: 1", "401 missing_credential"),
        ("x-api-key: wrong", "401 invalid_credential"),
        (bearer.as_str(), "200"),
    ] {
        let answer = crate::raw(&envoy, &request("/v1/chat", field, "")).unwrap();
        assert_eq!(word(&answer), expected);
    }
    assert_eq!(upstream.seen().len(), 1);
    // On one connection, each by itself.
    let mut wire = envoy.wire();
    let keep = "Connection: keep-alive\r\n";
    for (field, expected) in [("X-A: 1", "401 missing_credential"), (&bearer, "200")] {
        wire.send(&request("/v1/chat", field, keep));
        let answer = wire.answer().map(|answer| word(&answer));
        assert_eq!(answer.as_deref(), Some(expected));
    }
    assert_eq!(upstream.seen().len(), 2);
    stands(&mut envoy);
}

#[test]
fn pro_05_where_envoy_leaves_it_to_the_server_a_refused_client_is_not_told_to_go_on() {
    let (upstream, mut envoy) = merged(json!({ "proxy_100_continue": true }));
    let ask = |field: &str| {
        let fields = [field, "Expect: 100-continue", "Content-Length: 2"];
        let mut wire = envoy.wire();
        wire.send(&lines("POST /v1/chat", &fields));
        wire
    };
    let refused = ask("x-api-key: wrong").answer().unwrap();
    assert_eq!(word(&refused), "401 invalid_credential");
    upstream.saw_nothing();
    let mut wire = ask(&bearer());
    assert_eq!(wire.answer().map(|answer| answer.status), Some(100));
    wire.send(b"{}");
    assert_eq!(wire.answer().map(|answer| answer.status), Some(200));
    assert_eq!(upstream.last().body, b"{}");
    stands(&mut envoy);
}

#[test]
fn pro_05_a_refusal_does_not_wait_for_the_body_that_a_client_offers() {
    let (upstream, mut envoy) = gate(chat_and_health(), Listener::HARDENED);
    for (credential, expected) in [
        ("x-api-key: wrong", "401 invalid_credential"),
        ("X-A: 1", "401 missing_credential"),
    ] {
        let mut wire = envoy.wire();
        wire.send(&lines(
            "POST /v1/chat",
            &[
                credential,
                "Expect: 100-continue",
                "Content-Length: 10000000",
                "Connection: close",
            ],
        ));
        let mut answer = wire.answer().unwrap();
        // Envoy itself may say so before any filter is asked.
        if answer.status == 100 {
            answer = wire.answer().unwrap();
        }
        assert_eq!(word(&answer), expected);
    }
    upstream.saw_nothing();
    stands(&mut envoy);
}

#[test]
fn pro_07_a_grpc_client_gets_the_status_that_grpc_has_for_each_refusal() {
    let endpoints = json!([
        {"name": "chat", "path": "/v1/chat", "authorizer": keys()},
        {"name": "inside", "path": "/inside", "allow_from": ["203.0.113.0/24"], "authorizer": keys()},
    ]);
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(config(&endpoints), listener);
        for kind in ["application/grpc", "application/grpc+proto"] {
            let ask = |path: &str| {
                envoy
                    .ask("POST", path)
                    .header("content-type", kind)
                    .header("te", "trailers")
            };
            for (ask, status, reason) in [
                (ask("/v1/chat"), "16", "missing_credential"),
                (ask("/v1/chat").bearer("wrong"), "16", "invalid_credential"),
                (ask("/inside").bearer(K), "7", "source_not_allowed"),
                (ask("/nowhere").bearer(K), "12", "unknown_endpoint"),
                (ask("/v1/chat;a").bearer(K), "13", "ambiguous_path"),
                (
                    ask("/v1/chat").bearer(K).header("api-key", "other"),
                    "13",
                    "multiple_credentials",
                ),
            ] {
                let answer = ask.send();
                assert_eq!(
                    (answer.status, answer.header("grpc-status")),
                    (200, Some(status)),
                    "{name} {kind} {reason}: {answer:?}"
                );
                assert!(answer.body.is_empty(), "{name} {kind} {reason}: {answer:?}");
                let message = answer.header("grpc-message").unwrap_or_default();
                assert!(
                    message.contains(reason),
                    "{name} {kind} {reason}: {message}"
                );
            }
        }
        upstream.saw_nothing();
        envoy
            .ask("POST", "/v1/chat")
            .header("content-type", "application/grpc")
            .bearer(K)
            .send()
            .admitted();
        stands(&mut envoy);
    }
}

#[test]
fn pro_10_each_shape_of_a_request_is_decided_once_and_logged_once() {
    let (upstream, mut envoy) = gate(chat_and_health(), Listener::RAW);
    let bearer = bearer();
    let shapes: [(&[&str], &str); 6] = [
        (&[], ""),
        (&["Content-Length: 0"], ""),
        (&["Content-Length: 2"], "{}"),
        (&["Transfer-Encoding: chunked"], "0\r\n\r\n"),
        (
            &["Transfer-Encoding: chunked"],
            "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        ),
        (&["Transfer-Encoding: chunked"], "0\r\nx-a: 1\r\n\r\n"),
    ];
    for (fields, body) in shapes {
        for credential in [bearer.as_str(), "X-A: 1"] {
            let fields: Vec<&str> = [&[credential, "Connection: close"], fields].concat();
            let bytes = [lines("POST /v1/chat", &fields), body.as_bytes().to_vec()].concat();
            let answer = crate::raw(&envoy, &bytes).unwrap();
            let expected = if credential == bearer {
                "200"
            } else {
                "401 missing_credential"
            };
            assert_eq!(word(&answer), expected, "{fields:?} {body:?}");
        }
    }
    assert_eq!(upstream.seen().len(), shapes.len());
    let lines = envoy.access_log(2 * shapes.len());
    let of = |decision: &str| {
        lines
            .iter()
            .filter(|line| line["decision"].as_str() == Some(decision))
            .count()
    };
    assert_eq!(
        (lines.len(), of("allow"), of("deny")),
        (12, 6, 6),
        "{lines:#?}"
    );
    assert!(
        lines
            .iter()
            .all(|line: &Value| !line.to_string().contains(K))
    );
    stands(&mut envoy);
}
