//! Access tokens on the same machine: fetched once for all workers, early, and never used when they have expired.

use super::*;
use crate::secret::Secret;

const TOKEN: TokenSourceId = TokenSourceId(0);

fn worker(host: FakeHost) -> Worker {
    // A process whose clock is set.
    let mut host = host;
    let secret = |text: &str| Secret::new(text.to_owned());
    let credentials = ClientCredentials {
        token_url: Location::parse("https://auth.test/token?tenant=a").unwrap(),
        client_id: secret("id"),
        client_secret: secret("secret"),
        scope: None,
        client_auth: ClientAuth::Body,
        parameters: Vec::new(),
        timeout: Terms::TIMEOUT,
    };
    let wanted = Wanted {
        tokens: &[credentials],
        ..Wanted::default()
    };
    let fetcher = Fetcher::new(&wanted, Clusters::default(), &mut host);
    Worker { fetcher, host }
}

fn token(token: &str, expires_in: u32) -> Option<Answer> {
    ok(&format!(
        r#"{{"access_token":"{token}","token_type":"bearer","expires_in":{expires_in}}}"#
    ))
}

impl Worker {
    fn token(&self) -> Result<String, &'static str> {
        match self.fetcher.token(TOKEN, self.host.now()) {
            State::Usable((token, _)) => Ok(token.value().reveal().to_owned()),
            State::Coming => Err("coming"),
            State::Unavailable { .. } => Err("unavailable"),
        }
    }

    /// The provider would not have what this worker lends now.
    fn refused(&mut self) {
        let now = self.host.now();
        let State::Usable((_, fetched_at)) = self.fetcher.token(TOKEN, now) else {
            panic!("no token")
        };
        self.fetcher.rejected(TOKEN, fetched_at, now);
    }
}

#[test]
fn a_token_is_fetched_before_anybody_asks_and_anew_before_it_expires() {
    let mut worker = worker(FakeHost::default());
    assert_eq!(
        worker.host.sent.len(),
        0,
        "a configuration on trial sends nothing"
    );
    worker.tick();
    let callout = worker.host.sent.first().unwrap();
    assert_eq!(
        (callout.method, callout.path.as_str()),
        ("POST", "/token?tenant=a")
    );
    assert_eq!(worker.token(), Err("coming"));
    worker.answer(token("one", 100));
    assert_eq!(worker.token().as_deref(), Ok("Bearer one"));
    worker.after(71);
    assert_eq!(worker.host.sent.len(), 1);
    worker.after(10);
    assert_eq!(worker.host.sent.len(), 2);
    assert_eq!(worker.token().as_deref(), Ok("Bearer one"), "meanwhile");
    worker.answer(token("two", 100));
    assert_eq!(worker.token().as_deref(), Ok("Bearer two"));
}

#[test]
fn a_token_that_has_expired_is_not_lent_whatever_becomes_of_its_successor() {
    let mut worker = worker(FakeHost::default());
    worker.tick();
    worker.answer(token("one", 100));
    worker.after(81);
    worker.answer(status(500));
    worker.host.advance(Duration::from_secs(8));
    assert_eq!(worker.token().as_deref(), Ok("Bearer one"), "after 89 s");
    worker.host.advance(Duration::from_secs(1));
    assert!(worker.token().is_err(), "after 90 s");
}

#[test]
fn its_age_counts_from_when_it_was_asked_for() {
    let mut worker = worker(FakeHost::default());
    worker.tick();
    worker.host.advance(Duration::from_secs(5));
    worker.answer(token("one", 10));
    worker.host.advance(Duration::from_secs(3));
    assert!(worker.token().is_ok());
    worker.host.advance(Duration::from_secs(1));
    assert!(worker.token().is_err());
}

#[test]
fn workers_share_a_token_and_read_it_like_an_answer_from_outside() {
    let mut first = worker(FakeHost::default());
    let mut second = worker(first.host.sibling());
    first.tick();
    second.tick();
    first.answer(token("one", 100));
    second.after(1);
    assert_eq!(
        (second.host.sent.len(), second.token().as_deref()),
        (0, Ok("Bearer one"))
    );

    let mut host = first.host.sibling();
    let shelf = Shelf::of(
        first
            .fetcher
            .sources
            .tokens
            .first()
            .unwrap()
            .question(Part::AccessToken)
            .unwrap(),
    );
    for (body, taken) in [
        (
            r#"{"access_token":"two","token_type":"bearer","expires_in":1000000}"#,
            true,
        ),
        (
            r#"{"access_token":"two\r\nx: 1","token_type":"bearer"}"#,
            false,
        ),
        (r#"{"access_token":"two","token_type":"mac"}"#, false),
        ("<html>", false),
    ] {
        let at = host.now();
        share(&shelf, at, body, &mut host);
        assert_eq!(worker(host.sibling()).token().is_ok(), taken, "{body}");
        host.advance(Duration::from_secs(1));
    }
}

#[test]
fn flo_06_a_token_that_its_provider_refuses_is_replaced_once_for_all_workers() {
    let mut first = worker(FakeHost::default());
    let mut second = worker(first.host.sibling());
    first.tick();
    first.answer(token("one", 3600));
    second.after(1);
    first.refused();
    assert_eq!(
        first.token(),
        Err("coming"),
        "the next request waits for another one"
    );
    first.tick();
    assert_eq!(first.host.sent.len(), 2);
    first.host.advance(Duration::from_millis(10));
    first.answer(token("two", 3600));
    assert_eq!(first.token().as_deref(), Ok("Bearer two"));
    second.refused();
    second.tick();
    assert_eq!(
        (second.host.sent.len(), second.token().as_deref()),
        (0, Ok("Bearer two"))
    );
    // Not again and again, in either of them.
    for worker in [&mut first, &mut second] {
        worker.refused();
        worker.tick();
        assert_eq!(worker.token().as_deref(), Ok("Bearer two"));
    }
    assert_eq!((first.host.sent.len(), second.host.sent.len()), (2, 0));
    let name = "tenantgate.issuer.https://auth.test/token.document.access_token.cause.rejected.fetches_total";
    assert_eq!(first.host.metrics.get(name), Some(&1));
}

#[test]
fn flo_06_a_late_refusal_of_an_older_token_leaves_the_newer_one_alone() {
    let mut worker = worker(FakeHost::default());
    worker.tick();
    worker.answer(token("one", 100));
    let State::Usable((_, lent_at)) = worker.fetcher.token(TOKEN, worker.host.now()) else {
        panic!("no token")
    };
    worker.after(85);
    worker.answer(token("two", 100));
    let now = worker.host.now();
    worker.fetcher.rejected(TOKEN, lent_at, now);
    worker.tick();
    assert_eq!(
        (worker.host.sent.len(), worker.token().as_deref()),
        (2, Ok("Bearer two"))
    );
}
