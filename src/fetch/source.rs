//! What can be fetched: a source says what to ask, how an answer is read, how long it is good, and what it is called.
//!
//! Knows neither when to ask nor whom an answer is for. A new kind of thing to fetch is a new [`Source`], and a line in
//! [`Sources`].

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::access_token::{AccessToken, TokenError};
use super::document::Schedule;
use super::jwks::{DocumentError, IssuerKeys};
use super::location::{Clusters, Location};
use super::{KeySourceId, TokenSourceId};
use crate::host::{Answer, Callout};
use crate::metrics::Metric;
use crate::secret::Secret;

/// Names something that is fetched, within its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceId {
    /// The keys of an issuer.
    Keys(KeySourceId),
    /// An access token.
    Token(TokenSourceId),
}

/// Which document of a source is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// An issuer's discovery document.
    Discovery,
    /// An issuer's JWK Set.
    Keys,
    /// An access token.
    AccessToken,
}

/// Something that is fetched: one document, or several of which one leads to the next.
pub(super) trait Source {
    /// What logs and metrics call it. From the configuration, and no secret.
    fn name(&self) -> &str;

    /// Its documents. One that leads to another stands before it.
    fn parts(&self) -> &'static [Part];

    /// What to ask for a document; nothing as long as that is not known.
    fn question(&self, part: Part) -> Option<&Question>;

    /// When a document is to be had.
    fn schedule(&mut self, part: Part) -> Option<&mut Schedule>;

    /// Takes a document in, be it from the network or from another worker.
    fn accept(
        &mut self,
        part: Part,
        received: Received<'_>,
        clusters: &Clusters,
    ) -> Result<(), Unfit>;

    /// Why an answer brings no document at all, for the log.
    fn refusal(&self, answer: &Answer) -> String {
        format!("status {}", answer.status)
    }

    /// What there is to measure about it.
    fn measure(&mut self, _now: Timestamp) -> Option<(Metric<'_>, u64)> {
        None
    }
}

/// What was answered to a [`Question`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    /// The document, untrusted.
    pub body: &'a [u8],
    /// Its age counts from then.
    pub fetched_at: Timestamp,
    /// How long it is fresh, by the word of its server.
    pub fresh_for: Option<SignedDuration>,
    /// Spreads the refreshes of many proxies.
    pub random: u64,
}

/// Why an answer is not what was asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Unfit {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// What is asked for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub location: Location,
    /// A form to be posted there; without one, the document is got.
    form: Option<Form>,
}

/// An `application/x-www-form-urlencoded` body, and who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub authorization: Option<Secret>,
    pub body: Secret,
}

impl Question {
    pub fn get(location: Location) -> Self {
        Self {
            location,
            form: None,
        }
    }

    pub fn post(location: Location, form: Form) -> Self {
        Self {
            location,
            form: Some(form),
        }
    }

    /// The request that asks it.
    pub fn callout(&self, clusters: &Clusters, timeout: SignedDuration) -> Callout {
        let mut callout = self.location.callout(clusters, timeout);
        if let Some(Form {
            authorization,
            body,
        }) = &self.form
        {
            let plain = |text: &str| Secret::new(text.to_owned());
            callout.method = "POST";
            callout.headers = vec![
                ("accept", plain("application/json")),
                ("content-type", plain("application/x-www-form-urlencoded")),
            ];
            if let Some(authorization) = authorization {
                callout
                    .headers
                    .push(("authorization", authorization.clone()));
            }
            callout.body = Some(body.clone());
        }
        callout
    }

    /// A name that nobody else's question has, and that gives nothing of it away. Who asks the same may have the same
    /// answer; another client, secret, scope or parameter makes another question.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.location.to_string());
        if let Some(Form {
            authorization,
            body,
        }) = &self.form
        {
            // No URL holds such a byte, and neither does a form.
            digest.update(b"\0POST\0");
            digest.update(authorization.as_ref().map_or("", Secret::reveal));
            digest.update(b"\0");
            digest.update(body.reveal());
        }
        base16ct::lower::encode_string(&digest.finalize())
    }
}

/// `max-age` of a `Cache-Control` value (RFC 9111 section 5.2.2.1); `no-store` and `no-cache` ask for none.
pub(super) fn max_age(cache_control: Option<&str>) -> Option<SignedDuration> {
    let mut fresh_for = None;
    for directive in cache_control?.split(',') {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" | "no-cache" => return Some(SignedDuration::ZERO),
            "max-age" => {
                fresh_for = value
                    .trim()
                    .trim_matches('"')
                    .parse()
                    .ok()
                    .map(SignedDuration::from_secs);
            }
            _ => {}
        }
    }
    fresh_for
}

/// All that is fetched for a policy.
#[derive(Debug)]
pub(super) struct Sources {
    pub issuers: Vec<IssuerKeys>,
    pub tokens: Vec<AccessToken>,
}

impl Sources {
    pub fn get_mut(&mut self, id: SourceId) -> Option<&mut dyn Source> {
        match id {
            SourceId::Keys(KeySourceId(index)) => {
                self.issuers.get_mut(index).map(|source| source as _)
            }
            SourceId::Token(TokenSourceId(index)) => {
                self.tokens.get_mut(index).map(|source| source as _)
            }
        }
    }

    pub fn ids(&self) -> impl Iterator<Item = SourceId> + use<> {
        let keys = (0..self.issuers.len()).map(|index| SourceId::Keys(KeySourceId(index)));
        let tokens = (0..self.tokens.len()).map(|index| SourceId::Token(TokenSourceId(index)));
        keys.chain(tokens)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut dyn Source> {
        let issuers = self
            .issuers
            .iter_mut()
            .map(|source| source as &mut dyn Source);
        issuers.chain(self.tokens.iter_mut().map(|source| source as _))
    }
}
