//! Whether what the filter calls can be reached: the clusters that a file says there are, and those that are named.

use serde_json::{Map, Value};

use crate::cli::find::{Carrier, Kind, object, text};
use crate::config::{Place, is_near};
use crate::fetch::{Location, discovery_location};
use crate::policy::Policy;

/// What a file says about the clusters of the Envoy that reads it.
#[derive(Debug)]
pub(super) enum Reach {
    /// Nothing: they come from elsewhere.
    Unknown,
    /// These, and no others.
    Listed(Vec<String>),
    /// Those that Istio makes: of these host names and ports among others, if there are any.
    Istio(Vec<(String, u64)>),
    /// Those that Envoy Gateway makes: of the rules of these routes among others, if there are any.
    EnvoyGateway(Vec<String>),
}

impl Reach {
    pub fn of(carrier: &Carrier, documents: &[Value]) -> Self {
        match carrier.kind {
            Kind::Envoy => documents
                .get(carrier.document)
                .and_then(bootstrap)
                .map_or(Self::Unknown, Self::Listed),
            Kind::EnvoyFilter | Kind::Istio => {
                Self::Istio(resources(documents).flat_map(service_entry).collect())
            }
            // A patch can add clusters of any name.
            Kind::EnvoyGateway if resources(documents).any(|it| is(it, "EnvoyPatchPolicy")) => {
                Self::Unknown
            }
            Kind::EnvoyGateway => {
                Self::EnvoyGateway(resources(documents).flat_map(rules_of_route).collect())
            }
        }
    }

    /// Why there is no such cluster, if that is certain.
    fn misses(&self, cluster: &str) -> Option<String> {
        match self {
            Self::Unknown => None,
            Self::Listed(names) => among(cluster, names, "no cluster of this file is called"),
            Self::Istio(services) => {
                let Some((port, host)) = istio(cluster) else {
                    return Some(format!(
                        "Istio makes no cluster called `{cluster}`; write `outbound|443||HOST`, for a ServiceEntry with that \
                         host and port"
                    ));
                };
                if services.is_empty() || host.ends_with(".svc.cluster.local") {
                    return None;
                }
                if services
                    .iter()
                    .any(|service| *service == (host.to_owned(), port))
                {
                    return None;
                }
                let names: Vec<String> = services
                    .iter()
                    .map(|(host, port)| format!("outbound|{port}||{host}"))
                    .collect();
                among(cluster, &names, "no ServiceEntry of this file makes")
            }
            Self::EnvoyGateway(rules) => {
                if !cluster.starts_with("httproute/") && !cluster.starts_with("grpcroute/") {
                    return Some(format!(
                        "Envoy Gateway makes no cluster called `{cluster}`; write `httproute/NAMESPACE/NAME/rule/NUMBER`, for a \
                         route that leads there"
                    ));
                }
                if rules.is_empty() {
                    return None;
                }
                among(cluster, rules, "no route of this file makes")
            }
        }
    }
}

/// Complains, at `clusters`, of each host that cannot be reached.
pub(super) fn check(configuration: &Value, policy: &Policy, reach: &Reach, here: &Place<'_>) {
    let listed = configuration.get("clusters").and_then(Value::as_object);
    for (host, cluster) in listed.into_iter().flatten() {
        if let Some(why) = cluster.as_str().and_then(|cluster| reach.misses(cluster)) {
            here.member(host).complain(why);
        }
    }
    let mut complained = Vec::new();
    for location in called(policy) {
        let host = location.host();
        if policy.clusters.listed(&location).is_some() || complained.contains(&host.to_owned()) {
            continue;
        }
        if let Some(why) = reach.misses(host) {
            let meant = listed
                .into_iter()
                .flat_map(Map::keys)
                .find(|listed| is_near(listed, host))
                .map(|listed| format!(" (is `{listed}` meant to be it?)"))
                .unwrap_or_default();
            here.complain(format_args!(
                "has no entry for `{host}`, which the filter calls{meant}, and {why}"
            ));
            complained.push(host.to_owned());
        }
    }
}

/// Where the filter asks for keys and tokens.
fn called(policy: &Policy) -> impl Iterator<Item = Location> {
    let keys = policy.key_sources.iter().filter_map(|source| {
        let discovery = || discovery_location(&source.issuer).ok();
        source.jwks_uri.clone().or_else(discovery)
    });
    let tokens = policy.token_sources.iter();
    let key_sets = policy.key_sets.iter();
    keys.chain(tokens.map(|source| source.token_url.clone()))
        .chain(key_sets.map(|source| source.location.clone()))
}

fn among(cluster: &str, names: &[String], no: &str) -> Option<String> {
    if names.iter().any(|name| name == cluster) {
        return None;
    }
    let hint = match names.iter().find(|name| is_near(cluster, name)) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if names.is_empty() => String::new(),
        None => format!("; there are `{}`", names.join("`, `")),
    };
    Some(format!("{no} `{cluster}`{hint}"))
}

/// The clusters of a bootstrap, if it takes none from elsewhere.
fn bootstrap(document: &Value) -> Option<Vec<String>> {
    let document = document.as_object()?;
    let resources = object(document, &["static_resources", "staticResources"])?;
    let dynamic = object(document, &["dynamic_resources", "dynamicResources"]);
    if dynamic.is_some_and(|it| it.contains_key("cds_config") || it.contains_key("cdsConfig")) {
        return None;
    }
    let clusters = resources.get("clusters").and_then(Value::as_array);
    let names = clusters
        .into_iter()
        .flatten()
        .filter_map(|cluster| text(cluster.as_object()?, &["name"]));
    Some(names.map(str::to_owned).collect())
}

/// `outbound|443||login.example.com`: port and host.
fn istio(cluster: &str) -> Option<(u64, &str)> {
    let mut parts = cluster.split('|');
    let (direction, port) = (parts.next()?, parts.next()?);
    let (_subset, host) = (parts.next()?, parts.next()?);
    let complete = direction == "outbound" && !host.is_empty() && parts.next().is_none();
    complete.then_some((port.parse().ok()?, host))
}

/// The Kubernetes resources of a file, those in lists included.
fn resources(documents: &[Value]) -> impl Iterator<Item = &Map<String, Value>> {
    documents.iter().flat_map(|document| {
        let items = document.get("items").and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .chain([document])
            .filter_map(Value::as_object)
    })
}

fn is(resource: &Map<String, Value>, kind: &str) -> bool {
    text(resource, &["kind"]) == Some(kind)
}

/// Each host of a `ServiceEntry` with each of its ports.
fn service_entry(resource: &Map<String, Value>) -> Vec<(String, u64)> {
    let list = |name: &str| {
        let spec = object(resource, &["spec"]).filter(|_| is(resource, "ServiceEntry"));
        let list = spec.and_then(|spec| spec.get(name)?.as_array());
        list.map(Vec::as_slice).unwrap_or_default()
    };
    let ports = || {
        list("ports")
            .iter()
            .filter_map(|port| port.get("number")?.as_u64())
    };
    list("hosts")
        .iter()
        .filter_map(Value::as_str)
        .flat_map(|host| ports().map(|port| (host.to_owned(), port)))
        .collect()
}

/// The clusters that Envoy Gateway makes of a route, one for each rule.
fn rules_of_route(resource: &Map<String, Value>) -> Vec<String> {
    let kind = match text(resource, &["kind"]) {
        Some("HTTPRoute") => "httproute",
        Some("GRPCRoute") => "grpcroute",
        _ => return Vec::new(),
    };
    let metadata = object(resource, &["metadata"]);
    let name = metadata
        .and_then(|it| text(it, &["name"]))
        .unwrap_or_default();
    let namespace = metadata
        .and_then(|it| text(it, &["namespace"]))
        .unwrap_or("default");
    let rules = object(resource, &["spec"])
        .and_then(|spec| spec.get("rules")?.as_array())
        .map_or(0, Vec::len);
    (0..rules)
        .map(|rule| format!("{kind}/{namespace}/{name}/rule/{rule}"))
        .collect()
}
