//! What the operator wants, checked: nothing invalid can be said in these types, and nothing downstream checks again.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::endpoint::Endpoints;
use crate::fetch::{ApiKeySource, ClientCredentials, Clusters, KeySource};
use crate::identity::IdentityHeaders;
use crate::source::SourceAddress;

/// Everything that a request is judged by. Made by `config`, and by nothing else.
#[derive(Debug)]
pub struct Policy {
    /// Which configuration this is.
    pub config_id: ShortDigest,
    /// How the identity is told to the model server.
    pub identity_headers: IdentityHeaders,
    /// Which address `allow_from` judges.
    pub source_address: SourceAddress,
    /// What happens to requests that address no endpoint.
    pub unmatched: Unmatched,
    /// How many verified tokens a worker remembers.
    pub token_cache_size: usize,
    /// For how many tenants requests and tokens are counted each by itself.
    pub metered_tenants: usize,
    /// The endpoints.
    pub endpoints: Endpoints,
    /// Where keys come from; a `KeySourceId` is a place in this list.
    pub key_sources: Vec<KeySource>,
    /// Where access tokens come from; a `TokenSourceId` is a place in this list.
    pub token_sources: Vec<ClientCredentials>,
    /// The sets of API keys that are fetched; an `ApiKeySetId` is a place in this list.
    pub key_sets: Vec<ApiKeySource>,
    /// Which Envoy cluster reaches a host.
    pub clusters: Clusters,
}

/// What happens to a request that addresses no endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unmatched {
    /// It is refused.
    #[default]
    Deny,
    /// It goes on without an identity.
    Pass,
}

/// A short digest of a text, so that it can be told which one is in force: the configuration, a key set. The beginning
/// of its SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShortDigest(String);

impl ShortDigest {
    /// The digest of a text: of a configuration, the canonical one.
    pub fn of(text: &[u8]) -> Self {
        let mut digits = base16ct::lower::encode_string(&Sha256::digest(text));
        digits.truncate(12);
        Self(digits)
    }

    /// As a number, which a metric can hold: below 2^48, so that nothing of it is lost where numbers are floating-point.
    pub fn number(&self) -> u64 {
        u64::from_str_radix(&self.0, 16).unwrap_or_default()
    }

    /// Twelve hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ShortDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
