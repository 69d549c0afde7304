//! Any bytes in any header of either side, and more headers than anybody sends: CRD-10 and CRD-11.

use serde_json::json;

use crate::harness::issuer::{AUDIENCE, SigningKey, seconds_since_epoch};
use crate::harness::tokens::Key;
use crate::harness::{Envoy, Listener, Setup, Upstream};
use crate::{K, LISTENERS, chat_and_health, config, gate, keys, lines, raw, serving, stands, word};

const GARBAGE: &[u8] = b"a\xff\xfe\x80\xc0\xaf";

const NAMES: [&str; 32] = [
    "X-A",
    "Authorization",
    "X-Api-Key",
    "Api-Key",
    "X-Goog-Api-Key",
    "X-Tenant-Id",
    "X.User.Id",
    "Cookie",
    "Set-Cookie",
    "User-Agent",
    "Accept",
    "Accept-Encoding",
    "Content-Type",
    "Content-Encoding",
    "Referer",
    "Origin",
    "Access-Control-Request-Method",
    "Connection",
    "Upgrade",
    "TE",
    "Trailer",
    "Expect",
    "Via",
    "Range",
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Request-Id",
    "Traceparent",
    "Grpc-Timeout",
    "X-Envoy-Original-Path",
    "Sec-WebSocket-Protocol",
];

/// A head with bytes of any kind in one field, or in its target.
fn hostile(kind: usize) -> Vec<u8> {
    let field =
        |name: &str, before: &[u8]| [name.as_bytes(), b": ", before, GARBAGE, b"\r\n"].concat();
    let key = format!("X-Goog-Api-Key: {K}\r\n").into_bytes();
    let head = |target: &[u8], host: &[u8], field: &[u8]| {
        [
            b"POST ",
            target,
            b" HTTP/1.1\r\nHost: ",
            host,
            b"\r\nConnection: close\r\n",
            &key,
            field,
            b"Content-Length: 0\r\n\r\n",
        ]
        .concat()
    };
    let target = [b"/v1/chat?", GARBAGE].concat();
    match kind % 37 {
        32 => head(&target, b"api.test", b""),
        33 => head(&[b"/v1/chat", GARBAGE].concat(), b"api.test", b""),
        34 => head(b"/v1/chat", GARBAGE, b""),
        35 => field("Authorization", b"Bearer ")
            .into_iter()
            .chain(b"\r\n".iter().copied())
            .collect(),
        36 => {
            let mut bytes = b"POST /v1/chat HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n".to_vec();
            bytes.extend(
                [
                    key.as_slice(),
                    b"\r\n1\r\nx\r\n0\r\n",
                    &field("x-tenant-id", b""),
                    &field("x-a", b""),
                    b"\r\n",
                ]
                .concat(),
            );
            bytes
        }
        name => head(
            b"/v1/chat",
            b"api.test",
            &field(NAMES[name], if name == 1 { b"Bearer " } else { b"" }),
        ),
    }
}

/// Envoy's own word that no VM died: nothing was reloaded, and none failed.
#[track_caller]
fn no_vm_died(envoy: &mut Envoy) {
    let stats = envoy.admin("/stats?filter=wasm");
    for line in stats.lines() {
        let (name, value) = line.rsplit_once(": ").unwrap();
        let alarming = ["reload", "crash", "fail", "error", "trap"]
            .iter()
            .any(|word| name.contains(word));
        assert!(!alarming || value == "0", "{stats}");
    }
    assert!(
        stats.contains("reload"),
        "Envoy counts reloads under another name: {stats}"
    );
    let log = envoy.log();
    assert!(
        !log.contains("panicked") && !log.contains("Function: proxy_"),
        "{log}"
    );
    assert!(envoy.is_running());
}

#[test]
fn crd_10_a_thousand_requests_of_any_bytes_and_the_only_worker_stands() {
    for (name, listener) in LISTENERS {
        let (_upstream, mut envoy) = gate(chat_and_health(), listener);
        let (mut refused, mut admitted) = (0, 0);
        for kind in 0..1000 {
            match raw(&envoy, &hostile(kind)).map(|answer| answer.status) {
                None | Some(400 | 401 | 403) => refused += 1,
                Some(200) => admitted += 1,
                Some(417 | 501) if kind % 37 < NAMES.len() => refused += 1,
                other => panic!("{name} {kind}: {other:?}\n{}", envoy.log()),
            }
            if kind % 100 == 0 {
                stands(&mut envoy);
            }
        }
        assert!(
            refused > 100 && admitted > 100,
            "{name}: {refused} {admitted}"
        );
        stands(&mut envoy);
        no_vm_died(&mut envoy);
    }
}

#[test]
fn crd_10_a_model_server_and_an_issuer_may_answer_with_any_bytes() {
    let key = SigningKey::named("first", Key::R1);
    let jwks = json!({"keys": [key.jwk()]}).to_string();
    let garbage = [
        "cache-control",
        "etag",
        "content-type",
        "set-cookie",
        "x-a",
        "x-tenant-id",
        "server",
        "date",
        "retry-after",
    ];
    let garbage: Vec<u8> = garbage
        .iter()
        .flat_map(|name| [name.as_bytes(), b": ", GARBAGE, b"\r\n"].concat())
        .collect();
    let response = |body: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        [head.as_bytes(), &garbage, b"\r\n", body.as_bytes()].concat()
    };
    let tokens = json!({"type": "oidc", "oidc": {"issuer": "https://issuer.test", "audience": AUDIENCE, "jwks_uri": "https://issuer.test/keys"}});
    let mut config = config(&json!([
        {"name": "tokens", "path": "/v1/tokens", "authorizer": tokens},
        {"name": "chat", "path": "/v1/chat", "authorizer": keys()},
    ]));
    config["clusters"] = json!({"issuer.test": "issuer"});
    let setup = Setup::with(config)
        .model(serving(response("{}")))
        .cluster("issuer", serving(response(&jwks)));
    let mut envoy = Envoy::start(setup.listener(Listener::RAW));
    let now = seconds_since_epoch();
    let claims = json!({"iss": "https://issuer.test", "aud": AUDIENCE, "sub": "u1", "tenant_id": "t1", "exp": now + 300});
    let authorization = format!("Authorization: Bearer {}", key.sign(&claims));
    for _ in 0..50 {
        let answer = raw(&envoy, &lines("GET /v1/tokens", &[&authorization])).unwrap();
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (200, "{}"),
            "{}",
            envoy.log()
        );
        assert!(answer.header("x-tenant-id").is_none(), "{}", answer.head);
        let answer = raw(&envoy, &lines("GET /v1/tokens", &[])).unwrap();
        assert_eq!(word(&answer), "401 missing_credential");
    }
    let answer = raw(
        &envoy,
        &lines("GET /v1/chat", &[&format!("x-api-key: {K}")]),
    )
    .unwrap();
    assert_eq!(answer.status, 200);
    no_vm_died(&mut envoy);
}

#[test]
fn crd_11_more_headers_than_anybody_sends_are_refused_by_envoy_and_harm_nobody() {
    let (upstream, mut envoy) = gate(chat_and_health(), Listener::RAW);
    let crowd = |count: usize, size: usize, name: &str| {
        let fields: Vec<String> = (0..count)
            .map(|index| {
                format!(
                    "{}: {}",
                    name.replace('N', &index.to_string()),
                    "v".repeat(size)
                )
            })
            .collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        lines("GET /v1/chat", &fields)
    };
    for bytes in [
        crowd(1025, 1, "x-N"),
        crowd(1024, 1024, "x-N"),
        crowd(100, 8 * 1024, "cookie"),
        crowd(2, 40 * 1024, "x-N"),
        crowd(101, 1, "x-api-key"),
    ] {
        let status = raw_or_reset(&envoy, &bytes);
        assert!(matches!(status, None | Some(431)), "{status:?}");
    }
    upstream.saw_nothing();
    // Just below Envoy's limits the gate reads all of it.
    for bytes in [
        crowd(90, 1, "x-N"),
        crowd(1, 50 * 1024, "x-N"),
        crowd(6, 8 * 1024, "cookie"),
    ] {
        assert_eq!(
            word(&raw(&envoy, &bytes).unwrap()),
            "401 missing_credential"
        );
    }
    assert_eq!(
        word(&raw(&envoy, &crowd(90, 1, "x-api-key")).unwrap()),
        "400 multiple_credentials"
    );
    let tenants = crowd(90, 1, "x-tenant-id");
    let with_key = [
        &tenants[..tenants.len() - 2],
        format!("x-api-key: {K}\r\n\r\n").as_bytes(),
    ]
    .concat();
    assert_eq!(word(&raw(&envoy, &with_key).unwrap()), "200");
    assert_eq!(upstream.last().all("x-tenant-id"), ["t2"]);
    stands(&mut envoy);
    no_vm_died(&mut envoy);
}

/// Envoy may answer and close before it has read everything.
fn raw_or_reset(envoy: &Envoy, bytes: &[u8]) -> Option<u16> {
    let mut wire = envoy.wire();
    wire.send(bytes);
    wire.answer().map(|answer| answer.status)
}

#[test]
fn crd_10_two_workers_stand_as_one_does() {
    let upstream = Upstream::start();
    let mut envoy = Envoy::start(
        Setup::with(chat_and_health())
            .model(upstream.address())
            .listener(Listener::RAW)
            .workers(2),
    );
    for kind in 0..111 {
        raw(&envoy, &hostile(kind));
    }
    // Each on a connection of its own, so that both get some.
    for _ in 0..20 {
        stands(&mut envoy);
    }
    no_vm_died(&mut envoy);
}
