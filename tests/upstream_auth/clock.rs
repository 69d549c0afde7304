//! CLM-07: the clock is set while tokens are lent and asked for.

use std::time::{Duration, UNIX_EPOCH};

use crate::harness::proxy::{Proxy, START};
use crate::token::numbered;
use crate::{AUTH, chat, oauth, policy, request, saw_token, seconds, token};

const HOUR: Duration = Duration::from_hours(1);

/// A gate that has lent `t-1`, of an hour.
fn gate() -> Proxy {
    let setup = Proxy::setup();
    numbered(&setup, 3600);
    let mut proxy = setup.with(policy(&[chat(&oauth())]));
    proxy.settle();
    saw_token(&proxy.send(request()), "t-1");
    proxy
}

#[test]
fn clm_07_a_clock_that_is_set_back_lends_no_token_for_longer_than_it_holds() {
    for step in [HOUR, 24 * HOUR, 24 * 365 * HOUR] {
        let mut proxy = gate();
        proxy.advance(seconds(100));
        let earlier = proxy.now() - step;
        proxy.set_time(earlier);
        proxy.send(request()).admitted();
        // By the clock that it was had under, its hour would be to come still.
        proxy.advance(seconds(3600));
        let lent = proxy.send(request());
        lent.admitted();
        assert_ne!(lent.upstream_header("authorization"), [b"Bearer t-1"]);
        assert!((2..=5).contains(&proxy.callouts()), "{}", proxy.callouts());
        proxy.alive();
    }
}

#[test]
fn clm_07_a_clock_that_is_set_forward_has_a_token_had_anew() {
    for step in [HOUR, 24 * HOUR] {
        let mut proxy = gate();
        let later = proxy.now() + step;
        proxy.set_time(later);
        let stream = proxy.start(request());
        proxy.advance(seconds(1));
        saw_token(&proxy.answer(stream), "t-2");
        assert_eq!(proxy.callouts(), 2);
        proxy.alive();
    }
}

#[test]
fn clm_07_a_clock_that_is_lost_and_found_again_lends_nothing_meanwhile() {
    let mut proxy = gate();
    proxy.set_time(UNIX_EPOCH);
    // Nobody knows whether the client's key has expired, let alone the token.
    let stream = proxy.start(request());
    proxy.advance(seconds(11));
    proxy.answer(stream).refused(503, "keys_unavailable");
    proxy.set_time(UNIX_EPOCH + START);
    proxy.advance(seconds(61));
    proxy.send(request()).admitted();
    proxy.alive();
}

#[test]
fn clm_07_a_clock_that_is_set_in_an_outage_prolongs_no_pause() {
    for (is_back, step) in [(true, HOUR), (true, 24 * HOUR), (false, HOUR)] {
        let setup = Proxy::setup();
        setup.cluster(AUTH).answers(crate::TOKEN, 500, &[], "");
        let mut proxy = setup.with(policy(&[chat(&oauth())]));
        proxy.advance(seconds(200));
        let now = proxy.now();
        proxy.set_time(if is_back { now - step } else { now + step });
        proxy.cluster(AUTH).serves(crate::TOKEN, token("t-1", 3600));
        proxy.advance(seconds(61));
        saw_token(&proxy.send(request()), "t-1");
    }
}
