//! Answers that go on for longer than the token does: PRO-08.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::Uri;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::harness::issuer::{AUDIENCE, seconds_since_epoch};
use crate::harness::server::Server;
use crate::harness::{Envoy, Issuer, Setup};
use crate::{chat_and_health, stands};

/// An event now and then, which is oftener than the idle timer minds.
const PAUSE: Duration = Duration::from_millis(300);
/// Together longer than the token lives, and longer than the idle timer.
const EVENTS: usize = 15;

/// `/v1/live` streams its events; `/v1/silent` one, and never ends.
fn model_server() -> Router {
    Router::new().fallback(async |uri: Uri| {
        let body = match uri.path() {
            "/v1/live" => Body::from_stream(stream::iter(0..EVENTS).then(async |_| {
                tokio::time::sleep(PAUSE).await;
                event()
            })),
            "/v1/silent" => Body::from_stream(stream::iter([event()]).chain(stream::pending())),
            _ => Body::empty(),
        };
        Response::builder()
            .header("content-type", "text/event-stream")
            .body(body)
            .expect("a response")
    })
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "a stream of bodies is one of results"
)]
fn event() -> Result<&'static str, Infallible> {
    Ok("data: {}\n\n")
}

#[test]
fn pro_08_a_token_is_checked_when_a_stream_begins_and_its_end_cuts_nothing() {
    let (issuer, server) = (Issuer::start(), Server::start(model_server()));
    let mut config = chat_and_health();
    let oidc = json!({ "issuer": issuer.url(), "audience": AUDIENCE, "clock_skew": "0s" });
    config["endpoints"][1] =
        json!({ "name": "live", "path": "/v1/*", "authorizer": { "type": "oidc", "oidc": oidc } });
    let mut setup = Setup::with(config)
        .model(server.address())
        .cluster("issuer.test", issuer.address());
    setup.merged = Some(json!({ "stream_idle_timeout": "2s" }));
    let mut envoy = Envoy::start(setup);
    let good = issuer.token("acme");
    envoy.get("/v1/any").bearer(&good).send().admitted();

    let mut claims = issuer.claims("acme");
    let expiry = seconds_since_epoch() + 3;
    claims["exp"] = json!(expiry);
    let short = issuer.sign(&claims);
    let answer = envoy.get("/v1/live").bearer(&short).send();
    answer.admitted();
    assert_eq!(answer.text(), "data: {}\n\n".repeat(EVENTS));
    assert!(seconds_since_epoch() > expiry, "it outlived its token");
    envoy
        .get("/v1/live")
        .bearer(&short)
        .send()
        .refused(401, "expired_credential");

    // The proxy's own timers are what ends a stream that says nothing more.
    let (mut wire, begun) = (envoy.wire(), Instant::now());
    let credential = format!("authorization: Bearer {good}");
    wire.request("GET", "/v1/silent", &[credential.as_bytes()]);
    wire.until("data: {}").expect("its beginning");
    assert_eq!(wire.until("never"), None);
    let took = begun.elapsed();
    assert!((1..9).contains(&took.as_secs()), "{took:?}");
    let last = envoy.access_log(4).pop().expect("a line");
    assert_eq!(
        (&last["decision"], &last["details"]),
        (&json!("allow"), &json!("stream_idle_timeout"))
    );
    stands(&mut envoy);
}
