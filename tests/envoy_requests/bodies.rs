//! Bodies: those that come before the decision (PRO-06), those that another filter will not have (USE-12), and that what
//! looks on changes nothing of any (USE-11, PRO-10).

use std::time::{Duration, Instant};

use miniz_oxide::deflate::compress_to_vec_zlib;
use serde_json::{Value, json};

use crate::harness::h2::{Fields, get, send_data};
use crate::harness::issuer::{AUDIENCE, Mood};
use crate::harness::wire::RawAnswer;
use crate::harness::{Envoy, Issuer, Listener, Setup, Upstream};
use crate::{K, bearer, config, keys, lines, serving_by, stands, word};

const CHAT: &str = "/v1/chat/completions";
const USAGE: &str = r#"{"model":"m","usage":{"prompt_tokens":11,"completion_tokens":7}}"#;

/// Bodies of this endpoint are looked at, both ways.
fn looked_at() -> Value {
    config(&json!([
        {"name": "completions", "path": CHAT, "authorizer": keys()},
        {"name": "chat", "path": "/v1/chat", "authorizer": keys()},
    ]))
}

#[test]
fn pro_06_bodies_that_come_before_the_decision_are_held_back_and_not_kept() {
    const BODY: usize = 10 << 20;
    const EACH: usize = 4;
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_secs(3)));
    let oidc = json!({ "issuer": issuer.url(), "audience": AUDIENCE });
    let mut config = looked_at();
    config["endpoints"][0]["authorizer"] = json!({ "type": "oidc", "oidc": oidc });
    let mut envoy = Envoy::start(
        Setup::with(config)
            .model(upstream.address())
            .cluster("issuer.test", issuer.address()),
    );
    let mut claims = issuer.claims("acme");
    claims["aud"] = json!("api://others");
    let (good, bad) = (issuer.token("acme"), issuer.sign(&claims));
    let before = envoy.resident_kib();
    let (mut held_kib, mut words) = (0, Vec::new());
    std::thread::scope(|scope| {
        let uploads: Vec<_> = [&good, &bad]
            .into_iter()
            .flat_map(|token| std::iter::repeat_n(token, EACH))
            .map(|token| {
                let fields = [
                    format!("Authorization: Bearer {token}"),
                    format!("Content-Length: {BODY}"),
                ];
                let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
                let head = lines(&format!("POST {CHAT}"), &fields);
                let mut wire = envoy.wire();
                scope.spawn(move || {
                    wire.send(&head);
                    let is_sent = wire.send(&vec![b'x'; BODY]);
                    // One that is refused while it sends may find the connection closed.
                    let answer = is_sent.then(|| wire.answer()).flatten();
                    answer.map(|answer| word(&answer))
                })
            })
            .collect();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            held_kib = held_kib.max(envoy.resident_kib().saturating_sub(before));
            std::thread::sleep(Duration::from_millis(20));
        }
        upstream.saw_nothing();
        let told = uploads
            .into_iter()
            .map(|upload| upload.join().expect("no panic"));
        words.extend(told);
    });
    // Each is held to a buffer of the connection, of one megabyte.
    assert!(
        held_kib < 20 << 10,
        "{held_kib} KiB for {EACH} times 20 MiB"
    );
    let (admitted, refused) = words.split_at(EACH);
    assert_eq!(admitted, vec![Some("200".to_owned()); EACH]);
    assert!(
        refused
            .iter()
            .flatten()
            .all(|word| word == "401 invalid_credential"),
        "{refused:?}"
    );
    let lines = envoy.access_log(2 * EACH);
    let of = |reason: Value| lines.iter().filter(|line| line["reason"] == reason).count();
    assert_eq!(
        (lines.len(), of(json!("invalid_credential"))),
        (2 * EACH, EACH)
    );
    let seen = upstream.seen();
    assert!(
        seen.len() == EACH
            && seen
                .iter()
                .all(|seen| seen.body.len() == BODY && seen.is_whole),
        "{}",
        seen.len()
    );
    assert_eq!(issuer.jwks_hits(), 1);
    stands(&mut envoy);
}

/// A filter that will not have more of a body, before ours or behind it.
#[test]
fn use_12_a_body_over_the_limit_is_refused_once_whoever_refuses_it_and_traps_nothing() {
    const LIMIT: usize = 64 << 10;
    let buffer = json!({ "name": "buffer", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer", "max_request_bytes": LIMIT,
    } });
    let router = json!({ "name": "router", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
    } });
    for ours_is_first in [true, false] {
        let upstream = Upstream::start();
        let mut config = looked_at();
        // A key whose bodies are watched for the model beside one whose are not.
        let keys = config["endpoints"][0]["authorizer"]["keys"]
            .as_array_mut()
            .expect("a list");
        keys.push(json!({"client_id": "held", "key": "held-key-4f1d8a", "models": ["m"]}));
        let mut setup = Setup::with(config).model(upstream.address());
        let ours = json!({ "name": "tenantgate", "typed_config": setup.filter() });
        let chain = if ours_is_first {
            [&ours, &buffer, &router]
        } else {
            [&buffer, &ours, &router]
        };
        setup.merged = Some(json!({ "http_filters": chain }));
        let mut envoy = Envoy::start(setup);
        let mut sent = 0;
        let mut ask = |key: &str, length: usize, is_chunked: bool| {
            let mut body = br#"{"model":"m"}"#.to_vec();
            body.resize(length, b' ');
            let key = format!("x-api-key: {key}");
            let framing = format!("Content-Length: {length}");
            let (field, body) = if is_chunked {
                ("Transfer-Encoding: chunked", chunked(&body, 8 << 10))
            } else {
                (framing.as_str(), body)
            };
            let head = lines(&format!("POST {CHAT}"), &[&key, field, "Connection: close"]);
            sent += 1;
            let answer = crate::raw(&envoy, &[head, body].concat());
            answer.map_or_else(String::new, |answer| word(&answer))
        };
        for key in [K, "held-key-4f1d8a"] {
            for is_chunked in [false, true] {
                let case = format!("{ours_is_first} {key} {is_chunked}");
                assert_eq!(ask(key, LIMIT + 1, is_chunked), "413", "{case}");
                assert_eq!(ask(key, LIMIT, is_chunked), "200", "{case}");
            }
        }
        let refused = ask("wrong", LIMIT + 1, false);
        let expected = if ours_is_first {
            "401 invalid_credential"
        } else {
            "413"
        };
        assert_eq!(refused, expected);
        assert_eq!(upstream.seen().len(), 4);
        assert_eq!(envoy.access_log(sent).len(), sent);
        assert_eq!(envoy.stat("wasm.tenantgate.vm_reload_success"), 0);
        assert!(!envoy.log().contains("panicked"), "{}", envoy.log());
        stands(&mut envoy);
    }
}

/// RFC 9112 section 7.1.
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", piece.len()).into_bytes());
        bytes.extend([piece, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}

fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("application/json", USAGE.into()),
        ("application/json", Vec::new()),
        ("application/json", b"{\"model\":\"\xff\",".repeat(100)),
        (
            "text/event-stream",
            format!("data: {USAGE}\n\ndata: [DONE]\n\n").into(),
        ),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b--\r\n".to_vec(),
        ),
        (
            "application/octet-stream",
            (0..=255).cycle().take(200_000).collect(),
        ),
    ]
}

#[test]
fn use_11_a_request_arrives_as_it_was_sent_however_it_was_framed() {
    let upstream = Upstream::start();
    let mut envoy = Envoy::start(
        Setup::with(looked_at())
            .model(upstream.address())
            .listener(Listener::RAW),
    );
    for (kind, body) in payloads() {
        let kind_line = format!("Content-Type: {kind}");
        let length = body.len().to_string();
        let length_line = format!("Content-Length: {length}");
        let framed = [
            (length_line.as_str(), body.clone()),
            ("Transfer-Encoding: chunked", chunked(&body, 7)),
            ("Transfer-Encoding: chunked", chunked(&body, 64 << 10)),
        ];
        for (framing, bytes) in framed {
            let head = lines(&format!("POST {CHAT}"), &[&bearer(), &kind_line, framing]);
            let answer = crate::raw(&envoy, &[head, bytes].concat()).expect("an answer");
            assert_eq!(answer.status, 200, "{kind} {framing}");
            arrived(&upstream, &body, &format!("{kind} {framing}"));
        }
        for has_length in [true, false] {
            let mut fields: Fields<'_> = get(CHAT);
            fields[0].1 = b"POST";
            fields.push(("x-api-key", K.as_bytes()));
            fields.push(("content-type", kind.as_bytes()));
            if has_length {
                fields.push(("content-length", length.as_bytes()));
            }
            // Within the window that every connection begins with (RFC 9113 section 6.9.2).
            let body = &body[..body.len().min(48 << 10)];
            if has_length && body.len().to_string() != length {
                continue;
            }
            let (one, two) = body.split_at(body.len() / 3);
            let pieces: Vec<&[u8]> = [&b""[..]]
                .into_iter()
                .chain(one.chunks(16 << 10))
                .chain(two.chunks(16 << 10))
                .chain([&b""[..]])
                .collect();
            send_data(&envoy, &fields, &pieces);
            arrived(&upstream, body, &format!("{kind} h2 {has_length}"));
        }
    }
    stands(&mut envoy);
}

/// Exactly one request, with this body, framed once.
#[track_caller]
fn arrived(upstream: &Upstream, body: &[u8], case: &str) {
    let seen = upstream.seen();
    assert_eq!(seen.len(), 1, "{case}");
    assert!(seen[0].body == body && seen[0].is_whole, "{case}");
    assert_eq!(seen[0].all("x-tenant-id"), ["t2"], "{case}");
    let (lengths, codings) = (
        seen[0].all("content-length"),
        seen[0].all("transfer-encoding"),
    );
    assert!(
        lengths.len() + codings.len() <= 1,
        "{case}: {lengths:?} {codings:?}"
    );
    assert!(
        lengths
            .iter()
            .all(|length| *length == body.len().to_string()),
        "{case}: {lengths:?}"
    );
    upstream.forget();
}

/// Each response, and what comes of it: whether it tells its use of tokens.
fn responses() -> Vec<(Vec<u8>, Vec<u8>, bool)> {
    let head =
        |fields: &str| format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{fields}\r\n").into_bytes();
    let mut responses = Vec::new();
    for (kind, body) in payloads() {
        let tells = body.windows(8).any(|it| it == b"\"usage\":");
        let plain = format!("content-type: {kind}\r\n");
        let length = format!("{plain}content-length: {}\r\n", body.len());
        let coded = format!("{plain}transfer-encoding: chunked\r\n");
        let trailer = chunked(&body, 9);
        let trailer = [&trailer[..trailer.len() - 2], b"x-checksum: 1\r\n\r\n"].concat();
        responses.extend([
            ([head(&length), body.clone()].concat(), body.clone(), tells),
            (
                [head(&coded), chunked(&body, 1000)].concat(),
                body.clone(),
                tells,
            ),
            ([head(&coded), trailer].concat(), body.clone(), tells),
            ([head(&plain), body.clone()].concat(), body, tells),
        ]);
    }
    let coded = compress_to_vec_zlib(USAGE.as_bytes(), 6);
    let fields = format!(
        "content-type: application/json\r\ncontent-encoding: deflate\r\ncontent-length: {}\r\n",
        coded.len()
    );
    responses.push(([head(&fields), coded.clone()].concat(), coded, true));
    for head in [
        "204 No Content\r\n",
        "304 Not Modified\r\n",
        "200 OK\r\ncontent-length: 0\r\n",
    ] {
        responses.push((
            format!("HTTP/1.1 {head}\r\n").into_bytes(),
            Vec::new(),
            false,
        ));
    }
    responses
}

#[test]
fn use_11_and_pro_10_every_shape_of_response_passes_as_it_is_and_is_told_once() {
    let table = responses();
    let served: Vec<Vec<u8>> = table.iter().map(|(bytes, ..)| bytes.clone()).collect();
    let address = serving_by(move |head| {
        let head = String::from_utf8_lossy(head);
        let number = head
            .split("?n=")
            .nth(1)
            .and_then(|rest| rest.split(' ').next());
        let number: usize = number.and_then(|number| number.parse().ok()).unwrap_or(0);
        served[number].clone()
    });
    let mut envoy = Envoy::start(
        Setup::with(looked_at())
            .model(address)
            .listener(Listener::RAW),
    );
    let ask = |number: usize| -> RawAnswer {
        // No body: that server closes without a look at one, and what it answered might be lost.
        let fields = [&bearer(), "Content-Length: 0", "Connection: close"];
        let bytes = lines(&format!("POST {CHAT}?n={number}"), &fields);
        crate::raw(&envoy, &bytes).expect("an answer")
    };
    let mut telling = 0;
    for (number, (bytes, body, tells)) in table.iter().enumerate() {
        let case = String::from_utf8_lossy(&bytes[..bytes.len().min(90)]).into_owned();
        let answer = ask(number);
        assert_eq!(answer.head.get(..12), case.get(..12), "{case}");
        assert!(answer.body == *body, "{case}: {answer:?}");
        let (lengths, codings) = (
            answer.all("content-length"),
            answer.all("transfer-encoding"),
        );
        assert!(
            lengths.len() + codings.len() <= 1,
            "{case}: {}",
            answer.head
        );
        telling += u64::from(*tells);
    }
    let lines = envoy.access_log(table.len());
    assert_eq!(lines.len(), table.len(), "one line for each");
    let told = lines.iter().filter(|line| line["input_tokens"] == "11");
    assert_eq!(told.count() as u64, telling);
    let counter = |name: &str| {
        envoy.stat(&format!(
            "wasmcustom.tenantgate.endpoint.completions.{name}"
        ))
    };
    assert_eq!(counter("direction.input.tokens_total"), 11 * telling);
    assert_eq!(
        counter("decision.allow.reason.none.requests_total"),
        table.len() as u64
    );
    stands(&mut envoy);
}

#[test]
fn pro_10_a_request_of_http_2_is_decided_once_however_its_frames_come() {
    let upstream = Upstream::start();
    let mut envoy = Envoy::start(Setup::with(looked_at()).model(upstream.address()));
    let shapes: [&[&[u8]]; 5] = [
        &[b""],
        &[b"", b""],
        &[b"{}"],
        &[b"", b"{", b"", b"}", b""],
        &[b"{}", b""],
    ];
    for pieces in shapes {
        for key in [("x-api-key", K.as_bytes()), ("x-api-key", b"wrong")] {
            let mut fields = get(CHAT);
            fields[0].1 = b"POST";
            fields.push(key);
            let reason = send_data(&envoy, &fields, pieces).reason();
            let is_good = key.1 == K.as_bytes();
            let expected = if is_good { "" } else { "invalid_credential" };
            assert_eq!(reason, expected, "{pieces:?}");
        }
    }
    let seen = upstream.seen();
    assert_eq!(seen.len(), shapes.len());
    for (seen, pieces) in seen.iter().zip(shapes) {
        assert_eq!(seen.body, pieces.concat());
    }
    let lines = envoy.access_log(2 * shapes.len());
    let denied = lines
        .iter()
        .filter(|line| line["decision"] == "deny")
        .count();
    assert_eq!((lines.len(), denied), (2 * shapes.len(), shapes.len()));
    stands(&mut envoy);
}
