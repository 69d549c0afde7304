//! Nominations, upgrades and trailers: HDR-04 to HDR-07, and CRD-12 on the wire.

use crate::harness::upstream::RawUpstream;
use crate::harness::{Envoy, Listener, Setup};
use crate::{K, LISTENERS, bearer, chat_and_health, gate, lines, raw, stands, word};

#[test]
fn hdr_04_a_connection_header_does_not_take_the_tenant_off() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        for connection in [
            "close, x-tenant-id",
            "x-tenant-id",
            "X-Tenant-Id, x-user-id",
            "close, x-tenant-id, x-tenant-id",
            "close",
        ] {
            let nominated = format!("Connection: {connection}");
            let answer = raw(
                &envoy,
                &lines("GET /v1/chat", &[&nominated, "X-Tenant-Id: t9", &bearer()]),
            )
            .unwrap();
            assert_eq!(word(&answer), "200", "{name} {connection}");
            assert_eq!(
                upstream.last().all("x-tenant-id"),
                ["t2"],
                "{name} {connection}"
            );
        }
        upstream.forget();
        // Envoy refuses these by itself; whatever refuses them, they do not arrive with the client's tenant.
        for connection in [
            "x-forwarded-for",
            "a, b, c, d, e, f, g, h, i, j, x-tenant-id",
            "host",
            ":path",
            "\u{fffd}",
        ] {
            let nominated = format!("Connection: {connection}");
            raw(
                &envoy,
                &lines("GET /v1/chat", &[&nominated, "X-Tenant-Id: t9", &bearer()]),
            );
        }
        assert!(
            upstream
                .seen()
                .iter()
                .all(|seen| seen.all("x-tenant-id") == ["t2"]),
            "{name}: {:?}",
            upstream.seen()
        );
        stands(&mut envoy);
    }
}

#[test]
fn hdr_05_an_upgrade_takes_no_header_of_ours_with_it() {
    // `underscores` apart, which Envoy refuses in the hardened one.
    for (name, listener) in LISTENERS {
        let upstream = RawUpstream::start();
        let envoy = Envoy::start(
            Setup::with(chat_and_health())
                .model(upstream.address())
                .listener(listener),
        );
        for (connection, key) in [
            ("Upgrade, X-Tenant-Id, Authorization", true),
            ("x-tenant-id,Upgrade", true),
            ("Upgrade", true),
            ("Upgrade, X-Tenant-Id", false),
        ] {
            let before = upstream.heads().len();
            let connection = format!("Connection: {connection}");
            let bearer = if key {
                bearer()
            } else {
                "X-Other: 1".to_owned()
            };
            let fields = [
                bearer.as_str(),
                &connection,
                "Upgrade: websocket",
                "X-Tenant-Id: t9",
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "Sec-WebSocket-Version: 13",
            ];
            let mut wire = envoy.wire();
            wire.send(&lines("GET /v1/chat", &fields));
            let answer = wire.answer().unwrap();
            if !key {
                assert_eq!(
                    word(&answer),
                    "401 missing_credential",
                    "{name} {connection}"
                );
                assert_eq!(upstream.heads().len(), before);
                continue;
            }
            assert_eq!(answer.status, 101, "{name} {connection}: {}", answer.text());
            let head = String::from_utf8(upstream.heads()[before].clone())
                .unwrap()
                .to_ascii_lowercase();
            let values = |field: &str| -> Vec<&str> {
                head.lines()
                    .filter_map(|line| line.strip_prefix(field)?.strip_prefix(": "))
                    .collect()
            };
            assert_eq!(values("x-tenant-id"), ["t2"], "{name} {connection}\n{head}");
            assert_eq!(
                values("connection"),
                ["upgrade"],
                "{name} {connection}\n{head}"
            );
            assert!(!head.contains(K) && !head.contains("t9"), "{head}");
            // And what was upgraded works.
            wire.send(b"ping");
            assert_eq!(wire.bytes(4).as_deref(), Some(b"ping".as_slice()), "{name}");
        }
    }
}

#[test]
fn hdr_06_a_nominated_credential_is_none() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        let ask = |connection: &str, credential: &str| {
            let answer = raw(&envoy, &lines("GET /v1/chat", &[connection, credential])).unwrap();
            word(&answer)
        };
        let key = format!("x-api-key: {K}");
        assert_eq!(
            ask("Connection: authorization", &bearer()),
            "401 missing_credential",
            "{name}"
        );
        assert_eq!(
            ask("Connection: close, Authorization", &bearer()),
            "401 missing_credential",
            "{name}"
        );
        assert_eq!(
            ask("Connection: x-api-key", &key),
            "401 missing_credential",
            "{name}"
        );
        upstream.saw_nothing();
        assert_eq!(ask("Connection: x-other", &bearer()), "200", "{name}");
        assert_eq!(ask("Connection: close", &key), "200", "{name}");
        stands(&mut envoy);
    }
}

#[test]
fn hdr_07_trailers_on_the_wire_name_nobody() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        for path in ["/v1/chat", "/health"] {
            let mut bytes = lines(
                &format!("POST {path}"),
                &[&bearer(), "TE: trailers", "Transfer-Encoding: chunked"],
            );
            let trailers = "x-tenant-id: t9\r\nX-Tenant-Id: t8\r\nx.tenant.id: t7\r\nauthorization: Bearer t6\r\nx-api-key: t5\r\nx-user-id: root\r\nx-checksum: 1\r\n";
            bytes.extend_from_slice(format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n").as_bytes());
            assert_eq!(word(&raw(&envoy, &bytes).unwrap()), "200", "{name} {path}");
            let seen = upstream.last();
            assert_eq!(seen.body, b"{}", "{name} {path}");
            assert!(
                seen.trailers
                    .iter()
                    .all(|(name, value)| name == "x-checksum" && value == b"1"),
                "{name} {path}: {:?}",
                seen.trailers
            );
            // The hardened listener drops all of them.
            assert_eq!(
                !seen.trailers.is_empty(),
                listener.trailers,
                "{name} {path}: {seen:?}"
            );
            let named = if path == "/health" {
                vec![]
            } else {
                vec!["t2"]
            };
            assert_eq!(seen.all("x-tenant-id"), named, "{name} {path}");
        }
        stands(&mut envoy);
    }
}

#[test]
fn crd_12_the_upstream_sees_nothing_of_the_key_wherever_it_stood() {
    let (upstream, envoy) = gate(chat_and_health(), Listener::RAW);
    for field in [
        format!("Authorization: Bearer {K}"),
        format!("authorization: bearer  {K}"),
        format!("X-API-Key: {K}"),
        format!("Api-Key: {K}"),
        format!("x-goog-api-key:{K}  "),
    ] {
        let original = format!("x-envoy-original-path: /v1/chat?key={K}");
        let mut bytes = lines(
            "POST /v1/chat?a=b",
            &[
                &field,
                &original,
                "TE: trailers",
                "Transfer-Encoding: chunked",
            ],
        );
        bytes.extend_from_slice(format!("0\r\n{field}\r\n\r\n").as_bytes());
        assert_eq!(word(&raw(&envoy, &bytes).unwrap()), "200", "{field}");
        assert!(
            !upstream.last().contains(K),
            "{field}: {:?}",
            upstream.last()
        );
        assert_eq!(upstream.last().target, "/v1/chat?a=b");
    }
    assert!(!envoy.log().contains(K));
}
