//! Envoy's own configuration, as far as it says who reaches what: listeners, routes and clusters, from a bootstrap or from
//! a config dump, which keep them in different places.
//!
//! Protobuf's JSON takes `filter_chains` and `filterChains` for the same, so everything here does. Knows nothing of what
//! any of it means for the gate.

mod types;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(super) use types::{
    Address, Admin, Cluster, Extension, FilterChain, Listener, LoadAssignment, NetworkFilter,
    RouteAction, RouteConfiguration, RouteMatch,
};

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
