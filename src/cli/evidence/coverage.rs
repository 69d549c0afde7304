//! Which routes of Envoy an endpoint protects, and what is served beside them.
//!
//! Judges what the configuration says. Where it leaves something open (a regular expression, a cluster that a header
//! names), a route counts as covered if an endpoint may have something in common with it, and as judged only if an
//! endpoint certainly has all of it.

use std::collections::BTreeSet;

use regex::Regex;

use super::inventory::{Configuration, Endpoint, Gap, GapKind};
use super::topology::{Chain, Gate, Listener, PathMatch, Route, Topology};
use crate::endpoint::{PathPattern, Share};

/// Fills in where the requests of each endpoint are routed to.
pub(super) fn route(configuration: &mut Configuration, topology: &Topology) {
    for endpoint in &mut configuration.endpoints {
        let mut clusters = BTreeSet::new();
        for (_, chain) in topology
            .chains()
            .filter(|(_, chain)| chain.gate == Gate::Here)
        {
            clusters.extend(destinations(endpoint, chain));
        }
        endpoint.routed_to = clusters.into_iter().collect();
    }
}

/// Where a request of this endpoint goes: as the first route of each virtual host says that takes one.
fn destinations(endpoint: &Endpoint, chain: &Chain) -> Vec<String> {
    let sample = pattern(endpoint)
        .map(|pattern| pattern.sample())
        .unwrap_or_default();
    let mut decided = BTreeSet::new();
    let mut to = Vec::new();
    for route in chain
        .routes
        .iter()
        .filter(|route| meets_host_and_method(endpoint, route))
    {
        let host = (&route.virtual_host, &route.domains);
        if takes(&route.path, &sample) && decided.insert(host) {
            to.extend(route.to.iter().cloned());
        }
    }
    to
}

/// Everything that Envoy serves and no endpoint protects.
pub(super) fn gaps(configuration: &Configuration, topology: &Topology) -> Vec<Gap> {
    let models = model_clusters(configuration, topology);
    let mut gaps = BTreeSet::new();
    for (listener, chain) in topology.chains() {
        if chain.routes_unknown {
            gaps.insert(gap(
                GapKind::RoutesUnknown,
                listener,
                "all routes".to_owned(),
                &[],
            ));
        }
        let beside = match chain.gate {
            Gate::Here => None,
            Gate::Missing => Some(GapKind::NoFilter),
            Gate::Off => Some(GapKind::FilterOff),
            Gate::Other => Some(GapKind::OtherConfiguration),
        };
        if chain.gate == Gate::Here && chain.routes_by_whole_host && judges_by_host(configuration) {
            let to: BTreeSet<String> = chain
                .routes
                .iter()
                .flat_map(|route| route.to.clone())
                .collect();
            let to = Vec::from_iter(to);
            gaps.insert(gap(
                GapKind::OtherHost,
                listener,
                "all routes".to_owned(),
                &to,
            ));
        }
        for route in &chain.routes {
            let leads_to_a_model = route.to.iter().any(|cluster| models.contains(cluster));
            let kind = match beside {
                Some(kind) => leads_to_a_model.then_some(kind),
                None if route.gate_off => (!route.to.is_empty()).then_some(GapKind::FilterOff),
                None => uncovered(configuration, route),
            };
            if let Some(kind) = kind {
                gaps.insert(gap(kind, listener, route.to_string(), &route.to));
            }
        }
        if let Some(kind) = beside
            && chain
                .connections_to
                .iter()
                .any(|cluster| models.contains(cluster))
        {
            gaps.insert(gap(
                kind,
                listener,
                "connections".to_owned(),
                &chain.connections_to,
            ));
        }
    }
    gaps.into_iter().collect()
}

fn gap(kind: GapKind, listener: &Listener, what: String, to: &[String]) -> Gap {
    Gap {
        kind,
        listener: listener.name.clone(),
        what,
        to: to.to_vec(),
    }
}

/// Whether some endpoint is not for every host.
fn judges_by_host(configuration: &Configuration) -> bool {
    let mut endpoints = configuration.endpoints.iter();
    endpoints.any(|endpoint| endpoint.hosts != ["*"])
}

/// The clusters of the model servers: where requests of endpoints go. Where the gate stands nowhere that is not known,
/// and every cluster counts but those that the filter itself calls.
pub(super) fn model_clusters(
    configuration: &Configuration,
    topology: &Topology,
) -> BTreeSet<String> {
    let routed: BTreeSet<String> = configuration
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.routed_to.iter().cloned())
        .collect();
    if !routed.is_empty() {
        return routed;
    }
    let own = |name: &String| {
        configuration
            .clusters
            .values()
            .any(|cluster| cluster == name)
    };
    let named = topology.clusters.iter().map(|cluster| cluster.name.clone());
    named.filter(|name| !own(name)).collect()
}

/// Ways to a model server that do not lead through the gate, as the configuration tells them.
pub(super) fn ways_around(cluster: &str, topology: &Topology) -> Vec<String> {
    let mut ways = Vec::new();
    for (listener, chain) in topology.chains() {
        let through = chain.gate == Gate::Here;
        for route in &chain.routes {
            if (!through || route.gate_off) && route.to.iter().any(|to| to == cluster) {
                ways.push(format!("listener {}, {route}", listener.name));
            }
        }
        if chain.connections_to.iter().any(|to| to == cluster) {
            ways.push(format!("listener {}, connections", listener.name));
        }
    }
    ways
}

/// What becomes of requests that this route takes and that address no endpoint, if there can be any.
fn uncovered(configuration: &Configuration, route: &Route) -> Option<GapKind> {
    let shares = configuration
        .endpoints
        .iter()
        .map(|endpoint| share(endpoint, route));
    match (
        shares.max().unwrap_or(Share::None),
        configuration.unmatched.as_str(),
    ) {
        (Share::All, _) | (Share::Some, "deny") => None,
        (_, "pass") => Some(GapKind::Unjudged),
        (_, _) => Some(GapKind::Refused),
    }
}

/// How much of what the route takes belongs to the endpoint.
fn share(endpoint: &Endpoint, route: &Route) -> Share {
    let Some(pattern) = pattern(endpoint).filter(|_| meets_host_and_method(endpoint, route)) else {
        return Share::None;
    };
    let share = match &route.path {
        PathMatch::Prefix(prefix) => pattern.share_of(prefix),
        PathMatch::Path(path) if pattern.matches(path) => Share::All,
        PathMatch::PathSeparatedPrefix(prefix) => {
            let below = pattern.share_of(&format!("{prefix}/"));
            let itself = pattern.matches(prefix);
            match (below, itself) {
                (Share::All, true) => Share::All,
                (Share::None, false) => Share::None,
                _ => Share::Some,
            }
        }
        PathMatch::SafeRegex(text) | PathMatch::UriTemplate(text) => {
            let literal: String = text.chars().take_while(|c| is_literal(*c)).collect();
            let meets =
                takes(&route.path, &pattern.sample()) || pattern.share_of(&literal) > Share::None;
            if meets { Share::Some } else { Share::None }
        }
        PathMatch::Path(_) | PathMatch::Connect | PathMatch::Unknown => Share::None,
    };
    // An endpoint of some hosts and methods leaves the others open.
    let any = |list: &[String]| list == ["*"];
    let all_methods = any(&endpoint.methods)
        || (!route.methods.is_empty()
            && route
                .methods
                .iter()
                .all(|method| endpoint.methods.contains(method)));
    let all_hosts = any(&endpoint.hosts)
        || route
            .domains
            .iter()
            .all(|domain| endpoint.hosts.contains(domain));
    if share == Share::All && !(all_methods && all_hosts) {
        Share::Some
    } else {
        share
    }
}

fn is_literal(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | ':')
}

/// Whether a route takes that path.
fn takes(route: &PathMatch, path: &str) -> bool {
    match route {
        PathMatch::Prefix(prefix) => path.starts_with(prefix.as_str()),
        PathMatch::Path(exact) => path == exact,
        PathMatch::PathSeparatedPrefix(prefix) => path
            .strip_prefix(prefix.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        PathMatch::SafeRegex(regex) => {
            Regex::new(&format!("^(?:{regex})$")).is_ok_and(|regex| regex.is_match(path))
        }
        PathMatch::UriTemplate(template) => {
            PathPattern::parse(template).is_ok_and(|pattern| pattern.matches(path))
        }
        PathMatch::Connect | PathMatch::Unknown => false,
    }
}

/// The policy was made of this text, so there is nothing wrong with it.
fn pattern(endpoint: &Endpoint) -> Option<PathPattern> {
    PathPattern::parse(&endpoint.path).ok()
}

fn meets_host_and_method(endpoint: &Endpoint, route: &Route) -> bool {
    let method = route.methods.is_empty()
        || endpoint
            .methods
            .iter()
            .any(|method| method == "*" || route.methods.contains(method));
    let host = route
        .domains
        .iter()
        .any(|domain| endpoint.hosts.iter().any(|host| meet(domain, host)));
    method && host
}

/// Whether some host fits a virtual host's domain and an endpoint's host as well. Envoy's domains are exact, `*.suffix`,
/// `prefix.*` or `*`, and may have a port.
fn meet(domain: &str, host: &str) -> bool {
    let domain = domain.to_ascii_lowercase();
    let port = |port: &str| port == "*" || port.bytes().all(|b| b.is_ascii_digit());
    let domain = match domain.rsplit_once(':') {
        Some((name, number)) if !name.is_empty() && port(number) => name,
        _ => domain.as_str(),
    };
    let host = host.to_ascii_lowercase();
    match (domain.strip_prefix('*'), host.strip_prefix('*')) {
        (Some(domain), Some(host)) => domain.ends_with(host) || host.ends_with(domain),
        (Some(suffix), None) => host.ends_with(suffix),
        (None, Some(suffix)) => domain.ends_with('*') || domain.ends_with(suffix),
        (None, None) => match domain.strip_suffix('*') {
            Some(prefix) => host.starts_with(prefix),
            None => domain == host,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_meet_where_some_host_fits_both() {
        for (domain, host, expected) in [
            ("*", "api.example.com", true),
            ("api.example.com", "*", true),
            ("api.example.com:10000", "API.example.com", true),
            ("api.example.com:*", "api.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "*.b.example.com", true),
            ("*.example.com", "*.example.org", false),
            ("api.*", "api.example.com", true),
            ("api.*", "web.example.com", false),
            ("api.*", "*.example.com", true),
            ("a.example.com", "b.example.com", false),
            ("example.com", "*.example.com", false),
        ] {
            assert_eq!(meet(domain, host), expected, "{domain} {host}");
        }
    }

    #[test]
    fn a_route_takes_what_envoy_would_send_there() {
        for (route, path, expected) in [
            (PathMatch::Prefix("/v1".into()), "/v1/chat", true),
            (PathMatch::Path("/v1".into()), "/v1/chat", false),
            (
                PathMatch::PathSeparatedPrefix("/v1".into()),
                "/v1/chat",
                true,
            ),
            (
                PathMatch::PathSeparatedPrefix("/v1".into()),
                "/v1chat",
                false,
            ),
            (
                PathMatch::SafeRegex("/v[0-9]+/chat".into()),
                "/v1/chat",
                true,
            ),
            (PathMatch::SafeRegex("/v[0-9]+".into()), "/v1/chat", false),
            (PathMatch::SafeRegex("/v(".into()), "/v1", false),
            (PathMatch::UriTemplate("/v1/{x}".into()), "/v1/chat", true),
            (PathMatch::Connect, "/v1/chat", false),
        ] {
            assert_eq!(takes(&route, path), expected, "{route} {path}");
        }
    }
}
