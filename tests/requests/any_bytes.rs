//! Any bytes, anywhere, in any number: CRD-10 and CRD-11.

use crate::gate::{K, config, g, gate, gate_in, hold};
use crate::harness::proxy::{Proxy, Reply, Request, get};
use crate::harness::tokens::{TRUSTED, jwks};

const BARE: &str = "401 missing_credential";
const BAD: &str = "401 invalid_credential";
const TWO: &str = "400 multiple_credentials";
const GARBAGE: &[u8] = b"a\xff\xfe\x80";

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
        let mut proxy = gate_in(setup, &config());
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
