//! Where a document is: its URL, and the Envoy cluster that reaches it.

use std::collections::HashMap;
use std::fmt;

use jiff::SignedDuration;
use thiserror::Error;
use url::Url;

use crate::host::Callout;
use crate::secret::Secret;

/// Longer than any real address; a document that names its own successor could make it as long as it likes.
const MAX_URL_BYTES: usize = 2048;

/// What an issuer's documents are made of.
const DOCUMENTS: &str = "application/json, application/jwk-set+json";

/// An `http` or `https` URL without anything that has no place in one that a proxy fetches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Location(Url);

/// Why a text is no location.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LocationError {
    /// See the message.
    #[error("is not an absolute URL")]
    NotAUrl,
    /// See the message.
    #[error("must begin with https:// (or http://, where the mesh encrypts)")]
    Scheme,
    /// See the message.
    #[error("must not hold a user name or password")]
    UserInfo,
    /// See the message.
    #[error("must not have a fragment")]
    Fragment,
    /// See the message.
    #[error("names port 0")]
    Port,
}

impl Location {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`LocationError`].
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        // The URL standard removes blanks and line breaks, mends backslashes and decodes hosts; here nothing is to be mended.
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
        if text.len() > MAX_URL_BYTES || !is_plain || authority(text).contains('%') {
            return Err(LocationError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| LocationError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") || !text.contains("://") {
            return Err(LocationError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err(LocationError::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(LocationError::Fragment);
        }
        if url.port() == Some(0) {
            return Err(LocationError::Port);
        }
        Ok(Self(url))
    }

    /// Whether scheme, host and port are the same (RFC 6454 section 4).
    pub fn same_origin(&self, other: &Self) -> bool {
        self.0.origin() == other.0.origin()
    }

    /// Host and, where it is not the scheme's own, port.
    pub fn authority(&self) -> &str {
        self.0.authority()
    }

    /// The host alone.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Whether the document travels encrypted for certain.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The request that gets it.
    pub fn callout(&self, cluster: &str, timeout: SignedDuration) -> Callout {
        let query = self
            .0
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        Callout {
            cluster: cluster.to_owned(),
            scheme: self.0.scheme().to_owned(),
            authority: self.authority().to_owned(),
            path: format!("{}{query}", self.0.path()),
            method: "GET",
            headers: vec![("accept", Secret::new(DOCUMENTS.to_owned()))],
            body: None,
            timeout: timeout.unsigned_abs(),
        }
    }

    /// As one may call it before others: what stands in a query is nobody's business.
    pub fn without_query(&self) -> String {
        let (scheme, authority) = (self.0.scheme(), self.authority());
        format!("{scheme}://{authority}{}", self.0.path())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_str().fmt(f)
    }
}

/// Which Envoy cluster reaches a host. A host that is not listed is the name of its own cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clusters(HashMap<String, String>);

impl Clusters {
    /// Says that a host (`login.example.com`, or with a port `login.example.com:8443`) is reached by that cluster.
    pub fn add(&mut self, host: &str, cluster: String) {
        self.0.insert(host.to_ascii_lowercase(), cluster);
    }

    /// The operator's word that this host may be called, on the port that is listed or else the scheme's own: behind
    /// one cluster, another port can be another virtual host.
    pub fn lists(&self, location: &Location) -> bool {
        self.0.contains_key(location.authority())
    }

    /// The cluster that reaches it.
    pub fn reaching<'a>(&'a self, location: &'a Location) -> &'a str {
        self.listed(location).unwrap_or_else(|| location.host())
    }

    /// The cluster that is listed for where it is; a port of its own comes first.
    pub fn listed(&self, location: &Location) -> Option<&str> {
        self.0
            .get(location.authority())
            .or_else(|| self.0.get(location.host()))
            .map(String::as_str)
    }
}

/// What stands between `//` and the path, unread.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_a_proxy_should_not_fetch_is_no_location() {
        let long = format!("https://idp.test/{}", "a".repeat(3000));
        for (text, error) in [
            ("", LocationError::NotAUrl),
            ("/keys", LocationError::NotAUrl),
            ("https://", LocationError::NotAUrl),
            ("https://idp.test/ke ys", LocationError::NotAUrl),
            ("https://idp.test/keys\r\nx-a: 1", LocationError::NotAUrl),
            ("https:\\\\idp.test\\keys", LocationError::NotAUrl),
            ("https://idp%2etest/keys", LocationError::NotAUrl),
            ("https://IDPK%d2t/keys", LocationError::NotAUrl),
            (&long, LocationError::NotAUrl),
            ("file:///etc/passwd", LocationError::Scheme),
            ("ftp://idp.test/", LocationError::Scheme),
            ("https:idp.test", LocationError::Scheme),
            ("https://a@idp.test/", LocationError::UserInfo),
            ("https://a:b@idp.test/", LocationError::UserInfo),
            ("https://@idp.test/", LocationError::UserInfo),
            ("https://idp.test/#x", LocationError::Fragment),
            ("https://idp.test:0/", LocationError::Port),
        ] {
            assert_eq!(Location::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_host_is_reached_by_the_cluster_that_is_listed_for_it_or_by_its_own_name() {
        let mut clusters = Clusters::default();
        clusters.add("Login.Example.com", "azure_ad".to_owned());
        clusters.add("127.0.0.1:8443", "local".to_owned());
        for (url, cluster, authority, path) in [
            (
                "https://login.example.com/a/b?c=d",
                "azure_ad",
                "login.example.com",
                "/a/b?c=d",
            ),
            (
                "https://login.example.com:443",
                "azure_ad",
                "login.example.com",
                "/",
            ),
            (
                "http://127.0.0.1:8443/keys",
                "local",
                "127.0.0.1:8443",
                "/keys",
            ),
            (
                "http://other.test:81/keys",
                "other.test",
                "other.test:81",
                "/keys",
            ),
        ] {
            let location = Location::parse(url).unwrap();
            let callout =
                location.callout(clusters.reaching(&location), SignedDuration::from_secs(5));
            assert_eq!(
                (
                    callout.cluster.as_str(),
                    callout.authority.as_str(),
                    callout.path.as_str()
                ),
                (cluster, authority, path)
            );
        }
    }
}
