//! FLO-04, FLO-05: requests that Envoy sends more than once.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use serde_json::{Value, json};

use crate::harness::provider::Provider;
use crate::harness::server::Server;
use crate::harness::{Envoy, Setup, Upstream};
use crate::{KEY, endpoint, oauth, policy};

const CHAT: &str = "/v1/chat/completions";
const USAGE: &str = r#"{"model":"m","usage":{"prompt_tokens":11,"completion_tokens":7}}"#;

fn route(more: &Value) -> Value {
    let mut route = json!({ "cluster": "model", "timeout": "0s" });
    for (name, value) in more.as_object().expect("an object") {
        route[name] = value.clone();
    }
    json!([{ "name": "all", "domains": ["*"], "routes": [{ "match": { "prefix": "/" }, "route": route }] }])
}

/// A model server whose first answer is of no use: this status, so much later. It keeps what it was authorized by.
fn stumbling(status: u16, delay: Duration) -> (Server, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let book = Arc::clone(&seen);
    let app = Router::new().fallback(move |request: Request| {
        let value = request.headers().get("authorization");
        let value = value.map(|value| value.to_str().expect("text").to_owned());
        let is_first = {
            let mut seen = book.lock().expect("what was seen");
            seen.push(value.unwrap_or_default());
            seen.len() == 1
        };
        async move {
            if is_first {
                tokio::time::sleep(delay).await;
            }
            Response::builder()
                .status(if is_first { status } else { 200 })
                .header("content-type", "application/json")
                .body(Body::from(USAGE))
                .expect("a response")
        }
    });
    (Server::start(app), seen)
}

#[test]
fn flo_04_a_request_that_envoy_tries_twice_is_decided_once_and_counted_once() {
    for (name, status, delay, more) in [
        (
            "a retry",
            503,
            Duration::ZERO,
            json!({ "retry_policy": { "retry_on": "5xx", "num_retries": 2 } }),
        ),
        (
            "a hedge",
            200,
            Duration::from_secs(20),
            json!({
                "retry_policy": { "retry_on": "5xx", "num_retries": 1, "per_try_timeout": "0.3s" },
                "hedge_policy": { "hedge_on_per_try_timeout": true },
            }),
        ),
    ] {
        let provider = Provider::start(Duration::from_hours(1));
        let (server, seen) = stumbling(status, delay);
        let envoy = Envoy::start(
            Setup::with(policy(&[endpoint(CHAT, &oauth())]))
                .model(server.address())
                .cluster("auth", provider.address())
                .virtual_hosts(route(&more)),
        );
        envoy
            .post(CHAT, &json!({ "model": "m" }))
            .header("x-api-key", KEY)
            .send()
            .admitted();
        let lines = envoy.access_log(1);
        assert_eq!(
            (
                lines.len(),
                &lines[0]["decision"],
                &lines[0]["input_tokens"]
            ),
            (1, &json!("allow"), &json!("11")),
            "{name}"
        );
        // The credential of the first try is that of every other: the filter ran once.
        let token = provider.tokens().pop().expect("a token");
        let seen = seen.lock().expect("what was seen").clone();
        assert_eq!(
            seen,
            [format!("Bearer {token}"), format!("Bearer {token}")],
            "{name}"
        );
        assert_eq!(provider.asked().len(), 1, "{name}");
        let counter = |rest: &str| {
            let name = "wasmcustom.tenantgate.endpoint.v1.chat.completions";
            envoy.stat(&format!("{name}.{rest}"))
        };
        assert_eq!(
            counter("decision.allow.reason.none.requests_total"),
            1,
            "{name}"
        );
        assert_eq!(counter("direction.input.tokens_total"), 11, "{name}");
        envoy.get(CHAT).send().refused(401, "missing_credential");
        envoy.get(CHAT).bearer(KEY).send().admitted();
    }
}

/// What an operator has to know who mirrors: the copy is made behind the gate.
#[test]
fn flo_05_a_mirrored_copy_carries_the_lent_credential_and_a_refused_request_has_no_copy() {
    let (model, mirror) = (Upstream::start(), Upstream::start());
    let bearer = json!({ "type": "bearer", "token": "sk-provider" });
    let more = json!({ "request_mirror_policies": [{ "cluster": "mirror" }] });
    let envoy = Envoy::start(
        Setup::with(policy(&[endpoint("/bearer", &bearer)]))
            .model(model.address())
            .cluster("mirror", mirror.address())
            .virtual_hosts(route(&more)),
    );
    envoy
        .get("/bearer")
        .bearer("wrong")
        .send()
        .refused(401, "invalid_credential");
    envoy.get("/bearer").bearer(KEY).send().admitted();
    let deadline = Instant::now() + Duration::from_secs(10);
    while mirror.seen().is_empty() {
        assert!(Instant::now() < deadline, "no copy came");
        std::thread::sleep(Duration::from_millis(20));
    }
    for upstream in [&model, &mirror] {
        let seen = upstream.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert_eq!(seen[0].all("authorization"), ["Bearer sk-provider"]);
        assert_eq!(seen[0].all("x-tenant-id"), ["acme"]);
        assert!(!seen[0].contains(KEY), "{seen:?}");
    }
}
