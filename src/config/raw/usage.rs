//! What is told and counted of a call.

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;

use crate::config::field::{Field, unexpected};
#[cfg(not(target_arch = "wasm32"))]
use crate::usage::Format;

/// `auto`, `off`, or the name of a format.
#[derive(Debug)]
pub struct UsageText(pub String);

/// A parser of YAML 1.1, such as Envoy's, takes a bare `off` for false.
impl<'de> Deserialize<'de> for UsageText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            Value::Bool(false) => Ok(Self("off".to_owned())),
            other => Err(D::Error::invalid_type(
                unexpected(&other),
                &"`auto`, `off` or the name of a format",
            )),
        }
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl JsonSchema for UsageText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Usage".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let formats = Format::ALL.map(Format::as_str);
        let words: Vec<_> = ["auto", "off"].into_iter().chain(formats).collect();
        schemars::json_schema!({ "enum": words })
    }
}

/// What is counted beside what always is.
#[derive(Debug, Default, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct Metrics {
    /// For how many tenants requests and tokens are counted each by itself; those of all others together, as `other`. 0,
    /// the default, counts none by itself.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(range(max = 10_000)))]
    pub per_tenant: Field<u64>,
}
