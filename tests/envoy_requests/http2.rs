//! The rows once more over HTTP/2, where header fields have another form.

use serde_json::json;

use crate::harness::Listener;
use crate::harness::h2::{Answer, Fields, get, send};
use crate::{K, LISTENERS, chat_and_health, config, gate, keys, stands};

fn with<'a>(path: &'a str, more: &[(&'a str, &'a [u8])]) -> Fields<'a> {
    get(path).into_iter().chain(more.iter().copied()).collect()
}

/// A name and a value.
type Field<'a> = (&'a str, &'a [u8]);

const KEY: Field<'static> = ("x-api-key", K.as_bytes());

#[test]
fn the_rows_about_credentials_hold_over_http2() {
    let bearer = format!("Bearer {K}");
    let bearer = ("authorization", bearer.as_bytes());
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        let ask = |more: &[(&str, &[u8])]| send(&envoy, &with("/v1/chat", more), &vec![]).reason();
        let basic: (&str, &[u8]) = ("authorization", b"Basic dTpw");
        let rows: [(&[Field<'_>], &str); 9] = [
            (&[], "missing_credential"),
            (&[bearer, bearer], "multiple_credentials"),
            (&[bearer, basic], "multiple_credentials"),
            (&[basic, bearer], "multiple_credentials"),
            (&[KEY, KEY], "multiple_credentials"),
            (&[KEY, ("x-api-key", b"other")], "multiple_credentials"),
            (&[("x-api-key", b"a\xff")], "invalid_credential"),
            (&[("authorization", b"Bearer \xff")], "invalid_credential"),
            (
                &[("cookie", b"x-api-key=k"), ("cookie", b"a=\xff")],
                "missing_credential",
            ),
        ];
        for (fields, expected) in rows {
            assert_eq!(ask(fields), expected, "{name} {fields:?}");
        }
        upstream.saw_nothing();
        for fields in [&[bearer][..], &[KEY], &[bearer, KEY]] {
            assert!(
                matches!(
                    send(&envoy, &with("/v1/chat", fields), &vec![]),
                    Answer::Body(_)
                ),
                "{name} {fields:?}"
            );
            assert_eq!(upstream.last().all("x-tenant-id"), ["t2"], "{name}");
            assert!(!upstream.last().contains(K), "{name}");
        }
        stands(&mut envoy);
    }
}

#[test]
fn the_rows_about_identity_hold_over_http2() {
    let spoofed: [(&str, &[u8]); 4] = [
        ("x-tenant-id", b"t9"),
        ("x-tenant-id", b"t8"),
        ("x.tenant.id", b"t7"),
        ("x-user-id", b"root"),
    ];
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        for (path, tenants) in [("/v1/chat", vec!["t2"]), ("/health", vec![])] {
            let fields: Vec<_> = spoofed
                .iter()
                .copied()
                .chain([KEY, ("te", b"trailers".as_slice())])
                .collect();
            let trailers: Fields<'_> = spoofed
                .iter()
                .copied()
                .chain([KEY, ("x-checksum", b"1".as_slice())])
                .collect();
            assert!(
                matches!(
                    send(&envoy, &with(path, &fields), &trailers),
                    Answer::Body(_)
                ),
                "{name} {path}"
            );
            let seen = upstream.last();
            assert_eq!(seen.all("x-tenant-id"), tenants, "{name} {path}");
            for spoof in ["t9", "t8", "t7", "root"] {
                assert!(!seen.contains(spoof), "{name} {path}: {seen:?}");
            }
            assert!(
                seen.trailers.iter().all(|(name, _)| name == "x-checksum"),
                "{name} {path}: {:?}",
                seen.trailers
            );
            // Envoy takes trailers of HTTP/2 in any case, and sends them on over HTTP/1.1 where that is switched on.
            assert_eq!(
                seen.trailers.len(),
                usize::from(listener.trailers),
                "{name} {path}"
            );
        }
        upstream.forget();
        // Fields that HTTP/2 has no place for.
        for odd in [
            ("connection", &b"x-tenant-id"[..]),
            ("X-Tenant-Id", b"t9"),
            ("x-a", b"1\r\nx-tenant-id: t9"),
            ("x-a", b"\0"),
            ("transfer-encoding", b"chunked"),
            (":path", b"/health"),
        ] {
            let answer = send(&envoy, &with("/v1/chat", &[KEY, odd]), &vec![]);
            let passed = upstream
                .seen()
                .iter()
                .any(|seen| seen.all("x-tenant-id") != ["t2"] || seen.contains("t9"));
            assert!(!passed, "{name} {odd:?}: {answer:?} {:?}", upstream.seen());
        }
        stands(&mut envoy);
    }
}

#[test]
fn hst_02_the_authority_of_http2_decides_beside_another_host() {
    let endpoints = json!([
        {"name": "chat", "path": "/v1/chat", "hosts": ["api.test"], "authorizer": keys()},
        {"name": "open", "path": "/v1/chat", "hosts": ["open.test"], "authorizer": {"type": "none"}},
    ]);
    let (upstream, envoy) = gate(config(&endpoints), Listener::RAW);
    let protected = send(
        &envoy,
        &with("/v1/chat", &[("host", b"open.test")]),
        &vec![],
    );
    assert!(
        protected == Answer::Cut || protected.reason() == "missing_credential",
        "{protected:?}"
    );
    upstream.saw_nothing();
    let mut turned = with("/v1/chat", &[("host", b"api.test")]);
    turned[2].1 = b"open.test";
    send(&envoy, &turned, &vec![]);
    assert!(
        upstream
            .seen()
            .iter()
            .all(|seen| seen.all("host") == ["open.test"]),
        "{:?}",
        upstream.seen()
    );
    // Without an authority, the host is one.
    let mut bare = with("/v1/chat", &[("host", b"api.test")]);
    bare.remove(2);
    upstream.forget();
    let answer = send(&envoy, &bare, &vec![]);
    assert!(
        answer == Answer::Cut || answer.reason() == "missing_credential",
        "{answer:?}"
    );
    upstream.saw_nothing();
}

#[test]
fn pth_09_targets_of_http2_that_are_no_path_are_refused_and_harm_nobody() {
    for (name, listener) in LISTENERS {
        let (upstream, mut envoy) = gate(chat_and_health(), listener);
        for (method, path) in [
            ("GET", &b""[..]),
            ("GET", b"health"),
            ("GET", b"*"),
            ("OPTIONS", b"*"),
            ("GET", b"http://api.test/health"),
            ("GET", b"/v1/chat\xff"),
            ("GET", b"/v1/chat#/health"),
            ("GET", b"/v1/chat /health"),
            ("CONNECT", b"/health"),
            ("GET", b"//health"),
            ("GET", b"/health\\..\\v1"),
        ] {
            let mut fields = get("/");
            fields[0].1 = method.as_bytes();
            fields[3].1 = path;
            upstream.forget();
            let answer = send(&envoy, &fields, &vec![]);
            // Merging slashes makes `//health` the public path itself.
            let plain = upstream
                .seen()
                .iter()
                .all(|seen| seen.target == "/health" && path == b"//health");
            assert!(plain, "{name} {method} {}: {answer:?}", path.escape_ascii());
        }
        upstream.forget();
        // CONNECT as it should be, and extended (RFC 8441).
        let connect: Fields<'_> = vec![(":method", b"CONNECT"), (":authority", b"api.test:443")];
        let mut extended = with("/v1/chat", &[(":protocol", b"websocket")]);
        extended[0].1 = b"CONNECT";
        let no_path: Fields<'_> = vec![
            (":method", b"GET"),
            (":scheme", b"http"),
            (":authority", b"api.test"),
        ];
        for fields in [connect, extended, no_path] {
            let answer = send(&envoy, &fields, &vec![]);
            let refused = answer == Answer::Cut
                || ["ambiguous_path", "missing_credential", ""].contains(&answer.reason().as_str());
            assert!(refused, "{name} {fields:?}: {answer:?}");
        }
        upstream.saw_nothing();
        stands(&mut envoy);
    }
}
