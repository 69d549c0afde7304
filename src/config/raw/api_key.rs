//! API keys, and secrets as such.

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use super::DurationText;
use crate::config::field::{Field, unexpected};
use crate::secret::Secret;

/// An API key and whom it belongs to. Written as digest (`tenantgate key new`, `tenantgate key hash`) or taken from the
/// environment it does not stand in Envoy's config dump.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct ApiKey {
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
    /// The time (RFC 3339) from which on it holds. Default: it always did.
    #[serde(default)]
    pub not_before: Field<String>,
    /// The time (RFC 3339) from which on it holds no more. Default: it always holds.
    #[serde(default)]
    pub expires_at: Field<String>,
    /// The names of the endpoints that it may call, of those that take it. Default: all of them.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub endpoints: Field<Vec<Field<String>>>,
    /// The models that it may call: names, or the beginning of names and `*`. Where the path does not say the model, the
    /// body has to, as the member `model` of a JSON object. Default: any.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub models: Field<Vec<Field<String>>>,
}

/// Keys that are fetched: a document `{"version": 1, "keys": [...]}` with entries as under `keys` of an authorizer.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct KeySet {
    /// Where the document is.
    pub uri: Field<String>,
    /// How long it counts as fresh, and so how long a key that was taken out of it goes on working. Default: 30s; from 1s
    /// to 24h.
    #[serde(default)]
    pub refresh: Field<DurationText>,
    /// How long the last good document serves while a newer one cannot be had. Default: 24h; from 1m to 168h.
    #[serde(default)]
    pub max_stale: Field<DurationText>,
    /// How long a fetch may take. Default: 5s; from 100ms to 30s.
    #[serde(default)]
    pub fetch_timeout: Field<DurationText>,
}

/// A text that is not shown.
#[derive(Debug)]
pub struct Hidden(pub Secret);

/// A secret: the text itself, or where it stands.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub enum SecretText {
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
pub struct Variable {
    /// Its name.
    pub env: Field<String>,
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
            object @ Value::Object(_) => Ok(Self::Variable(Field::written(object))),
            other => Err(D::Error::invalid_type(
                unexpected(&other),
                &"a string or `{env: NAME}`",
            )),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl JsonSchema for Hidden {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}
