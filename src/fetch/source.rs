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
use super::key_set::KeySet;
use super::location::{Clusters, Location};
use super::{ApiKeySetId, KeySourceId, TokenSourceId};
use crate::authorizer::api_key::NotAKeyList;
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
    /// A set of API keys.
    KeySet(ApiKeySetId),
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
    /// A set of API keys.
    KeySet,
}

/// A JWK Set of a hundred keys, certificates included, is a quarter of this; copying more into every worker helps
/// nobody.
const MAX_BODY_BYTES: usize = 256 * 1024;

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

    /// The longest answer that is taken.
    fn max_body_bytes(&self) -> usize {
        MAX_BODY_BYTES
    }

    /// What there is to measure about it.
    fn measure(&self, _now: Timestamp, _say: &mut dyn FnMut(Metric<'_>, u64)) {}
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
    #[error(transparent)]
    KeyList(#[from] NotAKeyList),
}

/// What is asked for a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub location: Location,
    /// The Envoy cluster that is asked. Another one is another server.
    cluster: String,
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
    pub fn get(location: Location, clusters: &Clusters) -> Self {
        Self {
            cluster: clusters.reaching(&location).to_owned(),
            location,
            form: None,
        }
    }

    pub fn post(location: Location, form: Form, clusters: &Clusters) -> Self {
        Self {
            cluster: clusters.reaching(&location).to_owned(),
            location,
            form: Some(form),
        }
    }

    /// Whether the same question can be asked with a condition (RFC 9110 section 13.1.2).
    pub fn is_get(&self) -> bool {
        self.form.is_none()
    }

    /// The request that asks it, or that asks whether what the validator stands for is still the answer.
    pub fn callout(&self, timeout: SignedDuration, validator: Option<&str>) -> Callout {
        let mut callout = self.location.callout(&self.cluster, timeout);
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
        if let Some(validator) = validator {
            let validator = Secret::new(validator.to_owned());
            callout.headers.push(("if-none-match", validator));
        }
        callout
    }

    /// A name that nobody else's question has, and that gives nothing of it away. Who asks the same may have the same
    /// answer; another client, secret, scope or parameter makes another question.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        digest.update(self.location.to_string());
        // No URL holds such a byte, and neither does the name of a cluster or a form.
        digest.update(b"\0");
        digest.update(&self.cluster);
        if let Some(Form {
            authorization,
            body,
        }) = &self.form
        {
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

/// The value of an `ETag` field, if it is one (RFC 9110 section 8.8.3) of a length that is worth keeping.
pub(super) fn entity_tag(value: Option<String>) -> Option<String> {
    const MAX_BYTES: usize = 256;
    value.filter(|value| {
        let opaque = value.strip_prefix("W/").unwrap_or(value);
        let inner = opaque
            .strip_prefix('"')
            .and_then(|tag| tag.strip_suffix('"'));
        let plain = |tag: &str| tag.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
        value.len() <= MAX_BYTES && inner.is_some_and(plain)
    })
}

/// All that is fetched for a policy.
#[derive(Debug)]
pub(super) struct Sources {
    pub issuers: Vec<IssuerKeys>,
    pub tokens: Vec<AccessToken>,
    pub key_sets: Vec<KeySet>,
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
            SourceId::KeySet(ApiKeySetId(index)) => {
                self.key_sets.get_mut(index).map(|source| source as _)
            }
        }
    }

    pub fn ids(&self) -> impl Iterator<Item = SourceId> + use<> {
        let keys = (0..self.issuers.len()).map(|index| SourceId::Keys(KeySourceId(index)));
        let tokens = (0..self.tokens.len()).map(|index| SourceId::Token(TokenSourceId(index)));
        let key_sets = (0..self.key_sets.len()).map(|index| SourceId::KeySet(ApiKeySetId(index)));
        keys.chain(tokens).chain(key_sets)
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut dyn Source> {
        let issuers = self
            .issuers
            .iter_mut()
            .map(|source| source as &mut dyn Source);
        let tokens = self.tokens.iter_mut().map(|source| source as _);
        issuers
            .chain(tokens)
            .chain(self.key_sets.iter_mut().map(|source| source as _))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_entity_tag_is_not_sent_back() {
        for tag in ["\"\"", "\"abc\"", "W/\"a,b\"", "\"W/\""] {
            assert_eq!(
                entity_tag(Some(tag.to_owned())).as_deref(),
                Some(tag),
                "{tag}"
            );
        }
        let long = format!("\"{}\"", "a".repeat(255));
        for tag in [
            "", "abc", "\"", "w/\"a\"", "\"a\"b\"", "\"a b\"", "\"a\n\"", "*", &long,
        ] {
            assert_eq!(entity_tag(Some(tag.to_owned())), None, "{tag}");
        }
        assert_eq!(entity_tag(None), None);
    }
}
