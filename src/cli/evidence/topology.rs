//! Who reaches what through Envoy: listeners with what stands in them, routes, and the clusters behind. What a reader of
//! `envoy` types wants to know, without how it was written.

use serde::{Deserialize, Serialize};

use super::envoy::{self, Extension, NetworkFilter, Resources, RouteConfiguration};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Topology {
    pub listeners: Vec<Listener>,
    pub clusters: Vec<Cluster>,
    /// Where Envoy's admin interface listens.
    pub admin: Option<String>,
    /// What of the configuration could not be read.
    pub unreadable: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Listener {
    pub name: String,
    pub addresses: Vec<String>,
    pub chains: Vec<Chain>,
}

/// One way through a listener: what is done with the connections that it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    pub encryption: Encryption,
    pub gate: Gate,
    /// HTTP filters that see a request before the gate, and might answer it.
    pub filters_before: Vec<String>,
    pub routes: Vec<Route>,
    /// The routes are told to Envoy by somebody else, and are not in what was read.
    pub routes_unknown: bool,
    /// The clusters that whole connections go to.
    pub connections_to: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encryption {
    None,
    Tls,
    /// TLS, and the client shows a certificate as well.
    MutualTls,
    /// Another transport socket, of which nothing is known.
    Unknown,
}

/// Where the gate stands on a way through a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Gate {
    /// With the configuration that the pack is about.
    Here,
    /// With another one.
    Other,
    /// It is there and turned off.
    Off,
    Missing,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Route {
    pub virtual_host: String,
    pub domains: Vec<String>,
    pub path: PathMatch,
    /// Any, if none is named.
    pub methods: Vec<String>,
    /// The clusters that it leads to.
    pub to: Vec<String>,
    /// What Envoy answers by itself, where it leads nowhere.
    pub by_envoy: Option<String>,
    pub gate_off: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PathMatch {
    Prefix(String),
    Path(String),
    PathSeparatedPrefix(String),
    SafeRegex(String),
    UriTemplate(String),
    Connect,
    /// A way to match that is not known here.
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cluster {
    pub name: String,
    pub addresses: Vec<String>,
    pub encryption: Encryption,
}

/// What the gate's filter is among others: the one that the pack is about, another one, or none.
pub(super) type Judge<'a> = &'a dyn Fn(&Extension) -> Option<Gate>;

impl Topology {
    pub fn new(resources: Resources, judge: Judge<'_>) -> Self {
        let Resources {
            listeners,
            routes,
            clusters,
            assignments,
            extensions,
            admin,
            unreadable,
        } = resources;
        let judge = |filter: &Extension| {
            // One that comes by itself (ECDS) is known by its name.
            let discovered = extensions
                .iter()
                .find(|extension| extension.name == filter.name);
            judge(filter).or_else(|| judge(discovered?))
        };
        Self {
            listeners: listeners
                .into_iter()
                .map(|listener| Listener::new(listener, &routes, &judge))
                .collect(),
            clusters: clusters
                .into_iter()
                .map(|cluster| Cluster::new(cluster, &assignments))
                .collect(),
            admin: admin.and_then(|admin| admin.address.text()),
            unreadable,
        }
    }

    /// All ways through all listeners.
    pub fn chains(&self) -> impl Iterator<Item = (&Listener, &Chain)> {
        self.listeners
            .iter()
            .flat_map(|listener| listener.chains.iter().map(move |chain| (listener, chain)))
    }
}

impl Listener {
    fn new(listener: envoy::Listener, routes: &[RouteConfiguration], judge: Judge<'_>) -> Self {
        let addresses = std::iter::once(&listener.address)
            .chain(
                listener
                    .additional_addresses
                    .iter()
                    .map(|more| &more.address),
            )
            .filter_map(envoy::Address::text)
            .collect::<Vec<_>>();
        let internal = listener.internal_listener.is_some() || listener.api_listener.is_some();
        let chains = listener
            .filter_chains
            .into_iter()
            .chain(listener.default_filter_chain);
        Self {
            name: listener.name,
            addresses: if addresses.is_empty() && internal {
                vec!["inside Envoy only".to_owned()]
            } else {
                addresses
            },
            chains: chains
                .filter_map(|chain| Chain::new(&chain, routes, judge))
                .collect(),
        }
    }

    /// Whether only programs of the same machine or pod can connect.
    pub fn is_local(&self) -> bool {
        self.addresses.iter().all(|address| is_local(address))
    }
}

impl Chain {
    /// `None` where it neither speaks HTTP nor hands connections on.
    fn new(
        chain: &envoy::FilterChain,
        routes: &[RouteConfiguration],
        judge: Judge<'_>,
    ) -> Option<Self> {
        let last = chain.filters.iter().rev().find(|filter| {
            filter.message().ends_with(".HttpConnectionManager")
                || filter.message().ends_with(".TcpProxy")
        })?;
        let filter: NetworkFilter = serde::Deserialize::deserialize(&last.typed_config).ok()?;
        let at = filter
            .http_filters
            .iter()
            .position(|filter| judge(filter).is_some());
        let ours = at.and_then(|at| filter.http_filters.get(at));
        let gate = match ours {
            None => Gate::Missing,
            Some(ours) if ours.disabled => Gate::Off,
            Some(ours) => judge(ours).unwrap_or(Gate::Missing),
        };
        let named = filter
            .rds
            .as_ref()
            .map(|rds| rds.route_config_name.as_str());
        let config = filter.route_config.as_ref().or_else(|| {
            let named = named?;
            routes.iter().find(|config| config.name == named)
        });
        let weighted = filter
            .weighted_clusters
            .iter()
            .flat_map(|all| &all.clusters);
        Some(Self {
            encryption: encryption(chain.transport_socket.as_ref()),
            gate,
            filters_before: filter
                .http_filters
                .iter()
                .take(at.unwrap_or(0))
                .map(|filter| filter.name.clone())
                .collect(),
            routes: config.map_or_else(Vec::new, |config| flatten(config, ours)),
            routes_unknown: config.is_none() && (named.is_some() || filter.scoped_routes.is_some()),
            connections_to: std::iter::once(filter.cluster.clone())
                .chain(weighted.map(|cluster| cluster.name.clone()))
                .filter(|name| !name.is_empty())
                .collect(),
        })
    }
}

/// The routes of all virtual hosts. What is said about the filter nearest to a route holds (Envoy: "The most specific
/// configuration wins").
fn flatten(config: &RouteConfiguration, ours: Option<&Extension>) -> Vec<Route> {
    let turned_off = |per_filter| ours.and_then(|ours| ours.is_turned_off_by(per_filter));
    let mut routes = Vec::new();
    for host in &config.virtual_hosts {
        for route in &host.routes {
            let off = turned_off(&route.typed_per_filter_config)
                .or_else(|| turned_off(&host.typed_per_filter_config))
                .or_else(|| turned_off(&config.typed_per_filter_config));
            let by_envoy = match (&route.redirect, &route.direct_response) {
                (Some(_), _) => Some("redirect".to_owned()),
                (None, Some(_)) => Some("direct response".to_owned()),
                (None, None) => None,
            };
            let action = route.route.as_ref();
            routes.push(Route {
                virtual_host: host.name.clone(),
                domains: host.domains.clone(),
                path: PathMatch::new(&route.matches),
                methods: methods(&route.matches),
                to: action.map(envoy::RouteAction::clusters).unwrap_or_default(),
                by_envoy,
                gate_off: off.unwrap_or(false),
            });
        }
    }
    routes
}

impl PathMatch {
    fn new(matches: &envoy::RouteMatch) -> Self {
        let template = matches.path_match_policy.as_ref().and_then(|policy| {
            let config = &policy.typed_config;
            let text = config
                .get("path_template")
                .or_else(|| config.get("pathTemplate"));
            text?.as_str().map(str::to_owned)
        });
        if let Some(prefix) = &matches.prefix {
            Self::Prefix(prefix.clone())
        } else if let Some(path) = &matches.path {
            Self::Path(path.clone())
        } else if let Some(prefix) = &matches.path_separated_prefix {
            Self::PathSeparatedPrefix(prefix.clone())
        } else if let Some(regex) = &matches.safe_regex {
            Self::SafeRegex(regex.regex.clone())
        } else if let Some(template) = template {
            Self::UriTemplate(template)
        } else if matches.connect_matcher.is_some() {
            Self::Connect
        } else {
            Self::Unknown
        }
    }
}

impl std::fmt::Display for PathMatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Prefix(text) => write!(f, "prefix {text}"),
            Self::Path(text) => write!(f, "path {text}"),
            Self::PathSeparatedPrefix(text) => write!(f, "prefix {text} and below"),
            Self::SafeRegex(text) => write!(f, "regex {text}"),
            Self::UriTemplate(text) => write!(f, "template {text}"),
            Self::Connect => f.write_str("CONNECT"),
            Self::Unknown => f.write_str("a match that this command does not know"),
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let methods = self.methods.join(", ");
        let space = if methods.is_empty() { "" } else { " " };
        write!(f, "{}: {methods}{space}{}", self.virtual_host, self.path)
    }
}

/// The methods that a route names by an exact match of `:method`; any other condition narrows it in a way that does not
/// matter here.
fn methods(matches: &envoy::RouteMatch) -> Vec<String> {
    let named = matches
        .headers
        .iter()
        .filter(|header| header.name == ":method" && !header.invert_match);
    named
        .filter_map(|header| {
            let exact = header
                .string_match
                .as_ref()
                .and_then(|text| text.exact.as_ref());
            exact.or(header.exact_match.as_ref()).cloned()
        })
        .collect()
}

impl Cluster {
    fn new(cluster: envoy::Cluster, assignments: &[envoy::LoadAssignment]) -> Self {
        let found = assignments
            .iter()
            .find(|assignment| assignment.cluster_name == cluster.name);
        let assignment = cluster.load_assignment.as_ref().or(found);
        let endpoints = assignment
            .iter()
            .flat_map(|assignment| &assignment.endpoints)
            .flat_map(|locality| &locality.lb_endpoints);
        Self {
            addresses: endpoints
                .filter_map(|endpoint| endpoint.endpoint.address.text())
                .collect(),
            encryption: encryption(cluster.transport_socket.as_ref()),
            name: cluster.name,
        }
    }

    /// Whether only programs of the same machine or pod can reach it; not so where no address is known.
    pub fn is_local(&self) -> bool {
        !self.addresses.is_empty() && self.addresses.iter().all(|address| is_local(address))
    }
}

/// A loopback address, a pipe, or Envoy itself.
fn is_local(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    address.starts_with(['/', '@'])
        || address == "inside Envoy only"
        || host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn encryption(socket: Option<&Extension>) -> Encryption {
    let Some(socket) = socket else {
        return Encryption::None;
    };
    let config = &socket.typed_config;
    let required = config
        .get("require_client_certificate")
        .or_else(|| config.get("requireClientCertificate"));
    match socket.message().rsplit('.').next() {
        Some("DownstreamTlsContext" | "QuicDownstreamTransport")
            if required.and_then(serde_json::Value::as_bool) == Some(true) =>
        {
            Encryption::MutualTls
        }
        Some("DownstreamTlsContext" | "UpstreamTlsContext" | "QuicDownstreamTransport") => {
            Encryption::Tls
        }
        Some("RawBuffer") => Encryption::None,
        _ => Encryption::Unknown,
    }
}

impl Encryption {
    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tls => "TLS",
            Self::MutualTls => "TLS with client certificates",
            Self::Unknown => "not known",
        }
    }
}

impl Gate {
    pub fn is_here(self) -> bool {
        self == Self::Here
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "yes",
            Self::Other => "with another configuration",
            Self::Off => "turned off",
            Self::Missing => "no",
        }
    }
}
