//! The configuration in force: what was written, with the defaults that the filter fills in, and without secrets.
//!
//! Every member is placed by hand; nothing is copied along. So what this room does not know does not get into a pack,
//! and a test holds its list against the schema. The document is the one that made the policy: all in it has been
//! checked.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::inventory::{
    ApiKey, Authorizer, Configuration, Endpoint, Forwarded, Hidden, KeySet, Member, Method, Oidc,
    UpstreamAuth,
};
use crate::authorizer::api_key::KeyDigest;
use crate::authorizer::claim::{Requirement, Scalar};
use crate::authorizer::{Authorizer as Checked, Oidc as CheckedOidc};
use crate::credential::Place;
use crate::endpoint::Endpoint as CheckedEndpoint;
use crate::fetch::{ApiKeySource, Location};
use crate::policy::{Policy, Unmatched};
use crate::source::SourceAddress;
use crate::usage::Metering;

/// Members of an `upstream_auth` that are no secrets.
const PLAIN: [&str; 4] = ["name", "scope", "client_auth", "fetch_timeout"];
const DEFAULT_SCOPE: &str = "all-apis";

/// The configuration in force.
pub(super) fn configuration(document: &Value, policy: &Policy) -> Configuration {
    let written = document.get("endpoints").and_then(Value::as_array);
    let endpoints = written.into_iter().flatten().zip(policy.endpoints.iter());
    Configuration {
        clusters: texts(document.get("clusters")),
        identity_headers: identity_headers(document, policy),
        source_address: match policy.source_address {
            SourceAddress::Peer => "peer",
            SourceAddress::Forwarded => "forwarded",
        }
        .to_owned(),
        unmatched: match policy.unmatched {
            Unmatched::Deny => "deny",
            Unmatched::Pass => "pass",
        }
        .to_owned(),
        token_cache_size: count(policy.token_cache_size),
        key_sets: policy.key_sets.iter().map(key_set).collect(),
        metrics: BTreeMap::from([("per_tenant".to_owned(), count(policy.metered_tenants))]),
        endpoints: endpoints
            .map(|(written, checked)| endpoint(written, checked, policy))
            .collect(),
    }
}

fn identity_headers(document: &Value, policy: &Policy) -> BTreeMap<String, String> {
    let mut headers = texts(document.get("identity_headers"));
    for name in headers.values_mut() {
        name.make_ascii_lowercase();
    }
    // The tenant is the first, and the only one that is told without being named.
    if let Some(tenant) = policy.identity_headers.names().next() {
        headers.insert("tenant".to_owned(), tenant.to_owned());
    }
    headers
}

fn endpoint(written: &Value, checked: &CheckedEndpoint, policy: &Policy) -> Endpoint {
    let upstream_auth = written.get("upstream_auth").map(upstream_auth);
    let forwarded = |otherwise| checked.forward_credential.unwrap_or(otherwise);
    Endpoint {
        name: checked.name.clone(),
        hosts: list_or_any(written.get("hosts")),
        path: checked.path.as_str().to_owned(),
        methods: list_or_any(written.get("methods")),
        allow_from: checked
            .allow_from
            .as_ref()
            .map(|list| list.iter().map(ToString::to_string).collect()),
        authorizers: authorizers(written.get("authorizer"), &checked.authorizer, policy),
        preflight: checked.preflight,
        forward_credential: Forwarded {
            api_keys: forwarded(false),
            tokens: forwarded(upstream_auth.is_none()),
        },
        upstream_auth,
        usage: match checked.usage {
            Metering::Off => "off",
            Metering::ByPath => "auto",
            Metering::As(format) => format.as_str(),
        }
        .to_owned(),
        allow_encoded_slash: checked.allow_encoded_slash,
        routed_to: Vec::new(),
    }
}

fn authorizers(written: Option<&Value>, checked: &Checked, policy: &Policy) -> Vec<Authorizer> {
    let Checked::Guarded(guard) = checked else {
        return vec![Authorizer::None];
    };
    let written = written.unwrap_or(&Value::Null);
    let alternatives = match written.get("any_of").and_then(Value::as_array) {
        Some(any_of) => any_of.iter().collect(),
        None => vec![written],
    };
    let mut issuers = guard.issuers.iter();
    alternatives
        .into_iter()
        .filter_map(|written| alternative(written, &mut issuers, policy))
        .collect()
}

/// One of `any_of`. Issuers come in the order in which they were written.
fn alternative(
    written: &Value,
    issuers: &mut std::slice::Iter<'_, CheckedOidc>,
    policy: &Policy,
) -> Option<Authorizer> {
    let from = places(written.get("from"));
    if written.get("oidc").is_some() {
        let oidc = issuers.next()?;
        return Some(Authorizer::Oidc {
            oidc: Box::new(self::oidc(oidc, policy)?),
            from,
        });
    }
    let keys = written.get("keys").and_then(Value::as_array);
    Some(Authorizer::ApiKey {
        keys: keys.into_iter().flatten().map(api_key).collect(),
        key_set: written
            .get("key_set")
            .and_then(Value::as_str)
            .map(str::to_owned),
        from,
    })
}

fn api_key(written: &Value) -> ApiKey {
    let text = |name| written.get(name).and_then(Value::as_str).map(str::to_owned);
    let list = |name| written.get(name).map(|list| list_or_any(Some(list)));
    let client_id = text("client_id").unwrap_or_default();
    ApiKey {
        tenant_id: text("tenant_id").unwrap_or_else(|| client_id.clone()),
        user_id: text("user_id"),
        key: match (text("key_sha256"), written.get("key")) {
            (Some(digest), _) => digest.parse().map_or_else(|_| redacted(), fingerprint),
            // Its digest is all that the filter keeps of it as well.
            (None, Some(Value::String(key))) => fingerprint(KeyDigest::of(key.as_bytes())),
            (None, key) => hidden(key.unwrap_or(&Value::Null)),
        },
        in_clear: text("key").is_some(),
        not_before: text("not_before"),
        expires_at: text("expires_at"),
        endpoints: list("endpoints"),
        models: list("models"),
        client_id,
    }
}

fn key_set(source: &ApiKeySource) -> (String, KeySet) {
    let terms = source.terms;
    let key_set = KeySet {
        uri: source.location.without_query(),
        refresh: terms.refresh.map(duration),
        max_stale: duration(terms.max_stale),
        fetch_timeout: duration(terms.timeout),
    };
    (source.name.clone(), key_set)
}

fn oidc(checked: &CheckedOidc, policy: &Policy) -> Option<Oidc> {
    let source = policy.key_sources.get(checked.keys.0)?;
    let terms = source.terms;
    Some(Oidc {
        issuer: checked.rules.issuer.clone(),
        audience: checked.rules.audiences.clone(),
        jwks_uri: source.jwks_uri.as_ref().map(Location::without_query),
        algorithms: checked
            .rules
            .algorithms
            .iter()
            .map(|algorithm| algorithm.as_str().to_owned())
            .collect(),
        required_claims: checked
            .required_claims
            .iter()
            .map(|(claim, requirement)| (claim.as_str().to_owned(), wording(requirement)))
            .collect(),
        tenant_claim: checked.tenant_claim.as_str().to_owned(),
        user_claim: checked.user_claim.as_str().to_owned(),
        clock_skew: SignedDuration::try_from(checked.rules.clock_skew)
            .map(duration)
            .unwrap_or_default(),
        refresh: terms.refresh.map(duration),
        max_stale: duration(terms.max_stale),
        refresh_cooldown: duration(terms.cooldown),
        fetch_timeout: duration(terms.timeout),
    })
}

/// As it is written: `"a"`, `["a","b"]`, `{any_of: ["a","b"]}`.
fn wording(requirement: &Requirement) -> String {
    let one = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => Value::from(text.as_str()).to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::Bool(flag) => flag.to_string(),
    };
    let list = |scalars: &[Scalar]| scalars.iter().map(one).collect::<Vec<_>>().join(",");
    match requirement {
        Requirement::Equals(scalar) => one(scalar),
        Requirement::All(scalars) => format!("[{}]", list(scalars)),
        Requirement::AnyOf(scalars) => format!("{{any_of: [{}]}}", list(scalars)),
    }
}

fn upstream_auth(written: &Value) -> UpstreamAuth {
    match written.get("by_tenant").and_then(Value::as_object) {
        Some(tenants) => UpstreamAuth::ByTenant {
            by_tenant: tenants
                .iter()
                .map(|(tenant, written)| (tenant.clone(), method(written)))
                .collect(),
        },
        None => UpstreamAuth::ToAll(method(written)),
    }
}

fn method(written: &Value) -> Method {
    let kind = written
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut members = BTreeMap::new();
    if kind == "oauth2_client_credentials" {
        for (name, default) in [
            ("scope", DEFAULT_SCOPE),
            ("client_auth", "body"),
            ("fetch_timeout", "5s"),
        ] {
            members.insert(name.to_owned(), Member::Text(default.to_owned()));
        }
    }
    for (name, value) in written.as_object().into_iter().flatten() {
        let member = match (name.as_str(), value) {
            ("type", _) => continue,
            ("token_url", Value::String(url)) => Member::Text(
                Location::parse(url).map_or_else(|_| redacted().0, |url| url.without_query()),
            ),
            ("parameters", Value::Object(parameters)) => Member::Parameters(
                parameters
                    .iter()
                    .map(|(name, value)| (name.clone(), hidden(value)))
                    .collect(),
            ),
            (plain, Value::String(text)) if PLAIN.contains(&plain) => Member::Text(text.clone()),
            (_, secret) => Member::Text(hidden(secret).0),
        };
        members.insert(name.clone(), member);
    }
    Method {
        kind: kind.to_owned(),
        members,
    }
}

/// What stands for a secret: the name of its variable, if it has one.
fn hidden(secret: &Value) -> Hidden {
    match secret.get("env").and_then(Value::as_str) {
        Some(name) => Hidden(format!("env {name}")),
        None => redacted(),
    }
}

fn redacted() -> Hidden {
    Hidden(Hidden::REDACTED.to_owned())
}

/// Enough to tell two keys apart, too little to look one up by.
fn fingerprint(digest: KeyDigest) -> Hidden {
    Hidden(format!("{digest:?}"))
}

fn places(written: Option<&Value>) -> Vec<String> {
    let Some(listed) = written.and_then(Value::as_array) else {
        return Place::well_known().iter().map(place).collect();
    };
    let text =
        |place: &Value, name: &str| place.get(name).and_then(Value::as_str).map(str::to_owned);
    listed
        .iter()
        .map(|written| match text(written, "query") {
            Some(name) => place(&Place::Query { name }),
            None => place(&Place::Header {
                name: text(written, "header")
                    .unwrap_or_default()
                    .to_ascii_lowercase(),
                scheme: text(written, "scheme").map(|scheme| scheme.to_ascii_lowercase()),
            }),
        })
        .collect()
}

fn place(place: &Place) -> String {
    match place {
        Place::Header { name, scheme: None } => name.clone(),
        Place::Header {
            name,
            scheme: Some(scheme),
        } => format!("{name} ({scheme})"),
        Place::Query { name } => format!("?{name}="),
    }
}

fn list_or_any(written: Option<&Value>) -> Vec<String> {
    match written.and_then(Value::as_array) {
        Some(list) => list
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        None => vec!["*".to_owned()],
    }
}

fn texts(written: Option<&Value>) -> BTreeMap<String, String> {
    let members = written.and_then(Value::as_object).into_iter().flatten();
    members
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn duration(duration: SignedDuration) -> String {
    format!("{duration:#}")
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
