//! CRD and HDR: what a client presents, and what it says of itself.

use crate::gate::{ELSEWHERE, K, K2};
use crate::harness::tokens::{Key, Token};
use crate::tokens::{BAD, chat};
use crate::{Case, bearer, each, heads, keyed, now, row};

const BARE: &str = "401 missing_credential";
const TWO: &str = "400 multiple_credentials";
const CHAT: &str = "GET /v1/chat";

/// A line with bytes that are no text.
fn bytes(id: &'static str, outcome: &'static str, fields: &[&[u8]]) -> Vec<Case> {
    let head = |field: &&[u8]| {
        let start = b"GET /v1/chat HTTP/1.1\r\nHost: api.test\r\n";
        let bytes = [start.as_slice(), field, b"\r\n\r\n"].concat();
        (String::from_utf8_lossy(field).into_owned(), bytes)
    };
    row(id, outcome, fields.iter().map(head))
}

pub fn rows() -> Vec<Case> {
    [crd(), hdr()].into_iter().flatten().collect()
}

fn crd() -> Vec<Case> {
    let g = Token::good().sign(now());
    let b = Token::good().signed_by(Key::R2).sign(now());
    let (good, bad, key) = (bearer(&g), bearer(&b), format!("x-api-key: {K}"));
    let near: Vec<String> = [
        K.to_uppercase(),
        K[1..].to_owned(),
        format!("{K}a"),
        K.replacen('k', "%6b", 1),
        K.replacen('a', "\u{430}", 1),
        ELSEWHERE.to_owned(),
        K.repeat(1000),
    ]
    .map(|key| format!("x-api-key: {key}"))
    .to_vec();
    let near: Vec<&str> = near.iter().map(String::as_str).collect();
    let many = vec!["x-a: 1"; 1025];
    let query = |pairs: &str| format!("GET /v1/query?{pairs}");
    [
        heads("CRD-01", BARE, &[(CHAT, &[])]),
        each(
            "CRD-01",
            BAD,
            CHAT,
            &[
                "Authorization: Bearer",
                "Authorization: Bearer ",
                "x-api-key:",
            ],
            &[],
        ),
        each(
            "CRD-02",
            "t1",
            CHAT,
            &[
                &format!("Authorization: bearer {g}"),
                &format!("Authorization: BEARER   {g}"),
            ],
            &[],
        ),
        each(
            "CRD-02",
            BAD,
            CHAT,
            &[
                &format!("Authorization: Bearer {g} u"),
                &format!("Authorization: Bearer={g}"),
            ],
            &[],
        ),
        each(
            "CRD-02",
            BARE,
            CHAT,
            &[
                &format!("Authorization: Bearer{g}"),
                "Authorization: Basic dTpw",
            ],
            &[],
        ),
        heads(
            "CRD-03",
            TWO,
            &[
                (CHAT, &[&good, &bad]),
                (CHAT, &[&bad, &good]),
                (CHAT, &[&good, &good]),
                (CHAT, &["Authorization: Basic dTpw", &good]),
            ],
        ),
        each(
            "CRD-04",
            TWO,
            CHAT,
            &[
                &format!("Authorization: Bearer {g}, Bearer {b}"),
                &format!("x-api-key: {K}, {K2}"),
            ],
            &[],
        ),
        heads(
            "CRD-05",
            TWO,
            &[
                (CHAT, &[&good, &key]),
                (CHAT, &[&good, "x-api-key: nonsense"]),
                (CHAT, &[&bad, &key]),
            ],
        ),
        heads(
            "CRD-06",
            BARE,
            &[
                (&format!("GET /v1/chat?access_token={g}"), &[]),
                (&format!("GET /v1/chat?key={K}"), &[]),
            ],
        ),
        each(
            "CRD-06",
            BARE,
            CHAT,
            &[&format!("Cookie: access_token={g}")],
            &[],
        ),
        heads(
            "CRD-06",
            TWO,
            &[(&query(&format!("key={K}&key={K2}")), &[])],
        ),
        heads("CRD-06", "t2", &[(&query(&format!("a=b&key={K}")), &[])]),
        each(
            "CRD-07",
            BARE,
            CHAT,
            &[
                &format!("Proxy-Authorization: Bearer {g}"),
                &format!("X-Forwarded-Authorization: Bearer {g}"),
                &format!("authorization_: Bearer {g}"),
                &format!("X_API_KEY: {K}"),
            ],
            &[],
        ),
        each("CRD-08", BAD, CHAT, &near, &[]),
        each("CRD-08", "t2", CHAT, &[&key], &[]),
        bytes(
            "CRD-10",
            BAD,
            &[
                b"Authorization: Bearer a\xff\xfe",
                b"x-api-key: \xc0\xaf",
                b"x-goog-api-key: \x80",
            ],
        ),
        bytes(
            "CRD-10",
            BARE,
            &[
                b"x: a\xff",
                b"Cookie: \xff=\xfe",
                b"x-tenant-id: \xff",
                b"User-Agent: \xff",
                b"X-Forwarded-For: \xff",
            ],
        ),
        heads("CRD-11", "431", &[(CHAT, &many)]),
        heads(
            "CRD-12",
            "t2",
            &[
                (CHAT, &[&key]),
                (
                    CHAT,
                    &[&format!("x-goog-api-key: {K}"), &format!("api-key: {K}")],
                ),
            ],
        ),
        each(
            "CRD-13",
            BARE,
            CHAT,
            &[&format!("Sec-WebSocket-Protocol: bearer, {g}")],
            &[],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn hdr() -> Vec<Case> {
    let (key, t9) = (keyed(), "X-Tenant-Id: t9");
    let claim = |name: &str, values: &[&str]| {
        let token = |value: &&str| (format!("{value:.20?}"), Token::good().claim(name, *value));
        values.iter().map(token).collect::<Vec<_>>()
    };
    let odd = [
        "u1\r\nx-admin: 1",
        "u1\0",
        "u1\u{7f}",
        " u1",
        "u1 ",
        "u1,u2",
        "caf\u{e9}",
        "\u{202e}1u",
        "",
    ];
    let numbers = ["1e3", "true", "null", r#"["a","b"]"#, r#"{"id":"a"}"#].map(|text| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        (text, Token::good().claim("tenant", value))
    });
    let upgrade = [
        "Upgrade: websocket",
        "Connection: upgrade, x-tenant-id, authorization",
    ];
    let trailing = format!(
        "POST /v1/chat HTTP/1.1\r\nHost: api.test\r\n{key}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nx-tenant-id: t9\r\nauthorization: Bearer {K2}\r\n\r\n"
    );
    [
        heads("HDR-01", "t2", &[(CHAT, &[t9, &key])]),
        heads("HDR-01", BARE, &[(CHAT, &[t9])]),
        heads("HDR-01", "nobody", &[("GET /health", &[t9])]),
        heads(
            "HDR-02",
            "t2",
            &[
                (CHAT, &[t9, &key, "x-tenant-id: t8"]),
                (CHAT, &["X-TENANT-ID: t9", &key]),
            ],
        ),
        heads(
            "HDR-03",
            "t2",
            &[
                (CHAT, &["x_tenant_id: t9", &key]),
                (CHAT, &["x.tenant.id: t9", &key]),
                (CHAT, &["x-tenant-id_: t9", &key]),
            ],
        ),
        heads(
            "HDR-04",
            "t2",
            &[(CHAT, &["Connection: keep-alive, x-tenant-id", t9, &key])],
        ),
        heads("HDR-05", BARE, &[(CHAT, &upgrade)]),
        heads(
            "HDR-06",
            BARE,
            &[(CHAT, &["Connection: authorization", &key])],
        ),
        row("HDR-07", "t2", [("trailers", trailing.into_bytes())]),
        chat("HDR-09", "403 tenant_unknown", claim("tenant", &odd)),
        chat("HDR-09", "403 claim_mismatch", claim("sub", &odd)),
        chat("HDR-10", "403 tenant_unknown", numbers),
        heads(
            "HDR-11",
            "t2",
            &[(
                CHAT,
                &[
                    "X-Forwarded-User: root",
                    "X-Auth-Request-User: root",
                    "X-Envoy-Original-Path: /health",
                    &key,
                ],
            )],
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}
