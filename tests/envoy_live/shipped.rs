//! `envoy/ecds/`, as operators start it: only ports, and where the watched file and the module lie, are this machine's.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chat;
use crate::harness::command::tenantgate;
use crate::harness::process::repository;
use crate::harness::shipped::shipped;
use crate::harness::{Envoy, Setup, Upstream, module};

const KEY: &str = "demo-key-of-acme";
const MODULE: &str = "target/wasm32-wasip1/release/tenantgate.wasm";

fn text(file: &str) -> String {
    std::fs::read_to_string(repository().join(file)).expect("a shipped file")
}

/// Each text is there, once, and is replaced.
fn replaced(mut text: String, places: &[(&str, &str)]) -> String {
    for (place, with) in places {
        assert_eq!(text.matches(place).count(), 1, "{place}\n{text}");
        text = text.replace(place, with);
    }
    text
}

/// The shipped Envoy, with this text in the file that it watches.
fn start(folder: &TempDir, upstream: &Upstream, watched: &str) -> (Envoy, String) {
    let file = folder.path().join("tenantgate.yaml");
    std::fs::write(&file, watched).expect("the watched file");
    let file = file.to_str().expect("a path").to_owned();
    let port = upstream.address().port();
    let bootstrap = replaced(
        text("envoy/ecds/envoy.yaml"),
        &[
            ("port_value: 9901", "port_value: 0"),
            ("port_value: 10000", "port_value: 0"),
            ("port_value: 8000", &format!("port_value: {port}")),
            (
                "                  path: envoy/ecds/tenantgate.yaml",
                &format!("                  path: {file}"),
            ),
        ],
    );
    (
        Envoy::start(Setup::with(json!({})).written(bootstrap)),
        file,
    )
}

fn watched() -> String {
    let module = module::filter().to_str().expect("a path");
    replaced(text("envoy/ecds/tenantgate.yaml"), &[(MODULE, module)])
}

#[test]
fn the_shipped_set_up_serves_and_takes_edits() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
    let (envoy, file) = start(&folder, &upstream, &watched());
    let ask = |key: &str| {
        let body = json!({ "model": "m" });
        envoy.post("/v1/chat/completions", &body).bearer(key).send()
    };
    ask(KEY).admitted();
    assert_eq!(
        upstream.last().header("x-tenant-id").as_deref(),
        Some("acme")
    );

    let mut edit = chat(&["another-key"]);
    edit["path"] = json!("/v1/chat/completions");
    let edit = json!({ "endpoints": [edit] }).to_string();
    let said = tenantgate(&["apply", "-", "--to", &file], &edit);
    assert_eq!(said.status, Some(0), "{}", said.stderr);
    while ask("another-key").status != 200 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    ask(KEY).refused(401, "invalid_credential");
    // What introduces the file is still there, and so is all that was not edited.
    let after = std::fs::read_to_string(&file).expect("the watched file");
    let introduction = |text: &str| -> Vec<String> {
        let comments = text.lines().take_while(|line| line.starts_with('#'));
        comments.map(str::to_owned).collect()
    };
    assert!(introduction(&after).len() > 1, "{after}");
    assert_eq!(introduction(&after), introduction(&watched()));
    let vm = |text: &str| -> Value {
        let file: Value = serde_saphyr::from_str(text).expect("YAML");
        file["resources"][0]["typed_config"]["config"]["vm_config"].clone()
    };
    assert_eq!(vm(&after), vm(&watched()));
}

#[test]
fn vm_05_a_file_that_is_bad_when_envoy_starts_lets_nobody_do_anything_until_it_is_mended() {
    let (folder, upstream) = (tempfile::tempdir().expect("a folder"), Upstream::start());
    let bad = replaced(
        watched(),
        &[("path: /v1/chat/completions", "path: v1/chat/completions")],
    );
    let (envoy, file) = start(&folder, &upstream, &bad);
    let ask = || {
        let body = json!({ "model": "m" });
        envoy.post("/v1/chat/completions", &body).bearer(KEY).send()
    };
    assert_eq!(ask().status, 403);
    assert_eq!(envoy.get("/").send().status, 403);
    upstream.saw_nothing();
    assert!(
        envoy
            .log()
            .contains("endpoints[0].path: must begin with `/`")
    );

    let good = folder.path().join("good.yaml");
    std::fs::write(&good, watched()).expect("a file");
    let said = tenantgate(
        &["apply", good.to_str().expect("a path"), "--to", &file],
        "",
    );
    assert_eq!(said.status, Some(0), "{}", said.stderr);
    let start = std::time::Instant::now();
    while ask().status != 200 {
        assert!(start.elapsed().as_secs() < 5, "{}", envoy.log());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

#[test]
fn the_config_map_holds_the_same_file() {
    let map = shipped("envoy/ecds/configmap.yaml");
    let inside = map["data"]["tenantgate.yaml"].as_str().expect("a text");
    let inside = replaced(inside.to_owned(), &[("/etc/envoy/tenantgate.wasm", MODULE)]);
    let inside: Value = serde_saphyr::from_str(&inside).expect("YAML");
    assert_eq!(inside, shipped("envoy/ecds/tenantgate.yaml"));
    for file in ["envoy/ecds/configmap.yaml", "envoy/ecds/tenantgate.yaml"] {
        let path = Path::new(repository()).join(file);
        let said = tenantgate(&["check", path.to_str().expect("a path")], "");
        assert_eq!(said.status, Some(0), "{file}: {}", said.stderr);
    }
}
