mod key_sets;
mod sharing;
mod tokens;

use std::time::Duration;

use super::edition::Edition;
use super::shared::Note;
use super::source::max_age;
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
        let wanted = Wanted {
            issuers: &[source],
            ..Wanted::default()
        };
        let fetcher = Fetcher::new(&wanted, Clusters::default(), None, &mut host);
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
        etag: None,
        body: body.as_bytes().to_vec(),
    })
}

#[allow(clippy::unnecessary_wraps, reason = "an answer may also be none")]
fn status(status: u16) -> Option<Answer> {
    Some(Answer {
        status,
        cache_control: None,
        etag: None,
        body: JWKS.as_bytes().to_vec(),
    })
}

/// Shares a document, as a worker would that fetched it then.
fn share(shelf: &Shelf, at: Timestamp, body: &str, host: &mut FakeHost) {
    let edition = Edition {
        id: Edition::id_of(body.as_bytes()),
        etag: None,
        whole_at: at,
    };
    let note = Note::new(at, Some(SignedDuration::MAX), None, &edition);
    shelf.publish(&note, Some(body.as_bytes()), host);
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
fn keys_from_where_the_issuer_no_longer_keeps_them_are_not_taken() {
    let discovered = |keys: &str| {
        ok(&format!(
            r#"{{"issuer":"{ISSUER}","jwks_uri":"{ISSUER}/{keys}"}}"#
        ))
    };
    let mut worker = Worker::new(FakeHost::default(), None);
    worker.tick();
    worker.answer(discovered("old"));
    worker.answer(ok(JWKS));
    worker.after(600);
    let both = ["/.well-known/openid-configuration", "/old"];
    assert_eq!(worker.sent(), [both, both].concat());
    let (document, keys) = (CalloutId(3), CalloutId(4));
    let host = &mut worker.host;
    assert!(worker.fetcher.answered(document, discovered("new"), host));
    assert!(worker.fetcher.answered(keys, ok(JWKS), host), "it was ours");
    assert_eq!(worker.state(), "coming");
    worker.tick();
    assert_eq!(worker.sent().last(), Some(&"/new"));
    worker.answer(ok(JWKS));
    assert_eq!(worker.state(), "usable");
}

#[test]
fn an_issuer_that_cannot_be_discovered_has_no_keys() {
    let mut worker = Worker::new(FakeHost::default(), None);
    worker.tick();
    worker.answer(status(500));
    assert_eq!(worker.state(), "unavailable");
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
        ("too long", ok(&format!("{JWKS}{}", " ".repeat(1 << 20)))),
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
    worker.host.advance(Duration::from_millis(100));
    worker.tick();
    assert_eq!(
        worker.sent(),
        ["/keys"],
        "soon, for nobody was asked in vain"
    );
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
