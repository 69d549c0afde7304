//! UPC-07 09, FLO-04 06: the life of a token that is fetched.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use crate::harness::proxy::{Proxy, Reply, StreamId, get, post};
use crate::{
    AUTH, CLIENT_SECRET, KEY, TOKEN, chat, gate_with_tokens, oauth, oauth_with, policy, request,
    saw_token, seconds, token,
};

/// How many requests of a worker may wait.
const ROOM: usize = 1024;

/// An authorization server that numbers its tokens, each good for that long.
pub fn numbered(setup: &crate::harness::proxy::Setup, expires_in: u64) {
    let mut count = 0;
    setup.cluster(AUTH).replies(TOKEN, move |_| {
        count += 1;
        Reply::new(200, &[], token(&format!("t-{count}"), expires_in))
    });
}

fn crowd(proxy: &mut Proxy, count: usize, workers: usize) -> Vec<StreamId> {
    (0..count)
        .map(|n| proxy.start(request().on_worker(n % workers)))
        .collect()
}

#[test]
fn a_token_is_asked_for_as_it_should_be_before_any_request_comes() {
    let mut proxy = gate_with_tokens(Proxy::setup());
    proxy.settle();
    let hits = proxy.cluster(AUTH).hits();
    assert_eq!(hits, 1);
    assert_eq!(
        (
            hits[0].method(),
            hits[0].host(),
            hits[0].path(),
            hits[0].text()
        ),
        (
            "POST".to_owned(),
            "auth.test".to_owned(),
            TOKEN.to_owned(),
            format!(
                "grant_type=client_credentials&scope=all-apis&client_id=gate&client_secret={CLIENT_SECRET}"
            )
        )
    );
    assert_eq!(hits[0].timeout, seconds(5));
    assert!(hits[0].header("authorization").is_empty());
    saw_token(&proxy.send(request()), "t-1");
    assert_eq!(proxy.callouts(), 1);

    let setup = Proxy::setup();
    setup.cluster(AUTH).serves(TOKEN, token("t-1", 3600));
    let basic = oauth_with(json!({"client_auth": "basic", "scope": "", "audience": "api"}));
    let mut proxy = setup.with(policy(&[chat(&basic)]));
    proxy.settle();
    let hits = proxy.cluster(AUTH).hits();
    assert_eq!(hits[0].text(), "grant_type=client_credentials&audience=api");
    // base64("gate:oauth-client-secret")
    assert_eq!(
        hits[0].header("authorization"),
        [b"Basic Z2F0ZTpvYXV0aC1jbGllbnQtc2VjcmV0"]
    );
}

#[test]
fn upc_07_five_hundred_first_requests_on_four_workers_cost_one_token() {
    let setup = Proxy::workers(4).with_main_thread();
    setup.cluster(AUTH).takes(seconds(1));
    let mut proxy = gate_with_tokens(setup);
    let waiting = crowd(&mut proxy, 500, 4);
    proxy.upstream().saw_nothing();
    proxy.advance(seconds(2));
    for stream in waiting {
        saw_token(&proxy.answer(stream), "t-1");
    }
    assert_eq!(proxy.callouts(), 1);
    // Nor do they cost more when it is to be had anew: at 72 to 81 hundredths of an hour.
    proxy.advance(seconds(2588));
    assert_eq!(proxy.callouts(), 1);
    proxy.advance(seconds(330));
    assert_eq!(proxy.callouts(), 2);
}

#[test]
fn upc_07_when_no_token_can_be_had_all_are_told_and_it_was_one_call() {
    let setup = Proxy::workers(4).with_main_thread();
    setup
        .cluster(AUTH)
        .answers(TOKEN, 503, &[], "")
        .takes(seconds(1));
    let mut proxy = setup.with(policy(&[
        chat(&oauth()),
        json!({"name": "other", "path": "/other", "authorizer": crate::keys()}),
    ]));
    let waiting = crowd(&mut proxy, 400, 4);
    proxy.advance(Duration::from_millis(1200));
    for stream in waiting {
        let answer = proxy.answer(stream);
        answer.refused(502, "upstream_auth_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(proxy.callouts(), 1);
    // Nobody who does not need the token is concerned, and who may not call is not told of it.
    proxy
        .send(get("/other").header("x-api-key", KEY))
        .admitted();
    proxy
        .send(post("/v1/chat").header("x-api-key", "no"))
        .refused(401, "invalid_credential");
}

#[test]
fn upc_07_an_authorization_server_that_is_down_is_not_hammered_and_all_is_well_when_it_is_back() {
    hammers_not(400);
}

#[test]
fn upc_07_an_authorization_server_that_limits_rates_is_given_no_reason_to_lock_the_client_out() {
    hammers_not(429);
}

fn hammers_not(status: u32) {
    let setup = Proxy::workers(2).with_main_thread();
    setup.cluster(AUTH).answers(
        TOKEN,
        status,
        &[],
        json!({"error": "invalid_client", "error_description": CLIENT_SECRET}),
    );
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    // Ten minutes under load: 1 + 2 + 4 + … + 32 s, then a minute each, half of it at least.
    for n in 0..1200 {
        proxy
            .send(request().on_worker(n % 2))
            .refused(502, "upstream_auth_unavailable");
        proxy.advance(Duration::from_millis(500));
    }
    let calls = proxy.callouts();
    assert!((10..=28).contains(&calls), "{calls}");
    let log = proxy.log_text();
    let said = format!("status {status}, invalid_client");
    assert!(log.contains(&said), "{log}");
    assert!(!log.contains(CLIENT_SECRET), "{log}");
    proxy.cluster(AUTH).serves(TOKEN, token("t-2", 3600));
    proxy.advance(seconds(61));
    saw_token(&proxy.send(request()), "t-2");
    assert_eq!(proxy.callouts(), calls + 1);
}

#[test]
fn a_worker_holds_no_more_than_it_has_room_for_and_nobody_waits_for_ever() {
    let setup = Proxy::setup();
    setup.cluster(AUTH).hangs();
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    let waiting = crowd(&mut proxy, ROOM, 1);
    for _ in 0..10 {
        let stream = proxy.start(request());
        proxy
            .answer(stream)
            .refused(502, "upstream_auth_unavailable");
    }
    proxy.advance(seconds(4));
    proxy.answer(waiting[0]).pending();
    proxy.advance(seconds(6));
    for stream in waiting {
        let answer = proxy.answer(stream);
        answer.refused(502, "upstream_auth_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert_eq!(proxy.live_streams(), 0);
}

#[test]
fn upc_09_a_token_that_nobody_waits_for_any_more_is_kept() {
    let setup = Proxy::setup();
    setup.cluster(AUTH).takes(seconds(2));
    let mut proxy = gate_with_tokens(setup);
    let waiting = crowd(&mut proxy, 10, 1);
    proxy.advance(seconds(1));
    for stream in waiting {
        proxy.disconnect(stream);
    }
    assert_eq!(proxy.live_streams(), 0);
    proxy.advance(seconds(2));
    saw_token(&proxy.send(request()), "t-1");
    assert_eq!(proxy.callouts(), 1);
    proxy.alive();
}

#[test]
fn no_request_ever_goes_on_with_a_token_that_has_expired() {
    // Tokens of four seconds, whose end the authorization server knows by the proxy's own clock.
    let expiries = Arc::new(Mutex::new(Vec::new()));
    let clock = Arc::new(Mutex::new(Duration::ZERO));
    let setup = Proxy::workers(2).with_main_thread();
    let (issued, now) = (Arc::clone(&expiries), Arc::clone(&clock));
    setup
        .cluster(AUTH)
        .replies(TOKEN, move |_| {
            let mut issued = issued.lock().unwrap();
            issued.push(*now.lock().unwrap() + seconds(4));
            Reply::new(200, &[], token(&format!("t-{}", issued.len()), 4))
        })
        .takes(Duration::from_millis(20));
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    proxy.advance(seconds(1));
    for step in 0..1200_u64 {
        let answer = proxy.send(request().on_worker(usize::try_from(step % 2).unwrap()));
        answer.admitted();
        let value = answer.upstream_header("authorization");
        let number: usize = std::str::from_utf8(&value[0])
            .unwrap()
            .trim_start_matches("Bearer t-")
            .parse()
            .unwrap();
        let now = proxy.now().duration_since(UNIX_EPOCH).unwrap();
        let expiry = expiries.lock().unwrap()[number - 1];
        // The first one was issued before the clock was told.
        assert!(number == 1 || now < expiry, "{now:?} {expiry:?}");
        proxy.advance(Duration::from_millis(50));
        *clock.lock().unwrap() = proxy.now().duration_since(UNIX_EPOCH).unwrap();
    }
    // A minute at one token each 2.88 to 3.24 s, and the first.
    let calls = proxy.callouts();
    assert!((18..=23).contains(&calls), "{calls}");
}

#[test]
fn flo_04_an_outage_lasts_until_the_token_expires_and_no_longer() {
    let setup = Proxy::setup();
    numbered(&setup, 1000);
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    proxy.settle();
    proxy.cluster(AUTH).hangs();
    proxy.advance(seconds(890));
    saw_token(&proxy.send(request()), "t-1");
    // Nine tenths of its life are over.
    proxy.advance(seconds(60));
    let stream = proxy.start(request());
    proxy.advance(seconds(10));
    proxy
        .answer(stream)
        .refused(502, "upstream_auth_unavailable");
    proxy.cluster(AUTH).up();
    proxy.advance(seconds(61));
    proxy.send(request()).admitted();
}

#[test]
fn flo_06_a_401_from_the_provider_goes_to_the_client_and_the_next_request_has_a_new_token() {
    let setup = Proxy::workers(2);
    numbered(&setup, 3600);
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    proxy.settle();
    let refused = proxy.send(
        request()
            .response_status(401)
            .response_header("www-authenticate", "Bearer error=\"invalid_token\"")
            .response_body("no such token"),
    );
    saw_token(&refused, "t-1");
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (401, "no such token")
    );
    saw_token(&proxy.send(request()), "t-2");
    assert_eq!(proxy.callouts(), 2);
    // The other worker finds out by itself, and takes over what is there.
    saw_token(
        &proxy.send(request().on_worker(1).response_status(401)),
        "t-1",
    );
    saw_token(&proxy.send(request().on_worker(1)), "t-2");
    assert_eq!(proxy.callouts(), 2);
    // One that refuses everything costs a token for each cooldown, and its clients get what it says.
    for _ in 0..200 {
        let answer = proxy.send(request().response_status(401));
        answer.admitted();
        assert_eq!(answer.status, 401);
        proxy.advance(Duration::from_millis(100));
    }
    assert_eq!(proxy.callouts(), 2);
    proxy.advance(seconds(11));
    proxy.send(request().response_status(401)).admitted();
    saw_token(&proxy.send(request()), "t-3");
    assert_eq!(proxy.callouts(), 3);
    // No other answer says anything about the token.
    for status in [200, 400, 403, 407, 429, 500, 503] {
        proxy.advance(seconds(31));
        proxy.send(request().response_status(status)).admitted();
    }
    saw_token(&proxy.send(request()), "t-3");
}

#[test]
fn flo_06_where_the_clients_own_credential_is_refused_no_token_is_to_blame() {
    let setup = Proxy::setup();
    numbered(&setup, 3600);
    let plain = json!({"name": "plain", "path": "/plain", "authorizer": crate::keys(), "upstream_auth": crate::bearer()});
    let mut proxy = setup.with(policy(&[chat(&oauth()), plain]));
    proxy.settle();
    for answer in [
        proxy.send(post("/v1/chat").header("x-api-key", "no")),
        proxy.send(get("/plain").header("x-api-key", KEY).response_status(401)),
    ] {
        assert_eq!(answer.status, 401);
    }
    saw_token(&proxy.send(request()), "t-1");
    assert_eq!(proxy.callouts(), 1);
}

#[test]
fn where_the_clock_is_not_set_no_token_can_be_judged_and_a_plain_credential_needs_no_clock() {
    let setup = Proxy::setup().at(UNIX_EPOCH);
    numbered(&setup, 3600);
    let open = |path: &str, auth| json!({"name": path.trim_start_matches('/'), "path": path, "authorizer": {"type": "none"}, "upstream_auth": auth});
    let mut proxy = setup.with(policy(&[
        open("/token", oauth()),
        open("/plain", crate::bearer()),
    ]));
    proxy.settle();
    proxy
        .send(get("/token"))
        .refused(502, "upstream_auth_unavailable");
    proxy
        .send(get("/plain"))
        .admitted()
        .upstream_saw("authorization", "Bearer provider-secret-key");
    proxy.set_time(UNIX_EPOCH + crate::harness::proxy::START);
    proxy.advance(seconds(11));
    proxy
        .send(get("/token"))
        .admitted()
        .upstream_saw("authorization", "Bearer t-2");
}

#[test]
fn upc_08_what_workers_share_is_named_by_a_digest_and_a_new_configuration_finds_it() {
    let mut proxy = gate_with_tokens(Proxy::workers(2));
    proxy.settle();
    for key in proxy.shared_keys() {
        assert!(key.starts_with("tenantgate/"), "{key}");
        for text in [CLIENT_SECRET, "gate\u{0}", "auth.test", "all-apis", "t-1"] {
            assert!(!key.contains(text), "{key}");
        }
    }
    let mut edited = policy(&[chat(&oauth())]);
    edited["token_cache_size"] = json!(1);
    proxy.reconfigure(edited);
    saw_token(&proxy.send(request()), "t-1");
    assert_eq!(proxy.callouts(), 1);
    // Another secret is another client: what the old one got is not its own.
    proxy.cluster(AUTH).serves(TOKEN, token("t-2", 3600));
    proxy.reconfigure(policy(&[chat(&oauth_with(
        json!({"client_secret": "other"}),
    ))]));
    saw_token(&proxy.send(request()), "t-2");
    assert_eq!(proxy.callouts(), 2);
}

#[test]
fn fetches_and_failures_are_counted_under_the_url_of_the_token() {
    let setup = Proxy::setup();
    setup.cluster(AUTH).answers(TOKEN, 500, &[], "");
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    proxy.settle();
    proxy.cluster(AUTH).serves(TOKEN, token("t-1", 3600));
    proxy.advance(seconds(2));
    proxy.send(request().response_status(401)).admitted();
    proxy.send(request()).admitted();
    let counted = |name: &str| {
        proxy.metric(&format!(
            "tenantgate.issuer.https://auth.test/oauth/token.document.access_token.{name}"
        ))
    };
    assert_eq!(counted("cause.first.fetches_total"), Some(2));
    assert_eq!(counted("cause.rejected.fetches_total"), Some(1));
    assert_eq!(counted("fetch_failures_total"), Some(1));
}

#[test]
fn upc_10_a_token_is_asked_for_where_the_configuration_says_whatever_a_request_says() {
    // None can be had, so that the requests themselves have it asked for.
    let setup = Proxy::setup();
    setup.cluster(AUTH).answers(TOKEN, 503, &[], "");
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    let hostile = || {
        post("/v1/chat?token_url=https://evil.test/&host=evil.test&audience=evil")
            .header("x-api-key", KEY)
            .host("evil.test")
            .header("x-forwarded-host", "evil.test")
            .header("forwarded", "host=evil.test;proto=http")
            .header("x-original-url", "https://evil.test/oauth/token")
            .header("origin", "https://evil.test")
            .body(r#"{"token_url":"https://evil.test/","client_id":"evil"}"#)
    };
    for _ in 0..20 {
        proxy
            .send(hostile())
            .refused(502, "upstream_auth_unavailable");
        proxy.advance(seconds(61));
    }
    let hits = proxy.cluster(AUTH).hits();
    assert!(hits.len() > 10, "{}", hits.len());
    assert_eq!(proxy.callouts(), hits.len(), "no other cluster was called");
    for hit in hits.iter() {
        assert_eq!(
            (hit.host(), hit.path()),
            ("auth.test".to_owned(), TOKEN.to_owned())
        );
        let sent = format!("{hit:?} {}", hit.text());
        assert!(!sent.contains("evil"), "{sent}");
    }
    // The twin, when there is one.
    proxy.cluster(AUTH).serves(TOKEN, token("t-1", 3600));
    proxy.advance(seconds(61));
    saw_token(&proxy.send(hostile()), "t-1");
    proxy.alive();
}

/// OBS-06: the log says what an authorization server says, and that server is not ours.
#[test]
fn obs_06_what_an_authorization_server_writes_cannot_forge_a_line_of_the_log() {
    for error in [
        "invalid_client\r\n[critical] all is lost",
        "\u{1b}[31mred",
        "a\u{2028}b\u{0}",
        r#"","level":"critical""#,
        &"x".repeat(10_000),
    ] {
        let setup = Proxy::setup();
        let answer = json!({ "error": error });
        setup.cluster(AUTH).answers(TOKEN, 400, &[], answer);
        let mut proxy = setup.with(policy(&[chat(&oauth())]));
        proxy
            .send(request())
            .refused(502, "upstream_auth_unavailable");
        let log = proxy.log();
        assert!(
            log.iter().any(|(_, line)| line.contains("status 400")),
            "{log:?}"
        );
        for (_, line) in log {
            let is_plain = line.chars().all(|c| !c.is_control() && c != '\u{2028}');
            assert!(is_plain && line.len() < 500, "{line:?}");
            assert!(!line.contains("critical"), "{line:?}");
        }
        proxy.alive();
    }
}
