//! The signing keys of one issuer: its JWK Set, at a known place or at one that its discovery document names.

use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use super::document::{Document, Schedule, State};
use super::location::{Clusters, Location, LocationError};
use super::source::{Part, Question, Received, Source, Unfit};
use super::terms::{BACK_OFF_MOST, Terms};
use crate::authorizer::jwt::{KeySet, NotAKeySet};
use crate::json;
use crate::metrics::Metric;

/// Where the keys of an issuer are found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeySource {
    /// The issuer, byte for byte.
    pub issuer: String,
    /// The `jwks_uri` that the operator named; otherwise it is discovered.
    pub jwks_uri: Option<Location>,
    /// What the operator decided about the life of its documents.
    pub terms: Terms,
}

/// Where a discovery document is: the issuer without a final slash, then the well-known path (OpenID Connect Discovery
/// section 4.1).
///
/// # Errors
/// Why the issuer is no location. One with a query is none either.
pub fn discovery_location(issuer: &str) -> Result<Location, IssuerError> {
    let issuer_location = Location::parse(issuer)?;
    if issuer.contains('?') {
        return Err(IssuerError::Query);
    }
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let location = Location::parse(&format!("{base}/.well-known/openid-configuration"))?;
    debug_assert!(location.same_origin(&issuer_location));
    Ok(location)
}

/// Why an issuer's documents cannot be found.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum IssuerError {
    /// See the message.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// See the message.
    #[error("must not have a query")]
    Query,
}

/// Why an answer is not the document that was asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DocumentError {
    /// See the message.
    #[error("it is not a JSON object, or one with a member twice")]
    NotJson,
    /// "The issuer value returned MUST be identical to the Issuer URL" (OpenID Connect Discovery section 4.3).
    #[error("it does not name the very issuer that it was asked of")]
    WrongIssuer,
    /// See the message.
    #[error("its jwks_uri is neither on the issuer's host nor on one listed under `clusters`")]
    ForeignKeys,
    /// See the message.
    #[error("its jwks_uri is not a URL that may be fetched: {0}")]
    BadKeysUrl(#[from] LocationError),
    /// See the message.
    #[error("it names no jwks_uri")]
    NoKeysUrl,
    /// See the message.
    #[error(transparent)]
    NotAKeySet(#[from] NotAKeySet),
}

/// The documents of one issuer.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    source: KeySource,
    /// The discovery document, where there is one: what counts of it is where the keys are.
    discovery: Option<(Question, Document<Location>)>,
    keys: Option<(Question, Document<KeySet>)>,
}

impl IssuerKeys {
    pub fn new(source: KeySource, clusters: &Clusters) -> Self {
        let keys = source.jwks_uri.clone().map(|location| {
            (
                Question::get(location, clusters),
                Document::new(source.terms),
            )
        });
        // An issuer that is no location never gets into a policy without a `jwks_uri`.
        let discovery = match &keys {
            None => discovery_location(&source.issuer).ok().map(|location| {
                (
                    Question::get(location, clusters),
                    Document::new(source.terms),
                )
            }),
            Some(_) => None,
        };
        Self {
            source,
            discovery,
            keys,
        }
    }

    /// The keys, or why they are not there.
    pub fn state(&self, now: Timestamp) -> State<&KeySet> {
        match (&self.keys, &self.discovery) {
            (Some((_, keys)), _) => keys.state(now),
            (None, Some((_, discovery))) => match discovery.state(now) {
                State::Unavailable { retry_after } => State::Unavailable { retry_after },
                State::Usable(_) | State::Coming => State::Coming,
            },
            (None, None) => State::Unavailable {
                retry_after: BACK_OFF_MOST,
            },
        }
    }
}

impl Source for IssuerKeys {
    fn name(&self) -> &str {
        &self.source.issuer
    }

    fn parts(&self) -> &'static [Part] {
        &[Part::Discovery, Part::Keys]
    }

    fn question(&self, part: Part) -> Option<&Question> {
        match part {
            Part::Discovery => self.discovery.as_ref().map(|(question, _)| question),
            _ => self.keys.as_ref().map(|(question, _)| question),
        }
    }

    fn schedule(&mut self, part: Part) -> Option<&mut Schedule> {
        match part {
            Part::Discovery => self
                .discovery
                .as_mut()
                .map(|(_, document)| &mut document.schedule),
            _ => self
                .keys
                .as_mut()
                .map(|(_, document)| &mut document.schedule),
        }
    }

    fn accept(
        &mut self,
        part: Part,
        received: Received<'_>,
        clusters: &Clusters,
    ) -> Result<(), Unfit> {
        match part {
            Part::Discovery => Ok(self.accept_discovery(received, clusters)?),
            _ => Ok(self.accept_keys(received)?),
        }
    }

    fn measure(&self, now: Timestamp, say: &mut dyn FnMut(Metric<'_>, u64)) {
        let keys = self.keys.as_ref().map(|(_, keys)| &keys.schedule);
        if let Some(age) = keys.and_then(|schedule| schedule.age_in_seconds(now)) {
            let issuer = &self.source.issuer;
            say(Metric::KeysAge { issuer }, age);
        }
    }
}

impl IssuerKeys {
    fn accept_discovery(
        &mut self,
        received: Received<'_>,
        clusters: &Clusters,
    ) -> Result<(), DocumentError> {
        let found = read_discovery(received.body, &self.source.issuer, clusters)?;
        if self
            .keys
            .as_ref()
            .is_none_or(|(question, _)| question.location != found)
        {
            let question = Question::get(found.clone(), clusters);
            self.keys = Some((question, Document::new(self.source.terms)));
        }
        if let Some((_, document)) = &mut self.discovery {
            let life = self.source.terms.life(received.fresh_for);
            document.succeeded(found, received.fetched_at, life, received.random);
        }
        Ok(())
    }

    fn accept_keys(&mut self, received: Received<'_>) -> Result<(), DocumentError> {
        let (keys, skipped) = KeySet::parse(received.body)?;
        if let Some((_, document)) = &mut self.keys {
            let life = self.source.terms.life(received.fresh_for);
            document.succeeded(keys, received.fetched_at, life, received.random);
        }
        for skipped in skipped {
            log::info!(
                "key {} of issuer {} is not used: {}",
                skipped.position,
                self.source.issuer,
                skipped.why
            );
        }
        Ok(())
    }
}

fn read_discovery(
    body: &[u8],
    issuer: &str,
    clusters: &Clusters,
) -> Result<Location, DocumentError> {
    let metadata = json::parse_object(body).map_err(|_| DocumentError::NotJson)?;
    if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
        return Err(DocumentError::WrongIssuer);
    }
    let keys = metadata
        .get("jwks_uri")
        .and_then(Value::as_str)
        .ok_or(DocumentError::NoKeysUrl)?;
    let keys = Location::parse(keys)?;
    let home = Location::parse(issuer)?;
    // Where a document may send us is the operator's decision, and never from https down to http.
    let listed = clusters.lists(&keys) && (keys.is_https() || !home.is_https());
    if keys.same_origin(&home) || listed {
        Ok(keys)
    } else {
        Err(DocumentError::ForeignKeys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_is_joined_to_an_issuer_by_one_rule() {
        for (issuer, expected) in [
            (
                "https://idp.test",
                "https://idp.test/.well-known/openid-configuration",
            ),
            (
                "https://idp.test/",
                "https://idp.test/.well-known/openid-configuration",
            ),
            (
                "https://idp.test/realms/a",
                "https://idp.test/realms/a/.well-known/openid-configuration",
            ),
            (
                "https://idp.test/realms/a/",
                "https://idp.test/realms/a/.well-known/openid-configuration",
            ),
        ] {
            assert_eq!(
                discovery_location(issuer).map(|l| l.to_string()),
                Ok(expected.to_owned()),
                "{issuer}"
            );
        }
        for issuer in [
            "",
            "idp.test",
            "https://idp.test/?a=b",
            "https://idp.test/#a",
            "urn:example:issuer",
        ] {
            assert!(discovery_location(issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn a_discovery_document_is_believed_only_about_its_own_issuer_and_places_that_may_be_called() {
        let mut clusters = Clusters::default();
        clusters.add("keys.test", "keys".to_owned());
        let read = |body: &str| read_discovery(body.as_bytes(), "https://idp.test", &clusters);
        let with_keys = |keys: &str| {
            read(&format!(
                r#"{{"issuer":"https://idp.test","jwks_uri":{keys}}}"#
            ))
        };

        for keys in [
            r#""https://idp.test/keys""#,
            r#""https://idp.test:443/keys""#,
            r#""https://keys.test/keys""#,
        ] {
            assert!(with_keys(keys).is_ok(), "{keys}");
        }
        for (keys, error) in [
            (r#""https://other.test/keys""#, DocumentError::ForeignKeys),
            (r#""http://idp.test/keys""#, DocumentError::ForeignKeys),
            (
                r#""https://idp.test:8443/keys""#,
                DocumentError::ForeignKeys,
            ),
            (r#""http://keys.test/keys""#, DocumentError::ForeignKeys),
            (
                r#""http://169.254.169.254/latest/meta-data""#,
                DocumentError::ForeignKeys,
            ),
            (
                r#""https://keys.test:8443/keys""#,
                DocumentError::ForeignKeys,
            ),
            (
                r#""https://idp.test@other.test/keys""#,
                DocumentError::BadKeysUrl(LocationError::UserInfo),
            ),
            (
                r#""https://idp.test/keys\r\nx-a: 1""#,
                DocumentError::BadKeysUrl(LocationError::NotAUrl),
            ),
            (
                r#""/keys""#,
                DocumentError::BadKeysUrl(LocationError::NotAUrl),
            ),
            (r#"["https://idp.test/keys"]"#, DocumentError::NoKeysUrl),
            ("null", DocumentError::NoKeysUrl),
        ] {
            assert_eq!(with_keys(keys), Err(error), "{keys}");
        }
        for (body, error) in [
            (
                r#"{"issuer":"https://idp.test/","jwks_uri":"https://idp.test/keys"}"#,
                DocumentError::WrongIssuer,
            ),
            (
                r#"{"jwks_uri":"https://idp.test/keys"}"#,
                DocumentError::WrongIssuer,
            ),
            (
                r#"{"issuer":"https://idp.test","issuer":"https://evil.test","jwks_uri":"https://idp.test/keys"}"#,
                DocumentError::NotJson,
            ),
            ("<html>", DocumentError::NotJson),
            ("[]", DocumentError::NotJson),
        ] {
            assert_eq!(read(body), Err(error), "{body}");
        }
    }
}
