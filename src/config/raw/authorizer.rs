//! What a caller has to show: a choice by `type`.

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::{ApiKey, Oidc};
use crate::config::field::{Field, Reading, unexpected};

/// What a caller has to show.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub enum Authorizer {
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
pub enum Alternative {
    /// An API key.
    ApiKey(Field<ApiKeyAuthorizer>),
    /// A token.
    Oidc(Field<OidcAuthorizer>),
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
pub struct OpenAuthorizer {
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
pub struct ApiKeyAuthorizer {
    #[serde(rename = "type")]
    pub kind: Field<ApiKeyType>,
    /// The keys that are good. Either these or `key_set`.
    #[serde(default)]
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub keys: Field<Vec<Field<ApiKey>>>,
    /// The name of one of the `key_sets`. Either this or `keys`.
    #[serde(default)]
    pub key_set: Field<String>,
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
pub struct OidcAuthorizer {
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
pub struct AnyOfAuthorizer {
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
pub enum OpenType {
    None,
}

/// The word for API keys.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum ApiKeyType {
    ApiKey,
}

/// The word for tokens.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum OidcType {
    Oidc,
}

/// The word for any of several; it may be left out.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum AnyOfType {
    AnyOf,
}

/// A place where a credential may stand: a header, or a query parameter.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct From {
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
            Ok(Kind::None) => Self::Open(Field::written(Value::Object(members))),
            Ok(Kind::AnyOf) => Self::AnyOf(Field::written(Value::Object(members))),
            Ok(Kind::ApiKey) => {
                Self::One(Alternative::ApiKey(Field::written(Value::Object(members))))
            }
            Ok(Kind::Oidc) => Self::One(Alternative::Oidc(Field::written(Value::Object(members)))),
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
            Ok(Kind::ApiKey) => Self::ApiKey(Field::written(Value::Object(members))),
            Ok(Kind::Oidc) => Self::Oidc(Field::written(Value::Object(members))),
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
        .map(|value| Field::<Kind>::written(value.clone()).read())
    {
        None if members.contains_key("any_of") => Ok(Kind::AnyOf),
        Some(Reading::Good { value, .. }) => Ok(value),
        Some(Reading::Bad(message)) => Err(message),
        None | Some(Reading::Absent) => {
            Err("is required: `none`, `api_key` or `oidc`; or write `any_of`".to_owned())
        }
    }
}
