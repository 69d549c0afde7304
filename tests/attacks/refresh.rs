//! KEY-20, 21 and 24: a kid that nobody knows, keys that change, and fetches that fail while another one ends.

use std::time::Duration;

use serde_json::json;

use crate::harness::proxy::Proxy;
use crate::harness::tokens::{Key, TRUSTED, Token, jwks};
use crate::{Gate, IDP, KEYS, issuer, policy, policy_with};

fn stranger(n: usize) -> Token {
    Token::good().header("kid", format!("kid-{n}"))
}

#[test]
fn key_20_a_thousand_unknown_kids_cost_one_refresh_and_no_good_request() {
    let mut gate = Gate::open();
    assert_eq!(gate.callouts(), 1);
    // One text for all but the kid: what is signed does not matter, and signing takes a while.
    let sample = gate.sign(&stranger(0));
    let (_, rest) = sample.split_once('.').unwrap();
    for n in 0..1000 {
        let header = json!({"alg": "RS256", "kid": format!("kid-{n}"), "typ": "JWT"});
        let header = crate::harness::tokens::base64(header.to_string().as_bytes());
        let request = crate::post(crate::CHAT).bearer(format!("{header}.{rest}"));
        let answer = gate.send(request);
        answer.refused(401, "invalid_credential");
        if n % 100 == 0 {
            gate.lives("strangers");
        }
    }
    assert_eq!(gate.callouts(), 2);
    let pages = gate.memory_pages(0);
    // One every tenth of a second for five minutes: ten cooldowns.
    for n in 0..3000 {
        gate.advance(Duration::from_millis(100));
        let header = json!({"alg": "RS256", "kid": format!("more-{n}"), "typ": "JWT"});
        let header = crate::harness::tokens::base64(header.to_string().as_bytes());
        let request = crate::post(crate::CHAT).bearer(format!("{header}.{rest}"));
        let answer = gate.send(request);
        assert_eq!(answer.status, 401);
    }
    let calls = gate.callouts() - 2;
    assert!(
        (9..=10).contains(&calls),
        "{calls} refreshes in ten cooldowns"
    );
    assert!(
        gate.memory_pages(0) <= pages + 2,
        "it grows with what strangers send"
    );
    gate.lives("strangers");
    gate.upstream()
        .hits()
        .iter()
        .for_each(|hit| assert_eq!(hit.path(), crate::CHAT));
}

#[test]
fn key_20_unknown_kids_on_several_workers_cost_one_refresh_for_all() {
    let mut gate = Gate::with(Proxy::workers(4).with_main_thread(), &policy());
    gate.seconds_pass(60);
    let before = gate.callouts();
    for round in 0..10 {
        for worker in 0..4 {
            let request = gate.chat(&stranger(round)).on_worker(worker);
            let stream = gate.start(request);
            gate.advance(Duration::from_millis(100));
            gate.answer(stream).refused(401, "invalid_credential");
        }
    }
    assert_eq!(gate.callouts(), before + 1);
    for worker in 0..4 {
        let request = gate.chat(&Token::good()).on_worker(worker);
        gate.admits_request("a good one", request);
    }
}

#[test]
fn key_20_unknown_kids_while_there_are_no_keys_at_all_cost_no_more_than_the_pauses_allow() {
    let setup = Proxy::setup();
    setup.cluster(IDP).answers(KEYS, 500, &[], "");
    let mut gate = Gate(setup.with(policy()));
    gate.settle();
    for n in 0..300 {
        let request = gate.chat(&stranger(n));
        let stream = gate.start(request);
        gate.advance(Duration::from_millis(100));
        gate.answer(stream).refused(503, "keys_unavailable");
    }
    // 1 + 2 + 4 + 8 + 16 seconds, with jitter of a half.
    assert!((4..=9).contains(&gate.callouts()), "{}", gate.callouts());
    gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
    gate.seconds_pass(60);
    gate.lives("an outage under fire");
}

#[test]
fn key_20_unknown_kids_do_not_spoil_the_keys_when_the_refresh_fails() {
    let mut gate = Gate::open();
    gate.cluster(IDP).answers(KEYS, 500, &[], "");
    let request = gate.chat(&stranger(1));
    gate.refuses_calling("its refresh fails", request, 503, "keys_unavailable");
    for _ in 0..5 {
        gate.seconds_pass(20);
        gate.admits("a good one meanwhile", &Token::good());
        let request = gate.chat(&stranger(2));
        let stream = gate.start(request);
        gate.seconds_pass(11);
        let answer = gate.answer(stream);
        assert!([401, 503].contains(&answer.status), "{}", answer.status);
        answer.reached_nothing();
    }
    gate.lives("failed refreshes");
}

#[test]
fn key_21_a_key_is_good_a_second_after_it_was_published() {
    let mut gate = Gate::open();
    gate.cluster(IDP).serves(KEYS, jwks(&[Key::R1, Key::R2]));
    gate.seconds_pass(1);
    let before = gate.callouts();
    let request = gate.chat(&Token::good().key(Key::R2));
    gate.send(request).admitted();
    assert_eq!(gate.callouts(), before + 1);
    gate.admits("again", &Token::good().key(Key::R2));
    gate.admits("the old one", &Token::good());
}

#[test]
fn key_21_a_kid_that_the_newer_set_does_not_have_either_is_refused_after_one_refresh() {
    let mut gate = Gate::open();
    gate.cluster(IDP).takes(Duration::from_secs(2));
    let requests: Vec<_> = (0..20)
        .map(|_| gate.chat(&Token::good().key(Key::R2)))
        .collect();
    let waiting: Vec<_> = requests
        .into_iter()
        .map(|request| gate.start(request))
        .collect();
    gate.seconds_pass(1);
    for answer in gate.answers(&waiting) {
        answer.pending();
    }
    gate.admits("a known one does not wait", &Token::good());
    gate.seconds_pass(2);
    for answer in gate.answers(&waiting) {
        answer.refused(401, "invalid_credential");
    }
    assert_eq!(gate.callouts(), 2);
    // Within the cooldown a new one waits its turn; after it, it is found.
    gate.cluster(IDP)
        .serves(KEYS, jwks(&[Key::R1, Key::R2]))
        .takes(Duration::ZERO);
    gate.refuses(
        "too soon",
        &Token::good().key(Key::R2),
        401,
        "invalid_credential",
    );
    gate.seconds_pass(30);
    let request = gate.chat(&Token::good().key(Key::R2));
    gate.send(request).admitted();
    assert_eq!(gate.callouts(), 3);
}

#[test]
fn key_21_a_token_that_no_key_could_make_good_asks_for_no_refresh() {
    let mut gate = Gate::open();
    for (what, token) in [
        ("the algorithm", Token::good().key(Key::R2).alg("PS256")),
        ("the issuer", stranger(1).claim("iss", "https://other.test")),
        ("the form", stranger(1).header("crit", json!(["x"]))),
    ] {
        gate.refuses(what, &token, 401, "invalid_credential");
    }
}

#[test]
fn key_24_a_fetch_that_fails_while_another_one_ends_is_tried_again() {
    let elsewhere = json!({ "issuer": "https://idp.test", "jwks_uri": "https://keys.test/keys" });
    let discovered = policy_with(issuer(json!({ "jwks_uri": null })));
    let mut discovered = without_null(discovered);
    discovered["clusters"]["keys.test"] = json!("keys");
    let setup = Proxy::setup();
    setup
        .cluster(IDP)
        .serves("/.well-known/openid-configuration", elsewhere)
        .serves(KEYS, jwks(&TRUSTED));
    // It cannot even be started, and that inside the callback of the first one's answer.
    setup.cluster("keys").down();
    let mut gate = Gate(setup.with(&discovered));
    let request = gate.chat(&Token::good());
    let waiting: Vec<_> = (0..10).map(|_| gate.start(request.clone())).collect();
    gate.settle();
    for answer in gate.answers(&waiting) {
        answer.refused(503, "keys_unavailable");
    }
    let request = gate.chat(&Token::good());
    gate.refuses_calling("and another", request, 503, "keys_unavailable");
    gate.cluster("keys").serves(KEYS, jwks(&TRUSTED));
    gate.seconds_pass(1);
    gate.lives("a failure in a failure");
    assert_eq!(gate.cluster("keys").hits(), 1);
}

/// The policy with `jwks_uri` left out.
fn without_null(mut policy: serde_json::Value) -> serde_json::Value {
    let oidc = &mut policy["endpoints"][0]["authorizer"]["oidc"];
    *oidc = crate::harness::tokens::without(oidc.take(), "jwks_uri");
    policy
}
