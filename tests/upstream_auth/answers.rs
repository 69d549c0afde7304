//! UPC-05: whatever a token endpoint answers, nothing odd is sent to a provider, nothing breaks, and the next good answer
//! heals it.

use serde_json::json;

use crate::harness::proxy::{Proxy, Reply};
use crate::{AUTH, TOKEN, chat, oauth, policy, request, saw_token, seconds, token};

/// A gate whose token endpoint has answered that, once.
fn after(reply: Reply) -> Proxy {
    let setup = Proxy::workers(2);
    setup.cluster(AUTH).replies(TOKEN, move |_| reply.clone());
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    proxy.settle();
    proxy
}

#[track_caller]
fn heals(proxy: &mut Proxy, what: &str) {
    proxy.alive();
    proxy.cluster(AUTH).serves(TOKEN, token("good", 3600));
    proxy.advance(seconds(61));
    eprintln!("case: after {what}");
    saw_token(&proxy.send(request()), "good");
}

#[test]
fn upc_05_an_answer_that_is_no_token_is_refused_and_healed_by_the_next() {
    let ok =
        |body: serde_json::Value| Reply::new(200, &[("content-type", "application/json")], body);
    let good = || token("a", 3600);
    let with = |more| ok(crate::harness::tokens::with(good(), more));
    for (what, reply) in [
        (
            "400 invalid_client",
            Reply::new(400, &[], json!({"error": "invalid_client"})),
        ),
        ("500", Reply::new(500, &[], good())),
        ("201", Reply::new(201, &[], good())),
        (
            "a redirect",
            Reply::new(302, &[("location", "https://evil.test/")], good()),
        ),
        (
            "HTML",
            Reply::new(200, &[("content-type", "text/html")], "<html>log in</html>"),
        ),
        (
            "broken JSON",
            Reply::new(200, &[], r#"{"access_token":"a","token_type":"bearer""#),
        ),
        (
            "a member twice",
            Reply::new(
                200,
                &[],
                r#"{"access_token":"a","access_token":"b","token_type":"bearer"}"#,
            ),
        ),
        ("nothing", Reply::new(200, &[], "")),
        ("a mac token", with(json!({"token_type": "mac"}))),
        (
            "no type",
            ok(json!({"access_token": "a", "expires_in": 3600})),
        ),
        (
            "no token",
            ok(json!({"token_type": "bearer", "expires_in": 3600})),
        ),
        ("an empty token", with(json!({"access_token": ""}))),
        (
            "a line break in it",
            with(json!({"access_token": "a\r\nx-admin: 1"})),
        ),
        ("a NUL in it", with(json!({"access_token": "a\u{0}"}))),
        ("a blank in it", with(json!({"access_token": "a b"}))),
        ("a list", with(json!({"access_token": ["a"]}))),
        ("expired", with(json!({"expires_in": 0}))),
        ("negative", with(json!({"expires_in": -1}))),
        ("no number", with(json!({"expires_in": "soon"}))),
        (
            "20 MiB",
            Reply::new(200, &[], format!("{}{}", good(), " ".repeat(20 << 20))),
        ),
        ("40 MiB", Reply::new(200, &[], " ".repeat(40 << 20))),
        (
            "a token of 20 KiB",
            with(json!({"access_token": "a".repeat(20 << 10)})),
        ),
    ] {
        eprintln!("case: {what}");
        let mut proxy = after(reply);
        for worker in [0, 1] {
            let answer = proxy.send(request().on_worker(worker));
            answer.refused(502, "upstream_auth_unavailable");
            assert!(answer.header("retry-after").is_some());
        }
        proxy.upstream().saw_nothing();
        assert_eq!(proxy.callouts(), 1, "{what}");
        heals(&mut proxy, what);
    }
}

#[test]
fn upc_05_a_server_that_is_not_there_is_the_same() {
    for what in ["down", "unknown", "refuses", "resets", "hangs"] {
        let setup = Proxy::setup();
        let auth = setup.cluster(AUTH);
        match what {
            "down" => auth.down(),
            "unknown" => auth.unknown(),
            "refuses" => auth.refuses(),
            "resets" => auth.resets(),
            _ => auth.hangs(),
        };
        let mut proxy = setup.with(policy(&[chat(&oauth())]));
        let stream = proxy.start(request());
        proxy.advance(seconds(11));
        eprintln!("case: {what}");
        proxy
            .answer(stream)
            .refused(502, "upstream_auth_unavailable");
        heals(&mut proxy, what);
    }
}

#[test]
fn upc_05_a_life_that_is_said_in_other_words_is_understood_and_bounded() {
    for (expires_in, seconds_it_serves) in [
        (json!("3600"), 3500),
        (json!(3600.5), 3500),
        // Not said: five minutes.
        (json!(null), 265),
        // A day, however long it is said to be.
        (json!(1_000_000_000_000_u64), 80_000),
    ] {
        let mut body = token("long", 0);
        body["expires_in"] = expires_in.clone();
        if expires_in.is_null() {
            body.as_object_mut().unwrap().remove("expires_in");
        }
        let mut proxy = after(Reply::new(200, &[], body));
        saw_token(&proxy.send(request()), "long");
        proxy.cluster(AUTH).down();
        for _ in 0..10 {
            proxy.advance(seconds(seconds_it_serves / 10));
        }
        saw_token(&proxy.send(request()), "long");
        proxy.advance(seconds(seconds_it_serves / 8));
        let stream = proxy.start(request());
        proxy.advance(seconds(11));
        eprintln!("case: {expires_in}");
        proxy
            .answer(stream)
            .refused(502, "upstream_auth_unavailable");
    }
}
