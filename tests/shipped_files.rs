//! Every file of `envoy/` that a machine reads: known to a test, right by its schema, and by the filter's own parser.
//! Other programs run them: `envoy_plumbing`, `envoy_mesh`, `envoy_compose`, `envoy_access_logs`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod harness;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::envoy_config::documents;
use harness::process::repository;
use serde_json::{Value, json};

/// Who reads a file, and which test holds it against that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reader {
    /// Envoy: as a bootstrap (`envoy_plumbing`, `envoy_mesh`, `envoy_compose` run them) or as a part of one
    /// (`envoy_access_logs`, `envoy_mesh`).
    Envoy,
    /// Kubernetes, Istio, Envoy Gateway: here, and `envoy_mesh`.
    Kubernetes,
    /// Kustomize: here.
    Kustomize,
    /// Istio's Helm chart: `envoy_mesh`.
    Helm,
    /// Docker Compose: `envoy_compose`.
    Compose,
    /// Prometheus and Grafana: `envoy_access_logs`, `envoy_compose`.
    Metrics,
    /// Editors: here.
    Schema,
}

const FILES: [(&str, Reader); 26] = [
    ("access-logs/json.yaml", Reader::Envoy),
    ("access-logs/opentelemetry.yaml", Reader::Envoy),
    ("compose/envoy.yaml", Reader::Envoy),
    ("compose/prometheus.yaml", Reader::Metrics),
    ("docker-compose.yaml", Reader::Compose),
    ("envoy.yaml", Reader::Envoy),
    ("gateway/policy-http.yaml", Reader::Kubernetes),
    ("gateway/policy.yaml", Reader::Kubernetes),
    ("grafana/dashboard.json", Reader::Metrics),
    ("istio/hardening.yaml", Reader::Kubernetes),
    ("istio/ingress-gateway.yaml", Reader::Kubernetes),
    ("istio/mesh-config.yaml", Reader::Helm),
    ("istio/sidecar.yaml", Reader::Kubernetes),
    ("istio/telemetry.yaml", Reader::Kubernetes),
    ("istio/traffic-extension.yaml", Reader::Kubernetes),
    ("kubernetes/base/envoy.yaml", Reader::Envoy),
    ("kubernetes/base/filter.yaml", Reader::Envoy),
    ("kubernetes/base/kustomization.yaml", Reader::Kustomize),
    ("kubernetes/overlays/example/filter.yaml", Reader::Envoy),
    (
        "kubernetes/overlays/example/kustomization.yaml",
        Reader::Kustomize,
    ),
    ("prometheus/alerts.yaml", Reader::Metrics),
    ("prometheus/alerts_test.yaml", Reader::Metrics),
    ("providers.yaml", Reader::Envoy),
    ("tenantgate.schema.json", Reader::Schema),
    ("whole-file.schema.json", Reader::Schema),
    // Of the base; they are rendered with it.
    ("kubernetes/base/*", Reader::Kubernetes),
];

/// Those that carry plugin configuration, and say by which schema.
const CARRIERS: [&str; 10] = [
    "compose/envoy.yaml",
    "envoy.yaml",
    "gateway/policy-http.yaml",
    "gateway/policy.yaml",
    "istio/ingress-gateway.yaml",
    "istio/sidecar.yaml",
    "istio/traffic-extension.yaml",
    "kubernetes/base/filter.yaml",
    "kubernetes/overlays/example/filter.yaml",
    "providers.yaml",
];

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .flat_map(|path| {
            if path.is_dir() {
                files_below(&path)
            } else {
                vec![path]
            }
        })
        .collect();
    files.sort();
    files
}

fn of(reader: Reader) -> impl Iterator<Item = String> {
    let of = move |(file, it): &(&str, Reader)| *it == reader && !file.ends_with('*');
    FILES
        .into_iter()
        .filter(of)
        .map(|(file, _)| format!("envoy/{file}"))
}

/// Gives a program a document on standard input, and takes the one that it answers with.
fn ask(program: &str, arguments: &[&str], question: &Value) -> Value {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; run scripts/setup"));
    let mut input = child.stdin.take().expect("a pipe");
    input
        .write_all(question.to_string().as_bytes())
        .expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program} {arguments:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

const PYTHON: &str = ".tools/venv/bin/python";

/// The folder of CustomResourceDefinitions, if there is one.
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
fn there_is_no_file_that_no_test_knows() {
    let root = repository().join("envoy");
    let mut known: Vec<String> = of(Reader::Envoy).collect();
    known.extend(FILES.iter().map(|(file, _)| format!("envoy/{file}")));
    for file in files_below(&root) {
        let name = file
            .strip_prefix(repository())
            .expect("a file of ours")
            .display()
            .to_string();
        let read = ["yaml", "yml", "json"]
            .iter()
            .any(|it| file.extension().is_some_and(|end| end == *it));
        let in_base = name.starts_with("envoy/kubernetes/base/");
        assert!(
            !read || in_base || known.contains(&name),
            "{name} is in no test's list"
        );
    }
    for (file, _) in FILES.iter().filter(|(file, _)| !file.ends_with('*')) {
        assert!(root.join(file).is_file(), "{file} is gone");
    }
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

#[test]
fn a_mistake_in_a_resource_is_found_by_its_schema() {
    let resource = |file: &str, kind: &str| {
        let found = documents(file).into_iter().find(|it| it["kind"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {file}"))
    };
    const INGRESS: &str = "envoy/istio/ingress-gateway.yaml";
    const POLICY: &str = "envoy/gateway/policy.yaml";
    // File, kind, where, what then stands there, and what is said.
    let rows = [
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
            POLICY,
            "HTTPRoute",
            "/spec/rules",
            json!("all"),
            "must be array",
        ),
    ];
    let crds = crds();
    for (file, kind, place, value, says) in rows {
        let mut wrong = resource(file, kind);
        if crds.is_none() && with_schema_by_crd(&wrong) {
            continue;
        }
        let (parent, member) = place.rsplit_once('/').expect("a place");
        wrong.pointer_mut(parent).expect("a place")[member] = value;
        let (_, errors) = judged(&[wrong], crds.as_deref()).remove(0);
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

#[test]
fn the_committed_schemas_are_what_the_command_prints() {
    for (file, arguments) in [
        ("envoy/tenantgate.schema.json", &["schema"][..]),
        ("envoy/whole-file.schema.json", &["schema", "--whole-file"]),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_tenantgate"))
            .args(arguments)
            .output();
        let printed = String::from_utf8(output.expect("the command").stdout).expect("text");
        let committed = fs::read_to_string(repository().join(file)).expect("the schema");
        assert!(
            printed == committed,
            "{file} is stale: cargo run -- {} >{file}",
            arguments.join(" ")
        );
    }
}

#[test]
fn every_file_that_carries_plugin_configuration_is_right_by_the_schema_that_it_names() {
    let mut wrong = 0;
    for name in CARRIERS {
        let file = repository().join("envoy").join(name);
        let text = fs::read_to_string(&file).expect("a file");
        let first = text.lines().next().expect("a line");
        let schema = first
            .strip_prefix("# yaml-language-server: $schema=")
            .unwrap_or_else(|| panic!("{name}: {first}"));
        let schema =
            fs::read_to_string(file.with_file_name(schema)).expect("the schema that it names");
        let schema: Value = serde_json::from_str(&schema).expect("JSON");
        let errors = |text: &str| {
            let documents: Vec<Value> = serde_saphyr::from_multiple(text).expect("YAML");
            let question = json!({ "schema": schema, "documents": documents });
            let answers = ask(PYTHON, &["tests/json_schema.py"], &question);
            let answers = answers.as_array().expect("answers").clone();
            answers
                .iter()
                .flat_map(|it| it.as_array().expect("errors"))
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(errors(&text), Vec::<Value>::new(), "{name}");
        // The twin: one field of the configuration misspelt.
        let told = Value::from(errors(&text.replacen(
            "identity_headers:",
            "identity_header:",
            1,
        )))
        .to_string();
        if text.contains("identity_headers:") {
            assert!(
                told.contains("'identity_header' was unexpected"),
                "{name}: {told}"
            );
            wrong += 1;
        }
        // And the filter's own parser, which is the one that counts.
        let output = Command::new(env!("CARGO_BIN_EXE_tenantgate"))
            .args(["check", "--strict"])
            .arg(&file)
            .output();
        let output = output.expect("the command");
        assert_eq!(
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stderr).as_ref()
            ),
            (Some(0), ""),
            "{name}"
        );
    }
    assert!(wrong >= 9, "only {wrong} files have a twin");
}
