//! Every file of `envoy/` that a machine reads: known to a test, right by its schema, and by the filter's own parser.
//! Other programs run them: `envoy_plumbing`, `envoy_mesh`, `envoy_compose`, `envoy_live`, `evidence`, `envoy_access_logs`.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

#[path = "../harness/mod.rs"]
mod harness;
mod kubernetes;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::process::repository;
use serde_json::{Value, json};

/// Who reads a file, and which test holds it against that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reader {
    /// Envoy: as a bootstrap (`envoy_plumbing`, `envoy_mesh`, `envoy_compose` run them) or as a part of one
    /// (`envoy_access_logs`, `envoy_mesh`, `envoy_traps`).
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
    /// GitHub Actions: `evidence`.
    Ci,
    /// Editors: here.
    Schema,
}

const FILES: [(&str, Reader); 32] = [
    ("access-logs/json.yaml", Reader::Envoy),
    ("access-logs/opentelemetry.yaml", Reader::Envoy),
    ("compose/envoy.yaml", Reader::Envoy),
    ("compose/prometheus.yaml", Reader::Metrics),
    ("docker-compose.yaml", Reader::Compose),
    ("ecds/configmap.yaml", Reader::Kubernetes),
    ("ecds/envoy.yaml", Reader::Envoy),
    ("ecds/tenantgate.yaml", Reader::Envoy),
    ("envoy.yaml", Reader::Envoy),
    ("evidence/cronjob.yaml", Reader::Kubernetes),
    ("evidence/github-actions.yaml", Reader::Ci),
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
    ("second-lock.yaml", Reader::Envoy),
    ("tenantgate.schema.json", Reader::Schema),
    ("whole-file.schema.json", Reader::Schema),
    // Of the base; they are rendered with it.
    ("kubernetes/base/*", Reader::Kubernetes),
];

/// Those that carry plugin configuration, and say by which schema.
const CARRIERS: [&str; 11] = [
    "compose/envoy.yaml",
    "ecds/tenantgate.yaml",
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
fn every_bootstrap_makes_the_same_labels_of_the_metrics() {
    let rules = |file: &str| harness::shipped::shipped(file)["stats_config"].clone();
    let documented = rules("envoy/envoy.yaml");
    let others: Vec<_> = of(Reader::Envoy)
        .filter(|file| !rules(file).is_null())
        .collect();
    assert!(others.len() >= 4, "{others:?}");
    for file in others {
        assert_eq!(rules(&file), documented, "{file}");
    }
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
        // Editors take it for the document that it stands in.
        let document = text
            .split("\n---\n")
            .find(|document| document.contains("endpoints:"));
        let mut lines = document.expect("a document with endpoints").lines();
        let schema = lines.find_map(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let schema = schema.unwrap_or_else(|| panic!("{name} names no schema"));
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

/// Rust that verifies is all that the filter has of RSA: who makes no signature has no key whose timing could tell.
#[test]
fn sup_01_an_advisory_is_answered_with_a_reason_and_the_filter_holds_no_private_key() {
    let root = repository();
    let read = |name: &str| fs::read_to_string(root.join(name)).expect("it is there");
    let (rules, check) = (read("deny.toml"), read("scripts/check"));
    assert!(
        check.contains("deny check advisories"),
        "they are asked for"
    );
    let answers: Vec<_> = rules.split("id = \"RUSTSEC-").skip(1).collect();
    for answer in &answers {
        let (id, rest) = answer.split_once('"').expect("an id");
        assert!(rest.starts_with(", reason = "), "{id} says no reason");
    }
    let mut folders = vec![root.join("src")];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            // The command forges tokens, and tests sign some.
            if path.ends_with("src/cli") || path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).expect("source");
            seen += 1;
            for word in ["PrivateKey", "SigningKey", "Signer"] {
                assert!(!text.contains(word), "{}: {word}", path.display());
            }
        }
    }
    assert!(seen > 50, "{seen} files");
}
