//! What is a credential, and how many there are: CRD-01 to CRD-05, CRD-07 to CRD-09, CRD-13.

use serde_json::json;

use crate::gate::{ELSEWHERE, K, K2, api_keys, b, config_of, g, gate, gate_with, hold};
use crate::harness::proxy::{Proxy, Request, get};

const BARE: &str = "401 missing_credential";
const BAD: &str = "401 invalid_credential";
const TWO: &str = "400 multiple_credentials";

fn chat() -> Request {
    get("/v1/chat")
}

fn authorization(value: &str) -> Request {
    chat().header("authorization", value)
}

#[test]
fn crd_01_no_credential_is_missing_and_an_empty_one_is_invalid() {
    let mut proxy = gate();
    hold(
        &mut proxy,
        [
            ("none", chat(), BARE),
            ("empty", authorization(""), BAD),
            ("scheme alone", authorization("Bearer"), BAD),
            ("scheme and space", authorization("Bearer "), BAD),
            ("empty key", chat().header("x-api-key", ""), BAD),
            ("good", authorization(&format!("Bearer {}", g())), "t1"),
        ],
    );
    proxy
        .send(chat())
        .challenged_with(r#"Bearer realm="tenantgate""#);
    let with_error = r#"Bearer realm="tenantgate", error="invalid_token""#;
    proxy
        .send(authorization("Bearer "))
        .challenged_with(with_error);
}

#[test]
fn crd_02_a_scheme_is_spelled_in_any_case_and_ends_with_spaces() {
    let g = g();
    let rows = [
        ("Bearer ", "", "t1"),
        ("bearer ", "", "t1"),
        ("BEARER ", "", "t1"),
        ("Bearer  ", "", "t1"),
        ("Bearer\t", "", BAD),
        ("Bearer \t", "", BAD),
        ("Bearer=", "", BAD),
        ("Bearer ", " u", BAD),
        ("Bearer ", "\t", BAD),
        (" Bearer ", "", BAD),
        // A scheme that is not spoken here, and no scheme at all.
        ("Bearer", "", BARE),
        ("Bearers ", "", BARE),
        ("Token ", "", BARE),
        ("", "", BARE),
    ];
    let rows = rows.map(|(before, after, expected)| {
        (
            format!("{before:?} {after:?}"),
            authorization(&format!("{before}{g}{after}")),
            expected,
        )
    });
    hold(&mut gate(), rows);
}

#[test]
fn crd_03_two_authorization_headers_are_refused_in_every_order() {
    let (good, bad, basic) = (
        format!("Bearer {}", g()),
        format!("Bearer {}", b()),
        "Basic dTpw".to_owned(),
    );
    let pairs = [
        (&good, &bad),
        (&bad, &good),
        (&good, &good),
        (&good, &basic),
        (&basic, &good),
        (&basic, &basic),
    ];
    let pairs = pairs.map(|(one, other)| {
        (
            format!("{one} {other}"),
            authorization(one).header("authorization", other),
            TWO,
        )
    });
    let mut proxy = gate();
    hold(&mut proxy, pairs);
    // Envoy joins `authorization`; of a header that it does not know both lines reach the filter.
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        let two = |one: &str, other: &str| chat().header(name, one).header(name, other);
        hold(
            &mut proxy,
            [
                (name, two(K, K2), TWO),
                (name, two(K2, K), TWO),
                (name, two(K, K), TWO),
                (name, two(K, ""), TWO),
                (name, two("", K), TWO),
                (name, chat().header(name, K), "t2"),
            ],
        );
    }
    hold(
        &mut proxy,
        [
            ("one", authorization(&good), "t1"),
            ("another scheme alone", authorization(&basic), BARE),
        ],
    );
}

#[test]
fn crd_04_credentials_that_a_comma_joins_are_two() {
    let (g, b) = (g(), b());
    let joined = |value: String| (value.clone(), authorization(&value), TWO);
    let key = |value: String| (value.clone(), chat().header("x-api-key", &value), TWO);
    let rows = [
        joined(format!("Bearer {g}, Bearer {b}")),
        joined(format!("Bearer {g},Bearer {g}")),
        joined(format!("Bearer {g},")),
        joined(format!(",Bearer {g}")),
        joined(format!("Basic dTpw, Bearer {g}")),
        key(format!("{K}, {K2}")),
        key(format!("{K},{K}")),
        key(format!("{K},")),
        key(format!(",{K}")),
    ];
    let mut proxy = gate();
    hold(&mut proxy, rows);
    hold(
        &mut proxy,
        [
            ("token", authorization(&format!("Bearer {g}")), "t1"),
            ("key", chat().header("x-api-key", K), "t2"),
        ],
    );
}

#[test]
fn crd_05_a_token_of_one_tenant_and_a_key_of_another_are_two() {
    let tokens = [("good token", g()), ("bad token", b())];
    let keys = [("good key", K), ("bad key", "nonsense")];
    let mut proxy = gate();
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        for (which, token) in &tokens {
            for (kind, key) in keys {
                let both = chat().bearer(token).header(name, key);
                let turned = chat().header(name, key).bearer(token);
                hold(
                    &mut proxy,
                    [
                        (format!("{which}, {kind} in {name}"), both, TWO),
                        (format!("{kind} in {name}, {which}"), turned, TWO),
                    ],
                );
            }
        }
        // One and the same value in two known places is one credential: some SDKs send it so.
        hold(
            &mut proxy,
            [
                (
                    "the token twice",
                    chat().bearer(g()).header(name, g()),
                    "t1",
                ),
                ("the key twice", chat().bearer(K).header(name, K), "t2"),
            ],
        );
    }
}

#[test]
fn crd_03_to_05_the_whole_matrix() {
    let (g, b) = (format!("Bearer {}", g()), format!("Bearer {}", b()));
    let two = |one: &str, name: &str, other: &str| authorization(one).header(name, other);
    hold(
        &mut gate(),
        [
            ("G, B", two(&g, "authorization", &b), TWO),
            ("B, G", two(&b, "authorization", &g), TWO),
            ("G, G", two(&g, "authorization", &g), TWO),
            (
                "G and B in one line",
                authorization(&format!("{g}, {b}")),
                TWO,
            ),
            ("G, Basic", two(&g, "authorization", "Basic dTpw"), TWO),
            ("G, K", two(&g, "x-api-key", K), TWO),
            ("B, K", two(&b, "x-api-key", K), TWO),
            ("G, nonsense", two(&g, "x-api-key", "nonsense"), TWO),
            (
                "K, K2",
                chat().header("x-api-key", K).header("X-Api-Key", K2),
                TWO,
            ),
            ("K,K2", chat().header("x-api-key", format!("{K},{K2}")), TWO),
            ("underscores", chat().header("x_api_key", K), BARE),
            // What Envoy leaves of `Connection: authorization` and a good token; `envoy_requests` sends the bytes.
            ("nominated", chat(), BARE),
            ("G", authorization(&g), "t1"),
            ("B", authorization(&b), BAD),
            ("K", chat().header("x-api-key", K), "t2"),
            ("K2", chat().header("X-Api-Key", K2), "t3"),
        ],
    );
}

#[test]
fn crd_07_a_header_that_only_looks_like_one_is_no_credential() {
    let mut proxy = gate();
    for (name, value) in [
        ("proxy-authorization", format!("Bearer {}", g())),
        ("x-forwarded-authorization", format!("Bearer {}", g())),
        ("x-original-authorization", format!("Bearer {}", g())),
        ("authorization_", format!("Bearer {}", g())),
        ("x_api_key", K.to_owned()),
        ("x.api.key", K.to_owned()),
        ("x-api-key-", K.to_owned()),
        ("apikey", K.to_owned()),
    ] {
        hold(
            &mut proxy,
            [
                (name, chat().header(name, &value), BARE),
                // Nor does it make two of one.
                (
                    name,
                    chat().header(name, &value).header("x-api-key", K2),
                    "t3",
                ),
            ],
        );
    }
}

#[test]
fn crd_08_a_key_that_differs_in_anything_is_another_key() {
    let long = K.repeat(64 * 1024 / K.len());
    let rows: [(&str, String); 14] = [
        ("case", K.to_uppercase()),
        ("prefix", K[..K.len() - 1].to_owned()),
        ("one more", format!("{K}a")),
        ("twice", format!("{K}{K}")),
        ("space behind", format!("{K} ")),
        ("tab behind", format!("{K}\t")),
        ("space before", format!(" {K}")),
        ("percent encoded", K.replacen('k', "%6b", 1)),
        ("NUL behind", format!("{K}\0")),
        ("Cyrillic a", K.replacen('a', "\u{430}", 1)),
        ("quoted", format!("\"{K}\"")),
        ("of another endpoint", ELSEWHERE.to_owned()),
        (
            "its digest",
            "57e87ac2b3c5fb1ab8d5c1f5a43cb6c6f0b2e8c1c5d8b4f2a0de3b1f8a2c9d10".to_owned(),
        ),
        ("64 KiB", long),
    ];
    let rows = rows.map(|(name, key)| (name, chat().header("x-api-key", key), BAD));
    let mut proxy = gate();
    hold(&mut proxy, rows);
    hold(
        &mut proxy,
        [("the key", chat().header("x-api-key", K), "t2")],
    );
    hold(
        &mut proxy,
        [(
            "where it is good",
            crate::harness::proxy::post("/v1/upload").header("x-api-key", ELSEWHERE),
            "t2",
        )],
    );
}

#[test]
fn crd_09_an_empty_or_a_placeholder_key_is_refused_at_configuration() {
    let keys = |keys: serde_json::Value| {
        config_of(
            &json!([{"name": "chat", "path": "/v1/chat", "authorizer": {"type": "api_key", "keys": keys}}]),
        )
    };
    for key in ["", " ", "\t", "changeme", "CHANGE-ME", "secret", "xxxx"] {
        let log = Proxy::try_with(keys(json!([{"client_id": "a", "key": key}])))
            .err()
            .unwrap_or_default();
        assert!(
            log.contains("endpoints[0].authorizer.keys[0]"),
            "{key:?}: {log}"
        );
    }
    let two = |other: &str| {
        keys(
            json!([{"client_id": "a", "key": K, "tenant_id": "t1"}, {"client_id": "b", "key": other, "tenant_id": "t2"}]),
        )
    };
    let log = Proxy::try_with(two(K)).err().unwrap_or_default();
    assert!(
        log.contains("endpoints[0].authorizer.keys[1]") && !log.contains(K),
        "{log}"
    );
    assert!(Proxy::try_with(two(K2)).is_ok());
}

#[test]
fn crd_13_a_websocket_protocol_is_no_credential() {
    let upgrade = || {
        chat()
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
    };
    let mut proxy = gate();
    for protocols in [
        format!("bearer, {}", g()),
        format!("openai-insecure-api-key.{K}"),
        g(),
    ] {
        hold(
            &mut proxy,
            [
                (
                    &protocols,
                    upgrade().header("sec-websocket-protocol", &protocols),
                    BARE,
                ),
                (
                    &protocols,
                    upgrade()
                        .header("sec-websocket-protocol", &protocols)
                        .bearer(K2),
                    "t3",
                ),
            ],
        );
    }
}

#[test]
fn a_whole_authorization_may_be_a_key_beside_tokens_behind_a_scheme() {
    let mut whole = api_keys();
    whole["from"] = json!([{"header": "authorization"}]);
    let endpoint = json!([{"name": "chat", "path": "/v1/chat", "authorizer": {"any_of": [whole, crate::gate::tokens()]}}]);
    hold(
        &mut gate_with(&config_of(&endpoint)),
        [
            ("a key", authorization(K), "t2"),
            ("a token", authorization(&format!("Bearer {}", g())), "t1"),
            (
                "a key behind the scheme of tokens",
                authorization(&format!("Bearer {K}")),
                BAD,
            ),
            ("a token without its scheme", authorization(&g()), BAD),
        ],
    );
}
