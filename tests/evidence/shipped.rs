//! The files of `envoy/evidence/`, as operators copy them: their commands are run as they stand.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::GATE;
use super::command::{Desk, files};
use super::probes::Server;

fn shipped(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("envoy/evidence")
        .join(file);
    serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs a script in that folder with the command at hand.
fn run(script: &str, folder: &Path, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let command = Path::new(env!("CARGO_BIN_EXE_tenantgate"))
        .parent()
        .unwrap();
    let path = format!("{}:{}", command.display(), std::env::var("PATH").unwrap());
    let output = Command::new("/bin/sh")
        .args(["-ec", script])
        .current_dir(folder)
        .env("PATH", path)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn the_cron_job_writes_a_pack_and_fails_where_protection_was_lost() {
    let documents = shipped("cronjob.yaml");
    assert_eq!(documents[1]["kind"], "PersistentVolumeClaim");
    let container =
        &documents[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], serde_json::json!(["/bin/sh", "-ec"]));
    assert_eq!(container["env"][0]["name"], "GATE");

    let gate = Server::denying();
    for (lost, expected) in [(false, Some(0)), (true, Some(1))] {
        let desk = Desk::new();
        std::fs::create_dir(desk.at("packs")).unwrap();
        std::fs::create_dir(desk.at("config")).unwrap();
        let before = if lost {
            GATE.replace(
                "{ type: none }",
                "{ type: api_key, keys: [{ client_id: h, key: k3y }] }",
            )
        } else {
            GATE.to_owned()
        };
        desk.pack("packs/2026-02-15", &before, "2026-02-15");
        std::fs::remove_file(desk.at("packs/2026-02-15.yaml")).unwrap();
        desk.write("config/envoy.yaml", GATE);
        let script = container["args"][0].as_str().unwrap();
        let script = script
            .replace("/packs", &desk.path("packs"))
            .replace("/config", &desk.path("config"));
        let (status, said) = run(&script, &desk.at("."), &[("GATE", &gate.url)]);
        assert_eq!(status, expected, "{said}");
        assert_eq!(
            said.contains("protection lost: endpoint health was opened"),
            lost,
            "{said}"
        );
        let packs = std::fs::read_dir(desk.at("packs")).unwrap().count();
        assert_eq!(packs, 2);
    }
}

#[test]
fn the_workflow_makes_a_pack_and_compares_a_pull_request_with_its_base() {
    let workflow = shipped("github-actions.yaml").remove(0);
    let steps = workflow["jobs"]["evidence"]["steps"].as_array().unwrap();
    let script = |name: &str| {
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        step["run"].as_str().unwrap().to_owned()
    };
    let gate = Server::denying();
    let desk = Desk::new();
    desk.write("envoy.yaml", GATE);
    let variables = [("CONFIG", "envoy.yaml"), ("GATE", gate.url.as_str())];
    let (status, said) = run(&script("pack"), &desk.at("."), &variables);
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(files(desk.at("pack")).len(), 8);

    let desk = Desk::new();
    desk.write("envoy.yaml", GATE);
    // A pull request that takes the source list away.
    let commands = "git init -q && git add envoy.yaml && git -c user.name=a -c user.email=a@example.com commit -qm base && \
                    git update-ref refs/remotes/origin/main HEAD && sed -i /allow_from/d envoy.yaml";
    assert_eq!(run(commands, &desk.at("."), &[]).0, Some(0));
    let temporary = desk.path(".");
    let variables = [
        ("CONFIG", "envoy.yaml"),
        ("GITHUB_BASE_REF", "main"),
        ("RUNNER_TEMP", &temporary),
    ];
    let (status, said) = run(&script("compare"), &desk.at("."), &variables);
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("protection lost: endpoint chat has no source list any more"),
        "{said}"
    );
}
