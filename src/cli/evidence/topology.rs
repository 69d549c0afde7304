//! Who reaches what through Envoy: listeners with what stands in them, routes, and the clusters behind. What a reader of
//! `envoy` types wants to know, without how it was written.

mod route;

use serde::{Deserialize, Serialize};

use super::envoy::{self, Extension, NetworkFilter, Resources, RouteConfiguration};
use route::flatten;
pub(super) use route::{PathMatch, Route};

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
    /// One of several virtual hosts is chosen by all of `host`, port and final dot included, which the gate takes off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub routes_by_whole_host: bool,
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
            routes_by_whole_host: config.is_some_and(|config| {
                let plain = config.ignore_port_in_host_matching && filter.strip_trailing_host_dot;
                config.virtual_hosts.len() > 1 && !plain
            }),
            routes_unknown: config.is_none() && (named.is_some() || filter.scoped_routes.is_some()),
            connections_to: std::iter::once(filter.cluster.clone())
                .chain(weighted.map(|cluster| cluster.name.clone()))
                .filter(|name| !name.is_empty())
                .collect(),
        })
    }
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
