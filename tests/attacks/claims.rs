//! CLM: claims and the clock, as far as the whole filter makes a difference.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::harness::proxy::{Proxy, post};
use crate::harness::tokens::{Key, Token};
use crate::{API_KEY, Gate, IDP, policy};

const HOUR: Duration = Duration::from_hours(1);

#[test]
fn clm_01_a_token_without_expiry_is_refused() {
    let mut gate = Gate::open();
    gate.refuses(
        "no exp",
        &Token::good().without("exp"),
        401,
        "invalid_credential",
    );
    let ever = json!(u64::MAX >> 11);
    gate.admits("an exp far away", &Token::good().claim("exp", ever));
}

#[test]
fn clm_07_without_a_clock_nothing_is_admitted_and_nothing_crashes() {
    let mut gate = Gate::with(Proxy::setup().at(UNIX_EPOCH), &policy());
    let token = Token::good()
        .claim("iat", 0)
        .claim("exp", 4_102_444_800_u64);
    let request = post("/v1/chat").bearer(gate.sign(&token));
    for request in [request.clone(), post("/v1/keyed").bearer(API_KEY)] {
        let answer = gate.send(request);
        answer.refused(503, "keys_unavailable").not_challenged();
        assert!(answer.header("retry-after").is_some());
    }
    gate.set_time(UNIX_EPOCH + crate::harness::proxy::START);
    gate.seconds_pass(31);
    gate.admits_request("when the clock is set", request);
    gate.admits_request("a key, too", post("/v1/keyed").bearer(API_KEY));
}

#[test]
fn clm_07_a_clock_that_is_set_back_makes_no_token_good_that_a_new_look_would_refuse() {
    for seen_before in [true, false] {
        let mut gate = Gate::open();
        let token = post("/v1/chat").bearer(gate.sign(&Token::good()));
        if seen_before {
            gate.admits_request("now", token.clone());
        }
        let earlier = gate.now() - HOUR;
        gate.set_time(earlier);
        gate.refuses_calling("before it was issued", token, 401, "invalid_credential");
        gate.seconds_pass(31);
        gate.lives("a clock set back");
    }
}

#[test]
fn clm_07_a_clock_that_is_set_forward_expires_tokens_and_renews_keys() {
    let mut gate = Gate::open();
    let token = post("/v1/chat").bearer(gate.sign(&Token::good()));
    gate.admits_request("now", token.clone());
    for step in [HOUR, 30 * HOUR, 24 * 365 * HOUR] {
        let later = gate.now() + step;
        gate.set_time(later);
        let request = gate.chat(&Token::good());
        let waited = gate.start(request);
        gate.seconds_pass(1);
        gate.answer(waited).admitted();
        gate.refuses_request("an hour later", token.clone(), 401, "expired_credential");
    }
}

#[test]
fn clm_07_a_clock_that_is_set_back_prolongs_no_wait_and_no_pause() {
    // While the keys are under way,
    let setup = Proxy::workers(2);
    setup.cluster(IDP).takes(Duration::from_secs(3));
    let mut gate = Gate::with(setup, &policy());
    let waiting: Vec<_> = (0..2)
        .map(|worker| {
            let request = post("/v1/chat").bearer(gate.sign(&Token::good()));
            gate.start(request.on_worker(worker))
        })
        .collect();
    gate.seconds_pass(1);
    let earlier = gate.now() - HOUR;
    gate.set_time(earlier);
    gate.seconds_pass(12);
    for answer in gate.answers(&waiting) {
        assert!(!answer.is_pending(), "a request waits for the clock");
    }
    for worker in 0..2 {
        let request = gate.chat(&Token::good()).on_worker(worker);
        gate.admits_request("after the step", request);
    }

    // and while a failure is being got over.
    let setup = Proxy::setup();
    let mut gate = Gate(setup.with(policy()));
    gate.cluster(IDP).refuses();
    gate.seconds_pass(20);
    let earlier = gate.now() - HOUR;
    gate.set_time(earlier);
    gate.cluster(IDP)
        .serves(crate::KEYS, crate::jwks(&crate::TRUSTED));
    gate.seconds_pass(61);
    gate.lives("a clock set back in an outage");
}

#[test]
fn clm_07_a_clock_that_is_set_back_does_not_keep_new_keys_away() {
    let mut gate = Gate::open();
    let request = gate.chat(&Token::good().header("kid", "stranger"));
    gate.refuses_calling("a stranger's kid", request, 401, "invalid_credential");
    let earlier = gate.now() - HOUR;
    gate.set_time(earlier);
    gate.seconds_pass(31);
    gate.cluster(IDP)
        .serves(crate::KEYS, crate::jwks(&[Key::R1, Key::R2]));
    let request = gate.chat(&Token::good().key(Key::R2));
    let answer = gate.send(request);
    answer.admitted();
}

#[test]
fn clm_13_a_subject_that_cannot_be_told_as_it_is_is_not_told() {
    let mut gate = Gate::open();
    for sub in [
        json!(""),
        json!({"id": 1}),
        json!(["u1"]),
        json!(true),
        json!(1.5),
        json!(null),
        json!("u".repeat(10_240)),
        json!("u1\r\nx-admin: 1"),
        json!("u1\u{0}"),
        json!("u1,u2"),
        json!("caf\u{e9}"),
        json!("\u{202e}1u"),
        json!(" u1"),
    ] {
        let token = Token::good().claim("sub", sub.clone());
        gate.refuses(&sub.to_string(), &token, 403, "claim_mismatch");
    }
    for (sub, told) in [
        (json!("u1"), "u1"),
        (json!("auth0|1 2"), "auth0|1 2"),
        (json!(12), "12"),
    ] {
        let token = Token::good().claim("sub", sub);
        gate.admits(told, &token).upstream_saw("x-user-id", told);
    }
    gate.admits("no sub", &Token::good().without("sub"))
        .upstream_lacks("x-user-id")
        .upstream_saw("x-tenant-id", "t1");
}

#[test]
fn clm_17_nothing_of_an_unverified_token_can_be_seen() {
    let mut gate = Gate::open();
    let shared = gate.shared_keys();
    let telling = Token::good()
        .claim("tenant", "CANARY-t")
        .claim("sub", "CANARY-u")
        .claim("azp", "CANARY-c")
        .claim("jti", "CANARY-j");
    let past = gate.timestamp().as_second() - 600;
    for (what, token, reason) in [
        (
            "a forged signature",
            telling.clone().signed_by(Key::R2),
            "invalid_credential",
        ),
        (
            "no signature",
            telling.clone().header("alg", "none"),
            "invalid_credential",
        ),
        (
            "another issuer",
            telling.clone().claim("iss", "https://CANARY.test"),
            "invalid_credential",
        ),
        (
            "another audience",
            telling.clone().claim("aud", "CANARY-a"),
            "invalid_credential",
        ),
        (
            "expired",
            telling.clone().claim("exp", past),
            "expired_credential",
        ),
        (
            "an unknown key",
            telling.clone().header("kid", "CANARY-k"),
            "invalid_credential",
        ),
    ] {
        let request = gate.chat(&token);
        let answer = gate.refuses_calling(what, request, 401, reason);
        for name in ["tenant_id", "user_id", "client_id"] {
            let state = answer.filter_state(&format!("tenantgate.{name}"));
            assert_eq!(state, None, "{what}: {name}");
        }
        answer.filter_state_is("tenantgate.endpoint", "/v1/chat");
        assert!(
            !format!("{:?}{}", answer.headers, answer.text()).contains("CANARY"),
            "{what}"
        );
        gate.lives(what);
    }
    assert!(!gate.log_text().contains("CANARY"), "{}", gate.log_text());
    assert!(!format!("{:?}", gate.metrics()).contains("CANARY"));
    assert_eq!(gate.shared_keys(), shared);
    gate.admits("the same, verified", &telling)
        .filter_state_is("tenantgate.tenant_id", "CANARY-t")
        .filter_state_is("tenantgate.user_id", "CANARY-u")
        .filter_state_is("tenantgate.client_id", "CANARY-c");
}
