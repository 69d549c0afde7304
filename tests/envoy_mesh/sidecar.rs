//! The sidecar of `envoy/kubernetes`, with its files in folders that change as those of a `ConfigMap` do.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::harness::shipped::shipped;
use super::harness::{Envoy, Issuer, Setup, Upstream, module};
use super::{KEY, LOGIN, admitted, token};

/// Brings a new version of a `ConfigMap` to its folder as the kubelet does: a folder beside, and one rename of a link. The
/// names of the files are links into whichever folder that link names.
fn publish(folder: &Path, version: u32, filter: &Value) {
    let fresh = folder.join(format!("..{version}"));
    fs::create_dir(&fresh).expect("a folder");
    fs::write(fresh.join("filter.yaml"), filter.to_string()).expect("a file");
    symlink(&fresh, folder.join("..data_tmp")).expect("a link");
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("a rename");
    if version == 0 {
        symlink("..data/filter.yaml", folder.join("filter.yaml")).expect("a link");
    }
}

/// The filter of the file, with the module where it is on this machine.
fn filter(file: &str) -> Value {
    let mut filter = shipped(file);
    filter["resources"][0]["typed_config"]["config"]["vm_config"]["code"]["local"]["filename"] =
        json!(module::filter());
    filter
}

/// The bootstrap of the pod, with ports, folders and addresses of this machine, and the issuer without TLS.
fn bootstrap(folder: &Path, issuer: &Issuer, upstream: &Upstream) -> Value {
    let mut bootstrap = shipped("envoy/kubernetes/base/envoy.yaml");
    // Nobody else takes it between now and then, but for a coincidence.
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let admin = probe.local_addr().expect("its address");
    drop(probe);
    let socket = |address: std::net::SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    bootstrap["admin"]["address"] = socket(admin);
    let resources = &mut bootstrap["static_resources"];
    for listener in resources["listeners"].as_array_mut().expect("listeners") {
        listener["address"] = socket("127.0.0.1:0".parse().expect("an address"));
    }
    for cluster in resources["clusters"].as_array_mut().expect("clusters") {
        let address = match cluster["name"].as_str() {
            Some("model_server") => upstream.address(),
            Some("admin") => admin,
            _ => issuer.address(),
        };
        cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] =
            socket(address);
        cluster
            .as_object_mut()
            .expect("a cluster")
            .remove("transport_socket");
    }
    let discovery = "/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/config_discovery/config_source/path_config_source";
    let source = resources
        .pointer_mut(discovery)
        .expect("where the filter is");
    assert_eq!(
        *source,
        json!({
            "path": "/etc/tenantgate/filter.yaml", "watched_directory": { "path": "/etc/tenantgate" },
        })
    );
    *source =
        json!({ "path": folder.join("filter.yaml"), "watched_directory": { "path": folder } });
    bootstrap
}

#[test]
fn the_sidecar_takes_a_changed_config_map_without_a_restart() {
    let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
    let folder = tempfile::tempdir().expect("a folder");
    publish(
        folder.path(),
        0,
        &filter("envoy/kubernetes/base/filter.yaml"),
    );
    let setup = Setup::of(bootstrap(folder.path(), &issuer, &upstream));
    let envoy = Envoy::start(setup.secret("VLLM_API_KEY", "the-key-of-vllm"));

    admitted(&envoy, "models.example.com", &token(&issuer));
    let seen = upstream.last();
    assert_eq!(
        seen.header("authorization").as_deref(),
        Some("Bearer the-key-of-vllm")
    );
    let models = || envoy.get("/v1/models");
    models().bearer(KEY).send().admitted();
    models().send().refused(401, "missing_credential");
    // Not known yet.
    let tokenize = || envoy.ask("POST", "/tokenize");
    tokenize().send().refused(404, "unknown_endpoint");
    let line = envoy.printed(4).pop().expect("a line");
    assert_eq!(
        (&line["decision"], &line["reason"]),
        (&json!("deny"), &json!("unknown_endpoint"))
    );

    // What probes and Prometheus ask, the readiness probe through the gate;
    envoy.get("/health").send().admitted();
    // and nothing else of the admin interface is there.
    let metrics = envoy.listener("metrics");
    let page =
        |path: &str| super::harness::Ask::to("GET", &format!("http://{metrics}{path}")).send();
    assert_eq!(page("/ready").status, 200);
    assert!(
        page("/stats/prometheus")
            .text()
            .contains("tenantgate_requests_total{endpoint=\"openai\"")
    );
    assert_eq!(page("/config_dump").status, 404);

    publish(
        folder.path(),
        1,
        &filter("envoy/kubernetes/overlays/example/filter.yaml"),
    );
    envoy.wait_for_stat(
        "extension_config_discovery.http_filter.tenantgate.update_success",
        2,
    );
    tokenize().bearer(KEY).send().admitted();
    tokenize().send().refused(401, "missing_credential");

    // A bad edit changes nothing.
    let mut bad = filter("envoy/kubernetes/overlays/example/filter.yaml");
    bad["resources"][0]["typed_config"]["config"]["configuration"]["value"]["endpoints"] =
        json!([]);
    publish(folder.path(), 2, &bad);
    envoy.wait_for_stat(
        "extension_config_discovery.http_filter.tenantgate.update_rejected",
        1,
    );
    tokenize().bearer(KEY).send().admitted();
    models().bearer(KEY).send().admitted();
}

#[test]
fn a_sidecar_whose_configuration_is_refused_at_its_start_lets_nobody_in_and_is_not_ready_until_it_is_mended()
 {
    let (issuer, upstream) = (Issuer::named(LOGIN), Upstream::start());
    let folder = tempfile::tempdir().expect("a folder");
    let good = filter("envoy/kubernetes/base/filter.yaml");
    let mut bad = good.clone();
    bad["resources"][0]["typed_config"]["config"]["configuration"]["value"]["endpoints"] =
        json!([]);
    publish(folder.path(), 0, &bad);
    let setup = Setup::of(bootstrap(folder.path(), &issuer, &upstream));
    let envoy = Envoy::start(setup.secret("VLLM_API_KEY", "the-key-of-vllm"));
    for _ in 0..5 {
        assert_eq!(envoy.get("/health").send().status, 403);
        assert_eq!(envoy.get("/v1/models").bearer(KEY).send().status, 403);
    }
    upstream.saw_nothing();

    publish(folder.path(), 1, &good);
    envoy.wait_for_stat(
        "extension_config_discovery.http_filter.tenantgate.update_success",
        1,
    );
    envoy.get("/health").send().admitted();
}

#[test]
fn envoy_takes_the_bootstrap_of_the_compose_file() {
    let mut bootstrap = shipped("envoy/compose/envoy.yaml");
    let filter = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/typed_config/config";
    let code = "/vm_config/code/local/filename";
    let place = bootstrap
        .pointer_mut(&format!("{filter}{code}"))
        .expect("the module");
    assert_eq!(*place, "/etc/envoy/tenantgate.wasm");
    *place = json!(module::filter());
    Envoy::validate(&Setup::of(bootstrap.clone())).expect("a configuration that Envoy takes");
    let endpoints = bootstrap.pointer_mut(&format!("{filter}/configuration/value/endpoints"));
    *endpoints.expect("endpoints") = json!([]);
    Envoy::validate(&Setup::of(bootstrap)).expect_err("the twin: no endpoints");
}
