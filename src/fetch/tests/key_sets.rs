//! Sets of API keys on the same machine: asked for by their edition, and handed on from one configuration to the next.

use super::*;

const SET: ApiKeySetId = ApiKeySetId(0);
const ONE: &str = r#"{"keys":[{"client_id":"acme","key":"first-key"}]}"#;
const BOTH: &str = r#"{"keys":[{"client_id":"acme","key":"first-key"},{"client_id":"globex","key":"second-key"}]}"#;

fn source(uri: &str) -> ApiKeySource {
    ApiKeySource {
        name: "clients".to_owned(),
        location: Location::parse(uri).unwrap(),
        terms: Terms::default(),
    }
}

/// A worker of a policy with a set at that place, after one of another policy.
fn worker(mut host: FakeHost, uri: &str, predecessor: Option<&Fetcher>) -> Worker {
    let wanted = Wanted {
        key_sets: &[source(uri)],
        ..Wanted::default()
    };
    let fetcher = Fetcher::new(&wanted, Clusters::default(), predecessor, &mut host);
    Worker { fetcher, host }
}

fn first() -> Worker {
    worker(FakeHost::default(), "https://keys.test/set", None)
}

#[allow(clippy::unnecessary_wraps, reason = "an answer may also be none")]
fn tagged(status: u16, etag: Option<&str>, body: &str) -> Option<Answer> {
    Some(Answer {
        status,
        // Asked for by its edition before it is asked for as a whole again.
        cache_control: Some("max-age=60".to_owned()),
        etag: etag.map(str::to_owned),
        body: body.as_bytes().to_vec(),
    })
}

impl Worker {
    /// How many keys there are, or why there are none.
    fn keys(&self) -> Result<usize, &'static str> {
        match self.fetcher.api_keys(SET, self.host.now()) {
            State::Usable(keys) => Ok(keys.len()),
            State::Coming => Err("coming"),
            State::Unavailable { .. } => Err("unavailable"),
        }
    }

    /// The edition that the last callout asked to have no news of.
    fn validator(&self) -> Option<&str> {
        let headers = &self.host.sent.last().unwrap().headers;
        let found = headers.iter().find(|(name, _)| *name == "if-none-match");
        found.map(|(_, value)| value.reveal())
    }
}

#[test]
fn a_set_is_asked_for_by_its_edition_and_a_new_one_replaces_all_of_it() {
    let mut worker = first();
    worker.tick();
    assert_eq!((worker.keys(), worker.validator()), (Err("coming"), None));
    worker.answer(tagged(200, Some("\"1\""), BOTH));
    assert_eq!(worker.keys(), Ok(2));
    worker.after(60);
    assert_eq!(worker.validator(), Some("\"1\""));
    worker.answer(tagged(304, None, ""));
    assert_eq!(worker.keys(), Ok(2));
    worker.after(60);
    worker.answer(tagged(200, Some("\"2\""), ONE));
    assert_eq!(worker.keys(), Ok(1), "a key that is gone is revoked");
}

#[test]
fn still_the_same_is_believed_only_of_what_was_asked_about() {
    // Of nothing: it was never had.
    let mut worker = first();
    worker.tick();
    worker.answer(tagged(304, None, ""));
    assert_eq!(worker.keys(), Err("unavailable"));
    // Of another edition: the set is kept, and asked for as a whole the next time.
    let mut worker = first();
    worker.tick();
    worker.answer(tagged(200, Some("\"1\""), BOTH));
    worker.after(60);
    assert_eq!(worker.validator(), Some("\"1\""));
    worker.answer(tagged(304, Some("\"2\""), ""));
    assert_eq!(worker.keys(), Ok(2));
    worker.after(60);
    assert_eq!((worker.host.sent.len(), worker.validator()), (3, None));
}

#[test]
fn a_set_that_is_none_is_refused_whole_and_the_last_good_one_kept() {
    for bad in [
        "[]",
        r#"{"keys":[{"client_id":"acme","key":"first-key"},{"client_id":"acme"}]}"#,
        "<html>",
    ] {
        let mut worker = first();
        worker.tick();
        worker.answer(tagged(200, None, bad));
        assert_eq!(worker.keys(), Err("unavailable"), "{bad}");
        worker.after(600);
        worker.answer(tagged(200, None, BOTH));
        worker.after(600);
        worker.answer(tagged(200, None, bad));
        assert_eq!(worker.keys(), Ok(2), "{bad}");
    }
}

#[test]
fn the_next_configuration_has_the_set_at_once_if_it_is_from_the_same_place() {
    let mut old = first();
    old.tick();
    old.answer(tagged(200, Some("\"1\""), BOTH));
    old.host.advance(Duration::from_secs(10));
    for (uri, expected) in [
        ("https://keys.test/set", Ok(2)),
        ("https://keys.test/other", Err("coming")),
    ] {
        // In a process that shares nothing: only the fetcher before it can have had it.
        let host = FakeHost::default();
        host.advance(Duration::from_secs(10));
        let mut new = worker(host, uri, Some(&old.fetcher));
        assert_eq!(new.keys(), expected, "{uri}");
        // One that has no set yet fetches it at once.
        new.tick();
        assert_eq!(new.host.sent.len(), usize::from(expected.is_err()), "{uri}");
    }
}

#[test]
fn workers_share_a_set_and_that_it_is_still_the_same() {
    let mut first = first();
    let mut second = worker(first.host.sibling(), "https://keys.test/set", None);
    first.tick();
    second.tick();
    first.answer(tagged(200, Some("\"1\""), BOTH));
    second.after(1);
    assert_eq!((second.host.sent.len(), second.keys()), (0, Ok(2)));
    first.after(59);
    first.answer(tagged(200, Some("\"1\""), BOTH));
    second.after(1);
    second.fetcher.measure(&mut second.host);
    let measured = |name: &str| {
        let name = format!("tenantgate.key_set.clients.{name}");
        second.host.metrics.get(&name).copied()
    };
    assert_eq!(measured("key_set_age_seconds"), Some(1));
    assert_eq!(measured("key_set_keys"), Some(2));
    assert!(measured("key_set_version").is_some_and(|version| version > 0));
    assert_eq!(second.host.sent.len(), 0);
}

#[test]
fn what_another_policy_names_is_not_to_be_had_here() {
    let mut worker = first();
    let now = worker.host.now();
    let (keys, token, set) = (KeySourceId(7), TokenSourceId(7), ApiKeySetId(7));
    let unavailable = terms::BACK_OFF_MOST;
    let fetcher = &mut worker.fetcher;
    assert!(
        matches!(fetcher.of(keys, now), State::Unavailable { retry_after } if retry_after == unavailable)
    );
    assert!(matches!(
        fetcher.token(token, now),
        State::Unavailable { .. }
    ));
    assert!(matches!(
        fetcher.api_keys(set, now),
        State::Unavailable { .. }
    ));
    assert_eq!(fetcher.refresh(keys, now), Refresh::TooSoon);
    fetcher.rejected(token, now, now);
    assert_eq!(fetcher.max_body_bytes(CalloutId(7)), 0);
    assert!(!fetcher.answered(CalloutId(7), ok(ONE), &mut worker.host));
}

#[test]
fn an_answer_is_as_long_as_its_source_takes_and_a_set_may_be_longest() {
    let longest = |mut worker: Worker| {
        worker.tick();
        assert_eq!(worker.host.sent.len(), 1);
        worker.fetcher.max_body_bytes(CalloutId(1))
    };
    let (keys, set) = (longest(Worker::with_jwks_uri()), longest(first()));
    assert!(JWKS.len() < keys && keys < set, "{keys} {set}");
}

#[test]
fn the_next_event_is_the_earliest_of_all_sources() {
    let mut worker = first();
    assert_eq!(
        worker.fetcher.next_event(worker.host.now()),
        Some(worker.host.now())
    );
    worker.tick();
    worker.answer(tagged(200, None, BOTH));
    let now = worker.host.now();
    let next = worker.fetcher.next_event(now).unwrap();
    assert!(next > now, "nothing is due while the set is fresh");
    let mut none = Fetcher::new(
        &Wanted::default(),
        Clusters::default(),
        None,
        &mut worker.host,
    );
    assert_eq!(none.next_event(now), None);
}
