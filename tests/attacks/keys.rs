//! KEY: what an issuer publishes, how long it is believed, and what happens when it cannot be had.

use std::time::Duration;

use serde_json::json;

use crate::harness::proxy::{Body, Proxy, post};
use crate::harness::tokens::{ISSUER, Key, TRUSTED, Token, decoys, jwks};
use crate::harness::wasm::cluster::Cluster;
use crate::{API_KEY, Gate, IDP, KEYS, issuer, policy, policy_with};

/// Bodies that an issuer's URL may give in the place of its keys.
fn not_key_sets() -> Vec<(&'static str, Body)> {
    let good = jwks(&TRUSTED).to_string();
    vec![
        ("html", "<!doctype html><title>Sign in</title>".into()),
        ("nothing", "".into()),
        ("an array", "[]".into()),
        ("an object", "{}".into()),
        ("no list", r#"{"keys":{}}"#.into()),
        ("an empty list", r#"{"keys":[]}"#.into()),
        ("null", r#"{"keys":null}"#.into()),
        ("cut off", good[..good.len() - 1].into()),
        ("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00"[..].into()),
        ("a BOM", format!("\u{feff}{good}").into()),
        ("decoys alone", json!({ "keys": decoys() }).into()),
        ("not UTF-8", [good.as_bytes(), b"\xff"].concat().into()),
    ]
}

type Outage = fn(&Cluster);

/// Ways of an issuer not to answer.
const OUTAGES: [(&str, Outage); 7] = [
    ("nobody listens", |idp| {
        idp.refuses();
    }),
    ("no usable endpoint", |idp| {
        idp.down();
    }),
    ("no such cluster", |idp| {
        idp.unknown();
    }),
    ("the answer breaks off", |idp| {
        idp.resets();
    }),
    ("no answer at all", |idp| {
        idp.hangs();
    }),
    ("500", |idp| {
        idp.answers(KEYS, 500, &[], jwks(&TRUSTED));
    }),
    ("204", |idp| {
        idp.answers(KEYS, 204, &[], "");
    }),
];

/// A proxy that starts while the issuer is like that.
fn started_with(issuer: impl FnOnce(&Cluster)) -> Gate {
    let setup = Proxy::setup();
    issuer(&setup.cluster(IDP));
    Gate(setup.with(policy()))
}

#[test]
fn key_05_and_08_keys_that_are_of_no_use_neither_crash_nor_admit_nor_spoil_the_good_one() {
    let algorithms = json!(["RS256", "PS256", "ES256", "EdDSA"]);
    let mut gate = Gate::with(
        Proxy::setup(),
        &policy_with(issuer(json!({ "algorithms": algorithms }))),
    );
    for (kid, signer) in [
        ("pq", Key::R1),
        ("x", Key::R1),
        ("k1c", Key::E1),
        ("short", Key::D1),
        ("secret", Key::R1),
        ("7", Key::R1),
        ("enc", Key::R1),
        ("small", Key::Small),
        ("e1exp", Key::R1),
    ] {
        let request = gate.chat(&Token::good().key(signer).header("kid", kid));
        gate.refuses_calling(kid, request, 401, "invalid_credential");
        gate.lives(kid);
    }
    // With kids left out, each is tried with what fits it.
    for signer in [Key::Small, Key::R2] {
        let token = Token::good().signed_by(signer).without_header("kid");
        gate.refuses("no kid", &token, 401, "invalid_credential");
    }
    for key in [Key::R1, Key::E1, Key::D1] {
        gate.admits("no kid", &Token::good().key(key).without_header("kid"));
    }
}

#[test]
fn key_11_what_is_not_a_key_set_is_a_503_at_the_start_until_there_is_one() {
    for (what, body) in not_key_sets() {
        let mut gate = started_with(|idp| {
            idp.serves(KEYS, body.0.clone());
        });
        let request = gate.chat(&Token::good());
        let answer = gate.refuses_calling(what, request, 503, "keys_unavailable");
        assert!(
            answer.header("retry-after").is_some_and(|wait| wait == "1"),
            "{what}"
        );
        assert_eq!(gate.callouts(), 1, "{what}");
        gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
        gate.seconds_pass(1);
        gate.lives(what);
        assert_eq!(gate.callouts(), 2, "{what}");
    }
}

#[test]
fn key_11_what_is_not_a_key_set_replaces_none() {
    for (what, body) in not_key_sets() {
        let mut gate = Gate::open();
        gate.cluster(IDP).serves(KEYS, body.0);
        gate.seconds_pass(600);
        assert!(gate.callouts() >= 2, "{what}: a refresh");
        gate.lives(what);
        gate.seconds_pass(600);
        // 1, 2, 4 … 60 seconds apart, with jitter of a half.
        let failed = gate.callouts() - 1;
        assert!(
            (12..=40).contains(&failed),
            "{what}: {failed} attempts in little more than ten minutes"
        );
        gate.lives(what);
    }
}

#[test]
fn key_12_a_giant_set_is_not_taken_and_costs_no_memory() {
    let with_x5c =
        crate::harness::tokens::with(Key::R1.jwk(), json!({ "x5c": ["A".repeat(5 << 20)] }));
    let many = format!(
        r#"{{"keys":[{}{}]}}"#,
        "null,".repeat(100_000),
        Key::R1.jwk()
    );
    let full = jwks(&TRUSTED).to_string();
    let filled = |length: usize| format!("{full}{}", " ".repeat(length - full.len()));
    let giants: [(&str, Body); 5] = [
        ("33 MiB", filled(33 << 20).into()),
        ("10 MiB", filled(10 << 20).into()),
        ("one byte too many", filled((256 << 10) + 1).into()),
        ("a hundred thousand entries", many.into()),
        (
            "a certificate of 5 MiB",
            json!({ "keys": [with_x5c] }).into(),
        ),
    ];
    for (what, body) in giants {
        let mut gate = started_with(|idp| {
            idp.serves(KEYS, body.0);
        });
        let before = gate.memory_pages(0);
        let request = gate.chat(&Token::good());
        gate.refuses_calling(what, request, 503, "keys_unavailable");
        let grown = gate.memory_pages(0) - before;
        assert!(grown <= 32, "{what}: grew by {grown} pages of 64 KiB");
        gate.cluster(IDP).serves(KEYS, filled(256 << 10));
        gate.seconds_pass(1);
        gate.lives(what);
    }
}

#[test]
fn key_13_keys_that_cannot_be_had_are_a_503_for_tokens_and_nothing_to_api_keys() {
    for (what, outage) in OUTAGES {
        let mut gate = started_with(outage);
        let request = gate.chat(&Token::good());
        let waiting = gate.start(request);
        gate.seconds_pass(6);
        let answer = gate.answer(waiting);
        answer.refused(503, "keys_unavailable").not_challenged();
        assert!(answer.header("retry-after").is_some(), "{what}");
        gate.alive();

        gate.send(post("/v1/keyed").bearer(API_KEY))
            .admitted()
            .upstream_saw("x-tenant-id", "acme");
        assert_eq!(gate.upstream().hits(), 1, "{what}");

        gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
        gate.seconds_pass(60);
        gate.lives(what);
    }
}

#[test]
fn key_14_the_last_good_keys_serve_for_a_day_without_their_issuer_and_no_longer() {
    let mut gate = Gate::open();
    gate.cluster(IDP).refuses();
    for hour in 1..24 {
        gate.seconds_pass(3600);
        gate.lives(&format!("{hour} hours without the issuer"));
    }
    let metric =
        |gate: &Gate, name: &str| gate.metric(&format!("tenantgate.issuer.{ISSUER}.{name}"));
    let age = metric(&gate, "keys_age_seconds").unwrap_or_default();
    assert!((82_740..=82_800).contains(&age), "{age}");
    let failures = metric(&gate, "document.keys.fetch_failures_total");
    assert!(
        failures.is_some_and(|failures| failures > 1000),
        "{failures:?}"
    );
    gate.seconds_pass(3590);
    gate.lives("almost a day without the issuer");
    gate.seconds_pass(10);
    let request = gate.chat(&Token::good());
    gate.refuses_calling("a day without it", request, 503, "keys_unavailable");
    gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
    gate.seconds_pass(61);
    gate.lives("its return");
}

#[test]
fn key_15_a_withdrawn_key_is_out_within_the_bound_whatever_the_issuer_says_of_freshness() {
    for (said, bound) in [
        (None, 600),
        (Some("max-age=0"), 60),
        (Some("no-store"), 60),
        (Some("max-age=120"), 120),
        (Some("public, max-age=31536000, immutable"), 3600),
        (Some("max-age=-1"), 60),
        (Some("max-age=99999999999999999999"), 600),
    ] {
        let setup = Proxy::setup();
        let serve = |idp: &Cluster, keys: &[Key]| {
            let headers: Vec<_> = said.iter().map(|said| ("cache-control", *said)).collect();
            idp.answers(KEYS, 200, &headers, jwks(keys));
        };
        serve(&setup.cluster(IDP), &[Key::R1, Key::R2]);
        let mut gate = Gate(setup.with(policy()));
        gate.settle();
        serve(&gate.cluster(IDP), &[Key::R2]);
        let what = said.unwrap_or("nothing");
        // It is had anew somewhat before it is stale.
        gate.seconds_pass(bound * 8 / 10 - 1);
        gate.admits(what, &Token::good());
        gate.seconds_pass(bound * 2 / 10 + 1);
        let request = gate.chat(&Token::good());
        gate.refuses_calling(what, request, 401, "invalid_credential");
        gate.admits(what, &Token::good().key(Key::R2));
    }
}

#[test]
fn key_17_a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let mut gate = started_with(|idp| {
            let to = [("location", "https://evil.test/keys")];
            idp.answers(KEYS, status, &to, jwks(&TRUSTED));
        });
        let request = gate.chat(&Token::good());
        gate.refuses_calling(&status.to_string(), request, 503, "keys_unavailable");
        gate.cluster("evil.test").hits().saw_nothing();
        assert_eq!(gate.callouts(), 1);
        gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
        gate.seconds_pass(1);
        gate.lives("a redirect");
    }
}

#[test]
fn crd_10_an_answer_with_bytes_that_are_no_text_in_its_headers_crashes_nothing() {
    for bytes in [&b"\xff\xfe"[..], b"max-age=\xff", b""] {
        let mut reply = crate::harness::proxy::Reply::new(200, &[], jwks(&TRUSTED));
        for name in ["cache-control", "content-type", "x-any"] {
            reply.headers.add(name, bytes);
        }
        let mut gate = started_with(|idp| {
            idp.replies(KEYS, move |_| reply.clone());
        });
        gate.seconds_pass(1);
        gate.lives("odd headers");
    }
}

#[test]
fn a_call_asks_for_the_document_and_nothing_else_and_always_with_a_timeout() {
    let gate = Gate::open();
    for call in gate.cluster(IDP).hits().iter() {
        assert_eq!(
            (call.method(), call.host(), call.path()),
            ("GET".to_owned(), "idp.test".to_owned(), KEYS.to_owned())
        );
        let bounds = Duration::from_secs(1)..=Duration::from_secs(10);
        assert!(bounds.contains(&call.timeout), "{:?}", call.timeout);
        assert!(call.header("authorization").is_empty());
        assert_eq!(call.text(), "");
    }
}
