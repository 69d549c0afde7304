//! Envoy's own configuration, as far as it says who reaches what: listeners, routes and clusters, from a bootstrap or from
//! a config dump, which keep them in different places.
//!
//! Protobuf's JSON takes `filter_chains` and `filterChains` for the same, so everything here does. Knows nothing of what
//! any of it means for the gate.

#![expect(clippy::struct_field_names, reason = "they are Envoy's names")]

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What was found, and what could not be read.
#[derive(Debug, Default)]
pub(super) struct Resources {
    pub listeners: Vec<Listener>,
    pub routes: Vec<RouteConfiguration>,
    pub clusters: Vec<Cluster>,
    pub assignments: Vec<LoadAssignment>,
    /// HTTP filters that come by themselves (ECDS): `TypedExtensionConfig`s.
    pub extensions: Vec<Extension>,
    /// The admin interface.
    pub admin: Option<Admin>,
    /// One sentence each.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Listener {
    pub name: String,
    pub address: Address,
    #[serde(alias = "additionalAddresses")]
    pub additional_addresses: Vec<AdditionalAddress>,
    #[serde(alias = "internalListener")]
    pub internal_listener: Option<Value>,
    #[serde(alias = "apiListener")]
    pub api_listener: Option<Value>,
    #[serde(alias = "filterChains")]
    pub filter_chains: Vec<FilterChain>,
    #[serde(alias = "defaultFilterChain")]
    pub default_filter_chain: Option<FilterChain>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Admin {
    pub address: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AdditionalAddress {
    pub address: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Address {
    #[serde(alias = "socketAddress")]
    pub socket_address: Option<SocketAddress>,
    pub pipe: Option<Pipe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SocketAddress {
    pub address: String,
    #[serde(alias = "portValue")]
    pub port_value: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pipe {
    pub path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FilterChain {
    pub filters: Vec<Extension>,
    #[serde(alias = "transportSocket")]
    pub transport_socket: Option<Extension>,
}

/// A named extension with its configuration: a network filter, an HTTP filter, a transport socket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extension {
    pub name: String,
    #[serde(alias = "typedConfig")]
    pub typed_config: Value,
    pub disabled: bool,
}

/// `HttpConnectionManager` and `TcpProxy`, whose members do not meet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NetworkFilter {
    #[serde(alias = "httpFilters")]
    pub http_filters: Vec<Extension>,
    #[serde(alias = "routeConfig")]
    pub route_config: Option<RouteConfiguration>,
    pub rds: Option<Rds>,
    #[serde(alias = "scopedRoutes")]
    pub scoped_routes: Option<Value>,
    pub cluster: String,
    #[serde(alias = "weightedClusters")]
    pub weighted_clusters: Option<WeightedClusters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rds {
    #[serde(alias = "routeConfigName")]
    pub route_config_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteConfiguration {
    pub name: String,
    #[serde(alias = "virtualHosts")]
    pub virtual_hosts: Vec<VirtualHost>,
    #[serde(alias = "typedPerFilterConfig")]
    pub typed_per_filter_config: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VirtualHost {
    pub name: String,
    pub domains: Vec<String>,
    pub routes: Vec<Route>,
    #[serde(alias = "typedPerFilterConfig")]
    pub typed_per_filter_config: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Route {
    pub name: String,
    #[serde(rename = "match")]
    pub matches: RouteMatch,
    pub route: Option<RouteAction>,
    pub redirect: Option<Value>,
    #[serde(alias = "directResponse")]
    pub direct_response: Option<Value>,
    #[serde(alias = "typedPerFilterConfig")]
    pub typed_per_filter_config: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteMatch {
    pub prefix: Option<String>,
    pub path: Option<String>,
    #[serde(alias = "safeRegex")]
    pub safe_regex: Option<Regex>,
    #[serde(alias = "pathSeparatedPrefix")]
    pub path_separated_prefix: Option<String>,
    #[serde(alias = "connectMatcher")]
    pub connect_matcher: Option<Value>,
    #[serde(alias = "pathMatchPolicy")]
    pub path_match_policy: Option<Extension>,
    pub headers: Vec<HeaderMatch>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Regex {
    pub regex: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeaderMatch {
    pub name: String,
    #[serde(alias = "stringMatch")]
    pub string_match: Option<StringMatch>,
    #[serde(alias = "exactMatch")]
    pub exact_match: Option<String>,
    #[serde(alias = "invertMatch")]
    pub invert_match: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StringMatch {
    pub exact: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RouteAction {
    pub cluster: Option<String>,
    #[serde(alias = "clusterHeader")]
    pub cluster_header: Option<String>,
    #[serde(alias = "weightedClusters")]
    pub weighted_clusters: Option<WeightedClusters>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WeightedClusters {
    pub clusters: Vec<WeightedCluster>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WeightedCluster {
    pub name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cluster {
    pub name: String,
    #[serde(alias = "loadAssignment")]
    pub load_assignment: Option<LoadAssignment>,
    #[serde(alias = "transportSocket")]
    pub transport_socket: Option<Extension>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LoadAssignment {
    #[serde(alias = "clusterName")]
    pub cluster_name: String,
    pub endpoints: Vec<Locality>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Locality {
    #[serde(alias = "lbEndpoints")]
    pub lb_endpoints: Vec<LbEndpoint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LbEndpoint {
    pub endpoint: Endpoint,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    pub address: Address,
}

/// Where a bootstrap, and each part of a config dump, keeps its resources: the list, what is around each of its
/// elements, and what they are.
const PLACES: [(&str, &[&str], Kind); 14] = [
    ("/static_resources/listeners", &[], Kind::Listener),
    ("/staticResources/listeners", &[], Kind::Listener),
    ("/static_resources/clusters", &[], Kind::Cluster),
    ("/staticResources/clusters", &[], Kind::Cluster),
    ("/static_listeners", &["listener"], Kind::Listener),
    (
        "/dynamic_listeners",
        &["active_state", "listener"],
        Kind::Listener,
    ),
    ("/static_route_configs", &["route_config"], Kind::Routes),
    ("/dynamic_route_configs", &["route_config"], Kind::Routes),
    ("/static_clusters", &["cluster"], Kind::Cluster),
    ("/dynamic_active_clusters", &["cluster"], Kind::Cluster),
    (
        "/static_endpoint_configs",
        &["endpoint_config"],
        Kind::Assignment,
    ),
    (
        "/dynamic_endpoint_configs",
        &["endpoint_config"],
        Kind::Assignment,
    ),
    ("/ecds_filters", &["ecds_filter"], Kind::Extension),
    ("/resources", &[], Kind::ByType),
];

#[derive(Clone, Copy)]
enum Kind {
    Listener,
    Routes,
    Cluster,
    Assignment,
    Extension,
    /// The answer of a discovery service, whose resources say what they are.
    ByType,
}

/// The parts of a document: those of a config dump, without the bootstrap, whose resources a dump has once more.
pub(super) fn parts(document: &Value) -> Vec<&Value> {
    match document.get("configs").and_then(Value::as_array) {
        Some(parts) => parts
            .iter()
            .filter(|part| part.get("bootstrap").is_none())
            .collect(),
        None => vec![document],
    }
}

/// What a document has of Envoy's configuration; `None` if it is something else.
pub(super) fn resources(documents: &[Value]) -> Option<Resources> {
    let mut resources = Resources::default();
    let mut is_envoy = false;
    for document in documents {
        // Of a config dump's bootstrap, which `parts` leaves out, or of a bootstrap itself.
        let dumped = document.get("configs").and_then(Value::as_array);
        let bootstrap = dumped
            .into_iter()
            .flatten()
            .find_map(|part| part.get("bootstrap"));
        if let Some(admin) = bootstrap.unwrap_or(document).get("admin") {
            resources.admin = Admin::deserialize(admin).ok();
        }
    }
    for part in documents.iter().flat_map(parts) {
        for (list, around, kind) in PLACES {
            for element in part
                .pointer(list)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                is_envoy |= !matches!(kind, Kind::ByType);
                let mut resource = Some(element);
                for name in around {
                    resource = resource.and_then(|resource| resource.get(name));
                }
                if let Some(resource) = resource {
                    is_envoy |= resources.take(kind, resource);
                }
            }
        }
    }
    is_envoy.then_some(resources)
}

impl Resources {
    /// Whether it is a listener, a route, a cluster or what belongs to them.
    fn take(&mut self, kind: Kind, resource: &Value) -> bool {
        let kind = match kind {
            Kind::ByType => match by_type(resource) {
                Some(kind) => kind,
                None => return false,
            },
            kind => kind,
        };
        match kind {
            Kind::Listener => read(resource, &mut self.listeners, &mut self.unreadable),
            Kind::Routes => read(resource, &mut self.routes, &mut self.unreadable),
            Kind::Cluster => read(resource, &mut self.clusters, &mut self.unreadable),
            Kind::Assignment => read(resource, &mut self.assignments, &mut self.unreadable),
            Kind::Extension => read(resource, &mut self.extensions, &mut self.unreadable),
            Kind::ByType => {}
        }
        matches!(kind, Kind::Listener | Kind::Routes | Kind::Cluster)
    }
}

fn by_type(resource: &Value) -> Option<Kind> {
    let name = resource.get("@type")?.as_str()?.rsplit('/').next()?;
    match name {
        "envoy.config.listener.v3.Listener" => Some(Kind::Listener),
        "envoy.config.route.v3.RouteConfiguration" => Some(Kind::Routes),
        "envoy.config.cluster.v3.Cluster" => Some(Kind::Cluster),
        "envoy.config.endpoint.v3.ClusterLoadAssignment" => Some(Kind::Assignment),
        "envoy.config.core.v3.TypedExtensionConfig" => Some(Kind::Extension),
        _ => None,
    }
}

/// A message that is not of its type would be refused by Envoy as well; it is told and left out. The error names types,
/// no values.
fn read<T: DeserializeOwned>(resource: &Value, into: &mut Vec<T>, unreadable: &mut Vec<String>) {
    match T::deserialize(resource) {
        Ok(resource) => into.push(resource),
        Err(error) => {
            let name = resource.get("name").and_then(Value::as_str);
            let name = name.unwrap_or("without a name");
            let place = error.to_string();
            let kind = place.split(':').next().unwrap_or_default();
            unreadable.push(format!("a resource ({name}) cannot be read: {kind}"));
        }
    }
}

impl Extension {
    /// The name of its message: `envoy.extensions.filters.http.wasm.v3.Wasm`.
    pub fn message(&self) -> &str {
        let name = self.typed_config.get("@type").and_then(Value::as_str);
        name.and_then(|name| name.rsplit('/').next())
            .unwrap_or_default()
    }

    /// The filter that only hands a message on to another process, or that a per-route configuration turns off.
    pub fn is_turned_off_by(&self, per_filter: &Value) -> Option<bool> {
        let config = per_filter.get(&self.name)?;
        Some(
            config
                .get("disabled")
                .and_then(Value::as_bool)
                .unwrap_or(false),
        )
    }
}

impl Address {
    /// `127.0.0.1:10000`, or a path; `None` where there is none.
    pub fn text(&self) -> Option<String> {
        match (&self.socket_address, &self.pipe) {
            (Some(socket), _) if socket.address.contains(':') => {
                Some(format!("[{}]:{}", socket.address, socket.port_value))
            }
            (Some(socket), _) => Some(format!("{}:{}", socket.address, socket.port_value)),
            (None, Some(pipe)) => Some(pipe.path.clone()),
            (None, None) => None,
        }
    }
}

impl RouteAction {
    /// The clusters that it may send a request to.
    pub fn clusters(&self) -> Vec<String> {
        let weighted = self.weighted_clusters.iter().flat_map(|all| &all.clusters);
        let header = self
            .cluster_header
            .iter()
            .map(|name| format!("(as header {name} says)"));
        let named = self.cluster.iter().cloned();
        named
            .chain(weighted.map(|cluster| cluster.name.clone()))
            .chain(header)
            .collect()
    }
}
