//! Where Envoy's own configuration is found, and what of it is a gap.

use serde_json::{Value, json};

use super::command::{Desk, evidence, files};

fn gate(unmatched: &str) -> Value {
    json!({ "name": "tenantgate", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
        "config": { "name": "tenantgate", "configuration": {
            "@type": "type.googleapis.com/google.protobuf.StringValue",
            "value": json!({ "unmatched": unmatched, "endpoints": [
                { "name": "chat", "path": "/v1/chat", "authorizer": { "type": "api_key", "keys": [{ "client_id": "a", "key": "k1" }] } },
            ] }).to_string(),
        } },
    } })
}

/// With an open endpoint beside that, on a host of its own.
fn gate_of_hosts() -> Value {
    let mut gate = gate("deny");
    let config = gate
        .pointer_mut("/typed_config/config/configuration/value")
        .unwrap();
    let mut text: Value = serde_json::from_str(config.as_str().unwrap()).unwrap();
    text["endpoints"].as_array_mut().unwrap().push(json!(
        { "name": "open", "path": "/v1/chat", "hosts": ["open.test"], "authorizer": { "type": "none" } }
    ));
    *config = json!(text.to_string());
    gate
}

fn router() -> Value {
    json!({ "name": "router", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } })
}

fn listener(name: &str, filters: &[Value], more: &Value) -> Value {
    let mut manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "http_filters": filters,
    });
    manager
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({
        "name": name,
        "address": { "socket_address": { "address": "0.0.0.0", "port_value": 80 } },
        "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": manager }] }],
    })
}

fn routes(list: &Value) -> Value {
    json!({ "route_config": { "name": "r", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": list }] } })
}

fn to_model() -> Value {
    json!([{ "match": { "path": "/v1/chat" }, "route": { "cluster": "model" } }])
}

fn bootstrap(listeners: &[Value]) -> Value {
    json!({ "static_resources": { "listeners": listeners, "clusters": [{ "name": "model" }, { "name": "other" }] } })
}

/// The gaps: kind, listener and what.
fn gaps(document: &Value) -> Vec<(String, String, String)> {
    let desk = Desk::new();
    let config = desk.write("envoy.json", &document.to_string());
    let answer = evidence(&["--config", &config, "--out", &desk.path("pack"), "--json"]);
    assert_eq!(answer.status, Some(0), "{}", answer.stderr);
    let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
    let text = |gap: &Value, name: &str| gap[name].as_str().unwrap().to_owned();
    let gaps = answer["gaps"].as_array().unwrap();
    gaps.iter()
        .map(|gap| (text(gap, "kind"), text(gap, "listener"), text(gap, "what")))
        .collect()
}

#[test]
fn what_an_endpoint_does_not_cover_is_a_gap_of_its_own_kind() {
    let ours = [gate("deny"), router()];
    let good = listener("gate", &ours, &routes(&to_model()));
    let mut off = gate("deny");
    off["disabled"] = json!(true);
    let mut other = gate("pass");
    other["name"] = json!("other");
    let mut tcp = listener("tcp", &[], &json!({}));
    tcp["filter_chains"][0]["filters"] = json!([{ "name": "tcp", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "model",
    } }]);
    let two_vhosts = json!({ "route_config": { "virtual_hosts": [
        { "name": "v", "domains": ["*"], "routes": to_model() },
        { "name": "w", "domains": ["w.example.com"], "routes": to_model(),
          "typed_per_filter_config": { "tenantgate": { "disabled": true } } },
    ] } });
    let by_host = |ignore_port: bool, strip_final_dot: bool| {
        json!({
            "strip_trailing_host_dot": strip_final_dot,
            "route_config": { "ignore_port_in_host_matching": ignore_port, "virtual_hosts": [
                { "name": "v", "domains": ["*"], "routes": to_model() },
                { "name": "w", "domains": ["open.test"], "routes": to_model() },
            ] },
        })
    };
    for (what, listeners, expected) in [
        ("nothing", vec![good.clone()], vec![]),
        (
            "no filter",
            vec![
                good.clone(),
                listener("bare", &[router()], &routes(&to_model())),
            ],
            vec![("no_filter", "bare", "v: path /v1/chat")],
        ),
        (
            "no filter, another cluster",
            vec![
                good.clone(),
                listener(
                    "bare",
                    &[router()],
                    &routes(
                        &json!([{ "match": { "prefix": "/" }, "route": { "cluster": "other" } }]),
                    ),
                ),
            ],
            vec![],
        ),
        (
            "a filter that is off",
            vec![
                good.clone(),
                listener("off", &[off, router()], &routes(&to_model())),
            ],
            vec![("filter_off", "off", "v: path /v1/chat")],
        ),
        (
            "off for a virtual host",
            vec![listener("gate", &ours, &two_vhosts)],
            vec![("filter_off", "gate", "w: path /v1/chat")],
        ),
        (
            "whole connections",
            vec![good.clone(), tcp],
            vec![("no_filter", "tcp", "connections")],
        ),
        (
            "unknown routes",
            vec![
                good.clone(),
                listener(
                    "rds",
                    &ours,
                    &json!({ "rds": { "route_config_name": "away" } }),
                ),
            ],
            vec![("routes_unknown", "rds", "all routes")],
        ),
        (
            "an uncovered route",
            vec![listener(
                "gate",
                &ours,
                &routes(&json!([
                    { "match": { "path": "/v1/chat", "headers": [{ "name": ":method", "string_match": { "exact": "POST" } }] }, "route": { "cluster": "model" } },
                    { "match": { "safe_regex": { "regex": "/v2/.*" } }, "route": { "cluster": "model" } },
                ])),
            )],
            vec![("refused", "gate", "v: regex /v2/.*")],
        ),
        (
            "a covered one that takes more",
            vec![listener(
                "gate",
                &ours,
                &routes(
                    &json!([{ "match": { "prefix": "/v1" }, "route": { "cluster": "model" } }]),
                ),
            )],
            vec![],
        ),
        (
            "virtual hosts that are chosen by all of the host",
            vec![listener(
                "gate",
                &[gate_of_hosts(), router()],
                &by_host(true, false),
            )],
            vec![("other_host", "gate", "all routes")],
        ),
        (
            "virtual hosts that are chosen as the gate judges",
            vec![listener(
                "gate",
                &[gate_of_hosts(), router()],
                &by_host(true, true),
            )],
            vec![],
        ),
        (
            "the same where nothing is judged by its host",
            vec![listener("gate", &ours, &by_host(false, false))],
            vec![],
        ),
        (
            "the same where others pass",
            vec![listener(
                "gate",
                &[gate("pass"), router()],
                &routes(&json!([
                    { "match": { "path": "/v1/chat" }, "route": { "cluster": "model" } },
                    { "match": { "prefix": "/v1" }, "route": { "cluster": "model" } },
                ])),
            )],
            vec![("unjudged", "gate", "v: prefix /v1")],
        ),
    ] {
        let expected: Vec<_> = expected
            .iter()
            .map(|(a, b, c): &(&str, &str, &str)| {
                ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())
            })
            .collect();
        assert_eq!(gaps(&bootstrap(&listeners)), expected, "{what}");
    }
    // Two gates: the one that is not meant is another configuration.
    let desk = Desk::new();
    let both = bootstrap(&[
        good,
        listener("second", &[other, router()], &routes(&to_model())),
    ]);
    let config = desk.write("envoy.json", &both.to_string());
    let place = "listeners[0]";
    let answer = evidence(&[
        "--config",
        &config,
        "--filter",
        place,
        "--out",
        &desk.path("pack"),
        "--json",
    ])
    .good();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["gaps"][0]["kind"], "other_configuration", "{answer}");
}

#[test]
fn a_config_dump_is_read_with_its_routes_endpoints_and_filters_that_come_by_themselves() {
    let mut discovered = gate("deny");
    let typed = discovered["typed_config"].take();
    let filter = json!({ "name": "tenantgate", "config_discovery": { "type_urls": [] } });
    let rds = json!({ "rds": { "route_config_name": "models" } });
    let gated = listener("inbound", &[filter, router()], &rds);
    let dump = json!({ "configs": [
        { "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", "bootstrap": {
            "admin": { "address": { "socket_address": { "address": "::1", "port_value": 15000 } } },
            "static_resources": { "listeners": [listener("old", &[gate("pass")], &json!({}))] } } },
        { "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump", "dynamic_active_clusters": [
            { "cluster": { "name": "model", "type": "EDS", "transport_socket": { "name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" } } } } ] },
        { "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "dynamic_listeners": [
            { "name": "inbound", "active_state": { "listener": gated } }, { "name": "draining", "draining_state": {} } ] },
        { "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": [
            { "route_config": { "name": "models", "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": to_model() }] } } ] },
        { "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump", "dynamic_endpoint_configs": [
            { "endpoint_config": { "cluster_name": "model", "endpoints": [{ "lb_endpoints": [
                { "endpoint": { "address": { "socket_address": { "address": "10.1.2.3", "port_value": 8000 } } } } ] }] } } ] },
        { "@type": "type.googleapis.com/envoy.admin.v3.EcdsConfigDump", "ecds_filters": [
            { "ecds_filter": { "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": "tenantgate", "typed_config": typed } } ] },
    ] });
    assert_eq!(gaps(&dump), []);

    let desk = Desk::new();
    let config = desk.write("dump.json", &dump.to_string());
    evidence(&["--config", &config, "--out", &desk.path("pack")]).good();
    let pages = files(desk.at("pack"));
    let page = |beginning: &str| {
        &pages
            .iter()
            .find(|(name, _)| name.starts_with(beginning))
            .unwrap()
            .1
    };
    let exposure = page("network");
    assert!(
        exposure.contains("| `inbound` | `0.0.0.0:80` | none | yes | none | 1 |"),
        "{exposure}"
    );
    assert!(
        exposure.contains("| `model` | `10.1.2.3:8000` | TLS | model server |"),
        "{exposure}"
    );
    assert!(
        exposure.contains("admin interface listens on `[::1]:15000`"),
        "{exposure}"
    );
    assert!(page("endpoint").contains("| `chat` | any | any | `/v1/chat` | API key | tenant_id of the key's entry | any address | `model` |"));
}

#[test]
fn what_envoy_would_not_read_is_told_without_its_content() {
    let mut document = bootstrap(&[listener(
        "gate",
        &[gate("deny"), router()],
        &routes(&to_model()),
    )]);
    document["static_resources"]["clusters"] =
        json!([{ "name": "odd", "load_assignment": "CANARY" }]);
    let desk = Desk::new();
    let config = desk.write("envoy.json", &document.to_string());
    evidence(&["--config", &config, "--out", &desk.path("pack")]).good();
    let pages = files(desk.at("pack"));
    let (_, inventory) = pages
        .iter()
        .find(|(name, _)| name.starts_with("endpoint"))
        .unwrap();
    assert!(
        inventory.contains("a resource (odd) cannot be read: invalid type."),
        "{inventory}"
    );
    assert!(pages.iter().all(|(_, text)| !text.contains("CANARY")));
}
