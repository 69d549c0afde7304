//! Where credentials and bytes may stand, and what is left of them upstream: CRD-06, CRD-10, CRD-11, CRD-12.

use serde_json::json;

use crate::gate::{K, K2, api_keys, config, config_of, g, gate, gate_with, hold, outcome, tokens};
use crate::harness::proxy::{Hit, Proxy, Reply, Request, get, post};
use crate::harness::tokens::{TRUSTED, jwks};

const BARE: &str = "401 missing_credential";
const BAD: &str = "401 invalid_credential";
const TWO: &str = "400 multiple_credentials";
const GARBAGE: &[u8] = b"a\xff\xfe\x80";

/// Whether the text stands anywhere in what the upstream got.
fn holds(hit: &Hit, text: &str) -> bool {
    let has = |bytes: &[u8]| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    has(&hit.body)
        || hit
            .headers
            .iter()
            .chain(hit.trailers.iter())
            .any(|(name, value)| has(name.as_bytes()) || has(value))
}

/// An endpoint that takes a key in its query, or in its header.
fn by_query() -> Proxy {
    let mut keys = api_keys();
    keys["from"] = json!([{"query": "key"}, {"header": "x-gate-key"}, {"header": "authorization", "scheme": "Token"}]);
    gate_with(&config_of(
        &json!([{"name": "chat", "path": "/v1/chat", "authorizer": keys}]),
    ))
}

#[test]
fn crd_06_a_token_in_query_form_or_cookie_is_nobodys() {
    let g = g();
    let form = || {
        post("/v1/chat")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("access_token={g}"))
    };
    let mut proxy = gate();
    hold(
        &mut proxy,
        [
            ("query", get(format!("/v1/chat?access_token={g}")), BARE),
            (
                "two in the query",
                get(format!("/v1/chat?access_token={g}&access_token=b")),
                BARE,
            ),
            ("encoded", get(format!("/v1/chat?%61ccess_token={g}")), BARE),
            (
                "key",
                get(format!("/v1/chat?key={K}&api-key={K}&x-api-key={K}")),
                BARE,
            ),
            ("form", form(), BARE),
            (
                "cookie",
                get("/v1/chat").header(
                    "cookie",
                    format!("access_token={g}; authorization=Bearer {g}"),
                ),
                BARE,
            ),
            ("form beside a key", form().header("x-api-key", K), "t2"),
        ],
    );
    let answer = proxy.send(get("/v1/chat?access_token=other&a=%20b").bearer(&g));
    assert_eq!(
        (outcome(&answer).as_str(), answer.upstream_path().as_str()),
        ("t1", "/v1/chat?access_token=other&a=%20b")
    );
}

#[test]
fn crd_06_a_query_that_is_asked_for_is_read_once_and_taken_off() {
    let mut proxy = by_query();
    for (sent, expected, left) in [
        (format!("?key={K}"), "t2", "/v1/chat"),
        (format!("?a=%20b&key={K}&c"), "t2", "/v1/chat?a=%20b&c"),
        (
            format!("?k%65y={}", K.replace('k', "%6B")),
            "t2",
            "/v1/chat",
        ),
        (
            format!("?keys={K2}&key={K}"),
            "t2",
            &format!("/v1/chat?keys={K2}"),
        ),
        (format!("?key={K}&key={K2}"), TWO, ""),
        (format!("?key={K}&k%65y={K2}"), TWO, ""),
        (format!("?key={K}&key="), TWO, ""),
        (format!("?key={K},{K2}"), TWO, ""),
        ("?key=".to_owned(), BAD, ""),
        (format!("?KEY={K}"), BARE, ""),
        (format!("?a=b;key={K}"), BARE, ""),
    ] {
        let answer = proxy.send(get(format!("/v1/chat{sent}")));
        assert_eq!(outcome(&answer), expected, "{sent}");
        if expected == "t2" {
            assert_eq!(answer.upstream_path(), left, "{sent}");
        }
        assert!(!proxy.log_text().contains(K), "{sent} is logged");
    }
    hold(
        &mut proxy,
        [(
            "beside another",
            get(format!("/v1/chat?key={K}")).header("x-gate-key", K2),
            TWO,
        )],
    );
    hold(
        &mut proxy,
        [(
            "where only others are read",
            get("/v1/chat").header("x-api-key", K),
            BARE,
        )],
    );
}

/// Places where a client can put bytes; what the gate does with a good key beside them.
fn hostile(good: bool) -> Vec<(String, Request)> {
    let names = [
        "accept",
        "accept-encoding",
        "api-key",
        "authorization",
        "connection",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "grpc-timeout",
        "if-match",
        "origin",
        "access-control-request-method",
        "range",
        "referer",
        "te",
        "upgrade",
        "user-agent",
        "via",
        "x-api-key",
        "x-envoy-original-path",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-goog-api-key",
        "x-request-id",
        "x-tenant-id",
        "x-user-id",
        "x_tenant_id",
        "x-any",
        "traceparent",
        "baggage",
        "sec-websocket-protocol",
    ];
    let request = || {
        if good {
            get("/v1/chat").header("x-goog-api-key", K)
        } else {
            get("/v1/chat")
        }
    };
    let mut all: Vec<_> = names
        .iter()
        .map(|name| ((*name).to_owned(), request().with(name, GARBAGE)))
        .collect();
    all.push(("path".to_owned(), request().with(":path", b"/v1/chat\xff")));
    all.push((
        "query".to_owned(),
        request().with(":path", b"/v1/chat?\xff=\xfe"),
    ));
    all.push(("method".to_owned(), request().with(":method", GARBAGE)));
    all.push((
        "authority".to_owned(),
        request().with(":authority", GARBAGE),
    ));
    all.push(("scheme".to_owned(), request().with(":scheme", GARBAGE)));
    all.push((
        "peer".to_owned(),
        request().property("source.address", GARBAGE),
    ));
    all.push((
        "trailers".to_owned(),
        request()
            .body("x")
            .trailer("x-tenant-id", GARBAGE)
            .trailer("x-any", GARBAGE),
    ));
    all.push((
        "response".to_owned(),
        request()
            .response_header("x-tenant-id", GARBAGE)
            .response_header("set-cookie", GARBAGE),
    ));
    all.push((
        "response type".to_owned(),
        request().response_header("content-type", GARBAGE),
    ));
    all.push((
        "response trailers".to_owned(),
        request().response_trailer("x-any", GARBAGE),
    ));
    all.push(("response body".to_owned(), request().response_body(GARBAGE)));
    all
}

#[test]
fn crd_10_a_thousand_requests_of_any_bytes_harm_nobody() {
    let mut proxy = gate();
    let mut refused = 0;
    for round in 0..12 {
        for (name, request) in hostile(round % 2 == 0).into_iter().chain(hostile(true)) {
            let answer = proxy.send(request);
            assert!(!answer.crashed(), "{name}: {answer:?}");
            refused += usize::from(answer.local_reply.is_some());
        }
        hold(
            &mut proxy,
            [(
                "a good one after them",
                get("/v1/chat").header("x-api-key", K),
                "t2",
            )],
        );
    }
    assert!(refused > 300, "{refused}");
    assert_eq!(proxy.live_streams(), 0);
}

#[test]
fn crd_10_bytes_beside_a_good_key_change_nothing_or_are_refused_for_what_they_are() {
    let mut proxy = gate();
    let rows = hostile(true).into_iter().map(|(name, request)| {
        let expected = match name.as_str() {
            "authorization" | "x-api-key" | "api-key" => TWO,
            "x-goog-api-key" => BAD,
            "path" | "query" => "400 ambiguous_path",
            "authority" => "400 ambiguous_host",
            _ => "t2",
        };
        (name, request, expected)
    });
    hold(&mut proxy, rows);
}

#[test]
fn crd_10_an_issuer_that_answers_with_any_bytes_harms_nobody() {
    for body in [jwks(&TRUSTED).to_string().into_bytes(), GARBAGE.to_vec()] {
        let setup = Proxy::setup();
        let usable = body != GARBAGE;
        setup.cluster("idp").replies("/keys", move |_| {
            let mut reply = Reply::new(200, &[], body.clone());
            for name in [
                "cache-control",
                "content-type",
                "etag",
                "set-cookie",
                "x-any",
            ] {
                reply.headers.add(name, GARBAGE);
            }
            reply
        });
        let mut proxy = setup.with(config());
        let expected = if usable { "t1" } else { "503 keys_unavailable" };
        hold(
            &mut proxy,
            [
                ("a token", get("/v1/chat").bearer(g()), expected),
                ("a key", get("/v1/chat").bearer(K), "t2"),
            ],
        );
    }
}

#[test]
fn crd_11_any_number_of_headers_is_read() {
    let crowd = |request: Request, count: usize, size: usize| {
        let value = "v".repeat(size);
        (0..count).fold(request, |request, index| {
            request.header(&format!("x-filler-{index}"), &value)
        })
    };
    let cookies = (0..100).fold(get("/v1/chat"), |request, _| {
        request.header("cookie", "c".repeat(8 * 1024))
    });
    let tenants = (0..1100).fold(get("/v1/chat"), |request, index| {
        request.header("x-tenant-id", format!("t{index}"))
    });
    hold(
        &mut gate(),
        [
            (
                "1025 headers",
                crowd(get("/v1/chat"), 1025, 1).bearer(K),
                "t2",
            ),
            (
                "1025 headers and no key",
                crowd(get("/v1/chat"), 1025, 1),
                BARE,
            ),
            (
                "1 MiB of headers",
                crowd(get("/v1/chat"), 1024, 1024).bearer(K),
                "t2",
            ),
            ("100 cookies of 8 KiB", cookies.bearer(K), "t2"),
            ("1100 tenants", tenants.bearer(K), "t2"),
            (
                "1025 credentials",
                (0..1025).fold(get("/v1/chat"), |request, _| request.header("x-api-key", K)),
                TWO,
            ),
        ],
    );
}

#[test]
fn crd_12_nothing_of_the_key_goes_upstream_wherever_it_stood() {
    let mut proxy = gate();
    for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
        let scheme = if name == "authorization" {
            "Bearer "
        } else {
            ""
        };
        let request = || {
            get("/v1/chat?a=b")
                .header("x-envoy-original-path", format!("/v1/chat?key={K}"))
                .body("b")
        };
        let request = request()
            .header(name, format!("{scheme}{K}"))
            .trailer(name, format!("{scheme}{K}"));
        let answer = proxy.send(request);
        assert_eq!(outcome(&answer), "t2", "{name}");
        assert!(
            !holds(answer.upstream.as_ref().unwrap(), K),
            "{name}: {:?}",
            answer.upstream
        );
        assert!(!proxy.log_text().contains(K), "{name} is logged");
    }
    let answer = proxy.send(
        get("/v1/chat")
            .bearer(K)
            .header("x-api-key", K)
            .header("api-key", K),
    );
    assert_eq!(outcome(&answer), "t2");
    assert!(
        !holds(answer.upstream.as_ref().unwrap(), K),
        "{:?}",
        answer.upstream
    );

    let mut proxy = by_query();
    for request in [
        get(format!("/v1/chat?key={K}"))
            .header("x-envoy-original-path", format!("/v1/chat?key={K}")),
        get(format!("/v1/chat?key={K}&key={K}")),
        get("/v1/chat").header("x-gate-key", K),
        get(format!("/v1/chat?key={K}")).header("authorization", format!("token {K}")),
    ] {
        let answer = proxy.send(request);
        assert_eq!(outcome(&answer), "t2");
        assert!(
            !holds(answer.upstream.as_ref().unwrap(), K),
            "{:?}",
            answer.upstream
        );
    }
}

#[test]
fn crd_12_a_token_goes_on_unless_the_operator_says_otherwise() {
    for (written, authorizer, credential, goes_on) in [
        (None, tokens(), g(), true),
        (Some(true), tokens(), g(), true),
        (Some(false), tokens(), g(), false),
        (None, api_keys(), K.to_owned(), false),
        (Some(false), api_keys(), K.to_owned(), false),
        (Some(true), api_keys(), K.to_owned(), true),
    ] {
        let mut endpoint = json!({"name": "chat", "path": "/v1/chat", "authorizer": authorizer});
        if let Some(written) = written {
            endpoint["forward_credential"] = json!(written);
        }
        let mut proxy = gate_with(&config_of(&json!([endpoint])));
        let answer = proxy.send(
            get("/v1/chat")
                .bearer(&credential)
                .header("x-api-key", &credential),
        );
        answer.admitted();
        assert_eq!(
            holds(answer.upstream.as_ref().unwrap(), &credential),
            goes_on,
            "{written:?} {credential}"
        );
    }
}
