//! Copies of requests: what is put into a request stands in them too, and they go elsewhere.

use serde_json::{Map, Value};

use super::text;
use crate::config::Place;

/// Complains of each endpoint that lends a credential, where a route of these documents mirrors requests.
pub(super) fn check(configuration: &Value, documents: &[Value], here: &Place<'_>) {
    let Some(mirror) = documents.iter().find_map(mirror) else {
        return;
    };
    let endpoints = configuration.get("endpoints").and_then(Value::as_array);
    for (index, endpoint) in endpoints.into_iter().flatten().enumerate() {
        if endpoint.get("upstream_auth").is_some() {
            let place = here
                .member("endpoints")
                .index(index)
                .member("upstream_auth");
            place.complain(format_args!(
                "stands in the copies as well that a route of this file makes of requests (`{mirror}`); mirror before the \
                 gate, or only where the credential may be seen"
            ));
        }
    }
}

/// What makes copies somewhere below: of Envoy, of Istio's `VirtualService`, or of the Gateway API.
fn mirror(value: &Value) -> Option<&'static str> {
    match value {
        Value::Array(elements) => elements.iter().find_map(mirror),
        Value::Object(members) => made_by(members).or_else(|| members.values().find_map(mirror)),
        _ => None,
    }
}

fn made_by(members: &Map<String, Value>) -> Option<&'static str> {
    let is_named = |name: &str| {
        let policies = members.get(name).and_then(Value::as_array);
        policies.is_some_and(|policies| !policies.is_empty())
    };
    if is_named("request_mirror_policies") || is_named("requestMirrorPolicies") {
        return Some("request_mirror_policies");
    }
    // A route of a `VirtualService`.
    if members.contains_key("route") && (members.contains_key("mirror") || is_named("mirrors")) {
        return Some("mirror");
    }
    (text(members, &["type"]) == Some("RequestMirror")).then_some("RequestMirror")
}
