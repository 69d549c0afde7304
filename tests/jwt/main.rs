//! The tokens, keys and claims of `docs/attacks.md`, row by row: a refused token and its admitted twin, which differs in
//! one thing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test that meets the unexpected should stop"
)]

#[path = "../harness/tokens.rs"]
mod tokens;

#[path = "../wycheproof/stand_in.rs"]
mod stand_in;

mod candidates;
mod claims;
mod header;
mod host;
mod json;
mod key_sets;
mod keys;
mod kinds;
mod properties;
mod rfc;
mod roca;
mod signatures;
mod times;
mod token;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tenantgate::authorizer::jwt::{
    Algorithm, BadSignature, Cause, Jws, KeySet, Malformed, Refusal, SkippedKey, TokenRules,
    UnacceptableClaims, VerifiedClaims, verify,
};

use crate::tokens::{AUDIENCE, ISSUER, TRUSTED, jwks};

/// The time of every test that does not choose its own: 2026-05-15T14:00:00Z.
fn now() -> Timestamp {
    Timestamp::from_second(1_778_853_600).unwrap()
}

fn in_seconds(seconds: i64) -> i64 {
    now().as_second() + seconds
}

/// Everything that a token is judged by.
#[derive(Clone)]
struct Judge {
    keys: Arc<KeySet>,
    rules: TokenRules,
    now: Timestamp,
}

/// Trusts r1, e1, e3 and d1 (with the decoys beside them), allows RS256, and has no patience with clocks.
fn judge() -> Judge {
    static KEYS: LazyLock<Arc<KeySet>> = LazyLock::new(|| Arc::new(key_set(&jwks(&TRUSTED)).0));
    Judge {
        keys: Arc::clone(&KEYS),
        rules: TokenRules {
            issuer: ISSUER.to_owned(),
            audiences: vec![AUDIENCE.to_owned()],
            algorithms: vec![Algorithm::RS256],
            clock_skew: Duration::ZERO,
        },
        now: now(),
    }
}

impl Judge {
    fn allowing(mut self, algorithms: &[Algorithm]) -> Self {
        self.rules.algorithms = algorithms.to_vec();
        self
    }

    fn trusting_only(mut self, keys: &[Value]) -> Self {
        self.keys = Arc::new(key_set(&serde_json::json!({ "keys": keys })).0);
        self
    }

    fn at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    fn with_skew(mut self, seconds: u64) -> Self {
        self.rules.clock_skew = Duration::from_secs(seconds);
        self
    }

    fn on(&self, token: impl AsRef<[u8]>) -> Result<VerifiedClaims, Refusal> {
        verify(
            &Jws::parse(token.as_ref())?,
            &self.keys,
            &self.rules,
            self.now,
        )
    }

    #[track_caller]
    fn admits(&self, token: impl AsRef<[u8]>) -> VerifiedClaims {
        self.admits_as("the token", token)
    }

    #[track_caller]
    fn admits_as(&self, what: &str, token: impl AsRef<[u8]>) -> VerifiedClaims {
        match self.on(token) {
            Ok(claims) => claims,
            Err(why) => panic!("{what} should be admitted: {why:?}"),
        }
    }

    #[track_caller]
    fn refuses(&self, token: impl AsRef<[u8]>, why: impl Why) {
        self.refuses_as("the token", token, why);
    }

    #[track_caller]
    fn refuses_as(&self, what: &str, token: impl AsRef<[u8]>, why: impl Why) {
        match self.on(token) {
            Ok(_) => panic!("{what} should be refused"),
            Err(refusal) => assert_eq!(refusal, why.refusal(), "{what}"),
        }
    }
}

/// What a test may expect, as short as it can be said.
trait Why {
    fn refusal(self) -> Refusal;
}

impl Why for Refusal {
    fn refusal(self) -> Refusal {
        self
    }
}

impl Why for Cause {
    fn refusal(self) -> Refusal {
        Refusal::Invalid(self)
    }
}

impl Why for BadSignature {
    fn refusal(self) -> Refusal {
        Cause::Signature(self).refusal()
    }
}

impl Why for UnacceptableClaims {
    fn refusal(self) -> Refusal {
        Cause::Claims(self).refusal()
    }
}

#[track_caller]
fn key_set(document: &Value) -> (KeySet, Vec<SkippedKey>) {
    KeySet::parse(document.to_string().as_bytes()).unwrap()
}

fn malformed(why: impl Into<Malformed>) -> Cause {
    Cause::Malformed(why.into())
}
