//! Kubernetes resources, by the schemas of whoever defines them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::harness::process::repository;
use super::harness::shipped::documents;
use super::{PYTHON, Reader, ask, of};

const INGRESS: &str = "envoy/istio/ingress-gateway.yaml";
const POLICY: &str = "envoy/gateway/policy.yaml";

/// The folder of `CustomResourceDefinition`s, if there is one.
fn crds() -> Option<PathBuf> {
    let folder =
        std::env::var_os("CRDS").map_or_else(|| repository().join("../shared/crds"), PathBuf::from);
    folder.is_dir().then_some(folder)
}

/// What the schemas say of each resource: by which, and what is wrong.
fn judged(resources: &[Value], crds: Option<&Path>) -> Vec<(String, Vec<Value>)> {
    let question = json!({ "resources": resources, "crds": crds });
    let here = ask(PYTHON, &["tests/kubernetes/check.py"], &question);
    let there = ask("node", &["tests/kubernetes/check.mjs"], &question);
    let pairs = here
        .as_array()
        .expect("answers")
        .iter()
        .zip(there.as_array().expect("answers"));
    pairs
        .map(|(here, there)| {
            assert_eq!(
                here["unchecked"],
                json!([]),
                "a rule that is not understood"
            );
            let answer = if here["by"].is_null() { there } else { here };
            let by = answer["by"].as_str().unwrap_or_default().to_owned();
            (by, answer["errors"].as_array().expect("errors").clone())
        })
        .collect()
}

fn with_schema_by_crd(resource: &Value) -> bool {
    const KINDS: [&str; 5] = [
        "WasmPlugin",
        "TrafficExtension",
        "EnvoyFilter",
        "ServiceEntry",
        "EnvoyExtensionPolicy",
    ];
    KINDS.contains(&resource["kind"].as_str().expect("a kind"))
}

fn without_crds() {
    // Straight to standard error, which the test runner does not keep to itself.
    let told = "SKIPPED, not tested: the schemas of WasmPlugin, TrafficExtension, EnvoyFilter, ServiceEntry and \
                EnvoyExtensionPolicy; set CRDS to a folder with their CustomResourceDefinitions, which are published in the \
                repositories istio/istio (manifests/charts/base/files/crd-all.gen.yaml, one file for each) and \
                envoyproxy/gateway (charts/gateway-helm/charts/crds/crds/generated/)";
    writeln!(std::io::stderr(), "{told}").expect("standard error");
}

#[test]
fn every_kubernetes_resource_is_right_by_its_schema() {
    let mut resources: Vec<Value> = of(Reader::Kubernetes)
        .flat_map(|file| documents(&file))
        .collect();
    for folder in ["base", "overlays/example"] {
        resources.extend(rendered(folder));
    }
    let crds = crds();
    if crds.is_none() {
        without_crds();
        resources.retain(|resource| !with_schema_by_crd(resource));
    }
    for (resource, (by, errors)) in resources.iter().zip(judged(&resources, crds.as_deref())) {
        let name = format!("{} {}", resource["kind"], resource["metadata"]["name"]);
        assert!(errors.is_empty(), "{name}: {errors:#?}");
        assert!(!by.is_empty(), "{name} has no schema");
        assert!(
            !with_schema_by_crd(resource) || by == "crd",
            "{name} by {by}"
        );
    }
}

/// File, kind, where, what then stands there, and what is said.
fn mistakes() -> Vec<(
    &'static str,
    &'static str,
    &'static str,
    Value,
    &'static str,
)> {
    const UNKNOWN: &str = "may only specify known properties";
    vec![
        (
            INGRESS,
            "WasmPlugin",
            "/spec/phases",
            json!("AUTHN"),
            "'phases' was unexpected",
        ),
        (
            INGRESS,
            "WasmPlugin",
            "/spec/phase",
            json!("AUTH"),
            "is not one of",
        ),
        (
            INGRESS,
            "WasmPlugin",
            "/spec/vmConfig/env/0/value",
            json!("x"),
            "value may only be set when valueFrom is INLINE",
        ),
        (
            INGRESS,
            "WasmPlugin",
            "/spec/url",
            json!("ftp://a"),
            "url must have schema one of",
        ),
        (
            INGRESS,
            "ServiceEntry",
            "/spec/ports/0/number",
            json!(0),
            "port must be between 1-65535",
        ),
        (
            POLICY,
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/code/type",
            json!("HTTP"),
            "http field needs to be set",
        ),
        (
            POLICY,
            "EnvoyExtensionPolicy",
            "/spec/wasm/0/failopen",
            json!(true),
            "'failopen' was unexpected",
        ),
        (
            INGRESS,
            "Deployment",
            "/spec/replica",
            json!(2),
            "'replica' was unexpected",
        ),
        (
            INGRESS,
            "DestinationRule",
            "/spec/trafficPolicy/tls/mode",
            json!("SIMPEL"),
            "must be equal to one of",
        ),
        (
            INGRESS,
            "DestinationRule",
            "/spec/trafficPolicy/tls/sin",
            json!("a"),
            UNKNOWN,
        ),
        (
            POLICY,
            "ClientTrafficPolicy",
            "/spec/path/escapedSlashAction",
            json!("RejectRequest"),
            UNKNOWN,
        ),
        (
            POLICY,
            "HTTPRoute",
            "/spec/rules",
            json!("all"),
            "must be array",
        ),
    ]
}

#[test]
fn a_mistake_in_a_resource_is_found_by_its_schema() {
    let crds = crds();
    let mut rows = mistakes();
    let mut wrong: Vec<Value> = rows
        .iter()
        .map(|(file, kind, place, value, _)| {
            let mut resource = documents(file)
                .into_iter()
                .find(|it| it["kind"] == *kind)
                .expect("a resource");
            let (parent, member) = place.rsplit_once('/').expect("a place");
            resource.pointer_mut(parent).expect("a place")[member] = value.clone();
            resource
        })
        .collect();
    if crds.is_none() {
        let mut known = wrong.iter().map(|resource| !with_schema_by_crd(resource));
        rows.retain(|_| known.next().expect("a resource for each"));
        wrong.retain(|resource| !with_schema_by_crd(resource));
    }
    for ((_, kind, place, _, says), (_, errors)) in rows.iter().zip(judged(&wrong, crds.as_deref()))
    {
        let told = Value::from(errors).to_string();
        assert!(told.contains(says), "{kind} with {place}: {told}");
    }
}

/// What `kubectl apply -k` would apply.
fn rendered(folder: &str) -> Vec<Value> {
    let output = Command::new(repository().join(".tools/bin/kubectl"))
        .arg("kustomize")
        .arg(repository().join("envoy/kubernetes").join(folder))
        .output()
        .expect("kubectl; scripts/setup installs it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_saphyr::from_multiple(&String::from_utf8_lossy(&output.stdout)).expect("YAML")
}

#[test]
fn the_overlay_changes_the_base_and_its_config_map_keeps_its_name() {
    let overlay = rendered("overlays/example");
    let named = |kind: &str, name: &str| {
        let found = overlay.iter().find(|it| {
            let it_is = it["metadata"]["name"]
                .as_str()
                .is_some_and(|it| it.starts_with(name));
            it["kind"] == kind && it_is
        });
        found.unwrap_or_else(|| panic!("no {kind} {name}"))
    };
    let filter = named("ConfigMap", "tenantgate");
    assert_eq!(
        filter["metadata"]["name"], "tenantgate",
        "an edit has to reach the pods that run"
    );
    let text =
        fs::read_to_string(repository().join("envoy/kubernetes/overlays/example/filter.yaml"))
            .expect("a file");
    assert_eq!(filter["data"]["filter.yaml"], text);
    let deployment = named("Deployment", "model-server");
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["metadata"]["namespace"], "models");
    let volumes = deployment["spec"]["template"]["spec"]["volumes"]
        .as_array()
        .expect("volumes");
    let bootstrap = volumes
        .iter()
        .find(|volume| volume["name"] == "envoy")
        .expect("the bootstrap");
    let hashed = named("ConfigMap", "envoy-");
    assert_eq!(
        bootstrap["configMap"]["name"], hashed["metadata"]["name"],
        "an edit has to roll out"
    );
    // Only the gate's port is let in from everywhere, and the model server's from nowhere.
    let policy = named("NetworkPolicy", "model-server");
    let open: Vec<&Value> = policy["spec"]["ingress"]
        .as_array()
        .expect("rules")
        .iter()
        .flat_map(|rule| rule["ports"].as_array().expect("ports"))
        .map(|port| &port["port"])
        .collect();
    assert_eq!(open, [&json!(10000), &json!(9902)]);
}
