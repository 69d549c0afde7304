//! What other workers share, and what a server says beside a document: none of it is believed further than it goes, and no
//! worker is kept from its keys for good.
//!
//! The input, in lines: the status, `cache-control` and `etag` of an answer; then entries of the shared data that somebody
//! else wrote (a digit for which, and its bytes in hexadecimal), an empty line, and the body of the answer, of which `=`
//! stands for good keys.

#![no_main]

use jiff::SignedDuration;
use libfuzzer_sys::fuzz_target;
use serde_json::json;
use tenantgate::authorizer::jwt::KeySet;
use tenantgate::fetch::{
    Clusters, Fetcher, KeySource, KeySourceId, KeysOf as _, Location, Refresh, State, Terms, Wanted,
};
use tenantgate::host::Answer;
use tenantgate_fuzz::input::line;
use tenantgate_fuzz::proxy::{Proxy, SharedData, ok};
use tenantgate_fuzz::tokens::Key;

const FIRST: KeySourceId = KeySourceId(0);

/// A round for every second that a worker may need which was lied to: a lease, the longest pause after a failure, a fetch;
/// or for each refresh.
const ROUNDS: usize = 80;

fuzz_target!(|input: &[u8]| {
    let (status, rest) = line(input);
    let (cache_control, rest) = line(rest);
    let (etag, rest) = line(rest);
    let text = |line: &[u8]| {
        std::str::from_utf8(line)
            .ok()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let mut entries = Vec::new();
    let mut rest = rest;
    while let (entry @ [_, ..], after) = line(rest) {
        entries.push(entry);
        rest = after;
    }
    let body = match rest.get(1..) {
        Some(b"=") => keys(),
        body => body.unwrap_or_default().to_vec(),
    };
    let answer = Answer {
        status: text(status)
            .and_then(|status| status.parse().ok())
            .unwrap_or(200),
        cache_control: text(cache_control),
        etag: text(etag),
        body,
    };

    let shared = SharedData::default();
    let mut first = Worker::new(&shared);
    first.answer(&answer);
    let is_good = answer.status == 200 && KeySet::parse(&answer.body).is_ok();
    assert_eq!(first.has_keys(), is_good);
    if is_good {
        // The first document again: by its tag, or as a whole once that has been believed for long enough.
        let pause = first.pause();
        assert!(
            pause >= SignedDuration::from_secs(40) && pause <= SignedDuration::from_hours(1),
            "{pause}"
        );
        first.later(pause);
        let tag = answer
            .etag
            .as_deref()
            .filter(|tag| is_tag(tag) && pause < BELIEVED);
        for (_, callout) in &first.proxy.waiting {
            let said = callout
                .headers
                .iter()
                .find(|(name, _)| *name == "if-none-match");
            assert_eq!(said.map(|(_, tag)| tag.reveal()), tag);
        }
        // A worker that starts now has what the first one had, and asks nobody.
        let second = Worker::new(&shared);
        assert!(second.has_keys() && second.proxy.waiting.is_empty());
    }

    for entry in &entries {
        first.lied_to(entry);
    }
    let mut third = Worker::new(&shared);
    third.proxy.now = first.proxy.now;
    for worker in [&mut first, &mut third] {
        let _ = worker.fetcher.refresh(FIRST, worker.proxy.now) == Refresh::Coming;
        worker.gets_its_keys();
    }
});

/// For how long a server is believed that says that a document is the same as before.
const BELIEVED: SignedDuration = SignedDuration::from_mins(10);

struct Worker {
    proxy: Proxy,
    fetcher: Fetcher,
}

impl Worker {
    fn new(shared: &SharedData) -> Self {
        let mut proxy = Proxy::new(shared);
        let source = KeySource {
            issuer: "https://idp.test".to_owned(),
            jwks_uri: Location::parse("https://idp.test/keys").ok(),
            terms: Terms::default(),
        };
        let wanted = Wanted {
            issuers: &[source],
            ..Wanted::default()
        };
        let mut fetcher = Fetcher::new(&wanted, Clusters::default(), None, &mut proxy);
        fetcher.drive(&mut proxy);
        Self { proxy, fetcher }
    }

    fn has_keys(&self) -> bool {
        matches!(self.fetcher.of(FIRST, self.proxy.now), State::Usable(_))
    }

    fn answer(&mut self, answer: &Answer) {
        for (id, _) in std::mem::take(&mut self.proxy.waiting) {
            self.fetcher
                .answered(id, Some(answer.clone()), &mut self.proxy);
        }
    }

    fn later(&mut self, by: SignedDuration) {
        self.proxy.advance(by);
        self.fetcher.drive(&mut self.proxy);
    }

    /// Until there is something to do. No server has us ask all the time, or never.
    fn pause(&mut self) -> SignedDuration {
        let now = self.proxy.now;
        let next = self
            .fetcher
            .next_event(now)
            .expect("there is something to wait for");
        next.duration_since(now)
    }

    /// Somebody else, who has the same `vm_id`, writes an entry.
    fn lied_to(&self, entry: &[u8]) {
        let mut data = self.proxy.shared.borrow_mut();
        let which = usize::from(entry[0]) % data.len();
        let digits = std::str::from_utf8(&entry[1..])
            .unwrap_or_default()
            .as_bytes();
        let bytes = digits.chunks(2).map_while(|pair| {
            let text = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(text, 16).ok()
        });
        let (_, value) = data.iter_mut().nth(which).expect("one of them");
        *value = (bytes.collect(), value.1 + 1);
    }

    /// As soon as its server answers, whatever others said.
    fn gets_its_keys(&mut self) {
        let mut fetched = false;
        for _ in 0..ROUNDS {
            self.fetcher.drive(&mut self.proxy);
            fetched |= !self.proxy.waiting.is_empty();
            self.answer(&ok(&keys()));
            if fetched && self.has_keys() {
                return;
            }
            let pause = self.pause().max(SignedDuration::from_secs(1));
            assert!(
                pause <= SignedDuration::from_hours(1),
                "it waits for {pause}"
            );
            self.proxy.advance(pause);
        }
        assert!(self.has_keys(), "it waits for ever");
    }
}

/// RFC 9110 section 8.8.3, and no longer than is kept.
fn is_tag(tag: &str) -> bool {
    let opaque = tag.strip_prefix("W/").unwrap_or(tag);
    let is_quoted = opaque.len() >= 2 && opaque.starts_with('"') && opaque.ends_with('"');
    let inner = opaque.trim_start_matches('"');
    is_quoted
        && tag.len() <= 256
        && inner
            .trim_end_matches('"')
            .bytes()
            .all(|b| (0x21..0x7f).contains(&b) && b != b'"')
        && opaque.matches('"').count() == 2
}

fn keys() -> Vec<u8> {
    json!({"keys": [Key::D1.jwk()]}).to_string().into_bytes()
}
