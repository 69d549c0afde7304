//! What tokens cost, and that they hold wherever they are sent.

use std::thread;
use std::time::{Duration, Instant};

use crate::harness::provider::Provider;
use crate::harness::{Envoy, Upstream};
use crate::{KEY, setup};

#[test]
fn upc_07_forty_requests_at_once_on_two_workers_cost_one_token() {
    let provider = Provider::start(Duration::from_hours(1));
    // Long enough for all of them to wait for it.
    provider.takes(Duration::from_secs(2));
    let envoy = Envoy::start(setup(&provider).workers(2));
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| envoy.get("/v1/chat").bearer(KEY).send().admitted().status);
        }
    });
    assert_eq!(provider.served(), 40);
    let asked = provider.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(
        (asked[0].method.as_str(), asked[0].form.as_str()),
        (
            "POST",
            "grant_type=client_credentials&scope=all-apis&client_id=gate&client_secret=oauth-client-secret%2F%25%3A%26"
        )
    );
    assert_eq!(
        asked[0].content_type.as_deref(),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(asked[0].authorization, None);
}

/// Tokens are had anew at 72 to 81 hundredths of their life: of four seconds, each 2.88 to 3.24, so that a minute takes
/// 18.5 to 20.8 of them after the first.
#[test]
fn tokens_of_four_seconds_carry_a_minute_of_load_and_none_arrives_expired() {
    const LOAD: Duration = Duration::from_mins(1);
    let provider = Provider::start(Duration::from_secs(4));
    let envoy = Envoy::start(setup(&provider).workers(2));
    envoy.get("/v1/chat").bearer(KEY).send().admitted();
    let (start, first) = (Instant::now(), provider.asked().len());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while start.elapsed() < LOAD {
                    envoy.get("/v1/chat").bearer(KEY).send().admitted();
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
    });
    let fetches = provider.asked().len() - first;
    assert_eq!(provider.refused(), Vec::<String>::new());
    assert!(provider.served() > 1000, "{}", provider.served());
    assert!(
        (18..=21).contains(&fetches),
        "{fetches} tokens in a minute for {} requests",
        provider.served()
    );
}

#[test]
fn flo_06_a_token_that_its_provider_refuses_is_replaced_for_the_next_request() {
    let provider = Provider::start(Duration::from_hours(1));
    let envoy = Envoy::start(setup(&provider));
    envoy.get("/v1/chat").bearer(KEY).send().admitted();
    provider.revokes_all();
    let refused = envoy.get("/v1/chat").bearer(KEY).send();
    assert_eq!((refused.status, refused.text().as_str()), (401, "{}"));
    envoy.get("/v1/chat").bearer(KEY).send().admitted();
    assert_eq!(provider.asked().len(), 2);
    assert_eq!(provider.refused(), ["Bearer access-token-1"]);
    let lines = envoy.access_log(3);
    assert!(
        lines.iter().all(|line| line["decision"] == "allow"),
        "{lines:?}"
    );
}

#[test]
fn without_a_token_the_caller_is_told_and_the_next_good_answer_heals_it() {
    let provider = Provider::start(Duration::from_hours(1));
    let mut setup = setup(&provider);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    setup.clusters.retain(|(name, _)| name != "auth");
    let envoy = Envoy::start(setup.cluster("auth", address));
    let refused = envoy.get("/v1/chat").bearer(KEY).send();
    refused.refused(502, "upstream_auth_unavailable");
    let retry_after = refused
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    assert!(retry_after.is_some_and(|seconds: u64| (1..=60).contains(&seconds)));
    assert_eq!(provider.served() + provider.refused().len(), 0);
    let line = &envoy.access_log(1)[0];
    assert_eq!(
        (&line["decision"], &line["reason"]),
        (&"deny".into(), &"upstream_auth_unavailable".into())
    );
}

#[test]
fn upc_10_neither_a_token_nor_a_request_goes_to_where_the_request_says() {
    let (provider, evil) = (Provider::start(Duration::from_hours(1)), Upstream::start());
    let envoy = Envoy::start(setup(&provider).cluster("evil.test", evil.address()));
    let credential = format!("x-api-key: {KEY}");
    let target = "http://evil.test/v1/chat?token_url=http://evil.test/oauth/token";
    for (target, more) in [
        (target, "x-a: 1"),
        ("/v1/chat", "x-forwarded-host: evil.test"),
        ("/v1/chat", "forwarded: host=evil.test"),
        ("/v1/chat", "x-original-url: http://evil.test/"),
        ("/v1/chat", "x-envoy-original-dst-host: 127.0.0.1:1"),
    ] {
        let mut wire = envoy.wire();
        wire.request("GET", target, &[credential.as_bytes(), more.as_bytes()]);
        let answer = wire.answer().expect("an answer");
        assert_eq!(answer.status, 200, "{target} {more}: {}", answer.text());
    }
    evil.saw_nothing();
    assert_eq!((provider.served(), provider.asked().len()), (5, 1));
}
