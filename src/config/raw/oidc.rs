//! Issuers and their tokens.

use std::collections::BTreeMap;

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use crate::authorizer::claim;
use crate::config::field::{Field, unexpected};

/// An issuer, and what its tokens must be like.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct Oidc {
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
pub enum Audience {
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
pub enum Requirement {
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
pub struct AnyOfScalars {
    /// The values.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub any_of: Field<Vec<Field<Scalar>>>,
}

/// A string, a number, or true or false.
#[derive(Debug)]
pub struct Scalar(pub claim::Scalar);

/// A number with its unit.
#[derive(Debug)]
pub struct DurationText(pub String);

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self::One(text)),
            list @ Value::Array(_) => Ok(Self::Several(Field::written(list))),
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
            list @ Value::Array(_) => Ok(Self::All(Field::written(list))),
            object @ Value::Object(_) => Ok(Self::AnyOf(Field::written(object))),
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

fn scalar(value: Value) -> Option<Scalar> {
    match value {
        Value::String(text) => Some(Scalar(claim::Scalar::Text(text))),
        Value::Number(number) => Some(Scalar(claim::Scalar::Number(number))),
        Value::Bool(flag) => Some(Scalar(claim::Scalar::Bool(flag))),
        _ => None,
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "number", "boolean"]})
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "examples": ["60s", "1m", "500ms"]})
    }
}
