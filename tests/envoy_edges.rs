//! Where the filter and Envoy touch, and either could assume too much of the other: addresses, trailers, rewritten
//! targets, secrets of the environment, refusals to those who waited, and more waiting than there is room for.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod harness;

use std::time::Duration;

use harness::envoy_config::Listener;
use harness::issuer::{AUDIENCE, Mood};
use harness::upstream::RawUpstream;
use harness::{Envoy, Issuer, Setup, Upstream};
use serde_json::{Value, json};

const KEY: &str = "key-of-the-edges";

fn with_key(mut authorizer: Value) -> Value {
    authorizer["type"] = json!("api_key");
    authorizer["keys"] = json!([{ "client_id": "c", "tenant_id": "acme", "key": KEY }]);
    authorizer
}

fn by_key(path: &str) -> Value {
    json!({ "name": "e", "path": path, "authorizer": with_key(json!({})) })
}

fn by_token(path: &str, issuer: &Issuer) -> Value {
    json!({ "name": "e", "path": path, "authorizer": { "type": "oidc", "oidc": {
        "issuer": issuer.url(), "audience": AUDIENCE,
    } } })
}

fn nothing_broke(envoy: &mut Envoy) {
    assert!(envoy.is_running());
    assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
    assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
}

#[test]
fn a_source_is_the_tcp_peer_whatever_a_client_claims_unless_the_operator_believes_it() {
    let upstream = Upstream::start();
    let cases = [
        // What Envoy takes for the source, whose word counts, who is allowed, and the status with that claim and without.
        (Listener::HARDENED, "peer", "127.0.0.0/8", (200, 200)),
        (Listener::HARDENED, "peer", "10.0.0.0/8", (403, 403)),
        (Listener::RAW, "peer", "127.0.0.0/8", (403, 200)),
        (Listener::RAW, "peer", "10.0.0.0/8", (403, 403)),
        (Listener::RAW, "forwarded", "10.0.0.0/8", (200, 403)),
        (Listener::HARDENED, "forwarded", "10.0.0.0/8", (403, 403)),
    ];
    for (listener, word, allowed, due) in cases {
        let mut endpoint = by_key("/e");
        endpoint["allow_from"] = json!([allowed]);
        let plugin = json!({ "source_address": word, "endpoints": [endpoint] });
        let setup = Setup::with(plugin).model(upstream.address());
        let envoy = Envoy::start(setup.listener(listener));
        let ask = || envoy.get("/e").bearer(KEY);
        let claimed = ask().header("x-forwarded-for", "10.1.2.3").send();
        let plain = ask().send();
        assert_eq!(
            (claimed.status, plain.status),
            due,
            "{listener:?} {word} {allowed}"
        );
        for answer in [claimed, plain] {
            assert!(answer.status == 200 || answer.reason() == "source_not_allowed");
        }
    }
}

#[test]
fn trailers_cannot_carry_an_identity_or_a_credential_past_the_gate() {
    let upstream = Upstream::start();
    let setup = Setup::with(json!({ "endpoints": [by_key("/e")] }))
        .model(upstream.address())
        .listener(Listener::RAW);
    let mut envoy = Envoy::start(setup);
    let mut wire = envoy.wire();
    let head = format!(
        "POST /e HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let rest = b"2\r\nhi\r\n0\r\nx-late: yes\r\nx-tenant-id: evil\r\nX_Tenant_Id: evil\r\nauthorization: Bearer x\r\n\r\n";
    assert!(wire.send(head.as_bytes()) && wire.send(rest));
    assert_eq!(wire.answer().expect("an answer").status, 200);
    let seen = upstream.last();
    assert_eq!(
        seen.trailers,
        [("x-late".to_owned(), b"yes".to_vec())],
        "{seen:?}"
    );
    assert_eq!(seen.all("x-tenant-id"), ["acme"]);
    nothing_broke(&mut envoy);
}

#[test]
fn a_key_in_the_query_reaches_neither_the_upstream_nor_the_log() {
    let upstream = Upstream::start();
    let authorizer = with_key(json!({ "from": [{ "query": "key" }] }));
    let endpoint = json!({ "name": "e", "path": "/e", "authorizer": authorizer });
    let setup = Setup::with(json!({ "endpoints": [endpoint] })).model(upstream.address());
    let mut envoy = Envoy::start(setup);
    envoy
        .get(&format!("/e?a=1&key={KEY}&b=%20"))
        .send()
        .admitted();
    assert_eq!(upstream.last().target, "/e?a=1&b=%20");
    assert!(!upstream.last().contains(KEY));
    envoy.get(&format!("/e?key={KEY}")).send().admitted();
    assert_eq!(upstream.last().target, "/e");
    let log = envoy.access_log(2);
    assert!(!json!(log).to_string().contains(KEY), "{log:?}");
    nothing_broke(&mut envoy);
}

#[test]
fn a_key_of_the_environment_is_good_and_stands_nowhere() {
    let upstream = Upstream::start();
    let plugin = json!({ "endpoints": [{ "name": "e", "path": "/e", "authorizer": {
        "type": "api_key", "keys": [{ "client_id": "c", "key": { "env": "EDGE_KEY" } }],
    } }] });
    let setup = Setup::with(plugin)
        .model(upstream.address())
        .secret("EDGE_KEY", KEY);
    let mut envoy = Envoy::start(setup);
    envoy.get("/e").bearer(KEY).send().admitted();
    envoy
        .get("/e")
        .bearer("EDGE_KEY")
        .send()
        .refused(401, "invalid_credential");
    for (place, text) in [("the dump", envoy.config_dump()), ("the log", envoy.log())] {
        assert!(!text.contains(KEY), "{place}");
    }
    nothing_broke(&mut envoy);
}

#[test]
fn flo_02_those_who_waited_are_refused_as_if_they_had_not() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(2)));
    let setup = Setup::with(json!({ "endpoints": [by_token("/e", &issuer)] }))
        .model(upstream.address())
        .cluster("issuer.test", issuer.address());
    let mut envoy = Envoy::start(setup);
    let mut claims = issuer.claims("acme");
    claims["exp"] = json!(1_700_000_000);
    let expired = format!("authorization: Bearer {}", issuer.sign(&claims));
    let good = format!("authorization: Bearer {}", issuer.token("acme"));

    let mut http = envoy.wire();
    assert!(http.request("GET", "/e", &[expired.as_bytes()]));
    let mut head_only = envoy.wire();
    assert!(head_only.request("HEAD", "/e", &[expired.as_bytes()]));
    let mut grpc = envoy.wire();
    let kind = b"content-type: application/grpc".as_slice();
    assert!(grpc.request("POST", "/e", &[expired.as_bytes(), kind]));
    let mut patient = envoy.wire();
    let expect = b"expect: 100-continue".as_slice();
    let length = b"content-length: 2".as_slice();
    assert!(patient.request("POST", "/e", &[good.as_bytes(), expect, length]));

    let answer = http.answer().expect("an answer");
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(
        answer.text().contains("expired_credential"),
        "{}",
        answer.text()
    );
    let challenge = answer.header("www-authenticate").expect("a challenge");
    assert!(challenge.contains("invalid_token"), "{challenge}");

    let answer = grpc.answer().expect("an answer");
    assert_eq!(
        (answer.status, answer.header("grpc-status")),
        (200, Some("16")),
        "{}",
        answer.head
    );
    upstream.saw_nothing();

    assert_eq!(patient.answer().expect("go on").status, 100);
    assert!(patient.send(b"{}"));
    assert_eq!(patient.answer().expect("an answer").status, 200);
    assert_eq!(upstream.last().body, b"{}");
    assert_eq!(upstream.seen().len(), 1);
    drop(head_only);

    let reasons: Vec<_> = envoy
        .access_log(4)
        .iter()
        .map(|line| line["reason"].as_str().unwrap_or_default().to_owned())
        .collect();
    let expired = reasons
        .iter()
        .filter(|reason| *reason == "expired_credential");
    assert_eq!(expired.count(), 3, "{reasons:?}");
    nothing_broke(&mut envoy);
}

#[test]
fn key_18_and_vm_07_there_is_room_for_a_thousand_to_wait_and_the_others_are_told_to_come_back() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(4)));
    let plugin = json!({ "endpoints": [by_token("/e", &issuer)] });
    let setup = Setup::with(plugin)
        .model(upstream.address())
        .cluster("issuer.test", issuer.address());
    let mut envoy = Envoy::start(setup);
    let field = format!("authorization: Bearer {}", issuer.token("acme"));
    let mut wires: Vec<_> = (0..1100).map(|_| envoy.wire()).collect();
    for wire in &mut wires {
        assert!(wire.request("GET", "/e", &[field.as_bytes()]));
    }
    let (mut admitted, mut told) = (0, 0);
    for wire in &mut wires {
        let answer = wire.answer().expect("an answer");
        match answer.status {
            200 => admitted += 1,
            503 if answer.text().contains("keys_unavailable") => {
                assert!(answer.header("retry-after").is_some(), "{}", answer.head);
                told += 1;
            }
            _ => panic!("{}\n{}", answer.head, answer.text()),
        }
    }
    assert_eq!((admitted, told), (1024, 76));
    nothing_broke(&mut envoy);
}

#[test]
fn an_upgrade_that_waited_for_keys_is_upgraded_and_told_who_it_is() {
    let (issuer, upstream) = (Issuer::start(), RawUpstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(1)));
    let setup = Setup::with(json!({ "endpoints": [by_token("/e", &issuer)] }))
        .model(upstream.address())
        .cluster("issuer.test", issuer.address());
    let mut envoy = Envoy::start(setup);
    let field = format!("authorization: Bearer {}", issuer.token("acme"));
    let mut wire = envoy.wire();
    wire.request(
        "GET",
        "/e",
        &[
            field.as_bytes(),
            b"connection: upgrade, x-tenant-id, authorization",
            b"upgrade: websocket",
            b"x-tenant-id: evil",
        ],
    );
    assert_eq!(wire.answer().expect("an answer").status, 101);
    assert!(wire.send(b"\x00ping\xff"));
    assert_eq!(wire.bytes(6).as_deref(), Some(&b"\x00ping\xff"[..]));
    let heads = upstream.heads();
    let head = String::from_utf8_lossy(&heads[0]).to_ascii_lowercase();
    assert!(head.contains("x-tenant-id: acme\r\n"), "{head}");
    assert!(!head.contains("evil"), "{head}");
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    nothing_broke(&mut envoy);
}
