//! The file, field for field. The JSON Schema comes from these types, so the doc comments speak to the operator.
//!
//! Knows types and names only; what a text means is found out in `compile`.

mod api_key;
mod authorizer;
mod oidc;
mod upstream;
mod usage;

use std::collections::BTreeMap;

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;

use super::field::Field;
pub use api_key::{ApiKey, Hidden, KeySet, SecretText};
pub use authorizer::{Alternative, AnyOfAuthorizer, Authorizer, From, OidcAuthorizer};
pub use oidc::{Audience, DurationText, Oidc, Requirement, Scalar};
pub use upstream::{
    BasicAuth, BearerAuth, ByTenant, ClientAuth, ClientCredentialsAuth, HeaderAuth, UpstreamAuth,
    UpstreamMethod,
};
pub use usage::{Metrics, UsageText};

/// The plugin configuration of tenantgate: who may call which endpoint, and what the model server is told about them.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct Configuration {
    /// Which Envoy cluster reaches a host that the filter itself calls: host, or host:port, to cluster name. A host
    /// that is not listed is its own cluster name.
    #[serde(default)]
    pub clusters: Field<BTreeMap<String, Field<String>>>,
    /// The request headers that tell the model server who calls. What a client sends under these names is always
    /// removed.
    #[serde(default)]
    pub identity_headers: Field<IdentityHeaders>,
    /// Which address `allow_from` judges. Default: `peer`.
    #[serde(default)]
    pub source_address: Field<SourceAddress>,
    /// What happens to requests that address no endpoint. Default: `deny`.
    #[serde(default)]
    pub unmatched: Field<Unmatched>,
    /// How many verified tokens each worker remembers; 0 turns it off. Default: 4096.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(max = 1_000_000)))]
    pub token_cache_size: Field<u64>,
    /// Keys that are fetched, by a name that authorizers call them by (`key_set: NAME`).
    #[serde(default)]
    pub key_sets: Field<BTreeMap<String, Field<KeySet>>>,
    /// What is counted beside what always is.
    #[serde(default)]
    pub metrics: Field<Metrics>,
    /// The endpoints. The most specific host decides, then the most specific path, then the method.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub endpoints: Field<Vec<Field<Endpoint>>>,
}

/// Header names.
#[derive(Debug, Default, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct IdentityHeaders {
    /// Carries the tenant. Default: `x-tenant-id`.
    #[serde(default)]
    pub tenant: Field<String>,
    /// Carries the user. Off until named.
    #[serde(default)]
    pub user: Field<String>,
    /// Carries the client. Off until named.
    #[serde(default)]
    pub client: Field<String>,
    /// Carries the endpoint's name. Off until named.
    #[serde(default)]
    pub endpoint: Field<String>,
}

/// Which address is judged.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SourceAddress {
    /// The TCP peer.
    Peer,
    /// Whatever Envoy takes for the caller, from `X-Forwarded-For` if it is so configured. Only where
    /// `xff_num_trusted_hops` or the like is set: otherwise the caller chooses it.
    Forwarded,
}

/// What happens to requests that address no endpoint.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Unmatched {
    /// They are refused with status 404.
    Deny,
    /// They go on without credential and without identity.
    Pass,
}

/// What is called, and who may call it.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct Endpoint {
    /// Unique; the `endpoint` of logs and metrics.
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(regex(pattern = "^[A-Za-z0-9._-]{1,128}$"))
    )]
    pub name: Field<String>,
    /// Hosts that it answers on: `api.example.com`, or `*.example.com` for all below. Any host if left out.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub hosts: Field<Vec<Field<String>>>,
    /// Path, as an URI template: exact, `*` one segment, `**` the rest, `{name}` captured, and literal text around a
    /// capture: `/v1beta/models/{model}:generateContent`.
    pub path: Field<String>,
    /// Methods, in upper case. Any method but `TRACE` if left out.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub methods: Field<Vec<Field<String>>>,
    /// Networks that may call, in CIDR notation. Any if left out; an empty list lets nobody.
    #[serde(default)]
    pub allow_from: Field<Vec<Field<String>>>,
    /// What a caller has to show. An open endpoint is written `authorizer: {type: none}`.
    pub authorizer: Field<Authorizer>,
    /// Lets a CORS preflight through without a credential. Off unless written.
    #[serde(default)]
    pub preflight: Field<Preflight>,
    /// The credential that the model provider sees, in place of the client's: `{type: bearer, token: {env: NAME}}`,
    /// `basic`, `header` or `oauth2_client_credentials`; or one for each tenant, as `{by_tenant: {…}}`.
    #[serde(default)]
    pub upstream_auth: Field<UpstreamAuth>,
    /// Whether the client's credential goes on to the upstream. Default: API keys are removed, JWTs are forwarded; where
    /// there is an `upstream_auth`, neither is.
    #[serde(default)]
    pub forward_credential: Field<bool>,
    /// Whether what a call uses is read from what streams by, its model and its tokens, and in which format: `auto` goes
    /// by the path, `off` does not read anything, and the name of a format says it where no path does: `openai`,
    /// `completions`, `rerank`, `responses`, `media`, `anthropic`, `gemini`, `interactions`, `vertex-predict`, `converse`,
    /// `bedrock-invoke`, `ollama`, `cohere`, `kserve-v1`, `kserve-v2`, `tgi`, `tei`, `llama.cpp`. Default: `auto`.
    #[serde(default)]
    pub usage: Field<UsageText>,
    /// Lets `%2F` stand inside a capture. Default: false.
    #[serde(default)]
    pub allow_encoded_slash: Field<bool>,
}

/// CORS preflights.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preflight {
    /// They are let through without a credential, and nothing is injected into them.
    Allow,
}
