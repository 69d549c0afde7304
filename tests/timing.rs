//! What requests cost. What is counted is instructions of the real module, which are the same on every machine, not time,
//! which is not.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod harness;

use std::sync::atomic::Ordering;

use harness::proxy::{Proxy, Request, get};
use harness::tokens::{AUDIENCE, ISSUER, TRUSTED, Token, jwks};
use harness::wasm::engine::COUNTS_INSTRUCTIONS;
use jiff::Timestamp;
use serde_json::json;

const KEY: &str = "acme-key-4f1d8a-90c2b7";
const GUESSES: usize = 300;

#[test]
fn obs_04_a_key_that_is_wrong_in_its_first_letter_costs_what_one_that_is_wrong_in_its_last_does() {
    COUNTS_INSTRUCTIONS.store(true, Ordering::Relaxed);
    let keys: Vec<_> = (0..10)
        .map(|number| json!({ "client_id": format!("c{number}"), "key": format!("other-key-{number:012}") }))
        .chain([json!({ "client_id": "acme", "key": KEY })])
        .collect();
    let mut proxy = Proxy::with(json!({ "endpoints": [{
        "name": "chat", "path": "/v1/chat", "authorizer": { "type": "api_key", "keys": keys },
    }] }));
    proxy.send(get("/v1/chat").bearer(KEY)).admitted();
    let mut cost = |guess: String| {
        let before = proxy.instructions(0);
        let answer = proxy.send(get("/v1/chat").bearer(guess));
        answer.refused(401, "invalid_credential");
        proxy.instructions(0) - before
    };
    // All of one length: that of a guess is its sender's own.
    let wrong_at = |place: usize| {
        move |number: usize| {
            let mut key = KEY.as_bytes().to_vec();
            key[place] = b'A' + u8::try_from(number % 26).expect("a letter");
            // Another place far from the one in question, so that there are enough of them.
            let other = if place < KEY.len() / 2 {
                place + 1
            } else {
                place - 1
            };
            key[other] = b'A' + u8::try_from(number / 26).expect("a letter");
            String::from_utf8(key).expect("ASCII")
        }
    };
    let (first, last) = (wrong_at(0), wrong_at(KEY.len() - 1));
    // In any order, because what came before changes a little of what a request costs. And where digests meet in the table,
    // which is as random as they are, a few cost a little more or less: what half of them cost at most counts.
    let mut costs = [const { Vec::new() }; 3];
    for number in 0..GUESSES {
        let mut guesses = [first(number), last(number), format!("{number:022}")].map(Some);
        for turn in 0..3 {
            let kind = (number / 3 + turn * (1 + number % 2)) % 3;
            let guess = guesses[kind].take().expect("each once");
            costs[kind].push(cost(guess));
        }
    }
    let [first, last, absent] = costs.map(|mut costs| {
        costs.sort_unstable();
        costs[GUESSES / 2]
    });
    assert!(first > 1000, "they are counted");
    assert_eq!((last, absent), (first, first));
    proxy.send(get("/v1/chat").bearer(KEY)).admitted();
}

/// A request with so many bytes of something in it, another one each round.
type Shape<'a> = &'a dyn Fn(usize, usize) -> Request;

/// A thousand bytes more cost what the thousand before them did. What Envoy takes of a head is 60 KiB.
#[test]
fn vm_08_what_a_request_costs_grows_no_faster_than_what_was_sent() {
    COUNTS_INSTRUCTIONS.store(true, Ordering::Relaxed);
    let setup = Proxy::setup();
    setup.cluster("idp").serves("/keys", jwks(&TRUSTED));
    let keys = json!({ "type": "api_key", "keys": [{ "client_id": "acme", "key": KEY }] });
    let tokens = json!({ "type": "oidc", "oidc": {
        "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": format!("{ISSUER}/keys"), "tenant_claim": "tenant",
        "required_claims": { "scp": ["read"] },
    } });
    let mut proxy = setup.with(json!({
        "clusters": { "idp.test": "idp" },
        "endpoints": [
            { "name": "chat", "path": "/v1/chat", "authorizer": { "any_of": [keys, tokens] } },
            { "name": "rest", "path": "/rest/**", "authorizer": { "any_of": [keys] } },
        ],
    }));
    proxy.settle();
    let now = Timestamp::try_from(proxy.now()).expect("a time that can be told");
    let chat = || get("/v1/chat");
    let many = |bytes: usize, part: &str| part.repeat(bytes / part.len());
    let token = |claim: &str, text: String| {
        let token = Token::good().claim("scp", "read").claim(claim, text);
        chat().bearer(token.sign(now))
    };
    let shapes: [(&str, Shape<'_>); 9] = [
        ("path", &|bytes, _| {
            get(format!("/rest{}", many(bytes, "/a"))).bearer(KEY)
        }),
        ("query", &|bytes, _| {
            get(format!("/v1/chat?{}", many(bytes, "a=b&"))).bearer(KEY)
        }),
        ("headers", &|bytes, _| {
            let names = (0..bytes / 20).map(|number| format!("x-{number:08}"));
            names.fold(chat().bearer(KEY), |request, name| {
                request.header(&name, "aaaaaaaaaa")
            })
        }),
        ("one header", &|bytes, _| {
            chat().bearer(KEY).header("cookie", many(bytes, "a=b; "))
        }),
        ("a key that is none", &|bytes, _| {
            chat().bearer(many(bytes, "k"))
        }),
        ("dots", &|bytes, _| chat().bearer(many(bytes, "."))),
        ("a claim", &|bytes, round| {
            token("other", format!("{round}{}", many(bytes, "a")))
        }),
        ("a list of scopes", &|bytes, round| {
            token("scp", format!("read {round} {}", many(bytes, "a ")))
        }),
        ("a token's signature that does not hold", &|bytes, round| {
            let token = Token::good().claim("other", format!("{round}{}", many(bytes, "a")));
            chat().bearer(format!("{}A", token.sign(now)))
        }),
    ];
    for (name, request) in shapes {
        let costs = [4_000, 8_000, 16_000].map(|bytes| {
            let counts = (0..5).map(|round| {
                let before = proxy.instructions(0);
                proxy.send(request(bytes, round));
                proxy.instructions(0) - before
            });
            counts.min().expect("rounds")
        });
        let [first, second, third] = costs;
        assert!(first > 1000, "{name}: they are counted");
        let (one, two) = (second.saturating_sub(first), third.saturating_sub(second));
        // Twice as many bytes more; a little for tables that grow in steps.
        assert!(two <= one * 3 + 50_000, "{name}: {costs:?}");
    }
    proxy.alive();
    proxy.send(chat().bearer(KEY)).admitted();
}
