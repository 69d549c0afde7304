//! The credential that the provider sees: a choice by `type`, for all or by tenant.

use std::collections::BTreeMap;

#[cfg(not(target_arch = "wasm32"))]
use schemars::JsonSchema;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Map, Value};

use super::{DurationText, SecretText};
use crate::config::field::{Field, Reading, unexpected};

/// The credential that the model provider sees, in place of the client's.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub enum UpstreamAuth {
    /// The same for all.
    ToAll(UpstreamMethod),
    /// Each tenant its own.
    ByTenant(Field<ByTenant>),
}

/// A credential for each tenant.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct ByTenant {
    /// Tenant to credential. `default` is for tenants that are not named; without it they are refused.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(length(min = 1)))]
    pub by_tenant: Field<BTreeMap<String, Field<UpstreamMethod>>>,
}

/// One credential, or how it is had.
#[derive(Debug)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(untagged))]
pub enum UpstreamMethod {
    /// User name and password.
    Basic(Field<BasicAuth>),
    /// A token that stands here.
    Bearer(Field<BearerAuth>),
    /// A header of the provider's own.
    Header(Field<HeaderAuth>),
    /// A token that is fetched.
    ClientCredentials(Field<ClientCredentialsAuth>),
    /// Something else, and what is wrong about that.
    #[cfg_attr(not(target_arch = "wasm32"), schemars(skip))]
    Unclear {
        /// The member that is at fault.
        member: &'static str,
        message: String,
    },
}

/// `Authorization: Basic` (RFC 7617).
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct BasicAuth {
    #[serde(rename = "type")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(extend("const" = "basic"))
    )]
    pub kind: Field<MethodType>,
    /// The user name, without a colon.
    pub username: Field<SecretText>,
    /// The password.
    pub password: Field<SecretText>,
}

/// `Authorization: Bearer` (RFC 6750).
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct BearerAuth {
    #[serde(rename = "type")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(extend("const" = "bearer"))
    )]
    pub kind: Field<MethodType>,
    /// The token, or an API key that the provider takes in its place; without `Bearer`.
    pub token: Field<SecretText>,
}

/// Any header, such as Azure OpenAI's `api-key`.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct HeaderAuth {
    #[serde(rename = "type")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(extend("const" = "header"))
    )]
    pub kind: Field<MethodType>,
    /// The header's name.
    pub name: Field<String>,
    /// Its whole value.
    pub value: Field<SecretText>,
}

/// A token by the client credentials grant (RFC 6749 section 4.4), fetched early and kept fresh.
#[derive(Debug, serde::Deserialize)]
#[cfg_attr(
    not(target_arch = "wasm32"),
    derive(JsonSchema),
    schemars(deny_unknown_fields)
)]
pub struct ClientCredentialsAuth {
    #[serde(rename = "type")]
    #[cfg_attr(
        not(target_arch = "wasm32"),
        schemars(extend("const" = "oauth2_client_credentials"))
    )]
    pub kind: Field<MethodType>,
    /// The token endpoint. Its host is reached by the cluster that `clusters` names for it.
    pub token_url: Field<String>,
    /// The client's id.
    pub client_id: Field<SecretText>,
    /// The client's secret.
    pub client_secret: Field<SecretText>,
    /// The scope asked for: names separated by spaces. `""` asks for none. Default: `all-apis`.
    #[serde(default)]
    pub scope: Field<String>,
    /// Where id and secret stand in the token request. Default: `body`.
    #[serde(default)]
    pub client_auth: Field<ClientAuth>,
    /// What the token is for, where the server wants to know it so (Auth0). The same as `parameters: {audience: …}`.
    #[serde(default)]
    pub audience: Field<SecretText>,
    /// What the token is for, where the server wants to know it so (RFC 8707). The same as `parameters: {resource: …}`.
    #[serde(default)]
    pub resource: Field<SecretText>,
    /// Other parameters of the token request, name to value.
    #[serde(default)]
    pub parameters: Field<BTreeMap<String, Field<SecretText>>>,
    /// How long a token request may take. Default: 5s; from 100ms to 30s.
    #[serde(default)]
    pub fetch_timeout: Field<DurationText>,
}

/// Where a client's id and secret stand in a token request.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// In the form, as `client_id` and `client_secret`.
    Body,
    /// In `Authorization: Basic`.
    Basic,
}

/// The `type` of a credential.
#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(not(target_arch = "wasm32"), derive(JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum MethodType {
    Basic,
    Bearer,
    Header,
    #[serde(rename = "oauth2_client_credentials")]
    ClientCredentials,
}

impl<'de> Deserialize<'de> for UpstreamAuth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = object(deserializer)?;
        Ok(if members.contains_key("by_tenant") {
            Self::ByTenant(Field::written(Value::Object(members)))
        } else {
            Self::ToAll(method(members))
        })
    }
}

impl<'de> Deserialize<'de> for UpstreamMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = object(deserializer)?;
        Ok(if members.contains_key("by_tenant") {
            Self::Unclear {
                member: "by_tenant",
                message: "cannot stand inside another `by_tenant`".to_owned(),
            }
        } else {
            method(members)
        })
    }
}

fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Object(members) => Ok(members),
        other => Err(D::Error::invalid_type(
            unexpected(&other),
            &"an object such as `{type: bearer, token: {env: NAME}}`",
        )),
    }
}

fn method(members: Map<String, Value>) -> UpstreamMethod {
    let kind = members
        .get("type")
        .map(|value| Field::<MethodType>::written(value.clone()).read());
    let unclear = |message| UpstreamMethod::Unclear {
        member: "type",
        message,
    };
    let members = Value::Object(members);
    match kind {
        Some(Reading::Good { value, .. }) => match value {
            MethodType::Basic => UpstreamMethod::Basic(Field::written(members)),
            MethodType::Bearer => UpstreamMethod::Bearer(Field::written(members)),
            MethodType::Header => UpstreamMethod::Header(Field::written(members)),
            MethodType::ClientCredentials => {
                UpstreamMethod::ClientCredentials(Field::written(members))
            }
        },
        Some(Reading::Bad(message)) => unclear(message),
        None | Some(Reading::Absent) => unclear(
            "is required: `basic`, `bearer`, `header` or `oauth2_client_credentials`; or write `by_tenant`"
                .to_owned(),
        ),
    }
}
