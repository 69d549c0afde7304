//! The gate that is soaked: its endpoints, who may call them, and what an edit changes about that.

use serde_json::{Value, json};
use tenantgate::authorizer::api_key::KeyDigest;

use crate::world::{EDITED_ENDPOINTS, EDITED_KEYS, Edition, KeySet, Moment, SET_KEYS};

/// How many API keys stay throughout.
pub const STEADY_KEYS: usize = 16;
/// The issuer, as `iss` names it.
pub const ISSUER: &str = "https://issuer.test";
/// The audience that is always taken, and the one that comes and goes.
pub const AUDIENCES: [&str; 2] = ["api://models", "api://second"];
/// What the provider with a credential of its own is shown.
pub const PROVIDER_SECRET: &str = "sk-canary-of-the-provider";
/// What the token endpoint is shown.
pub const CLIENT_SECRET: &str = "canary-client-secret";
/// How long the issuer's documents are fresh, and how often unknown keys can have them fetched anew, in milliseconds.
pub const KEYS_FRESH_MS: u64 = 3000;
pub const COOLDOWN_MS: u64 = 1000;
/// How long the key set is fresh, in milliseconds.
pub const KEY_SET_FRESH_MS: u64 = 1000;
/// How long an access token for the provider is good, in seconds.
pub const LOAN_SECONDS: u64 = 30;

/// A key that nobody can guess who has seen the others.
fn key(name: &str, number: usize) -> String {
    let digest = KeyDigest::of(format!("{name}-{number}").as_bytes()).to_string();
    format!("sk-canary-{name}-{number}-{}", &digest[..16])
}

/// The keys of the run, by what they are for.
pub struct Keys {
    pub steady: Vec<String>,
    /// They come and go with the configuration.
    pub edited: Vec<String>,
    /// They come and go with the key set.
    pub fetched: Vec<String>,
    /// Its tenant changes with each edition.
    pub moving: String,
    /// May call one endpoint.
    pub narrow: String,
    /// May call small models.
    pub modest: String,
    pub expired: String,
    /// Holds from 2099 on.
    pub early: String,
    /// Expires while the soak runs.
    pub expiring: String,
    pub expires: Moment,
}

impl Keys {
    /// Those of a run that has a key expire then: a whole second.
    pub fn expiring_at(expires: Moment) -> Self {
        let several = |name, count| (0..count).map(|number| key(name, number)).collect();
        Self {
            steady: several("steady", STEADY_KEYS),
            edited: several("edited", EDITED_KEYS),
            fetched: several("fetched", SET_KEYS),
            moving: key("moving", 0),
            narrow: key("narrow", 0),
            modest: key("modest", 0),
            expired: key("expired", 0),
            early: key("early", 0),
            expiring: key("expiring", 0),
            expires,
        }
    }

    /// The document of the key set.
    pub fn document(&self, set: KeySet) -> String {
        let entry = |(number, key): (usize, &String)| {
            let digest = KeyDigest::of(key.as_bytes()).to_string();
            json!({ "client_id": format!("fetched-{number}"), "key_sha256": digest })
        };
        let numbered = self.fetched.iter().enumerate();
        let keys: Vec<_> = numbered.filter(|(key, _)| set[*key]).map(entry).collect();
        json!({ "version": 1, "keys": keys }).to_string()
    }

    fn entries(&self, edition: &Edition) -> Vec<Value> {
        let entry = |key: &str, tenant: &str, more: Value| {
            let mut entry = json!({
                "client_id": format!("client-of-{tenant}"), "tenant_id": tenant,
                "key_sha256": KeyDigest::of(key.as_bytes()).to_string(),
            });
            let Value::Object(more) = more else {
                return entry;
            };
            entry.as_object_mut().expect("an object").extend(more);
            entry
        };
        let steady = self.steady.iter().enumerate();
        let steady = steady.map(|(number, key)| {
            // Every other one has a user.
            let user = (number % 2 == 1).then(|| json!({ "user_id": format!("user-{number}") }));
            entry(key, &format!("steady-{number}"), user.unwrap_or_default())
        });
        let edited = self.edited.iter().enumerate();
        let edited = edited
            .filter(|(number, _)| edition.keys[*number])
            .map(|(number, key)| entry(key, &format!("edited-{number}"), Value::Null));
        let expires = jiff::Timestamp::from_millisecond(i64::try_from(self.expires.0).unwrap_or(0));
        let expires = expires.expect("a time").to_string();
        let special = [
            entry(
                &self.moving,
                &format!("edition-{}", edition.number),
                Value::Null,
            ),
            entry(&self.narrow, "narrow", json!({ "endpoints": ["chat"] })),
            entry(&self.modest, "modest", json!({ "models": ["small-*"] })),
            entry(
                &self.expired,
                "expired",
                json!({ "expires_at": "2020-01-01T00:00:00Z" }),
            ),
            entry(
                &self.early,
                "early",
                json!({ "not_before": "2099-01-01T00:00:00Z" }),
            ),
            entry(&self.expiring, "expiring", json!({ "expires_at": expires })),
        ];
        steady.chain(edited).chain(special).collect()
    }

    /// The plugin configuration of an edition.
    pub fn plugin(&self, edition: &Edition) -> Value {
        let by_key = json!({ "type": "api_key", "keys": self.entries(edition) });
        let audiences = &AUDIENCES[..=usize::from(edition.second_audience)];
        let issuer = json!({
            "issuer": ISSUER, "audience": audiences, "clock_skew": "1s",
            "algorithms": ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
            "refresh": format!("{KEYS_FRESH_MS}ms"), "refresh_cooldown": format!("{COOLDOWN_MS}ms"),
            "fetch_timeout": "2s",
        });
        let by_token = json!({ "type": "oidc", "oidc": issuer });
        let mut scoped = issuer.clone();
        scoped["required_claims"] = json!({ "scope": ["models.use"] });
        let endpoint = |name: &str, path: &str, authorizer: &Value| json!({ "name": name, "path": path, "authorizer": authorizer });
        let with = |mut endpoint: Value, member: &str, value: Value| {
            endpoint[member] = value;
            endpoint
        };
        let mut endpoints = vec![
            endpoint("chat", "/v1/chat/completions", &by_key),
            endpoint(
                "fetched",
                "/v1/fetched",
                &json!({ "type": "api_key", "key_set": "clients" }),
            ),
            endpoint("infer", "/v1/models/{model}/infer", &by_token),
            endpoint(
                "scoped",
                "/v1/scoped",
                &json!({ "type": "oidc", "oidc": scoped }),
            ),
            endpoint(
                "either",
                "/v1/either",
                &json!({ "type": "any_of", "any_of": [by_key, by_token] }),
            ),
            endpoint("health", "/healthz", &json!({ "type": "none" })),
            with(
                endpoint(
                    "provider",
                    "/v1/provider",
                    &json!({ "type": "any_of", "any_of": [by_key, by_token] }),
                ),
                "upstream_auth",
                json!({ "type": "bearer", "token": { "env": "PROVIDER_SECRET" } }),
            ),
            with(
                endpoint("lent", "/v1/lent", &by_key),
                "upstream_auth",
                json!({
                    "type": "oauth2_client_credentials", "token_url": "https://auth.test/oauth/token",
                    "client_id": "gate", "client_secret": { "env": "CLIENT_SECRET" }, "fetch_timeout": "2s",
                }),
            ),
            with(
                with(
                    endpoint("browser", "/v1/browser", &by_key),
                    "methods",
                    json!(["POST"]),
                ),
                "preflight",
                json!("allow"),
            ),
            with(
                endpoint("inside", "/inside", &by_key),
                "allow_from",
                json!(["10.0.0.0/8"]),
            ),
            with(
                endpoint("local", "/local", &by_key),
                "allow_from",
                json!(["127.0.0.0/8"]),
            ),
            with(
                endpoint("hosted", "/hosted", &by_key),
                "hosts",
                json!(["api.test", "*.models.test"]),
            ),
        ];
        for number in (0..EDITED_ENDPOINTS).filter(|number| edition.endpoints[*number]) {
            endpoints.push(endpoint(
                &format!("extra-{number}"),
                &format!("/extra/{number}"),
                &by_key,
            ));
        }
        json!({
            "clusters": { "issuer.test": "issuer", "keys.test": "keys", "auth.test": "auth" },
            "identity_headers": { "tenant": "x-tenant-id", "user": "x-user-id" },
            "key_sets": { "clients": {
                "uri": "https://keys.test/clients.json", "refresh": format!("{KEY_SET_FRESH_MS}ms"), "fetch_timeout": "2s",
            } },
            "endpoints": endpoints,
        })
    }

    /// The edition by the name that the filter has for it.
    pub fn named(&self, edition: &Edition) -> Edition {
        let bytes = self.plugin(edition).to_string().into_bytes();
        let environment = |_: &str| Some("secret".to_owned());
        let policy = tenantgate::config::load(&bytes, &environment)
            .unwrap_or_else(|problems| panic!("{problems:?}"));
        Edition {
            config_id: policy.config_id.to_string(),
            ..edition.clone()
        }
    }
}
