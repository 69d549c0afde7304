//! VM-04: what becomes of those who waited, streamed and uploaded when the VM ended under them.

use std::convert::Infallible;
use std::io;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};

use crate::harness::issuer::Mood;
use crate::harness::server::Server;
use crate::harness::wire::Wire;
use crate::harness::{Envoy, Issuer, Setup, Upstream};
use crate::{KEY, bad, healthy_after, never_saw, setup, trap};

/// How many wait.
const WAITING: usize = 50;
/// The time that a stream may be silent, here, and as much again for a busy machine.
const BOUND: Duration = Duration::from_secs(10);

fn waits(envoy: &Envoy, token: &str) -> Wire {
    let mut wire = envoy.wire();
    let field = format!("authorization: Bearer {token}");
    assert!(wire.request("GET", "/infer", &[field.as_bytes()]));
    wire
}

#[test]
fn vm_04_fifty_who_wait_for_keys_when_the_vm_ends_are_all_told_in_time_and_none_is_let_in() {
    for stage in ["call", "tick", "request_headers"] {
        let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
        let mut envoy = Envoy::start(setup(&issuer, &upstream));
        let known = issuer.token("acme");
        envoy.get("/infer").bearer(&known).send().admitted();
        upstream.forget();
        // They hold tokens of a key that the worker has to ask for.
        issuer.rotate_to("second");
        issuer.jwks_mood(Mood::Slow(Duration::from_secs(2)));
        let token = issuer.token("acme");
        let mut waiting: Vec<_> = (1..WAITING).map(|_| waits(&envoy, &token)).collect();
        envoy.wait_for_stat("http.gate.downstream_rq_active", WAITING as u64 - 1);

        let since = Instant::now();
        let trapping = trap(&envoy, stage, KEY).send().status;
        assert_eq!(trapping, if stage == "request_headers" { 503 } else { 200 });
        // Whoever comes wakes the plugin.
        waiting.push(waits(&envoy, &token));
        let mut told: Vec<u16> = waiting
            .iter_mut()
            .map(|wire| wire.answer().map_or(0, |answer| answer.status))
            .collect();
        let took = since.elapsed();
        // The last one may have met the new VM, and been served by it.
        let last = told.pop();
        assert!(matches!(last, Some(200 | 503 | 504)), "{stage}: {last:?}");
        assert!(
            told.iter().all(|status| matches!(status, 503 | 504)),
            "{stage}: {told:?}"
        );
        assert!(took < BOUND, "{stage}: {took:?}");
        let hits = upstream.seen();
        let infer = hits.iter().filter(|seen| seen.target == "/infer").count();
        assert_eq!(infer, usize::from(last == Some(200)), "{stage}: {hits:#?}");

        issuer.jwks_mood(Mood::Good);
        let again = healthy_after(&envoy, stage);
        println!("{stage:<16} {WAITING} told within {took:.1?}, well {again:.1?} after that");
        envoy.get("/infer").bearer(&token).send().admitted();
        never_saw(&upstream, "bad");
        envoy.comes_to_rest();
        assert!(envoy.is_running());
    }
}

/// A model server that says a word every tenth of a second, for two seconds, as soon as it was told everything.
fn talker() -> Router {
    Router::new().fallback(async |body: Body| {
        let told = http_body_util::BodyExt::collect(body).await;
        let words = stream::iter(0..20).then(|_| async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, Infallible>(Bytes::from_static(b"data: word\n\n"))
        });
        match told {
            Ok(_) => Ok(Body::from_stream(words)),
            Err(_) => Err(io::ErrorKind::ConnectionAborted.to_string()),
        }
    })
}

#[test]
fn vm_04_streams_and_uploads_end_with_their_vm_and_what_was_half_said_opens_nothing() {
    let (issuer, upstream, server) = (Issuer::start(), Upstream::start(), Server::start(talker()));
    let mut setup: Setup = setup(&issuer, &upstream);
    setup.clusters.retain(|(name, _)| name != "model");
    let mut envoy = Envoy::start(setup.model(server.address()));
    for stage in ["request_headers", "response_headers", "log"] {
        let since = Instant::now();
        let mut listens = envoy.wire();
        let field = format!("authorization: Bearer {KEY}");
        assert!(listens.request("GET", "/chat", &[field.as_bytes()]));
        listens.until("data: word").expect("a beginning");
        let mut uploads = envoy.wire();
        let length = b"content-length: 2000000".as_slice();
        assert!(uploads.request("POST", "/chat", &[field.as_bytes(), length]));
        let part = " ".repeat(100_000);
        assert!(uploads.send(part.as_bytes()));
        let mut hesitates = envoy.wire();
        assert!(hesitates.send(b"GET /chat HTTP/1.1\r\nhost: gate.test\r\n"));
        envoy.wait_for_stat("http.gate.downstream_rq_active", 2);

        // By somebody who may not even come.
        let _ = trap(&envoy, stage, "a-guess").attempt();
        // Its bad credential comes to the dead VM, or to the new one.
        assert!(hesitates.send(b"authorization: Bearer a-guess\r\n\r\n"));
        let answer = hesitates.answer().expect("an answer").status;
        assert!(matches!(answer, 401 | 503), "{stage}: {answer}");
        // The end of the stream, or of the connection: either way, one comes.
        let _ = listens.until("\r\n0\r\n\r\n");
        let _ = uploads.send(part.as_bytes());
        let uploaded = uploads.answer().map_or(0, |answer| answer.status);
        assert!(matches!(uploaded, 0 | 503 | 504), "{stage}: {uploaded}");
        let took = since.elapsed();
        assert!(took < BOUND, "{stage}: {took:?}");
        drop((listens, uploads));
        println!("{stage:<18} all had ended after {took:.1?}");
        loop {
            let (refused, status) = (bad(&envoy), good_head(&envoy));
            assert!(matches!(refused.status, 401 | 503), "{refused:?}");
            if status == 200 {
                break;
            }
            assert!(since.elapsed() < Duration::from_secs(30), "{}", envoy.log());
        }
        envoy.comes_to_rest();
        assert!(envoy.is_running());
    }
    upstream.saw_nothing();
}

/// The status that a good request is told, without waiting for all the words.
fn good_head(envoy: &Envoy) -> u16 {
    let mut wire = envoy.wire();
    let field = format!("authorization: Bearer {KEY}");
    assert!(wire.request("HEAD", "/chat", &[field.as_bytes()]));
    wire.until("\r\n\r\n").expect("a head");
    let head = wire.bytes("HTTP/1.1 200".len()).expect("a status");
    let head = String::from_utf8_lossy(&head).into_owned();
    head.rsplit_once(' ')
        .and_then(|(_, code)| code.parse().ok())
        .expect("a status")
}
