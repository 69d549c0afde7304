//! What the operator wants, checked: nothing invalid can be said in these types, and nothing downstream checks again.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::endpoint::Endpoints;
use crate::fetch::{ClientCredentials, Clusters, KeySource};
use crate::identity::IdentityHeaders;
use crate::source::SourceAddress;

/// Everything that a request is judged by. Made by `config`, and by nothing else.
#[derive(Debug)]
pub struct Policy {
    /// Which configuration this is.
    pub config_id: ConfigId,
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

/// A short digest of the configuration, so that an edit's effect can be proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigId(String);

impl ConfigId {
    /// The id of a configuration in its canonical text.
    pub fn of(canonical: &[u8]) -> Self {
        let mut digits = base16ct::lower::encode_string(&Sha256::digest(canonical));
        digits.truncate(12);
        Self(digits)
    }

    /// Twelve hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
