//! The file, field for field. The JSON Schema comes from these types, so the doc comments speak to the operator.
//!
//! Knows types and names only; what a text means is found out in `compile`.

use std::collections::BTreeMap;

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::field::{Field, unexpected};
use crate::authorizer::claim;
use crate::secret::Secret;

/// The plugin configuration of tenantgate: who may call which endpoint, and what the model server is told about them.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct Configuration {
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
pub(super) struct IdentityHeaders {
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
pub(super) enum SourceAddress {
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
pub(super) enum Unmatched {
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
pub(super) struct Endpoint {
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
    /// Methods, in upper case. Any method if left out.
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
    /// Whether the client's credential goes on to the upstream. Default: API keys are removed, JWTs are forwarded.
    #[serde(default)]
    pub forward_credential: Field<bool>,
    /// Lets `%2F` stand inside a capture. Default: false.
    #[serde(default)]
    pub allow_encoded_slash: Field<bool>,
}

/// CORS preflights.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(super) enum Preflight {
    /// They are let through without a credential, and nothing is injected into them.
    Allow,
}

/// What a caller has to show.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub(super) enum Authorizer {
    /// Nothing.
    Open(Field<OpenAuthorizer>),
    /// One kind of credential.
    One(Alternative),
    /// One of several.
    AnyOf(Field<AnyOfAuthorizer>),
}

/// One kind of credential.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub(super) enum Alternative {
    /// An API key.
    ApiKey(Box<Field<ApiKeyAuthorizer>>),
    /// A token.
    Oidc(Box<Field<OidcAuthorizer>>),
    /// Something else, and what is wrong about that.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(skip))]
    Unclear {
        /// The member that is at fault.
        member: &'static str,
        message: String,
    },
}

/// An open endpoint: anyone may call it.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct OpenAuthorizer {
    #[serde(rename = "type")]
    pub kind: Field<OpenType>,
}

/// A key that the caller was given.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct ApiKeyAuthorizer {
    #[serde(rename = "type")]
    pub kind: Field<ApiKeyType>,
    /// The keys that are good.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub keys: Field<Vec<Field<ApiKey>>>,
    /// Where a key may stand. Default: `Authorization: Bearer`, `x-api-key`, `api-key` and `x-goog-api-key`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub from: Field<Vec<Field<From>>>,
}

/// A JSON Web Token of one issuer.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct OidcAuthorizer {
    #[serde(rename = "type")]
    pub kind: Field<OidcType>,
    /// The issuer, and what its tokens must be like.
    pub oidc: Field<Oidc>,
    /// Where a token may stand. Default: `Authorization: Bearer`, `x-api-key`, `api-key` and `x-goog-api-key`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub from: Field<Vec<Field<From>>>,
}

/// Any one of several authorizers.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct AnyOfAuthorizer {
    #[serde(default, rename = "type")]
    pub kind: Field<AnyOfType>,
    /// The authorizers.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub any_of: Field<Vec<Field<Alternative>>>,
}

/// The word for an open endpoint.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub(super) enum OpenType {
    None,
}

/// The word for API keys.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub(super) enum ApiKeyType {
    ApiKey,
}

/// The word for tokens.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub(super) enum OidcType {
    Oidc,
}

/// The word for any of several; it may be left out.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub(super) enum AnyOfType {
    AnyOf,
}

/// An API key and whom it belongs to. Written as digest (`tenantgate key new`, `tenantgate key hash`) or taken from the
/// environment it does not stand in Envoy's config dump.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct ApiKey {
    /// Who calls with it.
    pub client_id: Field<String>,
    /// The key itself. Either this or `key_sha256`.
    #[serde(default)]
    pub key: Field<SecretText>,
    /// The SHA-256 of the key, in hexadecimal. Either this or `key`.
    #[serde(default)]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(regex(pattern = "^[0-9A-Fa-f]{64}$"))
    )]
    pub key_sha256: Field<Hidden>,
    /// The tenant that requests are attributed to. Default: `client_id`.
    #[serde(default)]
    pub tenant_id: Field<String>,
    /// The user, if one is to be told.
    #[serde(default)]
    pub user_id: Field<String>,
    /// The time (RFC 3339) from which on it holds no more. Default: it always holds.
    #[serde(default)]
    pub expires_at: Field<String>,
}

/// A place where a credential may stand: a header, or a query parameter.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct From {
    /// The header's name.
    #[serde(default)]
    pub header: Field<String>,
    /// The authentication scheme that the header's value begins with, such as `Bearer`. Without one the whole value is
    /// the credential.
    #[serde(default)]
    pub scheme: Field<String>,
    /// The query parameter's name.
    #[serde(default)]
    pub query: Field<String>,
}

/// An issuer, and what its tokens must be like.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct Oidc {
    /// `iss`, byte for byte.
    pub issuer: Field<String>,
    /// `aud`: any one of these, byte for byte.
    pub audience: Field<Audience>,
    /// Where the signing keys are. Default: what the issuer's discovery document says.
    #[serde(default)]
    pub jwks_uri: Field<String>,
    /// The signature algorithms allowed: `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`,
    /// `ES384`, `EdDSA`, `Ed25519`.
    /// Default: `RS256`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub algorithms: Field<Vec<Field<String>>>,
    /// What else the claims must say: claim, or dotted path of one, to requirement.
    #[serde(default)]
    pub required_claims: Field<BTreeMap<String, Field<Requirement>>>,
    /// The claim, or dotted path of one, that names the tenant. Default: `tenant_id`.
    #[serde(default)]
    pub tenant_claim: Field<String>,
    /// The claim, or dotted path of one, that names the user. Default: `sub`.
    #[serde(default)]
    pub user_claim: Field<String>,
    /// How far the issuer's clock may be off: `60s`, `1m`, `500ms`. Default: 60s; at most 300s.
    #[serde(default)]
    pub clock_skew: Field<DurationText>,
    /// How long the issuer's keys count as fresh. Default: what its server says in `Cache-Control: max-age`, between 1m
    /// and 1h, and 10m where it says nothing. From 1s to 24h.
    #[serde(default)]
    pub refresh: Field<DurationText>,
    /// How long the last good keys serve while newer ones cannot be had. Default: 24h; from 1m to 168h.
    #[serde(default)]
    pub max_stale: Field<DurationText>,
    /// How often tokens that name an unknown key can cause a refresh. Default: 30s; from 1s to 1h.
    #[serde(default)]
    pub refresh_cooldown: Field<DurationText>,
    /// How long a fetch may take. Default: 5s; from 100ms to 30s.
    #[serde(default)]
    pub fetch_timeout: Field<DurationText>,
}

/// One audience or several.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub(super) enum Audience {
    /// This one.
    One(String),
    /// Any one of these.
    Several(
        #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
        Field<Vec<Field<String>>>,
    ),
}

/// What is required of a claim.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub(super) enum Requirement {
    /// The claim equals this.
    Equals(Scalar),
    /// Each of these is in the claim: an array, or a space-separated string.
    All(
        #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
        Field<Vec<Field<Scalar>>>,
    ),
    /// At least one of some is in the claim.
    AnyOf(Field<AnyOfScalars>),
}

/// At least one of these is in the claim.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct AnyOfScalars {
    /// The values.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub any_of: Field<Vec<Field<Scalar>>>,
}

/// A string, a number, or true or false.
#[derive(Debug)]
pub(super) struct Scalar(pub claim::Scalar);

/// A number with its unit.
#[derive(Debug)]
pub(super) struct DurationText(pub String);

/// A text that is not shown.
#[derive(Debug)]
pub(super) struct Hidden(pub Secret);

/// A secret: the text itself, or where it stands.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub(super) enum SecretText {
    /// The text itself. It can be read in Envoy's config dump.
    Written(Hidden),
    /// A variable of the VM's environment.
    Variable(Field<Variable>),
}

/// A variable of the VM's environment (`vm_config.environment_variables`).
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub(super) struct Variable {
    /// Its name.
    pub env: Field<String>,
}

/// The `type` of an authorizer.
#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    None,
    ApiKey,
    Oidc,
    AnyOf,
}

impl<'de> Deserialize<'de> for Authorizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = object(deserializer, "an object such as `{type: none}`")?;
        Ok(match kind(&members) {
            Ok(Kind::None) => Self::Open(Field::read(Value::Object(members))),
            Ok(Kind::AnyOf) => Self::AnyOf(Field::read(Value::Object(members))),
            Ok(Kind::ApiKey) => Self::One(Alternative::ApiKey(Box::new(Field::read(
                Value::Object(members),
            )))),
            Ok(Kind::Oidc) => Self::One(Alternative::Oidc(Box::new(Field::read(Value::Object(
                members,
            ))))),
            Err(message) => Self::One(Alternative::Unclear {
                member: "type",
                message,
            }),
        })
    }
}

impl<'de> Deserialize<'de> for Alternative {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = object(
            deserializer,
            "an object with `type: api_key` or `type: oidc`",
        )?;
        let unclear = |member, message: &str| Self::Unclear {
            member,
            message: message.to_owned(),
        };
        Ok(match kind(&members) {
            Ok(Kind::ApiKey) => Self::ApiKey(Box::new(Field::read(Value::Object(members)))),
            Ok(Kind::Oidc) => Self::Oidc(Box::new(Field::read(Value::Object(members)))),
            Ok(Kind::None) => unclear(
                "type",
                "`none` beside others would open the endpoint to all; use it alone or not",
            ),
            Ok(Kind::AnyOf) => unclear(
                "any_of",
                "cannot stand inside another `any_of`; write all in one list",
            ),
            Err(message) => unclear("type", &message),
        })
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::One(text)),
            list @ Value::Array(_) => Ok(Self::Several(Field::read(list))),
            other => Err(D::Error::invalid_type(
                unexpected(&other),
                &"a string or a list of strings",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Requirement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            list @ Value::Array(_) => Ok(Self::All(Field::read(list))),
            object @ Value::Object(_) => Ok(Self::AnyOf(Field::read(object))),
            other => {
                const EXPECTED: &str =
                    "a string, a number, true, false, a list of these, or `{any_of: [...]}`";
                let found = unexpected(&other);
                scalar(other)
                    .map(Self::Equals)
                    .ok_or_else(|| D::Error::invalid_type(found, &EXPECTED))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let found = unexpected(&value);
        scalar(value)
            .ok_or_else(|| D::Error::invalid_type(found, &"a string, a number, true or false"))
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            other => Err(D::Error::invalid_type(
                unexpected(&other),
                &"a duration with its unit, such as `60s`",
            )),
        }
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::Written(Hidden(Secret::new(text)))),
            object @ Value::Object(_) => Ok(Self::Variable(Field::read(object))),
            other => Err(D::Error::invalid_type(
                unexpected(&other),
                &"a string or `{env: NAME}`",
            )),
        }
    }
}

fn object<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: &str,
) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(members) => Ok(members),
        other => Err(D::Error::invalid_type(unexpected(&other), &expected)),
    }
}

/// `any_of` speaks for itself; everything else has to say what it is.
fn kind(members: &Map<String, Value>) -> Result<Kind, String> {
    match members
        .get("type")
        .map(|value| Field::<Kind>::read(value.clone()))
    {
        None if members.contains_key("any_of") => Ok(Kind::AnyOf),
        Some(Field::Read { value, .. }) => Ok(value),
        Some(Field::Bad(message)) => Err(message),
        None | Some(Field::Absent) => {
            Err("is required: `none`, `api_key` or `oidc`; or write `any_of`".to_owned())
        }
    }
}

fn scalar(value: Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar(claim::Scalar::Text(text))),
        Value::Number(number) => Some(Scalar(claim::Scalar::Number(number))),
        Value::Bool(flag) => Some(Scalar(claim::Scalar::Bool(flag))),
        _ => None,
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod schemas {
    //! Of the types that serde cannot be asked about.

    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{DurationText, Hidden, Scalar};

    impl JsonSchema for Scalar {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Scalar".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": ["string", "number", "boolean"]})
        }
    }

    impl JsonSchema for DurationText {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Duration".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "examples": ["60s", "1m", "500ms"]})
        }
    }

    impl JsonSchema for Hidden {
        fn inline_schema() -> bool {
            true
        }

        fn schema_name() -> Cow<'static, str> {
            "Secret".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string"})
        }
    }
}
