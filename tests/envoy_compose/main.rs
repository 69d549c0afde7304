//! `envoy/docker-compose.yaml` as it lies there, run by a Docker engine of the test's own: what the README says to type
//! works, and the model server is reached through the gate and in no other way.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test fails by panicking and waits by the real clock"
)]

mod docker;
#[path = "../harness/mod.rs"]
mod harness;
mod reach;

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use docker::{CGROUP, Docker, run};
use harness::Ask;
use harness::module;
use harness::process::{envoy_binary, repository};
use serde_json::{Value, json};

/// Set in the process that runs in namespaces of its own.
const WITHIN: &str = "TENANTGATE_COMPOSE_WITHIN";
const GATE: &str = "127.0.0.1:10000";
const ISSUER: &str = "127.0.0.1:8001";
const PROMETHEUS: &str = "127.0.0.1:9090";
const FORM: &str = "application/x-www-form-urlencoded";
const CHAT: &str = "/v1/chat/completions";

#[test]
fn the_compose_file_comes_up_and_lets_nobody_around_the_gate() {
    if std::env::var_os(WITHIN).is_some() {
        run("ip", &["link", "set", "lo", "up"]);
        return story();
    }
    let alone = [
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    let mut unshare = Command::new("unshare");
    unshare.args(alone);
    let allowed = unshare.arg("true").output().expect("unshare");
    if !allowed.status.success() {
        // Straight to standard error, which the test runner does not keep to itself.
        let why = String::from_utf8_lossy(&allowed.stderr).into_owned();
        writeln!(
            std::io::stderr(),
            "SKIPPED, not tested: envoy/docker-compose.yaml; a Docker engine needs root and namespaces ({})",
            why.trim()
        )
        .expect("standard error");
        return;
    }
    // What the story leaves lying is in a folder of this process, which outlives it.
    let folder = tempfile::tempdir().expect("a folder");
    let before = traces();
    let status = Command::new("unshare")
        .args(alone)
        .arg(std::env::current_exe().expect("this program"))
        .args(["--exact", "--nocapture"])
        .arg("the_compose_file_comes_up_and_lets_nobody_around_the_gate")
        .env(WITHIN, "1")
        .env("TMPDIR", folder.path())
        .status()
        .expect("unshare");
    let after = traces();
    assert!(status.success(), "the story above went wrong");
    assert_eq!(after, before, "something is left behind");
}

/// What an engine could leave on this machine: bridges and mounts. Its groups are taken away here.
fn traces() -> Vec<String> {
    let ours = format!("*/{CGROUP}*");
    let groups = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", &ours];
    for group in run("find", &groups).lines() {
        std::fs::remove_dir(group).unwrap_or_else(|error| panic!("{group}: {error}"));
    }
    let links = run("ip", &["-brief", "link"]);
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    let ours = |line: &&str| {
        ["docker", "br-", "veth", "overlay2"]
            .iter()
            .any(|word| line.contains(word))
    };
    links
        .lines()
        .chain(mounts.lines())
        .filter(ours)
        .map(str::to_owned)
        .collect()
}

fn story() {
    let docker = Docker::start();
    images(&docker);
    docker.compose(&["build"]);
    docker.compose(&[
        "up",
        "--detach",
        "--wait",
        "--wait-timeout",
        "120",
        "--pull",
        "never",
    ]);

    requests_are_judged();
    the_readme_is_right();
    the_access_log_tells(&docker);
    prometheus_counts();
    reach::the_model_server_is_reached_by_envoy_only(&docker);

    docker.compose(&["down", "--timeout", "5"]);
    assert_eq!(docker.run(&["ps", "--all", "--quiet"]), "");
    docker.stop();
}

const SHELL: [(&str, &str); 2] = [("/bin/dash", "/bin/sh"), ("/bin/bash", "/bin/bash")];

/// Stand-ins under the names that the files have: the real Envoy, the real Prometheus, and a `cargo` that has built
/// already, so that the Dockerfile is run without a registry.
fn images(docker: &Docker) {
    // What the file mounts is the module as it is now.
    module::filter();
    let mut tools: Vec<(&Path, &str)> = SHELL
        .iter()
        .map(|(from, to)| (Path::new(*from), *to))
        .collect();
    for tool in ["/bin/cat", "/bin/cp", "/bin/mkdir"] {
        tools.push((Path::new(tool), tool));
    }
    let path = "ENV PATH=/usr/local/bin:/usr/bin:/bin";

    let envoy = envoy_binary();
    let entrypoint = "#!/bin/sh\ncase ${1-} in -*) exec envoy \"$@\" ;; *) exec \"$@\" ;; esac\n";
    docker.import(
        "envoyproxy/envoy:v1.40.0",
        &[
            path,
            "USER 101:101",
            r#"ENTRYPOINT ["/docker-entrypoint.sh"]"#,
        ],
        &[&tools[..], &[(envoy.as_path(), "/usr/local/bin/envoy")]].concat(),
        &[("/docker-entrypoint.sh", entrypoint)],
    );

    let prometheus = repository().join(".tools/bin/prometheus");
    docker.import(
        "prom/prometheus:v3.7.3",
        &[
            path,
            "USER 65534:65534",
            r#"ENTRYPOINT ["/bin/prometheus"]"#,
        ],
        &[(prometheus.as_path(), "/bin/prometheus")],
        &[],
    );

    let (issuer, model_server) = (module::example("issuer"), module::example("model_server"));
    let cargo = "#!/bin/sh\nset -eu\n[ \"$*\" = 'build --release --locked --example issuer --example model_server' ]\n\
                 cat Cargo.lock >/dev/null\nmkdir -p target/release/examples\ncp /built/* target/release/examples/\n";
    docker.import(
        "rust:1.95.0-slim-bookworm",
        &[path],
        &[
            &tools[..],
            &[
                (issuer.as_path(), "/built/issuer"),
                (model_server.as_path(), "/built/model_server"),
            ],
        ]
        .concat(),
        &[("/usr/local/bin/cargo", cargo)],
    );
    // What both programs are linked with comes with either.
    docker.import(
        "debian:bookworm-slim",
        &[path],
        &[&tools[..], &[(issuer.as_path(), "/built/issuer")]].concat(),
        &[],
    );
}

fn requests_are_judged() {
    let body = json!({ "model": "demo-1" });
    let chat = || ask("POST", GATE, CHAT).body("application/json", &body.to_string());
    let admitted = chat()
        .bearer("demo-key-of-acme")
        .header("x-tenant-id", "globex")
        .send();
    let saw = &admitted.admitted().json()["saw"];
    assert_eq!(
        saw,
        &json!({ "x-tenant-id": "acme", "x-user-id": "backend" })
    );
    let globex = chat().header("x-api-key", "demo-key-of-globex").send();
    assert_eq!(globex.admitted().json()["saw"]["x-tenant-id"], "globex");
    chat().send().refused(401, "missing_credential");
    chat()
        .bearer("demo-key-of-nobody")
        .send()
        .refused(401, "invalid_credential");
    ask("GET", GATE, "/v1/elsewhere")
        .send()
        .refused(404, "unknown_endpoint");

    let form = "client_id=acme-app&client_secret=acme-secret";
    let token = ask("POST", ISSUER, "/token").body(FORM, form).send();
    let token = token.admitted().json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let infer = || ask("POST", GATE, "/v1/models/demo-1/infer").body(FORM, "");
    // On a machine that has much to do the issuer's keys come later, and clients ask again.
    let answer = eventually("keys", || {
        let answer = infer().bearer(&token).send();
        if answer.reason() == "keys_unavailable" {
            Err(answer.text())
        } else {
            Ok(answer)
        }
    });
    assert_eq!(answer.admitted().json()["saw"]["x-tenant-id"], "acme");
    infer()
        .bearer(&format!("{token}x"))
        .send()
        .refused(401, "invalid_credential");
}

/// What the README says to type, as one would type it: each answer in its turn.
fn the_readme_is_right() {
    let readme = std::fs::read_to_string(repository().join("README.md")).expect("the README");
    let section = readme
        .split("### On this machine, with Docker Compose")
        .nth(1)
        .expect("the section");
    let block = section.split("```").nth(1).expect("a block of commands");
    let asked: Vec<&str> = block
        .lines()
        .filter(|line| line.contains("curl "))
        .collect();
    let mut answers = run("bash", &["-euc", &asked.join("\n")]);
    for expected in [
        "\"ok\":true",
        "Hello, acme",
        "missing_credential",
        "\"x-tenant-id\":\"acme\"",
    ] {
        let (_, rest) = answers
            .split_once(expected)
            .unwrap_or_else(|| panic!("{expected} is missing: {answers}"));
        answers = rest.to_owned();
    }
}

fn the_access_log_tells(docker: &Docker) {
    let id = docker
        .compose(&["ps", "--quiet", "envoy"])
        .trim()
        .to_owned();
    let told = |fields: &[(&str, Value)]| {
        eventually("a line of the access log", || {
            let log = docker.run(&["logs", &id]);
            let lines = log
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut fitting =
                lines.filter(|line| fields.iter().all(|(name, value)| line[*name] == *value));
            fitting.next().ok_or(log)
        })
    };
    let line = told(&[
        ("tenant_id", json!("acme")),
        ("endpoint", json!(CHAT)),
        ("decision", json!("allow")),
    ]);
    assert_eq!(
        (&line["input_tokens"], &line["output_tokens"]),
        (&json!(9), &json!(7))
    );
    told(&[
        ("decision", json!("deny")),
        ("reason", json!("missing_credential")),
        ("status", json!(401)),
    ]);
}

fn prometheus_counts() {
    let query = |query: &str| {
        ask("GET", PROMETHEUS, &format!("/api/v1/{query}"))
            .send()
            .json()
    };
    eventually("a scrape", || {
        let answer = query("query?query=tenantgate_requests_total");
        let results = answer["data"]["result"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let refused = |result: &Value| result["metric"]["reason"] == "missing_credential";
        if results.iter().any(refused) {
            Ok(())
        } else {
            Err(answer.to_string())
        }
    });
    let rules = query("rules");
    assert_eq!(
        rules["data"]["groups"][0]["file"], "/etc/prometheus/alerts.yaml",
        "{rules}"
    );
}

fn ask(method: &str, address: &str, path: &str) -> Ask {
    Ask::to(method, &format!("http://{address}{path}"))
}

/// What `attempt` gives in the end; what it said last if it never does.
fn eventually<T>(what: &str, attempt: impl Fn() -> Result<T, String>) -> T {
    let deadline = Instant::now() + Duration::from_secs(40);
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(last) => assert!(Instant::now() < deadline, "no {what}: {last}"),
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}
