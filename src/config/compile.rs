//! The file to a policy: each text goes to the room that knows what it means, and what the room says against it is
//! reported at the place where the text stands.
//!
//! What can be judged is judged although something beside it is wrong, so that all is said at once. A policy comes out
//! only where nothing was said.

mod api_keys;
mod authorizers;
mod endpoints;
mod oidc;
mod places;
mod secrets;
mod terms;
mod upstream;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::Environment;
use super::document::canonical;
use super::field::Field;
use super::problem::{Place, Problems, Report};
use super::raw;
use crate::authorizer::cache::AuthorizerId;
use crate::endpoint::HostPattern;
use crate::fetch::{
    ApiKeySource, ClientCredentials, Clusters, KeySource, KeySourceId, TokenSourceId,
};
use crate::identity::{IdentityHeaders, Part};
use crate::policy::{Policy, ShortDigest, Unmatched};
use crate::source::SourceAddress;

/// A token of a thousand bytes leaves a few kilobytes of claims behind, so this is a few megabytes a worker.
const TOKEN_CACHE_SIZE: u64 = 4096;
/// A slip of the pen beyond this would take the proxy's memory.
const MAX_TOKEN_CACHE_SIZE: u64 = 1_000_000;

/// Each is a handful of time series on every proxy.
const MAX_METERED_TENANTS: usize = 10_000;

/// What the parts of a policy share while they are made.
struct Workshop<'a> {
    environment: &'a dyn Environment,
    identity_headers: IdentityHeaders,
    key_sources: Vec<KeySource>,
    token_sources: Vec<ClientCredentials>,
    key_sets: Vec<ApiKeySource>,
    /// Endpoints that something names, and where it does.
    mentions: Vec<(Place<'a>, String)>,
    authorizers: u32,
}

impl Workshop<'_> {
    /// The id of this source. Endpoints that name the same one share it, and so its fetches.
    fn key_source(&mut self, source: KeySource) -> KeySourceId {
        let known = self.key_sources.iter().position(|known| *known == source);
        KeySourceId(known.unwrap_or_else(|| {
            self.key_sources.push(source);
            self.key_sources.len().saturating_sub(1)
        }))
    }

    /// As with [`key_source`](Self::key_source).
    fn token_source(&mut self, source: ClientCredentials) -> TokenSourceId {
        let known = self.token_sources.iter().position(|known| *known == source);
        TokenSourceId(known.unwrap_or_else(|| {
            self.token_sources.push(source);
            self.token_sources.len().saturating_sub(1)
        }))
    }

    fn authorizer_id(&mut self) -> AuthorizerId {
        let id = AuthorizerId(self.authorizers);
        self.authorizers = self.authorizers.saturating_add(1);
        id
    }
}

/// Makes a policy of a document in normal form.
pub(super) fn compile(document: Value, environment: &dyn Environment) -> Result<Policy, Problems> {
    let config_id = ShortDigest::of(canonical(&document).as_bytes());
    let report = Report::default();
    let root = report.root();
    let policy = root
        .read(Field::written(document))
        .map(|raw| policy(raw, &root, config_id, environment));
    let problems = report.into_problems();
    policy.filter(|_| problems.0.is_empty()).ok_or(problems)
}

fn policy<'a>(
    raw: raw::Configuration,
    here: &Place<'a>,
    config_id: ShortDigest,
    environment: &'a dyn Environment,
) -> Policy {
    let clusters = clusters(raw.clusters, &here.member("clusters"));
    let identity_headers = identity_headers(raw.identity_headers, &here.member("identity_headers"));
    let source_address = here.member("source_address").read(raw.source_address);
    let unmatched = here.member("unmatched").read(raw.unmatched);
    let token_cache_size = here
        .member("token_cache_size")
        .parse(raw.token_cache_size, |size| {
            if size <= MAX_TOKEN_CACHE_SIZE {
                Ok(size)
            } else {
                Err(format!("must be at most {MAX_TOKEN_CACHE_SIZE}"))
            }
        });
    let key_sets = api_keys::key_sets(raw.key_sets, &here.member("key_sets"));
    let metrics = here.member("metrics");
    let tenants = metrics
        .read(raw.metrics)
        .and_then(|raw| metrics.member("per_tenant").parse(raw.per_tenant, tenants));
    let mut workshop = Workshop {
        environment,
        identity_headers,
        key_sources: Vec::new(),
        token_sources: Vec::new(),
        key_sets,
        mentions: Vec::new(),
        authorizers: 0,
    };
    let endpoints = workshop.endpoints(raw.endpoints, &here.member("endpoints"));
    Policy {
        config_id,
        identity_headers: workshop.identity_headers,
        source_address: match source_address {
            None | Some(raw::SourceAddress::Peer) => SourceAddress::Peer,
            Some(raw::SourceAddress::Forwarded) => SourceAddress::Forwarded,
        },
        unmatched: match unmatched {
            None | Some(raw::Unmatched::Deny) => Unmatched::Deny,
            Some(raw::Unmatched::Pass) => Unmatched::Pass,
        },
        token_cache_size: usize::try_from(token_cache_size.unwrap_or(TOKEN_CACHE_SIZE))
            .unwrap_or_default(),
        metered_tenants: tenants.unwrap_or(0),
        endpoints,
        key_sources: workshop.key_sources,
        token_sources: workshop.token_sources,
        key_sets: workshop.key_sets,
        clusters,
    }
}

fn tenants(count: u64) -> Result<usize, String> {
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= MAX_METERED_TENANTS)
        .ok_or_else(|| format!("must be at most {MAX_METERED_TENANTS}"))
}

fn identity_headers(raw: Field<raw::IdentityHeaders>, here: &Place<'_>) -> IdentityHeaders {
    let mut headers = IdentityHeaders::default();
    let raw = here.read(raw).unwrap_or_default();
    // The tenant first: it gives its default name up, which another part may then take.
    for (part, member, name) in [
        (Part::Tenant, "tenant", raw.tenant),
        (Part::User, "user", raw.user),
        (Part::Client, "client", raw.client),
        (Part::Endpoint, "endpoint", raw.endpoint),
    ] {
        here.member(member)
            .parse(name, |name| headers.name(part, &name));
    }
    headers
}

fn clusters(raw: Field<BTreeMap<String, Field<String>>>, here: &Place<'_>) -> Clusters {
    let mut clusters = Clusters::default();
    let mut seen = HashMap::new();
    for (place, host, cluster) in here.members(raw).into_iter().flatten() {
        let cluster = place.parse(cluster, cluster_name);
        if let Err(message) = check_cluster_host(&host) {
            place.complain(message);
        } else if let Some(other) = seen.insert(host.to_ascii_lowercase(), host.clone()) {
            place.complain(format_args!("is the same host as {other:?}"));
        } else if let Some(cluster) = cluster {
            clusters.add(&host, cluster);
        }
    }
    clusters
}

fn cluster_name(name: String) -> Result<String, &'static str> {
    let odd = |c: char| c.is_control() || c.is_whitespace();
    if name.is_empty() || name.contains(odd) {
        Err("must be the name of an Envoy cluster")
    } else {
        Ok(name)
    }
}

/// A host as it stands in the authority of a URL.
fn check_cluster_host(text: &str) -> Result<(), String> {
    let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if digits(port) => (host, Some(port)),
        _ => (text, None),
    };
    let exact =
        !host.ends_with('.') && matches!(HostPattern::parse(host), Ok(HostPattern::Exact(_)));
    match port.map(str::parse) {
        _ if !exact => {
            Err("must be a host or host:port, without scheme, path and wildcard".to_owned())
        }
        // The URL standard leaves the scheme's own port out of the authority, so such an entry would never be found.
        Some(Ok(80_u16 | 443)) => Err(format!(
            "a default port is not part of a host; write {host:?}"
        )),
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err("has a port that is not a number from 1 to 65535".to_owned()),
    }
}
