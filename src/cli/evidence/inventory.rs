//! What a pack knows: the gate's configuration with every default filled in, and what Envoy serves around it.
//!
//! The JSON of a pack is made of these types and read back into them. Nothing here can hold a secret: what was one is a
//! [`Hidden`], which says where it stands or what it is known by.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::topology::Topology;

/// The form of the JSON. Another number is another form, which this command cannot read.
pub(super) const FORMAT: u32 = 1;

/// Everything that the pages of a pack are made of, but for what was asked and answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Inventory {
    pub format: u32,
    /// `YYYY-MM-DD`.
    pub date: String,
    pub config_id: String,
    /// What it was read from: the name of a file, or the URL of an admin interface.
    pub source: String,
    pub configuration: Configuration,
    /// What Envoy serves; `null` where only the plugin configuration was given.
    pub envoy: Option<Topology>,
    /// What Envoy serves and no endpoint protects.
    pub gaps: Vec<Gap>,
}

/// The plugin configuration in force, defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Configuration {
    pub clusters: BTreeMap<String, String>,
    pub identity_headers: BTreeMap<String, String>,
    pub source_address: String,
    pub unmatched: String,
    pub token_cache_size: u64,
    /// Sets of keys that the gate fetches, by name.
    pub key_sets: BTreeMap<String, KeySet>,
    pub metrics: BTreeMap<String, u64>,
    pub endpoints: Vec<Endpoint>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Endpoint {
    pub name: String,
    /// `*` where any host will do.
    pub hosts: Vec<String>,
    pub path: String,
    /// `*` where any method will do.
    pub methods: Vec<String>,
    /// `null` where any address may call.
    pub allow_from: Option<Vec<String>>,
    /// Any one of these lets a caller in.
    pub authorizers: Vec<Authorizer>,
    pub preflight: bool,
    pub forward_credential: Forwarded,
    pub upstream_auth: Option<UpstreamAuth>,
    pub usage: String,
    pub allow_encoded_slash: bool,
    /// The clusters that its requests are routed to, as far as the configuration tells.
    pub routed_to: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Authorizer {
    /// Anyone may call.
    None,
    ApiKey {
        keys: Vec<ApiKey>,
        /// The name of the key set whose keys let a caller in, in place of those.
        key_set: Option<String>,
        from: Vec<String>,
    },
    Oidc {
        oidc: Box<Oidc>,
        from: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ApiKey {
    pub client_id: String,
    pub tenant_id: String,
    pub user_id: Option<String>,
    pub key: Hidden,
    /// The key itself stands in the configuration, for whoever can read that.
    pub in_clear: bool,
    /// RFC 3339; `null` where it always held.
    pub not_before: Option<String>,
    /// RFC 3339; `null` where it never ends.
    pub expires_at: Option<String>,
    /// `null` where it may call all that take it.
    pub endpoints: Option<Vec<String>>,
    /// `null` where it may call any.
    pub models: Option<Vec<String>>,
}

/// Keys that are kept somewhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeySet {
    /// Without its query.
    pub uri: String,
    /// How long a key goes on working that was taken out of the set.
    pub refresh: Option<String>,
    pub max_stale: String,
    pub fetch_timeout: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Oidc {
    pub issuer: String,
    pub audience: Vec<String>,
    /// Without its query; `null` where it is found by discovery.
    pub jwks_uri: Option<String>,
    pub algorithms: Vec<String>,
    /// Claim to requirement, in the words of the configuration.
    pub required_claims: BTreeMap<String, String>,
    pub tenant_claim: String,
    pub user_claim: String,
    pub clock_skew: String,
    /// `null` where the issuer's server says so.
    pub refresh: Option<String>,
    pub max_stale: String,
    pub refresh_cooldown: String,
    pub fetch_timeout: String,
}

/// Whether a client's credential goes on to the model server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forwarded {
    pub api_keys: bool,
    pub tokens: bool,
}

/// The credential that the model server sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum UpstreamAuth {
    ByTenant { by_tenant: BTreeMap<String, Method> },
    ToAll(Method),
}

/// Its type, and its other members: what is secret among them, hidden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Method {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(flatten)]
    pub members: BTreeMap<String, Member>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Member {
    Text(String),
    Parameters(BTreeMap<String, Hidden>),
}

/// What stands for a secret: `env NAME` where it comes from the environment, `sha256:1a2b3c4d…` where a digest of it is
/// kept, `[redacted]` where it is written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hidden(pub String);

/// Something that Envoy serves and that no endpoint protects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Gap {
    pub kind: GapKind,
    pub listener: String,
    /// What is served there: a virtual host and a route of it, or connections.
    pub what: String,
    /// Where it leads.
    pub to: Vec<String>,
}

/// In order of weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum GapKind {
    /// The listener does not have the filter.
    NoFilter,
    /// The route, its virtual host or the filter itself turns the filter off.
    FilterOff,
    /// The filter is there, with another configuration than the one that the pack is about.
    OtherConfiguration,
    /// No endpoint covers the route, and such requests pass.
    Unjudged,
    /// Requests are routed by another host than they are judged by: the endpoint that covers a route may not guard it.
    OtherHost,
    /// No endpoint covers the route, and such requests are refused: nobody can call what is there.
    Refused,
    /// Which routes there are is told to Envoy by somebody else.
    RoutesUnknown,
}

impl GapKind {
    /// Whether a model server may be called there without a credential.
    pub fn is_open(self) -> bool {
        match self {
            Self::NoFilter | Self::FilterOff | Self::Unjudged | Self::OtherHost => true,
            Self::OtherConfiguration | Self::Refused | Self::RoutesUnknown => false,
        }
    }

    /// What it means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NoFilter => "the listener has no tenantgate filter: requests pass unjudged",
            Self::FilterOff => "the filter is turned off here: requests pass unjudged",
            Self::OtherConfiguration => {
                "the filter here has another configuration, which this pack does not describe"
            }
            Self::Unjudged => "no endpoint covers it, and unmatched: pass lets such requests pass",
            Self::OtherHost => {
                "a host with a port or a final dot is judged without and routed with it: set ignore_port_in_host_matching and \
                 strip_trailing_host_dot"
            }
            Self::Refused => "no endpoint covers it: every request is refused with 404",
            Self::RoutesUnknown => {
                "the routes come from elsewhere (RDS); take the pack from the admin interface to see them"
            }
        }
    }
}

impl Endpoint {
    /// Whether anyone may call it.
    pub fn is_open(&self) -> bool {
        self.authorizers.contains(&Authorizer::None)
    }
}

impl Inventory {
    /// The endpoints that anyone may call.
    pub fn open(&self) -> impl Iterator<Item = &Endpoint> {
        self.configuration
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.is_open())
    }

    /// The gaps through which a model server may be called without a credential.
    pub fn open_gaps(&self) -> impl Iterator<Item = &Gap> {
        self.gaps.iter().filter(|gap| gap.kind.is_open())
    }
}

impl Hidden {
    /// A secret that is written in the configuration.
    pub const REDACTED: &str = "[redacted]";
}
