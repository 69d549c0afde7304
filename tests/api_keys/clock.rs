//! CLM-07: the clock is set while key sets are had anew.

use std::time::{Duration, UNIX_EPOCH};

use crate::harness::proxy::{Proxy, START};
use crate::{DOCUMENT, KEYS, chat, document, policy};

const HOUR: Duration = Duration::from_hours(1);
/// What a refresh takes, with its pause after a failure.
const A_REFRESH: Duration = Duration::from_secs(3);

fn gate(workers: usize) -> Proxy {
    let setup = Proxy::workers(workers);
    setup
        .cluster(KEYS)
        .serves(DOCUMENT, document(&["k-1", "k-2"]));
    let mut proxy = setup.with(policy());
    proxy.settle();
    proxy.send(chat("k-1")).admitted();
    proxy
}

/// By this much, back or forward.
fn step(proxy: &mut Proxy, is_back: bool, by: Duration) {
    let now = proxy.now();
    proxy.set_time(if is_back { now - by } else { now + by });
}

#[test]
fn clm_07_a_clock_that_is_set_keeps_no_withdrawn_key_alive_and_no_good_one_out() {
    for (is_back, by) in [
        (true, HOUR),
        (true, 24 * 365 * HOUR),
        (false, HOUR),
        // Longer than the last good set may serve.
        (false, 30 * HOUR),
    ] {
        let mut proxy = gate(2);
        step(&mut proxy, is_back, by);
        proxy
            .cluster(KEYS)
            .serves(DOCUMENT, document(&["k-2", "k-3"]));
        proxy.advance(A_REFRESH);
        for worker in 0..2 {
            proxy
                .send(chat("k-1").on_worker(worker))
                .refused(401, "invalid_credential");
            for key in ["k-2", "k-3"] {
                proxy.send(chat(key).on_worker(worker)).admitted();
            }
        }
        proxy.alive();
    }
}

#[test]
fn clm_07_a_clock_that_is_set_while_a_set_is_on_its_way_strands_nobody() {
    for (is_back, by) in [(true, HOUR), (false, HOUR)] {
        let setup = Proxy::workers(2);
        setup
            .cluster(KEYS)
            .serves(DOCUMENT, document(&["k-1"]))
            .takes(Duration::from_secs(3));
        let mut proxy = setup.with(policy());
        let waiting: Vec<_> = (0..2)
            .map(|worker| proxy.start(chat("k-1").on_worker(worker)))
            .collect();
        proxy.advance(Duration::from_secs(1));
        step(&mut proxy, is_back, by);
        proxy.advance(Duration::from_secs(12));
        for stream in waiting {
            assert!(!proxy.answer(stream).is_pending(), "waits for the clock");
        }
        for worker in 0..2 {
            proxy.send(chat("k-1").on_worker(worker)).admitted();
        }
    }
}

#[test]
fn clm_07_a_clock_that_is_lost_lets_nobody_in_until_it_is_found() {
    let mut proxy = gate(1);
    proxy.set_time(UNIX_EPOCH);
    for key in ["k-1", "k-3"] {
        proxy.send(chat(key)).refused(503, "keys_unavailable");
    }
    proxy.set_time(UNIX_EPOCH + START);
    proxy.advance(A_REFRESH);
    proxy.send(chat("k-1")).admitted();
    proxy.send(chat("k-3")).refused(401, "invalid_credential");
}

#[test]
fn clm_07_a_clock_that_is_set_back_in_an_outage_prolongs_no_pause() {
    let setup = Proxy::setup();
    setup.cluster(KEYS).refuses();
    let mut proxy = setup.with(policy());
    proxy.advance(Duration::from_secs(20));
    step(&mut proxy, true, HOUR);
    proxy
        .cluster(KEYS)
        .up()
        .serves(DOCUMENT, document(&["k-1"]));
    proxy.advance(A_REFRESH);
    proxy.send(chat("k-1")).admitted();
}
