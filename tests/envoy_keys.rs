//! The life of an issuer's keys, in a real Envoy with two workers and an issuer whose hits are counted: how soon a
//! rotation is found, what strangers can cost the issuer, and what nobody should notice.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, waits by the real clock, and says what it measured"
)]

mod harness;

use std::thread;
use std::time::{Duration, Instant};

use harness::issuer::{AUDIENCE, Mood};
use harness::tokens::{Token, with};
use harness::{Answer, Envoy, Issuer, Setup, Upstream};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A gate for the tokens of one issuer, with two workers and these words of the operator on its keys.
fn setup(issuer: &Issuer, upstream: &Upstream, more: &Value) -> Setup {
    let mut oidc = json!({
        "issuer": issuer.url(), "audience": AUDIENCE, "jwks_uri": format!("{}/keys", issuer.url()),
    });
    for (name, value) in more.as_object().expect("members") {
        oidc[name] = value.clone();
    }
    let plugin = json!({
        "clusters": { "issuer.test": "issuer" },
        "endpoints": [{ "name": "infer", "path": "/infer", "authorizer": { "type": "oidc", "oidc": oidc } }],
    });
    Setup::with(plugin)
        .model(upstream.address())
        .cluster("issuer", issuer.address())
        .workers(2)
}

fn ask(envoy: &Envoy, token: &str) -> Answer {
    envoy.get("/infer").bearer(token).send()
}

/// Asks with this token until it is let in, and says how long that took.
fn admitted_after(envoy: &Envoy, token: &str, at_most: Duration) -> Duration {
    let start = Instant::now();
    loop {
        let answer = ask(envoy, token);
        let took = start.elapsed();
        if answer.status == 200 {
            return took;
        }
        assert!(
            took < at_most,
            "after {took:?} still {answer:?}\n{}",
            envoy.log()
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// So many tokens, each by a key that nobody knows. Its signature is not looked at.
fn tokens_by_strangers(issuer: &Issuer, count: usize) -> Vec<String> {
    let claims = issuer.claims("acme").to_string();
    let stranger = |n: usize| {
        let token = Token::good()
            .header("kid", format!("stranger-{n}"))
            .claims_text(&claims);
        token.signature([7; 256]).sign(Timestamp::UNIX_EPOCH)
    };
    (0..count).map(stranger).collect()
}

#[test]
fn key_21_and_vm_10_a_rotation_is_found_at_its_first_use_and_costs_one_fetch() {
    let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream, &json!({})));
    admitted_after(&envoy, &issuer.token("acme"), Duration::from_secs(10));
    assert_eq!(
        issuer.jwks_hits(),
        1,
        "two workers and the main thread fetch once"
    );

    let old = issuer.token("acme");
    issuer.rotate_to("second");
    let took = admitted_after(&envoy, &issuer.token("acme"), Duration::from_secs(1));
    println!("the new key was found {took:?} after its first use");
    assert_eq!(issuer.jwks_hits(), 2);
    // The key that was withdrawn takes with it what it signed, on the worker that knows of it; the other one learns it
    // with the next unknown key or refresh.
    let verdicts: Vec<u16> = (0..20).map(|_| ask(&envoy, &old).status).collect();
    assert!(verdicts.contains(&401), "{verdicts:?}");
    for _ in 0..20 {
        ask(&envoy, &issuer.token("acme")).admitted();
    }
    assert_eq!(
        issuer.jwks_hits(),
        2,
        "the other worker took over what was fetched"
    );
}

#[test]
fn key_15_and_vm_10_a_withdrawn_key_is_dead_everywhere_within_one_refresh() {
    let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream, &json!({ "refresh": "2s" })));
    let old = issuer.token("acme");
    admitted_after(&envoy, &old, Duration::from_secs(10));
    issuer.rotate_to("second");
    thread::sleep(Duration::from_millis(2500));
    // Its kid is unknown now, so one more refresh may be asked for.
    for _ in 0..20 {
        ask(&envoy, &old).refused(401, "invalid_credential");
    }
}

#[test]
fn key_20_three_hundred_unknown_keys_cost_the_issuer_next_to_nothing() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream, &json!({})));
    let good = issuer.token("acme");
    admitted_after(&envoy, &good, Duration::from_secs(10));
    let strangers = tokens_by_strangers(&issuer, 300);
    thread::scope(|scope| {
        for some in strangers.chunks(75) {
            let envoy = &envoy;
            scope.spawn(move || {
                for token in some {
                    ask(envoy, token).refused(401, "invalid_credential");
                }
            });
        }
    });
    ask(&envoy, &good).admitted();
    println!(
        "300 unknown keys cost {} fetches beside the first",
        issuer.jwks_hits() - 1
    );
    assert!(issuer.jwks_hits() <= 3, "{} fetches", issuer.jwks_hits());
}

#[test]
fn key_13_an_envoy_that_starts_before_its_issuer_serves_soon_after_it_is_there() {
    let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.goes_away();
    let envoy = Envoy::start(setup(&issuer, &upstream, &json!({})));
    let token = issuer.token("acme");
    for _ in 0..10 {
        ask(&envoy, &token).refused(503, "keys_unavailable");
    }
    issuer.comes_back();
    let took = admitted_after(&envoy, &token, Duration::from_secs(5));
    println!("served {took:?} after the issuer came back");
}

#[test]
fn key_18_forty_requests_that_wait_cost_one_fetch() {
    let (issuer, upstream) = (Issuer::start(), Upstream::start());
    issuer.jwks_mood(Mood::Slow(Duration::from_millis(1500)));
    let envoy = Envoy::start(setup(&issuer, &upstream, &json!({})));
    let token = issuer.token("acme");
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| ask(&envoy, &token).admitted().status);
        }
    });
    assert_eq!(issuer.jwks_hits(), 1);
}

#[test]
fn key_14_a_good_token_never_fails_while_the_issuer_is_away_for_less_than_the_operator_allows() {
    let (mut issuer, upstream) = (Issuer::start(), Upstream::start());
    let envoy = Envoy::start(setup(&issuer, &upstream, &json!({ "refresh": "1s" })));
    admitted_after(&envoy, &issuer.token("acme"), Duration::from_secs(10));

    // New ones all the time, so that nothing but the keys can help.
    let tokens: Vec<String> = (0..60)
        .map(|n| issuer.sign(&with(issuer.claims("acme"), json!({ "jti": n }))))
        .collect();
    let mut tokens = tokens.iter().cycle();
    let mut good_for = |time: Duration| {
        let start = Instant::now();
        let mut asked = 0;
        while start.elapsed() < time {
            ask(&envoy, tokens.next().expect("a cycle")).admitted();
            asked += 1;
        }
        asked
    };
    for trouble in ["away", "lying", "failing"] {
        match trouble {
            "away" => issuer.goes_away(),
            "lying" => issuer.jwks_mood(Mood::Wrong("<html>".to_owned())),
            _ => issuer.jwks_mood(Mood::Status(500)),
        }
        println!(
            "{} requests while the issuer was {trouble}",
            good_for(Duration::from_secs(3))
        );
        match trouble {
            "away" => issuer.comes_back(),
            _ => issuer.jwks_mood(Mood::Good),
        }
        good_for(Duration::from_secs(1));
    }
}
