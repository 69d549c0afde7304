//! The JSON Schema of the plugin configuration: from the types of `raw`, with what doc comments cannot say.
//!
//! The types know no defaults, since what is left out is told apart from what is written, and no examples. Tests hold both
//! against the compiler.

use serde_json::{Map, Value, json};

use super::raw;

/// What a field is taken to say where it is left out: its type, its name, and JSON.
const DEFAULTS: [(&str, &str, &str); 20] = [
    ("Configuration", "source_address", r#""peer""#),
    ("Configuration", "unmatched", r#""deny""#),
    ("Configuration", "token_cache_size", "4096"),
    ("IdentityHeaders", "tenant", r#""x-tenant-id""#),
    ("Metrics", "per_tenant", "0"),
    ("Endpoint", "usage", r#""auto""#),
    ("Endpoint", "allow_encoded_slash", "false"),
    ("ApiKeyAuthorizer", "from", FROM),
    ("OidcAuthorizer", "from", FROM),
    ("Oidc", "algorithms", r#"["RS256"]"#),
    ("Oidc", "tenant_claim", r#""tenant_id""#),
    ("Oidc", "user_claim", r#""sub""#),
    ("Oidc", "clock_skew", r#""60s""#),
    ("Oidc", "max_stale", r#""24h""#),
    ("Oidc", "refresh_cooldown", r#""30s""#),
    ("Oidc", "fetch_timeout", r#""5s""#),
    ("ClientCredentialsAuth", "scope", r#""all-apis""#),
    ("ClientCredentialsAuth", "client_auth", r#""body""#),
    ("ClientCredentialsAuth", "fetch_timeout", r#""5s""#),
    ("AnyOfAuthorizer", "type", r#""any_of""#),
];
const FROM: &str = r#"[{"header": "authorization", "scheme": "Bearer"}, {"header": "x-api-key"}, {"header": "api-key"}, {"header": "x-goog-api-key"}]"#;

/// What a field may say.
const EXAMPLES: [(&str, &str, &str); 14] = [
    (
        "Configuration",
        "clusters",
        r#"{"login.example.com": "azure_ad"}"#,
    ),
    ("Endpoint", "name", r#""chat""#),
    (
        "Endpoint",
        "hosts",
        r#"["api.example.com", "*.models.example.com"]"#,
    ),
    ("Endpoint", "path", r#""/v1/models/{model}/infer""#),
    ("Endpoint", "methods", r#"["POST"]"#),
    (
        "Endpoint",
        "allow_from",
        r#"["10.0.0.0/8", "2001:db8::/32"]"#,
    ),
    ("ApiKey", "client_id", r#""batch""#),
    ("ApiKey", "key", r#"{"env": "BATCH_KEY"}"#),
    ("ApiKey", "expires_at", r#""2027-01-01T00:00:00Z""#),
    (
        "Oidc",
        "issuer",
        r#""https://login.example.com/TENANT/v2.0""#,
    ),
    ("Oidc", "audience", r#""api://CLIENT""#),
    (
        "Oidc",
        "required_claims",
        r#"{"scp": ["api.access"], "roles": {"any_of": ["reader", "writer"]}}"#,
    ),
    (
        "ClientCredentialsAuth",
        "token_url",
        r#""https://auth.example.com/oauth/token""#,
    ),
    (
        "ClientCredentialsAuth",
        "client_secret",
        r#"{"env": "PROVIDER_SECRET"}"#,
    ),
];

/// The JSON Schema of the plugin configuration.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(raw::Configuration).to_value();
    for (owner, field, value) in DEFAULTS {
        annotate(&mut schema, owner, field, "default", parsed(value));
    }
    for (owner, field, value) in EXAMPLES {
        annotate(
            &mut schema,
            owner,
            field,
            "examples",
            json!([parsed(value)]),
        );
    }
    schema
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

/// The properties of a type: the configuration itself, or one of those that it is made of.
fn properties<'s>(schema: &'s mut Value, owner: &str) -> Option<&'s mut Map<String, Value>> {
    let owner = if owner == "Configuration" {
        schema
    } else {
        schema.get_mut("$defs")?.get_mut(owner)?
    };
    owner.get_mut("properties")?.as_object_mut()
}

fn annotate(schema: &mut Value, owner: &str, field: &str, keyword: &str, value: Value) {
    let field = properties(schema, owner).and_then(|properties| properties.get_mut(field));
    if let Some(field) = field.and_then(Value::as_object_mut) {
        field.insert(keyword.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "a test fails by panicking"
    )]

    use super::*;
    use crate::config::compile;

    /// One configuration that has all of the types, and as little as possible of their fields.
    const LEAST: &str = r#"{
        "identity_headers": {}, "metrics": {},
        "endpoints": [
            {"name": "a", "path": "/a", "authorizer": {"any_of": [
                {"type": "api_key", "keys": [{"client_id": "c", "key": "a-key-of-a-client"}]},
                {"type": "oidc", "oidc": {"issuer": "https://login.example.com", "audience": "api"}}
            ]}},
            {"name": "b", "path": "/b", "authorizer": {"type": "none"}, "upstream_auth": {
                "type": "oauth2_client_credentials", "token_url": "https://auth.example.com/token",
                "client_id": "c", "client_secret": "s"}}
        ]
    }"#;

    /// Where each type is in it.
    const PLACES: [(&str, &str); 9] = [
        ("Configuration", ""),
        ("IdentityHeaders", "/identity_headers"),
        ("Metrics", "/metrics"),
        ("Endpoint", "/endpoints/0"),
        ("AnyOfAuthorizer", "/endpoints/0/authorizer"),
        ("ApiKeyAuthorizer", "/endpoints/0/authorizer/any_of/0"),
        ("OidcAuthorizer", "/endpoints/0/authorizer/any_of/1"),
        ("Oidc", "/endpoints/0/authorizer/any_of/1/oidc"),
        ("ClientCredentialsAuth", "/endpoints/1/upstream_auth"),
    ];

    /// The words of a policy, since the order of its sets is any.
    fn policy(document: Value) -> Vec<String> {
        let policy = compile(document, &|_: &str| Some("a-value".to_owned())).expect("a policy");
        // It differs with every byte of the document.
        let text = format!("{policy:?}").replace(policy.config_id.as_str(), "");
        let mut words: Vec<String> = text
            .split([' ', '{', '}', ','])
            .map(str::to_owned)
            .collect();
        words.sort_unstable();
        words
    }

    #[test]
    fn a_default_written_out_changes_nothing_and_another_value_does() {
        for (owner, field, value) in DEFAULTS {
            let (_, place) = PLACES
                .iter()
                .find(|(name, _)| *name == owner)
                .expect("a place");
            let mut written = parsed(LEAST);
            let object = written.pointer_mut(place).and_then(Value::as_object_mut);
            let before = object
                .expect("an object")
                .insert(field.to_owned(), parsed(value));
            assert_eq!(
                before, None,
                "{owner}.{field} is in the least configuration"
            );
            assert_eq!(policy(written), policy(parsed(LEAST)), "{owner}.{field}");
        }
        let mut other = parsed(LEAST);
        other["token_cache_size"] = json!(4095);
        assert_ne!(policy(other), policy(parsed(LEAST)));
    }

    #[test]
    fn every_annotation_is_of_a_field_that_there_is() {
        let mut schema = schema();
        let defaults = DEFAULTS
            .iter()
            .map(|(owner, field, _)| (owner, field, "default"));
        let examples = EXAMPLES
            .iter()
            .map(|(owner, field, _)| (owner, field, "examples"));
        for (owner, field, keyword) in defaults.chain(examples) {
            let properties = properties(&mut schema, owner).expect("a type with fields");
            assert!(
                properties[*field].get(keyword).is_some(),
                "{owner}.{field}: {keyword}"
            );
        }
    }

    #[test]
    fn an_example_is_taken() {
        for (owner, field, value) in EXAMPLES {
            let mut document = parsed(LEAST);
            let place = PLACES.iter().find(|(name, _)| *name == owner);
            let place = place.map_or("/endpoints/0/authorizer/any_of/0/keys/0", |(_, place)| {
                place
            });
            let object = document.pointer_mut(place).and_then(Value::as_object_mut);
            object
                .expect("an object")
                .insert(field.to_owned(), parsed(value));
            policy(document);
        }
    }
}
