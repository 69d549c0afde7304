//! Messages of Envoy's, with the members that matter here. Both spellings of a name are one.
#![expect(clippy::struct_field_names, reason = "they are Envoy's names")]

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Listener {
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
pub(in crate::cli::evidence) struct Admin {
    pub address: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct AdditionalAddress {
    pub address: Address,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Address {
    #[serde(alias = "socketAddress")]
    pub socket_address: Option<SocketAddress>,
    pub pipe: Option<Pipe>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct SocketAddress {
    pub address: String,
    #[serde(alias = "portValue")]
    pub port_value: u16,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Pipe {
    pub path: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct FilterChain {
    pub filters: Vec<Extension>,
    #[serde(alias = "transportSocket")]
    pub transport_socket: Option<Extension>,
}

/// A named extension with its configuration: a network filter, an HTTP filter, a transport socket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Extension {
    pub name: String,
    #[serde(alias = "typedConfig")]
    pub typed_config: Value,
    pub disabled: bool,
}

/// `HttpConnectionManager` and `TcpProxy`, whose members do not meet.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct NetworkFilter {
    #[serde(alias = "httpFilters")]
    pub http_filters: Vec<Extension>,
    #[serde(alias = "routeConfig")]
    pub route_config: Option<RouteConfiguration>,
    pub rds: Option<Rds>,
    #[serde(alias = "scopedRoutes")]
    pub scoped_routes: Option<Value>,
    #[serde(alias = "stripTrailingHostDot")]
    pub strip_trailing_host_dot: bool,
    pub cluster: String,
    #[serde(alias = "weightedClusters")]
    pub weighted_clusters: Option<WeightedClusters>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Rds {
    #[serde(alias = "routeConfigName")]
    pub route_config_name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct RouteConfiguration {
    pub name: String,
    #[serde(alias = "virtualHosts")]
    pub virtual_hosts: Vec<VirtualHost>,
    #[serde(alias = "ignorePortInHostMatching")]
    pub ignore_port_in_host_matching: bool,
    #[serde(alias = "typedPerFilterConfig")]
    pub typed_per_filter_config: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct VirtualHost {
    pub name: String,
    pub domains: Vec<String>,
    pub routes: Vec<Route>,
    #[serde(alias = "typedPerFilterConfig")]
    pub typed_per_filter_config: Value,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Route {
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
pub(in crate::cli::evidence) struct RouteMatch {
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
pub(in crate::cli::evidence) struct Regex {
    pub regex: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct HeaderMatch {
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
pub(in crate::cli::evidence) struct StringMatch {
    pub exact: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct RouteAction {
    pub cluster: Option<String>,
    #[serde(alias = "clusterHeader")]
    pub cluster_header: Option<String>,
    #[serde(alias = "weightedClusters")]
    pub weighted_clusters: Option<WeightedClusters>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct WeightedClusters {
    pub clusters: Vec<WeightedCluster>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct WeightedCluster {
    pub name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Cluster {
    pub name: String,
    #[serde(alias = "loadAssignment")]
    pub load_assignment: Option<LoadAssignment>,
    #[serde(alias = "transportSocket")]
    pub transport_socket: Option<Extension>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct LoadAssignment {
    #[serde(alias = "clusterName")]
    pub cluster_name: String,
    pub endpoints: Vec<Locality>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Locality {
    #[serde(alias = "lbEndpoints")]
    pub lb_endpoints: Vec<LbEndpoint>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct LbEndpoint {
    pub endpoint: Endpoint,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli::evidence) struct Endpoint {
    pub address: Address,
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
