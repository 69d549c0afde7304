//! DIS: where an issuer's keys are is told by a document of its own, which must not send us anywhere else.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::proxy::{Body, Proxy};
use crate::harness::tokens::{ISSUER, Key, TRUSTED, Token, jwks, without};
use crate::{Gate, IDP, KEYS, issuer, policy_with};

const WELL_KNOWN: &str = "/.well-known/openid-configuration";

/// A policy whose issuer has to be discovered.
fn discovering() -> Value {
    let Value::Object(mut authorizer) = issuer(json!({})) else {
        panic!("an object")
    };
    let oidc = without(authorizer.remove("oidc").expect("there"), "jwks_uri");
    authorizer.insert("oidc".to_owned(), oidc);
    let mut policy = policy_with(Value::Object(authorizer));
    // One endpoint alone, so that nothing is fetched for another.
    policy["endpoints"]
        .as_array_mut()
        .expect("a list")
        .truncate(1);
    policy
}

fn naming(keys: &str) -> Value {
    json!({ "issuer": ISSUER, "jwks_uri": keys })
}

/// A proxy whose issuer's discovery document is this.
fn gate(document: impl Into<Body>) -> Gate {
    let setup = Proxy::setup();
    setup
        .cluster(IDP)
        .serves(WELL_KNOWN, document.into().0)
        .serves(KEYS, jwks(&TRUSTED));
    let mut gate = Gate(setup.with(discovering()));
    gate.settle();
    gate
}

/// It is refused, nobody else is called, and a good document mends it.
fn refused(what: &str, document: impl Into<Body>) {
    let mut gate = gate(document);
    let request = gate.chat(&Token::good());
    gate.refuses_calling(what, request, 503, "keys_unavailable");
    let hits = gate.cluster(IDP).hits();
    assert!(
        hits.iter().all(|hit| hit.path() == WELL_KNOWN),
        "{what}: {hits:?}"
    );
    assert_eq!(gate.callouts(), 1, "{what}");
    gate.cluster(IDP)
        .serves(WELL_KNOWN, naming("https://idp.test/keys"));
    gate.seconds_pass(1);
    gate.lives(what);
    assert_eq!(gate.callouts(), 3, "{what}");
}

#[test]
fn dis_01_a_document_that_names_another_issuer_is_refused() {
    for (what, named) in [
        ("a slash more", json!("https://idp.test/")),
        ("another host", json!("https://evil.test")),
        ("another case", json!("https://IDP.test")),
        ("a port", json!("https://idp.test:443")),
        ("another scheme", json!("http://idp.test")),
        ("a list", json!([ISSUER])),
        ("nothing", Value::Null),
        ("a template", json!("https://{tenant}")),
    ] {
        let mut document = naming("https://idp.test/keys");
        document["issuer"] = named;
        refused(what, document);
    }
    refused("no issuer", json!({ "jwks_uri": "https://idp.test/keys" }));
}

#[test]
fn dis_01_a_document_that_names_another_issuer_replaces_none() {
    let mut gate = gate(naming("https://idp.test/keys"));
    gate.lives("discovery");
    let mut document = naming("https://idp.test/keys");
    document["issuer"] = json!("https://evil.test");
    gate.cluster(IDP).serves(WELL_KNOWN, document);
    for _ in 0..3 {
        gate.seconds_pass(601);
        gate.lives("a wrong document");
    }
}

#[test]
fn dis_02_keys_that_are_elsewhere_are_not_fetched() {
    let long = format!("https://idp.test/{}", "k".repeat(10_240));
    for place in [
        "https://other.test/keys",
        "https://idp.test.evil.test/keys",
        "http://idp.test/keys",
        "https://idp.test:8443/keys",
        "https://idp.test:0/keys",
        "file:///etc/passwd",
        "ftp://idp.test/keys",
        "data:application/json,{}",
        "https://a@idp.test/keys",
        "https://a:b@idp.test/keys",
        "https://idp.test@other.test/keys",
        "https://idp.test/keys#x",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/keys",
        "https://2852039166/keys",
        "https://localhost/keys",
        "https://127.0.0.1/keys",
        "https://[::1]/keys",
        "https://[::ffff:169.254.169.254]/keys",
        "https://idp.test/keys\r\nx-a: 1",
        "https://idp.test/ke ys",
        "https://idp.test/keys\u{0}",
        "https:\\\\idp.test\\keys",
        "https:idp.test/keys",
        "//idp.test/keys",
        "/keys",
        "keys",
        "",
        &long,
    ] {
        refused(place, naming(place));
    }
    refused(
        "a list",
        json!({ "issuer": ISSUER, "jwks_uri": ["https://idp.test/keys"] }),
    );
    refused("null", json!({ "issuer": ISSUER, "jwks_uri": null }));
    refused("none", json!({ "issuer": ISSUER }));
}

#[test]
fn dis_02_keys_may_be_on_a_host_that_the_operator_listed_and_are_asked_for_by_its_name() {
    for (listed, place, held) in [
        (
            json!({ "idp.test": IDP, "keys.test": "keys" }),
            "https://keys.test/a?b=c",
            true,
        ),
        (
            json!({ "idp.test": IDP, "keys.test:8443": "keys" }),
            "https://keys.test:8443/a?b=c",
            true,
        ),
        (
            json!({ "idp.test": IDP, "keys.test": "keys" }),
            "http://keys.test/a?b=c",
            false,
        ),
        (
            json!({ "idp.test": IDP, "other.test": "keys" }),
            "https://keys.test/a?b=c",
            false,
        ),
    ] {
        let mut policy = discovering();
        policy["clusters"] = listed;
        let setup = Proxy::setup();
        setup.cluster(IDP).serves(WELL_KNOWN, naming(place));
        setup.cluster("keys").serves("/a?b=c", jwks(&TRUSTED));
        let mut gate = Gate(setup.with(&policy));
        gate.settle();
        let hits = gate.cluster("keys").hits();
        if held {
            gate.admits(place, &Token::good());
            let host = place
                .trim_start_matches("https://")
                .trim_end_matches("/a?b=c");
            assert_eq!(
                (hits[0].host().as_str(), hits[0].path().as_str()),
                (host, "/a?b=c")
            );
        } else {
            let request = gate.chat(&Token::good());
            gate.refuses_calling(place, request, 503, "keys_unavailable");
            hits.saw_nothing();
        }
    }
}

#[test]
fn dis_03_a_token_cannot_have_anything_looked_up() {
    let mut gate = gate(naming("https://idp.test/keys"));
    let before = gate.callouts();
    for iss in [
        "https://attacker.test",
        "https://idp.test/",
        "https://idp.test@attacker.test",
        "http://169.254.169.254",
        "attacker.test",
        "",
    ] {
        let token = Token::good().claim("iss", iss).key(Key::R2);
        gate.refuses(iss, &token, 401, "invalid_credential");
    }
    let none = Token::good().without("iss").key(Key::R2);
    gate.refuses("no issuer", &none, 401, "invalid_credential");
    assert_eq!(gate.callouts(), before);
    gate.cluster("attacker.test").hits().saw_nothing();
}

#[test]
fn dis_04_the_well_known_path_is_joined_by_one_rule() {
    for (issuer, path) in [
        ("https://idp.test", WELL_KNOWN),
        ("https://idp.test/", WELL_KNOWN),
        (
            "https://idp.test/realms/a",
            "/realms/a/.well-known/openid-configuration",
        ),
        (
            "https://idp.test/realms/a/",
            "/realms/a/.well-known/openid-configuration",
        ),
    ] {
        let mut policy = discovering();
        policy["endpoints"][0]["authorizer"]["oidc"]["issuer"] = json!(issuer);
        let setup = Proxy::setup();
        let document = json!({ "issuer": issuer, "jwks_uri": "https://idp.test/keys" });
        setup
            .cluster(IDP)
            .serves(path, document)
            .serves(KEYS, jwks(&TRUSTED));
        let mut gate = Gate(setup.with(&policy));
        gate.settle();
        gate.admits(issuer, &Token::good().claim("iss", issuer));
        assert_eq!(gate.cluster(IDP).hits()[0].path(), path);
    }
    for issuer in [
        "https://idp.test/?a=b",
        "https://idp.test/#a",
        "idp.test",
        "file:///idp",
    ] {
        let mut policy = discovering();
        policy["endpoints"][0]["authorizer"]["oidc"]["issuer"] = json!(issuer);
        let log = Proxy::try_with(&policy)
            .err()
            .expect("a configuration that is refused");
        assert!(log.contains("issuer"), "{log}");
    }
}

#[test]
fn dis_05_odd_documents_are_refused_or_say_nothing_of_algorithms() {
    let good = naming("https://idp.test/keys").to_string();
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let documents: [(&str, Body); 8] = [
        ("10 MiB", format!("{good}{}", " ".repeat(10 << 20)).into()),
        (
            "nested",
            good.replacen('{', &format!("{{\"a\":{nested},"), 1).into(),
        ),
        (
            "issuer twice",
            good.replacen('{', "{\"issuer\":\"https://evil.test\",", 1)
                .into(),
        ),
        (
            "jwks_uri twice",
            good.replacen('{', "{\"jwks_uri\":\"https://idp.test/other\",", 1)
                .into(),
        ),
        (
            "jwks_uri twice, once escaped",
            good.replacen('{', "{\"jwks_ur\\u0069\":\"https://idp.test/other\",", 1)
                .into(),
        ),
        ("html", "<html>".into()),
        ("a list", format!("[{good}]").into()),
        ("cut off", good[..good.len() - 1].into()),
    ];
    for (what, document) in documents {
        refused(what, document);
    }
    let mut widened = naming("https://idp.test/keys");
    widened["id_token_signing_alg_values_supported"] = json!(["none", "HS256", "PS256", "ES256"]);
    let mut gate = gate(widened);
    for token in [
        Token::good().header("alg", "none"),
        Token::good().alg("PS256"),
        Token::good().key(Key::E1),
    ] {
        gate.refuses(
            "an algorithm that only the issuer allows",
            &token,
            401,
            "invalid_credential",
        );
    }
}

#[test]
fn dis_06_keys_that_move_are_followed_on_schedule_and_the_old_place_is_forgotten() {
    let mut gate = gate(naming("https://idp.test/keys"));
    gate.lives("discovery");
    assert_eq!(gate.callouts(), 2);
    gate.cluster(IDP)
        .serves(WELL_KNOWN, naming("https://idp.test/moved"))
        .serves("/moved", jwks(&[Key::R2]));
    gate.seconds_pass(470);
    gate.admits("nobody looked yet", &Token::good());
    assert_eq!(gate.callouts(), 2);
    gate.seconds_pass(131);
    let request = gate.chat(&Token::good());
    gate.refuses_calling("a key of the old place", request, 401, "invalid_credential");
    gate.admits("a key of the new one", &Token::good().key(Key::R2));
    let old = gate
        .cluster(IDP)
        .hits()
        .iter()
        .filter(|hit| hit.path() == KEYS)
        .count();
    // It flaps: each look costs one document and one set. Ten minutes hold one look or two, since one comes after eight to
    // nine minutes, and the set of the old place may have been due just before the first.
    for n in 0..6 {
        let place = if n % 2 == 0 {
            "https://idp.test/keys"
        } else {
            "https://idp.test/moved"
        };
        gate.cluster(IDP).serves(WELL_KNOWN, naming(place));
        let before = gate.callouts();
        gate.seconds_pass(601);
        let key = if n % 2 == 0 { Key::R1 } else { Key::R2 };
        let calls = gate.callouts() - before;
        assert!((2..=5).contains(&calls), "{calls} calls");
        let request = gate.chat(&Token::good().key(key));
        gate.send(request).admitted();
    }
    assert!(old <= 2);
}

#[test]
fn dis_06_requests_wait_for_both_documents() {
    let setup = Proxy::setup();
    setup
        .cluster(IDP)
        .serves(WELL_KNOWN, naming("https://idp.test/keys"))
        .serves(KEYS, jwks(&TRUSTED))
        .takes(Duration::from_secs(4));
    let mut gate = Gate(setup.with(discovering()));
    let request = gate.chat(&Token::good());
    let stream = gate.start(request);
    gate.seconds_pass(7);
    gate.answer(stream).pending();
    gate.seconds_pass(2);
    gate.answer(stream).admitted();
    assert_eq!(gate.callouts(), 2);
}
