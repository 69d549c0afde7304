//! OBS-04: how long a wrong key takes says nothing of a right one. What is counted is instructions of the real module, which
//! are the same on every machine, not time, which is not.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod harness;

use std::sync::atomic::Ordering;

use harness::proxy::{Proxy, get};
use harness::wasm::engine::COUNTS_INSTRUCTIONS;
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
    let mut costs = |guess: &dyn Fn(usize) -> String| {
        let counts: Vec<u64> = (0..GUESSES)
            .map(|number| {
                let before = proxy.instructions(0);
                let answer = proxy.send(get("/v1/chat").bearer(guess(number)));
                answer.refused(401, "invalid_credential");
                proxy.instructions(0) - before
            })
            .collect();
        // Where digests collide in the table, which is as random as they are, a few cost more.
        counts.into_iter().min().expect("guesses")
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
    let first = costs(&wrong_at(0));
    let last = costs(&wrong_at(KEY.len() - 1));
    let absent = costs(&|number| format!("{number:022}"));
    assert!(first > 1000, "they are counted");
    assert_eq!((last, absent), (first, first));
    proxy.send(get("/v1/chat").bearer(KEY)).admitted();
}
