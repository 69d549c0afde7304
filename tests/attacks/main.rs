//! Attacks on tokens, keys and discovery, carried out on the real module: the rows of the catalogue that need the whole
//! filter. What can be said of one room alone stands in that room's own tests and in `tests/jwt`.
//!
//! A test is named after its row. Each refusal has a twin that differs in one thing and is admitted; both say how many
//! requests went upstream and how many calls went out. After each hostile case a good request is served by the same
//! worker. Every key set on offer has the decoys of [`tokens::decoys`](harness::tokens::decoys) in it.
//!
//! | room | rows |
//! |---|---|
//! | [`tokens`] | TOK-01 04 05 06 10 13 14 16 18 25, SIG-10 and 11 |
//! | [`remembered`] | TOK-26: what was verified once |
//! | [`claims`] | CLM-01 07 13 17 |
//! | [`keys`] | KEY-05 08 11 to 17 |
//! | [`refresh`] | KEY-20 21 24 |
//! | [`waiting`] | KEY-16 18 19 25: requests that wait for keys |
//! | [`shared`] | KEY-22 23: what workers tell each other |
//! | [`discovery`] | DIS-01 to 06 |
//! | [`host`] | VM-09: calls of the host that fail |
//! | [`memory`] | VM-07: what has a bound |
//! | [`walk`] | all of it in random order |
//!
//! Not here, and why:
//!
//! | row | why |
//! |---|---|
//! | TOK-25, strict RFC 9068 mode | there is no such setting: `JWT`, `at+jwt` or none is what an access token says |
//! | CLM-17, metric labels | no metric takes a label from a request; what there is of them is asserted to be unchanged |
//! | KEY-13, TLS failure | for the filter it is a connection that fails, which is here; the handshake is Envoy's |
//! | KEY-16, one byte a second | Envoy hands an answer over whole; what is left to the filter is the timeout it asks for |
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says on stderr which case it was at"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod claims;
mod discovery;
mod host;
mod keys;
mod memory;
mod refresh;
mod remembered;
mod shared;
mod tokens;
mod waiting;
mod walk;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use harness::proxy::{Answer, Proxy, Request, Setup, StreamId, post};
use harness::tokens::{AUDIENCE, ISSUER, TRUSTED, Token, jwks};

/// The Envoy cluster of the issuer, and where its keys are.
const IDP: &str = "idp";
const KEYS: &str = "/keys";
const CHAT: &str = "/v1/chat";
const API_KEY: &str = "acme-secret-key";

/// One issuer for `/v1/chat`, the same one with another audience for `/v1/embed`, an API key for `/v1/keyed`.
fn policy() -> Value {
    json!({
        "clusters": { "idp.test": IDP },
        "identity_headers": { "tenant": "x-tenant-id", "user": "x-user-id", "client": "x-client-id" },
        "endpoints": [
            { "name": "chat", "path": CHAT, "authorizer": issuer(json!({ "audience": AUDIENCE })) },
            { "name": "embed", "path": "/v1/embed", "authorizer": issuer(json!({ "audience": "embed" })) },
            { "name": "keyed", "path": "/v1/keyed", "authorizer": { "type": "api_key", "keys": [
                { "client_id": "acme-app", "key": API_KEY, "tenant_id": "acme" },
            ] } },
        ],
    })
}

/// The authorizer of the test issuer, with these settings more or other.
fn issuer(more: Value) -> Value {
    let oidc = json!({ "issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://idp.test/keys", "tenant_claim": "tenant" });
    json!({ "type": "oidc", "oidc": harness::tokens::with(oidc, more) })
}

/// [`policy`] with `/v1/chat` guarded by that authorizer.
fn policy_with(authorizer: Value) -> Value {
    let mut policy = policy();
    policy["endpoints"][0]["authorizer"] = authorizer;
    policy
}

/// A proxy, and the questions that every row asks.
struct Gate(Proxy);

impl Deref for Gate {
    type Target = Proxy;
    fn deref(&self) -> &Proxy {
        &self.0
    }
}

impl DerefMut for Gate {
    fn deref_mut(&mut self) -> &mut Proxy {
        &mut self.0
    }
}

impl Gate {
    /// [`policy`] is in force and the trusted keys are there.
    fn open() -> Self {
        Self::with(Proxy::setup(), &policy())
    }

    /// The same with another policy, in another process.
    fn with(setup: Setup, policy: &Value) -> Self {
        setup.cluster(IDP).serves(KEYS, jwks(&TRUSTED));
        let mut proxy = setup.with(policy);
        proxy.settle();
        Self(proxy)
    }

    fn timestamp(&self) -> Timestamp {
        Timestamp::try_from(self.now()).expect("a time that can be told")
    }

    fn sign(&self, token: &Token) -> String {
        token.sign(self.timestamp())
    }

    /// A request with that token.
    fn chat(&self, token: &Token) -> Request {
        post(CHAT).bearer(self.sign(token))
    }

    /// It goes upstream, and nothing had to be called for it.
    #[track_caller]
    fn admits(&mut self, what: &str, token: &Token) -> Answer {
        let request = self.chat(token);
        self.admits_request(what, request)
    }

    #[track_caller]
    fn admits_request(&mut self, what: &str, request: Request) -> Answer {
        eprintln!("case: {what}, to be admitted");
        self.settle();
        let before = (self.upstream().hits().len(), self.callouts());
        let answer = self.send(request);
        answer.admitted();
        let after = (self.upstream().hits().len(), self.callouts());
        assert_eq!(
            after,
            (before.0 + 1, before.1),
            "{what}: (requests upstream, calls)"
        );
        answer
    }

    /// It is refused for that reason, nothing goes upstream and nobody is called; then a good request is served.
    #[track_caller]
    fn refuses(&mut self, what: &str, token: &Token, status: u32, reason: &str) {
        let request = self.chat(token);
        self.refuses_request(what, request, status, reason);
    }

    #[track_caller]
    fn refuses_request(
        &mut self,
        what: &str,
        request: Request,
        status: u32,
        reason: &str,
    ) -> Answer {
        self.settle();
        let before = self.callouts();
        let answer = self.refuses_calling(what, request, status, reason);
        assert_eq!(self.callouts(), before, "{what}: calls");
        self.lives(what);
        answer
    }

    /// The same where calls may go out for it.
    #[track_caller]
    fn refuses_calling(
        &mut self,
        what: &str,
        request: Request,
        status: u32,
        reason: &str,
    ) -> Answer {
        eprintln!("case: {what}, to be refused with {status} {reason}");
        let before = (self.upstream().hits().len(), self.counted(reason));
        let answer = self.send(request);
        answer.refused(status, reason);
        assert_eq!(
            (self.upstream().hits().len(), self.counted(reason)),
            (before.0, before.1 + 1),
            "{what}: (requests upstream, refusals counted)"
        );
        self.alive();
        answer
    }

    /// Refusals with that reason, over all endpoints.
    fn counted(&self, reason: &str) -> u64 {
        let name = format!(".decision.deny.reason.{reason}.requests_total");
        self.metrics()
            .iter()
            .filter(|(metric, _)| metric.ends_with(&name))
            .map(|(_, count)| count)
            .sum()
    }

    /// A good request is served.
    #[track_caller]
    fn lives(&mut self, what: &str) {
        self.alive();
        self.admits(&format!("a good token after {what}"), &Token::good());
    }

    /// How these requests stand now.
    #[track_caller]
    fn answers(&mut self, streams: &[StreamId]) -> Vec<Answer> {
        streams.iter().map(|stream| self.answer(*stream)).collect()
    }

    #[track_caller]
    fn seconds_pass(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }
}
