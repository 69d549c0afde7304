//! TOK-26: tokens that were verified once are remembered, and no confusion comes of it.

use serde_json::json;

use crate::harness::proxy::{Proxy, post};
use crate::harness::tokens::{Key, LIFETIME, TRUSTED, Token, jwks};
use crate::{Gate, IDP, KEYS, policy};

const BAD: (u32, &str) = (401, "invalid_credential");

#[test]
fn tok_26_tokens_that_begin_alike_are_told_apart() {
    let mut gate = Gate::open();
    let exp = gate.timestamp().as_second() + LIFETIME;
    let padding = "p".repeat(2000);
    let token = |tenant: &str, user: &str| {
        Token::good().claims_text(format!(
            r#"{{"iss":"https://idp.test","aud":"api","exp":{exp},"pad":"{padding}","tenant":"{tenant}","sub":"{user}"}}"#
        ))
    };
    let (one, other) = (token("t1", "u1"), token("t2", "u2"));
    let texts = [gate.sign(&one), gate.sign(&other)];
    assert_eq!(texts[0][..2000], texts[1][..2000]);
    for _ in 0..3 {
        gate.admits("one", &one)
            .upstream_saw("x-tenant-id", "t1")
            .upstream_saw("x-user-id", "u1");
        gate.admits("the other", &other)
            .upstream_saw("x-tenant-id", "t2")
            .upstream_saw("x-user-id", "u2");
    }
    assert_eq!(gate.host_signatures(), 2, "each was verified once");
    // The same claims under the other's signature are another token still.
    let (start, _) = texts[0].rsplit_once('.').unwrap();
    let (_, signature) = texts[1].rsplit_once('.').unwrap();
    let mixed = post("/v1/chat").bearer(format!("{start}.{signature}"));
    gate.refuses_request("one with the other's signature", mixed, BAD.0, BAD.1);
}

#[test]
fn tok_26_a_remembered_token_is_no_good_at_an_endpoint_with_another_audience() {
    for order in [["/v1/chat", "/v1/embed"], ["/v1/embed", "/v1/chat"]] {
        let mut gate = Gate::open();
        for path in [order[0], order[1], order[0], order[1]] {
            let audience = if path == "/v1/chat" { "api" } else { "embed" };
            let other = if path == "/v1/chat" { "embed" } else { "api" };
            let good = gate.sign(&Token::good().claim("aud", audience));
            gate.admits_request(path, post(path).bearer(good));
            let stray = gate.sign(&Token::good().claim("aud", other));
            gate.refuses_request(path, post(path).bearer(stray), BAD.0, BAD.1);
        }
        let both = gate.sign(&Token::good().claim("aud", json!(["api", "embed"])));
        for path in order {
            gate.admits_request("for both", post(path).bearer(&both));
        }
    }
}

#[test]
fn tok_26_a_remembered_token_ends_with_its_key() {
    let mut gate = Gate::open();
    gate.cluster(IDP).serves(KEYS, jwks(&[Key::R1, Key::R2]));
    gate.seconds_pass(601);
    let lasting = Token::good().claim("exp", gate.timestamp().as_second() + 7200);
    let by_r1 = post("/v1/chat").bearer(gate.sign(&lasting));
    let by_r2 = post("/v1/chat").bearer(gate.sign(&lasting.clone().key(Key::R2)));
    gate.admits_request("by r1", by_r1.clone());
    gate.admits_request("by r2", by_r2.clone());

    gate.cluster(IDP).serves(KEYS, jwks(&[Key::R2]));
    gate.seconds_pass(601);
    gate.refuses_calling("by r1, which is gone", by_r1.clone(), BAD.0, BAD.1);
    gate.admits_request("by r2, which is not", by_r2);

    // A key that another one's name was given to is not the key that signed.
    let renamed = crate::harness::tokens::with(Key::R2.jwk(), json!({"kid": "r1"}));
    gate.cluster(IDP)
        .serves(KEYS, json!({ "keys": [null, renamed] }));
    gate.seconds_pass(601);
    gate.refuses_calling("by r1, under whose name r2 is", by_r1.clone(), BAD.0, BAD.1);

    gate.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
    gate.seconds_pass(601);
    gate.admits_request("by r1, which is back", by_r1);
}

#[test]
fn tok_26_a_remembered_token_ends_when_a_new_one_would() {
    for size in [4096, 0] {
        let mut with_cache = policy();
        with_cache["token_cache_size"] = json!(size);
        let mut gate = Gate::with(Proxy::setup(), &with_cache);
        let token = post("/v1/chat").bearer(gate.sign(&Token::good()));
        gate.admits_request("fresh", token.clone());
        gate.admits_request("again", token.clone());
        assert_eq!(gate.host_signatures(), if size == 0 { 2 } else { 1 });
        gate.seconds_pass(u64::try_from(LIFETIME).unwrap() - 1);
        gate.admits_request("at its last second", token.clone());
        gate.seconds_pass(60);
        gate.admits_request("within the skew", token.clone());
        gate.seconds_pass(1);
        gate.refuses_request("past it", token.clone(), 401, "expired_credential");
    }
}

#[test]
fn tok_26_what_was_refused_is_not_remembered_as_good_and_an_edit_forgets_all() {
    let mut gate = Gate::open();
    let token = post("/v1/chat").bearer(gate.sign(&Token::good()));
    gate.admits_request("before the edit", token.clone());
    let mut other = policy();
    other["endpoints"][0]["authorizer"]["oidc"]["audience"] = json!("another");
    gate.reconfigure(&other);
    gate.settle();
    let answer = gate.send(token.clone());
    answer.refused(401, "invalid_credential");
    gate.reconfigure(policy());
    gate.settle();
    gate.admits_request("after it was taken back", token);
}

#[test]
fn tok_26_a_small_memory_costs_signatures_and_nothing_else() {
    let mut small = policy();
    small["token_cache_size"] = json!(1);
    let mut gate = Gate::with(Proxy::setup(), &small);
    for round in 0..3 {
        for n in 0..5 {
            let user = format!("u{n}");
            let token = Token::good().claim("sub", user.as_str());
            gate.admits(&format!("round {round}"), &token)
                .upstream_saw("x-user-id", user);
        }
    }
}
