use std::time::Duration;

use super::*;
use crate::host::Callout;
use crate::host::fake::FakeHost;

const ISSUER: &str = "https://idp.test";
/// RFC 7515 appendix A.3.
const JWKS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"one","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const KEYS: KeySourceId = KeySourceId(0);

/// One worker of a process: a fetcher and its proxy.
struct Worker {
    fetcher: Fetcher,
    host: FakeHost,
}

impl Worker {
    fn new(host: FakeHost, jwks_uri: Option<&str>) -> Self {
        let mut host = host;
        host.advance(Duration::ZERO);
        let jwks_uri = jwks_uri.map(|uri| Location::parse(uri).unwrap());
        let source = KeySource {
            issuer: ISSUER.to_owned(),
            jwks_uri,
            terms: Terms::default(),
        };
        let fetcher = Fetcher::new([source], Clusters::default(), &mut host);
        Self { fetcher, host }
    }

    fn with_jwks_uri() -> Self {
        Self::new(FakeHost::default(), Some("https://idp.test/keys"))
    }

    fn sibling(&self) -> Self {
        Self::new(self.host.sibling(), Some("https://idp.test/keys"))
    }

    fn tick(&mut self) {
        self.fetcher.drive(&mut self.host);
    }

    /// Answers the last callout, and does what that makes due.
    fn answer(&mut self, answer: Option<Answer>) {
        let id = CalloutId(u32::try_from(self.host.sent.len()).unwrap());
        assert!(
            self.fetcher.answered(id, answer, &mut self.host),
            "a callout is under way"
        );
        self.tick();
    }

    fn sent(&self) -> Vec<&str> {
        self.host
            .sent
            .iter()
            .map(|Callout { path, .. }| path.as_str())
            .collect()
    }

    fn state(&self) -> &'static str {
        match self.fetcher.of(KEYS, self.host.now()) {
            State::Usable(_) => "usable",
            State::Coming => "coming",
            State::Unavailable { .. } => "unavailable",
        }
    }

    fn after(&mut self, seconds: u64) {
        self.host.advance(Duration::from_secs(seconds));
        self.tick();
    }
}

#[allow(clippy::unnecessary_wraps, reason = "an answer may also be none")]
fn ok(body: &str) -> Option<Answer> {
    Some(Answer {
        status: 200,
        cache_control: None,
        body: body.as_bytes().to_vec(),
    })
}

#[allow(clippy::unnecessary_wraps, reason = "an answer may also be none")]
fn status(status: u16) -> Option<Answer> {
    Some(Answer {
        status,
        cache_control: None,
        body: JWKS.as_bytes().to_vec(),
    })
}

#[test]
fn keys_are_fetched_before_anybody_asks() {
    let mut worker = Worker::with_jwks_uri();
    assert_eq!(
        worker.sent(),
        Vec::<&str>::new(),
        "a configuration on trial sends nothing"
    );
    worker.tick();
    assert_eq!((worker.sent(), worker.state()), (vec!["/keys"], "coming"));
    worker.answer(ok(JWKS));
    assert_eq!((worker.sent().len(), worker.state()), (1, "usable"));
}

#[test]
fn discovery_finds_the_keys() {
    let mut worker = Worker::new(FakeHost::default(), None);
    worker.tick();
    worker.answer(ok(
        r#"{"issuer":"https://idp.test","jwks_uri":"https://idp.test/oauth/keys"}"#,
    ));
    assert_eq!(
        worker.sent(),
        ["/.well-known/openid-configuration", "/oauth/keys"]
    );
    assert_eq!(worker.state(), "coming");
    worker.answer(ok(JWKS));
    assert_eq!(worker.state(), "usable");
}

#[test]
fn whatever_is_not_the_document_is_a_failure_and_is_tried_again() {
    for (name, answer) in [
        ("no answer", None),
        ("500", status(500)),
        ("204", status(204)),
        ("a redirect", status(302)),
        ("html", ok("<html>")),
        ("no keys", ok(r#"{"keys":[]}"#)),
        (
            "too long",
            ok(&format!("{JWKS}{}", " ".repeat(MAX_BODY_BYTES))),
        ),
    ] {
        let mut worker = Worker::with_jwks_uri();
        worker.tick();
        worker.answer(answer);
        assert_eq!(
            (worker.state(), worker.sent().len()),
            ("unavailable", 1),
            "{name}"
        );
        worker.after(1);
        assert_eq!(
            (worker.state(), worker.sent().len()),
            ("coming", 2),
            "{name}"
        );
        worker.answer(ok(JWKS));
        assert_eq!(worker.state(), "usable", "{name}");
    }
}

#[test]
fn a_cluster_that_is_not_there_is_a_failure_and_is_tried_again() {
    let mut worker = Worker::with_jwks_uri();
    worker.host.broken = true;
    worker.tick();
    assert_eq!(worker.state(), "unavailable");
    worker.host.broken = false;
    worker.after(1);
    assert_eq!(worker.sent(), ["/keys"]);
}

#[test]
fn a_bad_refresh_keeps_the_last_good_keys() {
    let mut worker = Worker::with_jwks_uri();
    worker.tick();
    worker.answer(ok(JWKS));
    worker.after(600);
    assert_eq!(worker.sent().len(), 2);
    worker.answer(ok("{}"));
    assert_eq!(worker.state(), "usable");
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
fn a_callout_that_is_never_answered_is_given_up() {
    let mut worker = Worker::with_jwks_uri();
    worker.tick();
    worker.after(7);
    assert_eq!(worker.sent().len(), 2);
    assert!(
        !worker
            .fetcher
            .answered(CalloutId(1), ok(JWKS), &mut worker.host),
        "it is too late"
    );
    worker.answer(ok(JWKS));
    assert_eq!(worker.state(), "usable");
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
    let shelf = Shelf::of(&Location::parse("https://idp.test/keys").unwrap());
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
    let location = Location::parse("https://idp.test/keys").unwrap();
    let shelf = Shelf::of(&location);
    let start = document::later(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(100));
    let future = document::later(start, SignedDuration::from_hours(1));
    let document = |at, body: &str| {
        SharedDocument::new(
            at,
            Some(SignedDuration::MAX),
            None,
            body.as_bytes().to_vec(),
        )
    };
    for (name, shared, state) in [
        ("a good one", document(start, JWKS), "usable"),
        ("not a key set", document(start, "<html>"), "coming"),
        ("from the future", document(future, JWKS), "coming"),
        (
            "too long",
            document(start, &" ".repeat(MAX_BODY_BYTES + 1)),
            "coming",
        ),
    ] {
        let mut host = FakeHost::default();
        host.advance(Duration::from_secs(100));
        shelf.publish(&shared, &mut host);
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
fn fetches_are_counted_by_cause_and_failures_too() {
    let mut worker = Worker::with_jwks_uri();
    worker.tick();
    worker.answer(status(500));
    worker.after(1);
    worker.answer(ok(JWKS));
    let now = worker.host.now();
    assert_eq!(worker.fetcher.refresh(KEYS, now), Refresh::Coming);
    worker.tick();
    worker.answer(ok(JWKS));
    worker.after(600);
    worker.fetcher.measure(&mut worker.host);
    let counted = |name: &str| {
        let name = format!("tenantgate.issuer.{ISSUER}.{name}");
        worker.host.metrics.get(&name).copied()
    };
    assert_eq!(counted("document.keys.cause.first.fetches_total"), Some(2));
    assert_eq!(
        counted("document.keys.cause.unknown_key.fetches_total"),
        Some(1)
    );
    assert_eq!(
        counted("document.keys.cause.schedule.fetches_total"),
        Some(1)
    );
    assert_eq!(counted("document.keys.fetch_failures_total"), Some(1));
    assert_eq!(counted("keys_age_seconds"), Some(600));
}

#[test]
fn a_stranger_cannot_have_the_lease_reach_further_than_ours_do() {
    let mut worker = Worker::with_jwks_uri();
    let shelf = Shelf::of(&Location::parse("https://idp.test/keys").unwrap());
    let far = document::later(worker.host.now(), SignedDuration::from_hours(1));
    shelf.publish_failure(far, &mut worker.host);
    worker.tick();
    assert_eq!(worker.sent().len(), 1);
}

#[test]
fn max_age_is_read_from_cache_control() {
    for (value, expected) in [
        (None, None),
        (Some("public, max-age=120"), Some(120)),
        (Some("MAX-AGE=\"120\""), Some(120)),
        (Some("no-store"), Some(0)),
        (Some("max-age=120, no-cache"), Some(0)),
        (Some("s-maxage=5"), None),
        (Some("max-age=soon"), None),
    ] {
        assert_eq!(
            max_age(value),
            expected.map(SignedDuration::from_secs),
            "{value:?}"
        );
    }
}
