//! Whether Envoy routes a request by the host that the gate judges it by.
//!
//! The gate takes port and final dot off a host (RFC 9110 section 4.2.3). Envoy compares all of it with the domains of its
//! virtual hosts, unless it is told not to. Then `pub.test:1` is judged as `pub.test` and routed as any other host.

use serde_json::Value;

use crate::cli::find::{Manager, member, object};
use crate::config::Place;

/// Complains, from the connection manager on, of what it lacks where endpoints and routes are told apart by hosts.
///
/// `strip_any_host_port` is no mend: it leaves a port that is empty or no number for it.
pub(super) fn check(configuration: &Value, manager: &Manager, here: &Place<'_>) {
    let members = &manager.members;
    let Some(routes) = object(members, &["route_config", "routeConfig"]) else {
        return;
    };
    let virtual_hosts =
        member(routes, &["virtual_hosts", "virtualHosts"]).and_then(Value::as_array);
    if virtual_hosts.is_none_or(|hosts| hosts.len() < 2) || !judges_by_host(configuration) {
        return;
    }
    let is_true = |value: Option<&Value>| value == Some(&Value::Bool(true));
    let ignores_port = ["ignore_port_in_host_matching", "ignorePortInHostMatching"];
    if !is_true(member(routes, &ignores_port)) {
        here.member("route_config")
            .member(ignores_port[0])
            .complain(differs(":1", ignores_port[0]));
    }
    let strips_dot = ["strip_trailing_host_dot", "stripTrailingHostDot"];
    if !is_true(member(members, &strips_dot)) {
        here.member(strips_dot[0])
            .complain(differs(".", strips_dot[0]));
    }
}

fn differs(ending: &str, setting: &str) -> String {
    format!(
        "is not set: `HOST{ending}` is judged as `HOST` and may be routed by another virtual host, past what that one asks \
         for; write `{setting}: true`"
    )
}

/// Whether some endpoint is not for every host.
fn judges_by_host(configuration: &Value) -> bool {
    let endpoints = configuration.get("endpoints").and_then(Value::as_array);
    endpoints.into_iter().flatten().any(|endpoint| {
        let hosts = endpoint.get("hosts").and_then(Value::as_array);
        hosts.is_some_and(|hosts| !hosts.iter().any(|host| host == "*"))
    })
}
