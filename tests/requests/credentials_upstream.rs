//! Where a credential may stand beside headers, and what is left of one upstream: CRD-06 and CRD-12.

use serde_json::json;

use crate::gate::{K, K2, api_keys, config_of, g, gate, gate_with, hold, outcome, tokens};
use crate::harness::proxy::{Hit, Proxy, get, post};

const BARE: &str = "401 missing_credential";
const BAD: &str = "401 invalid_credential";
const TWO: &str = "400 multiple_credentials";

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
