//! KEY-16, 18, 19 and 25: requests that wait for keys. Each wait ends, none costs a fetch of its own, and whoever leaves
//! takes nobody along.

use std::time::Duration;

use crate::harness::proxy::{Level, Proxy, Status, StreamId, post};
use crate::harness::tokens::{Key, TRUSTED, Token, jwks};
use crate::{API_KEY, Gate, IDP, KEYS, policy};

/// How many requests of a worker may wait.
const ROOM: usize = 1024;

/// Workers of a process whose issuer takes that long; nothing is fetched yet.
fn slow_issuer(workers: usize, seconds: u64) -> Gate {
    let setup = Proxy::workers(workers).with_main_thread();
    let idp = setup.cluster(IDP);
    idp.serves(KEYS, jwks(&TRUSTED))
        .takes(Duration::from_secs(seconds));
    Gate(setup.with(policy()))
}

impl Gate {
    /// So many requests with one good token, one after the other on the workers in turn.
    fn crowd(&mut self, count: usize, workers: usize) -> Vec<StreamId> {
        let request = self.chat(&Token::good());
        (0..count)
            .map(|n| self.start(request.clone().on_worker(n % workers)))
            .collect()
    }
}

#[test]
fn key_16_an_answer_that_drips_is_cut_off_and_those_who_wait_are_told_in_time() {
    for (what, latency) in [("slow", 3600), ("never", u64::MAX)] {
        let mut gate = slow_issuer(1, latency.min(3600));
        if latency == u64::MAX {
            gate.cluster(IDP).hangs();
        }
        let waiting = gate.crowd(3, 1);
        gate.seconds_pass(4);
        for answer in gate.answers(&waiting) {
            answer.pending();
        }
        gate.seconds_pass(6);
        for answer in gate.answers(&waiting) {
            answer.refused(503, "keys_unavailable");
            assert!(answer.header("retry-after").is_some(), "{what}");
        }
        gate.cluster(IDP)
            .serves(KEYS, jwks(&TRUSTED))
            .takes(Duration::ZERO);
        gate.seconds_pass(30);
        gate.lives(what);
    }
}

#[test]
fn key_16_the_deadline_of_a_request_is_its_own() {
    // A discovery and a key set that both take almost as long as they may.
    let mut gate = slow_issuer(1, 3);
    let early = gate.crowd(1, 1);
    gate.seconds_pass(2);
    let late = gate.crowd(1, 1);
    gate.seconds_pass(2);
    for answer in gate.answers(&[early, late].concat()) {
        answer.admitted();
    }
    assert_eq!(gate.callouts(), 1);
}

#[test]
fn key_18_five_hundred_first_requests_cost_one_fetch_and_all_are_served() {
    let mut gate = slow_issuer(1, 1);
    let waiting = gate.crowd(500, 1);
    gate.settle();
    for answer in gate.answers(&waiting) {
        answer.pending();
    }
    gate.upstream().saw_nothing();
    gate.seconds_pass(2);
    for answer in gate.answers(&waiting) {
        answer.admitted().upstream_saw("x-tenant-id", "t1");
    }
    assert_eq!((gate.callouts(), gate.upstream().hits().len()), (1, 500));
    assert_eq!(gate.host_signatures(), 1, "and one verification");
}

#[test]
fn key_18_workers_of_one_process_fetch_once_for_all() {
    for workers in [2, 4, 8] {
        let mut gate = slow_issuer(workers, 1);
        let waiting = gate.crowd(100 * workers, workers);
        gate.seconds_pass(2);
        for answer in gate.answers(&waiting) {
            answer.admitted();
        }
        assert_eq!(gate.callouts(), 1, "{workers} workers");
        // Nor do they when the keys are to be had anew.
        gate.seconds_pass(600);
        assert_eq!(gate.callouts(), 2, "{workers} workers");
    }
}

#[test]
fn key_18_when_the_fetch_fails_all_are_told_and_it_was_one_fetch() {
    let mut gate = slow_issuer(4, 1);
    gate.cluster(IDP).answers(KEYS, 500, &[], "");
    let waiting = gate.crowd(400, 4);
    gate.advance(Duration::from_millis(1200));
    for answer in gate.answers(&waiting) {
        answer.refused(503, "keys_unavailable");
    }
    assert_eq!(gate.callouts(), 1);
    gate.upstream().saw_nothing();
}

#[test]
fn key_18_who_does_not_need_keys_does_not_wait_for_them() {
    let mut gate = slow_issuer(1, 3);
    let waiting = gate.crowd(10, 1);
    gate.send(post("/v1/keyed").bearer(API_KEY)).admitted();
    gate.send(post("/v1/chat"))
        .refused(401, "missing_credential");
    gate.send(post("/v1/chat").bearer("a.b.c"))
        .refused(401, "invalid_credential");
    for answer in gate.answers(&waiting) {
        answer.pending();
    }
    gate.seconds_pass(4);
    for answer in gate.answers(&waiting) {
        answer.admitted();
    }
}

#[test]
fn key_18_a_worker_holds_no_more_than_it_has_room_for() {
    let mut gate = slow_issuer(1, 3);
    let waiting = gate.crowd(ROOM, 1);
    let request = gate.chat(&Token::good());
    let pages = gate.memory_pages(0);
    for _ in 0..500 {
        let stream = gate.start(request.clone());
        let answer = gate.answer(stream);
        answer.refused(503, "keys_unavailable");
        assert!(answer.header("retry-after").is_some());
    }
    assert!(gate.memory_pages(0) <= pages + 2);
    // Who leaves makes room.
    gate.disconnect(waiting[0]);
    let last = gate.start(request);
    gate.answer(last).pending();
    gate.seconds_pass(4);
    for stream in waiting[1..].iter().chain([&last]) {
        gate.answer(*stream).admitted();
    }
    assert_eq!((gate.callouts(), gate.live_streams()), (1, 0));
}

#[test]
fn key_19_and_25_whoever_leaves_takes_nobody_along() {
    for leaver in [0, 1, 9] {
        let mut gate = slow_issuer(1, 2);
        let waiting = gate.crowd(10, 1);
        gate.seconds_pass(1);
        gate.disconnect(waiting[leaver]);
        gate.seconds_pass(2);
        for (n, answer) in gate.answers(&waiting).iter().enumerate() {
            if n == leaver {
                answer.disconnected().reached_nothing();
            } else {
                answer.admitted();
            }
        }
        assert_eq!((gate.callouts(), gate.live_streams()), (1, 0));
        gate.lives("a client that left");
    }
}

#[test]
fn key_25_an_answer_that_nobody_waits_for_any_more_is_still_taken() {
    let mut gate = slow_issuer(1, 2);
    let waiting = gate.crowd(10, 1);
    gate.seconds_pass(1);
    for stream in waiting {
        gate.disconnect(stream);
    }
    assert_eq!(gate.live_streams(), 0);
    gate.seconds_pass(2);
    gate.lives("a crowd that left");
    assert_eq!(gate.callouts(), 1);
    // The same with a client that leaves before the call is even made.
    let mut gate = slow_issuer(1, 2);
    let request = gate.chat(&Token::good()).disconnects();
    gate.send(request).disconnected();
    gate.seconds_pass(3);
    gate.lives("a client that left at once");
}

#[test]
fn key_25_a_new_configuration_while_a_call_is_on_its_way_strands_nobody() {
    for somebody_waits in [true, false] {
        let mut gate = slow_issuer(2, 3);
        let before = if somebody_waits {
            gate.crowd(10, 2)
        } else {
            Vec::new()
        };
        gate.seconds_pass(1);
        gate.reconfigure(policy());
        let after = gate.crowd(10, 2);
        gate.seconds_pass(4);
        for answer in gate.answers(&[before, after].concat()) {
            answer.admitted();
        }
        assert!(gate.callouts() <= 2, "{}", gate.callouts());
        assert_eq!(gate.live_roots(), 3, "the old ones are gone");
        for worker in 0..2 {
            let request = gate.chat(&Token::good()).on_worker(worker);
            gate.admits_request("after the edit", request);
        }
    }
}

#[test]
fn key_25_requests_are_judged_by_the_configuration_that_they_came_under() {
    let mut gate = slow_issuer(1, 2);
    let before = gate.crowd(3, 1);
    gate.settle();
    let mut other = policy();
    other["endpoints"][0]["authorizer"]["oidc"]["audience"] = "another".into();
    gate.reconfigure(&other);
    let after = gate.crowd(3, 1);
    gate.seconds_pass(9);
    for answer in gate.answers(&before) {
        answer.admitted();
    }
    for answer in gate.answers(&after) {
        answer.refused(401, "invalid_credential");
    }
    gate.alive();
}

#[test]
fn key_25_edits_in_quick_succession_leave_no_context_behind() {
    let mut gate = slow_issuer(2, 1);
    let mut waiting = Vec::new();
    for _ in 0..20 {
        gate.advance(Duration::from_millis(70));
        waiting.extend(gate.crowd(4, 2));
        gate.reconfigure(policy());
    }
    gate.seconds_pass(10);
    for answer in gate.answers(&waiting) {
        answer.admitted();
    }
    assert_eq!((gate.live_roots(), gate.live_streams()), (3, 0));
    gate.alive();
}

#[test]
fn vm_02_a_new_vm_after_a_trap_finds_what_was_fetched() {
    let mut gate = Gate::with(Proxy::workers(2), &policy());
    assert_eq!(gate.callouts(), 1);
    // A status that Envoy does not give there: the SDK panics.
    gate.fail_next("proxy_get_header_map_pairs", 1, Status::InternalFailure);
    let request = gate.chat(&Token::good());
    assert!(gate.send(request).crashed());
    let request = gate.chat(&Token::good()).on_worker(1);
    gate.admits_request("the other worker", request);
    gate.reload(0);
    gate.settle();
    gate.lives("a trap");
    assert_eq!(gate.callouts(), 1);
    let traps = gate
        .log()
        .iter()
        .filter(|(level, text)| *level == Level::Critical && text.starts_with("worker 0"))
        .count();
    assert_eq!(traps, 1);
}

#[test]
fn vm_02_a_new_vm_after_a_trap_in_the_middle_of_a_fetch_fetches_anew() {
    let mut gate = slow_issuer(2, 1);
    let lost = gate.crowd(2, 2);
    gate.advance(Duration::from_millis(100));
    // Whichever VM has the call, the other one takes over when its lease is over.
    let leader = gate.cluster(IDP).hits()[0].worker;
    gate.reload(leader);
    let again = gate.crowd(2, 2);
    gate.seconds_pass(9);
    for stream in again
        .iter()
        .chain(lost.iter().filter(|stream| stream.worker != leader))
    {
        gate.answer(*stream).admitted();
    }
    assert_eq!(gate.callouts(), 2);
    gate.admits("r1", &Token::good().key(Key::R1));
}
