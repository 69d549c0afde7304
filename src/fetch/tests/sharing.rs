//! What the workers of one process do for each other.

use super::*;

fn shelf(location: &str) -> Shelf {
    Shelf::of(&Question::get(
        Location::parse(location).unwrap(),
        &Clusters::default(),
    ))
}

#[test]
fn workers_of_one_process_fetch_once() {
    let mut first = Worker::with_jwks_uri();
    let mut second = first.sibling();
    first.tick();
    second.tick();
    assert_eq!((first.sent().len(), second.sent().len()), (1, 0));
    first.answer(ok(JWKS));
    second.after(1);
    assert_eq!((second.sent().len(), second.state()), (0, "usable"));
    // A worker that starts later finds them there.
    let third = first.sibling();
    assert_eq!((third.sent().len(), third.state()), (0, "usable"));
}

#[test]
fn a_worker_that_dies_while_it_fetches_is_replaced() {
    let mut first = Worker::with_jwks_uri();
    let mut second = first.sibling();
    first.tick();
    second.tick();
    drop(first);
    second.after(5);
    assert_eq!(second.sent().len(), 0);
    second.after(2);
    assert_eq!(second.sent().len(), 1);
}

#[test]
fn a_worker_that_ends_while_it_fetches_leaves_the_fetch_to_others() {
    let mut first = Worker::with_jwks_uri();
    let mut second = first.sibling();
    first.tick();
    second.tick();
    assert_eq!((first.sent().len(), second.sent().len()), (1, 0));
    first.fetcher.abandon(&mut first.host);
    // As soon as it looks again.
    second.host.advance(Duration::from_millis(25));
    second.tick();
    assert_eq!(second.sent().len(), 1);
    second.answer(ok(JWKS));
    assert_eq!(second.state(), "usable");
}

#[test]
fn a_worker_that_ends_late_leaves_the_fetch_to_whoever_has_it_by_now() {
    let mut first = Worker::with_jwks_uri();
    let mut second = first.sibling();
    first.tick();
    second.after(7);
    assert_eq!(second.sent().len(), 1);
    first.fetcher.abandon(&mut first.host);
    let mut third = second.sibling();
    third.tick();
    assert_eq!(third.sent().len(), 0);
}

/// KEY-23 of the attack catalogue.
#[test]
fn an_answer_that_was_asked_for_earlier_does_not_replace_a_later_ones() {
    let kid = |kid: &str| ok(&JWKS.replace("one", kid));
    let knows = |worker: &Worker, kid: &str| {
        let State::Usable(keys) = worker.fetcher.of(KEYS, worker.host.now()) else {
            panic!("no keys")
        };
        keys.knows(kid)
    };
    let mut slow = Worker::with_jwks_uri();
    let mut fast = slow.sibling();
    slow.tick();
    slow.host.advance(Duration::from_secs(1));
    // Somebody breaks the lease, so that both are at it.
    let shelf = shelf("https://idp.test/keys");
    let now = slow.host.now();
    shelf.publish_failure(now, &mut slow.host);
    fast.tick();
    assert_eq!((slow.sent().len(), fast.sent().len()), (1, 1));
    slow.host.advance(Duration::from_secs(1));
    fast.answer(kid("renewed"));
    slow.host.advance(Duration::from_secs(1));
    slow.answer(kid("withdrawn"));
    for worker in [&slow, &fast, &fast.sibling()] {
        assert!(knows(worker, "renewed") && !knows(worker, "withdrawn"));
    }
}

#[test]
fn a_failure_is_everybodys_failure() {
    let mut first = Worker::with_jwks_uri();
    let mut second = first.sibling();
    first.tick();
    second.tick();
    first.answer(status(500));
    second.host.advance(Duration::from_millis(100));
    second.tick();
    assert_eq!((second.sent().len(), second.state()), (0, "unavailable"));
}

#[test]
fn what_others_share_is_read_like_an_answer_from_outside() {
    let shelf = shelf("https://idp.test/keys");
    let start = document::later(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(100));
    let future = document::later(start, SignedDuration::from_hours(1));
    for (name, at, body, state) in [
        ("a good one", start, JWKS.to_owned(), "usable"),
        ("not a key set", start, "<html>".to_owned(), "coming"),
        ("from the future", future, JWKS.to_owned(), "coming"),
        ("too long", start, " ".repeat(1 << 20), "coming"),
    ] {
        let mut host = FakeHost::default();
        host.advance(Duration::from_secs(100));
        share(&shelf, at, &body, &mut host);
        let worker = Worker::new(host, Some("https://idp.test/keys"));
        assert_eq!(worker.state(), state, "{name}");
    }
}

#[test]
fn an_unknown_key_id_asks_for_one_refresh_for_all_workers() {
    let mut first = Worker::with_jwks_uri();
    let mut second = first.sibling();
    first.tick();
    first.answer(ok(JWKS));
    second.after(1);

    let now = first.host.now();
    assert_eq!(first.fetcher.refresh(KEYS, now), Refresh::Coming);
    first.after(0);
    assert_eq!(first.sent().len(), 2);
    first.host.advance(Duration::from_secs(1));
    first.answer(ok(JWKS));
    assert_eq!(
        first.fetcher.refresh(KEYS, first.host.now()),
        Refresh::TooSoon
    );

    assert_eq!(
        second.fetcher.refresh(KEYS, second.host.now()),
        Refresh::Coming
    );
    second.after(0);
    assert_eq!(
        second.sent().len(),
        0,
        "it takes over what the first one fetched"
    );
    assert_eq!(
        second.fetcher.refresh(KEYS, second.host.now()),
        Refresh::TooSoon
    );
}

#[test]
fn a_stranger_cannot_have_the_lease_reach_further_than_ours_do() {
    let mut worker = Worker::with_jwks_uri();
    let shelf = shelf("https://idp.test/keys");
    let far = document::later(worker.host.now(), SignedDuration::from_hours(1));
    shelf.publish_failure(far, &mut worker.host);
    worker.tick();
    assert_eq!(worker.sent().len(), 1);
}

#[test]
fn a_worker_that_loses_every_race_waits_for_the_winner_and_fetches_when_there_is_none() {
    let mut worker = Worker::with_jwks_uri();
    worker.host.contended = true;
    worker.tick();
    assert_eq!((worker.sent().len(), worker.state()), (0, "coming"));
    worker.host.contended = false;
    worker.after(10);
    assert_eq!(worker.sent().len(), 1);
    // What it has cannot be shared: it serves all the same.
    worker.host.contended = true;
    worker.answer(ok(JWKS));
    assert_eq!(worker.state(), "usable");
}
